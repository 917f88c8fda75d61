"""How a core's answers are read, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from typing import Any, NamedTuple, TypeAlias

import pytest
from mdm_core import Action, FinalDecision, MismatchInfo

from mdm_dmc.answers import to_decision

Scripted: TypeAlias = Callable[[Callable[..., Any]], Any]

PARAMS = {"amount": 10, "to": "a1"}
NOTHING = MismatchInfo()
DENIED = MismatchInfo(["limit"], ["limit:daily"])


class Verb(Enum):
    """Actions of a core that knows them by name alone."""

    HOLD = auto()
    ACT = auto()
    BUY = auto()


class Word(Enum):
    """Actions of a core that knows them by value alone."""

    wait = "HOLD"
    go = "ACT"
    ACT = "EXIT"


class Kind(str, Enum):  # noqa: UP042 - as cores write it
    """Flags of a core that makes them an enumeration."""

    LIMIT = "limit"


class Urgency(IntEnum):
    """A parameter of a core that makes it an enumeration."""

    HIGH = 2


@dataclass
class OtherFinal:
    """A core's own final decision."""

    action: Any
    allowed: Any = True
    reasons: Any = field(default_factory=list)
    params: Any = None
    throttle_ms: Any = None
    cooldown_ms: Any = None
    mismatch: Any = None


@dataclass
class OtherWhy:
    """A core's own mismatch."""

    flags: Any = field(default_factory=list)
    reason_codes: Any = field(default_factory=list)
    throttle_refresh_ms: Any = None
    metadata: Any = None


class Bare(NamedTuple):
    """The least that a final decision may be."""

    action: str
    allowed: bool


class BareWhy(NamedTuple):
    """The least that a mismatch may be."""

    flags: tuple[str, ...] = ()
    reason_codes: tuple[str, ...] = ()


def ask(scripted: Scripted, answer: Any) -> FinalDecision:
    """Give a core's answer to an ACT with parameters."""
    final: FinalDecision = scripted(lambda proposal, policy, context: answer).ask(params=dict(PARAMS)).final
    return final


def allowed(
    action: Action = Action.ACT, params: dict[str, Any] | None = None, codes: list[str] | None = None, **more: Any
) -> FinalDecision:
    """Make the decision that is expected of an answer that allows."""
    mismatch = None if codes is None else MismatchInfo([], codes, **more)
    return FinalDecision(action, True, ["wish"], mismatch, None, None, params or PARAMS)


def denied(flags: list[str], codes: list[str], action: Action = Action.HOLD) -> FinalDecision:
    """Make the decision that is expected of an answer that denies."""
    return FinalDecision(action, False, codes, MismatchInfo(flags, codes), None, None, PARAMS)


