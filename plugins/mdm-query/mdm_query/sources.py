"""What views are made from: the files of a run as DuckDB reads them, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mdm_query.files import Files

_MAX_LINE = 16 * 1024 * 1024
_WHOLE = {
    "run_id": "VARCHAR",
    "step": "BIGINT",
    "input": "JSON",
    "external": "JSON",
    "mdm": "JSON",
    "final_action": "JSON",
    "latency_ms": "JSON",
    "mismatch": "JSON",
    "schema_version": "VARCHAR",
}
# A struct is read twice as fast as JSON. What is in it stays JSON, for redaction may have put a text in its place.
_PARTS = {
    "step": "BIGINT",
    "input": "JSON",
    "external": "JSON",
    "mdm": "STRUCT(action VARCHAR, confidence JSON, reasons JSON, params JSON, features_summary JSON, features JSON)",
    "final_action": "STRUCT(action VARCHAR, allowed JSON, reasons JSON, params JSON)",
    "mismatch": "STRUCT(flags JSON, reason_codes JSON, throttle_refresh_ms JSON, metadata JSON)",
}
_LETTER = {"position": "VARCHAR", "reason": "VARCHAR", "excerpt": "VARCHAR"}
_LINE = {"json": "JSON"}


def sources(files: Files, torn: bool) -> dict[str, str]:
    """Write the SQL of what views are made from.

    Args:
        files: The files.
        torn: Whether lines that are not whole are passed over.

    Returns:
        Name to SQL.
    """
    parts = _read(files.packets, _PARTS, torn)
    return {
        "_whole_packets": _read(files.packets, _WHOLE, torn),
        "_packets": f"""
            select *, epoch_ms(try_cast(external->>'now_ms' as bigint)) as time,
                {_at(files.key)} as key, {_at(files.id)} as id,
                coalesce(try_cast(final_action.allowed as boolean), false) as allowed,
                coalesce(try_cast(external->>'mdm.fail_closed' as boolean), false) as failed_closed
            from ({parts})
        """,
        "_audit": _read(files.audit, _LINE, torn),
        "_letters": _read(files.dead_letters, _LETTER, torn),
    }


def unreadable(paths: Sequence[Path]) -> str:
    """Write the SQL that counts the lines that are no JSON.

    Args:
        paths: The files.
    """
    lines = f"read_json_objects({_list(paths)}, {_options(torn=True)})"
    return f"select count(*) from {lines} where json is null"


def quoted(text: str) -> str:
    """Write a text as SQL does.

    Args:
        text: Any text.
    """
    return "'" + text.replace("'", "''") + "'"


def _read(paths: Sequence[Path], columns: dict[str, str], torn: bool) -> str:
    if not paths:
        nothing = ", ".join(f"null::{kind} as {name}" for name, kind in columns.items())
        return f"select {nothing} where false"
    first = next(iter(columns))
    only_whole = f" where {first} is not null" if torn else ""
    if columns is _LINE:
        return f"select json from read_json_objects({_list(paths)}, {_options(torn)}){only_whole}"
    kinds = ", ".join(f"{name}: {quoted(kind)}" for name, kind in columns.items())
    read = f"read_json({_list(paths)}, columns = {{{kinds}}}, {_options(torn)})"
    return f"select * from {read}{only_whole}"


def _options(torn: bool) -> str:
    return f"format = 'newline_delimited', maximum_object_size = {_MAX_LINE}, ignore_errors = {str(torn).lower()}"


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"


def _at(path: str | None) -> str:
    """The SQL of the text at a dotted path of the event; one that is spelled with the dots comes first."""
    if path is None:
        return "null::varchar"
    whole = f"(input->>{_key(path)})"
    *outer, last = path.split(".")
    if not outer:
        return whole
    nested = "input" + "".join(f"->{_key(part)}" for part in outer)
    return f"coalesce({whole}, ({nested})->>{_key(last)})"


def _key(name: str) -> str:
    # What begins so DuckDB takes for a path.
    return quoted(f'$."{name}"' if name[:1] in ("$", "/") else name)
