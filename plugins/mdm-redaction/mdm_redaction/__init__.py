"""Secrets out of everything that mdm writes."""

from mdm_redaction.keys import KeyRedactor, redact

__all__ = ["KeyRedactor", "redact"]
