"""Keyed state that is bounded by size: what is forgotten, and that a restored one forgets the same."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm_core.state import SizedState, keyed_state, veil_by


@attrs.define
class Bag:
    """Something that grows."""

    items: list[int] = attrs.field(factory=list)

    def __len__(self) -> int:
        return len(self.items)


def grow(states: SizedState[Bag], key: Any, by: int) -> None:
    """Use a state, and let it grow."""
    states[key].items.extend([0] * by)


def sizes(states: SizedState[Bag]) -> dict[Any, int]:
    """The states that are remembered, with their sizes."""
    return {key: len(states.peek(key) or ()) for key in states}


class TestSizedState:
    def test_forgets_the_least_recently_used(self) -> None:
        """Beyond the size allowed the least recently used go, as many as needed, when the next one is used."""
        states = SizedState(Bag, max_keys=10, max_size=10)
        for key, by in [("a", 4), ("b", 4), ("a", 0), ("c", 5), ("d", 1)]:
            grow(states, key, by)
        assert {"a": 4, "c": 5, "d": 1} == sizes(states)
        assert 1 == states.evicted

    def test_the_one_in_use_stays(self) -> None:
        """The state in use is never forgotten, however large it is, and neither is that of global scope."""
        states = SizedState(Bag, max_keys=10, max_size=3)
        grow(states, None, 100)
        grow(states, "a", 50)
        grow(states, "a", 50)
        assert {None: 100, "a": 100} == sizes(states)
        grow(states, "b", 1)
        assert {None: 100, "b": 1} == sizes(states)

    def test_number_of_keys(self) -> None:
        """The number of keys is bounded as well, and what goes for that makes room."""
        states = SizedState(Bag, max_keys=2, max_size=10)
        for key in "abcdef":
            grow(states, key, 5)
        assert {"e": 5, "f": 5} == sizes(states)
        assert 4 == states.evicted

    def test_put_back(self) -> None:
        """What was undone does not count."""
        states = SizedState(Bag, max_keys=10, max_size=10)
        grow(states, "a", 5)
        grow(states, "b", 100)
        states.put_back("b", None)
        grow(states, "c", 5)
        assert {"a": 5, "b": 0, "c": 5} == sizes(states)

    def test_declared(self) -> None:
        """A component declares it by naming the option that says how large."""

        @attrs.define
        class Holder:
            most: int = 7
            states = keyed_state(Bag, max_size="most")

        states: Any = Holder().states
        assert (SizedState, 7, 100_000) == (type(states), states.max_size, states.max_keys)

    @given(
        st.lists(st.tuples(st.sampled_from([None, "a", "b", "c", "d", 5]), st.integers(0, 6)), max_size=40),
        st.integers(0, 40),
        st.booleans(),
    )
    def test_restored(self, uses: list[tuple[Any, int]], split: int, veiled: bool) -> None:
        """Restored anywhere, under a veil or not, it forgets what it would have forgotten."""
        whole, half = SizedState(Bag, 4, 12), SizedState(Bag, 4, 12)
        for number, (key, by) in enumerate(uses):
            if number == split:
                veil = veil_by(b"salt") if veiled else None
                data = half.snapshot(veil)
                half = SizedState(Bag, 4, 12)
                half.restore(data, veil)
            grow(whole, key, by)
            grow(half, key, by)
            assert whole.evicted == half.evicted
        for key in whole:
            assert whole.peek(key) == half.peek(key)
        assert len(whole) == len(half)

    def test_copy(self) -> None:
        """A copy has the same bounds and forgets on its own."""
        states = SizedState(Bag, max_keys=10, max_size=10)
        grow(states, "a", 8)
        other = states.copy()
        grow(other, "b", 8)
        grow(other, "c", 1)
        assert ({"a": 8}, {"b": 8, "c": 1}) == (sizes(states), sizes(other))


def test_needs_a_length() -> None:
    """A state that has no length cannot be bounded by it."""

    @attrs.define
    class Flat:
        n: int = 0

    states = SizedState(Flat, 10, 10)
    with pytest.raises(TypeError, match="has no len"):
        states["a"]
