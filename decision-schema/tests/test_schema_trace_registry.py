from __future__ import annotations

from typing import Any

import pytest

from decision_schema.trace_registry import (
    CONTEXT_KEYS,
    EXTERNAL_KEY_REGISTRY,
    RESERVED_NAMESPACES,
    KeyMode,
    is_valid_context_key,
    is_valid_external_key,
    is_valid_trace_key,
    registry_keys,
    validate_external_dict,
)

CONTEXT = ["now_ms", "a", "0", "_", "p99"]
TRACE = ["mdm.latency_us", "exec.a.b", "0.1"]
NEITHER: list[Any] = [
    "",
    ".",
    "mdm.",
    ".mdm",
    "mdm..x",
    "now_ms\n",
    "mdm.latency_us\n",
    "Now_ms",
    "mdm.Latency",
    "now-ms",
    "now ms",
    "mdm/x",
    "\u00e9t\u00e9",
    "\u0661",
    None,
    5,
    b"now_ms",
    ("mdm", "x"),
]


class TestRegistry:
    def test_reserved_namespaces(self) -> None:
        """These eight namespaces are reserved."""
        expected = {"harness", "integration", "ops", "dmc", "mdm", "eval", "adapter", "exec"}

        assert expected == RESERVED_NAMESPACES

    def test_keys(self) -> None:
        """These trace keys are known, and listed in order."""
        expected = (
            "eval.outcome",
            "exec.attempt_count",
            "exec.denied_count",
            "exec.fail_closed",
            "exec.failed_count",
            "exec.skipped_count",
            "exec.status",
            "exec.success_count",
            "exec.total_latency_ms",
            "harness.fail_closed",
            "mdm.arm",
            "mdm.fail_closed",
            "mdm.feedback_seq",
            "mdm.latency_us",
            "mdm.propensities",
            "mdm.propensity_proposed",
            "mdm.propensity_taken",
            "mdm.redaction_failed",
        )

        assert expected == registry_keys()

    def test_trace_keys_fit(self) -> None:
        """Every known trace key has the format of one and belongs to a reserved namespace."""
        assert [] == validate_external_dict(EXTERNAL_KEY_REGISTRY, mode="trace")
        assert {key.partition(".")[0] for key in EXTERNAL_KEY_REGISTRY} <= RESERVED_NAMESPACES

    def test_context_keys_fit(self) -> None:
        """Every known context key has the format of one."""
        assert [] == validate_external_dict(CONTEXT_KEYS, mode="context")
        assert {"now_ms", "run_id", "last_event_ts_ms", "ops_deny_actions"} <= CONTEXT_KEYS.keys()

    @pytest.mark.parametrize("registry", [CONTEXT_KEYS, EXTERNAL_KEY_REGISTRY])
    def test_read_only(self, registry: Any) -> None:
        """No plugin can change what is known for all others."""
        with pytest.raises(TypeError):
            registry["mdm.mine"] = "mine"

    @pytest.mark.parametrize("registry", [CONTEXT_KEYS, EXTERNAL_KEY_REGISTRY])
    def test_described(self, registry: dict[str, str]) -> None:
        """Every known key says what it means."""
        assert [] == [key for key, description in registry.items() if not description.strip()]


class TestIsValidContextKey:
    @pytest.mark.parametrize("key", CONTEXT)
    def test_valid(self, key: str) -> None:
        """One word of lower-case letters, digits and underscores is a context key."""
        assert is_valid_context_key(key) is True

    @pytest.mark.parametrize("key", [*TRACE, *NEITHER])
    def test_invalid(self, key: Any) -> None:
        """Anything else is not, a word with a newline after it included."""
        assert is_valid_context_key(key) is False


class TestIsValidTraceKey:
    @pytest.mark.parametrize("key", TRACE)
    def test_valid(self, key: str) -> None:
        """Two or more such words with single dots between are a trace key."""
        assert is_valid_trace_key(key) is True

    @pytest.mark.parametrize("key", [*CONTEXT, *NEITHER])
    def test_invalid(self, key: Any) -> None:
        """Anything else is not, a key with a newline after it included."""
        assert is_valid_trace_key(key) is False


class TestIsValidExternalKey:
    @pytest.mark.parametrize(
        ("mode", "expected"),
        [("context", [True, False, False]), ("trace", [False, True, False]), ("both", [True, True, False])],
    )
    def test_modes(self, mode: KeyMode, expected: list[bool]) -> None:
        """The mode says which of the two formats a key may have."""
        assert expected == [is_valid_external_key(key, mode) for key in ("now_ms", "mdm.x", "Mdm.x")]

    def test_default(self) -> None:
        """Both formats are allowed unless something else is said."""
        assert [True, True] == [is_valid_external_key(key) for key in ("now_ms", "mdm.x")]

    def test_unknown_mode(self) -> None:
        """An unknown mode is refused, and the error lists the known ones."""
        mode: Any = "all"

        with pytest.raises(ValueError, match="unknown mode") as caught:
            is_valid_external_key("now_ms", mode)

        assert "unknown mode 'all': choose one of 'context', 'trace', 'both'" == str(caught.value)


class TestValidateExternalDict:
    def test_valid(self) -> None:
        """Keys of either format give no errors, known or not."""
        assert [] == validate_external_dict({"now_ms": 1, "mdm.mine": 2, "shop.basket": 3})

    def test_invalid_keys(self) -> None:
        """Each key of a wrong format gives an error code, in the order of the keys."""
        actual = validate_external_dict({"Now": 1, "now_ms": 2, "mdm.": 3, 5: 4})

        assert ["invalid_key:Now", "invalid_key:mdm.", "invalid_key:5"] == actual

    def test_mode(self) -> None:
        """The mode applies to every key."""
        assert ["invalid_key:now_ms"] == validate_external_dict({"now_ms": 1, "mdm.x": 2}, mode="trace")

    @pytest.mark.parametrize("prefixes", [("mdm",), ["mdm."], {"mdm", "eval"}, iter(["mdm"])])
    def test_registry(self, prefixes: Any) -> None:
        """In the namespaces named, with or without the dot, an unknown key is an error."""
        external = {"mdm.latency_us": 1, "mdm.mine": 2, "mdmx.y": 3, "exec.mine": 4, "mdm": 5}

        actual = validate_external_dict(external, require_registry_for_prefixes=prefixes)

        assert ["unregistered_key:mdm.mine"] == actual

    def test_families(self) -> None:
        """Keys of which there may be any number are known by their beginning."""
        external = {"mdm.shadow.new.action": "ACT", "mdm.shadowed": 1}

        actual = validate_external_dict(external, require_registry_for_prefixes=["mdm"])

        assert ["unregistered_key:mdm.shadowed"] == actual

    def test_one_error_a_key(self) -> None:
        """A key of a wrong format is not looked up as well."""
        actual = validate_external_dict({"mdm.Mine": 1}, require_registry_for_prefixes=["mdm"])

        assert ["invalid_key:mdm.Mine"] == actual

    def test_text_for_prefixes(self) -> None:
        """One text in place of several namespaces is refused, for it would check nothing."""
        with pytest.raises(TypeError, match=r"^expected several namespaces, not the text 'mdm'$"):
            validate_external_dict({}, require_registry_for_prefixes="mdm")

    @pytest.mark.parametrize("external", [None, [], "now_ms"])
    def test_no_mapping(self, external: Any) -> None:
        """Something that is no mapping gives one error code."""
        assert ["not_a_mapping"] == validate_external_dict(external)
