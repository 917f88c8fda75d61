"""Opening and closing components, children first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError
from mdm_core.failures import not_of_ours
from mdm_core.log import get_logger, redacted_text
from mdm_core.options import children_of, without_secrets
from mdm_core.state import states_of
from mdm_core.values import Build
from mdm_core.wording import one_line

_log = get_logger("lifecycle")


def name_of(component: Component) -> str:
    """The component's id, or its class's name if it was not built from a file."""
    return component.component_id or type(component).__name__


def with_children(component: Component) -> Iterator[Component]:
    """Give a component after all the components that it holds."""
    for child in children_of(component).values():
        yield from with_children(child)
    yield component


def open_all(components: Iterable[Component], build: Build, opened: list[Component]) -> None:
    """Open components in order and note those that were opened, so that they can be closed.

    Args:
        components: The components, children first; one that is there twice is opened once.
        build: The surroundings.
        opened: Gets every component whose ``open`` was called.

    Raises:
        ConfigError: A component cannot work in these surroundings; the message names it.
    """
    for component in components:
        if any(component is other for other in opened):
            continue
        opened.append(component)
        try:
            component.open(build)
        except ConfigError as error:
            raise ConfigError([f"{name_of(component)}: {problem}" for problem in error.problems]) from error
        except (Exception, SystemExit) as error:
            reason = redacted_text(without_secrets(one_line(error), component))
            raise ConfigError(
                f"{name_of(component)}: cannot be opened: {reason}; install or correct what it needs"
            ) from error


def close_all(opened: list[Component]) -> None:
    """Close components, the last one first, and forget them; one that fails does not keep the others open.

    Args:
        opened: What ``open_all`` noted; it is empty afterwards.
    """
    while opened:
        component = opened.pop()
        try:
            component.close()
        except BaseException as error:
            not_of_ours(error)
            _log.error("%s could not be closed: %s", name_of(component), type(error).__name__)


def is_isolated(component: Component) -> bool:
    """Whether calls into another process stand in the place of the component's own methods."""
    return "open" in vars(component)


def rebuild(component: Component, build: Build) -> None:
    """Make a component and its children anew, in place, from their options and their keyed states.

    What else they remembered may be half of something, because they were broken off in the middle of it.

    Args:
        component: The component.
        build: The surroundings.
    """
    for part in with_children(component):
        if is_isolated(part):
            part.open(build)  # in a new process, for the one that was broken off is gone
            continue
        states = states_of(part)
        close_all([part])
        if attrs.has(type(part)):
            cls: Any = type(part)
            fields = [field for field in attrs.fields(cls) if field.init]
            cls.__init__(part, **{field.alias: getattr(part, field.name) for field in fields})
            for name, state in states.items():
                object.__setattr__(part, name, state)
        part.open(build)
