"""The README's examples build, and its tables are complete."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from mdm_core import Action, FinalDecision, MismatchInfo, Pipeline
from mdm_core.options import option_fields

from mdm_dmc import DmcModulator, plugin
from mdm_dmc.answers import FLAG

Install: TypeAlias = Callable[..., None]

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


@attrs.frozen
class Limits:
    """The policy of the README's third example."""

    max_amount: float


def decide(proposal: Any, policy: Limits, context: Any) -> Any:
    """The core of the README's third example."""
    if proposal.params["amount"] > policy.max_amount:
        return FinalDecision(Action.HOLD, False), MismatchInfo(["size"])
    return FinalDecision(proposal.action), MismatchInfo()


@pytest.mark.usefixtures("standin")
class TestReadme:
    @pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
    def test_examples_decide(self, pipeline_file: Callable[[str], Path], install: Install, example: str) -> None:
        """Every example is a part of a pipeline file that is built, and decides."""
        install("acme_core.gate", decide=decide, Limits=Limits)
        install("acme_core", gate=None)
        with Pipeline.from_config(pipeline_file(example)) as pipeline:
            assert pipeline.decide({"key": "k", "at": 10**12, "amount": 10}).final.allowed
            late = pipeline.decide({"key": "k", "at": 10**12 - 60_000, "amount": 1000}).final
        assert [["staleness"], ["staleness"], ["size"]][EXAMPLES.index(example)] == (
            late.mismatch or MismatchInfo()
        ).flags
        assert ("STOP" if "STOP" in example else "HOLD") == late.action.value

    def test_every_component_is_listed(self) -> None:
        """Every component of the plugin is in the table, and every option is explained."""
        found: dict[str, Any] = {}
        plugin.mdm_register_modulators(found.__setitem__)
        assert {f"dmc.{name}" for name in found} == set(re.findall(r"^\| `(dmc\.\w+)` \|", README, re.MULTILINE))
        options = option_fields(DmcModulator)
        assert [f.name for f in options] == re.findall(r"^\| `(\w+)` \| (?:`\w+\.|empty)", README, re.MULTILINE)
        assert [] == [f.name for f in options if isinstance(f.default, str) and f"`{f.default}`" not in README]

    def test_every_derived_code_is_explained(self) -> None:
        """Every flag and reason code that the adapter makes itself is in the table of what is derived."""
        derived = {f"{FLAG}:FLAG", f"{FLAG}:denied", f"{FLAG}:action", f"{FLAG}:params"}
        assert derived == set(re.findall(rf"`({FLAG}:\w+)`", README))
