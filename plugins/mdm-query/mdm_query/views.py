"""What can be asked in SQL: one view per common question."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

_WHO = {
    "step": "number of the decision, from 0",
    "time": "the pipeline's clock, UTC; null if it has none",
    "key": "the entity that it is about; null if the pipeline has no key",
    "id": "the event's id; null if the pipeline reads none from the event",
}


@attrs.frozen
class View:
    """A view.

    Attributes:
        name: Its name.
        about: What a row is.
        columns: Column to what it holds.
        sql: What it selects.
        example: A question that it answers.
    """

    name: str
    about: str
    columns: Mapping[str, str]
    sql: str
    example: str


VIEWS = (
    View(
        "decisions",
        "one row per decision",
        {
            **_WHO,
            "proposed": "action that the model wanted",
            "confidence": "its confidence",
            "action": "final action",
            "allowed": "whether it may be carried out",
            "verdict": "allowed, denied or failed closed",
            "reasons": "why the model wanted it, the most important first",
            "flag": "what denied it; null if it is allowed",
            "reason_codes": "why it was changed or denied",
            "outcome": "what turned out to be true, if the event came with it",
            "latency_us": "how long deciding took, in microseconds",
            "params": "parameters of the proposal",
            "features": "all features; features->>'NAME' is one of them, as text",
            "input": "the event",
        },
        """
        select step, time, key, id, mdm.action as proposed, try_cast(mdm.confidence as double) as confidence,
            final_action.action as action, allowed,
            case when failed_closed then 'failed closed' when allowed then 'allowed' else 'denied' end as verdict,
            try_cast(mdm.reasons as varchar[]) as reasons, try_cast(mismatch.flags as varchar[])[1] as flag,
            try_cast(mismatch.reason_codes as varchar[]) as reason_codes, external->>'eval.outcome' as outcome,
            try_cast(external->>'mdm.latency_us' as double) as latency_us, mdm.params as params,
            mdm.features as features, input
        from _packets
        """,
        "select proposed, verdict, count(*), avg(confidence) from decisions group by all",
    ),
    View(
        "denials",
        "one row per decision that was denied or failed closed",
        {
            **_WHO,
            "proposed": "action that the model wanted",
            "confidence": "its confidence",
            "flag": "what denied it, such as rate_limit",
            "reason_code": "why, such as rate_limit:exceeded",
            "failed_closed": "whether something went wrong, and nothing was judged",
            "wait_ms": "how long to wait before asking again, if that was said",
            "metadata": "what the guard went by",
            "params": "parameters of the proposal",
        },
        """
        select step, time, key, id, mdm.action as proposed, try_cast(mdm.confidence as double) as confidence,
            try_cast(mismatch.flags as varchar[])[1] as flag,
            try_cast(mismatch.reason_codes as varchar[])[-1] as reason_code, failed_closed,
            try_cast(mismatch.throttle_refresh_ms as bigint) as wait_ms, mismatch.metadata as metadata,
            mdm.params as params
        from _packets where not allowed
        """,
        "select reason_code, count(*), min(time), max(time) from denials group by 1 order by 2 desc",
    ),
    View(
        "features",
        "one row per decision and feature",
        {
            **_WHO,
            "action": "final action",
            "allowed": "whether it may be carried out",
            "name": "the feature",
            "number": "its value if it is a number; of true 1 and of false 0",
            "text": "its value as text; null if there was none",
        },
        """
        select step, time, key, id, action, allowed, name,
            coalesce(try_cast(value as double), try_cast(try_cast(value as boolean) as double)) as number,
            value->>'$' as text
        from (
            select step, time, key, id, final_action.action as action, allowed,
                unnest(map_keys(named)) as name, unnest(map_values(named)) as value
            from (select *, try_cast(mdm.features as map(varchar, json)) as named from _packets)
        )
        """,
        "select name, avg(number), stddev(number), count(*) - count(text) as missing from features group by 1",
    ),
    View(
        "contributions",
        "one row per decision and reason to which the model gave a weight",
        {
            **_WHO,
            "action": "final action",
            "name": "the feature",
            "moved": "what it added to the score",
        },
        """
        select step, time, key, id, action, name, try_cast(value as double) as moved
        from (
            select step, time, key, id, final_action.action as action,
                unnest(map_keys(named)) as name, unnest(map_values(named)) as value
            from (select *, try_cast(mdm.features_summary as map(varchar, json)) as named from _packets)
        )
        """,
        "select name, count(*), avg(moved) from contributions where action = 'ACT' group by 1 order by 2 desc",
    ),
    View(
        "executions",
        "one row per order, as it stood when the packet was written; what came of a pending one is in the journal",
        {
            **_WHO,
            "action": "what was ordered",
            "status": "done, pending, failed, unknown, denied or skipped",
            "attempts": "how often the broker was asked",
            "latency_ms": "how long it took altogether, in milliseconds",
            "failed_closed": "whether carrying it out was broken off because something went wrong",
            "params": "parameters of the order",
        },
        """
        select step, time, key, id, final_action.action as action, external->>'exec.status' as status,
            try_cast(external->>'exec.attempt_count' as bigint) as attempts,
            try_cast(external->>'exec.total_latency_ms' as double) as latency_ms,
            coalesce(try_cast(external->>'exec.fail_closed' as boolean), false) as failed_closed,
            final_action.params as params
        from _packets where external->>'exec.status' is not null
        """,
        "select status, count(*), quantile_cont(latency_ms, 0.95) from executions group by 1",
    ),
    View(
        "packets",
        "one row per packet, as it was written",
        {
            "run_id": "id of the run",
            "step": "number of the decision, from 0",
            "input": "the event",
            "external": "what was known besides, and what came of carrying it out",
            "mdm": "what the model wanted, and the features",
            "final_action": "the final decision",
            "latency_ms": "how long deciding took, in milliseconds",
            "mismatch": "why the final decision is another one",
            "schema_version": "version of the contract",
        },
        "select * from _whole_packets",
        "select step, input, mismatch from packets where step = 17",
    ),
    View(
        "audit",
        "one row per line of the audit log",
        {
            "event": "what happened, such as denied",
            "time": "when, by the machine's clock, UTC",
            "step": "number of the decision, if it is about one",
            "reason_code": "why, if it is about a failure",
            "details": "the whole line",
        },
        """
        select json->>'event' as event, try_cast(json->>'at' as timestamp) as time,
            try_cast(json->>'step' as bigint) as step, json->>'reason_code' as reason_code, json as details
        from _audit
        """,
        "select event, count(*), max(time) from audit group by 1",
    ),
    View(
        "dead_letters",
        "one row per event that could not be decided",
        {"position": "where it stands in the source", "reason": "why", "excerpt": "its beginning, redacted"},
        "select position, reason, excerpt from _letters",
        "select reason, count(*), min(position) from dead_letters group by 1",
    ),
)
