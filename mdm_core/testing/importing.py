"""What importing a module brings and does, found out in a process of its own.

A helper process imports mdm-core once and forks for every module, which costs milliseconds in place of the quarter of
a second that a new interpreter takes. It ends when its standard input is closed, and so with this process.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from functools import lru_cache
from typing import Final

import attrs

from mdm_core.testing.checks import Inapplicable

_SCRIPT: Final = """\
import json, os, sys, time
sys.dont_write_bytecode = True
sys.path[:] = json.loads(sys.argv[1])
import attrs, mdm_core.building, mdm_core.hookspecs, mdm_core.expressions, mdm_core.log
for name in mdm_core.__all__:
    getattr(mdm_core, name)
from mdm_core.testing.watching import watching
from mdm_core.wording import one_line

def look(module):
    before = set(sys.modules)
    started = time.perf_counter()
    try:
        with watching() as seen:
            __import__(module)
    except BaseException as error:
        return {"error": one_line(error)}
    packages = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    return {"packages": packages, "deeds": seen, "ms": (time.perf_counter() - started) * 1000}

for line in sys.stdin:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        os.write(writer, json.dumps(look(line.strip())).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    print((told or b'{"error": "it ends the process"}').decode(), flush=True)
"""


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
    """Import a module in a process of its own, after mdm-core.

    Args:
        module: Its name.

    Raises:
        Inapplicable: It cannot be imported there.
    """
    told = json.loads(_ask(module, tuple(sys.path)))
    if "error" in told:
        raise Inapplicable(f"{module} cannot be imported in another process: {told['error']}")
    return Imported(tuple(told["packages"]), tuple(told["deeds"]), told["ms"])


@lru_cache(maxsize=256)
def _ask(module: str, path: tuple[str, ...]) -> str:
    return _helper.ask(module, path)


@attrs.define
class _Helper:
    """The process that imports; there is one at a time, for one import path."""

    path: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None

    def ask(self, module: str, path: tuple[str, ...]) -> str:
        process = self._process(path)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{module}\n")
        process.stdin.flush()
        return process.stdout.readline() or '{"error": "the helper process has ended"}'

    def _process(self, path: tuple[str, ...]) -> subprocess.Popen[str]:
        if self.process is None or self.path != path or self.process.poll() is not None:
            self.end()
            command = [sys.executable, "-c", _SCRIPT, json.dumps(path)]
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            self.path = path
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True)
        return self.process

    def end(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            with self.process:
                self.process = None


_helper = _Helper()
atexit.register(_helper.end)
