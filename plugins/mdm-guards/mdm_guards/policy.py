"""The guard ``guards.policy``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs
from mdm_core import Context, Expression, FinalDecision, Proposal, compile_expression, option

from mdm_guards.guard import Guard
from mdm_guards.values import finite

_NO_VALUE: Final = (LookupError, TypeError, ValueError, ArithmeticError)


def _check_name(name: str) -> None:
    if re.fullmatch("[a-z][a-z0-9_]*", name) is None or name == "error":
        raise ValueError(f"must be lower-case letters, digits and _, and not 'error', got {name!r}")


@attrs.define(kw_only=True)
class Policy(Guard):
    """Denies what an expression is true of, and what it has no value for.

    A name in the expression is looked up among ``proposal.confidence`` and ``proposal.action``, then the decision's
    parameters, then the features, then the context; the first place that has it counts.
    ``mdm_core.compile_expression`` describes the language.
    """

    flag: ClassVar[str] = "policy"

    deny_if: str = option(
        check=compile_expression, help="condition that denies, such as 'amount > 1000 and user.age_days < 7'"
    )
    name: str = option("denied", check=_check_name, help="ends the reason code, to tell several policies apart")
    _expression: Expression = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._expression = compile_expression(self.deny_if)

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Evaluate the condition."""
        if decision.action not in self._watched:
            return decision
        values = self._values(proposal, decision, context)
        try:
            denied = self._expression.evaluate(values)
        except _NO_VALUE:
            error = "error" if self.name == "denied" else f"{self.name}:error"
            return self.deny(decision, error, _numbers(values))
        return self.deny(decision, self.name, _numbers(values)) if denied else decision

    def _values(self, proposal: Proposal, decision: FinalDecision, context: Context) -> dict[str, Any]:
        asked = {"proposal.confidence": proposal.confidence, "proposal.action": proposal.action.value}
        places: tuple[Mapping[str, Any], ...] = (asked, decision.params or {}, context.features, context)
        values = {}
        for name in self._expression.names:
            for place in places:
                if name in place:
                    values[name] = place[name]
                    break
        return values


def _numbers(values: Mapping[str, Any]) -> dict[str, int | float]:
    return {name: number for name in sorted(values) if (number := finite(values[name])) is not None}
