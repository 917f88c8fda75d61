"""Reading a pipeline file: TOML to tables, each of which knows its place in the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from mdm_core.errors import ConfigError
from mdm_core.kinds import BY_SECTION
from mdm_core.options import option
from mdm_core.wording import did_you_mean, listing

KeyPath: TypeAlias = tuple[str | int, ...]

SECTIONS = ("pipeline", *BY_SECTION)
SEVERAL = frozenset({"features", "modulators", "trace", "observers"})


def _check_path(path: str) -> None:
    if not path or any(not part for part in path.split(".")):
        raise ValueError(f"must be a dotted path such as 'user.id', got {path!r}")


@attrs.frozen
class PipelineOptions:
    """The table ``[pipeline]``: where an event's key, time, id and outcome are, and what time means."""

    key: str | None = option(
        None, check=_check_path, help="dotted path of the key in the event: state and order are kept per key"
    )
    timestamp: str | None = option(None, check=_check_path, help="dotted path of the event's time")
    timestamp_unit: str = option(
        "ms", choices=["s", "ms", "us", "ns", "iso"], help="what the timestamp is: a number of these, or ISO 8601 text"
    )
    id: str | None = option(
        None, check=_check_path, help="dotted path of the event's id; without it, the source's position"
    )
    outcome: str | None = option(
        None,
        check=_check_path,
        help="dotted path of the label: taken out before anything is decided, recorded as eval.outcome",
    )
    clock: str = option(
        "event", choices=["event", "wall"], help="what now_ms is: the highest timestamp seen, or the wall clock"
    )
    seed: int = option(0, help="seed of context.random")
    group: int | None = option(
        None,
        ge=1,
        help="receipts are applied before the steps divisible by this; default 64, or 1 with the wall clock",
    )


@attrs.frozen
class Place:
    """Where something stands, for messages.

    Attributes:
        file: The file.
        path: Keys from the top of the document.
        lines: Key path to line number, as far as they are known.
    """

    file: str
    path: KeyPath
    lines: Mapping[KeyPath, int] = attrs.field(factory=dict, repr=False)

    def child(self, *keys: str | int) -> Place:
        """The place of something inside."""
        return attrs.evolve(self, path=(*self.path, *keys))

    def __str__(self) -> str:
        line = self.lines.get(self.path)
        return f"{self.file}{f':{line}' if line else ''} {_spell(self.path)}"


@attrs.frozen
class Table:
    """One component's table.

    Attributes:
        values: Its keys, ``use`` included.
        place: Where it stands.
    """

    values: Mapping[str, Any]
    place: Place


