from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mdm_trading.fit import fold, learn, main
from mdm_trading.market import NAMES


class TestFit:
    def test_folded_weights_say_the_same(self) -> None:
        """The weights that are written give the probabilities of the fitted model."""
        chance = np.random.default_rng(3)
        rows = chance.normal(5, 2, (500, len(NAMES)))
        model = learn(rows, rows[:, 0] + chance.normal(0, 1, 500) > 5)
        found = fold(model)
        scores = found["bias"] + rows @ np.array([found["weights"][name] for name in NAMES])
        np.testing.assert_allclose(1 / (1 + np.exp(-scores)), model.predict_proba(rows)[:, 1], atol=1e-3)


class TestCommand:
    def test_committed_weights_are_reproduced(self, example: Path, tmp_path: Path) -> None:
        """The script gives the weights that are committed, the threshold of the pipeline, and what the README tells."""
        out = tmp_path / "weights.json"
        result = CliRunner().invoke(main, [str(example / "pipeline.toml"), "--out", str(out)], catch_exceptions=False)
        fitted, committed = (json.loads(path.read_text()) for path in (out, example / "weights.json"))
        assert committed["weights"] == pytest.approx(fitted["weights"], rel=0.001)
        words = result.output.split()
        told = " ".join((example / "README.md").read_text(encoding="utf-8").split())
        assert f"threshold = {words[-1]} " in (example / "pipeline.toml").read_text()
        assert f"The {words[0]} bars before July" in told
        assert f"with a ROC AUC of {words[words.index('AUC') + 1].rstrip(';')}" in told
