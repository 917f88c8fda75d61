"""Fixtures that install real plugins: a module and the metadata that pip leaves behind, in a directory on the path."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import pytest

from mdm_core import alarm
from mdm_core.cli import main

if TYPE_CHECKING:
    from crash_machine import Machine

CommandLine: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Install: TypeAlias = Callable[..., Path]

TOY_COMPONENTS = '''\
"""One component of every kind, small but whole."""

import json

import attrs
from mdm_core import (
    Action, Broker, ConfigError, DataSource, FeatureExtractor, FinalDecision, MismatchInfo, Modulator, Observer,
    Proposal, ProposalModel, Receipt, Record, Redactor, TraceSink, component, keyed_state, option,
)


@attrs.define
class Events(DataSource):
    """Yields the events that stand in the pipeline file."""

    events: list[dict] = option([], help="the events")

    def records(self):
        for position, event in enumerate(self.events):
            yield Record(dict(event), position)

    @property
    def length(self):
        return len(self.events)


@attrs.define
class Numbers(DataSource):
    """Counts: {"n": 0, "who": "k0", "at": 0}, {"n": 1, "who": "k1", "at": 1000}, ..."""

    count: int = option(5, ge=0, help="number of events")
    keys: int = option(2, ge=1, help="number of different keys")

    def records(self):
        for n in range(self.count):
            yield Record({"n": n, "who": f"k{n % self.keys}", "at": n * 1000}, n)

    @property
    def length(self):
        return self.count


@attrs.define
class Seen:
    count: int = 0


@attrs.define
class Fields(FeatureExtractor):
    """Gives the numbers of an event, and how often its key was seen."""

    prefix: str = option("", help="put before every name")
    states = keyed_state(Seen)

    def extract(self, event, context):
        state = self.states[context.key]
        state.count += 1
        numbers = {k: v for k, v in event.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        return {f"{self.prefix}{name}": value for name, value in {**numbers, "seen": state.count}.items()}


@attrs.define
class Threshold(ProposalModel):
    """Proposes an action from a threshold on."""

    threshold: float = option(0.5, ge=0, le=1, help="share of `scale` from which the action is proposed")
    feature: str = option("n", help="the feature that is looked at")
    scale: float = option(10.0, gt=0, help="the value that counts as 1")
    action: Action = option(Action.ACT, choices=list(Action), help="the action to propose")
    weights: dict[str, float] = option({}, help="weight per feature")

    def propose(self, features, context):
        score = min(1.0, max(0.0, features[self.feature] / self.scale))
        wanted = score >= self.threshold
        return Proposal(self.action if wanted else Action.HOLD, score if wanted else 1 - score, [self.feature], {})


@attrs.define
class Wrapper(ProposalModel):
    """Passes on what the model inside proposes."""

    model: ProposalModel = component(help="the model inside")

    def propose(self, features, context):
        return self.model.propose(features, context)


@attrs.define
class Vip(Modulator):
    """Denies actions for some keys."""

    keys: list[str] = option(help="keys that are denied")

    def modulate(self, proposal, decision, context):
        if context.key not in self.keys:
            return decision
        return FinalDecision(
            Action.HOLD, False, ["vip"], MismatchInfo(["vip_denied"], ["vip:key"]), None, None, proposal.params
        )


@attrs.define
class Done(Broker):
    """Says that everything is done; needs a token to say so."""

    token: str = option("", secret=True, help="the other side's token")

    def execute(self, order):
        return Receipt("done", "ok", None, order.idempotency_key)


@attrs.define
class Mask(Redactor):
    """Masks the values of one key at the top of a mapping's tables."""

    key: str = option("password", help="the key")

    def redact(self, data):
        return {
            k: "[REDACTED]" if k == self.key else self.redact(v) if isinstance(v, dict) else v for k, v in data.items()
        }


@attrs.define
class Lines(TraceSink):
    """Writes packets as JSON lines."""

    name: str = option("traces.jsonl", help="the file's name in the run's directory")
    _file = attrs.field(init=False, default=None)

    def open(self, build):
        if build.run_dir is None:
            raise ConfigError("writes into a run's directory, and there is none")
        self._file = (build.run_dir / self.name).open("w")

    def write(self, record):
        self._file.write(json.dumps(record) + "\\n")

    def flush(self, durable=False):
        self._file.flush()

    def close(self):
        if self._file is not None:
            self._file.close()


@attrs.define
class Audit(Lines):
    """Writes audit events as JSON lines."""

    accepts = "audit"
    name: str = option("audit.jsonl", help="the file's name in the run's directory")


@attrs.define
class Counter(Observer):
    """Counts decisions."""

    decisions: int = attrs.field(init=False, default=0)

    def on_decision(self, packet):
        self.decisions += 1

    def on_run_end(self, summary):
        return {"decisions": self.decisions}
