"""A decision, and the packet that tells of it."""

from typing import Any

import msgspec
import pytest

from mdm_core import Action, Context, Decision, FinalDecision, MismatchInfo, PacketV2, Proposal
from mdm_core.decision import packet_dict

NINE = ["run_id", "step", "input", "external", "mdm", "final_action", "latency_ms", "mismatch", "schema_version"]


def decision(**changes: Any) -> Decision:
    """A decision as the pipeline makes it."""
    fields: dict[str, Any] = {
        "event": {"x": 1},
        "context": Context({"run_id": "r-1", "now_ms": 5}, "k", "e-1", 3, 0),
        "features": {"x": 1.0},
        "proposal": Proposal(Action.ACT, 0.75, ["why"], {"size": 2}, None, {"x": 1.5}),
        "final": FinalDecision(Action.ACT, True, ["why"], None, None, None, {"size": 2}),
        "latency_ns": 1_500_000,
    }
    return Decision(**fields | changes)


class TestDecision:
    def test_what_the_context_knows_is_at_hand(self) -> None:
        """Step, key and id are those of the context."""
        made = decision()
        assert (made.step, made.key, made.event_id) == (3, "k", "e-1")
        assert made.failure is None


class TestPacket:
    def test_it_is_a_packet_of_the_contract(self) -> None:
        """All nine keys, whose round trip through the contract's type changes nothing."""
        packet = decision().packet()
        assert isinstance(packet, PacketV2)
        assert list(packet.to_dict()) == NINE
        assert packet == PacketV2(**packet.to_dict())

    def test_it_is_what_a_sink_gets(self) -> None:
        """Without redaction, the object and the mapping hold the same and are written the same."""
        made = decision()
        assert made.packet().to_dict() == packet_dict(made, "r-1")
        assert list(packet_dict(made, "r-1")) == NINE
        assert msgspec.json.encode(made.packet().to_dict()) == msgspec.json.encode(packet_dict(made, "r-1"))

    def test_external_is_a_copy(self) -> None:
        """What is later added to the context, such as the outcome of an execution, is not in an earlier packet."""
        made = decision()
        packet = made.packet()
        made.context["exec.status"] = "done"
        assert packet.external == {"run_id": "r-1", "now_ms": 5}
        assert made.packet().external["exec.status"] == "done"

    @pytest.mark.parametrize("params", [None, {}])
    def test_no_params_are_an_empty_table(self, params: dict[str, Any] | None) -> None:
        """A reader need not tell null from nothing."""
        made = decision(proposal=Proposal(Action.ACT, 1.0, [], params), final=FinalDecision(Action.ACT, params=params))
        assert made.packet().mdm["params"] == {}
        assert made.packet().final_action["params"] == {}

    def test_a_mismatch_is_written_whole(self) -> None:
        """Flags, codes, throttle and metadata; without a mismatch there is none."""
        mismatch = MismatchInfo(["late"], ["late:age"], 50, {"age_ms": 7})
        made = decision(final=FinalDecision(Action.HOLD, False, [], mismatch))
        expected = {
            "flags": ["late"],
            "reason_codes": ["late:age"],
            "throttle_refresh_ms": 50,
            "metadata": {"age_ms": 7},
        }
        assert expected == made.packet().mismatch
        assert decision().packet().mismatch is None

    def test_a_context_without_a_run_is_local(self) -> None:
        """A packet always names a run."""
        assert decision(context=Context({}, None, "0", 0, 0)).packet().run_id == "local"

    @pytest.mark.parametrize(("ns", "ms"), [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (9_999_999_999, 10_000)])
    def test_latency_is_rounded_up(self, ns: int, ms: int) -> None:
        """To whole milliseconds, of type int."""
        latency = decision(latency_ns=ns).packet().latency_ms
        assert ms == latency
        assert int is type(latency)
