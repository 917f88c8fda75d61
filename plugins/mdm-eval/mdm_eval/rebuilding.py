"""Building again what a run decided with: features, model and modulators, and never a broker, a sink or an observer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
import msgspec
from mdm_core import FeatureExtractor, PastRun, Pipeline, Redactor, UsageError
from mdm_core import __version__ as core_version
from mdm_core.building import PRIVATE, Builder, Built
from mdm_core.canary import CANARY, MAIN
from mdm_core.config import Config, PipelineOptions, load_config, override_in
from mdm_core.lifecycle import is_isolated, with_children
from mdm_core.pipeline import PipelineParts
from mdm_core.plugins import Registry
from mdm_core.schema import SCHEMA_VERSION
from mdm_core.wording import KeyPath, spelled, toml_key

from mdm_eval.marks import is_marked

DECIDING = ("pipeline", "features", "model", "modulators", "canary")
_CONTRACTS = {"mdm-core": core_version, "decision-schema": SCHEMA_VERSION}
_GROUP = 64

Instead: TypeAlias = FeatureExtractor | Mapping[str, FeatureExtractor]
"""What takes the place of feature extractors: the same in all arms, or one for each arm by its name."""


@attrs.frozen
class Rebuilt:
    """The deciding part of a configuration, built and not opened.

    Attributes:
        config: The configuration.
        base_dir: Relative paths in options are relative to it.
        parts: Features, model and modulators.
        has_broker: Whether the configuration names a broker, which is not built.
    """

    config: Config
    base_dir: Path
    parts: PipelineParts
    has_broker: bool

    @classmethod
    def of(cls, config: Config, base_dir: Path) -> Rebuilt:
        """Build it.

        Args:
            config: The configuration.
            base_dir: Relative paths in options are relative to it.

        Raises:
            ConfigError: All that is wrong with it, each problem with its place.
        """
        # Shadows have no part in what is decided.
        deciding = {name: table for name, table in config.document.items() if name != "shadow"}
        builder = Builder(attrs.evolve(config, document=deciding), Registry())
        parts = PipelineParts.build(builder)
        builder.finish()
        return cls(config, base_dir, parts, bool(config.table("broker")))

    @property
    def options(self) -> PipelineOptions:
        """The table ``[pipeline]``."""
        return self.parts.options

    @property
    def group(self) -> int:
        """Receipts are learned of before the steps that are divisible by this."""
        return self.options.group or (1 if self.options.clock == "wall" else _GROUP)

    @property
    def extractors(self) -> dict[str, list[FeatureExtractor]]:
        """The feature extractors of each arm: ``main``, and ``canary`` if there is one."""
        canary = self.parts.canary
        arms = {MAIN: self.parts.features} | ({} if canary is None else {CANARY: list(canary.arm.features)})
        return {arm: [cast(FeatureExtractor, b.component) for b in features] for arm, features in arms.items()}

    @property
    def feature_files(self) -> set[str]:
        """The files that the feature extractors read, as they are written in the configuration."""
        return {str(path) for built in self._all_features() for path in built.files}

    def _all_features(self) -> list[Built]:
        canary = self.parts.canary
        return [*self.parts.features, *(() if canary is None else canary.arm.features)]

    @property
    def learns_features(self) -> bool:
        """Whether a feature extractor learns from what was decided, so that its features depend on the model."""
        parts = (part for built in self._all_features() for part in with_children(built.component))
        return any(type(part).observe is not FeatureExtractor.observe for part in parts)

    @property
    def limited(self) -> bool:
        """Whether a component of it has a time limit or a process that may die, or the decision as a whole a limit."""
        built = [*self.parts.features, self.parts.model, *self.parts.modulators]
        built += [b for _, arm in self.parts.challengers() for b in arm.built()]
        parts = (part for b in built for part in with_children(b.component))
        return self.options.timeout_ms is not None or any(
            part.timeout_ms is not None or is_isolated(part) for part in parts
        )

    def what_makes_features(self) -> dict[str, Any]:
        """All that features depend on, besides events."""
        of_pipeline = ("key", "timestamp", "timestamp_unit", "id", "outcome", "clock", "seed")
        return {
            "pipeline": {name: getattr(self.options, name) for name in of_pipeline},
            "features": self.resolved()["features"],
            "base_dir": str(self.base_dir.absolute()),
        }

    @property
    def admission(self) -> list[str]:
        """Dotted paths of what an event needs to be decided about: key, time and id."""
        return [path for path in (self.options.key, self.options.timestamp, self.options.id) if path is not None]

    def pipeline(self, run_id: str, features: Instead | None = None) -> Pipeline:
        """Open a pipeline of it; once only, for the components are opened.

        Args:
            run_id: Id of the run, which contexts carry.
            features: What takes the place of the feature extractors, in all arms or in each.

        Raises:
            ConfigError: A component cannot work here.
        """
        parts = self.parts if features is None else self._with(features)
        return parts.pipeline(self.base_dir, run_id)

    def _with(self, features: Instead) -> PipelineParts:
        if isinstance(features, FeatureExtractor):
            return self.parts.with_features(features)
        parts = self.parts.with_features(features[MAIN])
        if parts.canary is None:
            return parts
        own = [attrs.evolve(built, component=features[CANARY]) for built in parts.canary.arm.features]
        return attrs.evolve(parts, canary=attrs.evolve(parts.canary, arm=attrs.evolve(parts.canary.arm, features=own)))

    def resolved(self) -> dict[str, Any]:
        """The deciding sections with all defaults filled in."""
        return {
            "pipeline": attrs.asdict(self.options),
            "features": [built.resolved for built in self.parts.features],
            "model": self.parts.model.resolved,
            "modulators": [built.resolved for built in self.parts.modulators],
            **({} if self.parts.canary is None else {"canary": self.parts.canary.resolved()}),
        }

    def files(self) -> dict[str, str]:
        """The files that the deciding part reads: path as it is written, and SHA-256."""
        built = [*self.parts.features, self.parts.model, *self.parts.modulators]
        built += [b for _, arm in self.parts.challengers() for b in arm.built()]
        paths = {path for b in built for path in b.files}
        return {str(path): _sha256(self.base_dir / path) for path in sorted(paths) if (self.base_dir / path).is_file()}


def recorded_config(past: PastRun) -> Config:
    """The configuration that a run has recorded.

    Args:
        past: The run.
    """
    return Config(past.directory / "run.json", deepcopy(dict(past.run["config"])), {})


def base_dir_of(past: PastRun) -> Path:
    """The directory that relative paths of the run's options are relative to.

    Args:
        past: The run.
    """
    recorded = Path(str(past.run.get("base_dir", "")))
    if recorded.is_absolute() and recorded.is_dir():
        return recorded
    return Path(str(past.run.get("pipeline", ""))).parent


def rebuild(past: PastRun, config: Path | None = None, overrides: Sequence[str] = ()) -> Rebuilt:
    """Build what a run decided with, or what it is to be compared with.

    Args:
        past: The run.
        config: A pipeline file that takes the place of what the run has recorded.
        overrides: ``section.key=value`` each, the value in TOML.

    Raises:
        ConfigError: All that is wrong with the configuration.
        UsageError: The run has not recorded enough to build it again.
    """
    if config is not None:
        return Rebuilt.of(load_config(config, overrides), config.parent)
    recorded = recorded_config(past)
    document, origins = dict(recorded.document), dict(recorded.origins)
    for override in overrides:
        override_in(document, origins, override)
    hidden = [*hidden_options({name: document.get(name) for name in DECIDING})]
    if hidden:
        raise UsageError(
            f"run {past.directory.name!r} has not recorded {', '.join(map(spelled, hidden))}, which is private or was "
            f"redacted; give the pipeline file: --config PIPELINE.toml, or the value: "
            f"--set {_override(hidden[0])}=VALUE"
        )
    base_dir = base_dir_of(past)
    if not base_dir.is_dir():
        raise UsageError(
            f"{base_dir}: is not there, and relative paths of run {past.directory.name!r} go by it; work in the "
            f"directory in which the run was started, or give --config PIPELINE.toml"
        )
    return Rebuilt.of(Config(recorded.path, document, origins), base_dir)


def hidden_options(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Find the options that were recorded as a mark.

    Args:
        value: A part of a recorded configuration.
        path: Where it stands.

    Yields:
        Where each stands, such as ``("model", "layers")``.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from hidden_options(inner, (*path, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from hidden_options(inner, (*path, number))
    elif value == PRIVATE or is_marked(value):
        yield path


def not_known(past: PastRun, now: Rebuilt) -> list[str]:
    """List the options of the deciding part of which nobody can say whether they are those of the run.

    The run has recorded a mark in their place. If the hash of its configuration comes out with what is there now, they
    are those of the run.

    Args:
        past: The run.
        now: What is to be compared with it.
    """
    config, there = deepcopy(dict(past.run["config"])), now.resolved()
    for name in ("features", "modulators"):
        if isinstance(config.get(name), Mapping):
            there[name] = there[name][0] if len(there[name]) == 1 else {}
    hidden = [path for path in hidden_options(config) if _at(config, path) != PRIVATE]
    for path in hidden:
        _at(config, path[:-1])[path[-1]] = _at(there, path)  # None elsewhere, as of a secret that is not used
    same = hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest() == past.run.get("config_sha256")
    return [] if same else [spelled(path) for path in hidden if path[0] in DECIDING]


def _at(value: Any, path: KeyPath) -> Any:
    """What stands somewhere in a configuration; None if nothing does."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _override(path: KeyPath) -> str:
    """How ``--set`` writes a path."""
    return ".".join(str(key + 1) if isinstance(key, int) else toml_key(key) for key in path)


