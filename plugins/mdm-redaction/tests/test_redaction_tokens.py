"""Tokens are stable, can be joined, and cannot be read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import OptionError, Redactor

from mdm_redaction import AllowRedactor, KeyRedactor, PersonalRedactor, SecretsRedactor, StandardRedactor
from mdm_redaction.personal import KINDS

KEY = "0123456789abcdef"
TOKEN = re.compile(r"\[HMAC:[0-9a-f]{24}\]")


def standard(key: str = KEY) -> StandardRedactor:
    """Make the redactor of most tests."""
    return StandardRedactor(personal=list(KINDS), mode="tokens", token_key=key)


class TestTokens:
    @pytest.mark.parametrize(
        "redactor",
        [
            KeyRedactor(mode="tokens", token_key=KEY),
            SecretsRedactor(mode="tokens", token_key=KEY),
            standard(),
            AllowRedactor(paths=["n"], mode="tokens", token_key=KEY),
        ],
    )
    def test_the_same_everywhere(self, redactor: Redactor) -> None:
        """The same value has the same token, whichever redactor finds it and wherever it stands."""
        redacted = redactor.redact({"password": "hunter2", "a": [{"pwd": "hunter2"}], "n": 1})
        assert redacted["password"] == redacted["a"][0]["pwd"] == standard().redact({"x": "pwd=hunter2"})["x"][4:]

    @pytest.mark.parametrize(
        ("kind", "writings"),
        [
            ("email", ["ann@example.com", "ANN@Example.com"]),
            ("card", ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"]),
            ("iban", ["DE89 3704 0044 0532 0130 00", "de89370400440532013000"]),
            ("phone", ["+49 30 901820", "+4930901820"]),
            ("national_id", ["756.9217.0769.85", "756 9217 0769 85"]),
        ],
    )
    def test_one_token_for_all_ways_of_writing(self, kind: str, writings: list[str]) -> None:
        """The same thing written in another way has the same token, so that it can be joined."""
        redact = PersonalRedactor(kinds=[kind], mode="tokens", token_key=KEY).redact
        tokens = {redact({"a": text})["a"] for text in writings} | {redact({kind: text})[kind] for text in writings}
        assert 1 == len(tokens)
        assert TOKEN.fullmatch(tokens.pop())

    def test_a_number_and_its_digits(self) -> None:
        """A number has the token of its digits."""
        redacted = standard().redact({"ssn": 123456789, "a": [{"ssn": "123-45-6789"}]})
        assert redacted["ssn"] == redacted["a"][0]["ssn"]

    def test_another_key_gives_other_tokens(self) -> None:
        """Who has another key cannot join."""
        data = {"pwd": "x"}
        assert standard().redact(data) != standard("another key, long enough").redact(data)

    def test_known_value(self) -> None:
        """Tokens stay the same from version to version, and are what `openssl dgst -sha256 -hmac` gives."""
        assert {"pwd": "[HMAC:deda27db21d02fd2c8f56d22]"} == standard().redact({"pwd": "hunter2"})

    @pytest.mark.parametrize("value", [None, 0, 1.5, True, [1, {"a": "b"}], {"old": "x"}, b"x"])
    def test_any_value_has_a_token(self, value: object) -> None:
        """Under a secret key values of any JSON type have a token."""
        assert TOKEN.fullmatch(KeyRedactor(mode="tokens", token_key=KEY).redact({"pwd": value})["pwd"])

    def test_what_has_no_json_is_masked(self) -> None:
        """Where no token can be made, the mask hides."""
        assert {"pwd": "[REDACTED]"} == KeyRedactor(mode="tokens", token_key=KEY).redact({"pwd": object()})

    @given(st.text(min_size=1), st.text(min_size=1))
    def test_tells_values_apart(self, one: str, other: str) -> None:
        """Two values have the same token if and only if they are the same."""
        redact = KeyRedactor(mode="tokens", token_key=KEY).redact
        assert (one == other) == (redact({"pwd": one}) == redact({"pwd": other}))


class TestTokenKey:
    @pytest.mark.parametrize("make", [KeyRedactor, SecretsRedactor, StandardRedactor])
    @pytest.mark.parametrize(("key", "message"), [(None, "needs a key; add token_key ="), ("short", "too short")])
    def test_is_required(self, make: Any, key: str | None, message: str) -> None:
        """The mode without a key, or with one that could be guessed, is refused with the next step."""
        with pytest.raises(OptionError, match=message):
            make(mode="tokens", token_key=key)

    def test_is_not_shown(self) -> None:
        """The key is in no repr."""
        assert KEY not in repr(standard())

    def test_core_may_not_mask_by_itself(self) -> None:
        """In this mode core asks for the whole, for a mask would not do."""
        assert KeyRedactor(mode="tokens", token_key=KEY).hides is None
