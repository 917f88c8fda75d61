from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from mdm_core import Build, Pipeline

from mdm_flights import FlightsSource
from mdm_flights.fit import Examples, best_threshold, collect, fold, learn, main, to_ms

EXAMPLE = Path(__file__).parent.parent
PIPELINE = EXAMPLE / "pipeline.toml"
FEBRUARY = "2013-02-01T00:00:00-05:00"


@pytest.fixture(scope="module")
def source() -> Iterator[FlightsSource]:
    source = FlightsSource()
    source.open(Build())
    yield source
    source.close()


@pytest.fixture(scope="module")
def january(source: FlightsSource) -> Examples:
    with Pipeline.from_config(PIPELINE) as pipeline:
        return collect(pipeline, source, FEBRUARY)


class TestCollect:
    def test_ends_in_time(self, january: Examples) -> None:
        """No flight is looked at that leaves at the end or after it."""
        assert january.times.max() < to_ms(FEBRUARY)

    def test_only_known_outcomes(self, january: Examples, source: FlightsSource) -> None:
        """Flights that did not arrive are left out; all others are kept, in order."""
        end = to_ms(FEBRUARY)
        events = takewhile(lambda event: event["timestamp_ms"] < end, (record.event for record in source.records()))
        assert [event["late"] for event in events if event["late"] is not None] == january.late.tolist()

    def test_splits_by_time(self, january: Examples) -> None:
        """Before and since put every flight on exactly one side."""
        instant = "2013-01-15T12:00:00-05:00"
        before, since = january.before(instant), january.since(instant)
        assert len(january.features) == len(before.features) + len(since.features)
        assert before.times.max() < to_ms(instant) <= since.times.min()


class TestFold:
    def test_scores_as_the_model_does(self, january: Examples) -> None:
        """The weights give the scores of the fitted model, to six digits."""
        model = learn(january)
        found = fold(model)
        rows = model.steps[0][1].transform(january.features[:1000])
        scores = found["bias"] + rows @ np.array(list(found["weights"].values()))
        np.testing.assert_allclose(model.decision_function(january.features[:1000]), scores, rtol=1e-3, atol=1e-3)

    def test_text_becomes_a_weight_per_value(self, january: Examples) -> None:
        """A text has one weight per value, named as the model reads it."""
        names = {name for name in fold(learn(january))["weights"] if name.startswith("route.")}
        assert {"route.origin=EWR", "route.origin=JFK", "route.origin=LGA"} == names

    def test_same_twice(self, january: Examples) -> None:
        """Fitting twice gives the same weights."""
        assert fold(learn(january)) == fold(learn(january))

    def test_recovers_known_weights(self) -> None:
        """From outcomes drawn with known weights, those are found again within what chance allows."""
        chance = np.random.default_rng(3)
        x, kind = chance.normal(5, 3, 40_000), chance.integers(0, 2, 40_000)
        late = chance.random(40_000) < 1 / (1 + np.exp(-(0.4 * x - 2 + 0.5 * kind)))
        features = [{"x": a, "kind": "ab"[b]} for a, b in zip(x.tolist(), kind.tolist(), strict=True)]
        found = fold(learn(Examples(np.arange(40_000), features, late)))["weights"]
        assert found["x"] == pytest.approx(0.4, abs=0.02)
        assert found["kind=b"] - found["kind=a"] == pytest.approx(0.5, abs=0.1)


class TestThreshold:
    def test_has_the_best_f1_score(self) -> None:
        """Of three thresholds that matter, the one with the best balance of precision and recall is found."""
        probabilities = np.array([0.05, 0.15, 0.35, 0.55, 0.95])
        assert 0.35 >= best_threshold(probabilities, np.array([False, False, True, True, True])) > 0.15
        assert best_threshold(probabilities, np.array([False, False, False, False, True])) > 0.55


class TestCommand:
    def test_committed_weights_are_reproduced(self, tmp_path: Path) -> None:
        """The script gives the weights and the threshold that are committed, and the AUC that the README tells."""
        out = tmp_path / "weights.json"
        result = CliRunner().invoke(main, [str(PIPELINE), "--out", str(out)], catch_exceptions=False)
        assert 0 == result.exit_code
        fitted, committed = json.loads(out.read_text()), json.loads((EXAMPLE / "weights.json").read_text())
        assert committed["weights"] == pytest.approx(fitted["weights"], rel=1e-3, abs=1e-6)
        assert committed["bias"] == pytest.approx(fitted["bias"], rel=1e-3)
        auc = re.search(r"ROC AUC \d\.\d{4}", result.output)
        assert auc is not None
        assert auc[0].replace("AUC", "AUC of") in (EXAMPLE / "README.md").read_text(encoding="utf-8")
        threshold = tomllib.loads(PIPELINE.read_text())["model"]["threshold"]
        assert result.output.endswith(f"set threshold = {threshold}\n")
