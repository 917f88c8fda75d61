"""Secrets and personal data out of everything that mdm writes."""

from mdm_redaction.allow import AllowRedactor
from mdm_redaction.by_value import PersonalRedactor, SecretsRedactor, StandardRedactor
from mdm_redaction.chain import ChainRedactor
from mdm_redaction.keys import KeyRedactor, redact

__all__ = [
    "AllowRedactor",
    "ChainRedactor",
    "KeyRedactor",
    "PersonalRedactor",
    "SecretsRedactor",
    "StandardRedactor",
    "redact",
]
