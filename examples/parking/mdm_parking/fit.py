"""Fit the forecast and what it is worth: ``python -m mdm_parking.fit examples/parking/pipeline.toml``.

In two steps, in time order: the forecast on the readings before ``SPLIT``, and on those after it how often a car park
was full at each forecast. Features come from the pipeline itself. numpy and scikit-learn are needed here and nowhere
else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import click
import numpy as np
from mdm_core import Build, Features, Pipeline
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from mdm_parking.outlook import Forecast
from mdm_parking.readings import HOUR_MS, LotReadings, nearest

NAMES = ("lot.rise", "lot.rise_hour", "lot.share", "lot.usual")
SPLIT = "2016-11-07T00:00:00+00:00"
"""What a forecast is worth is learned from what comes after."""
END = "2016-11-21T00:00:00+00:00"
"""From here on readings are for judging alone."""


@attrs.frozen
class Example:
    """A reading to learn from.

    Attributes:
        time: Milliseconds since 1970.
        features: What was known.
        rise: By how much the share of places taken rose in the hour after.
        full: The label.
    """

    time: int
    features: Features
    rise: float
    full: bool


def to_ms(instant: str) -> int:
    """Convert ISO 8601 to milliseconds since 1970."""
    return int(datetime.fromisoformat(instant).timestamp() * 1000)


def collect(pipeline_file: Path, source: LotReadings) -> list[Example]:
    """Have the pipeline compute the features of the readings before ``END``.

    Args:
        pipeline_file: The pipeline; its weights are not looked at.
        source: The readings, opened.

    Returns:
        Those whose hour after is known, and is before ``END`` too.
    """
    events = [record.event for record in source.records() if record.event["timestamp_ms"] < to_ms(END)]
    with TemporaryDirectory() as folder:
        shutil.copy(pipeline_file, folder)
        write(Path(folder, "weights.json"), Forecast(0.0, {}, 0.0, 0.0))
        with Pipeline.from_config(Path(folder, pipeline_file.name)) as pipeline:
            features = [pipeline.decide(event).features for event in events]
    return examples(events, features)


def examples(events: Sequence[dict[str, Any]], features: Sequence[Features]) -> list[Example]:
    """Put each reading beside the one an hour later.

    Args:
        events: The readings, in order of time.
        features: Their features.

    Returns:
        One for each that has a reading an hour later.
    """
    lots: dict[str, list[tuple[int, Features, bool | None]]] = {}
    for event, row in zip(events, features, strict=True):
        lots.setdefault(event["lot"], []).append((event["timestamp_ms"], row, event["full"]))
    found = []
    for readings in lots.values():
        times = [time for time, _, _ in readings]
        for time, row, full in readings:
            at = nearest(times, time + HOUR_MS)
            if at is not None and full is not None:
                then = float(readings[at][1]["lot.share"] or 0)
                found.append(Example(time, row, then - float(row["lot.share"] or 0), full))
    return found


def fit(early: Sequence[Example], late: Sequence[Example]) -> Forecast:
    """Fit the forecast, by least squares, and then what it is worth, by logistic regression.

    Args:
        early: What the forecast is fitted on.
        late: What its worth is fitted on.

    Returns:
        The weights, to five digits.
    """
    solution, *_ = np.linalg.lstsq(_rows(early), np.array([one.rise for one in early]))
    weights = [_short(number) for number in solution]
    forecast = Forecast(weights[0], dict(zip(NAMES, weights[1:], strict=True)), 0.0, 0.0)
    shares = np.array([[forecast.share(one.features)] for one in late])
    chance = LogisticRegression(C=1e6, tol=1e-8).fit(shares, [one.full for one in late])
    forecast.chance_bias, forecast.chance_weight = _short(chance.intercept_[0]), _short(chance.coef_[0][0])
    return forecast


def _rows(shown: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([[1.0, *(float(one.features[name] or 0) for name in NAMES)] for one in shown])


def write(path: Path, forecast: Forecast) -> None:
    """Write weights as JSON."""
    content = {name: getattr(forecast, name) for name in Forecast.__struct_fields__}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _short(number: float) -> float:
    return float(f"{number:.5g}")


@click.command()
@click.argument("pipeline_file", type=click.Path(exists=True, path_type=Path), default="pipeline.toml")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; by default weights.json beside the file.")
def main(pipeline_file: Path, out: Path | None) -> None:
    """Fit the weights for PIPELINE_FILE, which lies beside the folder with the readings."""
    source = LotReadings()
    source.open(Build(base_dir=pipeline_file.parent))
    shown = collect(pipeline_file, source)
    source.close()

    early = [one for one in shown if one.time < to_ms(SPLIT)]
    late = [one for one in shown if one.time >= to_ms(SPLIT)]
    forecast = fit(early, late)
    errors = [abs(forecast.share(one.features) - float(one.features["lot.share"] or 0) - one.rise) for one in late]
    still = [abs(one.rise) for one in late]
    click.echo(f"{len(early):,} readings before {SPLIT} foresee {len(late):,} after it: ", nl=False)
    click.echo(f"mean error {np.mean(errors):.4f}, against {np.mean(still):.4f} if nothing changed")
    write(out or pipeline_file.parent / "weights.json", forecast)


if __name__ == "__main__":
    main()
