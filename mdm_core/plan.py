"""What a pipeline file asks for, built: the plan of a run."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import msgspec

from mdm_core._version import __version__
from mdm_core.building import Builder, Built, paths
from mdm_core.config import CHALLENGERS, Config, DurabilityOptions, ExecutionOptions, load_config
from mdm_core.options import jsonable
from mdm_core.pipeline import PipelineParts
from mdm_core.plugins import Registry
from mdm_core.rundir import now_text
from mdm_core.schema import SCHEMA_VERSION


@attrs.frozen
class Plan:
    """Everything that a pipeline file asks for, built and not yet opened.

    Attributes:
        config: The configuration.
        parts: Features, model and modulators.
        source: The data source.
        execution: How hard it is tried to carry an order out.
        durability: What is on the disk when.
        broker: The broker, or None: nothing is carried out.
        redactor: The redactor, or None for ``use = "none"``.
        sinks: The trace sinks.
        observers: The observers.
    """

    config: Config
    parts: PipelineParts
    source: Built
    execution: ExecutionOptions
    durability: DurabilityOptions
    broker: Built | None
    redactor: Built | None
    sinks: list[Built]
    observers: list[Built]

    @classmethod
    def from_config(cls, path: str | Path, overrides: Sequence[str] = ()) -> Plan:
        """Read a pipeline file and build what it asks for.

        Args:
            path: The TOML file.
            overrides: ``section.key=value`` each, the value in TOML.

        Raises:
            ConfigError: All that is wrong with the file, each problem with its place.
        """
        config = load_config(path, overrides)
        builder = Builder(config, Registry())
        parts = PipelineParts.build(builder)
        source = builder.one_of("source")
        broker = builder.one_of("broker") if config.table("broker") else None
        plan = cls(
            config,
            parts,
            cast(Built, source),
            builder.options(ExecutionOptions, "execution"),
            builder.options(DurabilityOptions, "durability"),
            broker,
            _redactor(builder),
            builder.all_of("trace"),
            builder.all_of("observers"),
        )
        builder.finish()
        return plan

    def built(self) -> Iterator[tuple[str, Built]]:
        """All components with their sections, in the order in which an event meets them."""
        yield "source", self.source
        yield from (("features", b) for b in self.parts.features)
        yield "model", self.parts.model
        yield from (("modulators", b) for b in self.parts.modulators)
        yield from ((section, b) for section, arm in self.parts.challengers() for b in arm.built())
        if self.broker is not None:
            yield "broker", self.broker
        if self.redactor is not None:
            yield "redaction", self.redactor
        yield from (("trace", b) for b in self.sinks)
        yield from (("observers", b) for b in self.observers)

    def resolved(self) -> dict[str, Any]:
        """The configuration with all defaults filled in and no secret in it."""
        document: dict[str, Any] = {"pipeline": attrs.asdict(self.parts.options)}
        for section, built in self.built():
            if section in CHALLENGERS:
                continue
            if isinstance(self.config.document.get(section), list):
                document.setdefault(section, []).append(built.resolved)
            else:
                document[section] = built.resolved
        if self.broker is not None:
            document["execution"] = attrs.asdict(self.execution)
        document["durability"] = attrs.asdict(self.durability)
        if self.parts.canary is not None:
            document["canary"] = self.parts.canary.resolved()
        if self.parts.shadows:
            document["shadow"] = [shadow.resolved() for shadow in self.parts.shadows]
        if self.redactor is None:
            document["redaction"] = {"use": "none"}
        return document

    def distributions(self) -> dict[str, str]:
        """The distributions that take part, with their versions."""
        found = {"mdm-core": __version__, "decision-schema": SCHEMA_VERSION}
        for _, built in self.built():
            found |= {plugin.distribution: plugin.version for plugin in built.plugins}
        return dict(sorted(found.items()))

    def run_json(self, run_id: str) -> dict[str, Any]:
        """What ``run.json`` holds: enough to repeat the run.

        Args:
            run_id: Id of the run.
        """
        resolved = self.resolved()
        return {
            "run_id": run_id,
            "started_at": now_text(),
            "pipeline": str(self.config.path),
            "base_dir": str(self.config.path.parent.absolute()),
            "config": resolved,
            "config_sha256": hashlib.sha256(msgspec.json.encode(resolved, order="sorted")).hexdigest(),
            "distributions": self.distributions(),
            "files": self._file_hashes(),
            "schema_version": SCHEMA_VERSION,
            "python": platform.python_version(),
            "seed": self.parts.options.seed,
        }

    def _file_hashes(self) -> dict[str, str]:
        base = self.config.path.parent
        found = [path for _, built in self.built() for path in built.files]
        found += [path for _, arm in self.parts.challengers() for path in arm.files]
        hashes = {str(path): _sha256(base / path) for path in found if (base / path).is_file()}
        private = [p for _, built in self.built() for p in built.private]
        hidden = {component_id: _private_hash(base, values) for component_id, values in private}
        return hashes | {component_id: digest for component_id, digest in hidden.items() if digest is not None}


def _redactor(builder: Builder) -> Built | None:
    table = builder.config.table("redaction")
    if table is None:
        builder.problems.append(
            f"{builder.config.path}: section [redaction] is missing, and a run writes; add [redaction] with "
            f'use = "redaction.keys", or use = "none" to write everything as it is'
        )
        return None
    if table.values.get("use") != "none":
        return builder.one_of("redaction")
    builder.problems.extend(
        f'{table.place.child(name)}: use = "none" has no options; take it away, or use = "redaction.keys"'
        for name in table.values
        if name != "use"
    )
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _private_hash(base: Path, values: Mapping[str, Any]) -> str | None:
    """One hash of everything that must not be shown.

    Without the contents of a file in it, short values could be found by trying, so then there is none.
    """
    files = [base / path for path in paths(values.values()) if (base / path).is_file()]
    if not files:
        return None
    digest = hashlib.sha256(msgspec.json.encode(jsonable(values), order="sorted"))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
