from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mdm_core import ConfigError

from mdm_content.fit import END, Mail, fit, fit_features, fit_words, main, read, to_ms
from mdm_content.source import MailSource
from mdm_content.words import BUCKETS, buckets


def message(text: str, spam: bool) -> dict[str, Any]:
    return {"subject": "", "text": text, "spam": spam, "timestamp_ms": 0}


class TestParts:
    def test_nothing_from_the_part_that_judges(self, source: MailSource) -> None:
        """No message is read that came in September 2002 or later."""
        mail = read(source)
        assert (3545, to_ms(END)) > (len(mail.events), max(event["timestamp_ms"] for event in mail.events))
        assert 3545 == len(mail.events)

    def test_an_instant_parts_cleanly(self) -> None:
        """A message at the instant itself is in the later part and in no other."""
        mail = Mail([{"timestamp_ms": to_ms(END) + shift} for shift in (-1, 0, 1)])
        start, end = "2000-01-01T00:00:00+00:00", "2010-01-01T00:00:00+00:00"
        assert [1, 2] == [len(mail.between(start, END).events), len(mail.between(END, end).events)]


class TestWords:
    def test_weighs_a_word_by_where_it_stands(self) -> None:
        """A word of spam gets a weight above zero, one of other mail below, and one of both nearly none."""
        mail = [message(f"both {kind} w{n}", kind == "money") for n in range(50) for kind in ("money", "meeting")]
        weights = fit_words(Mail(mail))["weights"]
        spam, other, both = (weights[next(iter(buckets("", word)))] for word in ("money", "meeting", "both"))
        assert spam > 1 > 0.1 > abs(both)
        assert other < -1

    def test_has_a_weight_for_every_hash(self) -> None:
        """Hashes that no message has get the weight 0."""
        weights = fit_words(Mail([message("money", True), message("meeting", False)]))["weights"]
        assert BUCKETS == len(weights)
        assert 2 == np.count_nonzero(weights)


class TestFeatures:
    def test_finds_known_weights_again(self) -> None:
        """From labels drawn with known weights, those are found within what chance allows, and unused ones left out."""
        chance = np.random.default_rng(3)
        x = chance.normal(0, 2, 40_000)
        spam = chance.random(40_000) < 1 / (1 + np.exp(-(0.7 * x - 1)))
        found = fit_features([{"words.score": v, "words.count": 3, "gap": None} for v in x.tolist()], spam)
        assert found["bias"] == pytest.approx(-1, abs=0.05)
        assert {"words.score": pytest.approx(0.7, abs=0.03)} == found["weights"]


class TestWeights:
    def test_committed_weights_are_reproduced(self, example: Path, source: MailSource, tmp_path: Path) -> None:
        """The script gives the weights that are committed, and the AUC that the README tells."""
        auc = fit(example / "pipeline.toml", read(source), tmp_path)
        fitted, committed = (
            {name: json.loads((folder / f"{name}.json").read_text()) for name in ("words", "weights")}
            for folder in (tmp_path, example)
        )
        assert committed["weights"]["weights"] == pytest.approx(fitted["weights"]["weights"], rel=0.01)
        np.testing.assert_allclose(committed["words"]["weights"], fitted["words"]["weights"], rtol=0, atol=0.03)
        assert f"ROC AUC of {auc:.4f}" in (example / "README.md").read_text(encoding="utf-8")

    def test_command_needs_the_mail(self, example: Path, tmp_path: Path) -> None:
        """Without the package the command says how to fetch it, and writes nothing."""
        shutil.copy(example / "pipeline.toml", tmp_path)
        result = CliRunner().invoke(main, [str(tmp_path / "pipeline.toml")])
        assert isinstance(result.exception, ConfigError)
        assert "run: python -m mdm_content.fetch" in str(result.exception)
        assert ["pipeline.toml"] == [path.name for path in tmp_path.iterdir()]
