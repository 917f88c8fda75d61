"""Telling which detectors can find something in a text at all, by the literals that they look for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from string import ascii_lowercase, digits

from mdm_redaction.detector import UNBROKEN, Detector

_LEAD = 2
_RUNS = re.compile(rf"[^\s\"'<>(){{}}\[\]\\;|&\x00]{{{UNBROKEN},}}")
_LEADING = re.compile(rf"[a-z0-9]{{1,{_LEAD}}}")
_OF_WORDS = (ascii_lowercase + digits).encode()
_WORDS = bytes(code if code in _OF_WORDS else ord(" ") for code in range(256))


class Triage:
    """Chooses detectors for a text.

    Literals that stand where a word begins are looked up by its first two characters, for there are hundreds of them.

    Args:
        detectors: All of them.
    """

    def __init__(self, detectors: Iterable[Detector]) -> None:
        self._all = tuple(detectors)
        self._anywhere = _by_literals((n, d) for n, d in enumerate(self._all) if not d.leading)
        self._by_lead = _by_lead((n, d) for n, d in enumerate(self._all) if d.leading and not d.unbroken)
        self._unbroken_by_lead = _by_lead((n, d) for n, d in enumerate(self._all) if d.unbroken)

    def of(self, text: str) -> list[Detector]:
        """Choose those that may find something.

        Args:
            text: The text.

        Returns:
            The detectors in their order.
        """
        lower = text.lower()
        runs = " ".join(_RUNS.findall(lower))
        chosen: set[int] = set()
        for literals, numbers in self._anywhere.items():
            if not literals or _holds(lower, literals):
                chosen.update(numbers)
        words = lower.encode("utf-8", "surrogatepass").translate(_WORDS).decode().split()
        leads = {"", *(word[:_LEAD] for word in words)}
        for part, by_lead in ((lower, self._by_lead), (runs, self._unbroken_by_lead)):
            for lead in leads & by_lead.keys():
                chosen.update(n for literal, n in by_lead[lead] if n not in chosen and literal in part)
        return [self._all[n] for n in sorted(chosen)]


def _by_literals(detectors: Iterable[tuple[int, Detector]]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, detector in detectors:
        found[detector.literals].append(number)
    return dict(found)


def _by_lead(detectors: Iterable[tuple[int, Detector]]) -> dict[str, list[tuple[str, int]]]:
    """First characters of a literal to the literal and the number of its detector."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for number, detector in detectors:
        for literal in detector.literals:
            lead = _LEADING.match(literal)
            found[lead.group() if lead and lead.end() == min(len(literal), _LEAD) else ""].append((literal, number))
    return dict(found)


def _holds(text: str, literals: Iterable[str]) -> bool:
    for literal in literals:  # noqa: SIM110 - any() takes twice as long
        if literal in text:
            return True
    return False
