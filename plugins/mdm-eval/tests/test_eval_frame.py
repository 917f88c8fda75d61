"""Packets as columns."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
import pytest

from mdm_eval import features as features_module
from mdm_eval.columns import Codes, Measures
from mdm_eval.features import FeatureSample
from mdm_eval.frame import FROM_CONFIDENCE, Reading, read_frame
from mdm_eval.segments import MOST, divide


def packet(step: int, **changes: Any) -> dict[str, Any]:
    """Make a packet."""
    return {
        "run_id": "r",
        "step": step,
        "input": {"user": {"name": f"u{step % 3}"}},
        "external": {"now_ms": 1000 * step, "eval.outcome": step % 2 == 0, "mdm.latency_us": 10.5},
        "mdm": {
            "action": "ACT",
            "confidence": 0.75,
            "reasons": [],
            "params": {"probability": 0.75},
            "features_summary": {},
            "features": {"x": float(step), "colour": "red"},
        },
        "final_action": {"action": "ACT", "allowed": True, "reasons": [], "params": {}},
        "latency_ms": 1,
        "mismatch": None,
        "schema_version": "0.1.3",
    } | changes


def of_proposal(step: int, **changes: Any) -> dict[str, Any]:
    """Make a packet with another proposal."""
    made = packet(step)
    return {**made, "mdm": {**made["mdm"], **changes}}


class TestFrame:
    def test_holds_what_the_packets_hold(self, ran_once: Any) -> None:
        """Every column of a real run is what its packets say, row by row."""
        packets = ran_once.packets
        frame = read_frame(packets, Reading(by="site"))
        assert len(packets) == len(frame)
        assert [p["step"] for p in packets] == frame.step.tolist()
        assert [p["external"]["now_ms"] for p in packets] == frame.now_ms.tolist()
        assert [p["mdm"]["confidence"] for p in packets] == frame.confidence.tolist()
        assert [p["mdm"]["params"]["probability"] for p in packets] == frame.probability.tolist()
        assert [p["external"]["mdm.latency_us"] for p in packets] == frame.latency_us.tolist()
        assert [p["mdm"]["action"] == "ACT" for p in packets] == frame.wanted.tolist()
        assert [p["final_action"]["action"] == "ACT" for p in packets] == frame.acted.tolist()
        values = [*frame.outcome.values, None]
        assert [p["external"].get("eval.outcome") for p in packets] == [values[n] for n in frame.outcome.numbers]
        assert [p["input"]["site"] for p in packets] == [frame.segment.values[n] for n in frame.segment.numbers]
        denied = [None if p["mismatch"] is None else p["mismatch"]["flags"][0] for p in packets]
        marks = [*(flags[0] for flags, _ in frame.mismatch.values), None]
        assert denied == [marks[n] for n in frame.mismatch.numbers]
        assert "mdm.params.probability" == frame.score

    def test_a_denied_action_is_not_done(self) -> None:
        """What was wanted and denied counts as wanted and not as done; STOP counts as done only if it is allowed."""
        denied = {"action": "HOLD", "allowed": False, "reasons": [], "params": {}}
        stopped = {"action": "STOP", "allowed": False, "reasons": [], "params": {}}
        frame = read_frame([packet(0, final_action=denied), packet(1, final_action=stopped), packet(2)], Reading())
        assert [True, True, True] == frame.wanted.tolist()
        assert [False, False, True] == frame.acted.tolist()

    def test_judges_one_action(self) -> None:
        """With an action given, no other counts as acting."""
        leaving = {"action": "EXIT", "allowed": True, "reasons": [], "params": {}}
        packets = [packet(0), packet(1, final_action=leaving)]
        assert [True, False] == read_frame(packets, Reading(action="ACT")).acted.tolist()
        assert [True, True] == read_frame(packets, Reading()).acted.tolist()

    def test_takes_the_confidence_without_a_probability(self) -> None:
        """Where no proposal has the parameter the confidence counts, of HOLD one minus it, and of a failure nothing."""
        failed = of_proposal(2, action="HOLD", confidence=0.0, params={})
        failed["external"]["mdm.fail_closed"] = True
        packets = [of_proposal(0, params={}), of_proposal(1, action="HOLD", confidence=0.9, params={}), failed]
        frame = read_frame(packets, Reading())
        assert FROM_CONFIDENCE == frame.score
        assert [0.75, pytest.approx(0.1)] == frame.probability[:2].tolist()
        assert isnan(frame.probability[2])

    def test_does_not_mix_probability_and_confidence(self) -> None:
        """Where some proposals have the parameter, those without it have no probability."""
        frame = read_frame([packet(0), of_proposal(1, action="HOLD", params={})], Reading())
        assert 0.75 == frame.probability[0]
        assert isnan(frame.probability[1])

    @pytest.mark.parametrize("value", ["[REDACTED]", None, {"a": 1}, [0.5], 10**400])
    def test_what_is_no_number_is_missing(self, value: Any) -> None:
        """What a redactor left in the place of a number is a gap, not a failure."""
        frame = read_frame([packet(0), of_proposal(1, params={"probability": value})], Reading())
        assert isnan(frame.probability[1])

    def test_time_can_be_limited(self) -> None:
        """Decisions before since, and from until on, are left out; so are those without a time."""
        packets = [packet(n) for n in range(6)] + [packet(6, external={}), packet(7, external={"now_ms": None})]
        assert [2, 3] == read_frame(packets, Reading(since_ms=2000, until_ms=4000)).step.tolist()
        assert [4, 5] == read_frame(packets, Reading(since_ms=4000)).step.tolist()

    def test_latency_in_milliseconds_will_do(self) -> None:
        """A packet without the exact latency has that of its whole milliseconds."""
        frame = read_frame([packet(0), packet(1, external={})], Reading())
        assert [10.5, 1000.0] == frame.latency_us.tolist()

    @pytest.mark.parametrize(
        ("by", "expected"),
        [("colour", ["red"]), ("user.name", ["u0", "u1", "u2"]), ("now_ms", [0, 1000, 2000, 3000]), ("gone", [])],
    )
    def test_segments_are_found_anywhere(self, by: str, expected: list[Any]) -> None:
        """Segments come from a feature, a path in the event, or what is recorded besides, in this order."""
        assert expected == read_frame([packet(n) for n in range(4)], Reading(by=by)).segment.values

    def test_no_packets(self) -> None:
        """An empty run is an empty frame."""
        frame = read_frame([], Reading(by="x"))
        assert (0, 0, 0) == (len(frame), len(frame.acted), len(frame.latency_us))


class TestColumns:
    def test_codes(self) -> None:
        """Values come back from their codes, whatever they are; None is absent, and lists count by their text."""
        codes = Codes(["a", None, True, ["x"], "a", {"k": 1}, 2.5])
        codes.extend(["new", ["x"]])
        values = [*codes.values, None]
        expected = ["a", None, True, '["x"]', "a", '{"k":1}', 2.5, "new", '["x"]']
        assert expected == [values[n] for n in codes.numbers]

    def test_measures(self) -> None:
        """Numbers stay as they are, in the order in which they came; a truth is 1 or 0."""
        column = Measures()
        column.extend((1.5, None, True))
        column.extend((7, "x"))
        assert [1.5, 1.0, 7.0] == column.values[[0, 2, 3]].tolist()
        assert [1, 4] == np.flatnonzero(np.isnan(column.values)).tolist()
        assert 0 == len(Measures().values)


class TestFeatureSample:
    def test_keeps_every_row_at_first(self) -> None:
        """Few decisions are kept whole; a feature that is not always there has gaps."""
        sample = FeatureSample()
        for n in range(10):
            sample.offer({"a": n, "b": "x"} if n % 2 else {"a": n, "late": True})
        assert list(range(10)) == sample.columns["a"].values.tolist()
        assert [0, 1] * 5 == (~np.isnan(sample.columns["b"].values)).astype(int).tolist()
        assert [1, 0] * 5 == (~np.isnan(sample.columns["late"].values)).astype(int).tolist()
        assert list(range(10)) == sample.positions().tolist()

    def test_thins_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of many decisions every n-th is kept, never more than twice enough, and the rows say where they stand."""
        monkeypatch.setattr(features_module, "ENOUGH", 8)
        sample = FeatureSample()
        for n in range(1000):
            sample.offer({"a": n} if n < 500 else {"a": n, "new": n})
        assert sample.positions().tolist() == sample.columns["a"].values.tolist()
        assert 8 <= len(sample.positions()) < 16
        assert 128 == sample.stride
        new = sample.columns["new"].values
        assert sample.positions()[sample.positions() >= 500].tolist() == new[~np.isnan(new)].tolist()

    def test_a_feature_has_one_type(self) -> None:
        """Texts are numbered; a text among numbers is a gap, a number among texts is a text."""
        sample = FeatureSample()
        for number, text in [(1.5, "a"), ("[REDACTED]", "b"), (None, 3), (2, "a")]:
            sample.offer({"number": number, "text": text})
        assert [True, False, False, True] == (~np.isnan(sample.columns["number"].values)).tolist()
        assert [0, 1, 2, 0] == sample.columns["text"].values.tolist()
        assert {"a": 0, "b": 1, "3": 2} == sample.columns["text"].texts


