"""Signatures: what the sender makes, what the receiver accepts, and everything that it must not."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import HTTPConnection
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Order, Receipt

from mdm_http import SignatureError, Verifier, Webhook
from mdm_http.signing import NONCE, SIGNATURE, TIMESTAMP, sign

Open: TypeAlias = Callable[..., Webhook]
MakeOrder: TypeAlias = Callable[..., Order]

KEY = "k" * 32
BODY = b'{"action":"ACT"}'


def reason(verifier: Verifier, headers: Any, body: bytes = BODY, now: float | None = None) -> str | None:
    """Say why a request is refused, or None if it is accepted."""
    try:
        verifier.verify(headers, body, now)
    except SignatureError as refused:
        return refused.reason
    return None


def signed(body: bytes = BODY, key: str = KEY, at: int | None = None) -> dict[str, str]:
    """Sign as the documentation says, by other means than the package's."""
    nonce = hashlib.sha256(str(time.perf_counter_ns()).encode()).hexdigest()[:32]
    timestamp = int(time.time()) if at is None else at
    digest = hmac.new(key.encode(), b"v1.%d.%s.%s" % (timestamp, nonce.encode(), body), hashlib.sha256).hexdigest()
    return {TIMESTAMP: str(timestamp), NONCE: nonce, SIGNATURE: f"v1={digest}"}


class SlowSet(set[str]):
    """Gives other threads time to come in between."""

    def __contains__(self, item: object) -> bool:
        found = super().__contains__(item)
        time.sleep(0.001)
        return found


class TestVerifier:
    def test_accepts_what_is_signed(self) -> None:
        """A request with its own signature is accepted, by the package's hand and by the documentation's."""
        assert reason(Verifier(KEY), dict(sign(KEY.encode(), BODY))) is None
        assert reason(Verifier(KEY.encode()), signed()) is None

    def test_takes_headers_in_any_spelling(self) -> None:
        """Names of headers count in any case, in a dict as in what the standard library makes."""
        message = Message()
        for name, value in signed().items():
            message[name.upper()] = value
        assert reason(Verifier(KEY), message) is None
        assert reason(Verifier(KEY), {name.lower(): value for name, value in signed().items()}) is None

    def test_refuses_a_replay(self) -> None:
        """The same request is accepted once."""
        verifier, headers = Verifier(KEY), signed()
        assert [None, "replay", "replay"] == [reason(verifier, headers) for _ in range(3)]

    def test_refuses_a_replay_in_many_threads(self) -> None:
        """Of many that bring the same request at once, one is accepted."""
        verifier, headers = Verifier(KEY), signed()
        verifier._nonces = SlowSet()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: reason(verifier, headers), range(40)))
        assert (1, 39) == (answers.count(None), answers.count("replay"))

    @given(st.binary(max_size=50), st.binary(max_size=50))
    def test_refuses_another_body(self, body: bytes, other: bytes) -> None:
        """The signature of one body is good for no other."""
        assert (None if body == other else "signature") == reason(Verifier(KEY), signed(body), other)

    @pytest.mark.parametrize(("name", "first"), [(TIMESTAMP, 0), (NONCE, 0), (SIGNATURE, 3)])
    def test_refuses_altered_headers(self, name: str, first: int) -> None:
        """Whichever digit of a header is another, the request is refused."""
        headers, verifier = signed(), Verifier(KEY)
        value = headers[name]
        for place in range(first, len(value)):
            other = value[:place] + ("1" if value[place] == "0" else "0") + value[place + 1 :]
            assert "signature" == reason(verifier, {**headers, name: other})

    def test_refuses_digits_that_move_between_the_parts(self) -> None:
        """What stands at the end of one part cannot be taken for the beginning of the next."""
        headers = signed(b"1.rest", at=1_700_000_001)
        moved = {**headers, TIMESTAMP: "170000000", NONCE: "1" + headers[NONCE][:-1]}
        assert "signature" == reason(Verifier(KEY), moved, headers[NONCE][-1:].encode() + b"1.rest", 170_000_000)

    def test_refuses_another_key(self) -> None:
        """Whoever has another key cannot sign."""
        assert "signature" == reason(Verifier(KEY), signed(key="j" * 32))

    @pytest.mark.parametrize(
        ("now", "expected"), [(700, None), (1300, None), (699, "timestamp"), (1301, "timestamp"), (1300.5, "timestamp")]
    )
    def test_tolerance(self, now: float, expected: str | None) -> None:
        """A request may be as old as `tolerance_s`, or as far ahead, and no more."""
        assert expected == reason(Verifier(KEY, tolerance_s=300), signed(at=1000), now=now)

    def test_goes_by_the_clock(self) -> None:
        """Without a time given, a request of an hour ago is refused."""
        assert "timestamp" == reason(Verifier(KEY), signed(at=int(time.time()) - 3600))

    @pytest.mark.parametrize("name", [TIMESTAMP, NONCE, SIGNATURE])
    def test_refuses_what_is_not_signed(self, name: str) -> None:
        """All three headers are needed."""
        assert "missing" == reason(Verifier(KEY), {n: v for n, v in signed().items() if n != name})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            (TIMESTAMP, ""),
            (TIMESTAMP, "-1"),
            (TIMESTAMP, " 1700000000"),
            (TIMESTAMP, "1700000000\n"),
            (TIMESTAMP, "١٧٠٠٠٠٠٠٠٠"),  # noqa: RUF001 - digits, but not ASCII
            (TIMESTAMP, "9" * 5000),
            (NONCE, "a" * 31),
            (NONCE, "A" * 32),
            (SIGNATURE, "v1=" + "g" * 64),
            (SIGNATURE, "v2=" + "0" * 64),
            (SIGNATURE, "ü" * 67),
        ],
    )
    def test_refuses_other_forms(self, name: str, value: str) -> None:
        """A header that is not in its one form is refused without being interpreted."""
        assert "malformed" == reason(Verifier(KEY), {**signed(), name: value})

    def test_refuses_headers_that_are_there_twice(self) -> None:
        """What could be read in two ways is refused."""
        headers = signed()
        assert "malformed" == reason(Verifier(KEY), {**headers, NONCE.lower(): headers[NONCE]})

    def test_memory_is_bounded_and_fails_closed(self) -> None:
        """When all requests that can be remembered are fresh, further ones are refused until the oldest is not."""
        verifier = Verifier(KEY, tolerance_s=10, remember=2)
        first, second = signed(at=100), signed(at=105)
        assert [None, None] == [reason(verifier, headers, now=105) for headers in (second, first)]
        assert "full" == reason(verifier, signed(at=106), now=110)
        assert None is reason(verifier, signed(at=106), now=111)
        assert ["timestamp", "replay"] == [reason(verifier, headers, now=111) for headers in (first, second)]

    def test_refused_requests_take_no_memory(self) -> None:
        """Whoever cannot sign cannot fill the memory."""
        verifier = Verifier(KEY, remember=1)
        assert {"signature"} == {reason(verifier, signed(key="j" * 32)) for _ in range(10)}
        assert reason(verifier, signed()) is None

    def test_a_clock_that_is_set_back_brings_nothing_back(self) -> None:
        """A request that was forgotten because of its age stays refused when the clock says that it is fresh again."""
        verifier, old = Verifier(KEY, tolerance_s=10), signed(at=100)
        assert [None, None] == [reason(verifier, old, now=100), reason(verifier, signed(at=200), now=200)]
        assert "timestamp" == reason(verifier, old, now=100)

    def test_key_that_is_too_short(self) -> None:
        """A key that could be guessed is refused, and is not in the message."""
        with pytest.raises(ValueError, match=r"^the signing key must have at least 32 characters$"):
            Verifier("k" * 31)


