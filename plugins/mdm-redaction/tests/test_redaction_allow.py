"""Only what is listed passes; and redactors one after the other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import OptionError

from mdm_redaction import AllowRedactor, ChainRedactor, KeyRedactor, SecretsRedactor

M = "[REDACTED]"
PACKET: dict[str, Any] = {
    "run_id": "r",
    "step": 3,
    "input": {"amount": 5, "name": "Ann", "route": {"from": "A", "legs": [1, 2]}},
    "external": {"run_id": "r", "now_ms": 1, "mdm.latency_us": 2.5, "note": "secret"}
    | {"mdm.shadow.n.action": "ACT", "mdm.shadow.n.reasons": ["secret"], "mdm.shadow.n.params": {"a": "secret"}},
    "mdm": {
        "action": "ACT",
        "confidence": 0.9,
        "reasons": ["x"],
        "params": {},
        "features_summary": {},
        "features": {"a.b": 1},
    },
    "final_action": {"action": "ACT", "allowed": True, "reasons": [], "params": {"p": 1}},
    "latency_ms": 1,
    "mismatch": None,
    "schema_version": "0.2.0",
}


class TestPaths:
    @pytest.mark.parametrize(
        ("paths", "expected"),
        [
            (["a"], {"a": {"b": 1, "c": [2]}, "d": M}),
            (["a.b"], {"a": {"b": 1, "c": [M]}, "d": M}),
            (["a.c"], {"a": {"b": M, "c": [2]}, "d": M}),
            (["*.b", "d"], {"a": {"b": 1, "c": [M]}, "d": 3}),
            (["x"], {"a": {"b": M, "c": [M]}, "d": M}),
        ],
    )
    def test_passes_what_is_listed(self, paths: list[str], expected: dict[str, Any]) -> None:
        """What stands under a listed path passes whole; everything else is masked value by value."""
        assert expected == AllowRedactor(paths=paths).redact({"a": {"b": 1, "c": [2]}, "d": 3})

    def test_items_of_lists(self) -> None:
        """Items have the path of their list."""
        data = {"items": [{"price": 1, "name": "x"}, {"price": 2}]}
        assert {"items": [{"price": 1, "name": M}, {"price": 2}]} == AllowRedactor(paths=["items.price"]).redact(data)

    def test_dotted_keys(self) -> None:
        """A dotted key counts as so many names."""
        assert {"a.b": 1, "a.c": M} == AllowRedactor(paths=["a.b"]).redact({"a.b": 1, "a.c": 2})

    def test_names_that_are_data(self) -> None:
        """A key that is not listed and does not read as a name is masked too, and none is lost."""
        data = {"ok": 1, "ann@x.org": 2, "Ann Smith": 3, "4111": 4}
        assert {"ok": 1, M: M, f"{M}#2": M, f"{M}#3": M} == AllowRedactor(paths=["ok"]).redact(data)

    def test_drop(self) -> None:
        """In mode drop neither names nor values are left of what is not listed."""
        data = {"a": {"b": 1, "c": [2]}, "d": None, "ann@x.org": 3}
        assert {"a": {"b": 1}} == AllowRedactor(paths=["a.b"], mode="drop").redact(data)

    @pytest.mark.parametrize("path", ["", ".", "a..b", "a."])
    def test_refuses(self, path: str) -> None:
        """A path with an empty name is refused."""
        with pytest.raises(OptionError, match="is no path; write names with dots between them"):
            AllowRedactor(paths=[path])

    def test_the_same_object_at_two_places(self) -> None:
        """What passes at one place is hidden at another, though it is the same object."""
        shared = {"x": 1}
        assert {"a": {"x": 1}, "b": {"x": M}} == AllowRedactor(paths=["a"]).redact({"a": shared, "b": shared})

    def test_rings_and_depth(self) -> None:
        """A container inside itself, and one that is too deep, is masked."""
        ring: list[Any] = [1]
        ring.append(ring)
        assert {"a": [M, M]} == AllowRedactor(paths=["b"]).redact({"a": ring})
        deep: Any = "bottom"
        for _ in range(1000):
            deep = [deep]
        assert "bottom" not in repr(AllowRedactor(paths=["b"]).redact({"a": deep}))


class TestCore:
    def test_a_packet_stays_a_packet(self) -> None:
        """What core says passes: id, step, times, actions; what came from outside does not."""
        redacted = AllowRedactor(paths=["input.route"]).redact(PACKET)
        assert PACKET.keys() == redacted.keys()
        assert ("r", 3, 1, None) == tuple(redacted[key] for key in ("run_id", "step", "latency_ms", "mismatch"))
        assert {"amount": M, "name": M, "route": {"from": "A", "legs": [1, 2]}} == redacted["input"]
        shadow = {"mdm.shadow.n.action": "ACT", "mdm.shadow.n.reasons": [M], "mdm.shadow.n.params": {"a": M}}
        assert {"run_id": "r", "now_ms": 1, "mdm.latency_us": 2.5, "note": M} | shadow == redacted["external"]
        assert ("ACT", 0.9, [M]) == tuple(redacted["mdm"][key] for key in ("action", "confidence", "reasons"))
        assert {"action": "ACT", "allowed": True, "reasons": [], "params": {"p": M}} == redacted["final_action"]

    def test_an_audit_event(self) -> None:
        """Of an audit event what it says of the run passes, the id of the event does not."""
        event = {"event": "denied", "at": "now", "run_id": "r", "step": 1, "event_id": "ann", "flags": ["x"]}
        assert event | {"event_id": M} == AllowRedactor(paths=["x"]).redact(event)

    @pytest.mark.parametrize("event", [{"step": "x", "action": "y"}, {"event": "x"}, {"flags": ["x"]}])
    def test_an_event_is_not_taken_for_one(self, event: dict[str, Any]) -> None:
        """An event that has some of core's names is hidden all the same."""
        assert "x" not in json.dumps(AllowRedactor(paths=["input"]).redact(event))

    @given(
        st.recursive(
            st.text(min_size=5) | st.integers(10**6), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    )
    def test_nothing_else_passes(self, value: Any) -> None:
        """Of a value that is not listed nothing is left, whatever its shape."""
        left = json.dumps(AllowRedactor(paths=["other"], mode="drop").redact({"a": value}))
        assert "{}" == left


class TestChain:
    def test_both_hide(self) -> None:
        """The second sees what the first lets pass."""
        chain = ChainRedactor(first=AllowRedactor(paths=["note", "n"]), then=SecretsRedactor())
        assert {"note": f"pwd={M}", "n": 1, "x": M} == chain.redact({"note": "pwd=x", "n": 1, "x": 2})

    def test_children_are_required(self) -> None:
        """A chain has two links."""
        with pytest.raises(TypeError, match="then"):
            ChainRedactor(first=KeyRedactor())
