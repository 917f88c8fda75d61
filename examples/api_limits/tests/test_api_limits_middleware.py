"""The middleware in front of a Starlette application, asked in process and over a socket."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
import uvicorn
from mdm_core import Pipeline, UsageError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mdm_api_limits import Ledger, LimitMiddleware
from mdm_api_limits.app import make_app

GATEWAY = Path(__file__).parent.parent / "gateway.toml"
NOW_MS = 1_700_000_000_000
ANN, BOB, EVE = ({"X-API-Key": name} for name in ("ann", "bob", "eve"))


# A weight for a text raises in the model.
BROKEN = """
[pipeline]
key = "client"
timestamp = "timestamp_ms"

[features]
use = "reference.rolling"
categories = ["path"]

[model]
use = "reference.logistic"
weights = { path = 1.0 }
"""


class Clock:
    """Makes events at a time that the test sets."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self, scope: Any) -> dict[str, Any]:
        """Make an event of a request."""
        keys = [value.decode() for name, value in scope["headers"] if name == b"x-api-key"]
        event = {"timestamp_ms": self.now_ms, "path": scope["path"]}
        return event | {"client": keys[0]} if keys else event


class Service:
    """An application behind the limits, and a client for it."""

    def __init__(self, pipeline: Pipeline, on_failure: Literal["closed", "open"] = "closed") -> None:
        self.clock, self.ledger, self.served = Clock(), Ledger(), 0
        limits = Middleware(
            LimitMiddleware, pipeline=pipeline, event=self.clock, ledger=self.ledger, on_failure=on_failure
        )
        self.app = Starlette(routes=[Route("/good", self._good)], middleware=[limits])

    async def _good(self, _: Request) -> PlainTextResponse:
        self.served += 1
        return PlainTextResponse("here you are")

    def ask(self, *requests: tuple[str, dict[str, str]]) -> list[httpx2.Response]:
        """Ask for paths, each with its headers, one after the other."""

        async def asking() -> list[httpx2.Response]:
            transport = httpx2.ASGITransport(self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                return [await client.get(path, headers=headers) for path, headers in requests]

        return asyncio.run(asking())

    def statuses(self, path: str, headers: dict[str, str], times: int) -> list[int]:
        """Ask for the same path many times."""
        return [answer.status_code for answer in self.ask(*[(path, headers)] * times)]


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    with Pipeline.from_config(GATEWAY) as pipeline:
        yield pipeline


@pytest.fixture
def service(pipeline: Pipeline) -> Service:
    return Service(pipeline)


class TestThrottling:
    def test_too_fast_is_429_until_the_time_it_tells(self, service: Service) -> None:
        """30 requests at once are served, the next is told to wait a second, and is served then."""
        assert [200] * 30 == service.statuses("/good", ANN, 30)
        (refused,) = service.ask(("/good", ANN))
        assert (429, "1", {"error": "rate_limit:exceeded"}) == (
            refused.status_code,
            refused.headers["Retry-After"],
            refused.json(),
        )
        assert 30 == service.served
        service.clock.now_ms += 1000 * int(refused.headers["Retry-After"])
        assert [200, 429] == service.statuses("/good", ANN, 2)

    def test_clients_do_not_get_in_each_others_way(self, service: Service) -> None:
        """What one has used up is no other's loss."""
        assert 429 == service.statuses("/good", ANN, 31)[-1]
        assert [200] == service.statuses("/good", BOB, 1)

    def test_without_a_key_is_401(self, service: Service) -> None:
        """A request that names no client is refused, and does not reach the application."""
        (refused,) = service.ask(("/good", {}))
        assert (401, {"error": "no_client"}, 0) == (refused.status_code, refused.json(), service.served)


class TestRecord:
    def test_who_searches_is_slowed_down_and_turned_away(self, service: Service) -> None:
        """Answers of 404 make a client doubtful, who has to go slowly; who goes on all the same is turned away."""
        seen = []
        for _ in range(200):
            seen += service.statuses("/secret", EVE, 1)
            service.clock.now_ms += 10_000
        assert 404 == seen[0]
        assert 403 == seen[-1]
        assert seen[-50:] == [403] * 50
        assert [200] == service.statuses("/good", ANN, 1)

    def test_doubtful_ones_wait_longer(self, service: Service) -> None:
        """After a few failures three requests at once are all, and the wait is ten seconds."""
        for _ in range(4):
            service.statuses("/secret", EVE, 1)
            service.clock.now_ms += 60_000
        answers = service.ask(*[("/good", EVE)] * 4)
        assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
        assert "10" == answers[-1].headers["Retry-After"]

    def test_forgiven(self, service: Service) -> None:
        """Who was turned away is served again when the record is forgotten."""
        for _ in range(150):
            service.ledger.report("eve", False, NOW_MS)
        assert [403] == service.statuses("/good", EVE, 1)
        service.ledger.forget("eve")
        assert [200] == service.statuses("/good", EVE, 1)

    def test_refusals_are_not_held_against_anybody(self, service: Service) -> None:
        """A 429 is no abuse: whoever was only too fast is as good as before."""
        service.statuses("/good", ANN, 60)
        assert {"good": 30, "abuse": 0} == {k: service.ledger.known("ann", NOW_MS)[k] for k in ("good", "abuse")}


class TestFailure:
    @pytest.mark.parametrize(("on_failure", "status", "served"), [("closed", 503, 0), ("open", 200, 1)])
    def test_closed_or_open(
        self, tmp_path: Path, on_failure: Literal["closed", "open"], status: int, served: int
    ) -> None:
        """When a model fails, closed answers 503 and asks to come again, and open serves the request."""
        (tmp_path / "broken.toml").write_text(BROKEN)
        with Pipeline.from_config(tmp_path / "broken.toml") as broken:
            service = Service(broken, on_failure)
            (answer,) = service.ask(("/good", ANN))
        assert (status, served) == (answer.status_code, service.served)
        assert ("60" if status == 503 else None) == answer.headers.get("Retry-After")

    def test_an_event_that_cannot_be_decided_is_no_failure(self, pipeline: Pipeline) -> None:
        """Open does not mean that a client without a key is served."""
        assert [401] == Service(pipeline, "open").statuses("/good", {}, 1)

    def test_another_word_is_refused(self, pipeline: Pipeline) -> None:
        """An option that is neither is refused when the middleware is made, not at the first failure."""
        with pytest.raises(ValueError, match="on_failure must be 'closed' or 'open', got 'half'"):
            LimitMiddleware(Starlette(), pipeline, on_failure="half")  # type: ignore[arg-type]

    def test_operator_stop_denies(self, service: Service, pipeline: Pipeline) -> None:
        """While operations are stopped nobody is served, and Retry-After is the default."""
        pipeline.stopped = True
        (answer,) = service.ask(("/good", ANN))
        assert (429, "60", 0) == (answer.status_code, answer.headers["Retry-After"], service.served)


class TestOverASocket:
    """The application of the package, served by uvicorn on the loopback."""

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(make_app(GATEWAY), log_level="error", ws="none"))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            server.should_exit = True
            thread.join()

    def test_served_and_limited(self, url: str) -> None:
        """Over a socket it is as in process: items are served, and who comes too fast is told how long to wait."""
        with httpx2.Client(base_url=url, headers=ANN) as client:
            answers = [client.get("/items/7") for _ in range(40)]
        assert {"item": 7} == answers[0].json()
        assert {200, 429} == {answer.status_code for answer in answers}
        assert all(int(a.headers["Retry-After"]) >= 1 for a in answers if a.status_code == 429)

    def test_what_is_not_there(self, url: str) -> None:
        """Items that are not there are 404, and without a key nobody gets that far."""
        assert 404 == httpx2.get(f"{url}/items/101", headers=EVE).status_code
        assert 401 == httpx2.get(f"{url}/items/101").status_code

    def test_wrong_pipeline(self, tmp_path: Path) -> None:
        """A pipeline that is wrong stops the application before it serves anybody."""
        (tmp_path / "gateway.toml").write_text("[model]\nuse = 'api-limits.reputation'\nthreshold = 2\n")
        with pytest.raises(UsageError, match="threshold"):
            make_app(tmp_path / "gateway.toml")


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
