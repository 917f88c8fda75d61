"""What the plugin ``private`` registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register the private model."""
    register("model", "mdm_private.model:PrivateModel")
