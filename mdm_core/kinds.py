"""The kinds of components: how each is called, which contract it keeps, and where it stands in a file."""

from __future__ import annotations

import attrs

from mdm_core import contracts


@attrs.frozen
class Kind:
    """One kind of component.

    Attributes:
        name: As people say it.
        contract: The base class.
        hook: The hook that registers it.
        section: Its table in a pipeline file.
    """

    name: str
    contract: type[contracts.Component]
    hook: str
    section: str


KINDS = (
    Kind("data source", contracts.DataSource, "mdm_register_data_sources", "source"),
    Kind("feature extractor", contracts.FeatureExtractor, "mdm_register_feature_extractors", "features"),
    Kind("proposal model", contracts.ProposalModel, "mdm_register_proposal_models", "model"),
    Kind("modulator", contracts.Modulator, "mdm_register_modulators", "modulators"),
    Kind("broker", contracts.Broker, "mdm_register_brokers", "broker"),
    Kind("redactor", contracts.Redactor, "mdm_register_redactors", "redaction"),
    Kind("trace sink", contracts.TraceSink, "mdm_register_trace_sinks", "trace"),
    Kind("observer", contracts.Observer, "mdm_register_observers", "observers"),
)

BY_SECTION = {kind.section: kind for kind in KINDS}
BY_HOOK = {kind.hook: kind for kind in KINDS}


def kind_of(contract: type) -> Kind:
    """Find the kind that a class or annotation belongs to.

    Args:
        contract: A contract class or a component class.

    Returns:
        The kind.

    Raises:
        KeyError: It is no component.
    """
    for kind in KINDS:
        if issubclass(contract, kind.contract):
            return kind
    raise KeyError(contract)
