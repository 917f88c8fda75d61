"""IP addresses."""

from __future__ import annotations

import re
import socket

from mdm_redaction.detector import Detector, begins, by_pattern, words_before
from mdm_redaction.personal.numbers import is_about

_VERSIONS = frozenset(
    """
    build chapter chrome chromium clause dotnet driver edge fig figure firefox firmware kernel oid opera python release
    rev revision safari sec sect section table v ver version §
    """.split()
)


_LOOPBACK = socket.inet_pton(socket.AF_INET6, "::1")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]?[0-9]?|[2-9][0-9]?|0)"


def _is_ipv4(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    if not begins(text, start):
        return False
    parts = match.group().split(".")
    if not all(part == str(int(part)) and int(part) < 256 for part in parts):
        return False
    before, after = text[start - 1 : start], text[end : end + 2]
    if before in (".", "-") or after[:1].isalnum() or (after[:1] in ".-" and after[1:].isdigit()):
        return False
    if match.group().endswith(".0.0") or parts[0] in ("0", "127", "255"):
        return False
    return not is_about(_VERSIONS, words_before(text, start))


def _is_ipv6(match: re.Match[str]) -> bool:
    text, start, end = match.string, match.start(), match.end()
    address = match.group()
    after = text[end : end + 1]
    if not begins(text, start) or text[start - 1 : start] in (":", ".") or after.isalnum() or after == ":":
        return False
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return False
    return len(address) > 4 and any(c.isdigit() for c in address) and packed != _LOOPBACK


def ip_detectors() -> list[Detector]:
    """Make the detectors of IP addresses."""
    return [
        Detector(
            "ip",
            "IPv4 addresses, but those of networks and of the machine itself",
            by_pattern(r"\d{1,3}(?:\.\d{1,3}){3}", _is_ipv4),
            gate=rf"[^0-9A-Za-z.](?:{_OCTET}\.){{3}}{_OCTET}[^0-9]",
            literals=(".",),
        ),
        Detector(
            "ip",
            "IPv6 addresses",
            by_pattern(
                r"(?:[0-9A-Fa-f]{1,4}:){2,7}(?::[0-9A-Fa-f]{1,4}){0,6}(?:(?:(?<=:)|:)(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4}|:)?"
                r"|[0-9A-Fa-f]{1,4}::(?:[0-9A-Fa-f]{1,4}:){0,6}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4})?"
                r"|::(?:ffff:|FFFF:)(?:\d{1,3}\.){3}\d{1,3}",
                _is_ipv6,
            ),
            gate=r"(?:[0-9A-Fa-f]+:){6}|[0-9A-Fa-f]::|::[0-9A-Fa-f]",
            literals=(":",),
        ),
    ]
