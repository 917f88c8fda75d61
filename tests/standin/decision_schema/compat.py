from __future__ import annotations


def is_compatible(
    schema_version: str, expected_major: int, min_minor: int | None = None, max_minor: int | None = None
) -> bool:
    major, minor = (int(part) for part in schema_version.split(".")[:2])
    return major == expected_major and (min_minor or 0) <= minor <= (99 if max_minor is None else max_minor)
