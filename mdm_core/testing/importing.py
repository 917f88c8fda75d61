"""What importing a module brings and does, found out in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from typing import Final

import attrs

from mdm_core.testing.checks import Inapplicable

_SCRIPT: Final = """\
import json, sys, time
sys.dont_write_bytecode = True
path, module = json.loads(sys.argv[1])
sys.path[:] = path
import attrs, mdm_core.building, mdm_core.hookspecs, mdm_core.expressions, mdm_core.log
for name in mdm_core.__all__:
    getattr(mdm_core, name)
from mdm_core.testing.watching import watching
before = set(sys.modules)
started = time.perf_counter()
with watching() as seen:
    __import__(module)
took = time.perf_counter() - started
print(json.dumps([sorted({name.partition(".")[0] for name in set(sys.modules) - before}), seen, took * 1000]))
"""
_TIMEOUT_S: Final = 60


@attrs.frozen
class Imported:
    """What came of importing a module.

    Attributes:
        packages: Top-level packages that came with it and were not there for mdm-core's own sake.
        deeds: What it did to the world, in words.
        ms: How long it took, in milliseconds.
    """

    packages: tuple[str, ...]
    deeds: tuple[str, ...]
    ms: float


def import_alone(module: str) -> Imported:
    """Import a module in a new process, after mdm-core.

    Args:
        module: Its name.

    Raises:
        Inapplicable: It cannot be imported there.
    """
    return _import_alone(module, tuple(sys.path))


@lru_cache(maxsize=256)
def _import_alone(module: str, path: tuple[str, ...]) -> Imported:
    command = [sys.executable, "-c", _SCRIPT, json.dumps([path, module])]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if ran.returncode:
        reason = ran.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise Inapplicable(f"{module} cannot be imported in another process: {reason[0]}")
    packages, deeds, ms = json.loads(ran.stdout.splitlines()[-1])
    return Imported(tuple(packages), tuple(deeds), ms)
