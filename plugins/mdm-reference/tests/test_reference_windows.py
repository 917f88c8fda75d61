from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm_reference.windows import LARGEST, MAX_HELD, Average, CountWindow, Lowest, SpanWindow

SIZE = 100
CHUNK = 10_000

numbers = st.one_of(
    st.floats(-1e6, 1e6).filter(lambda x: x == 0.0 or abs(x) > 1e-100),
    st.integers(-1000, 1000).map(float),
    st.floats(-LARGEST, LARGEST).filter(lambda x: x == 0.0 or abs(x) > 1e-100),
    st.sampled_from([1e9, 1e9 + 1, 1e9 + 2, 0.1]),
)


def mean_and_std(values: list[float]) -> tuple[float, float]:
    """Compute both without any rounding but the last."""
    exact = list(map(Fraction, values))
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / len(exact)
    # In two steps, because the square root of a fraction may need more digits than the fraction fits in a float.
    scale = max(map(abs, exact), default=Fraction(0)) or Fraction(1)
    return float(mean), math.sqrt(variance / scale**2) * float(scale)


def fresh(values: list[float]) -> tuple[float, float]:
    """Compute both from the values alone, as a careful person would."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum([(x - mean) ** 2 for x in values]) / len(values))


def assert_close(expected: tuple[float, float], mean: float, std: float) -> None:
    assert abs(mean - expected[0]) <= 1e-9 * max(abs(expected[0]), expected[1])
    assert abs(std - expected[1]) <= 1e-9 * expected[1]


def largest_error(chunks: Iterator[list[float]], points: range) -> float:
    """Push all chunks; after as many values of each as ``points`` says, compare with a fresh computation.

    Returns:
        The largest relative difference of mean or std.
    """
    window = CountWindow(size=SIZE)
    before: list[float] = []
    error = 0.0
    for chunk in chunks:
        start = 0
        for stop in (*points, len(chunk)):
            for x in chunk[start:stop]:
                mean, std, _ = window.push(x)
            start = stop
            true_mean, true_std = fresh((before + chunk[:stop])[-SIZE:])
            error = max(error, abs(mean - true_mean) / abs(true_mean), abs(std - true_std) / (true_std or 1.0))
        before = chunk[-SIZE:]
    return error


class TestAccuracy:
    """Mean and std of a window of 100, against a fresh computation by ``math.fsum``."""

    def test_ten_million_values_near_a_billion(self) -> None:
        """After ten million values near 1e9 with a spread of 1, both are right to 1e-9, all along the way."""
        draw = random.Random(1)
        block = [1e9 + draw.gauss(0.0, 1.0) for _ in range(10 * CHUNK + 37)]
        chunks = (block[i : i + CHUNK] for _ in range(100) for i in range(0, 10 * CHUNK, CHUNK))

        assert 1e-9 > largest_error(chunks, range(CHUNK // 2, CHUNK, CHUNK))

    @pytest.mark.parametrize("step", [1e-6, 1.0, 1e6])
    def test_random_walk(self, step: float) -> None:
        """On a random walk of half a million steps both are right to 1e-9, wherever it leads."""
        draw = random.Random(2)

        def walk() -> Iterator[list[float]]:
            x = 1000.0
            for _ in range(50):
                chunk = []
                for _ in range(CHUNK):
                    x += draw.gauss(0.0, step)
                    chunk.append(x)
                yield chunk

        assert 1e-9 > largest_error(walk(), range(61, CHUNK, 997))

    @pytest.mark.parametrize("levels", [(0.3, 1e9), (1e9, 0.3), (1e-9, 1e12), (-1e12, 1.0)])
    def test_level_shift(self, levels: tuple[float, float]) -> None:
        """While the level shifts by many orders of magnitude, and ever after, both are right to 1e-9."""
        draw = random.Random(3)

        def shifts() -> Iterator[list[float]]:
            for i in range(40):
                level = levels[i % 2]
                yield [level * draw.uniform(0.9, 1.1) for _ in range(1000 + 7 * i)]

        assert 1e-9 > largest_error(shifts(), range(1, 2 * SIZE + 3))

    def test_single_spikes(self) -> None:
        """After spikes of 1e120 have left the window, both are right to 1e-9 again at once."""
        draw = random.Random(4)

        def spikes() -> Iterator[list[float]]:
            for i in range(300):
                yield [10.0 ** draw.uniform(0, 120), *(5.0 + draw.random() for _ in range(SIZE + i % 7))]

        assert 1e-9 > largest_error(spikes(), range(SIZE - 2, SIZE + 1))


class TestCountWindow:
    @settings(deadline=None)
    @given(values=st.lists(numbers, min_size=1, max_size=60), size=st.integers(1, 9))
    def test_equals_exact_arithmetic(self, values: list[float], size: int) -> None:
        """Whatever the values, mean and std after each are those of exact arithmetic to 1e-9."""
        window = CountWindow(size=size)
        for i, x in enumerate(values):
            mean, std, _ = window.push(x)
            held = values[max(0, i + 1 - size) : i + 1]
            assert_close(mean_and_std(held), mean, std)
            assert len(held) == len(window)

    @settings(deadline=None)
    @given(values=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60), size=st.integers(1, 9))
    def test_whole_numbers_add_up_exactly(self, values: list[int], size: int) -> None:
        """The sum of whole numbers is exact."""
        window = CountWindow(size=size)
        for i, x in enumerate(values):
            window.push(x)
            assert sum(values[max(0, i + 1 - size) : i + 1]) == window.sum()

    @pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1, -7e-12, 1e149])
    def test_constant_values_have_no_spread(self, value: float) -> None:
        """A window of equal values has exactly this mean, no std and no z, whatever was there before."""
        window = CountWindow(size=7)
        for x in [5.0, -3e7, 1e100, *[value] * 6]:
            window.push(x)
        assert [(value, 0.0, 0.0)] * 50 == [window.push(value) for _ in range(50)]

    def test_z_is_the_distance_from_the_mean(self) -> None:
        """z counts the distance of the newest value from the mean in standard deviations."""
        window = CountWindow(size=4)
        for x in (100.0, 1.0, 1.0, 1.0):
            window.push(x)
        mean, std, z = window.push(5.0)
        assert (2.0, math.sqrt(3.0)) == (mean, std)
        assert math.isclose(math.sqrt(3.0), z)

    def test_largest_values_do_not_overflow(self) -> None:
        """A window full of the largest values gives finite statistics, and is right again when they have left."""
        window = CountWindow(size=1000)
        for i in range(1000):
            assert all(map(math.isfinite, window.push(LARGEST * (-1) ** i)))
        for i in range(1000):
            mean, std, _ = window.push(i)
        assert_close(fresh(list(map(float, range(1000)))), mean, std)

    @pytest.mark.parametrize(
        "value",
        [
            lambda _: 5.0,
            lambda i: 1e9 if i % 101 == 0 else 1.0,
            float,
            lambda i: 1e-200 * (i % 2),
            lambda i: 1e-160 * (i % 3),
            lambda i: 10.0 ** (150 - 6 * (i % 50)),
            lambda i: 1e12 if i // 1000 % 2 else 1.0 + i % 2,
            lambda i: 1e9 + (i % 2) * 2**-23,
        ],
    )
    def test_sums_are_seldom_made_anew(self, value: Callable[[int], float]) -> None:
        """Not even values made for it cause sums to be made anew more than twice for each window of values."""
        window = CountWindow(size=SIZE)
        made, last = 0, window.old_totals
        for i in range(20_000):
            window.push(value(i))
            made += window.old_totals is not last
            last = window.old_totals
        assert made <= 2 * 20_000 / SIZE + 2

    def test_small_until_it_fills(self) -> None:
        """A window that has seen two values holds no more than these two."""
        window = CountWindow(size=1_000_000)
        window.push(1.0)
        window.push(2.0)
        assert (2, 0) == (len(window.values), len(window.old_totals))


class TestSpanWindow:
    @settings(deadline=None)
    @given(
        events=st.lists(st.tuples(st.integers(0, 40), numbers), min_size=1, max_size=60),
        span=st.integers(1, 100),
    )
    def test_equals_exact_arithmetic(self, events: list[tuple[int, float]], span: int) -> None:
        """Whatever comes when, mean and std after each value are those of exact arithmetic to 1e-9."""
        window = SpanWindow(span_ms=span)
        now, seen = 0, list[tuple[int, float]]()
        for gap, x in events:
            now += gap
            seen.append((now, x))
            held = [value for at, value in seen if at > now - span]
            mean, std, _ = window.push(x, now)
            assert_close(mean_and_std(held), mean, std)
            assert len(held) == len(window)

    @settings(deadline=None)
    @given(events=st.lists(st.tuples(st.integers(0, 40), st.integers(-999, 999)), min_size=1, max_size=60))
    def test_whole_numbers_add_up_exactly(self, events: list[tuple[int, int]]) -> None:
        """The sum of whole numbers is exact."""
        window = SpanWindow(span_ms=100)
        now, seen = 0, list[tuple[int, int]]()
        for gap, x in events:
            now += gap
            seen.append((now, x))
            window.push(x, now)
            assert sum(value for at, value in seen if at > now - 100) == window.sum()

    def test_long_stream(self) -> None:
        """After 300,000 values near 1e9 at uneven times, mean and std are right to 1e-9."""
        draw = random.Random(5)
        window = SpanWindow(span_ms=5000)
        now, seen = 0, list[tuple[int, float]]()
        for i in range(300_000):
            now += draw.randrange(100)
            x = 1e9 + draw.gauss(0.0, 1.0)
            seen.append((now, x))
            mean, std, _ = window.push(x, now)
            if i % 1000 == 0:
                seen = [(at, value) for at, value in seen if at > now - 5000]
                true_mean, true_std = fresh([value for _, value in seen])
                assert 1e-9 > abs(mean / true_mean - 1.0)
                assert i == 0 or 1e-9 > abs(std / true_std - 1.0)

    def test_holds_no_more_than_it_may(self) -> None:
        """Of more values than a window of time may hold, the oldest leave, and memory stays bounded."""
        window = SpanWindow(span_ms=10)
        for i in range(2 * MAX_HELD + 50):
            mean, _, _ = window.push(i, 0)
        assert MAX_HELD == len(window)
        assert 1.5 * MAX_HELD + 49.5 == mean
        assert len(window.values) <= 2 * MAX_HELD

    def test_everything_leaves_after_a_pause(self) -> None:
        """After a pause longer than the window only the new value counts."""
        window = SpanWindow(span_ms=1000)
        for i in range(10):
            window.push(1e9 + i, i)
        assert (0.1, 0.0, 0.0) == window.push(0.1, 10_000)
        assert 1 == len(window.values)

    def test_a_value_leaves_when_it_is_as_old_as_the_window(self) -> None:
        """A value is in for less than the length of the window: at that age it has left."""
        window = SpanWindow(span_ms=1000)
        window.push(1.0, 0)
        assert (2.0, 1.0, 1.0) == window.push(3.0, 999)
        assert (4.0, 1.0, 1.0) == window.push(5.0, 1000)


class TestLowest:
    @settings(deadline=None)
    @given(values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), size=st.integers(1, 9))
    def test_equals_the_minimum(self, values: list[float], size: int) -> None:
        """It is the minimum of the last n values."""
        lowest = Lowest()
        for i, x in enumerate(values):
            held = values[max(0, i + 1 - size) : i + 1]
            assert min(held) == lowest.push(x, len(held))

    def test_remembers_no_more_than_the_window(self) -> None:
        """Of rising values no more are remembered than the window holds."""
        lowest = Lowest()
        for i in range(1000):
            lowest.push(i, min(i + 1, 10))
        assert 10 == len(lowest.values)


class TestAverage:
    def test_moves_by_a_share_of_the_distance(self) -> None:
        """The first value is the average; each next one moves it by its share of the distance."""
        average = Average()
        assert [8.0, 6.0, 7.0] == [average.push(8.0, 0.5), average.push(4.0, 0.5), average.push(8.0, 0.5)]

    def test_the_old_average_fades_with_time(self) -> None:
        """After the time of the window the old average weighs 1/e, at the same instant everything."""
        average = Average()
        average.push_at(1.0, 0, 1000)
        assert 1.0 == average.push_at(9.0, 0, 1000)
        assert math.isclose(math.exp(-1.0), average.push_at(0.0, 1000, 1000))
