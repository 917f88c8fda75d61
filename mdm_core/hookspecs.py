"""The hooks of a plugin, one per kind of component, in the order in which an event meets them.

pluggy calls each of them once, when a plugin is first selected; none is ever called per event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import pluggy

PROJECT = "mdm"

Register: TypeAlias = Callable[[str, type | str], None]

hookspec = pluggy.HookspecMarker(PROJECT)
if TYPE_CHECKING:

    class _Hook(Protocol):
        def __call__(self, register: Register) -> None: ...

    _H = TypeVar("_H", bound=_Hook)

    def hookimpl(function: _H, /) -> _H:
        """Mark a function as a plugin's hook; its signature is checked here, which pluggy cannot do."""
        ...

else:
    hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mdm_register_data_sources(register: Register) -> None:
    """Register the plugin's data sources; called when the plugin is first selected or listed.

    :param register: call as ``register(name, component)``, where ``component`` is the class or
        ``"package.module:Class"``, which is imported only when it is selected.
    """


@hookspec
def mdm_register_feature_extractors(register: Register) -> None:
    """Register the plugin's feature extractors; called after the data sources.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_proposal_models(register: Register) -> None:
    """Register the plugin's proposal models; called after the feature extractors.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_modulators(register: Register) -> None:
    """Register the plugin's modulators; called after the proposal models.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_brokers(register: Register) -> None:
    """Register the plugin's brokers; called after the modulators.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_redactors(register: Register) -> None:
    """Register the plugin's redactors; called after the brokers.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_trace_sinks(register: Register) -> None:
    """Register the plugin's trace sinks; called after the redactors.

    :param register: as for the data sources.
    """


@hookspec
def mdm_register_observers(register: Register) -> None:
    """Register the plugin's observers; called last.

    :param register: as for the data sources.
    """
