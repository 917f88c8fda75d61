"""Redaction as core applies it: whatever the redactor does, nothing is written that it did not let pass."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm_core import Action, Context, Decision, FinalDecision, MismatchInfo, Proposal, Redactor
from mdm_core.decision import packet_dict
from mdm_core.redacting import FAILED, MASK, Redaction

CANARY = "canary-4111111111111111"
SECRET = frozenset({"password", "token"})


def masked(value: Any, hidden: frozenset[str]) -> Any:
    """The plainest redactor: a new copy of everything, with the values of hidden keys masked."""
    if isinstance(value, Mapping):
        return {k: MASK if str(k) in hidden else masked(v, hidden) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, hidden) for item in value]
    if isinstance(value, Credentials):
        return {"user": value.user, "password": MASK}
    return value


@attrs.define
class Whole(Redactor):
    """Walks through everything itself."""

    hidden: frozenset[str] = SECRET

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = masked(data, self.hidden)
        return found


@attrs.define
class ByKey(Whole):
    """Tells core of each key whether it is to be hidden."""

    asked: list[str] = attrs.field(factory=list)

    def hides(self, key: str) -> bool:
        """Whether the key's value is a secret."""
        self.asked.append(key)
        return key in self.hidden


@dataclass
class Credentials:
    user: str
    password: str


@attrs.define
class Gives(Redactor):
    """Answers what it is told to, or raises it."""

    answer: Any

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(self.answer, BaseException):
            raise self.answer
        found: Mapping[str, Any] = self.answer
        return found


def decision(**parts: Any) -> Decision:
    """A decision with a secret wherever there may be one."""
    secret = {"password": CANARY, "open": 1}
    proposal = Proposal(Action.ACT, 0.5, ["why"], parts.get("params", secret), None, parts.get("summary", secret))
    mismatch = MismatchInfo(["late"], ["late:age"], None, parts.get("metadata", secret))
    final = FinalDecision(Action.HOLD, False, ["too late"], mismatch, None, None, parts.get("final", secret))
    context = Context({"run_id": "r", **parts.get("context", {"token": CANARY})}, "k", "e", 0, 0)
    features = parts.get("features", {"token": CANARY, "x": 1.0})
    return Decision(parts.get("event", {"deep": [secret]}), context, features, proposal, final, 1000)


KEYS = st.sampled_from(["password", "token", "user", "x", "input", "mdm", "params", "features", ""])
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(0, 1) | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=5)
HIDDEN = st.sampled_from([SECRET, frozenset(), frozenset({"x"}), frozenset({"params", "token"}), frozenset({"mdm"})])


