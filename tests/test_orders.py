"""Orders: what a decision asks of a broker, and the names by which a repeat is recognised."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mdm_core import Action, Context, FinalDecision, Order
from mdm_core.orders import idempotency_key, make_order, payload_hash


def context(event_id: str | int = "e-1") -> Context:
    """The context of a decision."""
    made = Context({"run_id": "r-1"}, "k", event_id, 3, 0)
    made.features = {"x": 1.0}
    return made


def order(params: dict[str, Any], **more: Any) -> Order:
    """An order with these parameters."""
    fields: dict[str, Any] = {"action": Action.ACT, "key": "k", "features": {"x": 1.0}, "idempotency_key": "i", **more}
    return Order(params=params, **fields)


class TestMakeOrder:
    def test_it_says_what_and_for_whom(self) -> None:
        """Action, params, key and features of the decision, and a name."""
        made = make_order(FinalDecision(Action.EXIT, params={"size": 2}), context(), "r-1")
        assert Order(Action.EXIT, {"size": 2}, "k", {"x": 1.0}, idempotency_key("r-1", "e-1", Action.EXIT)) == made

    def test_it_is_a_copy(self) -> None:
        """The packet tells what was decided, not what a broker made of it."""
        final, ctx = FinalDecision(Action.ACT, params={"size": 2}), context()
        made = make_order(final, ctx, "r-1")
        made.params["size"] = 99
        made.features["x"] = 99.0
        assert ({"size": 2}, {"x": 1.0}) == (final.params, ctx.features)

    def test_without_params(self) -> None:
        """A broker may always look into them."""
        assert {} == make_order(FinalDecision(Action.ACT), context(), "r-1").params


class TestIdempotencyKey:
    def test_the_same_order_has_the_same_name(self) -> None:
        """For ever: it is what the other side has kept."""
        assert "2321ff9c99566dca2bab6399241b3646" == idempotency_key("r", "e", Action.ACT)

    def test_another_order_has_another(self) -> None:
        """Run, event and action make it, and where one ends and the next begins matters."""
        act, leave = Action.ACT, Action.EXIT
        orders = [
            ("r", "e", act),
            ("s", "e", act),
            ("r", "f", act),
            ("r", "e", leave),
            ("re", "", act),
            ("", "re", act),
        ]
        assert len(orders) == len({idempotency_key(*o) for o in orders})

    @pytest.mark.parametrize("event_id", ["", "\0", "ü" * 1000, "\ud800"], ids=ascii)
    def test_any_text_names_an_event(self, event_id: str) -> None:
        """Events come from outside, and 32 hexadecimal digits go into every header."""
        name = idempotency_key("r", event_id, Action.ACT)
        assert 32 == len(name)
        assert set(name) <= set("0123456789abcdef")

    def test_a_number_names_an_event_as_its_text_does(self) -> None:
        """A position is a number in one source and a text in another."""
        keys = {make_order(FinalDecision(Action.ACT), context(e), "r").idempotency_key for e in (7, "7")}
        assert {idempotency_key("r", "7", Action.ACT)} == keys


class Strange:
    """Something that JSON has no word for."""

    def __repr__(self) -> str:
        raise RuntimeError


class TestPayloadHash:
    def test_the_same_payload_has_the_same_hash(self) -> None:
        """Whatever the name of the order is."""
        assert payload_hash(order({"size": 2}, idempotency_key="other")) == payload_hash(order({"size": 2}))

    def test_another_payload_has_another(self) -> None:
        """Action, params, key and features make it."""
        others = [
            order({"size": 3}),
            order({"size": "2"}),
            order({"size": 2}, action=Action.EXIT),
            order({"size": 2}, key="l"),
            order({"size": 2}, features={"x": 2.0}),
        ]
        assert 6 == len({payload_hash(o) for o in (order({"size": 2}), *others)})

    @pytest.mark.parametrize(
        "params",
        [{"s": Strange()}, {"s": "\ud800"}, {"s": 10**40}, {"s": b"\xff"}, {3: "x"}, {("a", 1): "x"}],
        ids=range(6),
    )
    def test_whatever_a_model_puts_into_its_params(self, params: dict[Any, Any]) -> None:
        """It can be hashed, and is told from another."""
        assert payload_hash(order(params)) == payload_hash(order(dict(params)))
        assert payload_hash(order(params)) != payload_hash(order({}))

    def test_params_that_hold_themselves(self) -> None:
        """Even these."""
        params: dict[str, Any] = {}
        params["self"] = params
        assert 16 == len(payload_hash(order(params)))

    def test_it_is_the_same_in_another_process(self) -> None:
        """Else no resume could tell whether a payload is still the one that was meant."""
        code = """
from mdm_core import Action, Order
from mdm_core.orders import payload_hash
print(payload_hash(Order(Action.ACT, {"tags": {"a", "b", "c", "d"}, "n": 1}, "k", {"x": 1.0}, "i")), end="")
"""
        found = {
            subprocess.run(
                [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
                capture_output=True, text=True, check=True,
            ).stdout
            for seed in ("1", "2", "3", "4")
        }  # fmt: skip
        assert 1 == len(found)
