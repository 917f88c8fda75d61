"""The model ``reference.exit_policy``: a position manager around another model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, Final, Literal

import attrs
from mdm_core import (
    Action,
    Build,
    ConfigError,
    Context,
    Decided,
    Executed,
    Fact,
    Features,
    FinalDecision,
    KeyedState,
    OptionError,
    Order,
    Proposal,
    ProposalModel,
    Settled,
    component,
    keyed_state,
    option,
)
from mdm_core.state import Key

ROUNDING: Final = 1e-12  # 3 to 3.3 is a gain of 0.0999…94 in floating point, and people mean 0.1

_NONE: Final = 0
_PENDING: Final = 1
_UNKNOWN: Final = 2
_ORDER_AFTER: Final = {
    **dict.fromkeys(("failed", "denied", "skipped"), _NONE),
    **dict.fromkeys(("pending", "retry"), _PENDING),
    "unknown": _UNKNOWN,
}
_UNDER_WAY: Final = {
    (False, _PENDING): "entry_pending",
    (False, _UNKNOWN): "entry_unknown",
    (True, _PENDING): "exit_pending",
    (True, _UNKNOWN): "exit_unknown",
}
_SIDES: Final = {1: "long", -1: "short"}


@attrs.define
class Holding:
    """What is known of one key.

    Attributes:
        open: Whether an ACT was carried out, and no EXIT since.
        order: Whether an order, ACT or else EXIT if a position is open, is under way: 0 no, 1 yes, 2 it may be.
        entry: The value at the entry, or None if no gain can be told from it.
        side: 1 long, -1 short, 0 not known.
        since_ms: Time of the entry, in milliseconds since 1970.
    """

    open: bool = False
    order: int = _NONE
    entry: float | None = None
    side: int = 0
    since_ms: int = 0


_NOTHING: Final = Holding()


@attrs.define(kw_only=True)
class ExitPolicy(ProposalModel):
    """Proposes EXIT, once, from what the wrapped model entered; a reference to learn from, not for production.

    A position is open from the receipt ``done`` of an ACT to the receipt ``done`` of an EXIT, one per key at most.

    - No position: the wrapped model decides. Its EXIT becomes HOLD, and so does an ACT that could not be watched.
    - Position open: EXIT with confidence 1 when the gain reaches ``take_profit`` or minus ``stop_loss``, or the time
      since the entry ``time_stop_ms``. The gain is ``(value - entry) / |entry|``, for a short position its negative.
      Otherwise the wrapped model's EXIT, CANCEL and STOP pass, and its ACT becomes HOLD.
    - An order under way, from the decision to its receipt ``done`` or ``failed`` or to the end of all attempts: ACT and
      EXIT become HOLD. After ``unknown`` it may have happened, so it counts as under way until a later receipt tells.

    Any HOLD during the last two says first where the position stands; confidence 1, for it is a rule and no estimate.
    """

    model: ProposalModel = component(help="the model that decides while no position is open")
    value: str | None = option(None, help="feature that is watched, such as 'price'")
    take_profit: float | None = option(None, gt=0, help="gain, as a fraction of the value at the entry, to leave with")
    stop_loss: float | None = option(None, gt=0, help="loss, as a fraction of the value at the entry, to leave with")
    time_stop_ms: int | None = option(None, ge=1, help="time after which to leave, in milliseconds")
    side: Literal["long", "short"] = option(
        "long", choices=["long", "short"], help="whether positions gain when the value rises, or when it falls"
    )
    side_param: str | None = option(None, help="parameter of ACT that tells the side, in place of side")
    long_value: str | float = option("long", help="value of side_param that means long")
    short_value: str | float = option("short", help="value of side_param that means short")
    max_keys: int = option(100_000, ge=1, help="keys remembered; then the least recently used is forgotten")
    states: KeyedState[Holding] = keyed_state(Holding, max_keys="max_keys")

    def __attrs_post_init__(self) -> None:
        limits = self.take_profit is not None or self.stop_loss is not None
        if not limits and self.time_stop_ms is None:
            raise OptionError("nothing would ever exit; set take_profit, stop_loss or time_stop_ms")
        if limits and self.value is None:
            raise OptionError("take_profit and stop_loss need a feature to watch; set value, such as 'price'")
        if not limits and self.value is not None:
            raise OptionError(f"value {self.value!r} would be watched for nothing; set take_profit or stop_loss")
        if self.long_value == self.short_value:
            raise OptionError(f"long_value and short_value are both {self.long_value!r}; they must differ")

    def open(self, build: Build) -> None:
        """Refuse a time stop where there is no clock.

        Raises:
            ConfigError: There is none.
        """
        if self.time_stop_ms is not None and build.clock is None:
            raise ConfigError(
                "time_stop_ms needs the time, and there is none; set timestamp, or clock = 'wall', in [pipeline]"
            )

    def propose(self, features: Features, context: Context) -> Proposal:
        """Propose EXIT if it is due, else let the wrapped model propose, within what the position allows."""
        holding = self._held(context)
        due = self._exit(holding, features, context)
        return due or self._allowed(holding, self.model.propose(features, context), features)

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        """Give what the wrapped model might have proposed, within what the position allows; an EXIT due is certain."""
        holding = self._held(context)
        if self._exit(holding, features, context) is not None:
            return ()
        might = self.model.alternatives(features, context)
        return [(share, self._allowed(holding, proposal, features)) for share, proposal in might]

    def observe(self, fact: Fact) -> None:
        """Learn which orders are under way, and what came of them."""
        if type(fact) is Decided:
            self._decided(fact.final, fact.context.key)
        elif type(fact) is Executed:
            self._answered(fact.order, fact.receipt.status, fact.now_ms)
        elif type(fact) is Settled:
            self._answered(fact.order, fact.outcome, fact.now_ms)

    def _held(self, context: Context) -> Holding:
        return self.states.peek(context.key) or _NOTHING

    def _exit(self, holding: Holding, features: Features, context: Context) -> Proposal | None:
        """The EXIT that is due, or None."""
        if not holding.open or holding.order:
            return None
        value = self._watched(features)
        gain = _gain(holding, value)
        now_ms = _number(context.get("now_ms"))
        held_ms = None if now_ms is None else now_ms - holding.since_ms
        code = self._due(gain, held_ms)
        if code is None:
            return None
        params = {"position": _SIDES.get(holding.side), "entry": holding.entry, "value": value}
        params |= {"gain": gain, "held_ms": held_ms}
        return Proposal(Action.EXIT, 1.0, [code], params, None, {} if self.value is None else {self.value: value})

    def _allowed(self, holding: Holding, proposal: Proposal, features: Features) -> Proposal:
        """What the position allows of a proposal of the wrapped model."""
        if holding.order:
            return _hold(proposal, _UNDER_WAY[holding.open, holding.order])
        if not holding.open:
            return self._without_position(proposal, features)
        if proposal.action is Action.EXIT:
            return proposal
        blind = self.value is not None and _gain(holding, self._watched(features)) is None
        return _hold(proposal, "position_open:no_value" if blind else "position_open")

    def _watched(self, features: Features) -> float | None:
        return None if self.value is None else _number(features.get(self.value))

    def _without_position(self, proposal: Proposal, features: Features) -> Proposal:
        if proposal.action is Action.EXIT:
            return _hold(proposal, "no_position")
        if proposal.action is Action.ACT and self.value is not None:
            if not _number(features.get(self.value)):
                return _hold(proposal, "entry:no_value")
            if not self._side_of(proposal.params):
                return _hold(proposal, "entry:no_side")
        return proposal

    def _due(self, gain: float | None, held_ms: float | None) -> str | None:
        if gain is not None:
            if self.stop_loss is not None and -gain >= self.stop_loss - ROUNDING:
                return "exit:stop_loss"
            if self.take_profit is not None and gain >= self.take_profit - ROUNDING:
                return "exit:take_profit"
        if held_ms is not None and self.time_stop_ms is not None and held_ms >= self.time_stop_ms:
            return "exit:time_stop"
        return None

    def _side_of(self, params: Mapping[str, Any] | None) -> int:
        if self.side_param is None:
            return 1 if self.side == "long" else -1
        given = (params or {}).get(self.side_param)
        return (given == self.long_value) - (given == self.short_value)

    def _decided(self, final: FinalDecision, key: Key) -> None:
        holding = self.states.peek(key)
        is_open = holding is not None and holding.open
        ordered = final.action is (Action.EXIT if is_open else Action.ACT)  # a denial is HOLD or STOP
        if ordered or (holding is not None and (is_open or holding.order)):
            # A use, so that of two keys the one without a position is forgotten first.
            holding = self.states[key]
            if ordered:
                holding.order = _PENDING

    def _answered(self, order: Order, status: str, now_ms: int | None) -> None:
        holding = self.states.peek(order.key)
        is_open = holding is not None and holding.open
        if order.action is not (Action.EXIT if is_open else Action.ACT):
            return
        holding = self.states[order.key]
        if status != "done":
            holding.order = _ORDER_AFTER[status]
        elif is_open:
            holding.open, holding.order = False, _NONE
        else:
            self._enter(holding, order, now_ms)

    def _enter(self, holding: Holding, order: Order, now_ms: int | None) -> None:
        entry = None if self.value is None else _number(order.features.get(self.value))
        holding.side = self._side_of(order.params)
        holding.entry = float(entry) if entry and holding.side else None
        holding.since_ms = now_ms or 0
        holding.open, holding.order = True, _NONE


def _gain(holding: Holding, value: float | None) -> float | None:
    if value is None or holding.entry is None:
        return None
    return holding.side * (value - holding.entry) / abs(holding.entry)


def _hold(proposal: Proposal, code: str) -> Proposal:
    if proposal.action is Action.CANCEL or proposal.action is Action.STOP:
        return proposal
    return Proposal(Action.HOLD, 1.0, [code, *proposal.reasons], proposal.params, None, proposal.features_summary)


def _number(value: Any) -> float | None:
    kind = type(value)
    if kind is not float and kind is not int:
        if kind is bool or not isinstance(value, Real):
            return None
        value = float(value)
    return value if isfinite(value) else None
