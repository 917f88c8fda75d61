"""One component of every kind that keeps its contract; the broken ones differ from these in one thing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from mdm_core import (
    Action,
    Broker,
    Build,
    ConfigError,
    Context,
    DataSource,
    Decided,
    Event,
    Fact,
    Failure,
    FeatureExtractor,
    Features,
    FinalDecision,
    KeyedState,
    MismatchInfo,
    Modulator,
    Observer,
    Order,
    Position,
    Proposal,
    ProposalModel,
    Receipt,
    Record,
    Redactor,
    Reject,
    TraceSink,
    component,
    keyed_state,
    option,
)

LINES = "".join(json.dumps({"key": f"k{n % 3}", "n": n, "text": "naïve"}) + "\n" for n in range(12))
FILES = {"events.jsonl": LINES}


@attrs.define
class Tally:
    """How often something happened."""

    count: int = 0


def number(value: Any) -> float | None:
    """The value if it is a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@attrs.define
class SoundSource(DataSource):
    """Reads JSON lines."""

    path: str = option("events.jsonl", help="the file")
    _file: Path = attrs.field(init=False, factory=Path)
    _after: int = attrs.field(init=False, default=0)

    def open(self, build: Build) -> None:
        self._file = build.base_dir / self.path

    def records(self) -> Iterator[Record | Reject]:
        for position, line in enumerate(self.lines()[self._after :], self._after + 1):
            yield self.item(line, position)

    def item(self, line: bytes, position: Position) -> Record | Reject:
        try:
            event = json.loads(line)
        except ValueError:
            return Reject("invalid_json", position, ascii(line[:40]))
        return Record(event, position)

    def seek(self, position: Position) -> None:
        self._after = int(position)

    @property
    def length(self) -> int | None:
        return len(self.lines())

    def identity(self) -> dict[str, Any] | None:
        return {"path": self.path, "lines": len(self.lines())}

    def lines(self) -> list[bytes]:
        return self._file.read_bytes().splitlines()


@attrs.define
class SoundFeatures(FeatureExtractor):
    """Gives the numbers of an event, and how often its key was seen."""

    scale: float = option(1.0, gt=0, le=100, help="what numbers are multiplied by")
    states: KeyedState[Tally] = keyed_state(Tally)

    def extract(self, event: Event, context: Context) -> Features:
        self.states[context.key].count += 1
        numbers = {name: x * self.scale for name, value in event.items() if (x := number(value)) is not None}
        return {**numbers, "seen": self.states[context.key].count}


@attrs.define
class SoundModel(ProposalModel):
    """Acts on large values, and less and less often."""

    feature: str = option("x", help="the feature that is looked at")
    threshold: float = option(1.0, ge=-10, le=10, help="value from which it acts at first")
    states: KeyedState[Tally] = keyed_state(Tally)

    def propose(self, features: Features, context: Context) -> Proposal:
        x = number(features.get(self.feature))
        acts = x is not None and x >= self.threshold + self.acted(context) / 10
        return Proposal(Action.ACT if acts else Action.HOLD, 0.75, ["value"], {"acted": self.acted(context)})

    def acted(self, context: Context) -> int:
        tally = self.states.peek(context.key)
        return 0 if tally is None else tally.count

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Decided) and fact.final.allowed and fact.final.action is Action.ACT:
            self.states[fact.context.key].count += 1


@attrs.define
class SoundGuard(Modulator):
    """Denies what comes after so many actions of a key."""

    most: int = option(5, ge=0, help="actions of a key")
    states: KeyedState[Tally] = keyed_state(Tally)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        tally = self.states.peek(context.key)
        if tally is None or tally.count < self.most:
            return decision
        mismatch = MismatchInfo(["sound"], ["sound:too_many"])
        return FinalDecision(Action.HOLD, False, ["sound:too_many"], mismatch, None, None, decision.params)

    def observe(self, fact: Fact) -> None:
        if isinstance(fact, Decided) and fact.final.allowed and fact.final.action is not Action.HOLD:
            self.states[fact.context.key].count += 1


