"""Fetch the packages from their registries, once: ``python -m mdm_content.fetch --to data``.

A run reads the files and never the network. Only a file with the right hash is kept.
"""

from __future__ import annotations

from mdm_pinned.fetching import fetch_command

from mdm_content.packages import MAIL, OFFENCE

if __name__ == "__main__":
    fetch_command(MAIL, OFFENCE)
