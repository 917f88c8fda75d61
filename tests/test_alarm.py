"""Breaking off what runs too long, in the main thread and in others."""

import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mdm_core.alarm import TimeIsUp, call_within, limited
from mdm_core.errors import TimedOut

LONG = 30.0


def broken_off(seconds: float, function: Callable[[], Any]) -> Any:
    """Call a function within a time, and give what it returned, or that its time was up."""
    try:
        return call_within(seconds, function)
    except TimeIsUp as error:
        return error


class Thing:
    """Something that can be referred to weakly."""


def spin() -> None:
    """Compute without end."""
    while True:
        pass


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call a function in another thread, and give what it returned or raised."""
    found: list[Any] = []

    def call() -> None:
        try:
            found.append(function())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive()
    return found[0]


class TestInTime:
    def test_the_answer_comes_through(self) -> None:
        """What ends in time returns what it returns and raises what it raises, in any thread."""
        assert 7 == call_within(LONG, lambda a, b: a + b, 3, 4)
        with pytest.raises(KeyError):
            call_within(LONG, {}.__getitem__, "x")
        assert 7 == elsewhere(lambda: call_within(LONG, int, "7"))
        assert isinstance(elsewhere(lambda: call_within(LONG, {}.__getitem__, "x")), KeyError)

    def test_a_time_beyond_the_timer(self) -> None:
        """A time that is longer than a timer can hold is a long time, in any thread."""
        assert 7 == call_within(float(2**63), int, "7")
        assert 7 == elsewhere(lambda: call_within(float(2**63), int, "7"))

    def test_nothing_rings_afterwards(self) -> None:
        """A limit that was not reached does not reach into what comes after."""
        for _ in range(200):
            call_within(0.01, int)
        assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
        time.sleep(0.02)

    def test_nothing_rings_afterwards_in_a_thread(self) -> None:
        """Nor does it in a thread, whose alarm cannot be taken back once it was raised."""

        def many() -> str:
            for _ in range(200):
                with contextlib.suppress(TimeIsUp):
                    call_within(0.001, time.sleep, 0.001)
            total = 0
            for n in range(200_000):
                total += n
            return "quiet"

        assert "quiet" == elsewhere(many)

    def test_a_debugger_can_go_on(self) -> None:
        """The interpreter is left as it was: it does not look for an alarm that was called off."""
        program = (
            "import sys, threading\n"
            "from mdm_core.alarm import TimeIsUp, call_within\n"
            "def spin():\n"
            "    while True: pass\n"
            "def call():\n"
            "    try: call_within(0.02, spin)\n"
            "    except TimeIsUp: pass\n"
            "    call_within(9, int)\n"
            "thread = threading.Thread(target=call)\n"
            "thread.start(), thread.join()\n"
            "sys.settrace(lambda *event: None)\n"
            "(lambda: 1)()\n"
            "print('done')\n"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LONG, check=True)
        assert "done\n" == ran.stdout


class TestTooLong:
    @pytest.mark.parametrize(
        "function", [spin, lambda: time.sleep(LONG), threading.Event().wait], ids=["loop", "sleep", "lock"]
    )
    def test_it_is_broken_off(self, function: Callable[[], Any]) -> None:
        """A loop, a sleep and a wait for a lock all end."""
        with pytest.raises(TimeIsUp):
            call_within(0.02, function)

    def test_a_loop_in_another_thread(self) -> None:
        """There, Python code ends."""
        assert isinstance(elsewhere(lambda: call_within(0.02, spin)), TimeIsUp)

    def test_no_time_is_left(self) -> None:
        """Then the function is not called at all."""
        with pytest.raises(TimeIsUp):
            call_within(0.0, pytest.fail, "called")

    @pytest.mark.parametrize("where", [lambda function: function(), elsewhere], ids=["here", "elsewhere"])
    def test_it_rings_again(self, where: Callable[[Callable[[], Any]], Any]) -> None:
        """Code that takes the first alarm for an error of its own is broken off by the next."""

        def stubborn() -> None:
            try:
                spin()
            except BaseException:
                spin()

        assert isinstance(where(lambda: broken_off(0.02, stubborn)), TimeIsUp)

    def test_where_nobody_would_hear_it_it_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While objects go and somebody is told of it, an exception would be printed and lost: it comes later."""
        unheard: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", unheard.append)

        def many() -> None:
            while True:
                things = [Thing() for _ in range(10_000)]
                seen = weakref.WeakSet(things)
                things.clear()
                seen.clear()

        def is_told(*_: object) -> None:
            for _n in range(50):
                pass

        gc.callbacks.append(is_told)
        try:
            for _ in range(10):
                with pytest.raises(TimeIsUp):
                    call_within(0.005, many)
        finally:
            gc.callbacks.remove(is_told)
        assert [] == unheard

    def test_no_handler_of_exceptions_catches_it(self) -> None:
        """A component that catches every Exception cannot swallow it."""
        assert not issubclass(TimeIsUp, Exception)


class TestNested:
    @pytest.mark.parametrize("where", [lambda function: function(), elsewhere], ids=["here", "elsewhere"])
    def test_the_outer_limit_outlives_the_inner(self, where: Callable[[Callable[[], Any]], Any]) -> None:
        """A call with a limit of its own, within one that has a limit, does not set that one free."""

        def work() -> None:
            assert 7 == call_within(LONG, int, "7")
            spin()

        assert isinstance(where(lambda: broken_off(0.05, work)), TimeIsUp)

    def test_the_outer_limit_holds_within_the_inner(self) -> None:
        """An inner limit that is longer does not lengthen the outer."""
        with pytest.raises(TimeIsUp):
            call_within(0.05, call_within, LONG, spin)

    def test_what_swallows_the_inner_is_ended_by_the_outer(self) -> None:
        """Code that takes a broken-off call for done still has its own time, and not more."""

        def work() -> None:
            with contextlib.suppress(TimeIsUp):
                call_within(0.01, spin)
            went_on.append(True)
            spin()

        went_on: list[bool] = []
        with pytest.raises(TimeIsUp):
            call_within(0.5, work)
        assert [True] == went_on
        assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)


class TestLimited:
    def test_without_a_limit_a_method_stays_what_it_is(self) -> None:
        """The very same, so that it costs nothing."""
        method = list[int]().append
        assert method is limited("model", None, method)

    def test_with_one_it_fails_by_a_stable_code(self) -> None:
        """The code names the stage."""
        with pytest.raises(TimedOut) as raised:
            limited("model", 20, spin)()
        assert "model_timeout" == raised.value.reason_code
        assert 3 == limited("model", 1000, len)("abc")
