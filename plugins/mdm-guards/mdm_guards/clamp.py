"""The guard ``guards.clamp``."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
from mdm_core import Context, FinalDecision, MismatchInfo, OptionError, Proposal, option

from mdm_guards.guard import Guard
from mdm_guards.values import finite


@attrs.define(kw_only=True)
class Clamp(Guard):
    """Brings numeric parameters inside limits and lets the decision pass, with reason codes and without flags.

    A decision that lacks one of the parameters, or has one that is no finite number, is denied.
    """

    flag: ClassVar[str] = "clamp"

    min: dict[str, int | float] = option({}, help="least value, by name of the parameter")
    max: dict[str, int | float] = option({}, help="largest value, by name of the parameter")

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.min and not self.max:
            raise OptionError("Clamp.max: min and max are both empty; write for example max = { amount = 1000 }")
        for name in self.min.keys() & self.max.keys():
            if self.min[name] > self.max[name]:
                raise OptionError(f"Clamp.min {name}: {self.min[name]} is greater than max {name}, {self.max[name]}")

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Bring the parameters inside the limits."""
        if decision.action not in self._watched:
            return decision
        params: dict[str, Any] = decision.params or {}
        codes: list[str] = []
        changes: dict[str, Any] = {}
        for limits, bound in ((self.min, "min"), (self.max, "max")):
            for name, limit in limits.items():
                value = finite(params.get(name))
                if value is None:
                    return self.deny(decision, f"{name}:{'not_a_number' if name in params else 'missing'}")
                if value < limit if bound == "min" else value > limit:
                    codes.append(f"{self.flag}:{name}:{bound}")
                    changes[name] = [value, limit]
        return _changed(decision, codes, changes) if codes else decision


def _changed(decision: FinalDecision, codes: list[str], changes: dict[str, Any]) -> FinalDecision:
    earlier = decision.mismatch or MismatchInfo()
    after = {name: change[1] for name, change in changes.items()}
    mismatch = MismatchInfo(
        [], [*earlier.reason_codes, *codes], earlier.throttle_refresh_ms, {**(earlier.metadata or {}), **changes}
    )
    return FinalDecision(
        decision.action,
        True,
        decision.reasons,
        mismatch,
        decision.throttle_ms,
        decision.cooldown_ms,
        {**(decision.params or {}), **after},
    )
