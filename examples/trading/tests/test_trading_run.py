from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import attrs
import pytest
from mdm_core import Action, Order, Pipeline

from mdm_trading import PaperAccount

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PAGE = Path(__file__).parents[3] / "docs" / "domains" / "trading.md"
RUN = "mdm run examples/trading/pipeline.toml --run-id fx"
EVALUATE = "mdm evaluate fx --since 2017-09-01T00:00:00+00:00 --action ACT"
SEPTEMBER = 1_504_224_000_000
WEEK_MS = 7 * 24 * 3_600_000


@attrs.frozen
class Done:
    """What a command has left and said."""

    folder: Path
    said: str
    packets: list[dict[str, Any]]

    @property
    def found(self) -> dict[str, Any]:
        """What the observer found."""
        summary = json.loads((self.folder / "runs" / "fx" / "summary.json").read_text())
        return dict(summary["findings"]["trading.figures"])


def mdm(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mdm_core", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def done(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("fx")
    said = mdm(folder, "run", str(example / "pipeline.toml"), "--run-id", "fx")
    with (folder / "runs" / "fx" / "traces.jsonl").open(encoding="utf-8") as lines:
        return Done(folder, said, [json.loads(line) for line in lines])


def shown_after(command: str) -> list[str]:
    """The lines that the README shows behind a command."""
    _, _, after = README.partition(f"    {command}\n")
    block = takewhile(lambda line: not line or line.startswith("    "), after.splitlines())
    return [line for line in (" ".join(line.split()) for line in block) if line]


def missing(shown: list[str], said: str) -> list[str]:
    """Lines that are shown and were not printed."""
    printed = [" ".join(line.split()) for line in said.splitlines()]
    return [line for line in shown if line not in printed]


class TestFigures:
    def test_readme_shows_the_run(self, done: Done) -> None:
        """What the README shows of the run is what the command prints."""
        shown = shown_after(RUN)
        assert len(shown) > 20
        assert [] == missing(shown, done.said)

    def test_readme_shows_the_judgement(self, done: Done) -> None:
        """What the README shows of calibration and guards is what the command prints."""
        shown = shown_after(EVALUATE)
        assert len(shown) > 15
        assert [] == missing(shown, mdm(done.folder, *EVALUATE.split()[1:]))

    def test_readme_and_page_tell_what_was_lost(self, done: Done) -> None:
        """That it lost, how much, and what holding and chance earn, is told in words as the run found it."""
        found, told = done.found, " ".join(README.split())
        assert found["gain"] < 0 < found["buy_and_hold"]
        for text in (told, " ".join(PAGE.read_text(encoding="utf-8").split())):
            assert f"{-found['gain']} pips in four months" in text
            assert f"buying and holding gained {found['buy_and_hold']}" in text
            assert f"{100 * found['by_chance']['share_no_better']:.1f} % of them earned no more" in text
            assert f"{found['by_chance']['mean']} on average" in text
            assert "no advice" in text

    def test_page_shows_the_figures_of_the_readme(self) -> None:
        """Every figure on the page of the domain stands in the README, which is held against the run."""
        figures = re.compile(r"\d\.\d{4}|\d+,\d{3}")
        found = set(figures.findall(PAGE.read_text(encoding="utf-8")))
        assert len(found) > 4
        assert set() == found - set(figures.findall(README))

    def test_account_and_observer_agree(self, done: Done) -> None:
        """The broker, given the orders from September on, has earned what the observer tells, and paid what it says."""
        account, found, units = PaperAccount(spread=0.0001), done.found, 10_000
        for number, packet in enumerate(done.packets):
            final, mdm = packet["final_action"], packet["mdm"]
            if final["action"] != "HOLD" and packet["external"]["now_ms"] >= SEPTEMBER:
                action = Action(final["action"])
                account.execute(Order(action, final["params"], "EURUSD", mdm["features"], str(number)))
        assert account.cash == pytest.approx(found["gain"] * 0.0001 * units, abs=0.1)
        assert account.paid == pytest.approx(found["trades"] * 0.0001 * units)


class TestLimits:
    def test_one_position_at_a_time(self, done: Done) -> None:
        """Entries and exits take turns, and all that was allowed was filled."""
        filled = [p["final_action"]["action"] for p in done.packets if p["external"].get("exec.status") == "done"]
        assert ["ACT", "EXIT"] * (len(filled) // 2) == filled
        assert len(filled) == sum(p["final_action"]["action"] != "HOLD" for p in done.packets)

    def test_exposure_stays_within_the_budget(self, done: Done) -> None:
        """In no week more than four positions are opened, and the model wanted more."""
        opened = [p["external"]["now_ms"] for p in done.packets if p["final_action"]["action"] == "ACT"]
        assert 4 == max(sum(0 <= now - then < WEEK_MS for then in opened) for now in opened)
        assert any(p["mismatch"] and p["mismatch"]["flags"] == ["budget"] for p in done.packets)

    def test_no_position_lasts_longer_than_markets_are_closed(self, done: Done) -> None:
        """A position is left at the first bar a day after it was opened, or earlier."""
        entered = None
        for packet in done.packets:
            action, now = packet["final_action"]["action"], packet["external"]["now_ms"]
            assert entered is None or action == "EXIT" or now - entered < 24 * 3_600_000
            entered = now if action == "ACT" else None if action == "EXIT" else entered


class TestLabel:
    def test_turned_labels_change_nothing(self, example: Path, events: list[dict[str, Any]]) -> None:
        """With every label turned round, every decision stays what it was."""
        toml = example / "pipeline.toml"
        with Pipeline.from_config(toml) as straight, Pipeline.from_config(toml) as turned:
            for event in events[:1500]:
                expected, found = straight.decide(event), turned.decide({**event, "rises": not event["rises"]})
                assert (expected.final, expected.features) == (found.final, found.features)

    def test_the_future_changes_nothing(self, example: Path, events: list[dict[str, Any]]) -> None:
        """A feature rests on bars that are over: with other bars to come, those before are the same."""
        toml = example / "pipeline.toml"
        with Pipeline.from_config(toml) as whole, Pipeline.from_config(toml) as other:
            for event in events[:300]:
                assert whole.decide(event).features == other.decide(event).features
            late = {**events[300], "close": 2 * events[300]["close"]}
            assert whole.decide(events[300]).features != other.decide(late).features
