"""Tests of the context keys that the engine keeps for guards."""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st

from mdm_core import (
    Action,
    Context,
    Event,
    Executed,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
)
from mdm_core.recent import RecentCount

KEYS = ("steps_in_window", "errors_in_window", "rate_limit_events", "recent_failures")


@attrs.define
class Fields(FeatureExtractor):
    def extract(self, event: Event, context: Context) -> Features:
        return {"x": event["x"]}


@attrs.define
class Inverse(ProposalModel):
    def propose(self, features: Features, context: Context) -> Proposal:
        x = features["x"]
        assert isinstance(x, int)
        return Proposal(Action.ACT, 1 / x)


@attrs.define
class Pass(Modulator):
    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return decision


def guarded() -> Pipeline:
    return Pipeline(features=Fields(), model=Inverse(), modulators=[Pass()], timestamp="t")


def seen(pipeline: Pipeline, t: int, x: int = 1, **context: object) -> list[object]:
    decision = pipeline.decide({"t": t, "x": x}, context)
    return [decision.context.get(key) for key in KEYS]


class TestEngine:
    def test_decisions_and_those_that_failed_closed_are_counted(self) -> None:
        """A decision is told how many there were in the last 60 s before it, and how many of them failed closed."""
        pipeline = guarded()
        assert seen(pipeline, 0, x=0) == [0, 0, 0, 0]
        assert seen(pipeline, 1000) == [1, 1, 0, 0]
        assert seen(pipeline, 59_999) == [2, 1, 0, 0]
        assert seen(pipeline, 60_000) == [2, 0, 0, 0]

    def test_receipts_are_counted(self) -> None:
        """Rate-limit answers count for 60 s, failed attempts until one is done."""
        pipeline = guarded()
        order = Order(Action.ACT, {}, None, {}, "k")
        seen(pipeline, 0)
        pipeline.observe(Executed(1, Receipt("retry", "rate_limited"), order, 1, 1.0, 0))
        pipeline.observe(Executed(2, Receipt("failed", "error"), order, 2, 1.0, 0))
        assert seen(pipeline, 10) == [1, 0, 1, 2]
        pipeline.observe(Executed(3, Receipt("pending"), order, 3, 1.0, 0))
        assert seen(pipeline, 20) == [2, 0, 1, 2]
        pipeline.observe(Executed(4, Receipt("done"), order, 4, 1.0, 0))
        assert seen(pipeline, 70_000) == [0, 0, 0, 0]

    def test_the_callers_own_values_win(self) -> None:
        """What the caller puts into the context is what guards see."""
        assert seen(guarded(), 0, steps_in_window=7) == [7, 0, 0, 0]

    def test_without_modulators_nobody_pays(self) -> None:
        """A pipeline that has nobody to look at the counts does not keep them."""
        pipeline = Pipeline(features=Fields(), model=Inverse(), timestamp="t")
        assert seen(pipeline, 0) == [None] * 4


class TestRecentCount:
    @given(st.lists(st.integers(0, 30_000), max_size=60))
    def test_it_counts_what_a_list_would(self, gaps: list[int]) -> None:
        """To the second, the count is that of the events whose second is one of the last 60."""
        count, now, came = RecentCount(), 0, Counter[int]()
        for gap in gaps:
            now += gap
            count.add(now)
            came[now // 1000] += 1
            assert sum(n for second, n in came.items() if second > now // 1000 - 60) == count.at(now)

    def test_its_memory_is_bounded(self) -> None:
        """However many events come, at most 61 seconds are held."""
        count = RecentCount()
        for i in range(100_000):
            count.add(i * 37)
            count.at(i * 37)
        assert len(count.seconds) <= 61
