"""What guards have in common: the actions they look at, and how a denial is told."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import attrs
from mdm_core import Action, Build, ConfigError, FinalDecision, MismatchInfo, Modulator, option

_HOLD: Final = Action.HOLD
ACTIONS: Final = [action.value for action in Action if action is not _HOLD]


def some_actions(actions: list[str]) -> None:
    """Check that a list of actions is not empty.

    Args:
        actions: The list.

    Raises:
        ValueError: It is.
    """
    if not actions:
        raise ValueError("must name at least one action")


@attrs.define(kw_only=True)
class Guard(Modulator):
    """Looks at a decision and lets it pass, changes it, or denies it.

    Attributes:
        flag: What its denials are known by.
    """

    flag: ClassVar[str]

    actions: list[str] = option(
        ACTIONS, choices=ACTIONS, check=some_actions, help="actions that are looked at; others pass and do not count"
    )
    _watched: frozenset[Action] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._watched = frozenset(map(Action, self.actions))

    def deny(
        self,
        decision: FinalDecision,
        detail: str,
        seen: dict[str, Any] | None = None,
        *,
        throttle_ms: int | None = None,
        cooldown_ms: int | None = None,
    ) -> FinalDecision:
        """Deny a decision; why it was changed before is told too.

        Args:
            decision: The decision.
            detail: What completes the reason code ``flag:detail``.
            seen: The numbers that the guard went by.
            throttle_ms: How long to hold back.
            cooldown_ms: How long to rest.

        Returns:
            HOLD, not allowed.
        """
        code = f"{self.flag}:{detail}"
        codes, metadata = [code], seen or {}
        earlier = decision.mismatch
        if earlier is not None:
            codes, metadata = [*earlier.reason_codes, code], {**(earlier.metadata or {}), **metadata}
        wait_ms = cooldown_ms if throttle_ms is None else throttle_ms
        mismatch = MismatchInfo([self.flag], codes, wait_ms, metadata)
        return FinalDecision(_HOLD, False, [code], mismatch, throttle_ms, cooldown_ms, decision.params)


@attrs.define(kw_only=True)
class TimedGuard(Guard):
    """A guard that works with time; a decision whose time is not known it denies with ``flag:no_time``."""

    def open(self, build: Build) -> None:
        """Refuse a pipeline that has no clock.

        Raises:
            ConfigError: It has none.
        """
        if build.clock is None:
            raise ConfigError("needs the time, and there is none; set timestamp, or clock = 'wall', in [pipeline]")
