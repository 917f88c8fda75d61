"""One mail message as an event: when it came, from whom, and what it says."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from email.utils import mktime_tz, parseaddr, parsedate_tz
from html import unescape
from string import ascii_lowercase, ascii_uppercase
from typing import Any

LONGEST = 20_000
"""Characters of a text that are looked at; the rest of a longer one is left away."""

_RECEIVED = ("Received", "Delivery-Date")
"""Headers in which the receiving server writes the time, the latest first. ``Date`` is the sender's word."""
_UNSEEN = re.compile(r"<(script|style|title)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_LINK = re.compile(r"https?://", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b", re.IGNORECASE)
_CAPITALS, _SMALL = ascii_uppercase.encode(), ascii_lowercase.encode()
_NO_LETTERS = bytes(set(range(256)) - set(_CAPITALS + _SMALL))


def event(raw: bytes, name: str, spam: bool) -> dict[str, Any] | None:
    """Make an event of a message.

    Args:
        raw: The message as it is stored, headers and all.
        name: What to call it.
        spam: The label.

    Returns:
        ``id``, ``timestamp_ms``, ``sender`` (``domain`` and ``address``), ``subject``, ``text`` (what a reader sees, at
        most ``LONGEST`` characters), ``shape`` (numbers about the form) and ``spam``; None if no receiving server has
        written when it came.
    """
    message = _parsed(raw)
    received = received_ms(message)
    if received is None:
        return None
    source, html = _source(message)
    text = _visible(source) if html else source
    return {
        "id": name,
        "timestamp_ms": received,
        "sender": _sender(message),
        "subject": str(message.get("Subject", ""))[:LONGEST],
        "text": text[:LONGEST],
        "shape": _shape(message, source, text, html),
        "spam": spam,
    }


def received_ms(message: Message) -> int | None:
    """Find when the receiving server says that a message came.

    Args:
        message: The message.

    Returns:
        Milliseconds since 1970, or None if it does not say.
    """
    for header in _RECEIVED:
        written = parsedate_tz(str(message.get(header, "")).rsplit(";", 1)[-1].strip())
        if written is not None:
            return mktime_tz(written) * 1000
    return None


def _parsed(raw: bytes) -> Message:
    """Parse a message; the text of one without parts as a whole, for the parser would go through it line by line."""
    head, _, body = raw.partition(b"\n\n")
    message = message_from_bytes(head + b"\n\n")
    if message.get_content_maintype() in ("multipart", "message") or message.defects:
        return message_from_bytes(raw)
    message.set_payload(body.decode("ascii", "surrogateescape"))
    return message


def _sender(message: Message) -> dict[str, str]:
    _, address = parseaddr(str(message.get("From", "")))
    return {"domain": address.rpartition("@")[2].lower(), "address": address}


def _source(message: Message) -> tuple[str, bool]:
    """Give the text of all readable parts as it was sent, and whether any of it is HTML."""
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    html = any(part.get_content_subtype() == "html" for part in parts)
    return "\n".join(map(_decoded, parts)), html


def _decoded(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
    except (MessageError, ValueError):
        return ""
    try:
        return data.decode(part.get_content_charset("latin-1"), "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _visible(html: str) -> str:
    return unescape(_TAG.sub(" ", _UNSEEN.sub(" ", html[: 4 * LONGEST])))


def _shape(message: Message, source: str, text: str, html: bool) -> dict[str, Any]:
    subject = str(message.get("Subject", ""))
    return {
        "html": html,
        "reply": bool(message.get("In-Reply-To") or message.get("References")),
        "links": len(_LINK.findall(source)),
        "images": len(_IMAGE.findall(source)),
        "characters": len(text),
        "capitals": _capitals(text[:LONGEST]),
        "subject_capitals": _capitals(subject),
    }


def _capitals(text: str) -> float | None:
    """Give the share of capitals among the ASCII letters; None without any."""
    letters = text.encode("ascii", "ignore").translate(None, _NO_LETTERS)
    return round(len(letters.translate(None, _SMALL)) / len(letters), 4) if letters else None
