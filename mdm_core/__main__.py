"""``python -m mdm_core`` is ``mdm``."""

from mdm_core.cli import main

main()
