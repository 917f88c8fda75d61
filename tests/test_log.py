"""Logging under `mdm.*`: silent by default, and without data even when it is not."""

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from mdm_core import get_logger
from mdm_core.log import redact_with

CANARY = "canary-4111111111111111"


@attrs.define
class Holder:
    secret: str = CANARY


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What `mdm.test` writes while a test runs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("mdm")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    redact_with(None)


def mask(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A redactor that hides `secret`."""
    return {key: "***" if key == "secret" else value for key, value in data.items()}


class TestSilence:
    def test_nothing_is_written_until_an_application_asks(self) -> None:
        """A program that configures no logging sees nothing of it, not even the last resort on standard error."""
        script = (
            "import attrs\n"
            "from mdm_core import *\n"
            "class F(FeatureExtractor):\n"
            "    def extract(self, event, context): raise ValueError('canary')\n"
            "class M(ProposalModel):\n"
            "    def propose(self, features, context): raise ValueError('canary')\n"
            "    def close(self): raise ValueError('canary')\n"
            "with Pipeline(features=F(), model=M()) as pipeline:\n"
            "    assert not pipeline.decide({}).final.allowed\n"
            "get_logger('x').critical('loud')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestRedaction:
    def test_mappings_go_through_the_redactor(self, log: io.StringIO) -> None:
        """Alone, among other arguments, inside a list, and formatted by their keys."""
        redact_with(mask)
        event = {"secret": CANARY, "open": 1}
        logger = get_logger("test")
        logger.info("%s", event)
        logger.info("%s and %d", event, 5)
        logger.info("%s and %s", [event], "text")
        logger.info("%(open)d %(secret)s", event)
        shown = "{'secret': '***', 'open': 1}"
        assert [shown, f"{shown} and 5", f"[{shown}] and text", "1 ***"] == log.getvalue().splitlines()

    def test_without_a_redactor_they_are_left_out(self, log: io.StringIO) -> None:
        """Outside a run nothing of a mapping is shown, and formatting it still works."""
        logger = get_logger("test")
        logger.info("%s", {"secret": CANARY})
        logger.info("%s and %d", {"secret": CANARY}, 5)
        logger.info("%(secret)s", {"secret": CANARY})
        logger.info("%s and %s", [{CANARY: 1}], ({CANARY: 1},))
        assert (log.getvalue().splitlines()) == [
            "[REDACTED]",
            "[REDACTED] and 5",
            "[REDACTED]",
            "[[REDACTED]] and [[REDACTED]]",
        ]

    def test_a_redactor_that_raises_shows_nothing(self, log: io.StringIO) -> None:
        """Its failure is no reason to write what it should have hidden."""

        def fails(data: Mapping[str, Any]) -> Mapping[str, Any]:
            raise RuntimeError(str(data))

        redact_with(fails)
        get_logger("test").info("%s", {"secret": CANARY})
        assert log.getvalue() == "[REDACTED]\n"

    def test_of_an_exception_only_the_type_is_kept(self, log: io.StringIO) -> None:
        """As an argument, as the message, and as the traceback."""
        logger = get_logger("test")
        error = ValueError(CANARY)
        logger.error("failed: %s", error)
        logger.error(error)
        try:
            raise error
        except ValueError:
            logger.exception("it failed")
            logger.error("step %d", 5, exc_info=True)
        assert (log.getvalue().splitlines()) == [
            "failed: ValueError",
            "ValueError",
            "it failed (ValueError)",
            "step 5 (ValueError)",
        ]

    def test_of_any_other_object_only_the_type_is_kept(self, log: io.StringIO) -> None:
        """A representation may hold anything."""
        logger = get_logger("test")
        logger.info("%s %s %s", Holder(), Holder, {CANARY})
        logger.info(Holder())
        assert log.getvalue().splitlines() == ["Holder Holder set", "Holder"]

    def test_what_is_plain_is_written(self, log: io.StringIO, tmp_path: Path) -> None:
        """Text, numbers, None, truth and paths are what a message is made of."""
        get_logger("test").info("%s %d %.1f %s %s %s", "text", 5, 1.5, None, True, tmp_path)
        assert f"text 5 1.5 None True {tmp_path}\n" == log.getvalue()

    def test_each_thread_has_its_own_redactor(self, log: io.StringIO) -> None:
        """A run that writes everything as it is does not lift the veil from another one beside it."""
        redact_with(mask)

        def other_run() -> None:
            redact_with(lambda data: data)
            get_logger("test").info("%s", {"open": 1})

        thread = threading.Thread(target=other_run)
        thread.start()
        thread.join()
        get_logger("test").info("%s", {"secret": CANARY})
        assert log.getvalue().splitlines() == ["{'open': 1}", "{'secret': '***'}"]


class TestNames:
    def test_a_logger_is_named_under_mdm(self) -> None:
        """So that an application can choose what it hears; asking twice gives the same, filtered once."""
        logger = get_logger("my-plugin")
        assert logger.name == "mdm.my-plugin"
        assert logger is get_logger("my-plugin")
        assert len(logger.filters) == 1
