"""What the plugin ``reference`` registers."""

from __future__ import annotations

from mdm_core import hookimpl
from mdm_core.hookspecs import Register


@hookimpl
def mdm_register_data_sources(register: Register) -> None:
    """Register the sources: files, tables and lists."""
    register("jsonl", "mdm_reference.jsonl:JsonlSource")
    register("csv", "mdm_reference.csv_source:CsvSource")
    register("memory", "mdm_reference.memory:MemorySource")


@hookimpl
def mdm_register_feature_extractors(register: Register) -> None:
    """Register the generic feature extractor."""
    register("rolling", "mdm_reference.rolling:RollingFeatures")


@hookimpl
def mdm_register_proposal_models(register: Register) -> None:
    """Register the models that weigh features, and those that wrap a model."""
    register("logistic", "mdm_reference.models:LogisticModel")
    register("linear", "mdm_reference.models:LinearModel")
    register("exit_policy", "mdm_reference.exit_policy:ExitPolicy")
    register("calibrated", "mdm_reference.calibrated:CalibratedModel")
    register("explore", "mdm_reference.explore:ExploreModel")


@hookimpl
def mdm_register_brokers(register: Register) -> None:
    """Register the brokers that pretend, do nothing, or write a file."""
    register("paper", "mdm_reference.brokers:PaperBroker")
    register("null", "mdm_reference.brokers:NullBroker")
    register("file", "mdm_reference.file_broker:FileBroker")