def redactor_of(past: PastRun) -> Built | None:
    """Build the run's redactor, not opened; None if everything was written as it is.

    Args:
        past: The run.

    Raises:
        ConfigError: It cannot be built.
        UsageError: What it hides was hidden by it.
    """
    config = recorded_config(past)
    table = config.table("redaction")
    if table is None or table.values.get("use") == "none":
        return None
    hidden = [*hidden_options({"redaction": table.values})]
    if hidden:
        raise UsageError(
            f"run {past.directory.name!r} has not recorded {', '.join(map(spelled, hidden))}: the redactor has hidden "
            f"its own options in run.json, so nobody can tell what it has hidden in packets; start a new run that does "
            f"not hide them"
        )
    builder = Builder(config, Registry())
    built = builder.one_of("redaction")
    builder.finish()
    assert built is not None
    assert isinstance(built.component, Redactor)
    return built


def source_of(past: PastRun) -> Built:
    """Build the run's source, not opened.

    Args:
        past: The run.

    Raises:
        ConfigError: It cannot be built.
    """
    builder = Builder(recorded_config(past), Registry())
    built = builder.one_of("source")
    builder.finish()
    return cast(Built, built)


def changed_versions(past: PastRun) -> dict[str, tuple[str, str | None]]:
    """Compare what is installed with what the run was made with.

    Args:
        past: The run.

    Returns:
        Distribution to the version that the run had and the one that is installed, None if there is none; only those
        that differ.
    """
    before: Mapping[str, str] = past.run.get("distributions", {})
    now = {name: _installed(name) for name in before}
    return {name: (old, now[name]) for name, old in before.items() if now[name] != old}


