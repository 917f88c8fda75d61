"""Reading a pipeline file: TOML to tables, each of which knows its place in the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from mdm_core.errors import ConfigError
from mdm_core.kinds import BY_SECTION
from mdm_core.options import option
from mdm_core.toml_lines import find_lines
from mdm_core.wording import KeyPath, did_you_mean, listing, spelled, toml_key

SECTIONS = ("pipeline", "execution", "durability", *BY_SECTION)
CHALLENGERS = ("canary", "shadow")
SEVERAL = frozenset({"features", "modulators", "trace", "observers", "shadow"})
_ALL = (*SECTIONS, *CHALLENGERS)


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
    timeout_ms: int | None = option(None, ge=1, help="longest time for a whole decision, in milliseconds")
    switch_off_after: int = option(
        3,
        ge=1,
        help="time-outs, or deaths of its process, in a row after which a component of the decision is switched off",
    )
    switch_off_for: int = option(100, ge=1, help="number of decisions for which it is, all of which fail closed")
    max_features: int = option(10_000, ge=1, help="features, reasons or parameters of one decision at most")
    max_text: int = option(65_536, ge=1, help="characters of one feature, reason or parameter at most")
    group: int | None = option(
        None,
        ge=1,
        help="receipts are applied before the steps divisible by this; default 64, or 1 with the wall clock",
    )


@attrs.frozen
class CommonOptions:
    """What may stand in every component's table besides its own options."""

    timeout_ms: int | None = option(None, ge=1, help="longest time for one call of the component, in milliseconds")
    isolate: str | None = option(
        None, choices=["process"], help="'process' runs the component in a process of its own, which can be killed"
    )


@attrs.frozen
class CanaryOptions:
    """The table ``[canary]``: a share of the keys that another pipeline decides about."""

    share: float = option(ge=0, le=1, help="share of the keys that the canary decides about, always the same ones")
    salt: str = option("", help="another text chooses other keys")


def _check_shadow_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"must be lower-case letters, digits and '_', got {name!r}")


@attrs.frozen
class ShadowOptions:
    """A table ``[[shadow]]``: a challenger that sees every event and can do nothing."""

    name: str = option(check=_check_shadow_name, help="its name in packets: lower-case letters, digits and '_'")
    budget_us: int = option(
        1000, ge=1, help="microseconds that an event may take it on average; while it owes time it is skipped"
    )
    timeout_ms: int = option(
        1000, ge=1, help="longest time for one event; a challenger that takes longer is not asked any more"
    )


@attrs.frozen
class ExecutionOptions:
    """The table ``[execution]``: how hard it is tried to carry an order out."""

    attempts: int = option(3, ge=1, le=1000, help="how often a broker is asked at most, the first attempt included")
    backoff_ms: int = option(100, ge=0, help="wait before the second attempt; it doubles with every further one")
    backoff_max_ms: int = option(5000, ge=0, help="longest wait between two attempts")
    backoff_jitter_ms: int = option(100, ge=0, help="up to this much is added to every wait, by chance")
    attempt_timeout_ms: int | None = option(
        None, ge=1, help="longest time for one attempt; without it, a broker's own limits hold"
    )
    total_timeout_ms: int = option(
        30_000, ge=1, help="after this no attempt is begun, and an order that is still pending is given up"
    )
    max_in_flight: int = option(100, ge=1, help="number of pending orders from which on the next one has to wait")
    on_stop: str = option(
        "continue", choices=["continue", "exit"], help="whether the run ends when the action STOP was carried out"
    )


@attrs.frozen
class DurabilityOptions:
    """The table ``[durability]``: what is on the disk when."""

    mode: str = option(
        "group",
        choices=["strict", "group", "fast"],
        help="'strict': each decision that acts is on the disk by itself, before and after; 'group': the intents of a "
        "group together; 'fast': nothing is waited for, which survives the end of the process, not of the machine",
    )
    checkpoint_events: int = option(50_000, ge=1, help="events after which a checkpoint is due")
    checkpoint_seconds: float = option(60.0, gt=0, help="seconds after which a checkpoint is due, if an event has come")


