"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``trading.bars``."""
    register("bars", "mdm_trading.bars:Bars")


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    """Register ``trading.market``."""
    register("market", "mdm_trading.market:Market")


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register ``trading.sides``."""
    register("sides", "mdm_trading.sides:Sides")


@hookimpl
def mdm_register_brokers(register: Register) -> None:
    """Register ``trading.paper``."""
    register("paper", "mdm_trading.broker:PaperAccount")


@hookimpl
def mdm_register_observers(register: Register) -> None:
    """Register ``trading.figures``."""
    register("figures", "mdm_trading.figures:Figures")
