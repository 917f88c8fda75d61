"""Keyed state: made when it is missing, forgotten least recently used first, and restored bit for bit."""

import struct
from array import array
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm_core.contracts import Component
from mdm_core.options import option
from mdm_core.state import Key, KeyedState, keyed_state, states_of

SIGNALLING = struct.unpack("<d", struct.pack("<Q", 0x7FF0_0000_0000_0001))[0]
PAYLOAD = struct.unpack("<d", struct.pack("<Q", 0xFFF8_DEAD_BEEF_0001))[0]
SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1.7976931348623157e308, float("inf"), -float("inf"), PAYLOAD]
SPECIAL += [SIGNALLING]


@attrs.define
class Count:
    n: int = 0


@attrs.define
class Point:
    x: float = 0.0
    y: float = 0.0


@attrs.define
class Everything:
    """One field of every type that a state may hold."""

    real: float = 0.0
    whole: int = 0
    either: int | float = 0
    yes: bool = False
    maybe: float | None = None
    numbers: list[float] = attrs.field(factory=list)
    pair: tuple[int, float] = (0, 0.0)
    by_name: dict[str, float] = attrs.field(factory=dict)
    by_number: dict[int, float] = attrs.field(factory=dict)
    inner: Point = attrs.field(factory=Point)
    doubles: array = attrs.field(factory=lambda: array("d"))  # type: ignore[type-arg]
    wholes: array = attrs.field(factory=lambda: array("q"))  # type: ignore[type-arg]
    plain_deque: deque = attrs.field(factory=deque)  # type: ignore[type-arg]
    typed_deque: deque[float] = attrs.field(factory=deque)
    pairs: deque[tuple[int, float]] = attrs.field(factory=deque)
    points: deque[Point] = attrs.field(factory=deque)
    rows: deque[deque[float]] = attrs.field(factory=deque)
    late: float = attrs.field(init=False, default=0.0)


