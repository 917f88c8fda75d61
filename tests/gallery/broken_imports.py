"""Broken in that importing it opens a socket."""

from __future__ import annotations

import socket

import attrs
from exhibits import broken
from sound import SoundModel

socket.socket().close()


@broken("no-io-at-import")
@attrs.define
class ConnectsWhenImported(SoundModel):
    """Stands in a module that opens a socket when it is imported."""
