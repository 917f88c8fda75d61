"""What an event brings along: paths, keys, ids, times and the outcome that nobody may see."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mdm_core.admission import ABSENT, check_id, check_key, getter, to_ms, without
from mdm_core.errors import InvalidEvent

YEAR_9999_ENDS = 253_402_300_799_999
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "event", "expected"),
        [
            ("user", {"user": 7}, 7),
            ("user.id", {"user": {"id": 7}}, 7),
            ("a.b.c", {"a": {"b": {"c": None}}}, None),
            ("user.id", {"user.id": 1, "user": {"id": 2}}, 1),
            ("user.id", {"user": MappingProxyType({"id": 7})}, 7),
        ],
    )
    def test_a_value_is_found(self, path: str, event: dict[str, Any], expected: object) -> None:
        """A path is read through nested mappings; a name that is spelled with the dots comes first."""
        assert expected == getter(path)(event)

    @pytest.mark.parametrize("event", [{}, {"user": {}}, {"user": "text"}, {"user": None}, {"user": [{"id": 1}]}])
    def test_a_value_that_is_not_there_is_absent(self, event: dict[str, Any]) -> None:
        """Whatever stands in the way of a path, it is one of the exceptions that mean absent."""
        with pytest.raises(ABSENT):
            getter("user.id")(event)


class TestOutcome:
    @pytest.mark.parametrize(
        ("path", "event", "rest", "outcome"),
        [
            ("y", {"x": 1, "y": True}, {"x": 1}, True),
            ("y", {"x": 1}, {"x": 1}, None),
            ("a.y", {"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, 2),
            ("a.y", {"a": {"x": 1}}, {"a": {"x": 1}}, None),
            ("a.y", {"a": 5}, {"a": 5}, None),
            ("a.y", {"a.y": 3, "x": 1}, {"x": 1}, 3),
            ("a.b.y", {"a": {"b": {"y": 1}, "c": 2}}, {"a": {"b": {}, "c": 2}}, 1),
        ],
    )
    def test_it_is_split_from_the_rest(
        self, path: str, event: dict[str, Any], rest: dict[str, Any], outcome: object
    ) -> None:
        """The event without the outcome, and the outcome, None if there is none."""
        assert (rest, outcome) == without(event, path)

    @pytest.mark.parametrize(
        "event",
        [
            {"a.b.y": 1, "a": {"b": {"y": 2}}},
            {"a.b": {"y": 1}, "a": {"b": {"y": 2}}},
            {"a": {"b.y": 1, "b": {"y": 2}}},
        ],
    )
    def test_no_other_spelling_of_it_stays_behind(self, event: dict[str, Any]) -> None:
        """Every value that flattening would call by the outcome's name goes; the first is the outcome."""
        rest, outcome = without(event, "a.b.y")
        assert outcome == 1
        assert [name for name, _ in flattened(rest)] == []

    def test_the_event_is_not_changed(self) -> None:
        """What the caller passed keeps its outcome, at every level."""
        inner = {"y": 1, "x": 2}
        event = {"a": inner, "b": [1]}
        rest, _ = without(event, "a.y")
        assert event == {"a": {"y": 1, "x": 2}, "b": [1]}
        assert event["b"] is rest["b"]

    def test_nested_mappings_that_are_no_dicts_are_split_too(self) -> None:
        """A read-only mapping inside an event hides no outcome."""
        rest, outcome = without({"a": MappingProxyType({"y": 1, "x": 2})}, "a.y")
        assert (rest, outcome) == ({"a": {"x": 2}}, 1)


class TestKeys:
    @pytest.mark.parametrize("value", ["", "user", 0, -1, 2**64 - 1, -(2**63)])
    def test_text_and_whole_numbers_are_keys_and_ids(self, value: object) -> None:
        """Both are given back as they are."""
        assert value == check_key(value)
        assert value == check_id(value)

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            (1.0, "float"),
            (True, "bool"),
            (None, "NoneType"),
            ([1], "list"),
            ({}, "dict"),
            (b"k", "bytes"),
            (2**64, "a larger one"),
            (-(2**63) - 1, "a larger one"),
        ],
    )
    def test_anything_else_is_refused_by_its_type_alone(self, value: object, kind: str) -> None:
        """The message names the type and never the value; the reason is a stable code."""
        with pytest.raises(InvalidEvent) as key:
            check_key(value)
        with pytest.raises(InvalidEvent) as number:
            check_id(value)
        assert key.value.reason == "invalid_key"
        assert number.value.reason == "invalid_id"
        text = f"the key must be text or a whole number of at most 64 bits, not {kind}"
        assert f"invalid_key: {text}" == str(key.value)