def changes(before: Any, now: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """List what differs between two configurations, or parts of them.

    Args:
        before: The one.
        now: The other.
        path: Where they stand.

    Yields:
        Where, and both values; None for what is not there.
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from changes(before.get(key), now.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from changes(old, new, (*path, number))
    elif before != now and not is_marked(before) and before != PRIVATE:
        yield spelled(path), before, now


def changed_options(past: PastRun, now: Rebuilt) -> list[tuple[str, Any, Any]]:
    """List the options of the deciding part that are not those of the run.

    Args:
        past: The run.
        now: What is to be compared with it.
    """
    recorded = {name: past.run["config"].get(name) for name in DECIDING}
    for name in ("features", "modulators"):
        tables = recorded[name]
        recorded[name] = [] if tables is None else [tables] if isinstance(tables, Mapping) else tables
    return list(changes(recorded, now.resolved()))


def changed_files(past: PastRun, now: Rebuilt) -> list[str]:
    """List the files that have changed since the run read them.

    Args:
        past: The run.
        now: What reads them now.
    """
    before: Mapping[str, str] = past.run.get("files", {})
    return [path for path, sha256 in now.files().items() if before.get(path, sha256) != sha256]


def refuse_other_versions(past: PastRun) -> None:
    """Refuse to go on where something else is installed than the run was made with.

    Args:
        past: The run.

    Raises:
        UsageError: What differs.
    """
    differing = changed_versions(past)
    if differing:
        raise UsageError(
            f"run {past.directory.name!r} was made with {_list(differing, 0)}, and there is {_list(differing, 1)}; "
            f"install what it was made with, or allow it with --allow-versions"
        )


def _list(versions: Mapping[str, tuple[str, str | None]], which: int) -> str:
    return ", ".join(f"{name} {pair[which] or 'missing'}" for name, pair in versions.items())


def _installed(distribution: str) -> str | None:
    if distribution in _CONTRACTS:
        return _CONTRACTS[distribution]
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
