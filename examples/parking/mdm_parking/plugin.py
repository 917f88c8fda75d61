"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``parking.readings``."""
    register("readings", "mdm_parking.readings:LotReadings")


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    """Register ``parking.history``."""
    register("history", "mdm_parking.history:LotHistory")


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register ``parking.outlook``."""
    register("outlook", "mdm_parking.outlook:Outlook")


@hookimpl
def mdm_register_observers(register: Register) -> None:
    """Register ``parking.figures``."""
    register("figures", "mdm_parking.figures:Figures")
