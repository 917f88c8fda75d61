"""Sending a request through httpx2 and waiting for its answer, both within a limit that holds whatever comes.

httpx2 limits each wait for some bytes, so that an answer that trickles in could take for ever. Here the time-outs that
pass through it are moments on the monotonic clock, and each wait is cut to what is left until then.

The transport is used without a client, which would follow redirects, keep cookies, obey proxy variables of the
environment and log every URL.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpcore2
import httpx2
from mdm_core import Receipt

from mdm_http.answers import Answer, Unanswered

# Shorter than the 5 s after which common servers close an idle connection: one closed while an order is on its way
# leaves its outcome unknown.
_KEEP_ALIVE_S: Final = 2.0
_MOST_BODY_BYTES: Final = 65_536
_WRITE_BYTES: Final = 65_536


class Sender:
    """A pool of connections.

    Args:
        urls: The endpoints.
        ca_file: PEM file of the certificates to trust instead of the system's.

    Raises:
        ValueError: One of the URLs or the file cannot be used.
    """

    def __init__(self, urls: Iterable[str], ca_file: Path | None = None) -> None:
        self._urls = {url: _parsed(url) for url in urls}
        self._transport = _Transport(httpx2.create_ssl_context() if ca_file is None else _trusting(ca_file))

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def send(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, connect_s: float, answer_s: float
    ) -> Answer:
        """Send one request, once.

        Args:
            method: Such as ``POST``.
            url: One of the endpoints.
            headers: What to send beside ``Host`` and ``Content-Length``.
            body: What to send.
            connect_s: Seconds in which to be connected.
            answer_s: Seconds in which to have the answer, connecting included.

        Returns:
            The answer. Its body is read, up to 64 KiB, only for the connection to be usable again.

        Raises:
            Unanswered: There was none.
        """
        now = monotonic()
        limits = {"pool": connect_s, "connect": now + connect_s, "write": now + answer_s, "read": now + answer_s}
        try:
            request = httpx2.Request(
                method, self._urls[url], headers=headers, content=body, extensions={"timeout": limits}
            )
            response = self._transport.handle_request(request)
        except (httpx2.TransportError, UnicodeError) as error:
            raise Unanswered(_receipt_of(error), _cause(error)) from None
        _drain(response)
        return Answer(response.status_code, response.headers)


def _parsed(url: str) -> httpx2.URL:
    try:
        return httpx2.URL(url)
    except httpx2.InvalidURL:
        # Its message may hold a part of the URL.
        raise ValueError("one of the URLs cannot be used; correct its host and port") from None


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"ca_file: {ca_file} cannot be used: {reason}; name a PEM file of certificates") from None


def _receipt_of(error: Exception) -> Receipt:
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return Receipt("retry", "disconnected")
        case httpx2.PoolTimeout():
            return Receipt("retry", "timeout")
        case httpx2.LocalProtocolError() | UnicodeError():
            return Receipt("failed", "rejected")
        case httpx2.TimeoutException():
            return Receipt("unknown", "timeout")
        case _:
            return Receipt("unknown", "disconnected")


def _cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return type(error).__name__


def _drain(response: httpx2.Response) -> None:
    size = 0
    try:
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > _MOST_BODY_BYTES:
                break
    except httpx2.TransportError:
        pass  # The status has told what came of the order.
    finally:
        response.close()


class _Transport(httpx2.HTTPTransport):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, max_connections=100, keepalive_expiry=_KEEP_ALIVE_S, network_backend=_Backend()
        )


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            left = _left(timeout, httpcore2.ConnectTimeout)
        except httpcore2.ConnectTimeout:
            self.close()
            raise
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            self._inner.write(buffer[start : start + _WRITE_BYTES], _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(moment: float | None, expired: type[Exception]) -> float:
    left = (moment or 0.0) - monotonic()
    if left <= 0:
        raise expired("too late")
    return left
