from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Pipeline

from mdm_api_limits.figures import FATES, fate
from mdm_api_limits.fit import throttled
from mdm_api_limits.orders import OrderLines
from mdm_api_limits.relays import RelayRequests

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PAGE = Path(__file__).parents[3] / "docs" / "domains" / "api-limits.md"
ADDRESS = re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
RUN = "mdm run examples/api_limits/pipeline.toml --run-id relays"
EVALUATE = "mdm evaluate relays --since 2002-09-01T00:00:00+00:00 --cost fp=3,fn=1"
RETAIL = "mdm run examples/api_limits/retail.toml --run-id retail"
PART = 30_000
SEPTEMBER = 1_030_838_400_000


@attrs.frozen
class Done:
    """What a command has left and said."""

    folder: Path
    said: str

    @property
    def packets(self) -> Iterator[dict[str, Any]]:
        with (self.folder / "traces.jsonl").open() as lines:
            yield from map(json.loads, lines)


def mdm(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mdm_core", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def done(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("relays")
    said = mdm(folder, "run", str(example / "pipeline.toml"), "--run-id", "relays")
    return Done(folder / "runs" / "relays", said)


def shown_after(command: str) -> list[str]:
    """The lines that the README shows behind a command, but for those that vary and those left out."""
    _, _, after = README.partition(f"    {command}\n")
    block = takewhile(lambda line: not line or line.startswith("    "), after.splitlines())
    lines = [" ".join(line.split()) for line in block]
    return [line for line in lines if line and not line.startswith(("latency", "speed", "written", "…"))]


def missing(shown: list[str], said: str) -> list[str]:
    """Lines that are shown and were not printed."""
    printed = [" ".join(line.split()) for line in said.splitlines()]
    return [line for line in shown if line not in printed]


class TestFigures:
    def test_readme_shows_the_run(self, done: Done) -> None:
        """What the README shows of the run is what the command prints."""
        shown = shown_after(RUN)
        assert len(shown) > 15
        assert [] == missing(shown, done.said)

    def test_readme_shows_the_judgement(self, done: Done) -> None:
        """What the README shows of quality, calibration, cost and guards is what the command prints."""
        shown = shown_after(EVALUATE)
        assert len(shown) > 20
        assert [] == missing(shown, mdm(done.folder.parent.parent, *EVALUATE.split()[1:]))

    def test_readme_counts_what_became_of_the_requests(self, done: Done) -> None:
        """The counts and costs that README and page tell in words are those of the trace."""
        judged = [packet for packet in done.packets if packet["external"]["now_ms"] >= SEPTEMBER]
        fates_of = Counter((packet["external"]["eval.outcome"], fate(packet)) for packet in judged)
        good, abuse = ([fates_of[label, how] for how in FATES] for label in (True, False))
        told, page = " ".join(README.split()), PAGE.read_text(encoding="utf-8")
        assert f"of {sum(good):,} good requests {sum(good[1:])} were not served, {good[1]} of them because" in told
        assert f"of {sum(abuse)} that were abuse {sum(abuse[1:])} were not served" in told
        assert f"| {sum(good):,} good requests | {good[0]:,} | {good[1]} | {good[2]} |" in page
        assert f"| {sum(abuse)} that were abuse | {abuse[0]} | {abuse[1]} | {abuse[2]} |" in page
        cost, open_house = (3 * abuse[0] + sum(good[1:])) / len(judged), 3 * sum(abuse) / len(judged)
        assert f"A request costs {cost:.4f}, against {open_house:.4f} if everybody is served" in told

    def test_who_served_abuse_and_false_throttles_are(self, done: Done) -> None:
        """The README names whom the mistakes come from: strangers, and one relay of both kinds."""
        told = " ".join(README.split())
        late = [packet for packet in done.packets if packet["external"]["now_ms"] >= SEPTEMBER]
        served = Counter(
            p["mdm"]["reasons"][0] for p in late if not p["external"]["eval.outcome"] and fate(p) == "served"
        )
        waited = Counter(p["input"]["client"] for p in late if p["external"]["eval.outcome"] and fate(p) != "served")
        ((relay, most),) = waited.most_common(1)
        kinds = Counter(p["external"]["eval.outcome"] for p in done.packets if p["input"]["client"] == relay)
        assert f"Of the {served.total()} that were served and should not have been, {served['unknown_client']}" in told
        assert f"Of the {waited.total()}, {most} were of one relay" in told
        assert f"{kinds[True]} good messages and {kinds[False]} others in all" in told

    def test_the_wide_bucket_denied_nothing(self, done: Done) -> None:
        """Of the two buckets only that of the doubtful ever denied, as the README says."""
        assert {1} == {p["mismatch"]["metadata"]["rate"] for p in done.packets if p["mismatch"]}
        assert "The wide bucket, 60 an hour, denied nothing" in README

    def test_the_page_shows_the_figures_of_the_readme(self) -> None:
        """Every figure on the page of the domain stands in the README, which is held against the run."""
        figures = re.compile(r"\d\.\d{4}|\d+,\d{3}(?:,\d{3})?")
        found = set(figures.findall(PAGE.read_text(encoding="utf-8")))
        assert len(found) > 8
        assert set() == found - set(figures.findall(README))


class TestRetail:
    def test_throttles_what_a_bucket_would(self, example: Path, tmp_path: Path, orders: OrderLines) -> None:
        """Of the first requests of the shop the run throttles those that plain token buckets do."""
        said = mdm(tmp_path, "run", str(example / "retail.toml"), "--limit", str(PART), "--json")
        events = [record.event for record in islice(orders.records(), PART)]
        share = throttled([(event["timestamp_ms"] // 60_000, event["client"]) for event in events], 500)
        assert {"rate_limit": round(share * PART)} == json.loads(said)["denied"]
        assert share > 0

    @pytest.mark.skipif("MDM_FULL" not in os.environ, reason="takes half a minute; set MDM_FULL=1")
    def test_readme_shows_the_whole_run(self, example: Path, tmp_path: Path) -> None:
        """What the README shows of a million requests is what the command prints."""
        shown = shown_after(RETAIL)
        assert len(shown) > 15
        assert [] == missing(shown, mdm(tmp_path, "run", str(example / "retail.toml"), "--run-id", "retail"))


class TestAddresses:
    def test_none_is_in_a_file_of_the_run(self, done: Done, relays: RelayRequests) -> None:
        """No address of a client is in any file of the run: trace, audit log, journal, checkpoints."""
        addresses = {one.address.encode() for one in relays._requests}
        files = [path for path in done.folder.rglob("*") if path.is_file()]
        assert {"traces.jsonl", "journal.jsonl", "run.json"} <= {path.name for path in files}
        assert 631 == len(addresses)
        assert set() == addresses & {found for path in files for found in ADDRESS.findall(path.read_bytes())}


class TestLabel:
    def test_shuffled_labels_change_nothing(self, example: Path, requests: list[dict[str, Any]]) -> None:
        """With the labels dealt out anew, every decision stays what it was."""
        labels = [event["good"] for event in requests]
        random.Random(7).shuffle(labels)
        with (
            Pipeline.from_config(example / "pipeline.toml") as one,
            Pipeline.from_config(example / "pipeline.toml") as other,
        ):
            for event, label in zip(requests, labels, strict=True):
                expected, found = one.decide(event), other.decide({**event, "good": label})
                assert (expected.final, expected.features) == (found.final, found.features)

    def test_plain_loop_decides_as_the_run(self, example: Path, done: Done, requests: list[dict[str, Any]]) -> None:
        """Calling ``decide`` in a loop gives the decisions that the run traced."""
        with Pipeline.from_config(example / "pipeline.toml") as pipeline:
            for event, packet in zip(requests, done.packets, strict=True):
                final = pipeline.decide(event).final
                traced = packet["final_action"]
                assert (final.action.value, final.allowed) == (traced["action"], traced["allowed"])
