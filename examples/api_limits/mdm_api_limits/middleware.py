"""ASGI middleware that asks a pipeline about every request, in any framework: Starlette, FastAPI, Litestar, Quart."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeAlias

import attrs
from mdm_core import Action, Decision, InvalidEvent, Pipeline

from mdm_api_limits.ledger import Ledger

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@attrs.frozen
class Refusal:
    """Why a request is not passed on.

    Attributes:
        status: The HTTP status.
        reason: A stable code for the body.
        wait_s: Seconds after which to come again, or None.
    """

    status: int
    reason: str
    wait_s: int | None = None


def by_api_key(scope: Scope) -> dict[str, Any]:
    """Make an event of a request: the client is the API key in ``X-API-Key``.

    Args:
        scope: The ASGI scope of an HTTP request.

    Returns:
        ``timestamp_ms``, ``client`` (missing without the header), ``method`` and ``path``.
    """
    event = {"timestamp_ms": time.time_ns() // 1_000_000, "method": scope["method"], "path": scope["path"]}
    keys = [value for name, value in scope["headers"] if name == b"x-api-key"]
    return event | {"client": keys[0].decode("latin-1")} if keys and keys[0] else event


class LimitMiddleware:
    """Passes on what the pipeline serves, and answers the rest itself.

    ``ACT`` is passed on. A denied ``ACT`` is 429 with ``Retry-After``, ``HOLD`` is 403, and an event without a usable
    key is 401. When a decision fails, ``closed`` answers 503, and ``open`` passes the request on.

    With a ``ledger`` the record of each client is kept: what the application answers with a status below 400 was good,
    and the rest, such as a search for paths that are not there, abuse. The pipeline finds it under ``known``. A client
    that is turned away stays so until ``ledger.forget`` is called, since nothing more is learned of it.

    A pipeline is used by one thread: one application, one event loop, one pipeline. Several processes have buckets of
    their own, so that a limit holds for each of them.

    Args:
        app: The application.
        pipeline: The pipeline; who has made it closes it.
        event: Makes the event of a request, with ``timestamp_ms``.
        ledger: Keeps what became of requests.
        on_failure: ``closed`` or ``open``.
        retry_after_s: ``Retry-After`` where no guard says how long to wait.
    """

    def __init__(
        self,
        app: App,
        pipeline: Pipeline,
        *,
        event: Callable[[Scope], dict[str, Any]] = by_api_key,
        ledger: Ledger | None = None,
        on_failure: Literal["closed", "open"] = "closed",
        retry_after_s: int = 60,
    ) -> None:
        if on_failure not in ("closed", "open"):
            raise ValueError(f"on_failure must be 'closed' or 'open', got {on_failure!r}")
        self._app, self._pipeline, self._event, self._ledger = app, pipeline, event, ledger
        self._open, self._retry_after_s = on_failure == "open", retry_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide about an HTTP request; what is none, such as a lifespan message, is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        event = self._event(scope)
        client, now_ms = event.get("client"), event.get("timestamp_ms")
        if self._ledger is None or not isinstance(client, str) or not isinstance(now_ms, int):
            recorded = send
        else:
            event["known"] = self._ledger.known(client, now_ms)
            recorded = _recording(send, self._ledger, client, now_ms)
        refusal = self._judge(event)
        if refusal is None:
            await self._app(scope, receive, recorded)
        else:
            await _answer(send, refusal)

    def _judge(self, event: dict[str, Any]) -> Refusal | None:
        try:
            decision = self._pipeline.decide(event)
        except InvalidEvent:
            return Refusal(401, "no_client")
        return self._failed() if decision.failure else self._refusal(decision)

    def _failed(self) -> Refusal | None:
        return None if self._open else Refusal(503, "undecided", self._retry_after_s)

    def _refusal(self, decision: Decision) -> Refusal | None:
        final = decision.final
        if final.allowed:
            return None if final.action is Action.ACT else Refusal(403, "turned_away")
        wait_ms = final.throttle_ms if final.cooldown_ms is None else final.cooldown_ms
        wait_s = self._retry_after_s if wait_ms is None else max(1, -(-wait_ms // 1000))
        return Refusal(429, final.reasons[0], wait_s)


def _recording(send: Send, ledger: Ledger, client: str, now_ms: int) -> Send:
    async def recording(message: Message) -> None:
        if message["type"] == "http.response.start":
            ledger.report(client, message["status"] < 400, now_ms)
        await send(message)

    return recording


async def _answer(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.wait_s is not None:
        headers.append((b"retry-after", str(refusal.wait_s).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
