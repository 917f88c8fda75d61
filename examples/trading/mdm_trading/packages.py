"""The package that holds the bars. It is read where it lies, and never installed or imported."""

from __future__ import annotations

from mdm_pinned import Package

BARS = Package(
    "pip",
    "gym-anytrading",
    "2.0.0",
    "gym_anytrading-2.0.0-py3-none-any.whl",
    "29e88b9d38272ea338c8cfcebc6a0f0302c7a8c02048331ad6a4d22cdd825e54",
    fetched_by="python -m mdm_trading.fetch",
)
