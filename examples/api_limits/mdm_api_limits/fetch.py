"""Fetch the packages from their registries, once: ``python -m mdm_api_limits.fetch --to data``.

A run reads the files and never the network. Only a file with the right hash is kept.
"""

from __future__ import annotations

from mdm_pinned.fetching import fetch_command

from mdm_api_limits.packages import MAIL, RETAIL

if __name__ == "__main__":
    fetch_command(MAIL, RETAIL)
