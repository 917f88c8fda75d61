"""The component ``redaction.keys`` and the function ``redact``."""

from __future__ import annotations

import copy
import time
from collections import OrderedDict, UserDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import OptionError
from mdm_core.options import option_fields

from mdm_redaction import KeyRedactor, redact

CLEAN = {
    "id": "UA1545-17",
    "ts": 1357034400,
    "entity": "UA",
    "tail": "N14228",
    "delay": {"dep": 2.0, "arr": None},
    "route": {"origin": "EWR", "legs": [1, 2, {"miles": 1400}]},
    "codes": ("a", "b"),
}


class Login(NamedTuple):
    user: str
    password: str


class Point(NamedTuple):
    x: int
    y: int


@attrs.define
class AttrsLogin:
    user: str
    password: str


@dataclass
class DataLogin:
    user: str
    password: str


class StructLogin(msgspec.Struct):
    user: str
    password: str


@attrs.define(slots=False)
class HalfMade:
    user: str
    password: str = attrs.field(init=False)


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {"bottom": 1}
    for _ in range(depth):
        data = {"next": data}
    return data


class TestMask:
    def test_masks_at_any_depth(self) -> None:
        """Secrets are masked in mappings, lists and tuples at any depth, containers as a whole."""
        data = {"a": [{"b": ({"apiKey": "k"}, 1)}], "password": {"old": "x"}, "token_count": 3, "tokens": ["x"]}
        expected = {
            "a": [{"b": ({"apiKey": "[REDACTED]"}, 1)}],
            "password": "[REDACTED]",
            "token_count": 3,
            "tokens": "[REDACTED]",
        }
        assert expected == redact(data)

    @pytest.mark.parametrize("value", [None, "", 0, False, 1.5, b"x", [], {}, "x"])
    def test_masks_whatever_the_value(self, value: object) -> None:
        """Only the key decides, not the value."""
        assert {"pin": "[REDACTED]"} == redact({"pin": value})

    def test_clean_data_comes_back_itself(self) -> None:
        """With nothing to hide nothing is copied."""
        assert CLEAN is redact(CLEAN)

    def test_data_with_many_containers_comes_back_itself(self) -> None:
        """More containers than the quick look follows make no difference to the result."""
        data = {"rows": [{"n": n} for n in range(1000)]}
        assert data is redact(data)

    def test_finds_a_secret_among_many_containers(self) -> None:
        """The last of many containers is looked at too."""
        data = {"rows": [{"n": n} for n in range(1000)] + [{"pwd": 1}]}
        assert {"pwd": "[REDACTED]"} == redact(data)["rows"][-1]

    def test_shares_what_needs_no_change(self) -> None:
        """Only the containers on the way to a secret are copied, and the input stays as it was."""
        data: dict[str, Any] = {"clean": {"a": [1]}, "dirty": {"secret": 1, "rows": [{"b": 2}]}}
        before = copy.deepcopy(data)
        redacted = redact(data)
        assert before == data
        assert data["clean"] is redacted["clean"]
        assert data["dirty"]["rows"] is redacted["dirty"]["rows"]

    def test_order_is_kept(self) -> None:
        """Keys stay in their order, so that traces stay comparable."""
        assert ["b", "pwd", "a"] == list(redact({"b": 1, "pwd": 2, "a": {"pin": 3}}))

    def test_masked_data_comes_back_itself(self) -> None:
        """Redacting what is redacted already copies nothing."""
        masked = redact({"a": [{"pwd": 1}]})
        assert masked is redact(masked)


