"""A run, read once for all that is told of it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from mdm_core import PastRun

from mdm_eval.asking import Question
from mdm_eval.frame import Frame, Packet
from mdm_eval.labels import Labels
from mdm_eval.report.challengers import Shadows
from mdm_eval.report.details import Details
from mdm_eval.report.masks import MaskCount


@attrs.frozen(eq=False)
class Told:
    """What a run tells.

    Attributes:
        past: The run.
        run_id: Its id.
        frame: Its decisions.
        labels: What turned out to be true of them.
        details: What it is compared with other runs by; None if it is not compared.
        masks: What was redacted.
        shadows: What challengers said.
    """

    past: PastRun
    run_id: str
    frame: Frame
    labels: Labels
    details: Details | None
    masks: MaskCount
    shadows: Shadows

    @classmethod
    def read(cls, question: Question, compared: bool) -> Told:
        """Read a run.

        Args:
            question: The run, and which of its decisions are judged by what.
            compared: Whether it is to be compared with another.

        Raises:
            UsageError: There is no such run, it cannot be read, or an option does not fit it.
        """
        past = PastRun.find(question.run, question.runs_dir)
        details = Details(past.run["config"]["pipeline"]) if compared else None
        masks, shadows = MaskCount(), Shadows(past.run["config"])

        def through(packets: Iterator[Packet]) -> Iterator[Packet]:
            watched = shadows.watch(masks.watch(packets))
            return watched if details is None else details.watch(watched)

        run_id, frame, labels = question.read(through)
        return cls(past, run_id, frame, labels, details, masks, shadows)
