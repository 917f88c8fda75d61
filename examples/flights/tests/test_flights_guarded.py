"""The guarded pipeline against an endpoint that fails for one request in ten and takes each order once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import pytest
from mdm_core import Run, Summary
from mdm_core.journal import AnyEntry, Intent, read_journal

from mdm_flights.desk import Desk

GUARDED = Path(__file__).parent.parent / "guarded.toml"
LIMIT = 8_000


@attrs.define
class Ended:
    """A run that has ended, and what the desk has done."""

    summary: Summary
    effects: list[str]
    answers: Counter[str]

    @property
    def directory(self) -> Path:
        return Path(self.summary.run_dir)

    @property
    def acting(self) -> list[dict[str, Any]]:
        """The packets of decisions that were allowed to act."""
        with (self.directory / "traces.jsonl").open() as lines:
            packets = map(json.loads, lines)
            return [p for p in packets if p["final_action"]["allowed"] and p["final_action"]["action"] != "HOLD"]

    @property
    def journal(self) -> list[AnyEntry]:
        return list(read_journal(self.directory))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Decide on the first flights of the year, and hold crews at a desk that fails."""
    folder = tmp_path_factory.mktemp("guarded")
    desk = Desk(0, folder / "effects.jsonl", fail=0.1, refuse=0.02)
    thread = Thread(target=desk.serve_forever)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DESK_URL", f"http://127.0.0.1:{desk.server_port}/crews")
            summary = Run.from_config(GUARDED, runs_dir=folder / "runs", limit=LIMIT).run()
    finally:
        desk.shutdown()
        thread.join()
        desk.server_close()
    effects = [json.loads(line)["key"] for line in (folder / "effects.jsonl").read_text().splitlines()]
    return Ended(summary, effects, desk.answers)


class TestExactlyOnce:
    def test_the_desk_did_fail(self, ended: Ended) -> None:
        """In each of its ways, and for about one request in ten; else the rest would say nothing."""
        failed = [ended.answers[way] for way in ("busy", "drop", "slow down")]
        assert min(failed) > 10
        assert 0.07 < sum(failed) / ended.answers.total() < 0.13
        assert ended.answers["refused"] > 0

    def test_every_allowed_action_took_effect_once_or_is_listed_as_failed(self, ended: Ended) -> None:
        """By the desk's own list: one effect for each order that is done, and none for those that failed."""
        keys = {entry.step: entry.key for entry in ended.journal if isinstance(entry, Intent)}
        effects = Counter(ended.effects)
        expected = {keys[p["step"]]: int(p["external"]["exec.status"] == "done") for p in ended.acting}
        assert {key: effects[key] for key in expected} == expected
        assert set(effects) <= set(expected)
        assert {"done", "failed"} == {p["external"]["exec.status"] for p in ended.acting}

    def test_orders_were_tried_again(self, ended: Ended) -> None:
        """As many attempts as the desk has had requests."""
        attempts = sum(packet["external"]["exec.attempt_count"] for packet in ended.acting)
        assert ended.answers.total() == attempts > len(ended.acting)


class TestSummary:
    def test_it_accounts_for_every_event(self, ended: Ended) -> None:
        """Every event is decided, every proposal allowed or denied, every allowed action has its outcome."""
        summary = ended.summary
        assert ("done", LIMIT, LIMIT) == (summary.status, summary.events, summary.decided)
        assert summary.proposed["ACT"] == summary.allowed["ACT"] + sum(summary.denied.values())
        assert summary.allowed["ACT"] == sum(summary.executions.values()) == len(ended.acting)
        assert summary.carried_out["ACT"] == summary.executions["done"] == len(ended.effects)