class TestShapes:
    @pytest.mark.parametrize("make", [OrderedDict, UserDict, MappingProxyType])
    def test_other_mappings(self, make: type) -> None:
        """Any mapping is looked into, at the top and inside, and comes out as a dict if something was hidden."""
        inner: Mapping[str, Any] = make({"pwd": 1, "n": 2})
        expected = {"in": {"pwd": "[REDACTED]", "n": 2}}
        assert expected == KeyRedactor().redact(make({"in": inner}))

    @pytest.mark.parametrize("make", [OrderedDict, UserDict, MappingProxyType])
    def test_other_clean_mappings_come_back(self, make: type) -> None:
        """A mapping of any type with nothing to hide comes back itself."""
        data = make({"in": make({"n": 2})})
        assert data is KeyRedactor().redact(data)

    @pytest.mark.parametrize(
        "login", [Login("u", "p"), AttrsLogin("u", "p"), DataLogin("u", "p"), StructLogin("u", "p")]
    )
    def test_fields_are_keys(self, login: object) -> None:
        """Objects that an encoder would write field by field are redacted field by field."""
        assert {"logins": [{"user": "u", "password": "[REDACTED]"}]} == redact({"logins": [login]})

    def test_a_field_without_a_value(self) -> None:
        """A field that was never set hides nothing and breaks nothing."""
        half = HalfMade("u")
        assert half is redact({"half": half})["half"]

    def test_clean_named_tuple_stays(self) -> None:
        """A named tuple with nothing to hide is left as it is."""
        data = {"at": Point(1, 2)}
        assert data is redact(data)

    @pytest.mark.parametrize("make", [list, deque])
    def test_other_sequences(self, make: type) -> None:
        """Items of any sequence are looked into."""
        assert {"a": [{"pin": "[REDACTED]"}]} == redact({"a": make([{"pin": 1}])})

    def test_sets(self) -> None:
        """Items of a set are looked into."""
        assert {"a": [{"user": "u", "password": "[REDACTED]"}]} == redact({"a": {Login("u", "p")}})

    @pytest.mark.parametrize("value", [b"secret", bytearray(b"x"), range(3), object, 1 + 2j, iter([1])])
    def test_leaves_are_left_alone(self, value: object) -> None:
        """What is no container is neither changed nor consumed."""
        data = {"a": value}
        assert data is redact(data)


class TestHostileShapes:
    @pytest.mark.parametrize("mode", ["mask", "drop"])
    def test_depth_is_limited(self, mode: str) -> None:
        """What lies deeper than the limit is masked, however deep it goes."""
        found: Any = KeyRedactor(mode=mode).redact(nested(100_000))
        for _ in range(100):
            found = found["next"]
        assert found == "[REDACTED]"

    def test_depth_within_the_limit_is_followed(self) -> None:
        """Data as deep as real data is, and deeper, comes through."""
        data = nested(99)
        assert data is redact(data)

    def test_deep_lists(self) -> None:
        """Lists count as mappings do."""
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        found: Any = redact({"a": deep})["a"]
        for _ in range(99):
            (found,) = found
        assert found == "[REDACTED]"

    def test_a_mapping_in_itself(self) -> None:
        """A container inside itself is masked there."""
        data: dict[str, Any] = {"n": 1}
        data["self"] = data
        assert {"n": 1, "self": "[REDACTED]"} == redact(data)

    def test_a_list_in_itself_many_times(self) -> None:
        """Many ways round a ring do not multiply."""
        ring: list[Any] = [1]
        ring += [ring] * 50
        assert {"a": [1, *["[REDACTED]"] * 50]} == redact({"a": ring})

    def test_shared_containers_are_walked_once(self) -> None:
        """Containers shared at every level, two to the power of 60 ways to the bottom, take no time."""
        shared: dict[str, Any] = {"pwd": 1}
        for _ in range(60):
            shared = {"a": shared, "b": shared}
        found: Any = redact(shared)
        for _ in range(60):
            found = found["b"]
        assert {"pwd": "[REDACTED]"} == found

    def test_clean_shared_containers_are_walked_once(self) -> None:
        """The same holds when there is nothing to hide."""
        shared: dict[str, Any] = {"n": 1}
        for _ in range(60):
            shared = {"a": shared, "b": shared}
        assert shared is redact(shared)


class TestDrop:
    def test_leaves_items_out(self) -> None:
        """In mode drop neither key nor value is left."""
        data = {"a": [{"b": ({"apiKey": "k", "n": 1},)}], "password": "x"}
        assert {"a": [{"b": ({"n": 1},)}]} == KeyRedactor(mode="drop").redact(data)

    def test_a_dict_may_become_empty(self) -> None:
        """A mapping of nothing but secrets is empty afterwards."""
        assert {"a": {}} == KeyRedactor(mode="drop").redact({"a": {"pin": 1}, "pwd": None})

    def test_clean_data_comes_back_itself(self) -> None:
        """With nothing to leave out nothing is copied."""
        assert CLEAN is KeyRedactor(mode="drop").redact(CLEAN)


class TestHides:
    @pytest.mark.parametrize(("key", "hidden"), [("client.api_key.len", True), ("client.id.len", False)])
    def test_agrees_with_redact(self, key: str, hidden: bool) -> None:
        """In mode mask core may ask key by key and gets the same answer."""
        redactor = KeyRedactor()
        assert redactor.hides is not None
        assert (hidden, hidden) == (redactor.hides(key), redactor.redact({key: 1}) != {key: 1})

    def test_is_absent_in_mode_drop(self) -> None:
        """In mode drop core must not mask on its own."""
        assert not callable(getattr(KeyRedactor(mode="drop"), "hides", None))


