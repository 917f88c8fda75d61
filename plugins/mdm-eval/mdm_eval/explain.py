"""Why a decision came out as it did: the score, the guards, what came of it, and what would have changed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from mdm_core import PastRun, UsageError
from mdm_core.admission import ABSENT, getter
from mdm_core.journal import Answered, Ended
from mdm_core.redacting import MASK
from msgspec.structs import asdict

from mdm_eval.comparing import Packet
from mdm_eval.explain_flips import Flip, feature_flips, guard_flips, option_flips
from mdm_eval.explain_moment import Moment, Said
from mdm_eval.explain_reaching import Unreachable, arm_of, moment_of
from mdm_eval.explain_score import Part, Score, score_of, told_score
from mdm_eval.explain_survey import Survey
from mdm_eval.flips import recorded_label
from mdm_eval.marks import is_marked, marked_paths
from mdm_eval.rebuilding import changed_versions
from mdm_eval.session import Session, Wanted

_EXECUTION = "exec."
_FOUND_OUT_LATER = ("exec.", "eval.", "mdm.")


@attrs.define
class Explanation:
    """Why a decision came out as it did.

    Attributes:
        run_id: Id of the run.
        step: Number of the decision.
        label: What came of it: an action, or ``denied``.
        time_ms: Time of the pipeline's clock, or None.
        key: The entity that it is about, or None.
        event_id: The event's id, or None.
        arm: What decided in a run with a canary: ``main`` or ``canary``; else None.
        proposal: What the model wanted, as it was recorded.
        final: The final decision, as it was recorded.
        mismatch: Why it is another one, as it was recorded.
        failed_closed: The reason code if something went wrong, or an empty text.
        outcome: What turned out to be true, if the event came with it.
        known: What was known besides, as it was recorded.
        execution: What came of carrying it out, as far as it was known when the packet was written.
        answers: Everything that the broker answered, also later, and how the order ended if no answer says so.
        failure: What failed and where, if the audit log tells.
        redacted: What was recorded, but hidden.
        decided_again: What it was decided from again: ``recorded features``, ``source`` or ``recorded inputs``; empty
            if it was not.
        same: Whether it came out as it was recorded.
        why_not: Why model and guards could not be asked again, or an empty text.
        versions: Distributions of which another version is installed: then and now.
        score: What made the score.
        guards: What each guard said, in order.
        flips: The nearest changes that would have led to another decision.
    """

    run_id: str
    step: int
    label: str
    time_ms: int | None
    key: Any
    event_id: Any
    arm: str | None
    proposal: Mapping[str, Any]
    final: Mapping[str, Any]
    mismatch: Mapping[str, Any] | None
    failed_closed: str
    outcome: Any
    known: dict[str, Any]
    execution: dict[str, Any]
    redacted: list[str]
    score: Score
    versions: dict[str, tuple[str, str | None]]
    answers: list[dict[str, Any]] = attrs.field(factory=list)
    failure: dict[str, Any] = attrs.field(factory=dict)
    decided_again: str = ""
    same: bool = False
    why_not: str = ""
    guards: list[Said] = attrs.field(factory=list)
    flips: list[Flip] = attrs.field(factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The explanation in builtin types."""
        told = attrs.asdict(self)
        told["versions"] = {name: {"run": old, "installed": new} for name, (old, new) in self.versions.items()}
        return told


def explain(
    past: PastRun, step: int | None = None, event_id: str | None = None, config: Path | None = None
) -> Explanation:
    """Explain a decision.

    Model and guards are asked again in the moment of the decision, without changing what they remember; where that is
    not possible, or gives another decision than was recorded, only what was recorded is told.

    Args:
        past: The run.
        step: Number of the decision, or None.
        event_id: Id of its event, or None.
        config: The run's pipeline file, where what the run has recorded of it is not enough.

    Raises:
        UsageError: There is no such decision.
        ConfigError: The pipeline file is wrong.
    """
    survey = Survey.make(past, step, event_id)
    found = _recorded(past, survey.packet)
    found.answers = _answers(past, found.step) if found.execution else []
    if found.failed_closed:
        found.failure = _failure(past, found.step)
        found.why_not = "it failed closed, so there is nothing that was weighed"
        return found
    try:
        with moment_of(past, survey.packet, Wanted(config)) as (moment, session, name):
            found.decided_again = name
            found.same = moment.is_recorded(survey.packet, session.redaction.packet_redactor())
            if not found.same:
                found.why_not = "it does not come out as it was recorded when it is decided again"
            elif not moment.whole:
                found.why_not = "model and guards, asked one by one, do not say what the pipeline says"
            else:
                _ask(found, moment, session, survey)
    except Unreachable as why:
        found.why_not = str(why)
    return found


