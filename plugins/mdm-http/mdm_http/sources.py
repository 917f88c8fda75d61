"""Texts of a pipeline file that may come from the environment, because they are or hold secrets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Source: TypeAlias = str | dict[str, str]
"""A text, or ``{"env": "NAME"}`` for the text in an environment variable."""

ENV: Final = '{ env = "NAME" }'


def is_secret(source: Source) -> bool:
    """Whether a text comes from the environment, and so is shown nowhere."""
    return not isinstance(source, str)


def read(source: Source) -> str:
    """Give a text, from the environment if that is where it is.

    Args:
        source: The text, or where it is.

    Returns:
        The text.

    Raises:
        ValueError: The source is neither, or the variable is not set.
    """
    if isinstance(source, str):
        return source
    if not isinstance(source, Mapping) or set(source) != {"env"} or not isinstance(source["env"], str):
        raise ValueError(f"must be text or {ENV}")
    text = os.environ.get(source["env"])
    if not text:
        raise ValueError(f"the environment variable {source['env']} is not set; set it")
    return text


def check(source: Source, problem_of: Callable[[str], str | None]) -> None:
    """Refuse a text that has a problem.

    Args:
        source: The text, or where it is.
        problem_of: Gives what is wrong with the text, in words that hold no part of it, or None.

    Raises:
        ValueError: There is a problem; the message names the variable if there is one.
    """
    problem = problem_of(read(source))
    if problem is not None:
        raise ValueError(problem if isinstance(source, str) else f"the environment variable {source['env']} {problem}")
