"""One check of one component: a place of its own on the disk, and components as new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs

from mdm_core.contracts import Component
from mdm_core.errors import ConfigError
from mdm_core.lifecycle import close_all, open_all, with_children
from mdm_core.state import KeyedState, states_of
from mdm_core.testing.checks import Broken, Inapplicable
from mdm_core.testing.making import Written, written
from mdm_core.testing.material import Step
from mdm_core.testing.subject import Subject
from mdm_core.values import Build
from mdm_core.wording import one_line

RUN_ID = "checked"


@attrs.define
class Case:
    """What a check looks at.

    Attributes:
        subject: The component.
        directory: A directory of its own.
        base_dir: Directory of the pipeline file.
    """

    subject: Subject
    directory: Path
    base_dir: Path = attrs.field(init=False)
    _numbers: Iterator[int] = attrs.field(init=False, factory=count)

    def __attrs_post_init__(self) -> None:
        self.base_dir = self.subject.base_dir or self.directory / "pipeline"
        for name, content in self.subject.files.items():
            path = self.base_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.base_dir.mkdir(exist_ok=True)

    @property
    def steps(self) -> list[Step]:
        """What the component is asked about."""
        return self.subject.steps

    def run_dir(self) -> Path:
        """Make the directory of another run."""
        directory = self.directory / f"run-{next(self._numbers)}"
        directory.mkdir()
        return directory

    def build(self, **changes: Any) -> Build:
        """The surroundings of another run."""
        subject = self.subject
        values: dict[str, Any] = {"key": subject.key, "timestamp": subject.timestamp, "clock": "event"}
        values |= {"base_dir": self.base_dir, "run_id": RUN_ID}
        if "run_dir" not in changes:
            values["run_dir"] = self.run_dir()
        return Build(**values | changes)

    def make(self) -> Component:
        """Make the component anew.

        Raises:
            Inapplicable: It cannot be made, which is another check's business.
        """
        try:
            return self.subject.make()
        except Exception as error:
            raise Inapplicable(f"it cannot be made ({one_line(error)}); see the check 'opens'") from error

    @contextmanager
    def opened(self, build: Build | None = None, component: Component | None = None) -> Iterator[Component]:
        """Give the component as new and opened; it is closed afterwards.

        Args:
            build: The surroundings; by default those of another run.
            component: One that was made already.
        """
        component = self.make() if component is None else component
        noted: list[Component] = []
        try:
            self._open(component, build or self.build(), noted)
            yield component
        finally:
            close_all(noted)

    def refuses(self, build: Build) -> bool:
        """Whether the component says in open that it cannot work in these surroundings."""
        noted: list[Component] = []
        try:
            open_all(with_children(self.make()), build, noted)
        except ConfigError:
            return True
        finally:
            close_all(noted)
        return False

    def _open(self, component: Component, build: Build, noted: list[Component]) -> None:
        try:
            open_all(with_children(component), build, noted)
        except Exception as error:
            raise Inapplicable(f"it cannot be opened ({one_line(error)}); see the check 'opens'") from error

    def written(self) -> Written:
        """The component's options, as a pipeline file has them."""
        return written(self.make(), self.subject.name)


def states(component: Component) -> dict[str, KeyedState[Any]]:
    """The keyed states of a component and of its children, by name."""
    return {
        f"{number}.{name}": state
        for number, part in enumerate(with_children(component))
        for name, state in states_of(part).items()
    }


def snapshot(component: Component) -> dict[str, bytes]:
    """The keyed states of a component and of its children, encoded."""
    return {name: state.snapshot() for name, state in states(component).items()}


def restore(component: Component, saved: dict[str, bytes]) -> None:
    """Give a component the states of another."""
    for name, state in states(component).items():
        state.restore(saved[name])


def need(condition: object, message: str) -> None:
    """Fail a check unless a condition holds.

    Raises:
        Broken: It does not.
    """
    if not condition:
        raise Broken(message)


def through_json(what: str, value: Any) -> Any:
    """Send a value through JSON, as the journal does.

    Raises:
        Broken: JSON cannot hold it.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise Broken(f"{what} cannot be written as JSON: {error}") from error