def bits(value: Any) -> Any:
    """Spell a value so that two are equal only if every bit of them, and every type, is the same."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, array):
        return ("array", value.typecode, value.tobytes())
    if isinstance(value, deque):
        return ("deque", value.maxlen, [bits(v) for v in value])
    if isinstance(value, list | tuple):
        return (type(value).__name__, [bits(v) for v in value])
    if isinstance(value, dict):
        return ("dict", [(bits(k), bits(v)) for k, v in value.items()])
    if attrs.has(type(value)):
        return (type(value).__name__, [bits(getattr(value, f.name)) for f in attrs.fields(type(value))])
    return (type(value).__name__, value)


def everything() -> Everything:
    """A state in which every field holds the hardest values."""
    state = Everything(
        real=PAYLOAD,
        whole=2**63 - 1,
        either=2**53 + 1,
        yes=True,
        maybe=-0.0,
        numbers=list(SPECIAL),
        pair=(-(2**63), 5e-324),
        by_name={"ü": -0.0, "": SIGNALLING},
        by_number={-1: 1.5, 2**63 - 1: PAYLOAD},
        inner=Point(SIGNALLING, -0.0),
        doubles=array("d", SPECIAL),
        wholes=array("q", [-(2**63), 2**63 - 1]),
        plain_deque=deque([1, 2.0, -0.0], maxlen=3),
        typed_deque=deque(SPECIAL, maxlen=100),
        pairs=deque([(1, PAYLOAD), (2, -0.0)]),
        points=deque([Point(1.0, SIGNALLING)], maxlen=7),
        rows=deque([deque([1.0], maxlen=2), deque()]),
    )
    state.late = 1.25
    return state


def counts(states: KeyedState[Count]) -> list[tuple[Key, int]]:
    """Keys in their order of use, with what is remembered of each."""
    found = []
    for key in states:
        state = states.peek(key)
        assert state is not None
        found.append((key, state.n))
    return found


class TestMaking:
    def test_a_missing_state_is_made_and_kept(self) -> None:
        """Asking for a key makes its state once; asking again gives the same object."""
        states = KeyedState(Count)
        first = states["a"]
        first.n = 3
        assert first is states["a"]
        assert states["a"].n == 3

    def test_keys_of_different_types_are_different(self) -> None:
        """The number 1 and the text "1" are two keys."""
        states = KeyedState(Count)
        states[1].n = 1
        states["1"].n = 2
        assert counts(states) == [(1, 1), ("1", 2)]

    def test_peeking_neither_makes_nor_counts_as_use(self) -> None:
        """`peek` gives None for an unknown key and leaves the order of use alone."""
        states = KeyedState(Count, max_keys=2)
        states["old"], states["new"]
        states.peek("old")
        assert states.peek("unknown") is None
        states["newer"]
        assert list(states) == ["new", "newer"]

    def test_a_bound_below_one_is_refused(self) -> None:
        """A state that could remember nothing is a mistake, and told as one."""
        with pytest.raises(ValueError, match="keyed state Count: max_keys must be at least 1, got 0"):
            KeyedState(Count, max_keys=0)


class TestEviction:
    def test_the_least_recently_used_key_is_forgotten(self) -> None:
        """Beyond `max_keys` the key that was not used for longest goes, and is counted."""
        states = KeyedState(Count, max_keys=2)
        states["a"], states["b"], states["a"], states["c"]
        assert list(states) == ["a", "c"]
        assert states.evicted == 1

    def test_the_global_state_is_never_forgotten(self) -> None:
        """`states[None]` stays, takes no place, and does not keep other keys from being forgotten."""
        states = KeyedState(Count, max_keys=2)
        states[None].n = 7
        for key in range(10):
            states[key]
        assert states[None].n == 7
        assert list(states) == [8, 9, None]
        assert states.evicted == 8

    @given(
        st.integers(1, 4),
        st.lists(st.tuples(st.sampled_from(["use", "load", "peek", "copy", "restore"]), st.integers(-1, 5))),
    )
    def test_any_order_of_operations_matches_a_simple_model(self, size: int, operations: list[tuple[str, int]]) -> None:
        """Whatever is done, keys, values, order of use and evictions are those of an ordered dict."""
        states: KeyedState[Count] = KeyedState(Count, max_keys=size)
        model: OrderedDict[Key, int] = OrderedDict()
        evicted = 0
        for number, (operation, raw) in enumerate(operations):
            key = None if raw < 0 else raw
            if operation == "use":
                states[key].n += 1
                model[key] = model.get(key, 0) + 1
                model.move_to_end(key)
            elif operation == "load":
                donor = KeyedState(Count)
                donor[key].n = number
                states.load(key, donor.export(key))
                model[key] = number
                model.move_to_end(key)
            elif operation == "peek":
                states.peek(key)
            elif operation == "copy":
                states = states.copy()
            else:
                fresh = KeyedState(Count, max_keys=size)
                fresh.restore(states.snapshot())
                states = fresh
            while len([k for k in model if k is not None]) > size:
                del model[next(k for k in model if k is not None)]
                evicted += 1
            assert dict(model) == dict(counts(states))
            assert [k for k in model if k is not None] == [k for k in states if k is not None]
            assert evicted == states.evicted
            assert len(model) == len(states)


class TestRestoring:
    def test_a_snapshot_restores_every_bit(self) -> None:
        """NaN payloads, negative zero, denormals, 64-bit numbers, arrays and deques come back as they were."""
        states = KeyedState(Everything)
        states.load("k", _exported(everything()))
        other = KeyedState(Everything)
        other.restore(states.snapshot())
        assert bits(everything()) == bits(other["k"])

    def test_an_export_loads_every_bit(self) -> None:
        """`load` of an `export` gives the same state under another key."""
        states = KeyedState(Everything)
        states.load(5, _exported(everything()))
        assert bits(everything()) == bits(states[5])

    def test_a_copy_is_equal_and_independent(self) -> None:
        """A shadow starts with the same bits, and what it then does leaves the original alone."""
        states = KeyedState(Everything, max_keys=9)
        states.load("k", _exported(everything()))
        shadow = states.copy()
        assert bits(states["k"]) == bits(shadow["k"])
        assert states.max_keys == shadow.max_keys
        shadow["k"].numbers.append(1.0)
        shadow["new"]
        assert bits(everything()) == bits(states["k"])
        assert list(states) == ["k"]

    @given(
        st.lists(st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)), st.integers(-(2**63), 2**64 - 1)
    )
    def test_any_numbers_come_back(self, numbers: list[float], whole: int) -> None:
        """Any doubles and any 64-bit whole number survive a snapshot."""
        states = KeyedState(Everything)
        state = states["k"]
        state.numbers, state.doubles, state.typed_deque = numbers, array("d", numbers), deque(numbers)
        state.whole = state.either = whole
        expected = bits(state)
        states.restore(states.snapshot())
        assert expected == bits(states["k"])

    def test_order_of_use_and_count_of_evictions_come_back(self) -> None:
        """After restoring, the same key as before is the next to be forgotten."""
        states = KeyedState(Count, max_keys=2)
        states["a"], states["b"], states["c"], states["b"]
        other = KeyedState(Count, max_keys=2)
        other.restore(states.snapshot())
        other["d"]
        assert list(other) == ["b", "d"]
        assert other.evicted == 2

    def test_every_kind_of_key_comes_back(self) -> None:
        """Text, text that UTF-8 cannot hold, whole numbers and None are told apart after restoring."""
        keys: list[Key] = ["", "1", 1, -(2**63), 2**64 - 1, None, "\ud800", "naïve"]
        states = KeyedState(Count)
        for key in keys:
            states[key]
        states.restore(states.snapshot())
        assert keys == list(states)

    def test_a_smaller_bound_takes_effect_at_the_next_new_key(self) -> None:
        """Restoring into a state that may hold less does not leave it too large for good."""
        states = KeyedState(Count)
        for key in range(5):
            states[key]
        small = KeyedState(Count, max_keys=2)
        small.restore(states.snapshot())
        small["new"]
        assert list(small) == [4, "new"]
        assert small.evicted == 4

    def test_restoring_the_same_twice_gives_the_same_bytes(self) -> None:
        """A snapshot of what was restored is the snapshot, byte for byte."""
        states = KeyedState(Everything)
        states.load("k", _exported(everything()))
        states[None]
        data = states.snapshot()
        states.restore(data)
        assert data == states.snapshot()


class TestRefusing:
    @pytest.mark.parametrize("data", [b"", b"\x00", b"\x02\x92\x00\x90", b"pickle"])
    def test_another_format_is_refused(self, data: bytes) -> None:
        """Bytes that do not begin with the format's number are a ValueError that says so."""
        states = KeyedState(Count)
        message = "the state was written in a format that this version of mdm-core does not read"
        with pytest.raises(ValueError, match=message):
            states.restore(data)
        with pytest.raises(ValueError, match=message):
            states.load("k", data)

    @settings(max_examples=300)
    @given(st.data())
    def test_damaged_bytes_are_refused_and_change_nothing(self, data: st.DataObject) -> None:
        """Of a snapshot with a byte changed or cut off come a ValueError or states; after an error all is as before."""
        states = KeyedState(Everything)
        states.load("k", _exported(everything()))
        before, exported = states.snapshot(), states.export("k")
        for read, good in ((states.restore, before), (lambda damaged: states.load("k", damaged), exported)):
            place = data.draw(st.integers(1, len(good) - 1))
            damage = data.draw(st.binary(max_size=2))
            try:
                read(good[:place] + damage + (good[place + 1 :] if damage else b""))
            except ValueError:
                assert before == states.snapshot()
            else:
                states.restore(before)

    @pytest.mark.parametrize(
        "fields",
        [
            {"doubles": b""},
            {"doubles": b"d123"},
            {"doubles": []},
            {"doubles": 5},
            {"doubles": b"\xff12345678"},
            {"typed_deque": []},
            {"typed_deque": 5},
            {"typed_deque": [-1, []]},
            {"typed_deque": [None, ["text"]]},
            {"whole": 1.5},
            {"numbers": ["text"]},
        ],
    )
    def test_bytes_that_do_not_fit_the_state_are_refused(self, fields: dict[str, Any]) -> None:
        """Well-formed bytes of another state than this one are a ValueError."""
        with pytest.raises(ValueError, match=r"."):
            KeyedState(Everything).load("k", b"\x01" + msgspec.msgpack.encode(fields))

    def test_a_private_field_is_refused(self) -> None:
        """A field that would silently not be saved is refused when the state is declared."""

        @attrs.define
        class Private:
            _sum: float = 0.0

        with pytest.raises(TypeError, match="keyed state Private: rename _sum without the underscore"):
            KeyedState(Private)

    def test_a_private_field_further_inside_is_refused(self) -> None:
        """So is one of a class that the state holds, in whatever container, and of a data class."""
        with pytest.raises(TypeError, match="keyed state Hidden: rename _sum without the underscore"):
            KeyedState(Holder)

    def test_what_is_no_number_is_refused_by_name(self) -> None:
        """An object that the format cannot hold is a TypeError that names its type and says what to use."""
        states = KeyedState(Everything)
        states["k"].plain_deque.append(object())
        message = "keyed state cannot hold a object; use numbers, lists, dicts or arrays"
        with pytest.raises(TypeError, match=message):
            states.export("k")
        with pytest.raises(TypeError, match=message):
            states.snapshot()

    def test_exporting_an_unknown_key_is_a_key_error(self) -> None:
        """There is nothing to export of a key that is not remembered, and none is made."""
        states = KeyedState(Count)
        with pytest.raises(KeyError, match="nobody"):
            states.export("nobody")
        assert "nobody" not in states


