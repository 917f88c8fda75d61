"""The kinds of personal data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from mdm_redaction.detector import Detector
from mdm_redaction.personal.card import card_detectors
from mdm_redaction.personal.email import email_detectors
from mdm_redaction.personal.iban import iban_detectors
from mdm_redaction.personal.ip import ip_detectors
from mdm_redaction.personal.national_id import national_id_detectors
from mdm_redaction.personal.phone import phone_detectors

_DETECTORS: Mapping[str, Callable[[], Iterable[Detector]]] = {
    "email": email_detectors,
    "phone": phone_detectors,
    "card": card_detectors,
    "iban": iban_detectors,
    "ip": ip_detectors,
    "national_id": national_id_detectors,
}

KINDS = tuple(_DETECTORS)
"""The kinds that can be switched on."""


def personal_detectors(kinds: Collection[str]) -> list[Detector]:
    """Make the detectors of kinds of personal data.

    Args:
        kinds: Of ``KINDS``.

    Returns:
        The detectors.
    """
    return [detector for kind in KINDS if kind in kinds for detector in _DETECTORS[kind]()]
