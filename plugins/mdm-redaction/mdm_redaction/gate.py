"""A quick look at a text: which detectors could find anything in it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mdm_redaction.detector import Detector

Gate: TypeAlias = Callable[[str], list[Detector]]

_MEMORY = 64 << 20
_NO_TEXT = b"\xff\xff"  # stands in no text that is written in UTF-8


def gate_for(groups: Sequence[Sequence[Detector]]) -> Gate | None:
    """Make one automaton of the expressions of each group, which takes time in proportion to the text, whatever it is.

    Args:
        groups: The detectors. What is looked for in different ways should be in different groups: the states of one
            automaton are those of all that it looks for, multiplied.

    Returns:
        Gives the detectors that may find something in a text, in their order; None if google-re2 is not installed.
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
    automata = []
    for group in filter(None, groups):
        automaton = re2.Set.SearchSet(options)
        for expression in (*(detector.gate.encode() for detector in group), _NO_TEXT):
            automaton.Add(expression)
        automaton.Compile()
        # One that lacks memory finds nothing and does not say so.
        if automaton.Match(_NO_TEXT) != [len(group)]:
            return None
        automata.append((automaton.Match, group))

    def awake(text: str) -> list[Detector]:
        # RE2 does not count a vertical tab among the spaces, and Python does.
        encoded = text.encode("utf-8", "surrogatepass").replace(b"\v", b" ")
        found: list[Detector] = []
        for match, group in automata:
            numbers = match(encoded)
            if numbers is not None:
                found += [group[number] for number in sorted(numbers)]
        return found

    return awake
