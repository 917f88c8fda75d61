"""Signatures: whoever receives an order can tell that it comes from us, is unaltered, fresh, and not a repeat.

The signature is HMAC-SHA256 (RFC 2104) over ``v1.TIMESTAMP.NONCE.`` and the body. Timestamp and nonce hold no dot, so
that no other timestamp, nonce and body give the same text.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Iterable
from heapq import heappop, heappush
from threading import Lock
from typing import Final, Literal, Protocol, TypeAlias

TIMESTAMP: Final = "X-Mdm-Timestamp"
NONCE: Final = "X-Mdm-Nonce"
SIGNATURE: Final = "X-Mdm-Signature"
SHORTEST_KEY: Final = 32

_FORMS: Final = {TIMESTAMP: "[0-9]{1,12}", NONCE: "[0-9a-f]{32}", SIGNATURE: "v1=[0-9a-f]{64}"}

Reason: TypeAlias = Literal["missing", "malformed", "signature", "timestamp", "replay", "full"]


class Headers(Protocol):
    """The headers of a request: a dict, or what a web framework has instead."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Give names and values."""


class SignatureError(ValueError):
    """A request that must not be acted upon.

    Attributes:
        reason: ``missing`` or ``malformed`` (a header), ``signature`` (another key, or something was altered),
            ``timestamp`` (too old, or from the future), ``replay``, or ``full`` (too many requests to remember).
    """

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason)


def sign(key: bytes, body: bytes) -> list[tuple[str, str]]:
    """Sign a body, with the time and a new nonce.

    Args:
        key: What sender and receiver share.
        body: The bytes that are sent.

    Returns:
        The headers to send.
    """
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    return [(TIMESTAMP, timestamp), (NONCE, nonce), (SIGNATURE, _signature(key, timestamp, nonce, body))]


class Verifier:
    """Checks signed requests; one for all threads of a receiver.

    What it remembers is gone when the process ends: a receiver that starts again, or runs in several processes, must
    also recognise orders by their idempotency key.

    Args:
        key: The signing key, at least 32 characters.
        tolerance_s: How far the clocks may be apart, and how old a request may be, in seconds.
        remember: How many requests can be remembered. When all are still fresh, further ones are refused: forgetting
            one would let it be replayed.

    Raises:
        ValueError: The key is too short.
    """

    def __init__(self, key: str | bytes, *, tolerance_s: int = 300, remember: int = 100_000) -> None:
        self._key = key.encode() if isinstance(key, str) else key
        if len(self._key) < SHORTEST_KEY:
            raise ValueError(f"the signing key must have at least {SHORTEST_KEY} characters")
        self._tolerance_s = tolerance_s
        self._remember = remember
        self._nonces: set[str] = set()
        self._by_age: list[tuple[int, str]] = []
        self._forgotten_until = -1
        self._lock = Lock()

    def verify(self, headers: Headers, body: bytes, now: float | None = None) -> None:
        """Accept a request, once.

        Args:
            headers: Its headers, in any spelling.
            body: Its body, byte for byte.
            now: Seconds since 1970; by default the clock's.

        Raises:
            SignatureError: The request must not be acted upon.
        """
        timestamp, nonce, signature = _fields(headers)
        if not hmac.compare_digest(_signature(self._key, timestamp, nonce, body), signature):
            raise SignatureError("signature")
        self._accept(int(timestamp), nonce, time.time() if now is None else now)

    def _accept(self, timestamp: int, nonce: str, now: float) -> None:
        if abs(now - timestamp) > self._tolerance_s:
            raise SignatureError("timestamp")
        with self._lock:
            self._forget(now)
            # After the clock was set back, what is forgotten already would look fresh again.
            if timestamp <= self._forgotten_until:
                raise SignatureError("timestamp")
            if nonce in self._nonces:
                raise SignatureError("replay")
            if len(self._nonces) >= self._remember:
                raise SignatureError("full")
            self._nonces.add(nonce)
            heappush(self._by_age, (timestamp, nonce))

    def _forget(self, now: float) -> None:
        while self._by_age and now - self._by_age[0][0] > self._tolerance_s:
            self._forgotten_until, nonce = heappop(self._by_age)
            self._nonces.remove(nonce)


def _fields(headers: Headers) -> list[str]:
    found: dict[str, list[str]] = {name.lower(): [] for name in _FORMS}
    for name, value in headers.items():
        if name.lower() in found:
            found[name.lower()].append(value)
    if not all(found.values()):
        raise SignatureError("missing")
    for name, form in _FORMS.items():
        # A header that is there twice may be read one way here and another way elsewhere.
        if len(found[name.lower()]) > 1 or not re.fullmatch(form, found[name.lower()][0]):
            raise SignatureError("malformed")
    return [value for values in found.values() for value in values]


def _signature(key: bytes, timestamp: str, nonce: str, body: bytes) -> str:
    return "v1=" + hmac.digest(key, f"v1.{timestamp}.{nonce}.".encode() + body, "sha256").hex()
