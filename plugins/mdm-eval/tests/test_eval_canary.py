"""A run with a canary and a shadow, decided again: both arms are asked, and no shadow is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Mdm = Callable[..., Any]

CANARY = """\
[canary]
share = 0.5

[canary.features]
use = "reference.rolling"
include = ["x"]
stats = ["mean"]

[canary.model]
use = "reference.logistic"
weights = { x = 1.0, "x.mean" = 0.5 }
threshold = 0.4

[[shadow]]
name = "eager"

[shadow.model]
use = "reference.logistic"
weights = { x = 2.0 }

[redaction]
"""
EVENTS = [
    {
        "id": f"e{n}",
        "at": 1_700_000_000_000 + n,
        "site": f"s{n % 40}",
        "x": (n * 37 % 101) / 25 - 2,
        "colour": "red",
        "bad": n * 53 % 97 < 40,
    }
    for n in range(1200)
]


@pytest.fixture
def decided(tmp_path: Path, run_of: Run) -> Callable[..., list[Mapping[str, Any]]]:
    """Decide the events, with these options, in a run of its own, and give the packets."""

    def decide(folder: str, *overrides: str) -> list[Mapping[str, Any]]:
        ran = run_of(tmp_path / folder, EVENTS, *overrides, without="[redaction]\n", instead=CANARY)
        return list(ran.past.packets())

    return decide


def flipped(before: list[Mapping[str, Any]], after: list[Mapping[str, Any]]) -> int:
    """How many decisions of two runs differ in action or permission."""
    ends = [[(p["final_action"]["action"], p["final_action"]["allowed"]) for p in run] for run in (before, after)]
    return sum(one != other for one, other in zip(*ends, strict=True))


class TestReplay:
    @pytest.mark.parametrize("told", ["from_source", "from_inputs", "from_features"])
    @pytest.mark.parametrize(
        "options",
        [(), ("features.stats=['mean']", "features.max_keys=24")],
        ids=["no state", "state for the 24 keys of the main arm"],
    )
    def test_every_decision_is_the_same(
        self,
        decided: Callable[..., list[Mapping[str, Any]]],
        mdm: Mdm,
        tmp_path: Path,
        told: str,
        options: tuple[str, ...],
    ) -> None:
        """Every decision of both arms is verified: from the source, from recorded inputs, from recorded features."""
        packets = decided("a", *options)
        assert {"main", "canary"} == {packet["external"]["mdm.arm"] for packet in packets}
        if told != "from_source":
            (tmp_path / "a" / "events.jsonl").unlink()
        if told == "from_features":
            trace = tmp_path / "a/runs/r/traces.jsonl"
            changed = [{**packet, "input": {**packet["input"], "x": 99.0}} for packet in packets]
            trace.write_text("".join(json.dumps(packet) + "\n" for packet in changed))
        said = mdm("replay", tmp_path / "a/runs/r", "--json")

        assert (0, True) == (said.code, said.json["verified"])
        assert len(EVENTS) == said.json[told]

    def test_from_another_directory(
        self, decided: Callable[..., Any], mdm: Mdm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A run that was begun by a relative path is replayed from anywhere."""
        decided("a")
        monkeypatch.chdir(tmp_path / "a")
        assert 0 == mdm("run", "pipeline.toml", "--run-id", "b").code
        monkeypatch.chdir(tmp_path)
        said = mdm("replay", tmp_path / "a/runs/b", "--json")

        assert (0, len(EVENTS)) == (said.code, said.json["from_source"])


class TestWhatIf:
    @pytest.mark.parametrize(
        "change",
        [
            "canary.share=0.0",
            "canary.share=0.8",
            "canary.salt='b'",
            "canary.model.threshold=0.6",
            "canary.features.stats=['std']",
            "model.threshold=0.6",
        ],
    )
    def test_flips(
        self, decided: Callable[..., list[Mapping[str, Any]]], mdm: Mdm, tmp_path: Path, change: str
    ) -> None:
        """What an option of either arm changes is what a second run shows."""
        expected = flipped(decided("a"), decided("b", change))
        said = mdm("whatif", tmp_path / "a/runs/r", "--set", change, "--json")

        assert 0 == said.code, said
        assert len(EVENTS) == said.json["trial"]["reproduced"]
        assert expected == sum(flip["decisions"] for flip in said.json["flips"]) > 0

    def test_by_arm(self, decided: Callable[..., list[Mapping[str, Any]]], mdm: Mdm, tmp_path: Path) -> None:
        """An option of the canary changes nothing of what the main arm decides."""
        packets = decided("a")
        options = ("--set", "canary.model.threshold=0.6", "--by", "mdm.arm", "--json")
        segments = mdm("whatif", tmp_path / "a/runs/r", *options).json["segments"]
        arms = Counter(packet["external"]["mdm.arm"] for packet in packets)
        assert arms == {name: segment["decisions"] for name, segment in segments.items()}
        assert segments["main"]["flipped"] == 0 < segments["canary"]["flipped"]

    def test_shadows_are_not_asked(
        self, decided: Callable[..., list[Mapping[str, Any]]], mdm: Mdm, tmp_path: Path
    ) -> None:
        """A shadow that cannot be built any more is no hindrance to deciding again, for it has decided nothing."""
        decided("a")
        path = tmp_path / "a/runs/r/run.json"
        run = json.loads(path.read_text())
        run["config"]["shadow"][0]["model"]["use"] = "gone.model"
        path.write_text(json.dumps(run))

        assert 0 == mdm("replay", tmp_path / "a/runs/r").code