@attrs.frozen
class Config:
    """A pipeline file, read and merged with what was set on the command line; nothing is built yet.

    Attributes:
        path: The file.
        document: The whole document.
        lines: Key path to line number.
    """

    path: Path
    document: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def tables(self, section: str) -> list[Table]:
        """The tables of a section, in order; a single table counts as one.

        Args:
            section: Such as ``modulators``.
        """
        value = self.document.get(section)
        if value is None:
            return []
        place = Place(str(self.path), (section,), self.lines)
        if isinstance(value, Mapping):
            return [Table(value, place)]
        return [Table(table, place.child(i)) for i, table in enumerate(value)]

    def table(self, section: str) -> Table | None:
        """The only table of a section, or None."""
        return next(iter(self.tables(section)), None)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a pipeline file.

    Args:
        path: The file.
        overrides: ``section.key=value`` each, the value in TOML.

    Returns:
        The configuration.

    Raises:
        ConfigError: The file cannot be read or is not a pipeline's, or an override is wrong.
    """
    path = Path(path)
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {_with_line_and_column(error, text)}") from None
    lines = {place: line for place, line in _find_lines(text) if _exists(document, place)}
    for override in overrides:
        for place in _set(document, override):
            lines.pop(place, None)
    problems = [*_section_problems(path, document, lines)]
    if problems:
        raise ConfigError(problems)
    return Config(path, document, lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of a pipeline's TOML file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; give the path of a pipeline's TOML file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _with_line_and_column(error: tomllib.TOMLDecodeError, text: str) -> str:
    message = str(error)
    if "end of document" in message:
        lines = text.splitlines() or [""]
        return message.replace("end of document", f"end of the file, line {len(lines)}, column {len(lines[-1]) + 1}")
    return message


def _section_problems(path: Path, document: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> Iterator[str]:
    for name, value in document.items():
        place = Place(str(path), (name,), lines)
        if name not in SECTIONS:
            yield f"{place}: unknown section{did_you_mean(name, SECTIONS)}; sections: {listing(SECTIONS)}"
        elif isinstance(value, Mapping) or (
            name in SEVERAL and isinstance(value, list) and all(isinstance(v, Mapping) for v in value)
        ):
            continue
        elif isinstance(value, list):
            yield f"{place}: only one is possible; write [{name}] once, with single brackets"
        else:
            yield f"{place}: must be a table; write [{name}] and its keys below"


def _set(document: dict[str, Any], override: str) -> Iterator[KeyPath]:
    """Apply one ``--set`` and yield the places that it changed."""
    name, equals, value = override.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or len(keys) < 2 or not all(keys):
        raise ConfigError(f"--set {override}: write section.key=value, such as --set model.threshold=0.7")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raise ConfigError(
            f"--set {override}: {value!r} is not a TOML value; text needs quotes: --set '{name}=\"{value}\"'"
        ) from None
    target: Any = document
    path: KeyPath = ()
    for key in keys[:-1]:
        target, path = _step_into(target, key, path, override)
    last: str | int = _index(target, keys[-1], override) if isinstance(target, list) else keys[-1]
    target[last] = parsed
    yield (*path, last)


def _step_into(target: Any, key: str, path: KeyPath, override: str) -> tuple[Any, KeyPath]:
    if isinstance(target, list):
        index = _index(target, key, override)
        return target[index], (*path, index)
    inside = target.setdefault(key, {})
    if not isinstance(inside, dict | list):
        raise ConfigError(f"--set {override}: {_spell((*path, key))} is a value, not a table")
    return inside, (*path, key)


def _index(target: list[Any], key: str, override: str) -> int:
    if not (key.isascii() and key.isdigit() and int(key) < len(target)):
        raise ConfigError(f"--set {override}: {key!r} must be a number from 0 to {len(target) - 1}")
    return int(key)


def _spell(path: KeyPath) -> str:
    """``("modulators", 1, "max_ms")`` to ``[[modulators]] #2 max_ms``."""
    head = str(path[0])
    rest = list(path[1:])
    text = f"[{head}]"
    if rest and isinstance(rest[0], int):
        text = f"[[{head}]] #{rest.pop(0) + 1}"  # type: ignore[operator]
    return " ".join([text, ".".join(map(str, rest))]).rstrip()


_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\s\"']+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_\-\"'][A-Za-z0-9_.\-\"' ]*?)\s*=")


def _find_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Guess the line of every key; tomllib does not tell. Only places that exist in the document are kept."""
    table: KeyPath = ()
    seen: dict[KeyPath, int] = {}
    inside_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside_text:
            header = _HEADER.match(line)
            if header:
                table = _header_path(header, seen)
                yield table, number
            elif assignment := _ASSIGNMENT.match(line):
                yield (*table, *_split(assignment[1])), number
        inside_text ^= (line.count('"""') + line.count("'''")) % 2 == 1


def _header_path(header: re.Match[str], seen: dict[KeyPath, int]) -> KeyPath:
    path: KeyPath = ()
    parts = _split(header[2])
    for i, part in enumerate(parts):
        path = (*path, part)
        if header[1] == "[[" and i == len(parts) - 1:
            seen[path] = seen.get(path, -1) + 1
        if path in seen:
            path = (*path, seen[path])
    return path


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _exists(document: Any, path: KeyPath) -> bool:
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
