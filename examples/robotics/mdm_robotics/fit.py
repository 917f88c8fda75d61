"""Fit the exercises, and when to stop: ``python -m mdm_robotics.fit --data examples/robotics/data``.

Both are from people 1 to 7; people 8 to 10 are for judging alone. scikit-learn is needed here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from mdm_core.values import Context
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from mdm_robotics.motion import ExerciseWeights, Motion, Window
from mdm_robotics.packages import WATCH
from mdm_robotics.recordings import Recording, read
from mdm_robotics.sessions import Session, sessions

LEARNED = (1, 2, 3, 4, 5, 6, 7)
EVERY = 10
"""Of this many windows, which are hardly different, one is learned from."""
LIMITS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
FALSE_STOPS = 2
"""Of the 98 sessions of people 1 to 7 so many arms may be stopped for nothing."""


def rows(recordings: Sequence[Recording]) -> tuple[NDArray[np.float64], list[str]]:
    """Compute the moments of windows, as ``robotics.motion`` does.

    Args:
        recordings: What was recorded.

    Returns:
        Moments, and the exercise of each.
    """
    found, names = [], []
    for one in recordings:
        window = Window()
        for number, sample in enumerate(one.samples):
            if window.push(list(sample)) and not number % EVERY:
                found.append(window.moments())
                names.append(one.exercise)
    return np.array(found), names


def fit(recordings: Sequence[Recording]) -> ExerciseWeights:
    """Fit a multinomial logistic regression on standardised moments.

    Args:
        recordings: What to learn from.

    Returns:
        Weights for moments as they are, to five digits.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=1000, tol=1e-6))
    model.fit(*rows(recordings))
    scale, regression = (step for _, step in model.steps)
    weights = regression.coef_ / scale.scale_
    bias = regression.intercept_ - weights @ scale.mean_
    names = [str(name) for name in regression.classes_]
    return ExerciseWeights(
        dict(zip(names, map(_short, bias), strict=True)),
        {name: list(map(_short, row)) for name, row in zip(names, weights, strict=True)},
    )


def doubts(session: Session) -> list[float]:
    """Have ``robotics.motion`` judge a session, and give its evidence at every sample; that needs no weights."""
    motion = Motion()
    context = Context({}, session.name, 0, 0, 0)
    found = (motion.extract(session.event(number), context) for number in range(len(session.samples)))
    return [float(features["motion.doubt"] or 0) for features in found]


def choose(judged: Sequence[tuple[Session, list[float]]]) -> tuple[float, int, int]:
    """Choose the lowest limit that stops few for nothing.

    Args:
        judged: Sessions and the evidence of another movement.

    Returns:
        The limit, how many it stops before they leave the plan or without their leaving it, and how many after.
    """
    for limit in LIMITS:
        stops = [(one, next((at for at, doubt in enumerate(row) if doubt >= limit), None)) for one, row in judged]
        false = sum(at is not None and at < one.switch for one, at in stops)
        if false <= FALSE_STOPS:
            return limit, false, sum(at is not None and at >= one.switch for one, at in stops)
    raise click.ClickException("no limit stops few enough for nothing")


def write(path: Path, weights: ExerciseWeights) -> None:
    """Write weights as JSON."""
    path.write_text(json.dumps({"bias": weights.bias, "weights": weights.weights}) + "\n", encoding="utf-8")


def _short(number: float) -> float:
    return float(f"{number:.5g}")


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), help="Folder with the package.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; default: weights.json beside the folder.")
def main(data: Path, out: Path | None) -> None:
    """Fit the weights, and say at which evidence to stop."""
    wheel = WATCH.check(data / WATCH.file)
    shown = read(wheel, LEARNED)
    limit, false, right = choose([(session, doubts(session)) for session in sessions(shown)])
    click.echo(f"set stop_at = {limit}: of {len(shown)} sessions {false} are stopped for nothing, ", nl=False)
    click.echo(f"and {right} of the {len(shown) // 2} that leave the plan")
    write(out or data.parent / "weights.json", fit(shown))


if __name__ == "__main__":
    main()
