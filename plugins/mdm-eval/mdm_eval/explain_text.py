"""An explanation as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mdm_eval.explain import Explanation
from mdm_eval.explain_flips import Flip
from mdm_eval.explain_moment import Said
from mdm_eval.explain_score import Part, Score
from mdm_eval.showing import table

_NEAREST = 5
_LONGEST = 60
_EXECUTION = {"status": "status", "attempts": "attempt_count", "took ms": "total_latency_ms"}
_TITLES = {
    "contributions": "the score, by what each feature added to it",
    "effects": "the probability, less what it is when one feature alone is missing (model asked again each time)",
    "told": "reasons, as the packet has them",
}


def lines_of(found: Explanation) -> Iterator[str]:
    """Write an explanation.

    Args:
        found: The explanation.

    Yields:
        Lines that are harmless for a terminal.
    """
    for line in _lines(found):
        yield "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def _lines(found: Explanation) -> Iterator[str]:
    yield f"run {found.run_id}, step {found.step}: {_verdict(found)}"
    for name, value in _rows(found):
        yield f"  {name:<14} {value}"
    yield ""
    yield from _score(found.score)
    if found.guards:
        yield ""
        yield "guards, in order"
        width = max(len(said.guard) for said in found.guards)
        for said in found.guards:
            yield f"  {said.guard:<{width}}  {_said(said)}"
    if found.decided_again and not found.why_not:
        yield ""
        yield from _flips(found.flips)


def _verdict(found: Explanation) -> str:
    if found.failed_closed:
        return f"failed closed ({found.failed_closed})"
    codes = ", ".join((found.mismatch or {}).get("reason_codes") or ())
    return f"{found.label} ({codes})" if codes else found.label


def _rows(found: Explanation) -> Iterator[tuple[str, str]]:
    if isinstance(found.time_ms, int):
        yield "time", datetime.fromtimestamp(found.time_ms / 1000, UTC).isoformat(" ", "milliseconds")
    about = {"key": found.key, "event": found.event_id, "arm": found.arm, "outcome": found.outcome}
    for name, value in about.items():
        if value is not None:
            yield name, _text(value)
    proposal = found.proposal
    yield "proposed", f"{proposal['action']}, confidence {_text(proposal['confidence'])}"
    reasons = proposal.get("reasons")
    if reasons:
        yield "reasons", ", ".join(map(str, reasons)) if isinstance(reasons, list) else _text(reasons)
    if proposal.get("params"):
        yield "params", _pairs(proposal["params"])
    yield "final", f"{found.final['action']}, {'allowed' if found.final['allowed'] else 'not allowed'}"
    if found.execution:
        yield "execution", _pairs({name: found.execution.get(key) for name, key in _EXECUTION.items()})
    if len(found.answers) > 1:
        yield "answers", "; ".join(map(_answer, found.answers))
    if found.failure:
        yield "failure", _pairs(found.failure)
    if found.redacted:
        yield "redacted", ", ".join(found.redacted)
    for name, (before, now) in found.versions.items():
        yield "other version", f"{name} was {before} and is {now or 'not installed'}"
    told = f"just so, from {'its' if found.decided_again == 'source' else 'the'} {found.decided_again}"
    yield "decided again", f"no: {found.why_not}" if found.why_not else told


def _answer(answer: Mapping[str, Any]) -> str:
    if "attempt" not in answer:
        return f"ended {answer['status']}"
    kind = "" if answer["kind"] == "ok" else f" ({answer['kind']})"
    return f"attempt {answer['attempt']} {answer['status']}{kind}"


def _score(score: Score) -> Iterator[str]:
    yield _TITLES[score.kind]
    rows = [(part.name, _text(part.value), _moved(part)) for part in score.parts]
    if score.start is not None and score.score is not None:
        rows.append(("(start)", "", f"{score.start:+.6g}"))
        means = f"probability {score.probability:.6g}" if score.probability is not None else ""
        rows.append(("score", means, f"{score.score:+.6g}"))
    if rows:
        yield from table(("", "value", ""), rows)
    else:
        yield "  none"


def _moved(part: Part) -> str:
    if part.moved is None:
        return "fails without it"
    return f"{part.moved:+.6g}" if isinstance(part.moved, int | float) else _text(part.moved)


def _said(said: Said) -> str:
    told = {"passed": "let it pass", "not asked": "was not asked"}.get(said.said, said.said)
    more = [", ".join(said.reason_codes)] if said.reason_codes else []
    more += [f"saw {_pairs(said.saw)}"] if said.saw else []
    more += [f"set {_pairs(said.params)}"] if said.params else []
    more += [f"wait {said.wait_ms} ms"] if said.wait_ms is not None else []
    return f"{told}: {'; '.join(more)}" if more else told


def _flips(flips: list[Flip]) -> Iterator[str]:
    if not flips:
        yield "nothing was found that, changed alone, would have led to another decision"
        return
    yield "what would have led to another decision, changed alone (each asked again)"
    features = [flip for flip in flips if flip.kind == "feature"]
    for flip in features[:_NEAREST]:
        yield f"  {_flip(flip)} → {flip.becomes}"
    if len(features) > _NEAREST:
        yield f"  … and {len(features) - _NEAREST} changes of features more, farther away; --json gives all"
    for flip in flips:
        if flip.kind != "feature":
            yield f"  {_flip(flip)} → {flip.becomes}"


def _flip(flip: Flip) -> str:
    if flip.kind == "guard":
        return f"without {flip.name}"
    change = f"{flip.name} {_text(flip.before)} → {_exact(flip.after)}"
    if flip.distance is None:
        return change
    return f"{change} ({flip.after - flip.before:+.6g}, {flip.distance:.3g} standard deviations)"


def _pairs(values: Any) -> str:
    if not isinstance(values, Mapping):
        return _text(values)
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items())


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
    text = "-" if value is None else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