class TestSender:
    def test_what_is_signed_is_what_is_sent(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """The receiver accepts a request as it came over the wire, once, and not with another body."""
        webhook = open_webhook(endpoint.url(), signing_key=KEY)
        assert Receipt("done") == webhook.execute(order(params={"note": "grün"}))
        [request] = endpoint.requests
        verifier = Verifier(KEY)
        assert "signature" == reason(verifier, request.headers, request.body + b" ")
        assert [None, "replay"] == [reason(verifier, request.headers, request.body) for _ in range(2)]

    def test_another_attempt_is_no_replay(self, endpoint: Any, open_webhook: Open, order: MakeOrder) -> None:
        """An order that is sent again has the same idempotency key and a nonce of its own."""
        webhook, given = open_webhook(endpoint.url(), signing_key=KEY), order()
        verifier = Verifier(KEY)
        for _ in range(2):
            webhook.execute(given)
        first, second = endpoint.requests
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert [None, None] == [reason(verifier, request.headers, request.body) for request in (first, second)]

    def test_a_recorded_request_is_refused_at_the_other_end(
        self, endpoint: Any, open_webhook: Open, order: MakeOrder
    ) -> None:
        """A receiver that verifies refuses a request which somebody recorded and sends again, as it is or altered."""
        verifier = Verifier(KEY)

        def receive(handler: Any) -> None:
            handler.take()
            request = endpoint.requests[-1]
            handler.answer(401 if reason(verifier, handler.headers, request.body) else 200, {}, b"")

        endpoint.script += [receive] * 3
        assert Receipt("done") == open_webhook(endpoint.url(), signing_key=KEY).execute(order())
        [recorded] = endpoint.requests
        host = recorded.headers["host"]
        statuses = []
        for body in (recorded.body, recorded.body.replace(b'"ACT"', b'"STOP"')):
            connection = HTTPConnection(host, timeout=5)
            headers = {**recorded.headers, "content-length": str(len(body))}
            connection.request("POST", recorded.path, body, headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        assert [401, 401] == statuses
