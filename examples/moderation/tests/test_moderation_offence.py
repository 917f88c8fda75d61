from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mdm_core import Build, ConfigError
from mdm_core.values import Context

from mdm_content import OffenceExtractor
from mdm_content.convert import convert, original
from mdm_content.offence import OffenceModel, read_model
from mdm_content.packages import OFFENCE

# The texts of the package's own README and tests, and some that tell ways of counting apart.
TEXTS = (
    "predict() takes an array and returns a 1 for each string if it is offensive, else 0.",
    "predict_prob() takes an array and returns the probability each string is offensive",
    "fuck you",
    "fUcK u",
    "go to hell, you scum",
    "GO TO hElL, you dirty scum",
    "Hello there, how are you",
    "Lorem Ipsum is simply dummy text of the printing and typesetting industry.",
    "!!!! Click this now!!! -> https://example.com",
    "",
    "the and of",
    "scum scum scum hell",
    "Ärger mit İstanbul und Straße, naïve café 12345 a b",
)


@pytest.fixture(scope="module")
def theirs(example: Path) -> tuple[Any, Any]:
    return original(example / "data" / OFFENCE.file)


@pytest.fixture(scope="module")
def ours(example: Path) -> OffenceModel:
    return read_model(example / "data" / "offence.json")


class TestIdentity:
    def test_probabilities_are_those_of_the_original(
        self, theirs: tuple[Any, Any], ours: OffenceModel, mail: list[dict[str, Any]]
    ) -> None:
        """On the texts of the package and on every sixth mail, probability and verdict are those of scikit-learn."""
        texts = [*TEXTS, *(event["text"] for event in mail[::6])]
        vectorizer, classifier = theirs
        rows = vectorizer.transform(texts)
        found = np.array([ours.probability(text) for text in texts])
        np.testing.assert_allclose(found, classifier.predict_proba(rows)[:, 1], rtol=1e-13, atol=0)
        assert (classifier.predict(rows) == (found > 0.5)).all()

    def test_tells_some_from_others(self, ours: OffenceModel) -> None:
        """Insults are found offensive and a greeting is not."""
        verdicts = [ours.probability(text) > 0.5 for text in TEXTS[2:7]]
        assert [True, True, True, True, False] == verdicts

    def test_the_file_is_what_the_script_writes(self, theirs: tuple[Any, Any], ours: OffenceModel) -> None:
        """Converting again gives the model that the run reads, to the last bit."""
        assert convert(*theirs) == ours


class TestExtractor:
    def test_reads_the_fields_that_are_texts(self, example: Path, ours: OffenceModel) -> None:
        """Subject and text are read together; what is missing or no text is left out."""
        extractor = OffenceExtractor()
        extractor.open(Build(base_dir=example))
        context = Context({}, None, 0, 0, 0)
        found = extractor.extract({"subject": "you scum", "text": "go to hell"}, context)
        assert {"offence.probability": ours.probability("you scum\ngo to hell")} == found
        assert {"offence.probability": ours.probability("")} == extractor.extract({"text": 7}, context)

    @pytest.mark.parametrize(
        ("content", "message"),
        [(None, "cannot be read"), ("{}", "is no such model .* run: python -m mdm_content.convert")],
    )
    def test_wrong_file(self, tmp_path: Path, content: str | None, message: str) -> None:
        """A model that is missing or wrong is told with how to make it."""
        if content is not None:
            (tmp_path / "offence.json").write_text(content)
        with pytest.raises(ConfigError, match=message):
            OffenceExtractor(model_file=Path("offence.json")).open(Build(base_dir=tmp_path))


class TestSafety:
    def test_nothing_is_unpickled_from_another_file(self, tmp_path: Path) -> None:
        """A wheel whose hash is not the known one is refused before it is opened."""
        wheel = tmp_path / OFFENCE.file
        wheel.write_bytes(b"PK\x03\x04 anything could be in here")
        with pytest.raises(ConfigError, match=r"is not version 1.9.1 of alt-profanity-check"):
            original(wheel)
