"""Broken at the ends of a pipeline: sources and brokers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import attrs
from exhibits import broken
from sound import FILES, SoundBroker, SoundSource

from mdm_core import ConfigError, Order, Position, Receipt, Record, Reject
from mdm_core.orders import payload_hash

_runs = count()


@broken("records", files=FILES)
@attrs.define
class NumbersItsFields(SoundSource):
    """Gives fields numbers in the place of names."""

    def item(self, line: bytes, position: Position) -> Record | Reject:
        item = super().item(line, position)
        if isinstance(item, Record) and item.event["n"] == 5:
            return Record(dict(enumerate(item.event.values())), position)  # type: ignore[arg-type]
        return item


@broken("positions-rise", files=FILES)
@attrs.define
class CountsDown(SoundSource):
    """Counts from the end."""

    def records(self) -> Iterator[Record | Reject]:
        lines = self.lines()
        for left in range(len(lines) - self._after, 0, -1):
            yield self.item(lines[-left], left)

    def seek(self, position: Position) -> None:
        self._after = len(self.lines()) + 1 - int(position)


@broken("seek-exact", files=FILES)
@attrs.define
class SeeksOneTooFew(SoundSource):
    """Gives the last event once more."""

    def seek(self, position: Position) -> None:
        self._after = int(position) - 1

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        super().resume(position, identity)
        self._after = int(position or 0)


@broken("resume-exact", files=FILES)
@attrs.define
class CannotResumeAtTheBeginning(SoundSource):
    """Needs a position to go on from."""

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        if identity != self.identity():
            raise ConfigError("it is another source; start a new run")
        self.seek(position)  # type: ignore[arg-type]


@broken("resume-exact", also={"resume-refuses-others": "it goes on with any identity"}, files=FILES)
@attrs.define
class ResumesFromTheStart(SoundSource):
    """Cannot go back, and begins anew instead of saying so."""

    def seek(self, position: Position) -> None:
        raise NotImplementedError("it cannot go back")

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        pass


@broken("resume-refuses-others", files=FILES)
@attrs.define
class ResumesAnything(SoundSource):
    """Goes on in whatever file there is."""

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        self.seek(position or 0)


@broken("identity-stable", files=FILES)
@attrs.define
class SomebodyElseEveryTime(SoundSource):
    """Puts into its identity what is another in every process."""

    def identity(self) -> dict[str, Any] | None:
        return {"path": self.path, "run": next(_runs)}

    def resume(self, position: Position | None, identity: dict[str, Any] | None) -> None:
        if identity is None or identity.get("path") != self.path:
            raise ConfigError("it is another source; start a new run")
        self.seek(position or 0)


@broken("rejects-bad-input", files=FILES)
@attrs.define
class DiesOfABadLine(SoundSource):
    """Raises at a line that is no event."""

    def item(self, line: bytes, position: Position) -> Record | Reject:
        return Record(json.loads(line), position)


@broken("length-honest", files=FILES)
@attrs.define
class CountsOneTooFew(SoundSource):
    """Takes the first line for a header."""

    @property
    def length(self) -> int | None:
        return len(self.lines()) - 1


@broken("ack-harmless", files=FILES)
@attrs.define
class RefusesAck(SoundSource):
    """Wants every position acknowledged but the first."""

    def ack(self, position: Position) -> None:
        if position == 1:
            raise ValueError("nothing was read yet")


@broken("stops-midway", files=FILES)
@attrs.define
class WantsToBeReadToTheEnd(SoundSource):
    """Cannot be left in the middle."""

    def records(self) -> Iterator[Record | Reject]:
        items = list(super().records())
        for number, item in enumerate(items, 1):
            try:
                yield item
            except GeneratorExit:
                raise OSError(f"{len(items) - number} lines are left") from None


@broken("answers")
@attrs.define
class AnswersOk(SoundBroker):
    """Answers with a status that there is not."""

    def carry_out(self, order: Order) -> Receipt:
        receipt = super().carry_out(order)
        return Receipt("ok") if order.features.get("n", 0) == 20 else receipt  # type: ignore[arg-type]


@broken("idempotent")
@attrs.define
class DoesItTwice(SoundBroker):
    """Says the same to a repeated order, and carries it out again."""

    def execute(self, order: Order) -> Receipt:
        known = self.receipts.get(order.idempotency_key)
        if known is not None and known.status == "done" and order.params.get("mdm_check") is None:
            self.append(order)
        return known or self.carry_out(order)


@broken("idempotent", also={"same-key-other-payload": "another payload comes again, too"})
@attrs.define
class AnswersAnew(SoundBroker):
    """Carries an order out once, and gives it another name every time."""

    _answers: int = attrs.field(init=False, default=0)

    def execute(self, order: Order) -> Receipt:
        super().execute(order)
        self._answers += 1
        return Receipt("done", reference=f"answer-{self._answers}")


@broken("same-key-other-payload")
@attrs.define
class GoesByPayload(SoundBroker):
    """Takes the same key with another payload for another order."""

    def execute(self, order: Order) -> Receipt:
        own = attrs.evolve(order, idempotency_key=f"{order.idempotency_key}-{payload_hash(order)}")
        self.receipts[order.idempotency_key] = receipt = super().execute(own)
        return receipt


@broken("resolve")
@attrs.define
class KnowsEverything(SoundBroker):
    """Says done of orders that it never had."""

    def resolve(self, idempotency_key: str) -> Receipt:
        return Receipt("done")

    def cancel(self, idempotency_key: str) -> Receipt:
        return Receipt("done")


@broken("resolve")
@attrs.define
class ResolvesToNothing(SoundBroker):
    """Answers None about an order that it does not know."""

    def resolve(self, idempotency_key: str) -> Receipt:
        return self.receipts.get(idempotency_key)  # type: ignore[return-value]

    def cancel(self, idempotency_key: str) -> Receipt:
        raise NotImplementedError


@broken("cancel")
@attrs.define
class CancelsWhatIsDone(SoundBroker):
    """Says that it took back what it had carried out."""

    def cancel(self, idempotency_key: str) -> Receipt:
        return Receipt("failed")


@broken("poll")
@attrs.define
class ForgetsWhose(SoundBroker):
    """Gives answers without saying to what."""

    def poll(self) -> Iterator[tuple[str, Receipt]]:
        return iter(list(self.receipts.values()))  # type: ignore[arg-type]


@broken("odd-orders")
@attrs.define
class WritesStrictJson(SoundBroker):
    """Raises at parameters that JSON cannot hold."""

    def append(self, order: Order) -> None:
        json.dumps(order.params)
        super().append(order)
