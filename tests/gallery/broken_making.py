"""Broken in how they are declared, made, opened and closed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from random import random
from typing import Any, ClassVar
from uuid import uuid4

import attrs
from exhibits import broken
from sound import SoundBroker, SoundFeatures, SoundModel, SoundObserver

from mdm_core import (
    Build,
    Context,
    Executed,
    Fact,
    Features,
    Order,
    Proposal,
    Receipt,
    Settled,
    option,
)
from mdm_core.schema import Action


@broken("docstring")
@attrs.define
class SaysNothing(SoundModel):
    pass


@broken("options-documented")
@attrs.define
class OptionWithoutHelp(SoundModel):
    """Has an option that nobody explains."""

    margin: float = option(0.0, help="")


@broken("options-declared")
@attrs.define
class FieldThatIsNoOption(SoundModel):
    """Has a field that cannot be set in a file."""

    margin: float = attrs.field(default=0.0, kw_only=True)


@broken("options-typed")
@attrs.define
class OptionOfAnyType(SoundModel):
    """Takes anything for a number."""

    margin: Any = option(0.0, ge=0, help="put on top of the threshold")


@broken("options-round-trip", {"window_s": 2.0})
@attrs.define
class ChangesItsOption(SoundModel):
    """Keeps seconds as milliseconds in the same field."""

    window_s: float = option(1.0, gt=0, help="seconds")

    def __attrs_post_init__(self) -> None:
        self.window_s *= 1000


@broken("options-within-bounds")
@attrs.define
class DividesByAnAllowedZero(SoundModel):
    """Allows a window of 0, and divides by it."""

    window: int = option(10, ge=0, help="how many values")
    _share: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._share = 1 / self.window


@broken("unknown-option")
@attrs.define(init=False)
class TakesWhateverComes(SoundModel):
    """Takes options that there are not."""

    def __init__(self, feature: str = "x", threshold: float = 1.0, **_: object) -> None:
        self.__attrs_init__(feature, threshold)


@broken("secrets-declared")
@attrs.define
class OpenToken(SoundModel):
    """Has a token that everybody may read."""

    api_token: str = option("", help="token of the service")


@broken("secrets-hidden", {"password": "a password that is long enough"})
@attrs.define(repr=False)
class ShowsItsSecret(SoundModel):
    """Shows its secret when it is printed."""

    password: str = option("", secret=True, help="password of the service")

    def __repr__(self) -> str:
        return f"ShowsItsSecret(password={self.password!r})"


@broken("no-io-when-made")
@attrs.define
class WritesWhenMade(SoundModel):
    """Makes a file before anybody wants to run it."""

    def __attrs_post_init__(self) -> None:
        tempfile.TemporaryFile().close()


@broken("opens")
@attrs.define
class CannotBeOpened(SoundModel):
    """Needs a file that is not there."""

    def open(self, build: Build) -> None:
        (build.base_dir / "weights.bin").read_bytes()


@broken("close-twice")
@attrs.define
class ClosesOnce(SoundModel):
    """Cannot be closed again."""

    _fd: Any = attrs.field(init=False, default=None)

    def open(self, build: Build) -> None:
        self._fd = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        os.close(self._fd)
        self._fd = None


@broken("opens-again")
@attrs.define
class LeavesItsLock(SoundModel):
    """Takes a lock and does not give it back."""

    def open(self, build: Build) -> None:
        Path(build.run_dir or build.base_dir, "lock").touch(exist_ok=False)


@broken("deterministic")
@attrs.define
class NamesByChance(SoundBroker):
    """Gives an order another name every time."""

    def carry_out(self, order: Order) -> Receipt:
        receipt = self.receipts[order.idempotency_key] = Receipt("done", reference=uuid4().hex)
        return receipt


@broken(
    "deterministic",
    also={
        "learns-from-facts": "asked twice, it answers twice",
        "state-restores": "a restored model draws other numbers",
        "keys-apart": "so does a key alone",
    },
)
@attrs.define
class DrawsFromTheProcess(SoundModel):
    """Is as sure as a generator says that nobody seeded."""

    def propose(self, features: Features, context: Context) -> Proposal:
        return Proposal(Action.HOLD, random(), ["chance"], {})


@broken("in-time", limit_ms=0.5)
@attrs.define
class Slow(SoundModel):
    """Waits for something."""

    def propose(self, features: Features, context: Context) -> Proposal:
        time.sleep(0.001)
        return super().propose(features, context)


@broken("counts")
@attrs.define
class CountsInShares(SoundObserver):
    """Counts shares."""

    def counts(self) -> dict[str, int]:
        return {"share": self.share()}  # type: ignore[dict-item]


@broken("any-key")
@attrs.define
class WantsTextAsKey(SoundModel):
    """Takes every key for a text."""

    def propose(self, features: Features, context: Context) -> Proposal:
        context.key.lower()  # type: ignore[union-attr]
        return super().propose(features, context)


@broken("no-time")
@attrs.define
class WantsTime(SoundFeatures):
    """Needs the time, and does not say so in open."""

    def extract(self, event: Any, context: Context) -> Features:
        return {**super().extract(event, context), "hour": context["now_ms"] // 3_600_000 % 24}


@broken("takes-facts")
@attrs.define
class ExpectsAnswersOnce(SoundModel):
    """Believes that an order is heard of once."""

    _pending: set[str] = attrs.field(init=False, factory=set)

    def propose(self, features: Features, context: Context) -> Proposal:
        return super().propose(features, context)

    def observe(self, fact: Fact) -> None:
        super().observe(fact)
        if isinstance(fact, Executed):
            self._pending.add(fact.order.idempotency_key)
            self._pending.remove(fact.order.idempotency_key)
        elif isinstance(fact, Settled):
            self._pending.remove(fact.order.idempotency_key)


@broken("ignores-unknown-facts")
@attrs.define
class KnowsAllFacts(SoundModel):
    """Believes that no fact will ever be added."""

    known: ClassVar[dict[str, int]] = {"Decided": 0, "Executed": 1, "Settled": 2, "Commanded": 3}

    def observe(self, fact: Fact) -> None:
        self.known[type(fact).__name__]
        super().observe(fact)
