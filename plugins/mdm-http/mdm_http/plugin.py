"""What the plugin ``http`` registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_brokers(register: Register) -> None:
    """Register the webhook."""
    register("webhook", "mdm_http.webhook:Webhook")