class TestDeclaring:
    def test_each_instance_has_its_own(self) -> None:
        """Two components of one class share no state."""
        one, other = Learner(), Learner()
        one.states["k"].n = 5
        assert other.states["k"].n == 0

    def test_an_option_may_say_how_many(self) -> None:
        """`max_keys` given as a name is read from that option of the instance."""
        assert Learner(limit=3).bounded.max_keys == 3
        assert Learner().states.max_keys == 100_000

    def test_it_is_no_option_and_shows_in_no_repr(self) -> None:
        """The constructor does not take it, and neither repr nor comparison looks at it."""
        with pytest.raises(TypeError, match="states"):
            Learner(states=KeyedState(Count))  # type: ignore[call-arg]
        one, other = Learner(), Learner()
        one.states["k"]
        assert repr(one) == "Learner(limit=2)"
        assert one == other

    def test_core_finds_all_that_a_component_declares(self) -> None:
        """`states_of` names every keyed state of a component, and none for a class without attrs."""

        class Bare(Component):
            states = KeyedState(Count)

        learner = Learner()
        assert {"states": learner.states, "bounded": learner.bounded} == states_of(learner)
        assert states_of(Bare()) == {}


@dataclass
class Hidden:
    _sum: float = 0.0


@attrs.define
class Holder:
    hidden: dict[str, list[Hidden]] = attrs.field(factory=dict)


@attrs.define
class Learner(Component):
    limit: int = option(2, help="how many keys")
    states = keyed_state(Count)
    bounded = keyed_state(Count, max_keys="limit")


@dataclass
class Window:
    values: list[float] = field(default_factory=list)


class TestDataClasses:
    def test_a_data_class_is_a_state_too(self) -> None:
        """A state need not be an attrs class."""
        states = KeyedState(Window)
        states["k"].values.append(-0.0)
        states.restore(states.snapshot())
        assert bits([-0.0]) == bits(states["k"].values)


def _exported(state: Everything) -> bytes:
    donor = KeyedState(Everything)
    made = donor["k"]
    for f in attrs.fields(Everything):
        setattr(made, f.name, getattr(state, f.name))
    return donor.export("k")
