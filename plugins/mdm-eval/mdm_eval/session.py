"""What is open while a run is decided about again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import cast

import attrs
from mdm_core import DataSource, PastRun, Redactor, UsageError
from mdm_core.contracts import Component
from mdm_core.lifecycle import close_all, open_all, with_children
from mdm_core.redacting import Redaction
from mdm_core.values import Build

from mdm_eval.again import Again
from mdm_eval.comparing import Packet
from mdm_eval.extracting import Confirmed, Given
from mdm_eval.facts import StreamedInputs
from mdm_eval.feeding import Fed, Unrecorded, from_source, from_trace, open_source
from mdm_eval.marks import marked_paths
from mdm_eval.packets import packets_of
from mdm_eval.rebuilding import (
    Instead,
    Rebuilt,
    base_dir_of,
    changed_files,
    changed_options,
    not_known,
    rebuild,
    redactor_of,
)

_STAGE_OF = {"features": "features", "model": "model", "modulators": "modulator"}
_NO_MATTER = ("group", "timeout_ms", "switch_off_after", "switch_off_for", "max_features", "max_text")


@attrs.frozen
class Wanted:
    """A configuration by which a run is to be decided about again.

    Attributes:
        config: A pipeline file in place of what the run has recorded, or None.
        overrides: ``section.key=value`` each.
    """

    config: Path | None = None
    overrides: tuple[str, ...] = ()

    def rebuild(self, past: PastRun) -> Rebuilt:
        """Build its deciding part anew.

        Args:
            past: The run.

        Raises:
            ConfigError: All that is wrong with it.
            UsageError: The run has not recorded enough.
        """
        return rebuild(past, self.config, self.overrides)


class Session:
    """Opens what is needed to decide about a run again, and closes it; a broker is not among it.

    Args:
        past: The run.

    Raises:
        ConfigError: The run's redactor cannot be built or opened.
    """

    def __init__(self, past: PastRun) -> None:
        self.past = past
        self.run_id = str(past.run["run_id"])
        self.given = Given()
        self._opened: list[Component] = []
        self._engines: list[Again] = []
        built = redactor_of(past)
        redactor = None if built is None else cast(Redactor, built.component)
        if redactor is not None:
            open_all(with_children(redactor), Build(base_dir=base_dir_of(past), run_id=self.run_id), self._opened)
        self.redaction = Redaction(redactor)
        self.inputs = StreamedInputs(past.directory)
        self._tells_what_it_hides = redactor is None or callable(getattr(redactor, "hides", None))

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_all(self._opened)
        for engine in self._engines:
            engine.pipeline.close()
        self.inputs.close()

    def engine(self, rebuilt: Rebuilt, features: Instead | None = None) -> Again:
        """Open a pipeline that decides again.

        Args:
            rebuilt: Its configuration.
            features: What takes the place of its feature extractors, in all arms or in each.

        Raises:
            ConfigError: A component cannot work here.
        """
        engine = Again(
            rebuilt.pipeline(self.run_id, features),
            self.inputs,
            self.run_id,
            redact=self.redaction.mapping,
            group=rebuilt.group,
            answered="broker" in self.past.run["config"],
            answers=rebuilt.has_broker,
            unlike=unlike_stages(self.past, rebuilt),
        )
        self._engines.append(engine)
        return engine

    def confirmed(self, rebuilt: Rebuilt) -> dict[str, Confirmed]:
        """Make for each arm an extractor that holds what is computed against what was recorded.

        Args:
            rebuilt: Whose extractors.
        """
        return {arm: Confirmed(own, self.redaction.mapping) for arm, own in rebuilt.extractors.items()}

    def from_source(self) -> Iterator[Fed]:
        """Give the events as the source gives them again; an engine must be open.

        Raises:
            NoSource: The source is not there, or is no longer what the run has read.
        """
        build = self._engines[0].pipeline.build
        source: DataSource = open_source(self.past, build, self._opened)
        outcome = self.past.run["config"]["pipeline"].get("outcome")
        return from_source(self.past, source, packets_of(self.past), outcome, self.redaction)

    def from_trace(self, position: Unrecorded) -> Iterator[Fed]:
        """Give the events that the trace holds.

        Args:
            position: Stands for their positions.
        """
        return from_trace(packets_of(self.past), position)

    def check_whole(self, packet: Packet) -> None:
        """Make sure that a recorded input is what the run was given.

        Args:
            packet: The packet.

        Raises:
            UsageError: It is not, or nobody can tell.
        """
        hidden = next(marked_paths(packet["input"]), None)
        if hidden is None and self._tells_what_it_hides:
            return
        what = (
            f"input {hidden!r} of step {packet['step']} was redacted" if hidden else "its redactor may leave values out"
        )
        raise UsageError(
            f"run {self.past.directory.name!r}: other features cannot be computed from what it has recorded, because "
            f"{what}, and its source cannot be read again; compare models and guards alone, or start a new run"
        )


def unlike_stages(past: PastRun, rebuilt: Rebuilt) -> frozenset[str]:
    """Name the stages that are not those of the run: ``features``, ``model``, ``modulator``.

    Args:
        past: The run.
        rebuilt: What is compared with it.
    """
    paths = [*(path for path, _, _ in changed_options(past, rebuilt)), *not_known(past, rebuilt)]
    if any(path.startswith("pipeline") and path.partition(".")[2] not in _NO_MATTER for path in paths):
        return frozenset(_STAGE_OF.values())
    if any(path in ("canary", "canary.share", "canary.salt") for path in paths):  # other keys are the canary's
        return frozenset(_STAGE_OF.values())
    paths = [path.removeprefix("canary.") for path in paths]
    stages = {stage for section, stage in _STAGE_OF.items() for path in paths if path.startswith(section)}
    if set(changed_files(past, rebuilt)) & rebuilt.feature_files:
        stages.add("features")
    return frozenset(stages)
