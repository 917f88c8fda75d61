"""Who handed a message over, and when: read from the headers that receiving servers write."""

from __future__ import annotations

import re
from email.parser import BytesHeaderParser
from email.utils import mktime_tz, parsedate_tz
from ipaddress import IPv4Address

import attrs

FIRST_MS, LAST_MS = 978_307_200_000, 1_041_379_200_000
"""The mail is of 2001 and 2002; one header tells another time, in the first century."""

_ADDRESS = re.compile(r"\[(\d{1,3}(?:\.\d{1,3}){3})\]")
_parse = BytesHeaderParser().parsebytes


@attrs.frozen
class Request:
    """A message that was handed over.

    Attributes:
        name: What it is called.
        address: IPv4 address of the server that did so.
        now_ms: When, in milliseconds since 1970.
        good: The label.
    """

    name: str
    address: str
    now_ms: int
    good: bool


def request(raw: bytes, name: str, good: bool) -> Request | None:
    """Find the client of a message.

    The headers are read from the latest server on; the first that names a public address tells the client, for what is
    before it are servers of the receiver's own, and what comes after it was written by strangers.

    Args:
        raw: The message as it is stored, headers and all.
        name: What to call it.
        good: The label.

    Returns:
        The request, or None if no header tells an address and a time that can be.
    """
    for header in _parse(raw.partition(b"\n\n")[0]).get_all("Received", ()):
        where, _, when = str(header).rpartition(";")
        address = next(filter(_public, _ADDRESS.findall(where)), None)
        if address:
            time = parsedate_tz(when.strip())
            now_ms = mktime_tz(time) * 1000 if time else 0
            return Request(name, address, now_ms, good) if FIRST_MS <= now_ms < LAST_MS else None
    return None


def _public(address: str) -> bool:
    return max(map(int, address.split("."))) < 256 and IPv4Address(address).is_global