WRONG: dict[str, Any] = {
    "nothing": None,
    "not a number": math.nan,
    "text": "ok",
    "a bare final decision": FinalDecision(Action.ACT),
    "a bare denial": FinalDecision(Action.HOLD, False, ["limit"], DENIED),
    "one": (FinalDecision(Action.ACT),),
    "three": (FinalDecision(Action.ACT), NOTHING, None),
    "a list": [FinalDecision(Action.ACT), NOTHING],
    "two of nothing": (None, None),
    "the other way round": (NOTHING, FinalDecision(Action.ACT)),
    "a dict": ({"action": "ACT", "allowed": True}, NOTHING),
    "a truth value": (True, NOTHING),
    "no mismatch but something else": (FinalDecision(Action.ACT), {}),
    "a mismatch without codes": (FinalDecision(Action.ACT), Verb.ACT),
    "an unknown action": (OtherFinal(Verb.BUY), NOTHING),
    "an unknown word": (OtherFinal("BUY"), NOTHING),
    "a word in another case": (OtherFinal("act"), NOTHING),
    "no action": (OtherFinal(None), NOTHING),
    "a number as action": (OtherFinal(1), NOTHING),
    "an action of two minds": (OtherFinal(Word.ACT), NOTHING),
    "allowed is text": (OtherFinal("ACT", "yes"), NOTHING),
    "allowed is a number": (OtherFinal("ACT", 1), NOTHING),
    "allowed is not said": (OtherFinal("ACT", None), NOTHING),
    "allowed with flags": (FinalDecision(Action.ACT), DENIED),
    "allowed with flags of its own": (FinalDecision(Action.ACT, mismatch=DENIED), NOTHING),
    "denied to act": (FinalDecision(Action.ACT, False), DENIED),
    "denied to exit": (FinalDecision(Action.EXIT, False), DENIED),
    "flags are text": (FinalDecision(Action.HOLD, False), OtherWhy("limit")),
    "flags are numbers": (FinalDecision(Action.HOLD, False), OtherWhy([1])),
    "flags are not a number": (FinalDecision(Action.ACT), OtherWhy(math.nan)),
    "codes are a number": (FinalDecision(Action.ACT), OtherWhy([], 0)),
    "reasons are text": (OtherFinal("ACT", True, "because"), NOTHING),
    "reasons are numbers": (OtherFinal("ACT", True, [1]), NOTHING),
    "parameters are a list": (OtherFinal("ACT", params=[("amount", 1)]), NOTHING),
    "parameters are not a number": (OtherFinal("ACT", params=math.nan), NOTHING),
    "an amount that is not a number": (OtherFinal("ACT", params={"amount": math.nan}), NOTHING),
    "an infinite amount inside": (OtherFinal("ACT", params={"legs": [{"amount": math.inf}]}), NOTHING),
    "an amount of no known type": (OtherFinal("ACT", params={"amount": object()}), NOTHING),
    "a parameter without a name": (OtherFinal("ACT", params={1: 2}), NOTHING),
    "a throttle that is not a number": (OtherFinal("ACT", throttle_ms=math.nan), NOTHING),
    "a throttle that is a truth value": (OtherFinal("ACT", throttle_ms=True), NOTHING),
    "a negative cooldown": (OtherFinal("HOLD", False, cooldown_ms=-1), DENIED),
    "metadata that are not a number": (OtherFinal("HOLD", False), OtherWhy(["a"], ["b"], None, {"x": math.nan})),
    "metadata of no known type": (OtherFinal("HOLD", False), OtherWhy(["a"], ["b"], None, {"x": object()})),
    "a wait that is text": (OtherFinal("HOLD", False), OtherWhy(["a"], ["b"], "soon")),
}
LOOPS: list[Any] = []
LOOPS.append(LOOPS)


def run_into_the_ground(proposal: Any, policy: Any, context: Any) -> Any:
    """Recurse without end."""
    return run_into_the_ground(proposal, policy, context)


def fail_with(error: BaseException) -> Callable[..., Any]:
    """Make a core that raises."""

    def modulate(proposal: Any, policy: Any, context: Any) -> Any:
        raise error

    return modulate


class TestWrong:
    @pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
    def test_is_refused(self, scripted: Scripted, answer: Any) -> None:
        """An answer that does not fit fails closed with a stable code, and the next event is decided normally."""
        answers = [answer, (FinalDecision(Action.ACT), NOTHING)]
        b = scripted(lambda proposal, policy, context: answers.pop(0))
        decision = b.ask(params=dict(PARAMS))
        mismatch = MismatchInfo(["modulator_error"], ["modulator_error:ContractError"])
        assert (Action.HOLD, False, mismatch) == (
            decision.final.action,
            decision.final.allowed,
            decision.final.mismatch,
        )
        assert True is decision.context["mdm.fail_closed"]
        assert "DmcModulator" == decision.failure.component
        assert allowed() == b.ask(params=dict(PARAMS)).final

    @pytest.mark.parametrize(
        ("core", "name"),
        [
            (fail_with(ZeroDivisionError("secret")), "ZeroDivisionError"),
            (fail_with(SystemExit(1)), "SystemExit"),
            (run_into_the_ground, "RecursionError"),
            (lambda *_: (OtherFinal("ACT", params={"amount": LOOPS}), NOTHING), "RecursionError"),
        ],
        ids=["raises", "exits", "recurses", "answers without end"],
    )
    def test_a_core_that_fails(self, scripted: Scripted, core: Callable[..., Any], name: str) -> None:
        """A failure is told by the type of its exception and nothing of its text; the next event is decided."""
        cores = [core, lambda *_: (FinalDecision(Action.ACT), NOTHING)]
        b = scripted(lambda proposal, policy, context: cores.pop(0)(proposal, policy, context))
        decision = b.ask()
        assert [f"modulator_error:{name}"] == decision.final.mismatch.reason_codes
        assert (Action.HOLD, False) == (decision.final.action, decision.final.allowed)
        assert "secret" not in str(decision)
        assert b.ask().final.allowed


