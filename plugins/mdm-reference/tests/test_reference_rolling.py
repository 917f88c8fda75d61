from __future__ import annotations

import math
import statistics
import tracemalloc
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdm_core import Build, ConfigError, Context, Event, Features, OptionError

from mdm_reference import RollingFeatures
from mdm_reference.flatten import MAX_PATHS
from mdm_reference.windows import MAX_HELD

STATS = ["mean", "std", "min", "max", "z", "delta", "sum", "ewma"]
ALSO = ["event.count", "event.rate", "time.hour", "time.weekday", "time.gap_ms"]
WITH_TIME = Build(key="user", timestamp="at.ms", id="id", clock="event")

Timed = list[tuple[int, float | None]]

timed_values = st.lists(
    st.tuples(
        st.integers(-20, 40),
        st.one_of(st.none(), st.integers(-99, 99), st.floats(-1e3, 1e3).map(lambda x: round(x, 9))),
    ),
    min_size=1,
    max_size=40,
)


def opened(build: Build = WITH_TIME, **options: Any) -> RollingFeatures:
    extractor = RollingFeatures(**options)
    extractor.open(build)
    return extractor


def context(at_ms: int = 0, key: str = "UA") -> Context:
    return Context(items={"now_ms": at_ms, "last_event_ts_ms": at_ms}, key=key, event_id="1", step=0, seed=0)


def last(extractor: RollingFeatures, events: Iterable[Event]) -> Features:
    """Extract from all events and give the last one's features."""
    features: Features = {}
    for event in events:
        features = extractor.extract(event, context())
    return features


def bits(features: Features) -> list[tuple[str, type, str]]:
    """Make features comparable to the last bit."""
    return [(name, type(x), x.hex() if isinstance(x, float) else str(x)) for name, x in features.items()]


