from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from mdm_core import Features

from mdm_parking.fit import Example, fit, main


class TestFit:
    def test_finds_known_weights_again(self) -> None:
        """From rises that follow a rule, its numbers are found, and from labels drawn by a curve that curve."""
        chance = np.random.default_rng(3)
        shown = []
        for share, rise in chance.uniform(0, 1, (20_000, 2)):
            then = 0.01 + 0.5 * rise - 0.1 * share
            full = chance.random() < 1 / (1 + np.exp(6 - 10 * (share + then)))
            features: Features = {
                "lot.share": float(share),
                "lot.rise": float(rise),
                "lot.rise_hour": None,
                "lot.usual": None,
            }
            shown.append(Example(0, features, float(then), bool(full)))
        found = fit(shown, shown)
        assert (0.01, 0.5, -0.1) == pytest.approx((found.bias, found.weights["lot.rise"], found.weights["lot.share"]))
        assert (-6, 10) == pytest.approx((found.chance_bias, found.chance_weight), abs=0.5)


class TestCommand:
    def test_committed_weights_are_reproduced(self, example: Path, tmp_path: Path) -> None:
        """The script gives the weights that are committed, and says what the README tells."""
        out = tmp_path / "weights.json"
        result = CliRunner().invoke(main, [str(example / "pipeline.toml"), "--out", str(out)], catch_exceptions=False)
        fitted, committed = (json.loads(path.read_text()) for path in (out, example / "weights.json"))
        assert committed.pop("weights") == pytest.approx(fitted.pop("weights"), rel=0.001)
        assert committed == pytest.approx(fitted, rel=0.001)
        told = " ".join((example / "README.md").read_text(encoding="utf-8").split())
        count, *_ = result.output.split()
        assert f"the {count} readings before 7 November" in told
        assert "mean error 0.0218, against 0.0658" in result.output
        assert "by 0.0218 of the places on average, against 0.0658 if nothing changed" in told