class TestTimes:
    @pytest.mark.parametrize(
        ("unit", "value", "expected"),
        [
            ("ms", 0, 0),
            ("ms", 1_700_000_000_123, 1_700_000_000_123),
            ("ms", 1_700_000_000_123.0, 1_700_000_000_123),
            ("ms", 1.9, 1),
            ("ms", YEAR_9999_ENDS, YEAR_9999_ENDS),
            ("s", 1_700_000_000, 1_700_000_000_000),
            ("s", 1_700_000_000.129, 1_700_000_000_129),
            ("s", 0.0019, 1),
            ("us", 1_700_000_000_123_999, 1_700_000_000_123),
            ("ns", 1_700_000_000_001_000_000, 1_700_000_000_001),
            ("ns", 1_999_999, 1),
            ("iso", "1970-01-01T00:00:00Z", 0),
            ("iso", "2024-02-29T12:00:00.129+01:00", 1_709_204_400_129),
            ("iso", "2024-02-29T11:00:00.129", 1_709_204_400_129),
            ("iso", "2024-02-29", 1_709_164_800_000),
            ("iso", "9999-12-31T23:59:59.999Z", YEAR_9999_ENDS),
        ],
    )
    def test_units(self, unit: str, value: object, expected: int) -> None:
        """Numbers of any unit and ISO 8601 text become whole milliseconds, in UTC where no zone is named."""
        actual = to_ms(unit)(value)
        assert expected == actual
        assert int is type(actual)

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize(
        "value",
        [
            True,
            None,
            "5",
            [],
            {},
            Fraction(1),
            float("nan"),
            float("inf"),
            -float("inf"),
            1e400,
            1e308,
            10**400,
            -1,
            -1e6,
            YEAR_9999_ENDS * 1_000_000 + 1_000_000,
        ],
    )
    def test_what_is_no_instant_is_refused(self, unit: str, value: object) -> None:
        """Wrong types, numbers that are not finite, and times before 1970 or after 9999 have one reason."""
        with pytest.raises(InvalidEvent) as error:
            to_ms(unit)(value)
        assert error.value.reason == "invalid_timestamp"

    @pytest.mark.parametrize(
        "value",
        [
            0,
            1.5,
            True,
            None,
            "",
            "soon",
            "1969-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+23:59",
            "2024-13-01",
            "\ud800",
            "2024-01-01T00:00:00" + "0" * 5000,
        ],
    )
    def test_text_that_is_no_instant_is_refused(self, value: object) -> None:
        """So is what is no ISO 8601 text or lies outside the years."""
        with pytest.raises(InvalidEvent) as error:
            to_ms("iso")(value)
        assert error.value.reason == "invalid_timestamp"

    def test_the_message_holds_no_value(self) -> None:
        """A refused timestamp is not repeated, for it came from an event."""
        with pytest.raises(InvalidEvent) as error:
            to_ms("iso")("canary")
        assert "canary" not in str(error.value)

    @given(st.integers(0, YEAR_9999_ENDS))
    @example(81_812_960_754_673)
    def test_no_millisecond_is_lost(self, ms: int) -> None:
        """The same instant in any unit is the same millisecond."""
        readers: list[tuple[Callable[[Any], int], object]] = [
            (to_ms("ms"), ms),
            (to_ms("ms"), float(ms)),
            (to_ms("us"), ms * 1000),
            (to_ms("us"), ms * 1000 + 999),
            (to_ms("ns"), ms * 1_000_000),
            (to_ms("iso"), (EPOCH + timedelta(milliseconds=ms)).isoformat()),
        ]
        assert [ms] * len(readers) == [read(value) for read, value in readers]

    @given(st.integers(0, 1 << 42))
    def test_seconds_with_a_fraction_lose_none_either(self, ms: int) -> None:
        """Until the year 2109, as long as a double holds the fraction, seconds are the same millisecond too."""
        assert ms == to_ms("s")(ms / 1000)

    @given(st.floats(0, 4e9, allow_subnormal=False))
    def test_seconds_are_cut_to_the_millisecond(self, seconds: float) -> None:
        """A fraction of a millisecond is cut off, except for what lies within half a microsecond of the next one."""
        assert floor(Fraction(seconds) * 1000 + Fraction(1, 2000)) - to_ms("s")(seconds) in (0, 1)


def flattened(event: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """The leaves of an event with their dotted names, as a feature extractor would call them."""
    found: list[tuple[str, object]] = []
    for name, value in event.items():
        if isinstance(value, Mapping):
            found += flattened(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
