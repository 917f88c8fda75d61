"""The command ``mdm``."""

from mdm_core.cli.main import main

__all__ = ["main"]
