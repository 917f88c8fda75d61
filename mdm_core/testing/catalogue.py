"""All checks, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Mapping

from mdm_core.kinds import Kind
from mdm_core.testing import (
    for_brokers,
    for_every,
    for_facts,
    for_imports,
    for_models,
    for_observers,
    for_options,
    for_redactors,
    for_sinks,
    for_sources,
    for_state,
    for_values,
)
from mdm_core.testing.checks import Check, known

MODULES = (
    for_options,
    for_imports,
    for_every,
    for_facts,
    for_state,
    for_values,
    for_models,
    for_sources,
    for_brokers,
    for_sinks,
    for_redactors,
    for_observers,
)
CHECKS: Mapping[str, Check] = {
    check.id: check for module in MODULES for check in known().values() if check.look.__module__ == module.__name__
}


def checks_for(kind: Kind) -> list[Check]:
    """The checks for a kind of components."""
    return [check for check in CHECKS.values() if check.concerns(kind)]