def came_of(packet: Mapping[str, Any]) -> bool:
    """Whether a packet says that it was acted."""
    return bool(packet["final_action"]["allowed"] and packet["final_action"]["action"] == "ACT")


class TestEvaluate:
    @pytest.fixture
    def packets(self, decided: Callable[..., list[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
        """The packets of a run with outcomes."""
        return decided("a")

    @pytest.fixture
    def told(self, packets: list[Mapping[str, Any]], mdm: Mdm, tmp_path: Path) -> Any:
        """What is told of it."""
        return mdm("evaluate", tmp_path / "a/runs/r", "--by", "mdm.arm", "--cost", "fp=1,fn=5", "--json").json

    def test_shadow_against_what_was_decided(self, packets: list[Mapping[str, Any]], told: Any) -> None:
        """Shares, cost and what differs are those counted from the packets, each event on both sides."""
        (shadow,) = told["challengers"]
        eager = [p["external"]["mdm.shadow.eager.action"] == "ACT" for p in packets]
        acted = [came_of(p) for p in packets]
        bad = [p["external"]["eval.outcome"] for p in packets]
        cost = [sum(1 if a > b else 5 if b > a else 0 for a, b in zip(s, bad, strict=True)) for s in (acted, eager)]
        assert [sum(acted), sum(eager)] == shadow["acted"]
        assert (sum(eager) - sum(acted)) / len(packets) == pytest.approx(shadow["acts_more"]["value"], abs=1e-15)
        assert shadow["acts_more"]["low"] < shadow["acts_more"]["value"] < shadow["acts_more"]["high"]
        assert cost == [shadow["effects"]["cost"]["before"], shadow["effects"]["cost"]["after"]]
        assert cost[0] != cost[1]

    def test_canary_against_main(self, packets: list[Mapping[str, Any]], told: Any) -> None:
        """Each arm has the figures of its own events, and the segments of the evaluation are the same."""
        main, canary = told["arms"]
        for arm in (main, canary):
            own = [packet for packet in packets if packet["external"]["mdm.arm"] == arm["name"]]
            assert sum(map(came_of, own)) / len(own) == arm["acted"]["value"]
            (segment,) = (part for part in told["segments"] if part["name"] == arm["name"])
            assert (segment["decisions"], segment["decided"]) == (arm["decisions"], arm["decided"])
        gained = canary["differences"]["acted"]
        assert canary["acted"]["value"] - main["acted"]["value"] == gained["value"]
        assert gained["low"] < gained["value"] < gained["high"]

    def test_as_text(self, packets: list[Mapping[str, Any]], told: Any, mdm: Mdm, tmp_path: Path) -> None:
        """People read the same figures, with their intervals."""
        out = mdm("evaluate", tmp_path / "a/runs/r", "--cost", "fp=1,fn=5").out
        (shadow,), (_, canary) = told["challengers"], told["arms"]
        for estimate in (shadow["acts_more"], shadow["effects"]["recall"]["change"], canary["differences"]["acted"]):
            assert f"{estimate['value']:+.4f}  {estimate['low']:+.4f} to {estimate['high']:+.4f}" in out
        assert "shadow eager against what was decided: 1,200 decisions" in out
        assert "arm canary against main, which have decided about other events each" in out

    def test_is_what_the_report_tells(
        self, packets: list[Mapping[str, Any]], told: Any, mdm: Mdm, tmp_path: Path
    ) -> None:
        """Report and evaluation say the same of challengers."""
        report = mdm("report", tmp_path / "a/runs/r", "--cost", "fp=1,fn=5", "--json").json
        assert (report["challengers"], report["arms"]) == (told["challengers"], told["arms"])

    def test_without_challengers(self, ran: Any, mdm: Mdm) -> None:
        """Of a run without shadows and canary nothing is said of any."""
        said = mdm("evaluate", "r", "--runs-dir", ran.runs_dir)
        assert (0, False, False) == (said.code, "shadow" in said.out, "arm " in said.out)