class TestAllowed:
    @pytest.mark.parametrize(
        "answer",
        [
            (FinalDecision(Action.ACT), NOTHING),
            (FinalDecision(Action.ACT, True, ["wish"], NOTHING, None, None, dict(PARAMS)), NOTHING),
            (FinalDecision(Action.ACT, params={}), None),
            (OtherFinal(Verb.ACT), OtherWhy(None, None)),
            (OtherFinal(Word.go, params={"amount": 10}), BareWhy()),
            (Bare("ACT", True), BareWhy()),
        ],
    )
    def test_unchanged(self, scripted: Scripted, answer: Any) -> None:
        """What the core lets pass as it is, in whatever types, is carried out as proposed, without a mismatch."""
        assert allowed() == ask(scripted, answer)

    def test_another_action(self, scripted: Scripted) -> None:
        """A core may want another action: allowed, without flags, and a reason code says so."""
        expected = allowed(Action.CANCEL, codes=["dmc:action"])
        assert expected == ask(scripted, (FinalDecision(Action.CANCEL), NOTHING))

    def test_hold(self, scripted: Scripted) -> None:
        """A core that allows HOLD instead of an action changed the decision."""
        assert allowed(Action.HOLD, codes=["dmc:action"]) == ask(scripted, (OtherFinal(Verb.HOLD), NOTHING))

    def test_other_parameters(self, scripted: Scripted) -> None:
        """A parameter that the core changes is changed, those that it drops survive, and a reason code says so."""
        expected = allowed(params={"amount": 5, "to": "a1"}, codes=["dmc:params"])
        assert expected == ask(scripted, (FinalDecision(Action.ACT, params={"amount": 5}), NOTHING))

    def test_a_new_parameter(self, scripted: Scripted) -> None:
        """A parameter that the core adds is added, in builtin types."""
        legs = OtherFinal(
            "ACT", params={"legs": ({"kind": Kind.LIMIT, "amount": 1.5},), "urgency": Urgency.HIGH, "late": False}
        )
        added = {"legs": [{"kind": "limit", "amount": 1.5}], "urgency": 2, "late": False}
        final = ask(scripted, (legs, NOTHING))
        assert allowed(params={**PARAMS, **added}, codes=["dmc:params"]) == final
        assert final.params is not None
        assert (str, int) == (type(final.params["legs"][0]["kind"]), type(final.params["urgency"]))

    def test_reason_codes_of_its_own(self, scripted: Scripted) -> None:
        """A core's own reason codes stand instead of derived ones, with what else it tells."""
        why = OtherWhy([], ["size:halved"], 250, {"was": 10})
        expected = allowed(
            params={"amount": 5, "to": "a1"}, codes=["size:halved"], throttle_refresh_ms=250, metadata={"was": 10}
        )
        assert expected == ask(scripted, (OtherFinal("ACT", params={"amount": 5}), why))

    def test_reasons_and_waiting_times(self, scripted: Scripted) -> None:
        """Reasons and waiting times are taken over; they are no difference from the proposal."""
        expected = FinalDecision(Action.ACT, True, ["calm"], None, 100, 200, PARAMS)
        assert expected == ask(scripted, (OtherFinal("ACT", True, ["calm"], None, 100, 200), NOTHING))

    def test_what_else_it_tells(self, scripted: Scripted) -> None:
        """A wait or metadata without reason codes are told all the same, without flags."""
        answer = FinalDecision(Action.ACT)
        assert allowed(codes=[], throttle_refresh_ms=0) == ask(scripted, (answer, OtherWhy([], [], 0)))
        assert allowed(codes=[], metadata={"x": 1}) == ask(scripted, (answer, OtherWhy([], [], None, {"x": 1})))

    def test_earlier_waiting_times(self, scripted: Scripted) -> None:
        """Waiting times and reasons that a modulator before gave stay, unless the core has others."""
        answers = [(OtherFinal("ACT"), NOTHING), (OtherFinal("ACT", throttle_ms=3, cooldown_ms=4), NOTHING)]
        b = scripted(lambda proposal, policy, context: answers.pop(0))
        b.before.change = lambda d: FinalDecision(d.action, True, ["slow"], None, 1, 2, d.params)
        assert FinalDecision(Action.ACT, True, ["slow"], None, 1, 2, PARAMS) == b.ask(params=PARAMS).final
        assert FinalDecision(Action.ACT, True, ["slow"], None, 3, 4, PARAMS) == b.ask(params=PARAMS).final

    def test_is_the_decision_itself(self) -> None:
        """An answer that changes nothing gives the very decision that was asked about, as the contract has it."""
        decision = FinalDecision(Action.ACT, True, ["wish"], None, 1, 2, PARAMS)
        assert decision is to_decision((OtherFinal(Verb.ACT, True, ["wish"], dict(PARAMS)), NOTHING), decision)

    def test_a_number_that_was_not_finite_before(self, scripted: Scripted) -> None:
        """What the core hands back as it got it is no change, even if it is not equal to itself."""
        b = scripted(lambda proposal, policy, context: (OtherFinal("ACT", params=proposal.params), NOTHING))
        assert None is b.ask(params={"amount": math.nan}).final.mismatch


