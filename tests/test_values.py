"""The values that pass between core and components: frozen, comparable, and the context with its two halves."""

import pickle
import random
from typing import Any

import attrs
import msgspec
import pytest

from mdm_core import (
    Action,
    Build,
    Commanded,
    Context,
    Decided,
    Executed,
    Failure,
    FinalDecision,
    Idle,
    Order,
    Receipt,
    Record,
    Reject,
)


def context(**items: Any) -> Context:
    """A context as the pipeline makes it."""
    return Context(items, "k", "e-1", 4, 9)


ORDER = Order(Action.ACT, {"size": 1}, "k", {"x": 1.0}, "key")
FROZEN = [
    Record({"x": 1}, 3),
    Reject("invalid_json", 3, "{"),
    Idle(),
    ORDER,
    Receipt("done"),
    Decided(FinalDecision(Action.HOLD), context()),
    Executed(1, Receipt("done"), ORDER, 1, 0.5, 17),
    Commanded(2, "stop", "why", "me", 17),
    Build(),
    Failure("model", "m", "KeyError", "model_error:KeyError"),
]


class TestFrozen:
    @pytest.mark.parametrize("value", FROZEN, ids=lambda v: type(v).__name__)
    def test_evidence_does_not_change(self, value: Any) -> None:
        """No field of a record, order, receipt or fact can be set again, and none can be added."""
        names = value.__struct_fields__ if isinstance(value, msgspec.Struct) else attrs.fields_dict(type(value))
        for name in [*names, "more"]:
            with pytest.raises(AttributeError):
                setattr(value, name, None)

    def test_they_compare_by_value(self) -> None:
        """Two receipts that say the same are equal."""
        assert Receipt("failed", "timeout", 5, "r") == Receipt("failed", "timeout", 5, "r")
        assert Receipt("failed") != Receipt("done")
        assert Record({"x": 1}, 3) == Record({"x": 1}, 3)


class TestContext:
    def test_it_is_a_dict_of_what_is_recorded(self) -> None:
        """The attributes are at hand and are no items; encoded, they are gone."""
        made = context(now_ms=5)
        made["mine.note"] = 1
        assert made == {"now_ms": 5, "mine.note": 1}
        assert (made.key, made.event_id, made.step, made.features, made.component) == ("k", "e-1", 4, {}, "")
        assert msgspec.json.encode(made) == b'{"now_ms":5,"mine.note":1}'

    def test_an_id_is_text(self) -> None:
        """A position that is a number is its digits."""
        assert Context({}, None, 12, 0, 0).event_id == "12"

    def test_it_takes_a_copy_of_its_items(self) -> None:
        """What it was made from does not change with it."""
        items = {"a": 1}
        Context(items, None, "e", 0, 0)["a"] = 2
        assert items == {"a": 1}

    def test_no_attribute_can_be_added(self) -> None:
        """What is to be remembered has to be recorded, as an item."""
        with pytest.raises(AttributeError):
            context().note = 1  # type: ignore[attr-defined]


class TestRandom:
    def test_one_generator_per_component(self) -> None:
        """The same one whenever the same component asks, so that its draws differ."""
        made = context()
        made.component = "a"
        first = made.random
        made.component = "b"
        assert first is not made.random
        made.component = "a"
        assert first is made.random
        assert made.random.random() != made.random.random()

    def test_it_depends_on_seed_event_and_component_alone(self) -> None:
        """Key, step and items may differ; each of the three makes another generator."""

        def draw(seed: int, event_id: str, component: str, **rest: Any) -> float:
            made = Context(rest, rest.get("key"), event_id, rest.get("step", 0), seed)
            made.component = component
            return made.random.random()

        same = draw(1, "e", "c")
        assert same == draw(1, "e", "c", key="k", step=8, now_ms=3)
        assert len({same, draw(2, "e", "c"), draw(1, "f", "c"), draw(1, "e", "d")}) == 4

    def test_neighbours_do_not_run_into_each_other(self) -> None:
        """Seed, event and component are kept apart: 1 with "1" is not 11 with nothing."""

        def draw(seed: int, event_id: str, component: str) -> float:
            made = Context({}, None, event_id, 0, seed)
            made.component = component
            return made.random.random()

        assert len({draw(1, "1", "a"), draw(11, "", "a"), draw(1, "", "1a")}) == 3

    def test_the_global_generator_is_left_alone(self) -> None:
        """Drawing from a context neither uses nor changes the state that `random.random()` has."""
        before = random.getstate()
        context().random.random()
        assert before == random.getstate()


class TestBuild:
    def test_outside_a_run(self) -> None:
        """Without a run there is neither clock nor directory, and the id says so."""
        assert (Build().clock, Build().run_dir, Build().run_id, Build().seed) == (None, None, "local", 0)


class TestPickling:
    @pytest.mark.parametrize("value", [v for v in FROZEN if not isinstance(v, Decided)], ids=lambda v: type(v).__name__)
    def test_values_travel(self, value: Any) -> None:
        """They can be handed to another process, which distributed runners need."""
        assert value == pickle.loads(pickle.dumps(value))
