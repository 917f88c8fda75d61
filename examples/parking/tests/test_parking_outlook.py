from __future__ import annotations

import json
from math import exp
from pathlib import Path

import pytest
from mdm_core import Action, Build, ConfigError, Features, Proposal
from mdm_core.values import Context

from mdm_parking import Outlook

CONTEXT = Context({}, None, 0, 0, 0)
WEIGHTS = {"bias": 0.1, "weights": {"lot.rise": 0.5}, "chance_bias": -9.0, "chance_weight": 10.0}


def proposed(folder: Path, features: Features, threshold: float = 0.25) -> Proposal:
    (folder / "weights.json").write_text(json.dumps(WEIGHTS))
    model = Outlook(threshold=threshold)
    model.open(Build(base_dir=folder))
    return model.propose(features, CONTEXT)


class TestProposal:
    def test_is_the_formula(self, tmp_path: Path) -> None:
        """The forecast is share, bias and weighted rise; the probability is its logistic."""
        found = proposed(tmp_path, {"lot.share": 0.6, "lot.rise": 0.2, "lot.places": 500})
        assert found.params == {
            "probability": pytest.approx(1 / (1 + exp(1))),
            "forecast": pytest.approx(0.8),
            "places": 500,
        }
        assert (Action.ACT, ["fills_up"]) == (found.action, found.reasons)

    def test_below_the_threshold_it_admits(self, tmp_path: Path) -> None:
        """A car park with room is left alone, with one minus the probability as confidence."""
        found = proposed(tmp_path, {"lot.share": 0.1, "lot.rise": None, "lot.places": 500})
        assert (Action.HOLD, ["has_room"]) == (found.action, found.reasons)
        assert pytest.approx(1 - 1 / (1 + exp(7))) == found.confidence

    def test_without_a_reading(self, tmp_path: Path) -> None:
        """Without a reading nothing is redirected, and the reason says why."""
        found = proposed(tmp_path, {"lot.share": None}, threshold=0.0)
        assert (Action.HOLD, 0.0, ["no_reading"]) == (found.action, found.confidence, found.reasons)


class TestFile:
    @pytest.mark.parametrize(
        ("content", "message"), [(None, "cannot be read .*; check the path"), ("{}", "is no file of weights")]
    )
    def test_wrong(self, tmp_path: Path, content: str | None, message: str) -> None:
        """A file that is missing or wrong is told with what is wrong with it."""
        if content is not None:
            (tmp_path / "weights.json").write_text(content)
        with pytest.raises(ConfigError, match=message):
            Outlook().open(Build(base_dir=tmp_path))
