"""The guard ``guards.cooldown``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import attrs
from mdm_core import FinalDecision, KeyedState, keyed_state, option
from mdm_core.state import Key

from mdm_guards.durations import duration_ms
from mdm_guards.guard import ACTIONS, some_actions
from mdm_guards.keyed import BlockingGuard


@attrs.define
class Rest:
    """How long a key rests.

    Attributes:
        free_ms: First time at which it does not any more.
    """

    free_ms: int = 0


@attrs.define(kw_only=True)
class Cooldown(BlockingGuard[Rest]):
    """Denies for a while after an action; ``actions`` says what is denied, ``after`` what starts the while."""

    flag: ClassVar[str] = "cooldown"

    after: list[str] = option(["ACT"], choices=ACTIONS, check=some_actions, help="actions after which there is a rest")
    duration: str = option("1m", check=duration_ms, help="how long the rest is, such as '30s' or '5m'")
    states: KeyedState[Rest] = keyed_state(Rest, max_keys="max_keys")
    _duration_ms: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._duration_ms = duration_ms(self.duration)

    def counted(self) -> Iterable[str]:
        """Name the actions that start a rest."""
        return self.after

    def judge(self, decision: FinalDecision, state: Rest, now: int) -> FinalDecision:
        """Deny until the rest is over."""
        wait_ms = state.free_ms - now
        seen = {"duration_ms": self._duration_ms, "wait_ms": wait_ms}
        return self.deny(decision, "active", seen, cooldown_ms=wait_ms)

    def pay(self, final: FinalDecision, key: Key, now: int) -> None:
        """Start a rest."""
        rest = self.states[key]
        rest.free_ms = max(rest.free_ms, now + self._duration_ms)
