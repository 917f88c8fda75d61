from __future__ import annotations

import copy
import inspect
import pickle
from enum import IntEnum
from typing import Any

import attrs
import pytest

from decision_schema import (
    Action,
    FinalDecision,
    MismatchInfo,
    PacketV2,
    Proposal,
    clamp_confidence,
    ensure_non_empty_reasons,
)


class Float64(float):
    """As NumPy has it: a float of a class of its own."""


class Level(IntEnum):
    """A number that is more than a number."""

    TOP = 1


EXAMPLES: list[Any] = [
    Proposal(Action.ACT, 0.5, ["a"], {"x": 1}, "run", {"f": 2.0}),
    MismatchInfo(["flag"], ["code"], 10, {"k": "v"}),
    FinalDecision(Action.HOLD, False, ["a"], MismatchInfo(["flag"]), 1, 2, {"x": 1}),
    PacketV2("run", 1, {"a": 1}, {"now_ms": 2}, {"b": 3}, {"action": "HOLD"}, 4, {"flags": []}, "0.1.0"),
]

value_classes = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)


class TestAction:
    def test_members(self) -> None:
        """There are five actions, in this order, and each is its own name."""
        expected = {name: name for name in ("HOLD", "ACT", "EXIT", "CANCEL", "STOP")}

        assert expected == {action.name: action.value for action in Action}

    def test_is_text(self) -> None:
        """An action equals the text that a trace has for it and is found by it."""
        assert isinstance(Action.ACT, str)
        assert Action.ACT == "ACT"
        assert Action.EXIT is Action("EXIT")


