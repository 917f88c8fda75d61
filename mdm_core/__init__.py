"""mdm: the runtime that puts a model in charge of actions and keeps it honest.

Names are imported when they are first used, so that ``mdm --version`` and a plugin's light module stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mdm_core._version import __version__

if TYPE_CHECKING:
    from mdm_core.contracts import (
        Broker,
        Component,
        DataSource,
        FeatureExtractor,
        Modulator,
        Observer,
        ProposalModel,
        Redactor,
        TraceSink,
    )
    from mdm_core.decision import Decision
    from mdm_core.errors import (
        ConfigError,
        ContractError,
        ExpressionError,
        InvalidEvent,
        MdmError,
        OptionError,
        PluginError,
        StageError,
        UsageError,
    )
    from mdm_core.expressions import Expression, compile_expression
    from mdm_core.hookspecs import hookimpl
    from mdm_core.log import get_logger
    from mdm_core.options import component, option
    from mdm_core.past import PastRun
    from mdm_core.pipeline import Pipeline
    from mdm_core.run import Run
    from mdm_core.schema import Action, FinalDecision, MismatchInfo, PacketV2, Proposal
    from mdm_core.state import KeyedState, keyed_state
    from mdm_core.summary import Summary
    from mdm_core.values import (
        Build,
        Commanded,
        Context,
        Decided,
        Event,
        Executed,
        Fact,
        Failure,
        Features,
        Idle,
        Order,
        Position,
        Receipt,
        Record,
        Reject,
        Settled,
    )

_MODULE_OF = {
    **dict.fromkeys(
        [
            "Broker",
            "Component",
            "DataSource",
            "FeatureExtractor",
            "Modulator",
            "Observer",
            "ProposalModel",
            "Redactor",
            "TraceSink",
        ],
        "contracts",
    ),
    **dict.fromkeys(["Decision"], "decision"),
    **dict.fromkeys(
        [
            "ConfigError",
            "ContractError",
            "ExpressionError",
            "InvalidEvent",
            "MdmError",
            "OptionError",
            "PluginError",
            "StageError",
            "UsageError",
        ],
        "errors",
    ),
    **dict.fromkeys(["Expression", "compile_expression"], "expressions"),
    **dict.fromkeys(["hookimpl"], "hookspecs"),
    **dict.fromkeys(["get_logger"], "log"),
    **dict.fromkeys(["component", "option"], "options"),
    **dict.fromkeys(["PastRun"], "past"),
    **dict.fromkeys(["Pipeline"], "pipeline"),
    **dict.fromkeys(["Run"], "run"),
    **dict.fromkeys(["Action", "FinalDecision", "MismatchInfo", "PacketV2", "Proposal"], "schema"),
    **dict.fromkeys(["KeyedState", "keyed_state"], "state"),
    **dict.fromkeys(["Summary"], "summary"),
    **dict.fromkeys(
        [
            "Build",
            "Commanded",
            "Context",
            "Decided",
            "Event",
            "Executed",
            "Fact",
            "Failure",
            "Features",
            "Idle",
            "Order",
            "Position",
            "Receipt",
            "Record",
            "Reject",
            "Settled",
        ],
        "values",
    ),
}

__all__ = [
    "Action",
    "Broker",
    "Build",
    "Commanded",
    "Component",
    "ConfigError",
    "Context",
    "ContractError",
    "DataSource",
    "Decided",
    "Decision",
    "Event",
    "Executed",
    "Expression",
    "ExpressionError",
    "Fact",
    "Failure",
    "FeatureExtractor",
    "Features",
    "FinalDecision",
    "Idle",
    "InvalidEvent",
    "KeyedState",
    "MdmError",
    "MismatchInfo",
    "Modulator",
    "Observer",
    "OptionError",
    "Order",
    "PacketV2",
    "PastRun",
    "Pipeline",
    "PluginError",
    "Position",
    "Proposal",
    "ProposalModel",
    "Receipt",
    "Record",
    "Redactor",
    "Reject",
    "Run",
    "Settled",
    "StageError",
    "Summary",
    "TraceSink",
    "UsageError",
    "__version__",
    "compile_expression",
    "component",
    "get_logger",
    "hookimpl",
    "keyed_state",
    "option",
]


def __getattr__(name: str) -> Any:
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = globals()[name] = getattr(import_module(f"mdm_core.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
