"""How offensive a text is, by the model that alt-profanity-check ships, computed without scikit-learn."""

from __future__ import annotations

import re
from collections import Counter
from math import exp, sqrt
from pathlib import Path

import attrs
import msgspec
from mdm_core import Build, ConfigError, Context, Event, FeatureExtractor, Features, option

_WORD = re.compile(r"(?u)\b\w\w+\b")


class Machine(msgspec.Struct, forbid_unknown_fields=True):
    """One of the linear machines over which the model averages.

    Attributes:
        intercept: The machine's score of a text without known words.
        slope: What the score is multiplied by to get the log of the odds against offence (Platt 1999).
        offset: What is added to that.
    """

    intercept: float
    slope: float
    offset: float


class OffenceModel(msgspec.Struct, forbid_unknown_fields=True):
    """The model: words weighed by how rare they are, scaled to length 1, and scored by several machines.

    Attributes:
        machines: The machines.
        words: For each word its inverse document frequency, and then its weight in each machine.
    """

    machines: list[Machine]
    words: dict[str, list[float]]

    def probability(self, text: str) -> float:
        """Tell how probable it is that a text is offensive.

        Args:
            text: The text, in any case.

        Returns:
            The mean of what the machines say.
        """
        known = self.words
        counts = Counter(word for word in _WORD.findall(text.lower()) if word in known)
        values = [(count * known[word][0], known[word]) for word, count in sorted(counts.items())]
        length = sqrt(sum(value * value for value, _ in values)) or 1.0
        return sum(
            _sigmoid(machine, sum(value / length * row[number] for value, row in values))
            for number, machine in enumerate(self.machines, 1)
        ) / len(self.machines)


def _sigmoid(machine: Machine, score: float) -> float:
    against = machine.slope * (score + machine.intercept) + machine.offset
    return 1.0 / (1.0 + exp(against)) if against < 700.0 else 0.0


@attrs.define
class OffenceExtractor(FeatureExtractor):
    """Gives ``offence.probability``: how probable it is that a text is offensive, by alt-profanity-check's model."""

    model_file: Path = option(Path("data/offence.json"), help="JSON file written by python -m mdm_content.convert")
    fields: list[str] = option(["subject", "text"], help="fields of the event that are read, one after the other")
    _model: OffenceModel = attrs.field(init=False, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Read the model.

        Raises:
            ConfigError: The file is missing or wrong.
        """
        self._model = read_model(build.base_dir / self.model_file)

    def extract(self, event: Event, context: Context) -> Features:
        """Look at the texts; fields that are missing or no text are left out."""
        texts = (event.get(field) for field in self.fields)
        text = "\n".join(text for text in texts if isinstance(text, str))
        return {"offence.probability": self._model.probability(text)}


def read_model(path: Path) -> OffenceModel:
    """Read a model.

    Args:
        path: The file that ``mdm_content.convert`` has written.

    Returns:
        The model.

    Raises:
        ConfigError: The file is missing or wrong.
    """
    convert = "run: python -m mdm_content.convert"
    try:
        return msgspec.json.decode(path.read_bytes(), type=OffenceModel)
    except OSError as error:
        raise ConfigError(f"model_file: {path} cannot be read ({error.strerror}); {convert}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"model_file: {path} is no such model ({error}); {convert}") from None
