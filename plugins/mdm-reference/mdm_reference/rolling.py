"""Features of any event: its fields under dotted names, and rolling statistics of its numbers per key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf, isfinite, sqrt
from numbers import Integral, Real
from typing import Any, Final, TypeAlias

import attrs
from mdm_core import Build, ConfigError, Context, Event, FeatureExtractor, Features, KeyedState, keyed_state, option
from mdm_core.expressions import Expression, compile_expression

from mdm_reference.flatten import FieldRules, Level, Names
from mdm_reference.history import ARRIVALS, STATISTICS, Arrival, KeyHistory, Statistic, Tally, Value, Window, ewma
from mdm_reference.windows import CANCELLED, LARGEST, CountWindow, SpanWindow

_Todo: TypeAlias = list[tuple[Mapping[str, Any], Level]]

_MOMENTS: Final = ["mean", "std", "z"]
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(rf"([1-9][0-9]{{0,8}}) ?({'|'.join(_UNIT_MS)})")
_LEAST_INT: Final = -(2**63)
_MOST_INT: Final = 2**63 - 1  # whole numbers beyond become floats, for few readers of a trace could hold them


def span_of(window: int | str) -> int:
    """Give the length of a window in milliseconds.

    Args:
        window: A number of values, or a duration such as ``500ms``, ``30s``, ``5m``, ``2h`` or ``1d``.

    Returns:
        Milliseconds, or 0 for a number of values.

    Raises:
        ValueError: The text is no duration.
    """
    if isinstance(window, int):
        return 0
    match = _DURATION.fullmatch(window)
    if match is None:
        raise ValueError(f"must be a number of values or a duration such as '30s', '5m' or '2h', got {window!r}")
    return int(match[1]) * _UNIT_MS[match[2]]


def _check_derived(derived: Mapping[str, str]) -> None:
    for name, text in derived.items():
        if not name or name in ARRIVALS:
            raise ValueError(f"{name!r} cannot be the name of a derived feature; choose another")
        compile_expression(text)


@attrs.define
class RollingFeatures(FeatureExtractor):
    """Flattens events to dotted names and adds rolling statistics of their numbers, per key.

    - A number becomes the feature ``name`` and one ``name.<statistic>`` each; the window includes the event itself.
      ``std`` is that of the population, ``z`` is ``(x - mean) / std`` and 0 without spread, ``delta`` is the
      difference to the value before, None for the first; ``ewma`` is described at ``alpha``.
    - A truth becomes the feature ``name``, a list ``name.len``, a text ``name`` if ``categories`` names it, a nested
      mapping goes on below ``name.``; None and everything else is no feature.
    - A number that is not finite is None and enters no window. One beyond 1e150 is a feature and enters none.
    - ``event.count`` and ``event.rate`` (per second) are of the key's events in the window, ``time.hour`` and
      ``time.weekday`` (Monday is 0) are UTC, ``time.gap_ms`` is the time since the key's event before.
    - ``derived`` features are computed last, in their order, and see those before; where there is no value they are
      None. Statistics, derived features and those of ``also`` win over a field of the same name.
    - Of several fields in one event that come to the same name, such as ``{"a.b": 1, "a": {"b": 2}}``, the one nearest
      the top counts, and of those the first; a whole number beyond 64 bits comes after its neighbours.
    - A field whose dotted name has more than 256 characters is no feature.
    - Fields that the pipeline reads as key, timestamp or id are no features. Patterns are as in file names.
    - A window of time holds at most 100,000 values; beyond, the oldest leave early. Where an event is older than one
      before, the highest time seen for its key counts.
    """

    window: int | str = option(
        100, ge=1, le=1_000_000, check=span_of, help="what to look back on: a number of values, or a duration like '5m'"
    )
    stats: list[str] = option(_MOMENTS, choices=(*STATISTICS, "ewma"), help="statistics of each number")
    also: list[str] = option([], choices=tuple(ARRIVALS), help="features of the number and time of events")
    categories: list[str] = option([], help="patterns of the texts that become features")
    derived: dict[str, str] = option({}, check=_check_derived, help="arithmetic over features, by name of the result")
    include: list[str] = option([], help="patterns of the fields that become features; none means all")
    exclude: list[str] = option([], help="patterns of the fields that do not become features")
    alpha: float | None = option(
        None,
        gt=0,
        le=1,
        help="weight of the newest value in ewma; by default 2 / (window + 1), or 1 - exp(-dt / window)",
    )
    max_keys: int = option(100_000, ge=1, help="keys remembered; then the least recently used is forgotten")
    max_fields: int = option(1000, ge=1, help="numbers of a key that get statistics")
    max_numbers: int = option(
        1_000_000, ge=1, help="numbers with statistics, of all keys together; then the least recently used is forgotten"
    )
    states: KeyedState[KeyHistory] = keyed_state(KeyHistory, max_keys="max_keys", max_size="max_numbers")
    tallies: KeyedState[Tally] = keyed_state(Tally)
    _names: Names = attrs.field(init=False, repr=False, eq=False)
    _span_ms: int = attrs.field(init=False, repr=False, eq=False)
    _all_moments: bool = attrs.field(init=False, repr=False, eq=False)
    _moments_alone: bool = attrs.field(init=False, repr=False, eq=False)
    _has_time: bool = attrs.field(init=False, repr=False, eq=False)
    _statistics: list[Statistic] = attrs.field(init=False, repr=False, eq=False)
    _derived: list[tuple[str, Expression]] = attrs.field(init=False, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Work out all that does not depend on events.

        Raises:
            ConfigError: An option needs the time of events, and the pipeline has none.
        """
        self._has_time = build.clock is not None
        if not self._has_time:
            self._refuse_time()
        reserved = frozenset(path for path in (build.key, build.timestamp, build.id) if path)
        self._all_moments = set(self.stats) == set(_MOMENTS)
        self._moments_alone = bool(self.stats) and set(self.stats) <= set(_MOMENTS)
        stats = [stat if stat in self.stats else None for stat in _MOMENTS] if self._moments_alone else self.stats
        self._names = Names(FieldRules(reserved, self.include, self.exclude, self.categories), stats)
        self._span_ms = span_of(self.window)
        average = ewma(self.alpha, self.window if isinstance(self.window, int) else 0, self._span_ms)
        self._statistics = [STATISTICS.get(stat, average) for stat in self.stats]
        self._derived = [(name, compile_expression(text)) for name, text in self.derived.items()]

    @property
    def fields_over(self) -> int:
        """How many times a number got no statistics because its key has ``max_fields`` already."""
        return self.tallies[None].fields_over

    def counts(self) -> dict[str, int]:
        """Tell how many times a number got no statistics."""
        return {"fields_over": self.fields_over}

    def extract(self, event: Event, context: Context) -> Features:
        """Compute the features, and let the numbers enter their windows."""
        history = self.states[context.key]
        span_ms = self._span_ms
        arrival = self._arrive(history, context) if span_ms or self.also else None
        now_ms = arrival.now_ms if arrival else 0
        windows: dict[str, Any] = history.spans if span_ms else history.counts
        moments_alone, all_moments = self._moments_alone, self._all_moments
        lowest, highest = -LARGEST, LARGEST
        categories = self.categories
        features: Features = {}
        todo: _Todo = [(event, self._names.begin())]
        for fields, level in todo:
            numbers = level.numbers
            for key, x in fields.items():
                kind = type(x)
                if kind is str:
                    if categories:
                        _put(features, level.texts[key], x)
                elif kind is float or (kind is int and _LEAST_INT <= x <= _MOST_INT):
                    names = numbers[key]
                    if names is None:
                        names = level.shared.get(key)
                        if names is None or names[0] in features:
                            continue
                    name = names[0]
                    if not lowest <= x <= highest:
                        features[name] = x if isfinite(x) else None
                        continue
                    features[name] = x
                    if moments_alone:
                        try:
                            window = windows[name]
                        except KeyError:
                            window = self._new_window(windows, name)
                            if window is None:
                                continue
                        # CountWindow.push, written out: the call alone is a tenth of what a number costs here.
                        place = 0 if span_ms else window.place
                        if place:
                            window.values[place] = x
                            window.place = place + 1
                            deviation = x - window.shift
                            window.total = total = window.total + deviation
                            window.squares = squares = window.squares + deviation * deviation
                            size = window.size
                            centre = (total + window.old_totals[place]) / size
                            square = centre * centre
                            variance = (squares + window.old_squares[place]) / size - square
                            if square < CANCELLED * variance:
                                spread = sqrt(variance)
                                mean, z = window.shift + centre, (deviation - centre) / spread
                            else:
                                mean, spread, z = window.doubtful(x, size, centre)
                        else:
                            mean, spread, z = window.push(x, now_ms)
                        _, of_mean, of_std, of_z = names
                        if all_moments:
                            features[of_mean], features[of_std], features[of_z] = mean, spread, z
                            continue
                        if of_mean is not None:
                            features[of_mean] = mean
                        if of_std is not None:
                            features[of_std] = spread
                        if of_z is not None:
                            features[of_z] = z
                    elif self.stats:
                        self._describe(float(x), names, history, windows, now_ms, features)
                elif kind is dict:
                    todo.append((x, level.levels[key]))
                elif x is not None:
                    self._take_other(key, x, level, features, todo)
        if arrival:
            for name in self.also:
                features[name] = ARRIVALS[name](arrival)
        for name, expression in self._derived:
            features[name] = expression(features)
        return features

    def _arrive(self, history: KeyHistory, context: Context) -> Arrival:
        at_ms = 0
        if self._has_time:
            at_ms = context.get("last_event_ts_ms", context["now_ms"])
        return history.arrive(at_ms, self.window if isinstance(self.window, int) else 0, self._span_ms)

    def _describe(
        self,
        x: float,
        names: tuple[str, ...],
        history: KeyHistory,
        windows: dict[str, Any],
        now_ms: int,
        features: Features,
    ) -> None:
        name = names[0]
        window = windows.get(name)
        if window is None and (window := self._new_window(windows, name)) is None:
            return
        value = Value(x, name, window.push(x, now_ms), window, history, now_ms)
        for feature, statistic in zip(names[1:], self._statistics, strict=True):
            features[feature] = statistic(value)

    def _new_window(self, windows: dict[str, Any], name: str) -> Window | None:
        if len(windows) >= self.max_fields:
            self.tallies[None].fields_over += 1
            return None
        size, span_ms = self.window, self._span_ms
        window: Window = CountWindow(size=size) if isinstance(size, int) else SpanWindow(span_ms=span_ms)
        windows[name] = window
        return window

    def _take_other(self, key: str, x: Any, level: Level, features: Features, todo: _Todo) -> None:
        # Subtypes and foreign numbers go round again as the builtin that they stand for.
        if isinstance(x, bool):
            _put(features, level.truths[key], x)
        elif isinstance(x, Integral) and _LEAST_INT <= int(x) <= _MOST_INT:
            todo.append(({key: int(x)}, level))
        elif isinstance(x, Real):
            todo.append(({key: _float(x)}, level))
        elif isinstance(x, str):
            todo.append(({key: str.__str__(x)}, level))
        elif isinstance(x, Mapping):
            todo.append((x, level.levels[key]))
        elif isinstance(x, list | tuple):
            _put(features, level.lengths[key], len(x))

    def _refuse_time(self) -> None:
        needy = [f"window = {self.window!r}"] if isinstance(self.window, str) else []
        needy += [f"also = {name!r}" for name in self.also if name != "event.count"]
        if needy:
            raise ConfigError(
                f"{', '.join(needy)} cannot be computed without time; set timestamp or clock = 'wall' in [pipeline]"
            )


def _put(features: Features, name: str | None, x: bool | int | str) -> None:
    if name is not None and name not in features:
        features[name] = x


def _float(x: Real) -> float:
    try:
        return float(x)
    except OverflowError:
        return inf
