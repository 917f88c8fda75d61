"""The keys of `PacketV2.external`: their formats, and what the known ones mean.

There are two formats.  A *context key* is one lower-case word (`now_ms`): what a decision was made with.
A *trace key* is a namespace and a name, with dots between (`mdm.latency_us`): what is recorded about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

KeyMode = Literal["context", "trace", "both"]
"""Which of the two formats a key may have."""

RESERVED_NAMESPACES: Final = frozenset(
    (
        "harness",
        "integration",
        "ops",
        "dmc",
        "mdm",
        "eval",
        "adapter",
        "exec",
    )
)
"""First parts of trace keys that belong to the runtime and its official plugins."""

CONTEXT_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "now_ms": "time of the decision, in milliseconds since 1970",
        "run_id": "the run that the decision belongs to",
        "last_event_ts_ms": "time of the newest event, in milliseconds since 1970",
        "errors_in_window": "number of decisions that failed closed within the window",
        "steps_in_window": "number of decisions within the window",
        "rate_limit_events": "number of executions that were answered by a rate limit within the window",
        "recent_failures": "number of failed executions in a row",
        "ops_deny_actions": "true if operations deny every action",
        "ops_state": "state of operations, by name; 'RED' denies every action",
        "ops_cooldown_until_ms": "time until which every action is denied, in milliseconds since 1970",
    }
)
"""The known context keys and what they mean.  Others are allowed."""

EXTERNAL_KEY_REGISTRY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mdm.latency_us": "how long deciding took, in microseconds (float)",
        "mdm.feedback_seq": "number of the last recorded input that was applied before the decision",
        "mdm.fail_closed": "true if something went wrong and the answer is HOLD for that reason",
        "mdm.arm": "which arm of the pipeline has decided, 'main' or 'canary'",
        "mdm.propensity_proposed": "probability with which a model that randomises proposed this action and parameters",
        "mdm.propensity_taken": "probability of the action that was taken after the guards, however it came about",
        "mdm.propensities": "probability of each action after the guards, by name",
        "mdm.redaction_failed": "true if the redactor raised and the payload was replaced",
        "exec.status": "how the execution ended, or 'pending'",
        "exec.total_latency_ms": "how long executing took, all attempts together, in milliseconds",
        "exec.success_count": "number of orders that were carried out",
        "exec.failed_count": "number of orders that failed for good",
        "exec.skipped_count": "number of orders that were not attempted",
        "exec.denied_count": "number of orders that were denied before an attempt",
        "exec.attempt_count": "number of attempts, retries included",
        "exec.fail_closed": "true if something went wrong in executing, which leaves the decision as it is",
        "eval.outcome": "what turned out to be true; nothing that decides has seen it",
        "harness.fail_closed": "true if the program around the decision failed and held for that reason",
    }
)
"""The known trace keys and what they mean."""

EXTERNAL_KEY_FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {"mdm.shadow.": "what a shadow says, by the shadow's name: action, allowed, proposed, confidence, and what differs"}
)
"""The beginnings of trace keys of which there may be any number."""

_CONTEXT_KEY: Final = re.compile(r"[a-z0-9_]+")
_TRACE_KEY: Final = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")


def registry_keys() -> tuple[str, ...]:
    """List the known trace keys.

    Returns:
        The keys of `EXTERNAL_KEY_REGISTRY`, sorted.
    """
    return tuple(sorted(EXTERNAL_KEY_REGISTRY))


def is_valid_context_key(key: object) -> bool:
    """Say whether a key is one lower-case word.

    Args:
        key: the key, of any type.

    Returns:
        Whether it consists of `a-z`, `0-9` and `_` alone, and of at least one of them.
    """
    return isinstance(key, str) and _CONTEXT_KEY.fullmatch(key) is not None


def is_valid_trace_key(key: object) -> bool:
    """Say whether a key is lower-case words with dots between.

    Args:
        key: the key, of any type.

    Returns:
        Whether it consists of two or more words as `is_valid_context_key` wants them, joined by single dots.
    """
    return isinstance(key, str) and _TRACE_KEY.fullmatch(key) is not None


def is_valid_external_key(key: object, mode: KeyMode = "both") -> bool:
    """Say whether a key may stand in `PacketV2.external`.

    Args:
        key: the key, of any type.
        mode: which format it may have: `context`, `trace`, or either of them with `both`.

    Returns:
        Whether it has the format.

    Raises:
        ValueError: `mode` is none of the three.
    """
    if mode == "context":
        return is_valid_context_key(key)
    if mode == "trace":
        return is_valid_trace_key(key)
    if mode == "both":
        return is_valid_context_key(key) or is_valid_trace_key(key)
    raise ValueError(f"unknown mode {mode!r}: choose one of {', '.join(map(repr, get_args(KeyMode)))}")


def validate_external_dict(
    external: object,
    *,
    require_registry_for_prefixes: Iterable[str] | None = None,
    mode: KeyMode = "both",
) -> list[str]:
    """Check the keys of `PacketV2.external`.

    Args:
        external: what to check; its values are not looked at.
        require_registry_for_prefixes: namespaces, such as `("mdm", "exec")`, whose keys must be known ones;
            None for no namespace.
        mode: which format the keys may have, as for `is_valid_external_key`.

    Returns:
        An error code per key that is wrong, in the order of the keys: `invalid_key:KEY` for a wrong format,
        `unregistered_key:KEY` for one that should be known and is not.  Empty if all is well; `not_a_mapping`
        alone if `external` is none.

    Raises:
        ValueError: `mode` is none of the three.
        TypeError: `require_registry_for_prefixes` is one text, of which each letter would be a namespace.
    """
    if isinstance(require_registry_for_prefixes, str):
        raise TypeError(f"expected several namespaces, not the text {require_registry_for_prefixes!r}")
    if not isinstance(external, Mapping):
        return ["not_a_mapping"]
    strict = tuple(prefix.removesuffix(".") + "." for prefix in require_registry_for_prefixes or ())
    return [f"{code}:{key}" for key in external if (code := _key_error(key, strict, mode))]


def _key_error(key: str, strict: tuple[str, ...], mode: KeyMode) -> str | None:
    if not is_valid_external_key(key, mode):
        return "invalid_key"
    known = key in EXTERNAL_KEY_REGISTRY or key.startswith(tuple(EXTERNAL_KEY_FAMILIES))
    if key.startswith(strict) and not known:
        return "unregistered_key"
    return None
