"""What private code says is heard nowhere; what others say is."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, Protocol, TextIO

import pytest
from mdm_core import Pipeline

from mdm_private.containment import Containment

SAYING = """\
import asyncio, logging, sys, warnings
from mdm_core import Action, Proposal

print("bird")
warnings.warn("bird")
out, err = sys.stdout, sys.stderr


class Last:
    def __del__(self):
        print("bird")
        raise ValueError("bird")


async def bird():
    pass


def compute_proposal_private(features):
    print("bird")
    print("bird", file=sys.stderr)
    print("bird", file=out)
    sys.stdout.buffer.write(b"bird")
    sys.stderr.flush()
    err.write("\\udcff bird")
    warnings.warn("bird")
    logging.getLogger("bird").warning("bird")
    Last()
    if features["n"]:
        kept = Last()
        bird()
        raise ValueError("bird")
    return Proposal(Action.ACT, 0.5, [], {})


last = Last()
"""


class Bench(Protocol):
    """See ``conftest``."""

    folder: Path

    def pipeline(self, source: str | bytes | None = None, **parameters: Any) -> Pipeline: ...


def say(words: str, stream: TextIO | None = None) -> None:
    """Write a line to standard output, or to another stream."""
    (stream or sys.stdout).write(f"{words}\n")


@pytest.mark.filterwarnings("ignore")
class TestQuiet:
    def test_the_model_is_not_heard(self, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
        """Prints, warnings, log records without a handler and last words reach neither stream."""
        root = logging.getLogger()
        handlers, root.handlers = root.handlers, []
        try:
            with bench.pipeline(SAYING) as pipeline:
                codes = [pipeline.decide({"n": n}).final.reasons for n in (0, 1)]
        finally:
            root.handlers = handlers
        assert [[], ["private_hook_error:ValueError"]] == codes
        assert ("", "") == capsys.readouterr()

    def test_the_streams_are_what_they_were(self, bench: Bench) -> None:
        """After every call, failed ones included, the streams are the very same objects."""
        before = sys.stdout, sys.stderr
        with bench.pipeline(SAYING) as pipeline:
            pipeline.decide({"n": 1})
            assert before == (sys.stdout, sys.stderr)

    def test_a_stream_that_was_replaced_is_put_back(self, bench: Bench) -> None:
        """Private code cannot take the streams away from others."""
        before = sys.stdout
        with bench.pipeline("import io, sys\nsys.stdout = io.StringIO()\ndef compute_proposal_private(f): pass"):
            assert before is sys.stdout

    def test_other_threads_are_heard(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Only the thread that is inside is silent, also when several are and leave in any order."""
        before = sys.stdout, sys.stderr
        inside, spoken, first_left = Barrier(3), Barrier(3), Barrier(2)

        def work(first: bool) -> None:
            with Containment():
                inside.wait(5)
                say("silent")
                spoken.wait(5)
                if not first:
                    first_left.wait(5)
                    say("silent")
            if first:
                say("first is out")
                first_left.wait(5)

        threads = [Thread(target=work, args=(first,)) for first in (True, False)]
        for thread in threads:
            thread.start()
        inside.wait(5)
        say("heard")
        say("heard too", sys.stderr)
        spoken.wait(5)
        for thread in threads:
            thread.join(5)
        assert before == (sys.stdout, sys.stderr)
        say("at the end")
        out, err = capsys.readouterr()
        assert ["at the end", "first is out", "heard"] == sorted(out.splitlines())
        assert "heard too\n" == err