class TestValueClasses:
    """What all immutable classes have in common."""

    @value_classes
    def test_no_assignment(self, example: Any) -> None:
        """No field can be assigned after construction."""
        before = repr(example)

        for field in attrs.fields(type(example)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(example, field.name, None)

        assert before == repr(example)

    @value_classes
    def test_no_deletion(self, example: Any) -> None:
        """No field can be deleted."""
        for field in attrs.fields(type(example)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                delattr(example, field.name)

    @value_classes
    def test_no_new_attributes(self, example: Any) -> None:
        """There are slots for the fields and for nothing else."""
        assert not hasattr(example, "__dict__")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            example.other = 1

    @value_classes
    def test_equal_by_value(self, example: Any) -> None:
        """Two objects with equal fields are equal."""
        assert example == type(example)(**attrs.asdict(example, recurse=False))

    @value_classes
    def test_unequal_in_any_field(self, example: Any) -> None:
        """A difference in any one field makes them differ."""
        changes: dict[str, Any] = {"confidence": 0.25}

        for field in attrs.fields(type(example)):
            assert example != attrs.evolve(example, **{field.name: changes.get(field.name, "other")})

    @value_classes
    def test_evolve(self, example: Any) -> None:
        """`attrs.evolve` without changes gives a new, equal object of the same class."""
        actual = attrs.evolve(example)

        assert example == actual
        assert example is not actual
        assert type(example) is type(actual)

    @value_classes
    def test_copy_and_pickle(self, example: Any) -> None:
        """A copy, a deep copy and what comes back from pickle are equal to the original."""
        assert example == copy.copy(example)
        assert example == copy.deepcopy(example)
        assert example == pickle.loads(pickle.dumps(example))

    @value_classes
    def test_fields_are_parameters(self, example: Any) -> None:
        """The fields that attrs knows are the parameters of the constructor, in the same order."""
        parameters = list(inspect.signature(type(example)).parameters)

        assert [field.name for field in attrs.fields(type(example))] == parameters

    @value_classes
    def test_positional_order(self, example: Any) -> None:
        """The constructor assigns each positional argument to the field of that position."""
        values = attrs.astuple(example, recurse=False)

        assert values == attrs.astuple(type(example)(*values), recurse=False)

    @pytest.mark.parametrize("final_class", [Proposal, FinalDecision, PacketV2])
    def test_refuses_subclass(self, final_class: type) -> None:
        """A subclass is refused when it is defined, with a message that names both and the way out."""
        with pytest.raises(TypeError) as caught:
            type("Mine", (final_class,), {})

        name = final_class.__name__
        expected = f"'{name}' is final, 'Mine' cannot extend it: put what you add into its dicts"
        assert expected == str(caught.value)


class TestProposal:
    def test_defaults(self) -> None:
        """Only the action and the confidence are needed."""
        assert Proposal(Action.ACT, 0.5, [], None, None, {}) == Proposal(Action.ACT, 0.5)

    def test_defaults_are_not_shared(self) -> None:
        """Each proposal has lists and dicts of its own."""
        first, second = Proposal(Action.ACT, 0.5), Proposal(Action.ACT, 0.5)

        first.reasons.append("x")
        first.features_summary["x"] = 1

        assert [] == second.reasons
        assert {} == second.features_summary

    def test_none_for_reasons_and_summary(self) -> None:
        """None for the reasons or the summary means none of them."""
        actual = Proposal(Action.ACT, 0.5, reasons=None, features_summary=None)

        assert Proposal(Action.ACT, 0.5) == actual

    def test_keeps_list(self) -> None:
        """The list of reasons is kept as it was given."""
        reasons = ["b", "a"]

        assert reasons is Proposal(Action.ACT, 0.5, reasons).reasons

    def test_repr(self) -> None:
        """The repr names every field."""
        expected = (
            "Proposal(action=<Action.ACT: 'ACT'>, confidence=0.5, reasons=['a'], params=None, run_id=None, "
            "features_summary={})"
        )

        assert expected == repr(Proposal(Action.ACT, 0.5, ["a"]))

    @pytest.mark.parametrize("confidence", [0, 1, 0.0, 1.0, 0.5, 5e-324])
    def test_accepts_confidence(self, confidence: float) -> None:
        """A confidence in range, the bounds included, is kept with its type."""
        actual = Proposal(Action.ACT, confidence).confidence

        assert confidence == actual
        assert type(confidence) is type(actual)

    @pytest.mark.parametrize("confidence", [Float64(0.25), Level.TOP])
    def test_plain_confidence(self, confidence: float) -> None:
        """A number of a class derived from float or int becomes a plain float."""
        actual = Proposal(Action.ACT, confidence).confidence

        assert confidence == actual
        assert float is type(actual)

    @pytest.mark.parametrize(
        ("confidence", "named"),
        [
            (float("nan"), "nan"),
            (float("inf"), "inf"),
            (float("-inf"), "-inf"),
            (1.0000001, "1.0000001"),
            (-0.1, "-0.1"),
            (2, "2"),
            (True, "True"),
            (False, "False"),
            ("0.5", "'0.5'"),
            (None, "None"),
            (0.5j, "0.5j"),
            (Float64("nan"), "nan"),
            (Float64(1.5), "1.5"),
        ],
    )
    def test_refuses_confidence(self, confidence: Any, named: str) -> None:
        """A confidence that is no number, not finite or out of range is refused, and the error names it."""
        with pytest.raises(ValueError, match=r"^confidence must be an int or a float from 0 to 1") as caught:
            Proposal(Action.ACT, confidence)

        assert f"confidence must be an int or a float from 0 to 1, not {named}" == str(caught.value)

    def test_evolve_checks(self) -> None:
        """A change by `attrs.evolve` is checked like a construction."""
        with pytest.raises(ValueError, match=r"not 1\.5$"):
            attrs.evolve(Proposal(Action.ACT, 0.5), confidence=1.5)


class TestMismatchInfo:
    def test_defaults(self) -> None:
        """Nothing is needed, and nothing is shared between two of them."""
        first, second = MismatchInfo(), MismatchInfo()
        first.flags.append("x")
        first.reason_codes.append("x")

        assert MismatchInfo([], [], None, None) == second


class TestFinalDecision:
    def test_defaults(self) -> None:
        """Only the action is needed, and it is allowed unless something else is said."""
        assert FinalDecision(Action.ACT, True, [], None, None, None, None) == FinalDecision(Action.ACT)

    def test_defaults_are_not_shared(self) -> None:
        """Each decision has a list of its own."""
        first, second = FinalDecision(Action.ACT), FinalDecision(Action.ACT)

        first.reasons.append("x")

        assert [] == second.reasons

    def test_none_for_reasons(self) -> None:
        """None for the reasons means none of them."""
        assert FinalDecision(Action.ACT) == FinalDecision(Action.ACT, reasons=None)


class TestToParams:
    @pytest.mark.parametrize("made", [Proposal(Action.ACT, 0.5), FinalDecision(Action.ACT)], ids=repr)
    def test_none(self, made: Proposal | FinalDecision) -> None:
        """Without params it gives an empty dict."""
        assert {} == made.to_params()

    @pytest.mark.parametrize(
        "make", [lambda p: Proposal(Action.ACT, 1, params=p), lambda p: FinalDecision(Action.ACT, params=p)]
    )
    def test_copy(self, make: Any) -> None:
        """It gives a copy: a change in it does not reach the params."""
        made = make({"limit": 1})

        actual = made.to_params()
        actual["limit"] = 2

        assert {"limit": 2} == actual
        assert {"limit": 1} == made.params


class TestClampConfidence:
    @pytest.mark.parametrize(
        ("x", "expected"),
        [
            (0.25, 0.25),
            (0, 0.0),
            (1, 1.0),
            (-3, 0.0),
            (1.5, 1.0),
            (10**400, 1.0),
            (float("inf"), 1.0),
            (float("-inf"), 0.0),
            (float("nan"), 0.0),
        ],
    )
    def test_clamps(self, x: float, expected: float) -> None:
        """Any number gives the nearest float from 0 to 1, and NaN gives 0."""
        actual = clamp_confidence(x)

        assert expected == actual
        assert float is type(actual)

    def test_negative_zero(self) -> None:
        """Negative zero becomes zero, so that a trace shows no sign."""
        assert "0.0" == repr(clamp_confidence(-0.0))


class TestEnsureNonEmptyReasons:
    @pytest.mark.parametrize("reasons", [None, [], ()])
    def test_none(self, reasons: Any) -> None:
        """Where there is no reason, the reason is unknown."""
        assert ["unknown"] == ensure_non_empty_reasons(reasons)

    def test_new_list(self) -> None:
        """Reasons come back as a new list."""
        reasons = ["b", "a"]

        actual = ensure_non_empty_reasons(reasons)

        assert reasons == actual
        assert reasons is not actual