def _recorded(past: PastRun, packet: Packet) -> Explanation:
    external, mismatch = packet["external"], packet["mismatch"]
    pipeline = past.run["config"].get("pipeline", {})
    return Explanation(
        past.directory.name,
        packet["step"],
        recorded_label(packet),
        external.get("now_ms"),
        _at(packet["input"], pipeline.get("key")),
        _at(packet["input"], pipeline.get("id")),
        arm_of(packet),
        {name: value for name, value in packet["mdm"].items() if name not in ("features", "features_summary")},
        packet["final_action"],
        mismatch,
        mismatch["reason_codes"][0] if mismatch and external.get("mdm.fail_closed") else "",
        external.get("eval.outcome"),
        {name: value for name, value in external.items() if not name.startswith(_FOUND_OUT_LATER)},
        {name.removeprefix(_EXECUTION): value for name, value in external.items() if name.startswith(_EXECUTION)},
        sorted(_hidden_paths(packet)),
        told_score(packet["mdm"].get("features_summary"), packet["mdm"]["features"]),
        changed_versions(past),
    )


def _answers(past: PastRun, step: int) -> list[dict[str, Any]]:
    entries = (entry for entry in past.journal() if isinstance(entry, Answered | Ended) and entry.step == step)
    return [{name: v for name, v in asdict(entry).items() if name not in ("n", "step") and v} for entry in entries]


def _failure(past: PastRun, step: int) -> dict[str, Any]:
    try:
        events = (e for e in past.audit() if e.get("event") == "failed_closed" and e.get("step") == step)
        event = next(events, {})
    except UsageError:
        return {}
    return {name: event[name] for name in ("stage", "component", "error", "place") if event.get(name)}


def _ask(found: Explanation, moment: Moment, session: Session, survey: Survey) -> None:
    hidden = _hidden_features(survey.packet, moment)
    decision = moment.decision
    found.score = _redacted_score(score_of(moment), hidden)
    found.guards = [_redacted(said, session) for said in moment.guarded(decision.proposal, decision.features)[1]]
    found.flips = feature_flips(moment, survey.variations, hidden) + guard_flips(moment)
    packet = survey.packet
    if not (hidden or is_marked(packet["mdm"]["params"]) or is_marked((packet["mismatch"] or {}).get("metadata"))):
        found.flips += option_flips(moment)


def _hidden_features(packet: Packet, moment: Moment) -> frozenset[str]:
    """Features whose values were not recorded: nothing may be told from which they could be computed."""
    recorded = packet["mdm"]["features"]
    if not isinstance(recorded, Mapping):
        return frozenset(moment.decision.features)
    return frozenset(n for n in moment.decision.features if n not in recorded or is_marked(recorded[n]))


def _redacted_score(score: Score, hidden: frozenset[str]) -> Score:
    names = {part.name for part in score.parts if part.name.partition("=")[0] in hidden or part.name in hidden}
    if not names:
        return score
    parts = [Part(p.name, MASK, MASK) if p.name in names else p for p in score.parts]
    # With all the others, one that is hidden could be told from the sum.
    one = len(names) == 1 and score.kind == "contributions"
    return attrs.evolve(score, parts=parts, start=None if one else score.start, score=None if one else score.score)


def _redacted(said: Said, session: Session) -> Said:
    saw = session.redaction.mapping({"metadata": dict(said.saw)}).get("metadata", {})
    params = session.redaction.mapping({"params": dict(said.params)}).get("params", {})
    return attrs.evolve(said, saw=saw, params=params)


def _hidden_paths(packet: Packet) -> set[str]:
    return set(marked_paths({name: packet[name] for name in ("input", "external", "mdm", "final_action", "mismatch")}))


def _at(event: Any, path: str | None) -> Any:
    try:
        return None if path is None else getter(path)(event)
    except ABSENT:
        return None
