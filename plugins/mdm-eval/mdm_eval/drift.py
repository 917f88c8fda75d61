"""Whether features and confidence are still what they were at the beginning."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs
import numpy as np
from scipy.special import chdtri  # type: ignore[import-untyped]

from mdm_eval.columns import Bools, Floats, Ints
from mdm_eval.features import Column
from mdm_eval.frame import Frame

Verdict: TypeAlias = Literal["stable", "moved", "shifted"]

_BINS = 10
_CATEGORIES = 20
_MOVED, _SHIFTED = 0.1, 0.25
FEWEST = 100


@attrs.frozen
class Drift:
    """How far the distribution of a value has moved from that of the first period.

    Attributes:
        name: ``confidence``, ``probability``, or ``feature NAME``.
        psi: Population stability index of each later period; None where it has no decisions.
        noise: Not more than this in 95 of 100 cases if nothing has moved.
        verdict: By the largest index: ``stable`` below 0.1 or within the noise, ``moved`` below 0.25, else ``shifted``.
    """

    name: str
    psi: list[float | None]
    noise: list[float | None]
    verdict: Verdict

    @property
    def largest(self) -> float:
        """The largest index."""
        return max((value for value in self.psi if value is not None), default=0.0)


@attrs.frozen
class Period:
    """A part of the run.

    Attributes:
        since: Milliseconds since 1970 at which it begins, or the step of a run without a clock.
        until: Where the next one begins.
        decisions: How many decisions it has.
        acted: The share of these that acted.
        positives: Of those with an outcome, the share where it was right to act.
    """

    since: float
    until: float
    decisions: int
    acted: float | None
    positives: float | None


@attrs.frozen
class Stability:
    """The run over time.

    Attributes:
        periods: Of equal length; the first is what the others are compared with.
        drifts: Of confidence, probability and features, these the largest first; none if the first period is short.
        sampled: How many decisions the drift of features was told from.
    """

    periods: list[Period]
    drifts: list[Drift]
    sampled: int


def psi(reference: Floats, counts: Floats) -> float:
    """The population stability index of two distributions over the same bins.

    ``sum((q - p) ln(q / p))``, that is Kullback and Leibler's divergence both ways (N. Siddiqi, "Credit Risk
    Scorecards", 2006, which also has the limits 0.1 and 0.25). Each bin counts half a case more, so that empty ones
    do not make it infinite.

    Args:
        reference: Cases per bin.
        counts: Cases per bin.
    """
    p, q = ((cases + 0.5) / (cases.sum() + 0.5 * len(cases)) for cases in (reference, counts))
    return float(((q - p) * np.log(q / p)).sum())


def noise(bins: int, reference: float, cases: float) -> float:
    """What the index is not more than in 95 of 100 cases if both are drawn from one distribution.

    Then index / (1/n + 1/m) has a chi-squared distribution with ``bins - 1`` degrees of freedom (B. Yurdakul,
    "Statistical Properties of Population Stability Index", 2018).

    Args:
        bins: Number of bins.
        reference: Cases in one.
        cases: Cases in the other.
    """
    return float(chdtri(bins - 1, 0.05) * (1 / reference + 1 / cases)) if bins > 1 else 0.0


def judge_stability(frame: Frame, label: Floats, periods: int) -> Stability | None:
    """Compare the periods of a run with its first.

    Args:
        frame: The decisions.
        label: What was true of each; NaN where it is not known.
        periods: How many periods of equal length.

    Returns:
        The comparison; None if the run is too short for one.
    """
    at = frame.step.astype(np.float64) if np.isnan(frame.now_ms).any() else frame.now_ms
    if len(frame) < FEWEST or at.min() == at.max():
        return None
    edges = np.linspace(at.min(), at.max(), periods + 1)
    period = np.clip(np.searchsorted(edges, at, "right") - 1, 0, periods - 1)
    rows = frame.sample.positions()
    own = [_drift("confidence", frame.confidence, None, period, periods)]
    own += [_drift("probability", frame.probability, None, period, periods)]
    features = [
        _drift(f"feature {name}", column.values, column, period[rows], periods)
        for name, column in frame.sample.columns.items()
    ]
    features.sort(key=lambda drift: -drift.largest)
    return Stability(
        periods=[_period(frame, label, period == n, edges[n : n + 2]) for n in range(periods)],
        drifts=[drift for drift in [*own, *features] if drift.psi],
        sampled=len(rows),
    )


def _period(frame: Frame, label: Floats, rows: Bools, edges: Floats) -> Period:
    known = label[rows & ~np.isnan(label)]
    return Period(
        since=float(edges[0]),
        until=float(edges[1]),
        decisions=int(rows.sum()),
        acted=float(frame.acted[rows].mean()) if rows.any() else None,
        positives=float(known.mean()) if len(known) else None,
    )


def _drift(name: str, values: Floats, column: Column | None, period: Ints, periods: int) -> Drift:
    bins, width = _texts(values, period) if column is not None and column.texts is not None else _bins(values, period)
    counts = np.bincount(period * width + bins, minlength=periods * width).reshape(periods, width).astype(np.float64)
    counts = counts[:, counts.any(axis=0)]
    cases = counts.sum(axis=1)
    if cases[0] < FEWEST:
        return Drift(name, [], [], "stable")
    found = [psi(counts[0], row) if n else None for row, n in zip(counts[1:], cases[1:], strict=True)]
    noises = [noise(counts.shape[1], cases[0], n) if n else None for n in cases[1:]]
    return Drift(name, found, noises, _verdict(found, noises))


def _verdict(found: list[float | None], noises: list[float | None]) -> Verdict:
    pairs = zip(found, noises, strict=True)
    largest = max((psi for psi, chance in pairs if psi and chance is not None and psi > chance), default=0.0)
    return "stable" if largest < _MOVED else "moved" if largest < _SHIFTED else "shifted"


def _bins(values: Floats, period: Ints) -> tuple[Ints, int]:
    """Bins of equal size in the first period; the last is for what is missing."""
    first = values[(period == 0) & ~np.isnan(values)]
    edges = np.unique(np.quantile(first, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(first) else np.empty(0)
    bins = np.searchsorted(edges, values, "left")
    return np.where(np.isnan(values), len(edges) + 1, bins), len(edges) + 2


def _texts(values: Floats, period: Ints) -> tuple[Ints, int]:
    """The most frequent texts of the first period, all others together, and those that are missing."""
    first = values[(period == 0) & ~np.isnan(values)]
    texts, times = np.unique(first, return_counts=True)
    kept = np.sort(texts[np.argsort(-times, kind="stable")[:_CATEGORIES]])
    place = np.searchsorted(kept, values)
    known = np.append(kept, np.nan)[np.minimum(place, len(kept))] == values
    bins = np.where(known, place, np.where(np.isnan(values), len(kept) + 1, len(kept)))
    return bins, len(kept) + 2