class TestDenied:
    def test_in_full(self, scripted: Scripted) -> None:
        """A denial keeps its reasons, flags, codes and waiting times, and the proposal's parameters."""
        why = OtherWhy(("limit",), ("limit:daily",), 50, {"sum": 11.0})
        answer = OtherFinal(Verb.HOLD, False, ("too much",), {}, 100, 200)
        mismatch = MismatchInfo(["limit"], ["limit:daily"], 50, {"sum": 11.0})
        expected = FinalDecision(Action.HOLD, False, ["too much"], mismatch, 100, 200, PARAMS)
        assert expected == ask(scripted, (answer, why))

    @pytest.mark.parametrize(
        ("why", "own", "flags", "codes"),
        [
            (OtherWhy(["a", "b"], []), None, ["a", "b"], ["dmc:a", "dmc:b"]),
            (OtherWhy([], ["a:x"]), None, ["dmc"], ["a:x"]),
            (OtherWhy(), None, ["dmc"], ["dmc:denied"]),
            (None, None, ["dmc"], ["dmc:denied"]),
            (None, DENIED, ["limit"], ["limit:daily"]),
            (OtherWhy(["a"], []), DENIED, ["a", "limit"], ["limit:daily"]),
            (DENIED, MismatchInfo(["limit"], ["limit:daily"]), ["limit"], ["limit:daily"]),
        ],
        ids=["flags only", "codes only", "neither", "none", "its own only", "both, completed", "both the same"],
    )
    def test_has_flags_and_codes(
        self, scripted: Scripted, why: Any, own: Any, flags: list[str], codes: list[str]
    ) -> None:
        """Flags and reason codes are never empty: the one that the core leaves out is derived from the other."""
        assert denied(flags, codes) == ask(scripted, (OtherFinal("HOLD", False, mismatch=own), why))

    def test_two_mismatches(self, scripted: Scripted) -> None:
        """What only the final decision's own mismatch tells is told too."""
        own = OtherWhy(["limit"], ["limit:daily"], 9, {"sum": 1, "day": 2})
        mismatch = ask(scripted, (OtherFinal("HOLD", False, mismatch=own), OtherWhy(["a"], ["a:x"], None, {"sum": 3})))
        expected = MismatchInfo(["a", "limit"], ["a:x", "limit:daily"], 9, {"sum": 3, "day": 2})
        assert expected == mismatch.mismatch

    def test_stop(self, scripted: Scripted) -> None:
        """A core may stop instead of holding."""
        expected = denied(["limit"], ["limit:daily"], Action.STOP)
        assert expected == ask(scripted, (OtherFinal("STOP", False), DENIED))

    def test_flags_of_an_enumeration(self, scripted: Scripted) -> None:
        """Flags that are members of an enumeration of text become text."""
        final = ask(scripted, (OtherFinal("HOLD", False), OtherWhy([Kind.LIMIT], ["limit:daily"])))
        assert denied(["limit"], ["limit:daily"]) == final
        assert final.mismatch is not None
        assert [str] == [type(flag) for flag in final.mismatch.flags]

    def test_earlier_changes_are_told_too(self, scripted: Scripted) -> None:
        """What a modulator before did stays in the mismatch of a denial."""
        b = scripted(lambda proposal, policy, context: (OtherFinal("HOLD", False), OtherWhy(["a"], ["a:x"])))
        before = MismatchInfo([], ["clamp:amount:max"], 70, {"amount": [10, 5]})
        b.before.change = lambda d: FinalDecision(d.action, True, [], before, None, None, {"amount": 5})
        expected = MismatchInfo(["a"], ["clamp:amount:max", "a:x"], 70, {"amount": [10, 5]})
        assert expected == b.ask().final.mismatch
