"""Secrets and personal data out of everything that mdm writes."""

from mdm_redaction.by_value import PersonalRedactor, SecretsRedactor, StandardRedactor
from mdm_redaction.keys import KeyRedactor, redact

__all__ = ["KeyRedactor", "PersonalRedactor", "SecretsRedactor", "StandardRedactor", "redact"]