class TestOptions:
    def test_extra_and_keep(self) -> None:
        """Both lists take effect."""
        redactor = KeyRedactor(extra=["badge_no"], keep=["token_id"])
        assert {"badgeNo": "[REDACTED]", "token_id": 5} == redactor.redact({"badgeNo": 7, "token_id": 5})

    def test_two_redactors_do_not_share_verdicts(self) -> None:
        """What one redactor was told to keep another still hides."""
        KeyRedactor(keep=["pin"]).redact({"pin": 1})
        assert {"pin": "[REDACTED]"} == KeyRedactor().redact({"pin": 1})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"mode": "hide"}, "KeyRedactor.mode: must be one of 'mask', 'drop', 'tokens', got 'hide'"),
            (
                {"extra": ["user.badge"]},
                "KeyRedactor.extra: 'user.badge' is no single name; give a name such as 'badge_no', without dots",
            ),
            (
                {"extra": ["_"]},
                "KeyRedactor.extra: '_' is no single name; give a name such as 'badge_no', without dots",
            ),
            (
                {"keep": ["."]},
                "KeyRedactor.keep: '.' has no letter or digit; give a key such as 'oauth.token_id'",
            ),
        ],
    )
    def test_refuses_options(self, options: dict[str, Any], message: str) -> None:
        """Options that cannot work are refused with the reason."""
        with pytest.raises(OptionError) as raised:
            KeyRedactor(**options)
        assert message == str(raised.value)

    def test_the_options_are_the_fields(self) -> None:
        """The file knows exactly the documented options."""
        assert ["mode", "extra", "keep", "token_key"] == [field.name for field in option_fields(KeyRedactor)]


KEYS = st.sampled_from(
    ["password", "apiKey", "client.secret", "token_count", "author", "a", "session.length", "X-Auth", "n", "pin"]
) | st.text(max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS | st.integers() | st.binary(max_size=4), inner, max_size=4)
    ),
    max_leaves=25,
)
EVENTS = st.dictionaries(KEYS, VALUES, max_size=6)
MARK = "s3cr3t-value"


def planted(value: Any, hides: Any, mark: str) -> Any:
    """A copy in which everything under a hidden key holds a mark."""
    if isinstance(value, dict):
        return {k: [mark, {"a": mark}] if hides(k) else planted(v, hides, mark) for k, v in value.items()}
    return type(value)(planted(v, hides, mark) for v in value) if isinstance(value, list | tuple) else value


class TestProperties:
    @given(EVENTS, st.sampled_from(["mask", "drop"]))
    def test_no_secret_is_left(self, event: dict[str, Any], mode: str) -> None:
        """Of what stands under a hidden key nothing comes through, wherever it stands."""
        redactor = KeyRedactor(mode=mode)
        event = planted(event, redactor._hidden.__getitem__, MARK)
        assert MARK not in repr(redactor.redact(event))

    @given(EVENTS, st.sampled_from(["mask", "drop"]))
    def test_the_input_is_not_changed(self, event: dict[str, Any], mode: str) -> None:
        """The event is after the call what it was before."""
        before = repr(event)
        KeyRedactor(mode=mode).redact(event)
        assert before == repr(event)

    @given(EVENTS, st.sampled_from(["mask", "drop"]))
    def test_is_idempotent(self, event: dict[str, Any], mode: str) -> None:
        """A second pass finds nothing more to hide."""
        redactor = KeyRedactor(mode=mode)
        once = redactor.redact(event)
        assert once is redactor.redact(once)

    @given(EVENTS)
    def test_what_is_not_secret_comes_through(self, event: dict[str, Any]) -> None:
        """Every top-level key that is not hidden keeps its place, and scalars their identity."""
        redacted = redact(event)
        assert list(event) == list(redacted)
        hides = KeyRedactor().hides
        assert hides is not None
        scalars = [k for k, v in event.items() if not isinstance(v, dict | list | tuple) and not hides(k)]
        assert all(event[key] is redacted[key] for key in scalars)


class TestCost:
    def test_looking_is_cheaper_than_copying(self) -> None:
        """Looking for secrets in a clean event costs less than copying the event would."""
        looking, copying = _fastest(lambda: redact(CLEAN), lambda: copy.deepcopy(CLEAN))
        assert looking < copying


def _fastest(*works: Any) -> Iterator[float]:
    """The least time that each took of the process, in turns."""
    rounds = [[_once(work) for work in works] for _ in range(7)]
    return map(min, zip(*rounds, strict=True))


def _once(work: Any) -> float:
    started = time.process_time()
    for _ in range(500):
        work()
    return time.process_time() - started