def at_times(events: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Turn gaps, of which some go back, into times."""
    now, timed = 1000, []
    for gap, x in events:
        now += gap
        timed.append((now, x))
    return timed


def brute_force(held: list[float], before: float | None, ewma: float) -> dict[str, float | None]:
    """Compute all statistics of a window from its values; the last one is the event's own."""
    x, mean, std = held[-1], math.fsum(held) / len(held), float(statistics.pstdev(map(Fraction, held)))
    return {
        "mean": mean,
        "std": std,
        "min": min(held),
        "max": max(held),
        "z": float(Fraction(x) - sum(map(Fraction, held)) / len(held)) / std if std else 0.0,
        "delta": None if before is None else x - before,
        "sum": math.fsum(held),
        "ewma": ewma,
    }


def assert_same(expected: Mapping[str, float | None], features: Features) -> None:
    for stat, value in expected.items():
        actual = features[f"a.x.{stat}"]
        if value is None:
            assert actual is None
        else:
            assert isinstance(actual, float)
            # The largest number is 1000, so that this is 1e-12 of it; z is of the order of 1.
            assert math.isclose(value, actual, rel_tol=1e-9, abs_tol=1e-9), stat


class TestStatistics:
    @settings(deadline=None)
    @given(events=timed_values, window=st.integers(1, 9))
    def test_over_the_last_values(self, events: Timed, window: int) -> None:
        """Each statistic over the last N values is what computing it from these values gives; None is no value."""
        extractor = opened(window=window, stats=STATS)
        seen: list[float] = []
        average = 0.0
        for at, x in at_times(events):
            features = extractor.extract({"a": {"x": x}}, context(at))
            if x is None:
                assert {} == features
                continue
            average = x + (1.0 - 2.0 / (window + 1)) * (average - x) if seen else x
            before = seen[-1] if seen else None
            seen.append(float(x))
            assert_same(brute_force(seen[-window:], before, average), features)

    @settings(deadline=None)
    @given(events=timed_values, span=st.integers(1, 60))
    def test_over_a_span_of_time(self, events: Timed, span: int) -> None:
        """Over a duration as well, where an event that is older than one before it counts as of the highest time."""
        extractor = opened(window=f"{span}ms", stats=STATS)
        seen: list[tuple[int, float]] = []
        average, now = 0.0, 0
        for at, x in at_times(events):
            now = max(now, at)
            features = extractor.extract({"a": {"x": x}}, context(at))
            if x is None:
                continue
            average = x + math.exp((seen[-1][0] - now) / span) * (average - x) if seen else x
            before = seen[-1][1] if seen else None
            seen.append((now, float(x)))
            held = [value for time, value in seen if time > now - span]
            assert_same(brute_force(held, before, average), features)

    @settings(deadline=None)
    @given(events=timed_values, chosen=st.lists(st.sampled_from(STATS), unique=True))
    def test_chosen_ones_are_those_of_all(self, events: Timed, chosen: list[str]) -> None:
        """Choosing fewer statistics, in any order, leaves out the others and changes no bit of those chosen."""
        extractor, everything = opened(stats=chosen), opened(stats=STATS)
        for _, x in events:
            if x is not None:
                features = extractor.extract({"x": x}, context())
                expected = everything.extract({"x": x}, context())
                wanted = {name: expected[name] for name in ["x", *(f"x.{s}" for s in chosen)]}
                # The order among a field's statistics is mdm's own, and nothing depends on it.
                assert sorted(bits(wanted)) == sorted(bits(features))

    def test_alpha_weighs_the_newest_value(self) -> None:
        """A given alpha is the newest value's weight in ewma, over events and over time alike."""
        for window in (10, "1s"):
            for alpha, average in ((0.75, 6.5), (0.25, 3.5)):
                extractor = opened(window=window, stats=["ewma"], alpha=alpha)
                assert {"x": 8, "x.ewma": average} == last(extractor, [{"x": 2}, {"x": 8}])

    def test_keys_are_apart(self) -> None:
        """Each key has windows of its own."""
        extractor = opened()
        extractor.extract({"x": 100.0}, context(key="AA"))
        assert 1.0 == extractor.extract({"x": 1.0}, context(key="UA"))["x.mean"]

    def test_least_recently_used_key_is_forgotten(self) -> None:
        """With more keys than ``max_keys`` the one that was not used for longest starts anew."""
        extractor = opened(max_keys=2)
        for key in ("AA", "UA", "AA", "DL"):
            extractor.extract({"x": 1.0}, context(key=key))
        assert ["AA", "DL"] == list(extractor.states)
        assert 1 == extractor.states.evicted


class TestFields:
    def test_names(self) -> None:
        """Nested fields get dotted names; truths stay, lists give a length, texts and None nothing."""
        event = {
            "user": {"age": 30, "vip": True, "name": "Ann", "address": {"lat": 1.5, "note": None}},
            "items": [1, 2, 3],
            "pair": (1, 2),
            "none": None,
        }
        assert {
            "items.len": 3,
            "pair.len": 2,
            "user.age": 30,
            "user.vip": True,
            "user.address.lat": 1.5,
        } == opened(stats=[]).extract(event, context())

    def test_standard_statistics(self) -> None:
        """Without options a number gives itself, mean, std and z, and the type of its own value is kept."""
        features = last(opened(), [{"x": 1}, {"x": 3}])
        assert [("x", int, "3"), ("x.mean", float, (2.0).hex())] == bits(features)[:2]
        assert {"x": 3, "x.mean": 2.0, "x.std": 1.0, "x.z": 1.0} == features

    def test_reserved_fields(self) -> None:
        """What the pipeline reads as key, timestamp or id is no feature, even if it is a number."""
        event = {"user": 7, "id": 12, "at": {"ms": 1000, "hour": 5}, "ts": 3}
        assert {"at.hour": 5, "ts": 3} == {
            name: x for name, x in opened().extract(event, context()).items() if isinstance(x, int)
        }

    def test_include_and_exclude(self) -> None:
        """A field needs to match a pattern of ``include``, and none of ``exclude``."""
        extractor = opened(include=["delay.*", "n?"], exclude=["*.arr"], stats=[])
        event = {"delay": {"dep": 1, "arr": 2, "on": False}, "n1": 3, "n10": 4, "Delay": {"dep": 5}}
        assert {"n1": 3, "delay.dep": 1, "delay.on": False} == extractor.extract(event, context())

    def test_categories(self) -> None:
        """A text becomes a feature only where ``categories`` names it and ``exclude`` does not."""
        extractor = opened(categories=["route.*", "tail"], exclude=["route.dest"])
        event = {"route": {"origin": "JFK", "dest": "MIA"}, "tail": "N1", "name": "Ann"}
        assert {"tail": "N1", "route.origin": "JFK"} == extractor.extract(event, context())

    @pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, 10**400])
    @pytest.mark.parametrize("stats", [["mean", "std", "z"], STATS])
    def test_numbers_that_are_not_finite(self, x: float, stats: list[str]) -> None:
        """A number that is not finite, or too large to be a float, is None and enters no window."""
        extractor = opened(stats=stats)
        assert {"x": None} == last(extractor, [{"x": 1.0}, {"x": x}])
        assert 2.0 == extractor.extract({"x": 3.0}, context())["x.mean"]

    @pytest.mark.parametrize("x", [1.7e308, -1.1e150])
    @pytest.mark.parametrize("window", [10, "1h"])
    def test_huge_numbers_poison_no_window(self, x: float, window: int | str) -> None:
        """A number beyond 1e150 is a feature and enters no window, which goes on as if it had not come."""
        extractor = opened(window=window)
        assert {"x": x} == last(extractor, [{"x": 1.0}, {"x": x}])
        assert {"x": 3.0, "x.mean": 2.0, "x.std": 1.0, "x.z": 1.0} == extractor.extract({"x": 3.0}, context())

    def test_foreign_types(self) -> None:
        """Subtypes and other real numbers count as the builtin they stand for; what is no number gives nothing."""

        class Level(IntEnum):
            HIGH = 3

        class Name(str):
            __slots__ = ()

        event = MappingProxyType(
            {
                "level": Level.HIGH,
                "half": Fraction(1, 2),
                "big": 2**70,
                "nested": MappingProxyType({"x": 1.5}),
                "name": Name("Ann"),
                "price": Decimal("9.99"),
                "raw": b"abc",
            }
        )
        features = opened(stats=[], categories=["name"]).extract(event, context())
        expected: Features = {"level": 3, "half": 0.5, "big": 2.0**70, "name": "Ann", "nested.x": 1.5}
        assert sorted(bits(expected)) == sorted(bits(features))

    def test_whole_numbers_and_floats_share_a_window(self) -> None:
        """A field that comes now as 2 and now as 2.5 has one window."""
        assert {"x": 3, "x.mean": 2.5, "x.min": 2.0, "x.delta": 0.5} == last(
            opened(stats=["mean", "min", "delta"]), [{"x": 2}, {"x": 2.5}, {"x": 3}]
        )

    def test_event_is_left_as_it_is(self) -> None:
        """Extracting changes nothing in the event."""
        event = {"a": {"x": 1, "y": [1]}, "z": math.inf}
        opened(stats=STATS).extract(event, context())
        assert {"a": {"x": 1, "y": [1]}, "z": math.inf} == event


