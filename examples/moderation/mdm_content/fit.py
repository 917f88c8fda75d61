"""Fit the weights of the words, and what else counts: ``python -m mdm_content.fit examples/moderation/pipeline.toml``.

In two steps, because words score the mail that they were fitted on too surely. The words of the mail before August
score August, and on August is fitted what such a score is worth beside the other features. Then the words are fitted
once more, on all mail before September. scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import click
import numpy as np
from mdm_core import Build, DataSource, Event, Features, Pipeline, Record
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.feature_extraction import DictVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from mdm_content.source import MailSource
from mdm_content.words import BUCKETS, buckets

UNUSED = ("words.count", "event.count", "shape.links", "shape.images", "shape.characters")
"""Features without a weight: counts of which the logarithm has one, and counts that say too little."""
START = "1970-01-01T00:00:00+00:00"
SPLIT = "2002-08-01T00:00:00+00:00"
"""What else counts is fitted on what comes after, scored by words of what came before."""
END = "2002-09-01T00:00:00+00:00"
"""From here on mail is for judging alone."""


@attrs.frozen
class Mail:
    """Messages in the order in which they came.

    Attributes:
        events: The messages, with their labels.
    """

    events: Sequence[Event]

    def between(self, start: str, end: str) -> Mail:
        """The messages that came at an instant or after, and before another."""
        return Mail([event for event in self.events if to_ms(start) <= event["timestamp_ms"] < to_ms(end)])

    @property
    def spam(self) -> NDArray[np.bool_]:
        """The labels."""
        return np.array([event["spam"] for event in self.events])


def to_ms(instant: str) -> int:
    """Convert ISO 8601 to milliseconds since 1970."""
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


def read(source: DataSource) -> Mail:
    """Read the mail before ``END``.

    Args:
        source: The mail, opened.

    Returns:
        The messages; from ``END`` on none is looked at.
    """
    events = [record.event for record in source.records() if isinstance(record, Record)]
    return Mail(events).between(START, END)


def fit_words(mail: Mail) -> dict[str, Any]:
    """Fit the weights of the words.

    Args:
        mail: What to learn from.

    Returns:
        What ``words.WordWeights`` reads. Spam and other mail count the same altogether, however much there is of each.
    """
    hashes = [sorted(buckets(event["subject"], event["text"])) for event in mail.events]
    sizes = [len(row) for row in hashes]
    values = np.concatenate([np.full(size, 1 / sqrt(size or 1)) for size in sizes])
    rows = csr_matrix((values, np.concatenate(hashes).astype(np.int64), np.cumsum([0, *sizes])), (len(hashes), BUCKETS))
    model = LogisticRegression(C=30, class_weight="balanced", solver="liblinear", tol=1e-6)
    model.fit(rows, mail.spam)
    return {"bias": _short(model.intercept_[0]), "weights": _rounded(model.coef_[0])}


def fit_features(features: Sequence[Features], spam: NDArray[np.bool_]) -> dict[str, Any]:
    """Fit what features are worth.

    Args:
        features: The features of each message; those that are None count as 0.
        spam: The labels.

    Returns:
        What ``reference.logistic`` reads.
    """
    columns = DictVectorizer(sparse=False)
    rows = columns.fit_transform([{name: x for name, x in row.items() if x is not None} for row in features])
    keep = [name not in UNUSED for name in columns.feature_names_]
    model = LogisticRegression(C=1000, max_iter=10_000).fit(rows[:, keep], spam)
    names = np.array(columns.feature_names_)[keep]
    return {
        "bias": _short(model.intercept_[0]),
        "weights": {str(name): _short(weight) for name, weight in zip(names, model.coef_[0], strict=True)},
    }


def compute(pipeline_file: Path, words: dict[str, Any], mail: Mail) -> list[Features]:
    """Have the pipeline compute the features of messages, with certain weights of words.

    Args:
        pipeline_file: The pipeline; its own weights are not looked at.
        words: The weights of the words.
        mail: The messages.

    Returns:
        The features of each.
    """
    with TemporaryDirectory() as folder:
        shutil.copy(pipeline_file, folder)
        write(Path(folder, "words.json"), words)
        write(Path(folder, "weights.json"), {"weights": {}})
        with Pipeline.from_config(Path(folder, pipeline_file.name)) as pipeline:
            return [pipeline.decide(event).features for event in mail.events]


def write(path: Path, content: dict[str, Any]) -> None:
    """Write weights as JSON, on one line."""
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _rounded(weights: Iterable[float]) -> list[float]:
    return [round(float(weight), 2) for weight in weights]


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def fit(pipeline_file: Path, mail: Mail, out: Path) -> float:
    """Fit all weights and write them.

    Args:
        pipeline_file: The pipeline that computes the features.
        mail: The mail before ``END``.
        out: Folder for ``words.json`` and ``weights.json``.

    Returns:
        The ROC AUC of the words of the mail before ``SPLIT`` on that after it.
    """
    early, late = mail.between(START, SPLIT), mail.between(SPLIT, END)
    features = compute(pipeline_file, fit_words(early), mail)[len(early.events) :]
    write(out / "words.json", fit_words(mail))
    write(out / "weights.json", fit_features(features, late.spam))
    return float(roc_auc_score(late.spam, [row["words.score"] for row in features]))


@click.command()
@click.argument("pipeline_file", type=click.Path(exists=True, path_type=Path), default="pipeline.toml")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; by default that of the file.")
def main(pipeline_file: Path, out: Path | None) -> None:
    """Fit words.json and weights.json for PIPELINE_FILE, which lies beside the folder with the mail."""
    source = MailSource()
    source.open(Build(base_dir=pipeline_file.parent))
    auc = fit(pipeline_file, read(source), out or pipeline_file.parent)
    click.echo(f"words.json and weights.json are written; ROC AUC of the words in August {auc:.4f}")


if __name__ == "__main__":
    main()
