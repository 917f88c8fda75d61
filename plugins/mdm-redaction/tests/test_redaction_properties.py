"""What holds for any data: the input stays, a second pass finds nothing more, and nothing is raised."""

from __future__ import annotations

import json
import os
import time
from collections import UserDict, deque
from itertools import islice
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import Redactor

from mdm_redaction import AllowRedactor, PersonalRedactor, SecretsRedactor, StandardRedactor, corpus
from mdm_redaction.detector import Detector, Span
from mdm_redaction.doubts import Doubts
from mdm_redaction.engine import MAX_NUMBER, Engine
from mdm_redaction.marks import mask
from mdm_redaction.named import Named
from mdm_redaction.personal import KINDS

M = "[REDACTED]"
TIMES = int(os.environ.get("MDM_TIMES", "1"))
REDACTORS: list[Redactor] = [
    StandardRedactor(personal=list(KINDS)),
    StandardRedactor(personal=list(KINDS), mode="tokens", token_key="k" * 16),
    SecretsRedactor(),
    PersonalRedactor(kinds=list(KINDS)),
]
FORGETFUL = StandardRedactor(personal=list(KINDS))
WITHOUT_GATE = StandardRedactor(personal=list(KINDS))
WITHOUT_GATE._engine._scanner._gate = None
PIECES = st.sampled_from(
    [
        *(
            "password=",
            "hunter2",
            " ",
            '"',
            "'",
            "\\",
            "{",
            "}",
            "[",
            "]",
            ":",
            "=",
            "@",
            ".",
            "example.com",
            "ann",
            "+49 30",
        ),
        *(
            M,
            "[REDACTED",
            "[HMAC:0123456789abcdef01234567]",
            "[HMAC:",
            "token",
            "key",
            "Bearer ",
            "AKIAIOSFODNN7EXAMPLE",
        ),
        *(
            "4111 1111 1111 1111",
            "DE89370400440532013000",
            "203.0.113.7",
            "\x00",
            "%40",
            "%3D",
            "\\u0040",
            "\n",
            "&",
            "://u:p@h",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "-----END",
            "\ud800",
            "1234567",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
            ";",
            "<pin>",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=12)
KEYS = TEXTS | st.sampled_from(["password", "phone", "name", "value", "key", "ssn", "order_id"])
VALUES = st.recursive(
    SCALARS | TEXTS.map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.integers() | st.none(), inner, max_size=4)
        | st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3).map(json.dumps)
    ),
    max_leaves=20,
)
EVENTS = st.dictionaries(KEYS, VALUES, max_size=5)
ANY = st.sampled_from(REDACTORS)


class Login(NamedTuple):
    user: str
    password: str


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return Hostile
        raise RuntimeError(name)


class TestProperties:
    @settings(max_examples=60 * TIMES, deadline=None)
    @given(EVENTS, ANY)
    def test_the_input_is_not_changed(self, event: dict[str, Any], redactor: Redactor) -> None:
        """The event is after the call what it was before."""
        before = repr(event)
        redactor.redact(event)
        assert before == repr(event)

    @settings(max_examples=150 * TIMES, deadline=None)
    @given(EVENTS, ANY)
    def test_is_idempotent(self, event: dict[str, Any], redactor: Redactor) -> None:
        """A second pass finds nothing more to hide, masks and tokens included."""
        once = redactor.redact(event)
        assert once is redactor.redact(once)

    @settings(max_examples=50 * TIMES, deadline=None)
    @given(EVENTS, st.sampled_from(["mask", "drop"]))
    def test_an_allow_list_is_idempotent(self, event: dict[str, Any], mode: str) -> None:
        """What was hidden stays hidden in the same way."""
        redactor = AllowRedactor(paths=["password", "a.b"], mode=mode)
        once = redactor.redact(event)
        assert repr(once) == repr(redactor.redact(once))

    @settings(max_examples=60 * TIMES, deadline=None)
    @given(EVENTS)
    def test_is_the_same_without_re2(self, event: dict[str, Any]) -> None:
        """The gate only saves time."""
        assert repr(WITHOUT_GATE.redact(event)) == repr(REDACTORS[0].redact(event))

    @settings(max_examples=60 * TIMES, deadline=None)
    @given(EVENTS, TEXTS)
    def test_what_came_before_makes_no_difference(self, event: dict[str, Any], text: str) -> None:
        """What is remembered as clean stays clean, and nothing else does."""
        REDACTORS[0].redact({"a": text, text: 1})
        FORGETFUL._engine._clean_texts.clear()
        FORGETFUL._engine._clean_keys.clear()
        assert repr(FORGETFUL.redact(event)) == repr(REDACTORS[0].redact(event))

    @settings(max_examples=60 * TIMES, deadline=None)
    @given(st.dictionaries(st.text("abcdef", min_size=1), VALUES, min_size=1, max_size=3))
    def test_what_can_be_written_still_can(self, event: dict[str, Any]) -> None:
        """Redaction makes nothing that has no JSON of what has."""
        try:
            msgspec.json.encode(event)
        except (TypeError, UnicodeEncodeError, OverflowError):
            return
        msgspec.json.encode(REDACTORS[0].redact(event))