COLLIDING = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), st.just("text"), st.lists(st.none(), max_size=2), st.none()),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "mean", "len", "a.b", "a.mean", "b.len"]), inner),
    max_leaves=6,
)
NAMED = st.dictionaries(st.sampled_from(["a", "b", "mean", "len", "a.b", "a.mean", "b.len", "a.b.mean"]), COLLIDING)


def first_of_each_name(event: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten an event level by level, the first of each name alone."""
    found: dict[str, Any] = {}
    todo: list[tuple[str, Mapping[str, Any]]] = [("", event)]
    for prefix, fields in todo:
        for key, x in fields.items():
            name = f"{prefix}{key}"
            if isinstance(x, Mapping):
                todo.append((f"{name}.", x))
            elif isinstance(x, list):
                found.setdefault(f"{name}.len", len(x))
            elif x is not None:
                found.setdefault(name, x)
    return found


class TestSameName:
    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            ({"a": {"b": 2}, "a.b": 1}, {"a.b": 1, "a.b.mean": 1.0}),
            ({"a.b": True, "a": {"b": 2}}, {"a.b": True}),
            ({"a": {"b.c": 1}, "a.b": {"c": 2}}, {"a.b.c": 1, "a.b.c.mean": 1.0}),
            ({"a.len": 7, "a": [1, 2]}, {"a.len": 7, "a.len.mean": 7.0}),
            ({"a": 1, "a.mean": 9}, {"a": 1, "a.mean": 1.0}),
            ({"a.mean": 9, "a": 1}, {"a.mean": 1.0, "a.mean.mean": 9.0, "a": 1}),
        ],
    )
    def test_one_counts(self, event: Event, expected: Features) -> None:
        """The field nearest the top counts, then the first, in value and windows; a statistic wins over a field."""
        extractor = opened(stats=["mean"])
        for _ in range(3):
            assert expected == extractor.extract(event, context())

    def test_each_alone(self) -> None:
        """Two spellings of one name are one feature, whichever of them an event has."""
        extractor = opened(stats=["mean"])
        means = [extractor.extract(e, context())["a.b.mean"] for e in ({"a.b": 1}, {"a": {"b": 3}}, {"a.b": 5})]
        assert [1.0, 2.0, 3.0] == means

    @given(NAMED)
    def test_without_statistics(self, event: dict[str, Any]) -> None:
        """Without statistics every feature is the first field of its name, level by level."""
        assert first_of_each_name(event) == opened(stats=[], categories=["*"]).extract(event, context())

    @settings(max_examples=300)
    @given(st.lists(NAMED, min_size=1, max_size=6), st.data())
    def test_what_came_before_does_not_matter(self, events: list[dict[str, Any]], data: st.DataObject) -> None:
        """Features depend on the event and the key's state alone, not on which names were met before."""
        stats = data.draw(st.sampled_from([["mean"], ["mean", "std", "z"], ["delta", "sum"], []]))
        known = opened(stats=stats, categories=["*"])
        for event in events:
            new = opened(stats=stats, categories=["*"])
            new.states.restore(known.states.snapshot())
            assert bits(known.extract(event, context())) == bits(new.extract(event, context()))
            assert known.states.snapshot() == new.states.snapshot()

    def test_forgetting_in_the_middle(self) -> None:
        """Names are forgotten between events only, so that one with a great many of them is flattened as any other."""
        extractor = opened(stats=["mean"], max_fields=1)
        event = {"a.b": 1, **{f"y{i}": True for i in range(MAX_PATHS + 10)}, "a": {"b": 2}, "a.b.mean": 3}
        for _ in range(2):
            features = extractor.extract(event, context())
            assert (1, 1.0) == (features["a.b"], features["a.b.mean"])


class TestLimits:
    def test_long_names(self) -> None:
        """A field whose dotted name is longer than 256 characters is no feature and leaves nothing behind."""
        extractor = opened(stats=["mean"], categories=["*"])
        features = last(extractor, [{"n" * 256: 1, "m" * 257: 1, "a" * 200: {"b" * 56: 1, "c": 2}, "t" * 257: "text"}])
        assert [256, 261, 202, 207] == [len(name) for name in features]
        assert len(extractor.states.snapshot()) < 2_000

    def test_long_names_that_never_come_again(self) -> None:
        """Names that are as long as a line may be and never come again do not fill the memory."""
        extractor = opened()
        tracemalloc.start()
        try:
            for i in range(100):
                extractor.extract({f"{i}" + "x" * 500_000: i}, context())
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert held < 8_000_000

    def test_fields_beyond_the_limit_have_no_statistics(self) -> None:
        """A key's numbers beyond ``max_fields`` are features without statistics, and are counted."""
        extractor = opened(max_fields=2, stats=["mean"])
        features = last(extractor, [{"a": 1}, {"b": 2, "c": 3, "d": 4, "a": 5}])
        assert {"b": 2, "b.mean": 2.0, "c": 3, "d": 4, "a": 5, "a.mean": 3.0} == features
        assert (2, {"fields_over": 2}) == (extractor.fields_over, extractor.counts())

    def test_names_that_never_come_again(self) -> None:
        """Names that never come again do not fill the memory, and do not change the features of others."""
        extractor = opened(max_fields=1, stats=["mean"])
        for i in range(2 * MAX_PATHS + 1000):
            features = extractor.extract({"x": i, f"y{i}": i}, context())
        assert i / 2 <= features["x.mean"] == i - 49.5  # type: ignore[operator]
        assert len(extractor._names.top.numbers) <= MAX_PATHS


class TestEventsAndTime:
    def test_over_the_last_events(self) -> None:
        """``event.count`` and ``event.rate`` are of the last N events, the rate from the oldest to this one."""
        extractor = opened(window=3, also=["event.count", "event.rate"])
        counted = [extractor.extract({}, context(at)) for at in (0, 0, 500, 1500)]
        assert [(1, None), (2, None), (3, 4.0), (3, 2000 / 1500)] == [tuple(f.values()) for f in counted]

    def test_over_a_span_of_time(self) -> None:
        """Over a duration they are the events in it, and these per second of it."""
        extractor = opened(window="2s", also=["event.count", "event.rate"])
        counted = [extractor.extract({}, context(at)) for at in (0, 1999, 2000, 9000)]
        assert [(1, 0.5), (2, 1.0), (2, 1.0), (1, 0.5)] == [tuple(f.values()) for f in counted]

    def test_count_is_bounded(self) -> None:
        """No more events are counted than a window of time may hold."""
        extractor = opened(window="1d", also=["event.count"])
        for _ in range(MAX_HELD + 10):
            features = extractor.extract({}, context())
        assert {"event.count": MAX_HELD} == features

    def test_calendar(self) -> None:
        """Hour and weekday are those of the event's own time in UTC, also where it is older than one before."""
        extractor = opened(also=["time.hour", "time.weekday"])
        friday = 1_767_312_000_000 + 5 * 3_600_000  # 2026-01-02 at 5 o'clock
        assert {"time.hour": 5, "time.weekday": 4} == extractor.extract({}, context(friday))
        assert {"time.hour": 4, "time.weekday": 4} == extractor.extract({}, context(friday - 1))

    def test_gap(self) -> None:
        """The gap is the time since the key's event before, None for the first, 0 when time goes back."""
        extractor = opened(also=["time.gap_ms"])
        gaps = [extractor.extract({}, context(at))["time.gap_ms"] for at in (1000, 1250, 1100, 1300)]
        assert [None, 250, 0, 50] == gaps

    def test_wall_clock_without_timestamp(self) -> None:
        """With the wall clock and no timestamp in the events, time is that of the clock."""
        extractor = opened(Build(clock="wall"), window="1s", stats=["sum"])
        for now, total in ((0, 1), (999, 2), (1000, 2)):
            ctx = Context(items={"now_ms": now}, key=None, event_id="1", step=0, seed=0)
            assert {"x": 1, "x.sum": total} == extractor.extract({"x": 1}, ctx)

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"window": "5m"}, "window = '5m'"),
            ({"also": ["time.hour"]}, "also = 'time.hour'"),
            ({"also": ["event.count", "event.rate"]}, "also = 'event.rate'"),
            ({"window": "5m", "also": ["time.gap_ms"]}, "window = '5m', also = 'time.gap_ms'"),
        ],
    )
    def test_time_is_needed(self, options: dict[str, Any], named: str) -> None:
        """Whatever needs time is refused where there is none, with what to set."""
        with pytest.raises(ConfigError) as caught:
            opened(Build(), **options)
        assert f"{named} cannot be computed without time; set timestamp or clock = 'wall' in [pipeline]" == str(
            caught.value
        )

    def test_counting_needs_no_time(self) -> None:
        """Events can be counted without any time."""
        extractor = opened(Build(), window=2, also=["event.count"])
        ctx = Context(items={}, key=None, event_id="1", step=0, seed=0)
        assert [1, 2, 2] == [extractor.extract({}, ctx)["event.count"] for _ in range(3)]


