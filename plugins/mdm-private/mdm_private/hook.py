"""The private function: loaded from its file, checked against its parameters, called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from mdm_core import ConfigError, ContractError, Features, Proposal, StageError

from mdm_private.containment import Containment

FUNCTION: Final = "compute_proposal_private"
REASON: Final = "private_hook_error"
# Stands where tracebacks, warnings and log records have the path, and keeps Python from looking up the lines.
_PATH: Final = "<private>"
_numbers = count(1)


class Hook:
    """A private function in a module of its own.

    Args:
        file: The file, as the private code sees it in ``__file__``.
        source: What stands in it.
        parameters: Keyword arguments of every call.

    Raises:
        ConfigError: The function cannot be loaded or called like that; nothing of the file is in the message.
    """

    def __init__(self, file: Path, source: bytes, parameters: Mapping[str, Any]) -> None:
        self._parameters = dict(parameters)
        self._module = ModuleType(f"_mdm_private_{next(_numbers)}")
        self._module.__file__, self._module.__package__ = str(file), ""
        try:
            self._load(source)
            self._function = self._find()
            self._check()
        except BaseException:
            self.close()
            raise

    def __call__(self, features: Features) -> Proposal:
        """Ask for a proposal.

        Args:
            features: The features; the function gets a copy.

        Raises:
            StageError: It raised, or answered with something else.
        """
        contained = Containment()
        with contained:
            return self._answer(features)
        raise StageError(REASON, contained.error)

    def close(self) -> None:
        """Forget the module."""
        with Containment():
            sys.modules.pop(self._module.__name__, None)
            vars(self._module).clear()

    def _answer(self, features: Features) -> Proposal:
        answer = self._function(dict(features), **self._parameters)
        if type(answer) is not Proposal:
            raise ContractError("the answer is no proposal")
        return answer

    def _load(self, source: bytes) -> None:
        # dataclasses, pickle and the like look their modules up.
        sys.modules[self._module.__name__] = self._module
        contained = Containment()
        with contained:
            exec(compile(source, _PATH, "exec", dont_inherit=True), vars(self._module))
        if contained.error:
            raise ConfigError(
                f"the private model cannot be loaded: {contained.error}; load it in a Python of your own, which shows "
                f"where and why"
            )

    def _find(self) -> Callable[..., Any]:
        function: Callable[..., Any] | None = vars(self._module).get(FUNCTION)
        if not callable(function):
            raise ConfigError(f"the private model has no function {FUNCTION}; define {FUNCTION}(features, **options)")
        return function

    def _check(self) -> None:
        contained = Containment()
        with contained:
            inspect.signature(self._function).bind({}, **self._parameters)
        if contained.error:
            raise ConfigError(
                f"{FUNCTION} cannot be called with the options that are left over for it; let it take the features "
                f"and exactly these as keyword arguments, or **options"
            )
