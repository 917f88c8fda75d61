"""Personal data in texts."""

from mdm_redaction.personal.kinds import KINDS, personal_detectors

__all__ = ["KINDS", "personal_detectors"]
