"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``robotics.sessions``."""
    register("sessions", "mdm_robotics.sessions:Sessions")


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    """Register ``robotics.motion``."""
    register("motion", "mdm_robotics.motion:Motion")


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register ``robotics.supervisor``."""
    register("supervisor", "mdm_robotics.supervisor:Supervisor")


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    """Register ``robotics.latch``."""
    register("latch", "mdm_robotics.latch:Latch")


@hookimpl
def mdm_register_brokers(register: Register) -> None:
    """Register ``robotics.actuator``."""
    register("actuator", "mdm_robotics.actuator:Actuator")


@hookimpl
def mdm_register_observers(register: Register) -> None:
    """Register ``robotics.figures``."""
    register("figures", "mdm_robotics.figures:Figures")
