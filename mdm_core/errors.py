"""Everything that mdm raises on purpose.

MdmError
├── UsageError                 the caller's mistake: exit code 2, one line, no traceback
│   ├── ConfigError            one or several problems in a pipeline file, each with its place
│   │   └── OptionError        a value that a component's option refuses
│   └── PluginError            a plugin or component that cannot be used
├── SchemaError                the installed decision-schema is not one that mdm can work with
├── InvalidEvent               an event without a usable key, timestamp or id; nothing was changed
├── DuplicateFeature           two feature extractors gave the same name
├── ContractError              a component broke its contract (wrong type, value out of range)
├── StageError                 a component failed and says by which code it wants to be known
│   ├── TimedOut               a component took too long
│   └── SwitchedOff            a component took too long or died too often, and is not asked for a while
└── ExpressionError            an expression in a configuration that is not accepted
"""

from __future__ import annotations

from collections.abc import Sequence


class MdmError(Exception):
    """Base of every error that mdm raises on purpose."""

    exit_code = 3


class UsageError(MdmError):
    """The caller's mistake: what is wrong, where, and the next step."""

    exit_code = 2


class ConfigError(UsageError):
    """One or several problems in a pipeline's configuration.

    Attributes:
        problems: One line each: place, what is wrong, and the next step.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class OptionError(ConfigError, ValueError):
    """A value that a component's option refuses."""


class PluginError(UsageError):
    """A plugin or component that is unknown, broken, blocked or incompatible."""


class SchemaError(MdmError):
    """The installed ``decision-schema`` lacks a name or has a version outside the supported range."""

    exit_code = 2


class InvalidEvent(MdmError, ValueError):
    """An event that cannot be decided; it changed no state.

    Attributes:
        reason: A stable code such as ``missing_key``; it never holds a value of the event.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}")


class DuplicateFeature(MdmError):
    """Two feature extractors gave the same name.

    Attributes:
        givers: The ids of both.
    """

    def __init__(self, first: str, second: str) -> None:
        self.givers = f"{first} and {second}"
        super().__init__(f"{self.givers} gave the same name")


class ContractError(MdmError):
    """A component answered with something its contract does not allow."""


class StageError(MdmError):
    """A component failed, and knows better than core what may be told of it.

    Raised by a component in place of an exception whose type or place must not be seen.

    Args:
        reason_code: Stable code in lower case, such as ``private_hook_error``.
        error: Type of the exception behind it, or an empty text.
    """

    def __init__(self, reason_code: str, error: str = "") -> None:
        self.error = error
        self.reason_code = f"{reason_code}:{error}" if error else reason_code
        super().__init__(self.reason_code)


class TimedOut(StageError):
    """A component took longer than its time limit.

    Args:
        reason_code: Such as ``model_timeout``.
    """

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.error = type(self).__name__


class SwitchedOff(StageError):
    """A component took too long, or died in its process, so often that it is not asked for a while.

    Args:
        reason_code: Such as ``model_switched_off``.
    """

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.error = type(self).__name__


class ExpressionError(MdmError, ValueError):
    """An expression that is not accepted: which, why, and what is allowed instead, in one line."""