class TestSegments:
    def test_most_frequent_first(self) -> None:
        """The largest segment comes first, and what has no value last."""
        found = list(divide(Codes(["b", "a", "a", None, True])))
        assert ["a", "b", "true", "(none)"] == [name for name, _ in found]
        assert [1, 2] == np.flatnonzero(found[0][1]).tolist()

    def test_many_are_put_together(self) -> None:
        """Beyond the fifty most frequent, all others are one segment; none is lost."""
        found = list(divide(Codes([f"s{n % 70}" for n in range(1000)])))
        assert (MOST + 1, "(other)") == (len(found), found[-1][0])
        assert 1000 == sum(int(rows.sum()) for _, rows in found)

    def test_numbers_are_cut_into_fifths(self) -> None:
        """Numbers with many values are cut into five parts of about the same size."""
        found = list(divide(Codes([*(n / 10 for n in range(100)), None])))
        assert ["0 to 1.98", "above 1.98 to 3.96", "above 7.92 to 9.9", "(none)"] == [found[n][0] for n in (0, 1, 4, 5)]
        assert [20, 20, 20, 20, 20, 1] == [int(rows.sum()) for _, rows in found]

    def test_few_numbers_are_values(self) -> None:
        """Numbers with few values are segments each."""
        assert ["1", "2"] == [name for name, _ in divide(Codes([1, 1, 2]))]