class TestByKey:
    @settings(max_examples=60)
    @given(st.lists(MAPPINGS, min_size=1, max_size=4), HIDDEN)
    def test_core_hides_what_the_redactor_would(self, many: list[dict[str, Any]], hidden: frozenset[str]) -> None:
        """Byte for byte, whatever is nested in whatever, also for keys that were seen before."""
        whole, by_key = Redaction(Whole(hidden)), Redaction(ByKey(hidden))
        for data in many:
            before = deepcopy(data)
            assert msgspec.json.encode(whole.mapping(data)) == msgspec.json.encode(by_key.mapping(data))
            assert before == data

    @settings(max_examples=60)
    @given(
        HIDDEN,
        st.lists(
            st.fixed_dictionaries(
                {
                    "event": MAPPINGS,
                    "context": MAPPINGS,
                    "features": st.dictionaries(KEYS, LEAVES, max_size=4),
                    "params": st.none() | MAPPINGS,
                    "summary": MAPPINGS,
                    "final": st.none() | MAPPINGS,
                    "metadata": st.none() | MAPPINGS,
                }
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def test_so_it_does_in_packets(self, hidden: frozenset[str], many: list[dict[str, Any]]) -> None:
        """In every part of a packet, also if the redactor hides a part by its name."""
        whole, by_key = Redaction(Whole(hidden)), Redaction(ByKey(hidden))
        for parts in many:
            made, before = decision(**parts), deepcopy(parts)
            expected = msgspec.json.encode(whole.packet(packet_dict(made, "r")))
            assert expected == msgspec.json.encode(by_key.packet(packet_dict(made, "r")))
            assert before == parts
        assert (whole.failures, by_key.failures) == (0, 0)

    @pytest.mark.parametrize("redactor", [Whole(), ByKey()], ids=["whole", "by key"])
    def test_no_part_of_a_packet_is_forgotten(self, redactor: Redactor) -> None:
        """A secret in event, context, features, params, summary or metadata is masked, each time anew."""
        redaction = Redaction(redactor)
        for _ in range(2):
            packet = redaction.packet(packet_dict(decision(), "r"))
            assert CANARY not in repr(packet)
            assert repr(packet).count(MASK) == 7

    @pytest.mark.parametrize(
        "value", [Credentials("me", CANARY), [Credentials("me", CANARY)], MappingProxyType({"password": CANARY})]
    )
    def test_what_core_does_not_know_is_left_to_the_redactor(self, value: Any) -> None:
        """An object with fields, or a mapping that is no dict, hides nothing from it."""
        redaction = Redaction(ByKey())
        assert CANARY not in repr(redaction.mapping({"deep": {"x": value}}))
        assert CANARY not in repr(redaction.packet(packet_dict(decision(event={"x": value}), "r")))
        assert CANARY not in repr(redaction.packet(packet_dict(decision(params={"x": value}), "r")))
        assert redaction.failures == 0

    def test_each_key_is_asked_about_once(self) -> None:
        """However often it comes."""
        redactor = ByKey()
        redaction = Redaction(redactor)
        for _ in range(3):
            redaction.mapping({"a": {"b": 1}, "c": [{"a": 2}]})
        assert [redactor.asked.count(key) for key in ("a", "b", "c")] == [1, 1, 1]

    def test_keys_without_end_are_forgotten(self) -> None:
        """Hostile events cannot fill the memory with their keys, and are redacted all the same."""
        redactor = ByKey()
        redaction = Redaction(redactor)
        for n in range(0, 120_000, 1000):
            data: dict[str, Any] = {f"k{n + i}": i for i in range(1000)}
            found = redaction.mapping({**data, "password": CANARY})
            assert found["password"] == MASK
        redaction.mapping({"k0": 1})
        assert redactor.asked.count("k0") == 2

    def test_what_is_clean_is_not_copied(self) -> None:
        """An event with nothing to hide costs no copy; one with a secret shares the rest."""
        redaction = Redaction(ByKey())
        clean = {"a": {"b": [1, 2]}}
        assert clean is redaction.mapping(clean)
        found = redaction.mapping({"password": CANARY, "a": clean})
        assert clean is found["a"]

    def test_hides_that_is_no_function_is_ignored(self) -> None:
        """A redactor may say by None that masking would not do."""

        class Dropping(Whole):
            hides = None

        assert Redaction(Dropping()).mapping({"password": CANARY}) == {"password": MASK}


class TestNone:
    def test_everything_is_written_as_it_is(self) -> None:
        """Without a redactor data pass untouched."""
        data = {"password": CANARY}
        assert data is Redaction(None).mapping(data)
        packet = packet_dict(decision(), "r")
        assert packet is Redaction(None).packet(packet)


class TestFailing:
    @pytest.mark.parametrize(
        "answer", [RuntimeError(CANARY), RecursionError(CANARY), None, CANARY, [CANARY], {CANARY}], ids=repr
    )
    def test_the_payload_is_replaced(self, answer: Any) -> None:
        """A redactor that raises or gives no mapping has let nothing pass; each time is counted."""
        redaction = Redaction(Gives(answer))
        assert redaction.mapping({"password": CANARY, CANARY: 1}) == {"redaction": FAILED}
        packet = redaction.packet(packet_dict(decision(), "r"))
        assert CANARY not in repr(packet)
        assert redaction.failures == 2
        expected = type(answer).__name__ if isinstance(answer, Exception) else "ContractError"
        assert {f"redaction_error:{expected}": 2} == redaction.errors

    def test_what_was_decided_is_still_told(self) -> None:
        """Of a packet its number, actions, flags and codes remain, which hold nothing of the event."""
        packet = Redaction(Gives(RuntimeError())).packet(packet_dict(decision(), "r"))
        assert packet == {
            "run_id": "r",
            "step": 0,
            "input": {"redaction": FAILED},
            "external": {"mdm.redaction_failed": True},
            "mdm": {
                "action": "ACT",
                "confidence": 0.5,
                "reasons": [],
                "params": {},
                "features_summary": {},
                "features": {},
            },
            "final_action": {"action": "HOLD", "allowed": False, "reasons": [], "params": {}},
            "latency_ms": 1,
            "mismatch": {
                "flags": ["late"],
                "reason_codes": ["late:age"],
                "throttle_refresh_ms": None,
                "metadata": None,
            },
            "schema_version": "0.1.3",
        }

    def test_a_packet_without_mismatch_keeps_none(self) -> None:
        """That nothing was denied is told too."""
        made = decision()
        made.final = FinalDecision(Action.ACT)
        packet = Redaction(Gives(RuntimeError())).packet(packet_dict(made, "r"))
        assert packet["mismatch"] is None

    def test_data_that_never_end_are_not_written(self) -> None:
        """A mapping inside itself makes the walk fail, not the run."""
        endless: dict[str, Any] = {"password": CANARY}
        endless["self"] = endless
        redaction = Redaction(ByKey())
        assert redaction.mapping(endless) == {"redaction": FAILED}
        assert CANARY not in repr(redaction.packet(packet_dict(decision(event=endless), "r")))
        assert redaction.failures == 2
