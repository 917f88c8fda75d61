"""The modulator ``dmc.modulate``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import attrs
from mdm_core import Build, ConfigError, Context, FinalDecision, Modulator, Proposal, get_logger, option

from mdm_dmc.answers import to_decision
from mdm_dmc.copies import detached
from mdm_dmc.imports import Absent, check_import_path, load
from mdm_dmc.policies import make_policy

Modulate: TypeAlias = Callable[[Proposal, Any, dict[str, Any]], Any]

FUNCTION: Final = "dmc_core.dmc.modulator:modulate"
POLICY: Final = "dmc_core.dmc.policy:GuardPolicy"
OLDER_POLICY: Final = "dmc_core.dmc.risk_policy:RiskPolicy"

_log = get_logger("dmc")


@attrs.define(kw_only=True)
class DmcModulator(Modulator):
    """Asks an external Decision Modulation Core what may be done, and refuses every answer that does not fit.

    The core's function is called in ``modulate`` and must be stateless apart from the context that it is given.
    """

    function: str = option(
        FUNCTION, check=check_import_path, help="where modulate(proposal, policy, context) is, as package.module:name"
    )
    policy_class: str = option(
        POLICY,
        check=check_import_path,
        help=f"where the policy's class is; if the default is absent, {OLDER_POLICY} is taken",
    )
    policy: dict[str, Any] = option({}, help="fields of the policy; the others have the defaults of its class")

    _modulate: Modulate = attrs.field(init=False, repr=False, eq=False)
    _policy: Any = attrs.field(init=False, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Import the function and make the policy.

        Args:
            build: The surroundings; there must be a clock.

        Raises:
            ConfigError: There is no clock, the core is not installed, or the policy's fields are wrong.
        """
        problems: list[str] = []
        if build.clock is None:
            problems.append("needs the time, and there is none; set timestamp, or clock = 'wall', in [pipeline]")
        with _noting(problems):
            self._modulate = _load_function(self.function)
        with _noting(problems):
            self._policy = make_policy(_load_policy_class(self.policy_class), self.policy)
        if problems:
            raise ConfigError([*dict.fromkeys(problems)])
        _log.info("%s with a policy of %s", self.function, type(self._policy))

    def modulate(self, proposal: Proposal, decision: FinalDecision, context: Context) -> FinalDecision:
        """Ask about what is about to be allowed, which an earlier modulator may have changed.

        Args:
            proposal: What the model wants.
            decision: What the modulators before have made of it.
            context: Its recorded items are passed on as a plain dict.

        Returns:
            ``decision`` itself if the core lets it pass as it is; otherwise what the core makes of it.

        Raises:
            ContractError: The answer does not fit.
        """
        seen = Proposal(
            decision.action,
            proposal.confidence,
            list(decision.reasons),
            detached(decision.params),
            proposal.run_id,
            detached(proposal.features_summary),
        )
        return to_decision(self._modulate(seen, self._policy, detached(context)), decision)


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        problems.extend(error.problems)


def _load_function(path: str) -> Modulate:
    function: Modulate = load(path, "function")
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        raise ConfigError(f"function: {path} does not take (proposal, policy, context); name one that does") from None
    except ValueError:  # written in C, and says nothing about itself
        pass
    return function


def _load_policy_class(path: str) -> type:
    try:
        found = load(path, "policy_class")
    except Absent:
        if path != POLICY:
            raise
        found = _load_older(path)
    if not isinstance(found, type):
        raise ConfigError(f"policy_class: {path} is not a class; name the class of the policy")
    return found


def _load_older(path: str) -> Any:
    try:
        return load(OLDER_POLICY, "policy_class")
    except Absent:
        return load(path, "policy_class")