'''

TOY_PLUGIN = """\
from mdm_core import hookimpl


@hookimpl
def mdm_register_data_sources(register):
    register("events", "toy_components:Events")
    register("numbers", "toy_components:Numbers")


@hookimpl
def mdm_register_feature_extractors(register):
    register("fields", "toy_components:Fields")


@hookimpl
def mdm_register_proposal_models(register):
    register("threshold", "toy_components:Threshold")
    register("wrapper", "toy_components:Wrapper")


@hookimpl
def mdm_register_modulators(register):
    register("vip", "toy_components:Vip")


@hookimpl
def mdm_register_brokers(register):
    register("done", "toy_components:Done")


@hookimpl
def mdm_register_redactors(register):
    register("mask", "toy_components:Mask")


@hookimpl
def mdm_register_trace_sinks(register):
    register("lines", "toy_components:Lines")
    register("audit", "toy_components:Audit")


@hookimpl
def mdm_register_observers(register):
    register("counter", "toy_components:Counter")
"""

TOY_PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "toy.numbers"

[features]
use = "toy.fields"

[model]
use = "toy.threshold"
threshold = 0.2

[redaction]
use = "toy.mask"
"""


@pytest.fixture(scope="session")
def core_path(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The import path of a machine on which nothing but mdm-core and other people's packages are installed.

    A directory that holds the metadata of an mdm plugin is replaced by links to everything else in it.
    """
    return [_without_plugins(Path(entry), tmp_path_factory) for entry in sys.path if entry]


_NEEDS_CORE = "\nRequires-Dist: mdm-core"


def _without_plugins(directory: Path, factory: pytest.TempPathFactory) -> str:
    plugins = {path.parent for path in directory.glob("*.dist-info/entry_points.txt") if "[mdm" in path.read_text()}
    # And of what such plugins share.
    plugins |= {path.parent for path in directory.glob("*.dist-info/METADATA") if _NEEDS_CORE in path.read_text()}
    if not plugins:
        return str(directory)
    mirror = factory.mktemp("without-plugins")
    for path in directory.iterdir():
        if path not in plugins:
            (mirror / path.name).symlink_to(path)
    return str(mirror)


@pytest.fixture
def plugin_dir(tmp_path: Path, core_path: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on the path for plugins; no other plugin is seen. What was imported from it is forgotten again."""
    directory = tmp_path / "installed"
    directory.mkdir()
    monkeypatch.setattr(sys, "path", [str(directory), *core_path])
    monkeypatch.delenv("MDM_BLOCK_PLUGINS", raising=False)
    importlib.invalidate_caches()
    yield directory
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(directory)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def install(plugin_dir: Path) -> Install:
    """Install a distribution as pip would leave it: modules, METADATA and entry_points.txt.

    ``install("toy", modules={"toy_plugin": "…"})`` makes the distribution ``mdm-toy`` 1.0.0 whose entry point ``toy``
    in the group ``mdm`` names the first of the modules. Gives the directory.
    """

    def make(
        name: str,
        modules: Mapping[str, str],
        *,
        distribution: str | None = None,
        version: str = "1.0.0",
        requires: Sequence[str] = ("mdm-core>=1,<2",),
        group: str = "mdm",
        value: str | None = None,
    ) -> Path:
        distribution = distribution or f"mdm-{name}"
        for module, source in modules.items():
            (plugin_dir / f"{module}.py").write_text(source, encoding="utf-8")
        info = plugin_dir / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = [f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"]
        metadata += [f"Requires-Dist: {line}\n" for line in requires]
        (info / "METADATA").write_text("".join(metadata))
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value or next(iter(modules))}\n")
        importlib.invalidate_caches()
        return plugin_dir

    return make


@pytest.fixture
def toy(install: Install) -> Path:
    """The plugin ``toy`` (mdm-toy 1.0.0) with one component of every kind, installed. Gives the directory."""
    return install("toy", {"toy_plugin": TOY_PLUGIN, "toy_components": TOY_COMPONENTS})


@pytest.fixture
def own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time limits count what this process computes, not how long it waits until a busy machine lets it."""
    monkeypatch.setattr(signal, "SIGALRM", signal.SIGPROF)
    monkeypatch.setattr(signal, "ITIMER_REAL", signal.ITIMER_PROF)
    monkeypatch.setattr(alarm, "_AGAIN_S", 0.005)  # for this timer goes by ticks, and may ring too early
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, time.process_time)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let time pass in sleep and nowhere else, however busy the machine is. Gives the seconds of every sleep."""
    slept: list[float] = []
    now_ns = 1_700_000_000_000_000_000

    def sleep(seconds: float) -> None:
        nonlocal now_ns
        slept.append(seconds)
        now_ns += round(seconds * 1e9)

    monkeypatch.setattr(time, "sleep", sleep)
    for name in ("time_ns", "monotonic_ns", "perf_counter_ns"):
        monkeypatch.setattr(time, name, lambda: now_ns)
        monkeypatch.setattr(time, name.removesuffix("_ns"), lambda: now_ns / 1e9)
    return slept


@pytest.fixture
def write_pipeline(tmp_path: Path) -> Callable[[str], Path]:
    """Write ``pipeline.toml``; without a text, a pipeline of toy components that decides five events."""

    def write(text: str = TOY_PIPELINE) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mdm(plugin_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run ``mdm`` with these arguments in this process; the working directory is ``tmp_path``."""

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = ["mdm", *map(str, args)]
        with monkeypatch.context() as patch:
            patch.chdir(plugin_dir.parent)
            patch.setattr(sys, "argv", command)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capsys.readouterr()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return subprocess.CompletedProcess(command, code or 0, out, err)

    return run


@pytest.fixture
def mdm_process(plugin_dir: Path, core_path: list[str]) -> CommandLine:
    """Run ``mdm`` with these arguments in a process of its own that sees the same plugins."""

    def run(*args: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        # -S: the path is complete, and .pth files would bring back plugins that are really installed.
        command = [sys.executable, "-S", "-m", "mdm_core", *map(str, args)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugin_dir), *core_path]), **(env or {})}
        return subprocess.run(
            command, cwd=plugin_dir.parent, env=environment, capture_output=True, text=True, timeout=60
        )

    return run


@pytest.fixture
def make_machine(install: Install, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Make a machine on which runs may die, with these settings besides what stands in its pipeline file."""
    from crash_machine import Machine

    install("crash", {}, value="crash_plugin")
    # In memory where that is possible: a sync is seen, counted and failed there as well, and costs nothing.
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:

        def make(*settings: str) -> Machine:
            machine = Machine(Path(folder), list(settings))
            assert machine.pipeline.exists()
            return machine

        yield make
