"""A real pipeline around guards, whose model wants what the test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import (
    Action,
    Context,
    Decision,
    Event,
    Executed,
    FeatureExtractor,
    Features,
    FinalDecision,
    MismatchInfo,
    Modulator,
    Order,
    Pipeline,
    Proposal,
    ProposalModel,
    Receipt,
)

T0 = 1_700_000_000_000


@attrs.define
class Fields(FeatureExtractor):
    """Gives the features that stand in the event."""

    def extract(self, event: Event, context: Context) -> Features:
        return dict(event["features"])


@attrs.define
class Wish(ProposalModel):
    """Proposes what it was told to."""

    proposal: Proposal = attrs.field(init=False, default=None)

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.proposal


@attrs.define
class Gate(Modulator):
    """Denies everything while it is shut."""

    shut: bool = attrs.field(init=False, default=False)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        if not self.shut:
            return decision
        return FinalDecision(Action.HOLD, False, ["gate"], MismatchInfo(["gate"], ["gate:shut"]))


class Bench:
    """Guards in a pipeline, with a gate behind them. Times are milliseconds since the beginning of the test."""

    def __init__(self, *guards: Modulator, **options: Any) -> None:
        self.model, self.gate = Wish(), Gate()
        self.pipeline = Pipeline(
            features=Fields(),
            model=self.model,
            modulators=[*guards, self.gate],
            **{"key": "key", "timestamp": "at", **options},
        )
        self.seq = 0

    def ask(
        self,
        at: int = 0,
        action: str = "ACT",
        *,
        key: str = "a",
        confidence: float = 0.9,
        params: Mapping[str, Any] | None = None,
        features: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Decide about one event at a time."""
        self.model.proposal = Proposal(Action(action), confidence, ["wish"], dict(params or {}))
        return self.pipeline.decide({"key": key, "at": T0 + at, "features": features or {}}, context)

    def allows(self, at: int = 0, action: str = "ACT", **details: Any) -> bool:
        """Decide, and say whether it was allowed."""
        return self.ask(at, action, **details).final.allowed

    def codes(self, at: int = 0, action: str = "ACT", **details: Any) -> list[str]:
        """Decide, and give the reason codes."""
        mismatch = self.ask(at, action, **details).final.mismatch
        return [] if mismatch is None else mismatch.reason_codes

    def answer(
        self, at: int, status: Any = "done", kind: Any = "ok", *, key: str = "a", latency_ms: float = 1.0
    ) -> None:
        """Let a broker answer an order that was decided at a time."""
        self.seq += 1
        order = Order(Action.ACT, {}, key, {}, f"order-{self.seq}")
        self.pipeline.observe(Executed(self.seq, Receipt(status, kind), order, 1, latency_ms, T0 + at))

    def snapshot(self) -> dict[str, bytes]:
        """Give the bytes of everything that the guards remember."""
        return {name: state.snapshot() for name, state in self.pipeline.states()}

    def restore(self, snapshot: Mapping[str, bytes]) -> None:
        """Make the guards remember what a snapshot holds."""
        for name, state in self.pipeline.states():
            state.restore(snapshot[name])


@pytest.fixture(scope="session")
def bench() -> Callable[..., Bench]:
    """Make a pipeline around guards."""
    return Bench


WISH_PLUGIN = '''\
import attrs
from mdm_core import Action, FeatureExtractor, Proposal, ProposalModel, hookimpl


@attrs.define
class Nothing(FeatureExtractor):
    """Computes nothing."""

    def extract(self, event, context):
        return {}


@attrs.define
class Act(ProposalModel):
    """Always wants to act."""

    def propose(self, features, context):
        return Proposal(Action.ACT, 0.9, ["always"], {"amount": 10})


@hookimpl
def mdm_register_feature_extractors(register):
    register("nothing", Nothing)


@hookimpl
def mdm_register_proposal_models(register):
    register("act", Act)
'''

PIPELINE = """\
[pipeline]
key = "key"
timestamp = "at"

[features]
use = "wish.nothing"

[model]
use = "wish.act"

"""


@pytest.fixture
def from_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Pipeline]:
    """Build a pipeline from a file: modulators as given, of plugins that are installed as pip would leave them."""
    (tmp_path / "wish_plugin.py").write_text(WISH_PLUGIN)
    for name, module in (("wish", "wish_plugin"), ("guards", "mdm_guards.plugin")):
        info = tmp_path / f"mdm_{name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mdm-{name}\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text(f"[mdm]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(tmp_path)

    def build(modulators: str) -> Pipeline:
        path = tmp_path / "pipeline.toml"
        path.write_text(PIPELINE + modulators)
        return Pipeline.from_config(path)

    return build
