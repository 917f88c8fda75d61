"""The lines of a chain file: what each says, and the hash that ties it to all that was before.

A line is a JSON object whose last key is ``hash``, and ``hash`` is the SHA-256 of three things one after the other:
the 32 bytes of the hash before; the lines of the trace that it tells of, which only a ``block`` does; and the line
itself up to ``,"hash":``. Before the first line of a segment stands the hash that its ``previous`` gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, BinaryIO, TypeAlias, Union

import attrs
import msgspec

FORMAT = 1
NOTHING = bytes(32)
"""The hash before the first segment of a trace."""

BLOCK_LINES = 64
"""Most lines of a trace that share a hash."""

LONGEST = 64 * 1024
"""Bytes that a line of a chain can have."""

_HASH, _END = b',"hash":"', b'"}\n'
_TAIL = len(_HASH) + 64 + len(_END)
_SEAL_DOMAIN = b"mdm trace seal 1\n"

Hash: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Told(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """What a line of a chain tells."""


class Begin(Told, frozen=True, tag="begin"):
    """A segment begins.

    Attributes:
        format: Version of the chain's format.
        file: Name of the trace's file.
        segment: Number of the segment, from 1.
        first: Number of the oldest segment that was kept then.
        run_id: Id of the run.
        run_sha256: SHA-256 of ``run.json``, or None outside a run.
        lines: Lines in all segments before.
        size: Bytes in all segments before.
        previous: Hash at the end of the segment before, in hexadecimal.
    """

    format: Count
    file: str
    segment: Count
    first: Count
    run_id: str
    run_sha256: Hash | None
    lines: Count
    size: Count
    previous: Hash


class Block(Told, frozen=True, tag="block"):
    """Some lines of the trace.

    Attributes:
        line: Number of the first one in its segment, from 1.
        offset: Byte in the segment at which it begins.
        lines: How many.
        size: Their length in bytes.
    """

    line: Count
    offset: Count
    lines: Count
    size: Count

    @property
    def end(self) -> int:
        """Byte in the segment at which what comes next begins."""
        return self.offset + self.size


class Seal(Told, frozen=True, tag="seal"):
    """Everything up to here is on the disk.

    Attributes:
        at: When, as ISO 8601 text.
        lines: Lines of the trace so far, in all segments.
        size: Bytes of the trace so far, in all segments.
        closed: Whether the writer ended orderly.
        key: The public key that signed, in hexadecimal, if one did.
        signature: Its Ed25519 signature of what ``signed_message`` gives, in hexadecimal.
    """

    at: str
    lines: Count
    size: Count
    closed: bool = False
    key: str = ""
    signature: str = ""


class Opened(Told, frozen=True, tag="opened"):
    """A later process goes on with the segment.

    Attributes:
        at: When, as ISO 8601 text.
        late: Lines found that no block told of; they were added to the chain only now.
        cut: Bytes cut off, because they were no whole line.
        lost: Lines that a block told of and that were not there any more; the block was taken out of the chain.
    """

    at: str
    late: Count
    cut: Count
    lost: Count


class Packed(Told, frozen=True, tag="packed"):
    """An earlier segment is about to be replaced by its compressed file.

    Attributes:
        segment: Its number.
        size: Length of the compressed file in bytes.
        sha256: SHA-256 of the compressed file, in hexadecimal.
    """

    segment: Count
    size: Count
    sha256: Hash


class Removed(Told, frozen=True, tag="removed"):
    """Old segments are about to be removed, because they need not be kept.

    Attributes:
        through: Number of the last one.
    """

    through: Count


AnyTold: TypeAlias = Union[Begin, Block, Seal, Opened, Packed, Removed]  # noqa: UP007 - msgspec reads it

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyTold).decode


@attrs.frozen
class Link:
    """A line of a chain.

    Attributes:
        told: What it tells.
        head: The line up to its hash.
        digest: Its hash.
    """

    told: AnyTold
    head: bytes
    digest: bytes


def head_of(told: AnyTold) -> bytes:
    """Encode what a line tells, as far as it is hashed.

    Args:
        told: What it tells.
    """
    return _encode(told)[:-1]


def line_of(head: bytes, digest: bytes) -> bytes:
    """Put a line together.

    Args:
        head: What is hashed of it.
        digest: Its hash.
    """
    return b"".join((head, _HASH, digest.hex().encode(), _END))


def read_line(line: bytes) -> Link:
    """Take a line apart.

    Args:
        line: The line.

    Raises:
        ValueError: It is not one of a chain.
    """
    head, tail = line[:-_TAIL], line[-_TAIL:]
    digest = tail[len(_HASH) : -len(_END)]
    if len(line) <= _TAIL or tail != _HASH + digest + _END or digest.strip(b"0123456789abcdef"):
        raise ValueError("not a line of a chain")
    return Link(_decode(head + b"}"), head, bytes.fromhex(digest.decode()))


def read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Read a chain file; no more of it is in memory than ``LONGEST``.

    Args:
        file: The file, opened for reading.

    Yields:
        Number, from 1, and line.
    """
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        yield number, line


def digest_of(previous: bytes, head: bytes) -> bytes:
    """The hash of a line that tells of no lines of the trace.

    Args:
        previous: The hash before.
        head: The line up to its hash.
    """
    return sha256(previous + head).digest()


def signed_message(previous: bytes, seal: Seal) -> bytes:
    """What the signature of a seal is made of.

    Args:
        previous: The hash before the seal.
        seal: The seal, with its key; a signature in it is left out.
    """
    return _SEAL_DOMAIN + previous + head_of(msgspec.structs.replace(seal, signature=""))