class TestDerived:
    def test_computed_in_order(self) -> None:
        """Derived features see statistics, dotted names and the derived ones before them."""
        extractor = opened(derived={"spread": "book.ask - book.bid", "wide": "spread / book.ask.mean > 0.1"})
        features = extractor.extract({"book": {"ask": 8, "bid": 7.5}}, context())
        assert (0.5, False) == (features["spread"], features["wide"])

    def test_no_value(self) -> None:
        """Where there is no value a derived feature is None, and the others are computed."""
        extractor = opened(derived={"ratio": "a / b", "twice": "a * 2"}, stats=[])
        assert {"a": 1, "b": 0, "ratio": None, "twice": 2.0} == extractor.extract({"a": 1, "b": 0}, context())
        assert {"b": 2, "ratio": None, "twice": None} == extractor.extract({"b": 2}, context())

    def test_wins_over_a_field(self) -> None:
        """What is derived, or counted, wins over a field of the same name."""
        extractor = opened(derived={"x": "x + 1"}, also=["event.count"], stats=[])
        assert {"x": 2.0, "event.count": 1} == extractor.extract({"x": 1, "event": {"count": 99}}, context())


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"window": 0}, "window: must be at least 1, got 0"),
            (
                {"window": "5 parsecs"},
                "window: must be a number of values or a duration such as '30s', '5m' or '2h', got '5 parsecs'",
            ),
            (
                {"window": "0s"},
                "window: must be a number of values or a duration such as '30s', '5m' or '2h', got '0s'",
            ),
            (
                {"stats": ["mean", "median"]},
                "stats #2: must be one of 'mean', 'std', 'min', 'max', 'z', 'delta', 'sum', 'ewma', got 'median'",
            ),
            ({"alpha": 1.5}, "alpha: must be at most 1, got 1.5"),
            (
                {"derived": {"time.hour": "1"}},
                "derived: 'time.hour' cannot be the name of a derived feature; choose another",
            ),
        ],
    )
    def test_refused(self, options: dict[str, Any], message: str) -> None:
        """An option that makes no sense is refused, with what it should be."""
        with pytest.raises(OptionError) as caught:
            RollingFeatures(**options)
        assert f"RollingFeatures.{message}" == str(caught.value)

    def test_expressions_are_checked_at_once(self) -> None:
        """An expression that cannot be computed is refused before any event."""
        with pytest.raises(OptionError, match=r"RollingFeatures\.derived: expression 'ask -'"):
            RollingFeatures(derived={"spread": "ask -"})

    @pytest.mark.parametrize(
        ("text", "ms"), [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
    )
    def test_durations(self, text: str, ms: int) -> None:
        """A duration is a whole number and a unit: a value leaves when it is that old."""
        extractor = opened(window=text, stats=["sum"])
        sums = [extractor.extract({"x": 1}, context(at))["x.sum"] for at in (0, ms - 1, ms)]
        assert [1.0, 2.0, 2.0] == sums


class TestState:
    @pytest.mark.parametrize("window", [7, "3s"])
    def test_restored_to_the_last_bit(self, window: int | str) -> None:
        """After a snapshot in the middle, at any event, a fresh component goes on with the same bits."""
        options: dict[str, Any] = {"window": window, "stats": STATS, "also": ALSO}
        extractor = opened(**options)
        events = [{"x": (0.1 * i) ** 3 % 7, "n": i * i % 13, "y": {"z": 1e9 + i % 5}} for i in range(60)]
        for i, event in enumerate(events):
            key, at = f"k{i % 2}", i * 331
            restored = opened(**options)
            restored.states.restore(extractor.states.snapshot())
            expected = extractor.extract(event, context(at, key))
            assert bits(expected) == bits(restored.extract(event, context(at, key)))
            assert extractor.states.snapshot() == restored.states.snapshot()

    def test_small_for_new_keys(self) -> None:
        """A key with one event takes less than a kilobyte, however large the window."""
        extractor = opened(window=1_000_000)
        extractor.extract({"x": 1.0, "y": 2.0}, context())
        assert len(extractor.states.export("UA")) < 1000