@attrs.frozen
class Place:
    """Where something stands, for messages.

    Attributes:
        file: The file.
        path: Keys from the top of the document.
        origins: Key path to where it was read, such as ``pipeline.toml:7`` or ``--set``.
    """

    file: str
    path: KeyPath
    origins: Mapping[KeyPath, str] = attrs.field(factory=dict, repr=False)

    def child(self, *keys: str | int) -> Place:
        """The place of something inside."""
        return attrs.evolve(self, path=(*self.path, *keys))

    def __str__(self) -> str:
        return f"{self.origins.get(self.path, self.file)} {_spell(self.path)}"


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
        origins: Key path to where it was read.
    """

    path: Path
    document: Mapping[str, Any]
    origins: Mapping[KeyPath, str]

    def problems(self) -> Iterator[str]:
        """What is wrong with the sections themselves, one line each."""
        for name, value in self.document.items():
            problem = _section_problem(name, value)
            if name not in _ALL and not isinstance(value, Mapping | list):
                origin = self.origins.get((name,), self.path)
                yield f"{origin} {toml_key(name)}: stands above all sections; move it below the one it belongs to"
            elif problem:
                yield f"{self._place(name)}: {problem}"

    def tables(self, section: str) -> list[Table]:
        """The tables of a section, in order; a single table counts as one, a section that is no table as none.

        Args:
            section: Such as ``modulators``.
        """
        value = self.document.get(section)
        place = self._place(section)
        if isinstance(value, Mapping):
            return [Table(value, place)]
        if isinstance(value, list) and _section_problem(section, value) is None:
            return [Table(table, place.child(i)) for i, table in enumerate(value)]
        return []

    def table(self, section: str) -> Table | None:
        """The only table of a section, or None."""
        return next(iter(self.tables(section)), None)

    def _place(self, section: str) -> Place:
        return Place(str(self.path), (section,), self.origins)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a pipeline file.

    Args:
        path: The file.
        overrides: ``section.key=value`` each, the value in TOML; items of a list are numbered from 1.

    Returns:
        The configuration; whether its sections make sense is not checked yet.

    Raises:
        ConfigError: The file cannot be read or is not TOML, or an override is wrong.
    """
    path = Path(path)
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML{_what_is_wrong(error, text)}") from None
    origins = {place: f"{path}:{line}" for place, line in find_lines(text).items()}
    for override in overrides:
        override_in(document, origins, override)
    return Config(path, document, origins)


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
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}; give the path of a pipeline's TOML file"
        ) from None


_WHERE = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_TUPLE = re.compile(r"\('([^()]*?)',?\)")


def _what_is_wrong(error: tomllib.TOMLDecodeError, text: str) -> str:
    message = str(error)
    where = _WHERE.search(message)
    place = where[1] if where else "end of document"
    if place == "end of document":
        lines = text.split("\n")
        place = f"line {len(lines)}, column {len(lines[-1]) + 1} (end of the file)"
    what = _WHERE.sub("", message)
    # tomllib names a table by the tuple of its keys.
    what = _TUPLE.sub(lambda keys: f"[{keys[1].replace(chr(39) + ', ' + chr(39), '.')}]", what)
    hint = "; text needs quotes" if what == "Invalid value" and not place.endswith("(end of the file)") else ""
    return f" at {place}: {what[:1].lower()}{what[1:]}{hint}"


def _section_problem(name: str, value: Any) -> str | None:
    if name not in _ALL:
        return f"unknown section{did_you_mean(name, _ALL)}; sections: {listing(_ALL)}"
    tables = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
    if isinstance(value, Mapping) or (tables and name in SEVERAL):
        return None
    if tables:
        return f"only one is possible; write [{name}] once, with single brackets"
    return f"must be a table; write [{name}] and its keys below"


def override_in(document: dict[str, Any], origins: dict[KeyPath, str], override: str) -> None:
    """Apply one ``--set``, in place. Its value is in no message, for it may be a secret.

    Args:
        document: The whole document.
        origins: Key path to where it was read.
        override: ``section.key=value``, the value in TOML; items of a list are numbered from 1.

    Raises:
        ConfigError: It is no override, or there is no such place.
    """
    name, equals, value = override.partition("=")
    keys = _keys(name)
    if not equals or len(keys) < 2:
        raise ConfigError(f"--set {name}: write section.key=value, such as --set model.threshold=0.7")
    target: Any = document
    path: KeyPath = ()
    for key in keys[:-1]:
        step = _step(target, key, path, name)
        if isinstance(target, dict) and key not in target:
            target[key] = {}
            origins[(*path, key)] = "--set"
        target, path = target[step], (*path, step)
    last = _step(target, keys[-1], path, name)
    target[last] = _parsed(name, value)
    for place in [p for p in origins if p[: len(path) + 1] == (*path, last)]:
        del origins[place]
    origins.update(dict.fromkeys(_places((*path, last), target[last]), "--set"))


def _keys(name: str) -> list[str]:
    """Split a dotted key as TOML does, quoted parts included."""
    try:
        inside = tomllib.loads(f"{name} = 0")
    except tomllib.TOMLDecodeError:
        return []
    keys = []
    while isinstance(inside, dict) and len(inside) == 1:
        [(key, inside)] = inside.items()
        keys.append(key)
    return keys


def _parsed(name: str, value: str) -> Any:
    try:
        document = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        document = {}
    if set(document) != {"value"}:
        raise ConfigError(f"--set {name}: the value is not TOML; text needs quotes: --set '{name}=\"…\"'")
    return document["value"]


def _step(target: Any, key: str, path: KeyPath, name: str) -> str | int:
    if isinstance(target, dict):
        return key
    if not isinstance(target, list):
        raise ConfigError(f"--set {name}: {_spell(path)} is a value and holds no keys; set it as a whole")
    if not (key.isascii() and key.isdigit() and 1 <= int(key) <= len(target)):
        raise ConfigError(f"--set {name}: {_spell(path)} has {len(target)} items, numbered from 1; there is no {key!r}")
    return int(key) - 1


def _places(path: KeyPath, value: Any) -> Iterator[KeyPath]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places((*path, key), inner)


def _spell(path: KeyPath) -> str:
    """``("modulators", 1, "max_ms")`` to ``[[modulators]] #2 max_ms``."""
    section, *rest = path
    if rest and isinstance(rest[0], int):
        return f"[[{section}]] {spelled(tuple(rest))}"
    return f"[{section}] {spelled(tuple(rest))}".rstrip()
