"""``python -m benchmarks``: speed as a ratio to a hand-written loop, what guards and syncs cost, start-up, and memory.

Absolute times depend on the machine; the ratios are taken from interleaved rounds of one process and hold within 15 %.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks import job, loop
from mdm_core import Run

_MIB = 1 << 20
_FLIGHTS = Path(__file__).parents[1] / "examples" / "flights" / "pipeline.toml"

# The wall's clock, or the process's own, for which neither neighbours nor the disk matter.
Clock = Callable[[], float]


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    everything = ["speed", "guards", "durability", "startup", "memory", "redaction", "endurance"]
    by_name = f"{', '.join(everything)}; by default all but the last two, which take minutes"
    parser.add_argument("what", nargs="*", metavar="WHAT", help=by_name)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    what = arguments.what or everything[:-2]
    if not set(what) <= set(everything):
        parser.error(f"WHAT must be of {', '.join(everything)}")
    with tempfile.TemporaryDirectory() as folder:
        if "speed" in what:
            speed(Path(folder), arguments.events, arguments.rounds)
        if "guards" in what:
            guards(Path(folder), arguments.events, arguments.rounds)
        if "durability" in what:
            durability(Path(folder), arguments.events, arguments.rounds)
            checkpoints(Path(folder), arguments.events, arguments.rounds)
        if "redaction" in what:
            redaction(Path(folder), max(1, arguments.rounds // 2))
        if "startup" in what:
            startup(arguments.rounds)
        if "memory" in what:
            memory(Path(folder))
        if "endurance" in what:
            memory(Path(folder), events=5_000_000, after=500_000)


def speed(folder: Path, events: int, rounds: int, clock: Clock = time.perf_counter) -> float:
    """Run the loop and mdm in turn on the same events.

    Returns:
        The median over the rounds of mdm's events per second divided by the loop's.
    """
    source, pipeline = folder / "events.jsonl", folder / "pipeline.toml"
    job.write_events(source, events)
    job.write_pipeline(pipeline, source)

    def by_mdm(run: Run) -> None:
        assert run.run().decided == events

    def by_hand() -> None:
        assert loop.run(source, folder / "loop.jsonl") == events

    def one_round() -> tuple[float, float]:
        run = Run.from_config(pipeline, runs_dir=folder / "runs")  # start-up is measured on its own
        return _seconds(by_hand, clock), _seconds(lambda: by_mdm(run), clock)

    times = _in_turn(one_round, rounds)
    ratio = statistics.median(hand / mdm for hand, mdm in times)
    hand, mdm = (statistics.median(column) / events * 1e6 for column in zip(*times, strict=True))
    click.echo(
        f"speed: {ratio:.2f} of the hand-written loop ({mdm:.1f} µs an event against {hand:.1f} µs, "
        f"median of {rounds} interleaved rounds of {events:,} events)"
    )
    return ratio


def guards(folder: Path, events: int, rounds: int, clock: Clock = time.perf_counter) -> float:
    """Run a pipeline that acts, without guards and with the standard chain of five, in turn.

    Returns:
        The median over the rounds of the time with guards divided by the time without.
    """
    source = folder / "events.jsonl"
    job.write_events(source, events)
    plain, guarded = folder / "plain.toml", folder / "guarded.toml"
    job.write_pipeline(plain, source, job.BROKER)
    job.write_pipeline(guarded, source, job.BROKER, job.GUARDS)

    def one_round() -> tuple[float, float]:
        runs = [Run.from_config(pipeline, runs_dir=folder / "runs") for pipeline in (plain, guarded)]
        summaries = []
        without, with_guards = (_seconds(lambda run=run: summaries.append(run.run()), clock) for run in runs)  # type: ignore[misc]
        assert summaries[0].allowed == summaries[1].allowed
        return without, with_guards

    times = _in_turn(one_round, rounds)
    ratio = statistics.median(with_guards / without for without, with_guards in times)
    without, with_guards = (statistics.median(column) / events * 1e6 for column in zip(*times, strict=True))
    click.echo(
        f"guards: {ratio:.2f} of the time without ({with_guards:.1f} µs an event against {without:.1f} µs, "
        f"median of {rounds} interleaved rounds of {events:,} events)"
    )
    return ratio


def durability(folder: Path, events: int, rounds: int) -> float:
    """Run a pipeline of whose decisions 5 % act without any syncing (``fast``) and with it (``group``), in turn.

    What a sync costs is the disk's business; the files are where temporary files are.

    Returns:
        The median over the rounds of the events per second with it divided by those without.
    """
    ratio, fast, group = _compared(folder, events, rounds, ("durability.mode='fast'", "durability.mode='group'"))
    click.echo(
        f"durability: group has {ratio:.2f} of the events/s of fast when 5 % of decisions act ({group:.1f} µs an event "
        f"against {fast:.1f} µs, median of {rounds} interleaved rounds of {events:,} events; a sync of the disk takes "
        f"{_sync_us(folder):.0f} µs, and there is one for 64 events)"
    )
    return ratio


def checkpoints(folder: Path, events: int, rounds: int, clock: Clock = time.perf_counter) -> float:
    """Run the same pipeline with no checkpoint but the first, and with one whenever there may be one, in turn.

    Returns:
        The median over the rounds of the events per second with them divided by those without.
    """
    never, always = "durability.checkpoint_events=1_000_000_000", "durability.checkpoint_events=1"
    ratio, without, with_them = _compared(folder, events, rounds, (never, always), clock)
    click.echo(
        f"checkpoints: as many as there may be leave {ratio:.2f} of the events/s ({with_them:.1f} µs an event against "
        f"{without:.1f} µs, median of {rounds} interleaved rounds of {events:,} events)"
    )
    return ratio


def _compared(
    folder: Path, events: int, rounds: int, settings: tuple[str, str], clock: Clock = time.perf_counter
) -> tuple[float, float, float]:
    """Run a pipeline that acts with one setting and the other: ratio of events per second, and µs an event of both."""
    source, pipeline = folder / "events.jsonl", folder / "acting.toml"
    job.write_events(source, events)
    job.write_pipeline(pipeline, source, job.BROKER)

    def one_round() -> tuple[float, float]:
        runs = [Run.from_config(pipeline, [job.FEW_ACT, s], runs_dir=folder / "runs") for s in settings]
        acted: list[int] = []
        times = [_seconds(lambda run=run: acted.append(sum(run.run().carried_out.values())), clock) for run in runs]  # type: ignore[misc]
        assert acted[0] == acted[1]
        assert 0.04 < acted[0] / events < 0.06, acted
        return times[0], times[1]

    times = _in_turn(one_round, rounds)
    ratio = statistics.median(first / second for first, second in times)
    first, second = (statistics.median(column) / events * 1e6 for column in zip(*times, strict=True))
    return ratio, first, second


def redaction(folder: Path, rounds: int) -> dict[str, float]:
    """Run the year of flights without a redactor and with each, in turn, by the process's own clock.

    Returns:
        By redactor, the median over the rounds of its share in the time of the run.
    """
    kinds = ["none", "redaction.keys", "redaction.secrets", "redaction.standard"]

    def timed(kind: str) -> float:
        run = Run.from_config(_FLIGHTS, [f"redaction.use='{kind}'"], runs_dir=folder / "runs")
        seconds = _seconds(run.run, time.process_time)
        shutil.rmtree(folder / "runs")  # 0.6 GB each
        return seconds

    timed("none")  # what only the first run has to read and import is not counted
    gc.collect()
    gc.freeze()
    times = [{kind: timed(kind) for kind in kinds} for _ in range(rounds)]
    shares = {kind: statistics.median(1 - each["none"] / each[kind] for each in times) for kind in kinds[1:]}
    told = ", ".join(f"{share:.0%} by {kind}" for kind, share in shares.items())
    click.echo(f"redaction: of the time of the flights, {told} (median of {rounds} rounds of the year)")
    return shares


def startup(rounds: int) -> float:
    """Start ``mdm --version`` and ``pytest --version`` in turn.

    Returns:
        The median over the rounds of mdm's time divided by pytest's.
    """
    tools = Path(sys.executable).parent

    def start(tool: str) -> float:
        return _seconds(lambda: subprocess.run([tools / tool, "--version"], check=True, capture_output=True))

    start("mdm"), start("pytest")
    times = [(start("mdm"), start("pytest")) for _ in range(rounds)]
    ratio = statistics.median(mdm / pytest for mdm, pytest in times)
    mdm, pytest = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    click.echo(f"start-up: mdm --version takes {ratio:.2f} of pytest --version ({mdm:.0f} ms against {pytest:.0f} ms)")
    return ratio


def memory(folder: Path, events: int = 336_776, after: int = 100_000) -> float:
    """Run many events and watch the process from one of them on.

    Args:
        folder: Where files may be put.
        events: How many.
        after: From which on.

    Returns:
        The growth of the resident set, in MiB.
    """
    source, pipeline = folder / "all.jsonl", folder / "all.toml"
    job.write_events(source, events)
    job.write_pipeline(pipeline, source, job.BROKER)
    gc.collect()
    before, now = (0, 0.0), (0, 0.0)

    def look(done: int, _total: int | None) -> None:
        # Nothing is gathered here: a list of all readings would grow, and be measured.
        nonlocal before, now
        now = done, _resident() / _MIB
        if before[0] < after:
            before = now

    Run.from_config(pipeline, [job.FEW_ACT, *job.SEGMENTS], runs_dir=folder / "runs").run(look)
    growth = now[1] - before[1]
    click.echo(f"memory: {growth:+.1f} MiB from event {before[0]:,} to {now[0]:,} (then {now[1]:.0f} MiB)")
    return growth


def _sync_us(folder: Path) -> float:
    """How long it takes to append the intents of a group to a file and to wait for the disk, in microseconds."""

    def one() -> None:
        os.write(fd, bytes(600))
        os.fdatasync(fd)

    fd = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return statistics.median(_seconds(one) for _ in range(200)) * 1e6
    finally:
        os.close(fd)


def _in_turn(one_round: Callable[[], tuple[float, float]], rounds: int) -> list[tuple[float, float]]:
    gc.collect()
    gc.freeze()
    return [one_round() for _ in range(rounds)]


def _resident() -> int:
    """The resident set of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


if __name__ == "__main__":
    main()
