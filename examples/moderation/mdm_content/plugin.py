"""What the package registers; it imports nothing heavy."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register ``content.mail``."""
    register("mail", "mdm_content.source:MailSource")


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    """Register ``content.words`` and ``content.offence``."""
    register("words", "mdm_content.words:WordsExtractor")
    register("offence", "mdm_content.offence:OffenceExtractor")


@hookimpl
def mdm_register_modulators(register: Register) -> None:
    """Register ``content.review``."""
    register("review", "mdm_content.review:Review")
