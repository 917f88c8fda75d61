"""Redaction by value: how much is found, what stays readable, and that nothing breaks it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import OptionError, Redactor

from mdm_redaction import corpus
from mdm_redaction.allow import AllowRedactor
from mdm_redaction.by_value import PersonalRedactor, SecretsRedactor, StandardRedactor
from mdm_redaction.corpus.__main__ import measure
from mdm_redaction.personal import KINDS

SEEDS = [11, 23]
EACH = 60
TOKEN_KEY = "a key of tokens, long enough"
ALL = StandardRedactor(personal=list(KINDS))
COMPONENTS: list[Redactor] = [
    ALL,
    SecretsRedactor(),
    PersonalRedactor(kinds=list(KINDS)),
    AllowRedactor(paths=["input.amount"]),
    StandardRedactor(personal=list(KINDS), mode="tokens", token_key=TOKEN_KEY),
]


def share(samples: Iterable[corpus.Sample]) -> float:
    """The share of events that come out right."""
    rows = measure(samples, ALL.redact).values()
    return sum(row.good for row in rows) / sum(row.events for row in rows)


class TestMeasured:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_keys_and_tokens(self, seed: int) -> None:
        """At least 99 of 100 are hidden, with values that are drawn anew."""
        assert share(corpus.secrets(Random(seed), EACH)) >= 0.99

    @pytest.mark.parametrize("seed", SEEDS)
    def test_personal_data(self, seed: int) -> None:
        """At least 93 of 100 are hidden."""
        assert share(corpus.personal(Random(seed), EACH)) >= 0.93

    @pytest.mark.parametrize("seed", SEEDS)
    def test_what_has_nothing_to_hide(self, seed: int) -> None:
        """At most one in two hundred is changed."""
        assert share(corpus.clean(Random(seed), EACH)) >= 0.995

    def test_the_measure_can_fail(self) -> None:
        """A redactor that hides nothing finds nothing, and one that hides all leaves nothing as it is."""
        found = measure(corpus.secrets(Random(1), 3), lambda data: data).values()
        assert 0 == sum(row.good for row in found)
        kept = measure(corpus.clean(Random(1), 3), lambda data: dict.fromkeys(data, "x")).values()
        assert 0 == sum(row.good for row in kept)


READABLE = [
    "9f2c1d7e4b8a6f3c5d0e1a2b3c4d5e6f7a8b9c0d",
    "8c7d2f7e-5d1b-4b0e-9a57-2f6f3c1e9d10",
    "1700000000000",
    1700000000129,
    "order 4929-118",
    "US0378331005",
    "a token bucket of 20 tokens that gains 10 tokens per second",
    "19.99 EUR",
    "#ff8800 v2.14.3",
]


class TestReadable:
    @pytest.mark.parametrize("value", READABLE)
    def test_it_stays(self, value: Any) -> None:
        """Hashes, identifiers, times, prices and ordinary text come back as they are."""
        data = {"input": {"note": value, "token_type": "Bearer"}}
        assert data is ALL.redact(data)


SECRETS = ["AKIA" + "Z7QK3M5TNW2RXB4D", "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"]


class TestEverywhere:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_wherever_it_stands(self, secret: str) -> None:
        """In lists, in keys, in text, in JSON in text, and in a query string."""
        data = {
            "list": ["x", [secret]],
            secret: 1,
            "text": f"it said ({secret}), and went on",
            "json": json.dumps({"a": [secret]}),
            "url": f"https://example.com/?a=1&k={secret}&b=2",
        }
        assert secret not in json.dumps(ALL.redact(data))

    def test_one_among_much(self) -> None:
        """What is around it stays."""
        redacted = ALL.redact({"text": f"before {SECRETS[0]} after"})
        assert redacted["text"].startswith("before ")
        assert redacted["text"].endswith(" after")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


class TestNothingBreaksIt:
    @settings(deadline=None)
    @given(data=st.dictionaries(st.text(), ANYTHING, max_size=5))
    def test_whatever_it_is_given(self, data: dict[str, Any]) -> None:
        """It never raises, never changes its input, and what it gave comes back as it is."""
        before = copy.deepcopy(data)
        for component in COMPONENTS:
            once = component.redact(data)
            assert repr(before) == repr(data)
            assert repr(once) == repr(component.redact(once))

    @pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: type(c).__name__)
    def test_half_a_surrogate_pair_and_deep_nesting(self, component: Redactor) -> None:
        """What cannot be encoded, and what is nested a thousand times, is dealt with."""
        deep: Any = SECRETS[0]
        for _ in range(1000):
            deep = [deep]
        redacted = component.redact({"a": "\ud800", "deep": deep, "input": {"x": object()}})
        assert SECRETS[0] not in str(redacted)


class TestTokens:
    def test_the_same_value_has_the_same_token(self) -> None:
        """So that what is hidden can be grouped and joined; another key gives another token."""
        one, other = (SecretsRedactor(mode="tokens", token_key=f"{TOKEN_KEY} {n}") for n in (1, 2))
        data = {"password": "hunter2", "again": {"password": "hunter2"}, "other": {"password": "hunter3"}}
        redacted = one.redact(data)
        assert redacted["password"] == redacted["again"]["password"]
        assert redacted["password"] not in (redacted["other"]["password"], other.redact(data)["password"], "hunter2")

    def test_without_a_key_there_are_none(self) -> None:
        """Tokens that anybody could compute would hide nothing."""
        with pytest.raises(OptionError, match="token_key"):
            SecretsRedactor(mode="tokens")


class TestAllowed:
    def test_only_what_is_listed_passes(self) -> None:
        """Whatever it looks like, all else is hidden."""
        redacted = AllowRedactor(paths=["input.amount"]).redact({"input": {"amount": 3, "note": "hello"}})
        assert 3 == redacted["input"]["amount"]
        assert "hello" not in str(redacted)
