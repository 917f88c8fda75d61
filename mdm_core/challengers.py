"""The tables that say what else decides, `canary` and `shadow`: in stages of their own, or those of another file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from mdm_core.building import Builder, Built
from mdm_core.config import CHALLENGERS, PipelineOptions, Table, load_config
from mdm_core.errors import ConfigError
from mdm_core.wording import listing

STAGES = ("features", "model", "modulators")
_MUST_AGREE = ("key", "timestamp", "timestamp_unit", "id", "outcome", "clock", "seed")


@attrs.frozen
class ArmParts:
    """Features, model and modulators that another arm decides by, built and not opened.

    Attributes:
        features: The feature extractors; none if it goes by those of the pipeline.
        model: The model; None if the table names none.
        modulators: The modulators.
        said: The stages that the table says something about; of modulators it may say that there are none.
        files: The pipeline file that they were read from, relative to the directory of this one; or none.
    """

    features: Sequence[Built]
    model: Built | None
    modulators: Sequence[Built]
    said: frozenset[str]
    files: tuple[Path, ...] = ()

    @classmethod
    def build(
        cls, builder: Builder, table: Table, options: PipelineOptions | None, needed: Collection[str] = ()
    ) -> ArmParts:
        """Build them; problems are left in the builder.

        Args:
            builder: The builder of the configuration.
            table: The table, with the stages in it, or ``pipeline`` in their place.
            options: The table ``[pipeline]`` of the configuration; None if there is something wrong with it.
            needed: The stages that must not be missing.
        """
        if "pipeline" in table.values:
            return _from_file(builder, table, options, needed)
        features, model, modulators = (builder.inside(table, stage) for stage in STAGES)
        if len(model) > 1:
            builder.problem(table.place.child("model"), "only one is possible")
        for stage in needed:
            if not table.values.get(stage):
                name = table.place.path[0]
                missing = f'table {stage!r} is missing; add [{name}.{stage}] with use = "…", or pipeline = "other.toml"'
                builder.problem(table.place, missing)
        said = frozenset(s for s in STAGES if table.values.get(s) or (s == "modulators" and s in table.values))
        return cls(features, next(iter(model), None), modulators, said)

    def built(self) -> Iterator[Built]:
        """All components."""
        yield from self.features
        yield from [] if self.model is None else [self.model]
        yield from self.modulators

    def resolved(self) -> dict[str, Any]:
        """The stages with all defaults filled in and no secret in them, as they may stand in the table."""
        tables = [built.resolved for built in self.features]
        features = {"features": tables[0] if len(tables) == 1 else tables} if tables else {}
        model = {} if self.model is None else {"model": self.model.resolved}
        return {**features, **model, "modulators": [built.resolved for built in self.modulators]}


def _from_file(builder: Builder, table: Table, options: PipelineOptions | None, needed: Collection[str]) -> ArmParts:
    nothing = ArmParts([], None, [], frozenset())
    place, name = table.place.child("pipeline"), table.values["pipeline"]
    both = [stage for stage in STAGES if stage in table.values]
    if both:
        builder.problem(place, f"stands beside {listing(both)}; take the one or the other away")
        return nothing
    folder = builder.config.path.parent
    # Relative paths in it are relative to that directory, too.
    if not isinstance(name, str) or "\0" in name or (folder / name).parent.resolve() != folder.resolve():
        builder.problem(place, "must be the name of a pipeline file in the directory of this one; move it there")
        return nothing
    try:
        other = Builder(load_config(folder / name), builder.registry)
    except ConfigError as error:
        builder.problems += [f"{place}: {problem}" for problem in error.problems]
        return nothing
    _check_agreement(other, options)
    said = frozenset(stage for stage in STAGES if other.config.tables(stage))
    for stage in needed:
        if stage not in said:
            other.one_of(stage)
    features, model, modulators = (other.all_of(stage) for stage in STAGES)
    builder.problems += other.problems
    # Guards are the file's own, also if it has none.
    return ArmParts(features, next(iter(model), None), modulators, said | {"modulators"}, (Path(name),))


def _check_agreement(other: Builder, options: PipelineOptions | None) -> None:
    """Events are admitted once, so what another file says of that must be what this one says, or nothing."""
    for name in CHALLENGERS:
        for table in other.config.tables(name):
            other.problem(table.place, "belongs to the pipeline file that names this one; move it there")
    said = other.config.table("pipeline")
    for name in _MUST_AGREE if said is not None and options is not None else ():
        assert said is not None
        if name in said.values and said.values[name] != getattr(options, name):
            here = said.place.child(name)
            wanted = getattr(options, name)
            other.problem(here, f"must be {wanted!r}, as in the pipeline that names this file, or be left out")
