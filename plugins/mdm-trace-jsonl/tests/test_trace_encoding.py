"""Strict JSON for anything."""

from __future__ import annotations

import json
from collections import UserDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, NoReturn

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_trace_jsonl.encoding import encodable, encode

LONE = "\ud800"


class Colour(Enum):
    RED = "red"
    PAIR = (1, LONE)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Scalar:
    """Has what numpy's scalars have."""

    def item(self) -> float:
        return 1.5


class Array:
    """Has what numpy's arrays have."""

    def tolist(self) -> list[Any]:
        return [1, [2, LONE]]


class Hostile(Mapping[str, Any]):
    def __getitem__(self, key: str) -> NoReturn:
        raise RuntimeError

    def __iter__(self) -> NoReturn:
        raise RuntimeError

    def __len__(self) -> int:
        return 1


@attrs.define
class AttrsPair:
    a: Any
    b: Any = attrs.field(init=False)


@dataclass
class DataPair:
    a: Any


class StructPair(msgspec.Struct):
    a: Any


def strictly(line: bytes) -> Any:
    """Decode as the strictest reader would."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    return json.loads(line.decode("utf-8"), parse_constant=refuse)


class TestEncodable:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (float("nan"), None),
            (float("inf"), None),
            (Real("-inf"), None),
            (Real(2.5), 2.5),
            (2**200, 2**200),
            (-(2**200), -(2**200)),
            (Whole(7), 7),
            (Text("é"), "é"),
            ("a" + LONE + "b", "a\ufffdb"),
            ("\ud83d\ude00", "\U0001f600"),
            (b"ab", "YWI="),
            ({1}, [1]),
            (frozenset([LONE]), ["\ufffd"]),
            (Colour.RED, "red"),
            (Colour.PAIR, [1, "\ufffd"]),
            (range(2), [0, 1]),
            (deque([1, object]), [1, "[UNENCODABLE type]"]),
            (MappingProxyType({"a": 1}), {"a": 1}),
            (UserDict({"a": LONE}), {"a": "\ufffd"}),
            (AttrsPair(LONE), {"a": "\ufffd"}),
            (DataPair(LONE), {"a": "\ufffd"}),
            (StructPair(LONE), {"a": "\ufffd"}),
            (Scalar(), 1.5),
            (Array(), [1, [2, "\ufffd"]]),
            (object(), "[UNENCODABLE object]"),
            (1 + 2j, "[UNENCODABLE complex]"),
            (Hostile(), "[UNENCODABLE Hostile]"),
        ],
    )
    def test_replaces_what_json_cannot_hold(self, value: Any, expected: Any) -> None:
        """Every kind of value becomes what the documentation says."""
        assert [expected, "kept"] == strictly(encode(encodable([value, "kept"])))

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ("a" + LONE, "a\ufffd"),
            (1, "1"),
            (1.5, "1.5"),
            (None, "None"),
            (True, "True"),
            ((1, "x"), "(1, 'x')"),
            (Colour.RED, "red"),
            (Text("t"), "t"),
            (Whole(3), "3"),
        ],
    )
    def test_keys_become_text(self, key: Any, expected: str) -> None:
        """A key that is no text is written as its text."""
        assert {expected: "\ufffd"} == strictly(encode(encodable({key: LONE})))

    def test_a_number_too_long_to_be_written(self) -> None:
        """A whole number with more digits than Python writes is replaced."""
        assert [1, "[UNENCODABLE int]"] == strictly(encode(encodable([1, 10**5000])))

    def test_a_container_inside_itself(self) -> None:
        """A ring is cut where it closes, also if it closes many times."""
        ring: list[Any] = [1]
        ring += [ring, ring]
        assert [1, "[UNENCODABLE list]", "[UNENCODABLE list]"] == strictly(encode(encodable(ring)))

    def test_depth_is_limited(self) -> None:
        """Data nested 100,000 deep is written down to the limit."""
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        found = strictly(encode(encodable(deep)))
        for _ in range(100):
            (found,) = found
        assert "[UNENCODABLE list]" == found

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(st.characters(), max_size=5)
            | st.sampled_from([LONE, object(), Scalar(), Array(), Colour.PAIR, Text("x"), 1j]),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
            max_leaves=20,
        )
    )
    def test_is_always_strict_json_on_one_line(self, value: Any) -> None:
        """Whatever the value, the result is one line that the strictest reader takes."""
        line = encode(encodable(value))
        strictly(line)
        assert b"\n" not in line