@attrs.define
class SoundBroker(Broker):
    """Appends orders to a file, each once."""

    idempotent: ClassVar[bool] = True

    path: str = option("orders.txt", help="the file, in the run's directory")
    receipts: dict[str, Receipt] = attrs.field(init=False, factory=dict)
    _file: Path = attrs.field(init=False, factory=Path)

    def open(self, build: Build) -> None:
        self._file = (build.run_dir or build.base_dir) / self.path

    def execute(self, order: Order) -> Receipt:
        known = self.receipts.get(order.idempotency_key)
        return known or self.carry_out(order)

    def carry_out(self, order: Order) -> Receipt:
        receipt = self.receipts[order.idempotency_key] = Receipt("done", reference=f"order-{len(self.receipts)}")
        self.append(order)
        return receipt

    def append(self, order: Order) -> None:
        with self._file.open("a") as file:
            file.write(f"{order.idempotency_key} {order.action.value}\n")

    def resolve(self, idempotency_key: str) -> Receipt:
        return self.receipts.get(idempotency_key, Receipt("failed", "error"))

    def cancel(self, idempotency_key: str) -> Receipt:
        return self.resolve(idempotency_key)


@attrs.define
class SoundSink(TraceSink):
    """Keeps records as JSON lines."""

    path: str = option("trace.jsonl", help="the file, in the run's directory")
    _file: Any = attrs.field(init=False, default=None)

    def open(self, build: Build) -> None:
        if build.run_dir is None:
            raise ConfigError("writes into a run's directory, and there is none")
        self._file = (build.run_dir / self.path).open(self.mode())

    def mode(self) -> str:
        return "a+"

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, default=repr, skipkeys=True) + "\n")

    def flush(self, durable: bool = False) -> None:
        self._file.flush()

    def mark(self) -> dict[str, Any] | None:
        self._file.flush()
        return {"lines": len(self.lines(Path(self._file.name)))}

    def since(self, mark: dict[str, Any] | None) -> Iterator[Mapping[str, Any]]:
        self._file.flush()
        lines = self.lines(Path(self._file.name))
        return iter(lines[mark["lines"] if mark else 0 :])

    def read(self, run_dir: Path) -> Iterator[Mapping[str, Any]]:
        return iter(self.lines(run_dir / self.path))

    def lines(self, path: Path) -> list[Mapping[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@attrs.define
class SoundRedactor(Redactor):
    """Masks what stands under some keys."""

    keys: list[str] = option(["password", "api_key", "token", "secret"], help="the keys")

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: self.value(key, value, 0) for key, value in data.items()}

    def value(self, key: Any, value: Any, depth: int) -> Any:
        if self.hides(str(key)) or depth > 50:
            return self.mask(value)
        if isinstance(value, dict):
            return {inner: self.value(inner, item, depth + 1) for inner, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value("", item, depth + 1) for item in value]
        return value

    def mask(self, value: Any) -> Any:
        return "[REDACTED]"

    def hides(self, key: str) -> bool:
        return key in self.keys


@attrs.define
class SoundObserver(Observer):
    """Counts decisions, and of what share something is to be done."""

    decisions: int = attrs.field(init=False, default=0)
    acts: int = attrs.field(init=False, default=0)
    errors: int = attrs.field(init=False, default=0)

    def on_decision(self, packet: Mapping[str, Any]) -> None:
        self.decisions += 1
        self.acts += packet["final_action"]["action"] != "HOLD"

    def on_error(self, failure: Failure) -> None:
        self.errors += 1

    def on_run_end(self, summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"decisions": self.decisions, "share": self.share(), "errors": self.errors}

    def share(self) -> float | None:
        return self.acts / self.decisions if self.decisions else None

    def counts(self) -> dict[str, int]:
        return {"errors": self.errors}


@attrs.define
class SoundWrapper(ProposalModel):
    """Passes on what another model proposes; has an option of every sort."""

    model: ProposalModel = component(help="the model inside")
    password: str = option("", secret=True, help="password of a service")
    token: str | None = option(None, secret=True, help="token of a service")
    path: Path | None = option(None, help="a file")
    weights: dict[str, float] = option({"a": 1.0}, help="weights")
    limits: list[int] = option([1, 2], ge=0, help="limits")
    action: Action = option(Action.ACT, choices=[Action.ACT, Action.EXIT], help="what is meant")
    formula: str = option("x", private=True, help="how it is done")
    others: dict[str, Any] = option(rest=True, help="whatever else there is")

    def propose(self, features: Features, context: Context) -> Proposal:
        return self.model.propose(features, context)


WRAPPER = SoundWrapper(model=SoundModel(threshold=2.0), token="a token", path=Path("f"), others={"depth": {"n": 3}})
SOUND: tuple[tuple[Any, Mapping[str, Any]], ...] = (
    (SoundSource, {"files": FILES}),
    (SoundFeatures, {}),
    (SoundModel, {}),
    (SoundGuard, {}),
    (SoundBroker, {}),
    (SoundSink, {}),
    (SoundRedactor, {}),
    (SoundObserver, {}),
    (WRAPPER, {}),
)
