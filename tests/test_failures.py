"""What may be told of an exception: its type and place, never its message."""

from types import CodeType

import pytest

from mdm_core import Failure, StageError
from mdm_core.failures import describe

CANARY = "canary-4111111111111111"


def _raised(depth: int = 0) -> Exception:
    try:
        if depth:
            raise _raised(depth - 1)
        raise KeyError(CANARY)
    except KeyError as error:
        return error


class TestDescribing:
    def test_everything_but_the_message(self) -> None:
        """Stage, component, type, code and step; nothing that the exception says."""
        failure = describe("model", "toy.model", _raised(), 7)
        line = _raised.__code__.co_firstlineno + 4
        expected = Failure("model", "toy.model", "KeyError", "model_error:KeyError", 7, f"test_failures.py:{line}")
        assert expected == failure
        assert CANARY not in repr(failure)

    def test_the_place_is_the_innermost_frame(self) -> None:
        """Where it was raised, not where it was caught; the file without its directories."""
        namespace: dict[str, object] = {}
        code: CodeType = compile("def fail(): raise OSError\n", "/some/where/inner.py", "exec")
        exec(code, namespace)
        with pytest.raises(OSError) as raised:  # noqa: PT011 - nothing was said
            namespace["fail"]()  # type: ignore[operator]
        assert describe("source", "s", raised.value).place == "inner.py:1"

    def test_an_exception_that_was_never_raised_has_no_place(self) -> None:
        """It is described all the same, also outside a decision."""
        failure = describe("trace", "t", ValueError(CANARY))
        assert (failure.place, failure.step) == ("", None)

    def test_a_very_deep_traceback(self) -> None:
        """Endless recursion is described like anything else."""

        def recurse() -> None:
            recurse()

        try:
            recurse()
        except RecursionError as error:
            failure = describe("model", "m", error)
        assert failure.reason_code == "model_error:RecursionError"
        assert failure.place.startswith("test_failures.py:")

    def test_a_component_that_knows_its_own_code(self) -> None:
        """Its code and the type that it names are told, and no place."""
        try:
            raise StageError("private_hook_error", "KeyError")
        except StageError as error:
            failure = describe("model", "m", error, 3)
        assert Failure("model", "m", "KeyError", "private_hook_error:KeyError", 3) == failure
        assert describe("model", "m", StageError("busy")).reason_code == "busy"
