"""Everything for a first mdm pipeline: sources, rolling features, linear models, an exit policy and brokers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdm_reference.brokers import NullBroker, PaperBroker
    from mdm_reference.calibrated import CalibratedModel
    from mdm_reference.csv_source import CsvSource
    from mdm_reference.engine import DecisionEngine, build_features
    from mdm_reference.exit_policy import ExitPolicy
    from mdm_reference.explore import ExploreModel
    from mdm_reference.file_broker import FileBroker
    from mdm_reference.jsonl import JsonlSource
    from mdm_reference.memory import MemorySource
    from mdm_reference.models import LinearModel, LogisticModel
    from mdm_reference.rolling import RollingFeatures

__all__ = [
    "CalibratedModel",
    "CsvSource",
    "DecisionEngine",
    "ExitPolicy",
    "ExploreModel",
    "FileBroker",
    "JsonlSource",
    "LinearModel",
    "LogisticModel",
    "MemorySource",
    "NullBroker",
    "PaperBroker",
    "RollingFeatures",
    "build_features",
]

_MODULES = {
    "CalibratedModel": "calibrated",
    "CsvSource": "csv_source",
    "DecisionEngine": "engine",
    "ExitPolicy": "exit_policy",
    "ExploreModel": "explore",
    "FileBroker": "file_broker",
    "JsonlSource": "jsonl",
    "LinearModel": "models",
    "LogisticModel": "models",
    "MemorySource": "memory",
    "NullBroker": "brokers",
    "PaperBroker": "brokers",
    "RollingFeatures": "rolling",
    "build_features": "engine",
}


def __getattr__(name: str) -> Any:
    # Core imports this package to read plugin.py; a component that is not selected must cost nothing then.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
