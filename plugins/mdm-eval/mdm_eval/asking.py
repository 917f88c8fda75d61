"""What a command asks of a run; light, for it is imported with the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from mdm_eval.columns import Floats
    from mdm_eval.frame import Frame
    from mdm_eval.labels import Labels

Through: TypeAlias = Callable[[Iterator[Mapping[str, Any]]], Iterator[Mapping[str, Any]]]


@attrs.frozen
class Question:
    """A run, and which of its decisions are judged by what.

    Attributes:
        run: Its id, or the path of its directory.
        runs_dir: Where runs are kept.
        probability: The parameter of the proposal that holds the probability.
        action: The action that is judged; None judges every one but HOLD.
        positive: The outcome, as text, that counts as right to act on.
        since: Decisions before this instant are left out.
        until: Decisions from this instant on are left out.
        by: What divides decisions into segments.
    """

    run: str
    runs_dir: Path
    probability: str
    action: str | None
    positive: str | None
    since: str | None
    until: str | None
    by: str | None = None

    def directory(self) -> Path:
        """Find the directory of the run.

        Raises:
            UsageError: There is no such run.
        """
        from mdm_core.rundir import find_run

        return find_run(self.run, self.runs_dir)

    def read(self, through: Through = iter) -> tuple[str, Frame, Labels]:
        """Read the run.

        Args:
            through: What the packets in question pass through before they become columns.

        Returns:
            Its id, its decisions, and what turned out to be true of them.

        Raises:
            UsageError: There is no such run, it cannot be read, or an option does not fit it.
        """
        from mdm_core import PastRun, UsageError

        from mdm_eval.frame import Reading, read_frame, within
        from mdm_eval.packets import nothing_decided, packets_of
        from mdm_eval.times import parse_instant

        past = PastRun.find(self.run, self.runs_dir)
        since, until = parse_instant(self.since, "--since"), parse_instant(self.until, "--until")
        by = past.run["config"]["pipeline"].get("key") or self.by if self.by == "key" else self.by
        reading = Reading(self.probability, by, since, until, self.action)
        frame = read_frame(through(within(packets_of(past), reading)), reading)
        if not len(frame) and since is None and until is None:
            raise nothing_decided(past)
        if self.by is not None and len(frame) and not frame.segment.values:
            raise UsageError(f"--by {self.by}: no decision has such a feature, field of the event or context")
        return past.directory.name, frame, self._labels(past.directory, frame)

    def _labels(self, directory: Path, frame: Frame) -> Labels:
        import numpy as np

        from mdm_eval.columns import Codes, Measures
        from mdm_eval.labels import overlay, to_labels
        from mdm_eval.outcomes import read_outcomes

        steps, outcomes = Measures(), Codes()
        joined = [(line.step, line.outcome) for line in read_outcomes(directory)]
        steps.extend([step for step, _ in joined])
        outcomes.extend([outcome for _, outcome in joined])
        own: Floats = to_labels(frame.outcome, self.positive)
        return overlay(own, frame.step, steps.values.astype(np.int64), to_labels(outcomes, self.positive))
