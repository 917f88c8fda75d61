"""What the plugin ``dmc`` registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    """Register the modulator that asks a Decision Modulation Core."""
    register("modulate", "mdm_dmc.modulator:DmcModulator")
