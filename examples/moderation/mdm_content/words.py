"""What the words of a text say: one number, from the hashes of the words and a weight for each hash.

Hashes and not words, so that neither the file of weights nor the trace tells what anybody wrote.
"""

from __future__ import annotations

import re
import zlib
from math import sqrt
from pathlib import Path
from typing import Any

import attrs
import msgspec
from mdm_core import Build, ConfigError, Context, Event, FeatureExtractor, Features, option

BUCKETS = 8192
_WORD = re.compile(r"[a-z0-9$!'-]{2,24}")
_DIGITS = re.compile(r"[0-9]+")


class WordWeights(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of word weights holds.

    Attributes:
        bias: The score of a text without words.
        weights: Weight of each of the ``BUCKETS`` hashes.
    """

    bias: float
    weights: list[float]


@attrs.define
class WordsExtractor(FeatureExtractor):
    """Scores the words of a text: a logistic regression over hashed words, as the log of the odds.

    ``words.score`` is the bias plus the mean weight of the distinct words times the root of their number, and
    ``words.count`` is that number. Runs of digits count as one word, a 0; words of the subject are apart from those of
    the text.
    """

    weights_file: Path = option(Path("words.json"), help="JSON file with bias and weights, written by mdm_content.fit")
    subject: str = option("subject", help="field of the event with the subject")
    text: str = option("text", help="field of the event with the text")
    _bias: float = attrs.field(init=False, default=0.0, repr=False, eq=False)
    _weights: list[float] = attrs.field(init=False, factory=list, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Read the weights.

        Raises:
            ConfigError: The file is missing or wrong.
        """
        content = _read(build.base_dir / self.weights_file)
        self._bias, self._weights = content.bias, content.weights

    def extract(self, event: Event, context: Context) -> Features:
        """Score the words; a field that is missing or no text has none."""
        found = buckets(_text(event.get(self.subject)), _text(event.get(self.text)))
        weights = self._weights
        score = sum([weights[bucket] for bucket in sorted(found)])
        return {"words.score": self._bias + score / sqrt(len(found) or 1), "words.count": len(found)}


def buckets(subject: str, text: str) -> set[int]:
    """Hash the words of a message with CRC-32.

    Args:
        subject: Its subject.
        text: Its text.

    Returns:
        Numbers below ``BUCKETS``, one for each distinct word, fewer where two have the same.
    """
    crc = zlib.crc32
    found = {crc(word.encode()) % BUCKETS for word in _words(text)}
    return found | {crc(b"subject:" + word.encode()) % BUCKETS for word in _words(subject)}


def _words(text: str) -> set[str]:
    return set(_WORD.findall(_DIGITS.sub("0", text.lower())))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read(path: Path) -> WordWeights:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=WordWeights)
    except OSError as error:
        raise ConfigError(f"weights_file: {path} cannot be read ({error.strerror}); check the path") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"weights_file: {path} is no file of word weights ({error}); see mdm_content.fit") from None
    if len(content.weights) != BUCKETS:
        raise ConfigError(f"weights_file: {path} has {len(content.weights)} weights and not {BUCKETS}; fit it again")
    return content
