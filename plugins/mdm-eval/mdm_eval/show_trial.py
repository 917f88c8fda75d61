"""How configurations were tried out, and what was changed, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mdm_eval.trying import Trial


class Changed(Protocol):
    """What tells of a configuration that is not that of the run."""

    @property
    def changed(self) -> Sequence[tuple[str, Any, Any]]:
        """Options that are not those of the run: where, before, now."""

    @property
    def not_known(self) -> Sequence[str]:
        """Options of which the run has recorded a mark, so that what is tried out may be another."""

    @property
    def files(self) -> Sequence[str]:
        """Files that have changed since the run."""

    @property
    def versions(self) -> Mapping[str, tuple[str, str | None]]:
        """Distributions of which another version is installed: what the run had, and what is there."""


def change_rows(found: Changed) -> Iterator[tuple[str, str]]:
    """Tell what was changed: each with a word in front.

    Args:
        found: What tells of it.
    """
    for where, old, new in found.changed:
        yield "changed", f"{where} was {old!r} and is {new!r}"
    for where in found.not_known:
        yield "not known", f"{where}, of which the run has recorded a mark; what is there now may be another"
    for path in found.files:
        yield "changed", f"the file {path}"
    for name, (before, now) in found.versions.items():
        yield "other version", f"{name} was {before} and is {now or 'not installed'}"


def trial_rows(trial: Trial) -> Iterator[tuple[str, str]]:
    """Tell what decisions were made from, and how far that can be relied on.

    Args:
        trial: How it was tried out.
    """
    yield "decided from", trial.events + (f" (the source: {trial.source})" if trial.source else "")
    if trial.left_out:
        yield "left out", f"{trial.left_out:,} decisions, because what they were made from was redacted"
    if trial.reproduced is not None:
        missing = trial.decisions - trial.reproduced
        told = "all" if not missing else f"all but {missing:,}, so not every difference comes from the change"
        yield "without the change", f"{told} of the decisions are made just so again"
    if trial.ended:
        yield "ended early", trial.ended


def lines(rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Lay rows out.

    Args:
        rows: A word or two, and what is told.
    """
    return (f"  {name:<21}{value}" for name, value in rows)
