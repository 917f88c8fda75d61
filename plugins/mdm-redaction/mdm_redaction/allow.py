"""The component ``redaction.allow``: for those who need certainty. What is not listed is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs
from mdm_core import Redactor, option

from mdm_redaction.marks import MASK, MODES, Mark, marking
from mdm_redaction.walk import MAX_DEPTH, Shape, marked, pairs, shape_of

_Path: TypeAlias = tuple[str, ...]
_Paths: TypeAlias = tuple[_Path, ...]

_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}[0-9]{0,3}")
_PACKET = frozenset(
    ("run_id", "step", "input", "external", "mdm", "final_action", "latency_ms", "mismatch", "schema_version")
)
_OF_PACKETS = (
    *("run_id", "step", "latency_ms", "schema_version", "external.run_id", "external.now_ms", "external.exec"),
    *("mdm.action", "mdm.confidence", "final_action.action", "final_action.allowed"),
    *("mismatch.flags", "mismatch.reason_codes"),
    *(f"external.mdm.{name}" for name in ("latency_us", "feedback_seq", "fail_closed", "arm", "redaction_failed")),
    *(f"external.mdm.{name}" for name in ("propensity_proposed", "propensity_taken", "propensities")),
    # Not its reasons and parameters, as little as those of the decision itself.
    *(f"external.mdm.shadow.*.{name}" for name in ("proposed", "confidence", "action", "allowed", "flags")),
    *(f"external.mdm.shadow.*.{name}" for name in ("fail_closed", "skipped")),
)
_AUDIT = frozenset(("event", "at", "run_id"))
_OF_AUDIT = (
    *("event", "at", "run_id", "step", "stage", "component", "error", "place", "reason_code"),
    *("proposed", "flags", "reason_codes"),
)
_RUN = frozenset(("run_id", "config", "config_sha256"))


def _path(text: str) -> _Path:
    return tuple(text.split("."))


def _each_a_path(paths: list[str]) -> None:
    for path in paths:
        if not all(_path(path)):
            raise ValueError(f"{path!r} is no path; write names with dots between them, such as 'input.amount'")


@attrs.define
class AllowRedactor(Redactor):
    """Lets pass what stands under the listed paths, and what core itself says of a run; hides everything else."""

    paths: list[str] = option(
        check=_each_a_path, help="what passes, with all that it holds: 'input.amount'; * stands for any one name"
    )
    mode: str = option("mask", choices=MODES, help="put [REDACTED] in the place of the rest, leave it out, or a token")
    token_key: str | None = option(None, secret=True, help="key of the tokens, at least 16 random characters")
    _mark: Mark = attrs.field(init=False, repr=False, eq=False)
    _listed: _Paths = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._mark = marking(self, self.mode, self.token_key)
        self._listed = tuple(map(_path, self.paths))

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what is not listed.

        Args:
            data: A mapping, not changed.

        Returns:
            A mapping of the same shape. In the place of each value that is not listed stands a mark, and in the place
            of each key that is not listed and does not read as a name; in mode ``drop`` neither is left. ``None``
            stays, for there is nothing in it.
        """
        try:
            walk = _Walk(self._mark, drop=self.mode == "drop")
            redacted: Mapping[str, Any] = walk.clean(data, self._listed + _own(data), 0)
        except Exception:
            return {"redaction": MASK}
        return redacted


def _own(data: Mapping[str, Any]) -> _Paths:
    """What core itself says in a packet, an audit event or a run's description."""
    keys = data.keys()
    if keys == _PACKET:
        return tuple(map(_path, _OF_PACKETS))
    if keys >= _RUN:
        return tuple((str(key),) for key in keys)
    return tuple(map(_path, _OF_AUDIT)) if keys >= _AUDIT else ()


_LEFT_OUT = object()


class _Walk:
    def __init__(self, mark: Mark, drop: bool) -> None:
        self._mark = mark
        self._drop = drop
        # What becomes of a container depends on where it stands. It is kept so that no id is used twice.
        self._seen: dict[tuple[int, _Paths], tuple[Any, Any]] = {}

    def clean(self, value: Any, passing: _Paths, depth: int) -> Any:
        if () in passing or (value is None and not self._drop):
            return value
        shape = shape_of(value.__class__)
        if shape is Shape.LEAF or depth >= MAX_DEPTH:
            return _LEFT_OUT if self._drop else marked(value if shape is Shape.LEAF else None, self._mark)
        place = (id(value), passing)
        if place not in self._seen:
            self._seen[place] = (value, _LEFT_OUT if self._drop else MASK)
            made = self._items if shape is Shape.ITEMS else self._fields
            self._seen[place] = (value, made(value, passing, depth + 1))
        return self._seen[place][1]

    def _items(self, value: Any, passing: _Paths, depth: int) -> list[Any]:
        items = (self.clean(item, passing, depth) for item in value)
        return [item for item in items if item is not _LEFT_OUT]

    def _fields(self, value: Any, passing: _Paths, depth: int) -> dict[Any, Any]:
        kept: dict[Any, Any] = {}
        for key, item in pairs(value):
            inside = _after(passing, key)
            new = self.clean(item, inside, depth)
            if new is not _LEFT_OUT and not (self._drop and not inside):
                kept[key if inside else self._name(key, kept)] = new
        return kept

    def _name(self, key: Any, taken: Mapping[Any, Any]) -> Any:
        if isinstance(key, str) and _NAME.fullmatch(key):
            return key
        new = name = marked(key, self._mark)
        while new in taken:
            new = f"{name}#{len(taken)}"
        return new


def _after(passing: _Paths, key: Any) -> _Paths:
    """What may pass of what stands under a key; a dotted key counts as so many names."""
    for name in str(key).split("."):
        if () in passing:
            break
        passing = tuple(path[1:] for path in passing if path[0] in (name, "*"))
    return passing
