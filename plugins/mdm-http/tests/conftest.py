"""A real HTTP server on loopback that behaves as well or as badly as a test wants."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeAlias

import attrs
import pytest
from mdm_core import Action, Build, Order

from mdm_http import Webhook

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@attrs.frozen
class Request:
    """A request as the server got it; the names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]


class Handler(BaseHTTPRequestHandler):
    """Does with each request what the script says next."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10
    server: Server

    def respond(self) -> None:
        """Deal with one request."""
        script = self.server.endpoint.script
        behave = script.pop(0) if script else self.server.endpoint.otherwise
        behave(self)
        self.wfile.flush()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET = respond  # noqa: N815 - names that http.server asks for

    def take(self) -> None:
        """Read the body and note the request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, self.client_address)
        self.server.endpoint.requests.append(request)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Answer in one piece."""
        lines = [f"HTTP/1.1 {status} X", *(f"{n}: {v}" for n, v in {"Content-Length": len(body), **headers}.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the test lasts."""
        self.server.endpoint.closing.wait(seconds)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Say nothing."""


Behaviour: TypeAlias = Callable[[Handler], None]


def answering(status: int, headers: dict[str, str] | None = None, body: bytes = b"{}", after: float = 0) -> Behaviour:
    """Read the request and, after so many seconds, answer."""

    def behave(handler: Handler) -> None:
        handler.take()
        handler.wait(after)
        handler.answer(status, headers or {}, body)

    return behave


class Server(ThreadingHTTPServer):
    """Takes it calmly when clients hang up."""

    daemon_threads = False
    endpoint: Endpoint

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and note it."""
        super().shutdown_request(request)
        self.endpoint.hung_up.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class Endpoint:
    """A server in threads of its own.

    Attributes:
        script: What to do with the requests to come.
        otherwise: What to do with those after them; by default they are answered with 200.
        requests: The requests that were read.
        hung_up: Set when a connection was closed.
        closing: Set when the test is over.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.script: list[Behaviour] = []
        self.otherwise: Behaviour = answering(200)
        self.requests: list[Request] = []
        self.hung_up = Event()
        self.closing = Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.endpoint = self
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str = "/orders", host: str = "127.0.0.1") -> str:
        """Give the URL of a path."""
        return f"{self._scheme}://{host}:{self._server.server_address[1]}{path}"

    def answers(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b"{}", after: float = 0
    ) -> None:
        """Answer the next request."""
        self.script.append(answering(status, headers, body, after))

    def hangs_up(self, *, read: bool) -> None:
        """Close the connection without an answer, after or before the body of the next request is read."""

        def behave(handler: Handler) -> None:
            if read:
                handler.take()
            handler.close_connection = True

        self.script.append(behave)

    def writes(self, data: bytes, *, every: float = 0) -> None:
        """Answer the next request with bytes, all at once or one by one, and close the connection."""

        def behave(handler: Handler) -> None:
            handler.take()
            for piece in [data[i : i + 1] for i in range(len(data))] if every else [data]:
                handler.wfile.write(piece)
                handler.wait(every)
            handler.close_connection = True

        self.script.append(behave)

    def close(self) -> None:
        """Stop, and wait for all threads."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint over http."""
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def tls_endpoint() -> Iterator[Endpoint]:
    """An endpoint over https, with a certificate for localhost that is signed by itself."""
    made = Endpoint(CERTIFICATE)
    yield made
    made.close()


@pytest.fixture
def open_webhook() -> Iterator[Callable[..., Webhook]]:
    """Make and open webhooks, which are closed after the test."""
    opened: list[Webhook] = []

    def make(url: Any, **options: Any) -> Webhook:
        webhook = Webhook(url=url, **options)
        opened.append(webhook)
        webhook.open(Build(base_dir=CERTIFICATE.parent))
        return webhook

    yield make
    for webhook in opened:
        webhook.close()


@pytest.fixture(scope="session")
def order() -> Callable[..., Order]:
    """Make orders, each under a key of its own unless it is given."""
    count = iter(range(1_000_000))

    def make(action: str = "ACT", params: dict[str, Any] | None = None, **fields: Any) -> Order:
        given: dict[str, Any] = {"key": "u1", "features": {}, "idempotency_key": f"order-{next(count)}", **fields}
        return Order(Action(action), {} if params is None else params, **given)

    return make


@pytest.fixture
def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
