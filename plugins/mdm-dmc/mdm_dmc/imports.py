"""Finding what an import path names."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final

from mdm_core import ConfigError
from mdm_core.wording import did_you_mean, one_line

_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class Absent(ConfigError):
    """There is no such module, or no such name in it."""


def check_import_path(path: str) -> None:
    """Check how an import path is written.

    Args:
        path: Such as ``package.module:name``.

    Raises:
        ValueError: It is written otherwise.
    """
    if not _PATH.fullmatch(path):
        raise ValueError(f"must be written as package.module:name, got {path!r}")


def load(path: str, option: str) -> Any:
    """Import what an import path names.

    Args:
        path: Such as ``package.module:name``.
        option: The option that it comes from, for messages.

    Returns:
        What has this name.

    Raises:
        Absent: There is no such module, or no such name in it.
        ConfigError: The module fails while it is imported.
    """
    module, _, name = path.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{module}.".startswith(f"{missing}."):
            raise _broken(module, option, error) from error
        raise Absent(_absence(module, missing, option)) from None
    except Exception as error:
        raise _broken(module, option, error) from error
    if not hasattr(found, name):
        raise Absent(f"{option}: module {module} has no {name!r}{did_you_mean(name, vars(found))}; correct {option}")
    return getattr(found, name)


def _absence(module: str, missing: str, option: str) -> str:
    if missing == "dmc_core":
        return (
            "dmc_core is not installed; the distribution dmc-core is not on the package index, so install it from "
            "your own build: pip install PATH, the path of its checkout or wheel"
        )
    if missing == module.partition(".")[0]:
        return f"{option}: module {missing} is not installed; install the distribution it is in, or correct {option}"
    return f"{option}: the installed {module.partition('.')[0]} has no module {missing}; correct {option}"


def _broken(module: str, option: str, error: Exception) -> ConfigError:
    return ConfigError(f"{option}: module {module} cannot be imported: {one_line(error)}; install or correct it")
