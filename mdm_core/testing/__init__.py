"""The author's kit: checks for components, and what tests of a plugin need.

Names are imported when they are first used, because pytest loads this package wherever mdm-core is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdm_core.testing.clock import FakeClock
    from mdm_core.testing.golden import Golden, GoldenMismatch
    from mdm_core.testing.pipelines import Always, Flat, make_pipeline
    from mdm_core.testing.pytest_checks import mdm_check
    from mdm_core.testing.recording import RecordingBroker
    from mdm_core.testing.running import Outcome, check_component
    from mdm_core.testing.strategies import event_streams, events
    from mdm_core.testing.subject import Subject

_MODULE_OF = {
    "Always": "pipelines",
    "FakeClock": "clock",
    "Flat": "pipelines",
    "Golden": "golden",
    "GoldenMismatch": "golden",
    "Outcome": "running",
    "RecordingBroker": "recording",
    "Subject": "subject",
    "check_component": "running",
    "event_streams": "strategies",
    "events": "strategies",
    "make_pipeline": "pipelines",
    "mdm_check": "pytest_checks",
}

__all__ = [
    "Always",
    "FakeClock",
    "Flat",
    "Golden",
    "GoldenMismatch",
    "Outcome",
    "RecordingBroker",
    "Subject",
    "check_component",
    "event_streams",
    "events",
    "make_pipeline",
    "mdm_check",
]


def __getattr__(name: str) -> Any:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    try:
        value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("hypothesis", "pytest"):
            raise
        raise ImportError(f"{__name__}.{name} needs {error.name}; install mdm-core with its extra 'testing'") from error
    return value
