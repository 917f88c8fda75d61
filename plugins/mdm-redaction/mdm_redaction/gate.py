"""A quick look at a text: is there anything that a detector could find?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from mdm_redaction.detector import Detector

Gate: TypeAlias = Callable[[str], bool]

_MEMORY = 64 << 20


def gate_for(detectors: Iterable[Detector]) -> Gate | None:
    """Make one expression of those of all detectors; it takes time in proportion to the text, whatever stands there.

    Args:
        detectors: The detectors.

    Returns:
        Says of a text whether a detector may find something in it; None if google-re2 is not installed.
    """
    try:
        import re2  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return None
    options = re2.Options()
    # Bytes: with classes of characters beyond ASCII the automaton would be many times larger.
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    expression = "|".join(f"(?:{detector.gate})" for detector in detectors)
    search = re2.compile(expression.encode(), options).search

    def may_match(text: str) -> bool:
        return search(text.encode("utf-8", "surrogatepass")) is not None

    return may_match
