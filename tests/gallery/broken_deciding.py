"""Broken in how they decide: what they answer, what they remember, and when they learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from exhibits import broken
from sound import SoundFeatures, SoundGuard, SoundModel, Tally, number

from mdm_core import (
    Action,
    Context,
    Decided,
    Event,
    Fact,
    Features,
    FinalDecision,
    KeyedState,
    Proposal,
    keyed_state,
)


def hold(confidence: Any = 0.5) -> Proposal:
    return Proposal(Action.HOLD, confidence, ["broken"], {})


@broken("input-unchanged")
@attrs.define
class TakesFromTheEvent(SoundFeatures):
    """Takes the key out of the event."""

    def extract(self, event: Event, context: Context) -> Features:
        event.pop("text", None)  # type: ignore[attr-defined]
        return super().extract(event, context)


@broken("input-unchanged")
@attrs.define
class WritesIntoParams(SoundGuard):
    """Changes the parameters of a decision instead of making another decision."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        (decision.params or {})["amount"] = 0.0
        return super().modulate(proposal, decision, context)


@broken("input-unchanged")
@attrs.define
class TurnsTheClockBack(SoundModel):
    """Changes what others have put into the context."""

    def propose(self, features: Features, context: Context) -> Proposal:
        context["now_ms"] = 0
        return super().propose(features, context)


@broken("answers")
@attrs.define
class SurerThanSure(SoundModel):
    """Is more than sure of what is middling."""

    def propose(self, features: Features, context: Context) -> Proposal:
        amount = number(features.get("amount")) or 0.0
        return hold(amount / 5 if 0 < amount < 100 else 0.5)


@broken("answers")
@attrs.define
class DeniesWithoutReason(SoundGuard):
    """Denies, and does not say why."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        price = number((decision.params or {}).get("price"))
        if price is not None and 112.5 < price < 1000:
            return FinalDecision(Action.HOLD, False, [], None, None, None, None)
        return decision


@broken("looks-only")
@attrs.define
class RemembersWhoAsked(SoundModel):
    """Makes a state for everybody who is asked about."""

    def acted(self, context: Context) -> int:
        return self.states[context.key].count


@broken("looks-only", also={"learns-from-facts": "what it pays when it looks denies the next time"})
@attrs.define
class PaysWhenItLooks(SoundGuard):
    """Counts what it lets pass, although a later guard may deny it."""

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        final = super().modulate(proposal, decision, context)
        self.states[context.key].count += final.allowed
        return final

    def observe(self, fact: Fact) -> None:
        pass


@broken(
    "learns-from-facts",
    also={
        "state-restores": "what is counted in a plain field is not saved",
        "keys-apart": "and is shared by all keys",
    },
)
@attrs.define
class CountsQuestions(SoundModel):
    """Grows surer with every question."""

    _asked: int = attrs.field(init=False, default=0)

    def propose(self, features: Features, context: Context) -> Proposal:
        self._asked += 1
        return hold(1 - 1 / self._asked)


@broken("state-restores")
@attrs.define
class RemembersInAField(SoundModel):
    """Counts what one key does in a field that nobody saves."""

    _count: int = attrs.field(init=False, default=0)

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(1 - 1 / (1 + self._count) if context.key == "ada" else 0.5)

    def observe(self, fact: Fact) -> None:
        self._count += isinstance(fact, Decided) and fact.context.key == "ada"


@attrs.define
class Sum:
    """A sum that is declared as a float and holds an int."""

    total: float = 0


@broken("state-exact")
@attrs.define
class SumsWholeNumbers(SoundModel):
    """Keeps whole numbers where it says that there are others."""

    sums: KeyedState[Sum] = keyed_state(Sum)

    def observe(self, fact: Fact) -> None:
        super().observe(fact)
        if isinstance(fact, Decided):
            self.sums[fact.context.key].total += 1


@attrs.define
class LastText:
    """What somebody wrote."""

    text: str = ""


@broken("state-without-text")
@attrs.define
class KeepsTexts(SoundFeatures):
    """Remembers the last text, which nobody redacts."""

    texts: KeyedState[LastText] = keyed_state(LastText)

    def extract(self, event: Event, context: Context) -> Features:
        last, text = self.texts[context.key], str(event.get("text"))
        same, last.text = text == last.text, text
        return {**super().extract(event, context), "same": same}


@broken("keys-apart")
@attrs.define
class OneStateForAll(SoundFeatures):
    """Keeps the state of all keys under one name."""

    def extract(self, event: Event, context: Context) -> Features:
        self.states["all"].count += 1
        return {"seen": self.states["all"].count}


@broken("state-bounded")
@attrs.define
class RemembersEverybody(SoundModel):
    """Notes every key that it ever heard of."""

    _seen: dict[Any, Tally] = attrs.field(init=False, factory=dict)

    def observe(self, fact: Fact) -> None:
        super().observe(fact)
        if isinstance(fact, Decided):
            self._seen[fact.context.key] = Tally()


@broken("missing-values")
@attrs.define
class WantsItsFeature(SoundModel):
    """Cannot do without a feature."""

    def propose(self, features: Features, context: Context) -> Proposal:
        features[self.feature]
        return super().propose(features, context)


@broken("none-values")
@attrs.define
class WantsANumber(SoundModel):
    """Compares what may be None."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(0.9 if features.get("n", 0) > 10 else 0.1)  # type: ignore[operator]


@broken("empty-values")
@attrs.define
class WantsALetter(SoundFeatures):
    """Looks at the first letter of a text that may have none."""

    def extract(self, event: Event, context: Context) -> Features:
        text = event.get("text")
        return {"first": text[0] if isinstance(text, str) else None}


@broken("huge-values")
@attrs.define
class TrustsTheScale(SoundModel):
    """Takes a number for a share because it usually is one."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return hold(abs(number(features.get("x")) or 0.0) / 10)


@broken("unicode-values")
@attrs.define
class WantsUtf8(SoundFeatures):
    """Encodes texts that UTF-8 cannot hold."""

    def extract(self, event: Event, context: Context) -> Features:
        text = event.get("text")
        return {"length": len(text.encode()) if isinstance(text, str) else None}


@broken("fails-by-exception")
@attrs.define
class AnswersNone(SoundModel):
    """Answers None where it does not know what to do."""

    def propose(self, features: Features, context: Context) -> Proposal:
        if isinstance(features.get(self.feature), str):
            return None  # type: ignore[return-value]
        return super().propose(features, context)


@broken("fails-by-exception")
@attrs.define
class EndsTheProgram(SoundFeatures):
    """Leaves the program where it does not know what to do."""

    def extract(self, event: Event, context: Context) -> Features:
        if isinstance(event.get("n"), str):
            raise SystemExit("n is no number")
        return super().extract(event, context)


@broken("alternatives-agree")
@attrs.define
class ChancesThatDoNotAddUp(SoundModel):
    """Forgets one of the things that it might have proposed."""

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        return [(0.9, self.propose(features, context))]


@broken("alternatives-agree")
@attrs.define
class ProposesSomethingElse(SoundModel):
    """Leaves what it proposes out of what it might have proposed."""

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        return [(1.0, hold(0.123))]