class TestShapes:
    @pytest.mark.parametrize("redactor", REDACTORS)
    def test_any_container(self, redactor: Redactor) -> None:
        """Mappings, rows and objects of any type are looked into."""
        secret = "password=x ann@example.com"
        data: dict[Any, Any] = {
            "a": UserDict({"b": deque([secret])}),
            "c": (secret, {secret}),
            "d": Login("ann@example.com", "Bearer abcdef123456"),
            1: secret,
            None: [secret],
        }
        assert secret not in repr(redactor.redact(data))

    @pytest.mark.parametrize("redactor", [*REDACTORS, AllowRedactor(paths=["n"])])
    def test_deep_data(self, redactor: Redactor) -> None:
        """What lies a thousand containers deep is hidden and breaks nothing."""
        deep: Any = "hunter2"
        for _ in range(1000):
            deep = {"a": [deep]}
        assert "hunter2" not in str(redactor.redact({"deep": deep}))[:100_000]

    @pytest.mark.parametrize("redactor", REDACTORS)
    def test_rings(self, redactor: Redactor) -> None:
        """A container in itself is masked there."""
        ring: dict[str, Any] = {"n": 1}
        ring["self"] = [ring]
        assert {"n": 1, "self": [M]} == redactor.redact(ring)

    @pytest.mark.parametrize("redactor", REDACTORS)
    def test_strange_leaves(self, redactor: Redactor) -> None:
        """Numbers and objects of any kind come through."""
        data = {
            "a": 10**5000,
            "b": float("nan"),
            "c": object(),
            "d": "\ud800",
            "e": -(10**30),
            "f": 1e308,
            "g": range(3),
        }
        assert data is redactor.redact(data)

    @pytest.mark.parametrize("redactor", [*REDACTORS, AllowRedactor(paths=["n"])])
    def test_an_object_that_raises(self, redactor: Redactor) -> None:
        """What cannot be looked at breaks nothing, and the rest is redacted."""
        data = {"a": [Hostile()], "note": "ann@example.com wrote: Bearer abcdef123456"}
        assert M in redactor.redact(data)["note"] or "[HMAC:" in redactor.redact(data)["note"]

    def test_json_of_great_depth_in_a_text(self) -> None:
        """A text of brackets is no way to crash it."""
        data = {"a": "[" * 50_000 + "]" * 50_000}
        assert data is StandardRedactor().redact(data)


def _failing(text: str) -> Any:
    if "boom" in text:
        raise RuntimeError
    return iter(())


def _endless(text: str) -> Any:
    start = text.find("grow")
    return iter([(start, start + 4)] if start >= 0 else [])


def engine_with(find: Any, mark: Any = mask) -> Engine:
    """Make an engine with one detector."""
    detector = Detector("secrets", "test", find, gate="(?s:.)")
    return Engine(lambda _: False, Named([]), Doubts([]), [[detector]], mark, MAX_NUMBER)


class TestFailures:
    def test_a_detector_that_fails(self) -> None:
        """The text in which a detector fails is replaced, the others stay."""
        assert {"a": "fine", "b": [M], "c": "good"} == engine_with(_failing).redact(
            {"a": "fine", "b": ["a boom"], "c": "good"}
        )

    def test_redaction_without_end(self) -> None:
        """A text in which there is always more to find is replaced as a whole."""
        assert {"a": M, "b": "x"} == engine_with(_endless, lambda _: "grow more").redact({"a": "to grow", "b": "x"})

    def test_too_many_places(self) -> None:
        """If too many places look suspicious every text is replaced."""

        def find(text: str) -> Any:
            return (None for _ in range(text.count("x")))

        assert {"a": M, "n": 1} == engine_with(find).redact({"a": "x" * 100_000, "n": 1})

    def test_a_span_across_texts(self) -> None:
        """A detector that matches across the border of two texts harms neither."""

        def find(text: str) -> Any:
            spans: list[Span] = [(0, len(text))] if "\x00one\x00two\x00" in text else []
            return iter(spans)

        assert {"a": "one", "b": "two"} == engine_with(find).redact({"a": "one", "b": "two"})


class TestSpeed:
    def test_hostile_events_take_no_longer(self, engine: str) -> None:
        """No event of 64 KiB takes long, whatever it is made of; four times the promised 50 ms, for a busy machine."""
        redact = StandardRedactor(personal=list(KINDS)).redact
        events = islice(corpus.hostile(Random(3), mixtures=30 * TIMES), 0, None, 3 if TIMES == 1 else None)
        assert [] == [name for name, event in events if _takes(redact, event, 0.2)]

    @pytest.mark.parametrize(
        "shape",
        ["lines", "everything that wakes a detector", "'password=' repeated", "'a@' repeated", "'key=' repeated"],
    )
    def test_time_is_linear(self, engine: str, shape: str) -> None:
        """An event of eight times the size takes at most twelve times as long."""
        redact = StandardRedactor(personal=list(KINDS)).redact
        texts = {name: text for name, event in corpus.hostile(Random(1), 0) for text in event.values()}
        texts["lines"] = "".join(s.event["line"] for s in corpus.clean(Random(1), 600) if "line" in s.event)
        text = texts[shape]
        assert 65_000 <= len(text)
        # In turns, so that a neighbour disturbs both.
        pairs = [[_once(redact, {"a": text[:size]}) for size in (65_536, 8192)] for _ in range(5)]
        assert min(long for long, _ in pairs) <= 12 * min(short for _, short in pairs)


def _takes(redact: Any, event: dict[str, Any], seconds: float) -> bool:
    return _once(redact, event) > seconds and _fastest(redact, event) > seconds


def _fastest(redact: Any, event: dict[str, Any]) -> float:
    return min(_once(redact, event) for _ in range(3))


def _once(redact: Any, event: dict[str, Any]) -> float:
    started = time.process_time()
    redact(event)
    return time.process_time() - started
