"""Fit the probability that the price rises: ``python -m mdm_trading.fit examples/trading/pipeline.toml``.

Weights are fitted on the bars before ``SPLIT``, and judged and given a threshold on those up to ``END``; then they are
fitted on both. Features come from the pipeline itself. scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from mdm_core import Build, Features, Pipeline
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from mdm_trading.bars import Bars
from mdm_trading.market import NAMES

SPLIT = "2017-07-01T00:00:00+00:00"
END = "2017-09-01T00:00:00+00:00"
"""From here on bars are for judging alone, and a label that looks past it is not learned from."""
SHARE = 0.2
"""Of the bars between ``SPLIT`` and ``END`` so many are to be traded, on the sides that are surest."""


def to_ms(instant: str) -> int:
    """Convert ISO 8601 to milliseconds since 1970."""
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


def collect(pipeline_file: Path, events: Sequence[dict[str, Any]]) -> list[Features]:
    """Have the pipeline compute the features of bars; its weights are not looked at."""
    with TemporaryDirectory() as folder:
        shutil.copy(pipeline_file, folder)
        Path(folder, "weights.json").write_text('{"weights": {}}')
        with Pipeline.from_config(Path(folder, pipeline_file.name)) as pipeline:
            return [pipeline.decide(event).features for event in events]


def learn(rows: Any, rises: Any) -> Any:
    """Fit a logistic regression, strongly regularised, on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, tol=1e-8)).fit(rows, rises)


def fold(model: Any) -> dict[str, Any]:
    """Write a model as ``reference.logistic`` reads it, to five digits."""
    scale, regression = (step for _, step in model.steps)
    weights = regression.coef_[0] / scale.scale_
    bias = _short(regression.intercept_[0] - weights @ scale.mean_)
    return {"bias": bias, "weights": {name: _short(w) for name, w in zip(NAMES, weights, strict=True)}}


def _short(number: float) -> float:
    return float(f"{number:.5g}")


@click.command()
@click.argument("pipeline_file", type=click.Path(exists=True, path_type=Path), default="pipeline.toml")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; by default weights.json beside the file.")
def main(pipeline_file: Path, out: Path | None) -> None:
    """Fit the weights for PIPELINE_FILE, which lies beside the folder with the bars, and say which threshold to set."""
    source = Bars()
    source.open(Build(base_dir=pipeline_file.parent))
    events = [record.event for record in source.records() if record.event["timestamp_ms"] < to_ms(END)]
    shown = list(zip(events, collect(pipeline_file, events), strict=True))[: -source.horizon]
    kept = [(event, row) for event, row in shown if row["market.place"] is not None]
    rows = np.array([[float(row[name] or 0) for name in NAMES] for _, row in kept])
    rises, times = np.array([e["rises"] for e, _ in kept]), np.array([e["timestamp_ms"] for e, _ in kept])

    first = int(np.searchsorted(times, to_ms(SPLIT)))
    late, early = np.arange(len(times)) >= first, np.arange(len(times)) < first - source.horizon
    chances = learn(rows[early], rises[early]).predict_proba(rows[late])[:, 1]
    threshold = round(float(np.quantile(np.maximum(chances, 1 - chances), 1 - SHARE)), 3)
    click.echo(f"{early.sum():,} bars before {SPLIT} foresee {late.sum():,} after it: ", nl=False)
    click.echo(f"ROC AUC {roc_auc_score(rises[late], chances):.4f}; set threshold = {threshold}")

    (out or pipeline_file.parent / "weights.json").write_text(json.dumps(fold(learn(rows, rises)), indent=2) + "\n")


if __name__ == "__main__":
    main()
