"""What came of verifying a trace, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mdm_trace_jsonl.reports import Finding
from mdm_trace_jsonl.showing import printable


def told(findings: Sequence[Finding], with_keys: bool) -> Iterator[str]:
    """Tell what came of it.

    Args:
        findings: One for each trace.
        with_keys: Whether a public key was given.

    Yields:
        Lines for people.
    """
    for finding in findings:
        yield _sum(finding)
        # Whoever has changed the files may have written what is quoted from them.
        yield from (f"  wrong: {printable(problem)}" for problem in finding.problems)
        yield f"  {printable(_end(finding))}; {_seals(finding, with_keys)}"
        yield from (f"  note: {printable(remark)}" for remark in finding.remarks)
    problems = sum(len(finding.problems) for finding in findings)
    lines = sum(finding.lines for finding in findings)
    if problems:
        yield f"NOT as it was written: {counted(problems, 'problem')}"
    else:
        yield f"all well: nothing was changed, taken out, added or put in another order in {counted(lines, 'line')}"


def cannot_show(with_keys: bool, with_checkpoint: bool, unchained: Sequence[str]) -> list[str]:
    """Say what remains open, however well it went.

    Args:
        with_keys: Whether a public key was given.
        with_checkpoint: Whether a checkpoint was given.
        unchained: Traces without a chain.
    """
    limits = [f"{name} has no chain" for name in unchained]
    if not with_keys:
        limits.append(
            "whether somebody who can write these files has written all of them anew, chains included; "
            "that takes signing_key when running and --public-key here"
        )
    if not with_checkpoint:
        limits.append(
            "whether the end was cut off together with its chain, back to an earlier seal; "
            "that takes a checkpoint kept elsewhere (mdm trace checkpoint) and --checkpoint here"
        )
    return limits


def _sum(finding: Finding) -> str:
    segments = counted(finding.segments, "segment")
    removed = f", {finding.removed:,} older removed because they need not be kept" if finding.removed else ""
    return f"{finding.file}: {counted(finding.lines, 'line')} as written, in {segments}{removed}"


def _end(finding: Finding) -> str:
    if finding.closed:
        return f"closed {finding.closed}"
    return "not closed: it is still written, or was broken off"


def _seals(finding: Finding, with_keys: bool) -> str:
    seals = counted(finding.seals, "seal")
    after = f", {counted(finding.unsealed, 'line')} not sealed yet" if finding.unsealed else ""
    if with_keys:
        return f"{finding.signed:,} of {seals} signed by the key that was given{after}"
    if finding.keys:
        return f"{seals}{after}, signatures not checked without --public-key"
    return f"{seals}{after}, not signed"


def counted(number: int, what: str) -> str:
    """Write a count, with the plural where it belongs.

    Args:
        number: How many.
        what: Of what, one of them.
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
