"""How likely what was proposed by chance was, and the action that the guards made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import fsum
from numbers import Real
from typing import Any, TypeAlias

from mdm_core.checks import Sizes, check_proposal
from mdm_core.errors import ContractError
from mdm_core.schema import Action, FinalDecision, Proposal

PROPOSED = "mdm.propensity_proposed"
TAKEN = "mdm.propensity_taken"
ALL = "mdm.propensities"

Alternatives: TypeAlias = Sequence[tuple[float, Proposal]]

_TOLERANCE = 1e-9


def check_alternatives(answer: Any, proposal: Proposal, sizes: Sizes) -> Alternatives:
    """Check what a model says that it might have proposed.

    Args:
        answer: What ``alternatives`` returned.
        proposal: What was proposed.
        sizes: How many they may be, and how large each.

    Returns:
        The same, in builtin types and without what has no probability; nothing if the model does not randomise.

    Raises:
        ContractError: A proposal is none, the probabilities are no numbers in [0, 1] that sum to 1, there are
            too many, or what was proposed is not among them.
    """
    if not isinstance(answer, list | tuple) or len(answer) > sizes.max_items:
        raise ContractError(f"alternatives are a list, of at most {sizes.max_items}")
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in answer):
        raise ContractError("alternatives are pairs of a probability and a Proposal")
    alternatives = [(_probability(probability), alternative) for probability, alternative in answer]
    for _, alternative in alternatives:
        check_proposal(alternative)
        sizes.check(alternative)
    if alternatives and abs(fsum(probability for probability, _ in alternatives) - 1.0) > _TOLERANCE:
        raise ContractError("the probabilities of the alternatives must sum to 1")
    if alternatives and not any(p and _is_same(alternative, proposal) for p, alternative in alternatives):
        raise ContractError("what was proposed must be among the alternatives")
    return [(probability, alternative) for probability, alternative in alternatives if probability]


def propensities(
    alternatives: Alternatives, proposal: Proposal, final: FinalDecision, look: Callable[[Proposal], FinalDecision]
) -> dict[str, Any]:
    """Weigh what was proposed and what was taken among everything that might have been.

    Args:
        alternatives: What might have been proposed, each with its probability.
        proposal: What was proposed.
        final: What came of it.
        look: Gives what would have come of another proposal.

    Returns:
        ``mdm.propensity_proposed``, the probability of this proposal's action and parameters; ``mdm.propensities``,
        the probability of each action after the guards, HOLD where they deny; and ``mdm.propensity_taken``, that of
        the action taken.

    Raises:
        ContractError: The guards do not answer the same when they look again.
    """
    proposed: list[float] = []
    ends: dict[Action, list[float]] = defaultdict(list)
    for probability, alternative in alternatives:
        if _is_same(alternative, proposal):
            proposed.append(probability)
        ends[_taken(final if alternative == proposal else look(alternative))].append(probability)
    if _taken(final) not in ends:
        raise ContractError("the guards do not answer the same when they look again")
    by_action = {action: _sum(shares) for action, shares in ends.items()}
    return {
        PROPOSED: _sum(proposed),
        TAKEN: by_action[_taken(final)],
        ALL: {action.value: probability for action, probability in by_action.items()},
    }


def forget(external: dict[str, Any]) -> None:
    """Take away what ``propensities`` gave, because something else came of it.

    Args:
        external: The context of the decision.
    """
    for key in (PROPOSED, TAKEN, ALL):
        external.pop(key, None)


def _is_same(one: Proposal, other: Proposal) -> bool:
    return one.action is other.action and (one.params or {}) == (other.params or {})


def _taken(final: FinalDecision) -> Action:
    """The action that is carried out; HOLD for a denial, also one that says STOP."""
    return final.action if final.allowed else Action.HOLD


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= value <= 1.0:  # type: ignore[operator]
        raise ContractError("a probability must be a number in [0, 1]")
    return float(value)


def _sum(shares: Iterable[float]) -> float:
    return min(1.0, fsum(shares))
