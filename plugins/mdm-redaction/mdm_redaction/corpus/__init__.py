"""Made-up events by which a redactor is measured."""

from mdm_redaction.corpus.drawing import Event, Sample
from mdm_redaction.corpus.hostile import hostile
from mdm_redaction.corpus.with_nothing_to_hide import clean
from mdm_redaction.corpus.with_personal_data import personal
from mdm_redaction.corpus.with_secrets import secrets

__all__ = ["Event", "Sample", "clean", "hostile", "personal", "secrets"]
