"""A quick look at a text: is there anything that a detector could find?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from mdm_redaction.detector import Detector

Gate: TypeAlias = Callable[[str], bool]

_MEMORY = 64 << 20


def gate_for(groups: Iterable[Iterable[Detector]]) -> Gate | None:
    """Make one expression of those of each group; it takes time in proportion to the text, whatever stands there.

    Args:
        groups: The detectors. What is looked for in different ways should be in different groups: the states of one
            automaton are those of all that it looks for, multiplied.

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
    expressions = ["|".join(f"(?:{detector.gate})" for detector in group) for group in groups]
    searches = [re2.compile(expression.encode(), options).search for expression in expressions if expression]

    def may_match(text: str) -> bool:
        encoded = text.encode("utf-8", "surrogatepass")
        for search in searches:  # noqa: SIM110 - any() takes longer for the few that there are
            if search(encoded) is not None:
                return True
        return False

    return may_match
