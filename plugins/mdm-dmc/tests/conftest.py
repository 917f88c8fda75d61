"""A real pipeline around a Decision Modulation Core: the stand-in of this directory, or one that a test writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from mdm_core import (
    Action,
    Context,
    Decision,
    Event,
    FeatureExtractor,
    Features,
    FinalDecision,
    Modulator,
    Pipeline,
    Proposal,
    ProposalModel,
)

from mdm_dmc import DmcModulator

STANDIN = Path(__file__).parent / "standin"
T0 = 1_700_000_000_000


@attrs.define
class Fields(FeatureExtractor):
    """Computes nothing."""

    def extract(self, event: Event, context: Context) -> Features:
        return {}


@attrs.define
class Wish(ProposalModel):
    """Proposes what it was told to."""

    proposal: Proposal = attrs.field(init=False, default=None)

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.proposal


@attrs.define
class Before(Modulator):
    """Makes of a decision what it was told to, before the core is asked."""

    change: Callable[[FinalDecision], FinalDecision] = attrs.field(init=False, default=lambda decision: decision)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        return self.change(decision)


class Bench:
    """A core in a pipeline, with a modulator before it. Times are milliseconds since the beginning of the test."""

    def __init__(self, dmc: DmcModulator, **options: Any) -> None:
        self.model, self.before = Wish(), Before()
        self.pipeline = Pipeline(
            features=Fields(), model=self.model, modulators=[self.before, dmc], **{"timestamp": "at", **options}
        )

    def ask(
        self,
        action: str = "ACT",
        *,
        at: int = 0,
        params: dict[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Decide about one event."""
        self.model.proposal = Proposal(Action(action), 0.9, ["wish"], params, "r", {"weight": 0.5})
        return self.pipeline.decide({"at": T0 + at}, context)


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Make a pipeline around a core."""
    return Bench


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the stand-in for dmc-core."""
    monkeypatch.syspath_prepend(STANDIN)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "dmc_core"]:
        del sys.modules[name]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a module that holds what is given."""

    def make(name: str, **contents: Any) -> None:
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)

    return make


@pytest.fixture
def scripted(install: Callable[..., None]) -> Callable[[Callable[..., Any]], Bench]:
    """Make a pipeline around a core whose function is given."""

    def make(modulate: Callable[..., Any]) -> Bench:
        install("scripted_dmc", modulate=modulate, Policy=type("Policy", (), {}))
        return Bench(DmcModulator(function="scripted_dmc:modulate", policy_class="scripted_dmc:Policy"))

    return make


TOY_PLUGIN = '''\
"""The rest of a pipeline, small but whole."""

import json

import attrs
from mdm_core import (
    Action, Broker, DataSource, FeatureExtractor, Proposal, ProposalModel, Receipt, Record, TraceSink, hookimpl, option,
)


@attrs.define
class Events(DataSource):
    """Yields the events that stand in the pipeline file."""

    events: list[dict] = option([], help="the events")

    def records(self):
        for position, event in enumerate(self.events):
            yield Record(dict(event), position)


@attrs.define
class Amount(FeatureExtractor):
    """Gives the amount."""

    def extract(self, event, context):
        return {"amount": event["amount"]}


@attrs.define
class Act(ProposalModel):
    """Wants to act on the amount, unless it is 0."""

    def propose(self, features, context):
        amount = features["amount"]
        return Proposal(Action.ACT if amount else Action.HOLD, 0.75, ["amount"], {"amount": amount, "to": {"who": "a"}})


@attrs.define
class Lines(Broker):
    """Writes orders as JSON lines."""

    _file = attrs.field(init=False, default=None)

    def open(self, build):
        self._file = (build.run_dir / "orders.jsonl").open("w")

    def execute(self, order):
        self._file.write(json.dumps([order.action.value, order.params]) + "\\n")
        return Receipt("done")

    def close(self):
        if self._file is not None:
            self._file.close()


@attrs.define
class Trace(TraceSink):
    """Writes packets as JSON lines."""

    _file = attrs.field(init=False, default=None)

    def open(self, build):
        self._file = (build.run_dir / "traces.jsonl").open("w")

    def write(self, record):
        self._file.write(json.dumps(record) + "\\n")

    def flush(self, durable=False):
        self._file.flush()

    def close(self):
        if self._file is not None:
            self._file.close()


@hookimpl
def mdm_register_data_sources(register):
    register("events", Events)


@hookimpl
def mdm_register_feature_extractors(register):
    register("amount", Amount)


@hookimpl
def mdm_register_proposal_models(register):
    register("act", Act)


@hookimpl
def mdm_register_brokers(register):
    register("lines", Lines)


@hookimpl
def mdm_register_trace_sinks(register):
    register("trace", Trace)
'''

PIPELINE = """\
[pipeline]
key = "key"
timestamp = "at"

[features]
use = "toydmc.amount"

[model]
use = "toydmc.act"

"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install this plugin, and one with the rest of a pipeline, as pip would leave them. Gives the directory."""
    directory = tmp_path / "installed"
    directory.mkdir()
    (directory / "toydmc_plugin.py").write_text(TOY_PLUGIN)
    for name, module in (("toydmc", "toydmc_plugin"), ("dmc", "mdm_dmc.plugin")):
        info = directory / f"mdm_{name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mdm-{name}\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text(f"[mdm]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(directory)
    return directory


@pytest.fixture
def pipeline_file(plugins: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Write a pipeline file: features and a model, and what is given."""

    def write(rest: str) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(PIPELINE + rest)
        return path

    return write
