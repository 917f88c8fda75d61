"""The wall around private code: it is heard nowhere, and of what it raises only a well-known type is told."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType
from typing import Final

from mdm_private.quiet import begin_quiet, end_quiet

_KNOWN_PACKAGES: Final = sys.stdlib_module_names | {"mdm_core"}


class Containment:
    """While it is entered, private code may run. What that raises ends here.

    The exception itself is let go of inside, so whatever is raised afterwards has no context that could be shown.

    Attributes:
        error: Name of what was raised, or an empty text; see ``known_type``.
    """

    def __init__(self) -> None:
        self.error = ""

    def __enter__(self) -> Containment:
        begin_quiet()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            if kind is None or error is None:
                return False
            if _is_for_core(kind):
                _strip(error)
                return False
            self.error = known_type(kind).__name__
            # What the frames hold may have something to say when it goes, so it goes while nobody listens.
            traceback.clear_frames(trace)
            return True
        finally:
            end_quiet()


def known_type(kind: type[BaseException]) -> type[BaseException]:
    """Find the nearest type of exception that everybody knows: one of Python's own, or of mdm's.

    The name of any other could tell what the model is made of.

    Args:
        kind: Type of an exception.

    Returns:
        The type itself or the first of its bases that is known.
    """
    return next(base for base in kind.__mro__ if issubclass(base, BaseException) and _is_known(base))


def _is_known(kind: type) -> bool:
    package = kind.__module__.partition(".")[0]
    return package in _KNOWN_PACKAGES and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind


def _is_for_core(kind: type[BaseException]) -> bool:
    """Whether it asks for more than this one answer to end: Ctrl-C, or a signal of core's own."""
    own = not issubclass(kind, Exception) and kind.__module__.partition(".")[0] == "mdm_core"
    return kind is KeyboardInterrupt or own


def _strip(error: BaseException) -> None:
    """Take away what an exception that goes on tells of the code that it went through."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    if type(error) is KeyboardInterrupt:
        error.args = ()
