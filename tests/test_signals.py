"""Ending a run cleanly: signals ask, and only a source that waits is broken off."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from mdm_core.signals import Interrupted, StopSignals


@pytest.fixture
def handlers() -> Iterator[list[object]]:
    """The handlers before; they are put back, whatever the test does."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield list(before)
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)


class TestAsking:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_asks(self, number: signal.Signals, handlers: list[object]) -> None:
        """It is noted by its name and interrupts nothing while a decision is made."""
        with StopSignals() as signals:
            assert handlers[0] is not signal.getsignal(signal.SIGINT)
            assert signals.asked == ""
            os.kill(os.getpid(), number)
            assert number.name == signals.asked

    def test_a_source_that_waits_is_broken_off(self, handlers: list[object]) -> None:
        """While reading, the signal raises out of the read, once."""
        with StopSignals() as signals:
            signals.reading = True
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), signal.SIGTERM)
            assert signals.reading is False
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.asked == "SIGINT"

    def test_no_handler_of_exceptions_catches_it(self) -> None:
        """A source that catches every Exception cannot swallow the wish to stop."""
        assert not issubclass(Interrupted, Exception)

    def test_the_handlers_are_put_back(self, handlers: list[object]) -> None:
        """After the run signals do what they did before, also if the run raised."""
        with pytest.raises(KeyError), StopSignals():
            raise KeyError
        assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def test_in_another_thread_signals_are_left_alone(self, handlers: list[object]) -> None:
        """Python delivers them to the main thread only, so a run elsewhere does not touch them."""
        found: list[object] = []

        def run() -> None:
            with StopSignals() as signals:
                found.extend([signals.asked, signal.getsignal(signal.SIGINT)])

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert ["", handlers[0]] == found
