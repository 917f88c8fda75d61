"""What this plugin registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_redactors(register: Register) -> None:
    """Register the redactors."""
    register("allow", "mdm_redaction.allow:AllowRedactor")
    register("chain", "mdm_redaction.chain:ChainRedactor")
    register("keys", "mdm_redaction.keys:KeyRedactor")
    register("personal", "mdm_redaction.by_value:PersonalRedactor")
    register("secrets", "mdm_redaction.by_value:SecretsRedactor")
    register("standard", "mdm_redaction.by_value:StandardRedactor")
