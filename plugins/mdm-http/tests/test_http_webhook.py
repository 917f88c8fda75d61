"""What is sent, and what comes of it, against a real server on loopback."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event, Thread
from typing import Any, TypeAlias

import pytest
from mdm_core import Build, ConfigError, Order, Receipt

from mdm_http import Webhook
from mdm_http.answers import retry_after_ms

Open: TypeAlias = Callable[..., Webhook]
MakeOrder: TypeAlias = Callable[..., Order]

DONE = Receipt("done")
# However busy the machine is; what is broken off would go on for a minute.
SOON_S = 30


class TestRequest:
    def test_body_is_the_order_as_json(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Action, params, key and idempotency key are sent, and nothing else."""
        params = {"amount": 12.5, "note": "grüß", "items": [1, None, True]}
        given = order("EXIT", params, key=7, features={"a": 1.0}, idempotency_key="k-1", deadline_ms=2**50)
        assert DONE == open_webhook(endpoint.url()).execute(given)
        [request] = endpoint.requests
        assert {"action": "EXIT", "params": params, "key": 7, "idempotency_key": "k-1"} == json.loads(request.body)

    def test_headers_that_are_always_sent(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Without further options these headers are sent, and no other."""
        open_webhook(endpoint.url()).execute(order(idempotency_key="k-1"))
        [request] = endpoint.requests
        expected = {
            "host": endpoint.url("").removeprefix("http://"),
            "content-type": "application/json",
            "content-length": str(len(request.body)),
            "idempotency-key": "k-1",
        }
        assert ("POST", "/orders", expected) == (request.method, request.path, request.headers)

    def test_features_are_sent_on_demand(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """With `features` the features of the decision are in the body, too."""
        open_webhook(endpoint.url(), features=True).execute(order(features={"a": 1.5, "b": None}))
        assert {"a": 1.5, "b": None} == json.loads(endpoint.requests[0].body)["features"]

    def test_url_and_method_by_action(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """An action may have a URL and a method of its own; the others have the general ones."""
        webhook = open_webhook(
            endpoint.url("/act"), method="PUT", urls={"CANCEL": endpoint.url("/c?x=1")}, methods={"STOP": "DELETE"}
        )
        assert [DONE] * 4 == [webhook.execute(order(action)) for action in ("ACT", "EXIT", "CANCEL", "STOP")]
        sent = [(request.method, request.path) for request in endpoint.requests]
        assert [("PUT", "/act"), ("PUT", "/act"), ("PUT", "/c?x=1"), ("DELETE", "/act")] == sent

    def test_headers_token_and_url_from_the_environment(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Secrets of the environment arrive where they belong."""
        monkeypatch.setenv("HOOK_URL", endpoint.url("/hooks/s3cr3t"))
        monkeypatch.setenv("HOOK_KEY", "k3y")
        webhook = open_webhook(
            {"env": "HOOK_URL"}, headers={"X-Api-Key": {"env": "HOOK_KEY"}, "X-Team": "a b"}, token="t0"
        )
        assert DONE == webhook.execute(order())
        [request] = endpoint.requests
        found = [request.path, *(request.headers[name] for name in ("x-api-key", "x-team", "authorization"))]
        assert ["/hooks/s3cr3t", "k3y", "a b", "Bearer t0"] == found

    @pytest.mark.parametrize(
        "value",
        [math.nan, -math.inf, b"x", {1, 2}, datetime(2024, 1, 1, tzinfo=UTC), {(1, 2): 3}, "\ud800", 10**5000],
        ids=["nan", "infinity", "bytes", "set", "datetime", "tuple as key", "surrogate", "endless number"],
    )
    def test_what_json_cannot_hold_is_rejected(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, value: Any
    ) -> None:
        """Nothing is sent, and nothing is changed silently, if params cannot be written as JSON."""
        webhook = open_webhook(endpoint.url())
        assert Receipt("failed", "rejected") == webhook.execute(order(params={"v": value}))
        assert [] == endpoint.requests

    def test_what_holds_itself_is_rejected(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Params that hold themselves, or are nested without end, are rejected."""
        round_trip: dict[str, Any] = {}
        round_trip["again"] = round_trip
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        webhook = open_webhook(endpoint.url())
        assert Receipt("failed", "rejected") == webhook.execute(order(params=round_trip))
        assert Receipt("failed", "rejected") == webhook.execute(order(params={"deep": deep}))
        assert [] == endpoint.requests

    @pytest.mark.parametrize("key", ["line\r\nX-Evil: 1", "grün"])
    def test_a_key_that_no_header_can_hold_is_rejected(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, key: str
    ) -> None:
        """An idempotency key cannot smuggle a header in."""
        assert Receipt("failed", "rejected") == open_webhook(endpoint.url()).execute(order(idempotency_key=key))
        assert [] == endpoint.requests


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            *((status, DONE) for status in (200, 201, 202, 204, 299)),
            *((status, Receipt("failed", "rejected")) for status in (301, 302, 303, 304, 307, 308)),
            *((status, Receipt("failed", "rejected")) for status in (400, 401, 403, 404, 408, 409, 410, 422, 499)),
            (429, Receipt("retry", "rate_limited")),
            *((status, Receipt("retry", "error")) for status in (500, 502, 503, 504, 599)),
        ],
    )
    def test_status(self, endpoint: Any, open_webhook: Open, order: MakeOrder, status: int, expected: Receipt) -> None:
        """Each status has one meaning, told without a retry of its own."""
        endpoint.answers(status, {"Location": endpoint.url("/elsewhere")}, b"" if status in (204, 304) else b"{}")
        assert expected == open_webhook(endpoint.url()).execute(order())
        assert ["/orders"] == [request.path for request in endpoint.requests]

    @pytest.mark.parametrize(("status", "kind"), [(429, "rate_limited"), (503, "error")])
    def test_retry_after_seconds(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, status: int, kind: Any
    ) -> None:
        """Seconds in `Retry-After` come as milliseconds in the receipt."""
        endpoint.answers(status, {"Retry-After": "7"})
        assert Receipt("retry", kind, 7000) == open_webhook(endpoint.url()).execute(order())

    def test_retry_after_date(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """A date in `Retry-After` comes as the time until then."""
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
        endpoint.answers(429, {"Retry-After": at})
        receipt = open_webhook(endpoint.url()).execute(order())
        assert ("retry", "rate_limited") == (receipt.status, receipt.kind)
        assert receipt.retry_after_ms is not None
        assert 85_000 < receipt.retry_after_ms <= 90_000

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0", 0),
            ("120", 120_000),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 29_000),
            ("Friday, 31-Dec-99 23:59:59 GMT", 29_000),
            ("Fri Dec 31 23:59:59 1999", 29_000),
            ("Fri, 31 Dec 1999 23:00:00 GMT", 0),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("9" * 400, None),
            ("Fri, 31 Dec 99999999 23:59:59 GMT", None),
        ],
    )
    def test_forms_of_retry_after(self, text: str, expected: int | None) -> None:
        """Seconds and the three forms of HTTP dates are understood, and anything else is as if it were not there."""
        now = datetime(1999, 12, 31, 23, 59, 30, tzinfo=UTC).timestamp()
        assert expected == retry_after_ms(text, now)

    @pytest.mark.parametrize("text", ["Fri Dec 31 23:59:59 1999", "Fri, 31 Dec 1999 23:59:59 -0000"])
    def test_dates_without_a_zone(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A date without a zone is meant in UTC, wherever this machine is."""
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            assert 29_000 == retry_after_ms(text, datetime(1999, 12, 31, 23, 59, 30, tzinfo=UTC).timestamp())
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_conflict_where_the_endpoint_deduplicates(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder
    ) -> None:
        """There 409 says that the same order is under way, so its outcome is not known yet."""
        endpoint.answers(409)
        assert Receipt("unknown", "error") == open_webhook(endpoint.url(), deduplicates=True).execute(order())


class TestReference:
    def test_comes_from_the_header(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """The header that is named in the options, in any spelling, is the receipt's reference."""
        endpoint.answers(201, {"x-order-ID": "A-17"})
        webhook = open_webhook(endpoint.url(), reference_header="X-Order-Id")
        assert Receipt("done", reference="A-17") == webhook.execute(order())
        assert DONE == webhook.execute(order())

    @pytest.mark.parametrize("value", ["x" * 201, "grün", "Bearer t0k3n-of-mine"], ids=["long", "odd", "echo"])
    def test_is_left_out_if_it_should_not_be_kept(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, value: str
    ) -> None:
        """What is too long, is not printable ASCII or holds a secret of ours is no reference."""
        endpoint.answers(200, {"X-Order-Id": value})
        webhook = open_webhook(endpoint.url(), reference_header="X-Order-Id", token="t0k3n-of-mine")
        assert DONE == webhook.execute(order())


class TestIdempotent:
    @pytest.mark.parametrize("says", [True, False])
    def test_is_what_the_user_says(self, says: bool) -> None:
        """Whether a repeated order takes effect once is a property of the endpoint, which the user knows."""
        assert says is Webhook(url="http://localhost/", deduplicates=says).idempotent

    def test_not_unless_said(self) -> None:
        """By default nothing is taken for granted."""
        assert Webhook(url="http://localhost/").idempotent is False


class TestConnection:
    def test_nobody_listens(self, open_webhook: Open, order: MakeOrder, free_port: int) -> None:
        """Without a connection nothing was sent, so that the order can be sent again."""
        webhook = open_webhook(f"http://127.0.0.1:{free_port}/")
        assert Receipt("retry", "disconnected") == webhook.execute(order())

    def test_unknown_host(self, open_webhook: Open, order: MakeOrder) -> None:
        """A host that does not exist is no connection, either."""
        assert Receipt("retry", "disconnected") == open_webhook("http://nobody.invalid/").execute(order())

    @pytest.mark.parametrize("read", [False, True])
    def test_hangs_up_after_the_request(self, endpoint: Any, open_webhook: Open, order: MakeOrder, read: bool) -> None:
        """A connection that breaks without an answer may have carried the order, whether its body was read or not."""
        endpoint.hangs_up(read=read)
        webhook = open_webhook(endpoint.url())
        assert Receipt("unknown", "disconnected") == webhook.execute(order())
        assert DONE == webhook.execute(order())

    def test_hangs_up_at_once(self, open_webhook: Open, order: MakeOrder) -> None:
        """So may one that breaks as soon as it is made."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = Thread(target=lambda: server.accept()[0].close())
            thread.start()
            webhook = open_webhook(f"http://127.0.0.1:{server.getsockname()[1]}/")
            assert Receipt("unknown", "disconnected") == webhook.execute(order())
            thread.join()

    @pytest.mark.parametrize("answer", [b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000])
    def test_answers_no_http(self, endpoint: Any, open_webhook: Open, order: MakeOrder, answer: bytes) -> None:
        """An answer that is not HTTP, or whose head has no end, says nothing about the order."""
        endpoint.writes(answer)
        assert Receipt("unknown", "disconnected") == open_webhook(endpoint.url()).execute(order())

    def test_breaks_during_the_body(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """When the status has come, it counts, whatever becomes of the body."""
        endpoint.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        webhook = open_webhook(endpoint.url())
        assert [DONE, DONE] == [webhook.execute(order()) for _ in range(2)]

    def test_many_orders_share_one_connection(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """The connection is kept, also after answers that are no success."""
        for status in (200, 400, 503, 200, 429):
            endpoint.answers(status, body=b"x" * 1000)
        webhook = open_webhook(endpoint.url())
        for _ in range(50):
            webhook.execute(order())
        assert (50, 1) == (len(endpoint.requests), len({request.client for request in endpoint.requests}))

    def test_a_connection_closed_while_idle_is_not_used(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder
    ) -> None:
        """When the server has closed the connection after an answer, the next order gets a new one."""
        endpoint.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        webhook = open_webhook(endpoint.url())
        assert DONE == webhook.execute(order())
        assert endpoint.hung_up.wait(SOON_S)
        assert DONE == webhook.execute(order())
        assert 2 == len({request.client for request in endpoint.requests})

    def test_huge_bodies_are_not_read(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """A body beyond 64 KiB costs its connection, not the time and memory to read it."""
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n" + b"x" * 100_000
        endpoint.script.append(lambda handler: (handler.take(), handler.wfile.write(endless), handler.wait(60)))
        webhook = open_webhook(endpoint.url(), answer_ms=60_000)
        started = time.monotonic()
        assert [DONE, DONE] == [webhook.execute(order()) for _ in range(2)]
        assert time.monotonic() - started < SOON_S
        assert 2 == len({request.client for request in endpoint.requests})

    def test_neither_proxies_nor_cookies(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder, free_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Proxy variables of the environment send no order elsewhere, and cookies are not sent back."""
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
        endpoint.answers(200, {"Set-Cookie": "a=b"})
        webhook = open_webhook(endpoint.url())
        assert [DONE, DONE] == [webhook.execute(order()) for _ in range(2)]
        assert "cookie" not in endpoint.requests[1].headers


class TestTime:
    def test_late_answer(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """An answer that does not come in time leaves the outcome unknown, and costs the time-out and no more."""
        endpoint.answers(200, after=60)
        started = time.monotonic()
        assert Receipt("unknown", "timeout") == open_webhook(endpoint.url(), answer_ms=400).execute(order())
        assert 0.4 <= time.monotonic() - started < SOON_S
        assert 1 == len(endpoint.requests)

    def test_an_answer_to_an_earlier_order_is_not_taken(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder
    ) -> None:
        """What comes too late is not mistaken for the answer to the next order."""
        given_up, answered = Event(), Event()

        def late(handler: Any) -> None:
            handler.take()
            given_up.wait(60)
            try:
                handler.answer(400, {}, b"{}")
            finally:
                answered.set()

        endpoint.script.append(late)
        webhook = open_webhook(endpoint.url(), answer_ms=60_000)
        hasty = order(deadline_ms=int(time.time() * 1000) + 400)
        assert Receipt("unknown", "timeout") == webhook.execute(hasty)
        given_up.set()
        assert answered.wait(SOON_S)
        assert DONE == webhook.execute(order())

    def test_answer_that_trickles(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """The limit is for the whole answer, not for each byte of it."""
        endpoint.writes(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", every=0.1)
        assert Receipt("unknown", "timeout") == open_webhook(endpoint.url(), answer_ms=400).execute(order())

    def test_body_that_trickles(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """A body that does not end in time does not change what the status said."""
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        endpoint.script.append(
            lambda handler: (
                handler.take(),
                handler.wfile.write(endless),
                handler.wait(0.1),
                handler.wfile.write(b"x"),
                handler.wait(60),
            )
        )
        started = time.monotonic()
        assert DONE == open_webhook(endpoint.url(), answer_ms=700).execute(order())
        assert 0.7 <= time.monotonic() - started < SOON_S

    def test_connection_that_is_not_made(self, open_webhook: Open, order: MakeOrder) -> None:
        """When the other side does not take up the connection, nothing was sent."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
            address = server.getsockname()
            # What is in the queue already keeps others out.
            waiting = [socket.socket() for _ in range(4)]
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(address)
            started = time.monotonic()
            webhook = open_webhook(f"http://127.0.0.1:{address[1]}/", connect_ms=200, answer_ms=60_000)
            assert Receipt("retry", "disconnected") == webhook.execute(order())
            assert 0.2 <= time.monotonic() - started < SOON_S
            for client in waiting:
                client.close()

    def test_past_the_deadline(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """An order that comes too late is not sent."""
        late = order(deadline_ms=int(time.time() * 1000) - 1)
        assert Receipt("failed", "timeout") == open_webhook(endpoint.url()).execute(late)
        assert [] == endpoint.requests

    def test_deadline_before_the_time_out(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Nobody waits for an answer longer than it is of use."""
        endpoint.answers(200, after=60)
        webhook = open_webhook(endpoint.url(), answer_ms=60_000)
        started = time.monotonic()
        soon = order(deadline_ms=int(time.time() * 1000) + 400)
        assert Receipt("unknown", "timeout") == webhook.execute(soon)
        assert 0.39 <= time.monotonic() - started < SOON_S


class TestTls:
    def test_certificate_that_is_trusted(self, tls_endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """With `ca_file`, relative to the pipeline file, certificates that it vouches for are accepted."""
        webhook = open_webhook(tls_endpoint.url(host="localhost"), ca_file="localhost.pem")
        assert [DONE, DONE] == [webhook.execute(order()) for _ in range(2)]
        assert 1 == len({request.client for request in tls_endpoint.requests})

    def test_certificate_that_is_not_trusted(self, tls_endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Nothing is sent to an endpoint whose certificate nobody vouches for."""
        assert Receipt("retry", "disconnected") == open_webhook(tls_endpoint.url(host="localhost")).execute(order())
        assert [] == tls_endpoint.requests

    def test_certificate_of_another_name(self, tls_endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Nor to one whose certificate is for another host."""
        webhook = open_webhook(tls_endpoint.url(host="127.0.0.1"), ca_file="localhost.pem")
        assert Receipt("retry", "disconnected") == webhook.execute(order())
        assert [] == tls_endpoint.requests

    def test_no_tls_where_it_is_expected(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """Nor to one that does not speak TLS."""
        webhook = open_webhook(endpoint.url().replace("http:", "https:"))
        assert Receipt("retry", "disconnected") == webhook.execute(order())
        assert [] == endpoint.requests

    @pytest.mark.parametrize(
        ("name", "reason"), [("none.pem", "No such file or directory"), ("conftest.py", "it holds no certificate")]
    )
    def test_file_that_cannot_be_used(self, open_webhook: Open, name: str, reason: str) -> None:
        """A file without certificates is refused before the first order."""
        with pytest.raises(ConfigError) as refused:
            open_webhook("https://localhost/", ca_file=name)
        path = f"{__file__.rpartition('/')[0]}/{name}"
        assert f"ca_file: {path} cannot be used: {reason}; name a PEM file of certificates" == str(refused.value)


class TestLife:
    def test_can_be_closed_before_it_was_opened_and_twice(self) -> None:
        """Closing never fails."""
        webhook = Webhook(url="http://localhost/")
        webhook.close()
        webhook.open(Build())
        webhook.close()
        webhook.close()

    def test_opens_without_a_connection(self, open_webhook: Open, order: MakeOrder, endpoint: Any) -> None:
        """An endpoint that is down when the run begins is no reason not to begin."""
        endpoint.close()
        assert Receipt("retry", "disconnected") == open_webhook(endpoint.url()).execute(order())
