"""``mdm whatif``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mdm_core.cli.options import echo_json, json_option, run_argument, runs_dir_option

from mdm_eval.show_trial import change_rows, lines, trial_rows

_MOST_PARAMS = 5

if TYPE_CHECKING:
    from mdm_eval.effects import Change, Effects
    from mdm_eval.sweep import Point, Sweep
    from mdm_eval.whatif import WhatIf


@click.command("whatif")
@run_argument
@click.option(
    "--config",
    metavar="PIPELINE.toml",
    type=click.Path(path_type=Path),
    help="The pipeline to try out, in place of what the run has recorded.",
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one key; VALUE is TOML.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="SECTION.KEY=FROM:TO:STEP",
    help="Try many values of an option; may be given twice.",
)
@click.option("--by", metavar="NAME", help="Divide by 'key', a feature, or a field of the event.")
@click.option("--cost", metavar="fp=1,fn=5", help="What mistakes cost; a gain is negative.  [default: fp=1,fn=1]")
@click.option("--positive", metavar="OUTCOME", help="The outcome that is right to act on, if it is not true or 1.")
@runs_dir_option
@json_option
def whatif(
    run: str,
    config: Path | None,
    overrides: tuple[str, ...],
    sweeps: tuple[str, ...],
    by: str | None,
    cost: str | None,
    positive: str | None,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Find out what RUN would have decided with another model, guard or threshold. Nothing is carried out."""
    from mdm_core import PastRun, UsageError

    from mdm_eval.costs import Costs
    from mdm_eval.progress import progress_bar
    from mdm_eval.session import Wanted
    from mdm_eval.sweep import Axis, sweep
    from mdm_eval.whatif import Question, what_if

    if len(sweeps) > 2:
        raise UsageError("--sweep: one option or two; set the others with --set")
    if sweeps and by is not None:
        raise UsageError("--by divides the decisions of one configuration; leave out --sweep")
    past = PastRun.find(run, runs_dir)
    costs = Costs() if cost is None else Costs.parse(cost)
    question = Question(costs, positive, by, needs_outcomes=cost is not None)
    wanted = Wanted(config, overrides)
    with progress_bar(past, "decided") as progress:
        if sweeps:
            found: Sweep | WhatIf = sweep(past, wanted, [Axis.parse(text) for text in sweeps], question, progress)
        else:
            found = what_if(past, wanted, question, progress)
    if as_json:
        echo_json(found.to_dict())
    else:
        for line in _sweep_lines(found) if sweeps else _lines(found):  # type: ignore[arg-type]
            click.echo(line)


def _lines(found: WhatIf) -> Iterator[str]:
    from mdm_eval.show import plain
    from mdm_eval.showing import table

    told = f"{found.flipped:,} of {found.trial.decisions:,} decisions would come out differently"
    yield f"what if, {found.run_id}: {told}"
    yield from lines(chain(change_rows(found), trial_rows(found.trial)))
    orders = found.trial.orders[0]
    yield f"  orders               {orders['recorded']:,} with the recorded answers, {orders['assumed']:,} assumed done"
    yield ""
    yield from table(["", "before", "after"], [(name, *_pair(pair)) for name, pair in found.actions.items()])
    for flip in found.flips:
        yield ""
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in flip.reasons.most_common())
        yield f"{flip.before} → {flip.after}: {flip.decisions:,} ({reasons})"
        for example in flip.examples:
            yield f"  {_example(example)}"
    other = found.trial.other_params[0]
    if other:
        yield ""
        told = ", ".join(f"{plain(name)} in {number:,}" for name, number in islice(other.items(), _MOST_PARAMS))
        yield f"assumed done though the run gave the order too, with another parameter: {told}"
    if found.denied:
        yield ""
        yield from table(
            ["denied by", "before", "after"], [(name, *_pair(pair)) for name, pair in found.denied.items()]
        )
    if found.effects is not None:
        yield ""
        yield from _effects(found.effects, found.unknown)
    if found.segments:
        yield ""
        yield from _segments(found.segments)


def _pair(pair: tuple[int, int]) -> tuple[str, str]:
    return f"{pair[0]:,}", f"{pair[1]:,}"


def _example(example: Mapping[str, Any]) -> str:
    name = example["id"] if example["id"] is not None else ""
    parts = []
    for when in ("before", "after"):
        told = example[when]
        parts.append(f"{told['action']} ({told['confidence']:.4f}: {', '.join(map(str, told['reasons'] or ()))})")
    return f"step {example['step']} {name}: {' → '.join(parts)}"


def _effects(effects: Effects, unknown: int) -> Iterator[str]:
    from mdm_eval.showing import table

    rows = [
        ("precision", *_change(effects.precision, 4)),
        ("recall", *_change(effects.recall, 4)),
        ("cost", *_change(effects.cost, 1)),
        ("cost per decision", *_change(effects.per_decision, 5)),
    ]
    known = f"of {effects.known:,} known outcomes" + (f" ({unknown:,} not known)" if unknown else "")
    yield from table([known, "before", "after", "change", "95 % interval"], rows)


def _change(change: Change, digits: int) -> tuple[str, str, str, str]:
    difference = change.change
    ends = "" if difference.low is None else f"{difference.low:+,.{digits}f} to {difference.high:+,.{digits}f}"
    told = "" if difference.value is None else f"{difference.value:+,.{digits}f}"
    return _number(change.before, digits), _number(change.after, digits), told, ends


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _segments(segments: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    from mdm_eval.showing import table

    heads = ["", "decisions", "flipped", "acted", "would act", "denied", "would be", "cost", "change", "95 % interval"]
    rows = []
    for name, figures in segments.items():
        numbers = [figures[key] for key in ("decisions", "flipped", "acted_before", "acted_after")]
        numbers += [figures["denied_before"], figures["denied_after"]]
        rows.append((name, *(f"{number:,}" for number in numbers), *_segment_cost(figures["effects"])))
    yield from table(heads, rows)


def _segment_cost(effects: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if effects is None:
        return "-", "", ""
    change = effects["cost"]["change"]
    ends = "" if change["low"] is None else f"{change['low']:+,.1f} to {change['high']:+,.1f}"
    return _number(effects["cost"]["before"], 1), f"{change['value'] or 0.0:+,.1f}", ends


def _sweep_lines(found: Sweep) -> Iterator[str]:
    from mdm_eval.showing import table

    names = list(found.points[0].values)
    yield f"what if, {found.run_id}: {len(found.points):,} values of {' and '.join(names)}"
    yield from lines(trial_rows(found.trial))
    yield ""
    heads = [*names, "acted", "denied", "flipped", "precision", "recall", "cost", ""]
    rows = [(*("run",), *("" for _ in names[1:]), *_point(found.recorded), "as it was")]
    for point in found.points:
        mark = "best" if point is found.best else ""
        rows.append((*(f"{value:g}" for value in point.values.values()), *_point(point), mark))
    yield from table(heads, rows)
    if found.best is not None and found.recorded.cost is not None and found.best.cost is not None:
        told = ", ".join(f"{name} = {value:g}" for name, value in found.best.values.items())
        yield ""
        yield f"least cost: {told} ({found.best.cost:,.1f}; the run cost {found.recorded.cost:,.1f})"


def _point(point: Point) -> tuple[str, ...]:
    counts = (f"{number:,}" for number in (point.acted, point.denied, point.flipped))
    return (*counts, _number(point.precision, 4), _number(point.recall, 4), _number(point.cost, 1))
