"""Fit the weights of the pipeline's logistic model on the first half of the year: ``python -m mdm_flights.fit``.

The features come from the pipeline itself, so that what is fitted is what will be weighed: every number is a column,
and every text a column per value. scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import click
import numpy as np
from mdm_core import Build, DataSource, Features, Pipeline, Record
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import f1_score, roc_auc_score  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from mdm_flights.source import FlightsSource

SPLIT = "2013-05-01T00:00:00-04:00"
"""The threshold is chosen on what comes after, with weights fitted on what comes before."""
END = "2013-07-01T00:00:00-04:00"
"""From here on flights are for judging alone."""


@attrs.frozen(eq=False)
class Examples:
    """What to learn from: flights in order of departure.

    Attributes:
        times: Milliseconds since 1970.
        features: Features without those that are None, which add nothing to the score of ``reference.logistic``.
        late: Outcomes.
    """

    times: NDArray[np.int64]
    features: Sequence[Features]
    late: NDArray[np.bool_]

    def before(self, instant: str) -> Examples:
        """The flights that left before an instant."""
        end = int(np.searchsorted(self.times, to_ms(instant)))
        return Examples(self.times[:end], self.features[:end], self.late[:end])

    def since(self, instant: str) -> Examples:
        """The flights that left at an instant or after."""
        start = int(np.searchsorted(self.times, to_ms(instant)))
        return Examples(self.times[start:], self.features[start:], self.late[start:])


def to_ms(instant: str) -> int:
    """Convert ISO 8601 to milliseconds since 1970."""
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


def collect(pipeline: Pipeline, source: DataSource, end: str = END) -> Examples:
    """Have a pipeline decide, and keep its features where the outcome is known.

    Args:
        pipeline: The pipeline; its decisions are not used.
        source: The flights, opened.
        end: Flights that leave at this instant or after are not looked at.

    Returns:
        The examples.
    """
    times: list[int] = []
    features: list[Features] = []
    late: list[bool] = []
    last = to_ms(end)
    for record in source.records():
        if not isinstance(record, Record):
            continue
        now = record.event["timestamp_ms"]
        if now >= last:
            break
        decision = pipeline.decide(record.event)
        outcome = decision.context["eval.outcome"]
        if outcome is not None:
            times.append(now)
            features.append({name: value for name, value in decision.features.items() if value is not None})
            late.append(outcome)
    return Examples(np.array(times), features, np.array(late))


def learn(examples: Examples) -> Any:
    """Fit a logistic regression on standardised features.

    Args:
        examples: What to learn from.

    Returns:
        A scikit-learn pipeline of three steps: columns, scale, regression.
    """
    model = make_pipeline(
        DictVectorizer(sparse=False), StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8)
    )
    return model.fit(examples.features, examples.late)


def best_threshold(probabilities: NDArray[np.float64], late: NDArray[np.bool_]) -> float:
    """Find the threshold, in hundredths, with the highest F1 score.

    Args:
        probabilities: What was foreseen.
        late: What happened.
    """
    thresholds = [number / 100 for number in range(1, 100)]
    return max(thresholds, key=lambda threshold: float(f1_score(late, probabilities >= threshold)))


def fold(model: Any) -> dict[str, Any]:
    """Write a model as ``reference.logistic`` reads it, with weights for features that are not standardised.

    Args:
        model: What ``learn`` gives.

    Returns:
        ``bias``, and ``weights`` by feature name or ``name=text``; six digits each, so that the last bits of a
        linear algebra library do not show.
    """
    columns, scale, regression = (step for _, step in model.steps)
    weights = regression.coef_[0] / scale.scale_
    bias = regression.intercept_[0] - weights @ scale.mean_
    names = columns.get_feature_names_out()
    return {"bias": _short(bias), "weights": {str(name): _short(w) for name, w in zip(names, weights, strict=True)}}


def _short(number: float) -> float:
    return float(f"{number:.6g}")


@click.command()
@click.argument("pipeline_file", type=click.Path(exists=True, path_type=Path), default="pipeline.toml")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; by default weights.json beside the file.")
def main(pipeline_file: Path, out: Path | None) -> None:
    """Fit the weights for PIPELINE_FILE and say which threshold to set in it."""
    source = FlightsSource()
    source.open(Build())
    with Pipeline.from_config(pipeline_file) as pipeline:
        examples = collect(pipeline, source)
    source.close()

    held_out = examples.since(SPLIT)
    foreseen = learn(examples.before(SPLIT)).predict_proba(held_out.features)[:, 1]
    click.echo(f"{len(examples.late):,} flights; fitted before {SPLIT}, judged after: ", nl=False)
    click.echo(f"ROC AUC {roc_auc_score(held_out.late, foreseen):.4f}")

    out = out or pipeline_file.parent / "weights.json"
    out.write_text(json.dumps(fold(learn(examples)), indent=2) + "\n", encoding="utf-8")
    click.echo(f"{out}: weights fitted on all of them; set threshold = {best_threshold(foreseen, held_out.late)}")


if __name__ == "__main__":
    main()
