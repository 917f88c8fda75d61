"""Nothing is paid for that is not used: what is imported when, and what it costs."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import mdm_core

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]

SLOW = """\
from pathlib import Path

Path(__file__).with_name("slow_was_imported").touch()

import click
from mdm_core import ProposalModel, hookimpl


class Slow(ProposalModel):
    def propose(self, features, context): ...


@hookimpl
def mdm_register_proposal_models(register):
    register("model", Slow)
"""


class TestVersion:
    """`mdm --version`."""

    def test_output(self, mdm_process: CommandLine) -> None:
        """The version goes to standard output."""
        ended = mdm_process("--version")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"mdm {mdm_core.__version__}\n", "")

    def test_scans_nothing(self) -> None:
        """Neither the scan for plugins nor anything that a pipeline needs is imported."""
        script = (
            "import json, sys\n"
            "from mdm_core.cli import main\n"
            "sys.argv = ['mdm', '--version']\n"
            "try:\n    main()\n"
            "except SystemExit:\n    print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
        )
        _, imported = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        ).stdout.splitlines()
        heavy = {"importlib_metadata", "pluggy", "msgspec", "attr", "attrs", "rich", "packaging", "decision_schema"}
        assert heavy & set(json.loads(imported)) == set()

    def test_is_no_slower_than_pytest(self) -> None:
        """`mdm --version` takes no longer than `pytest --version`: medians of interleaved runs."""
        ours, theirs = _medians(
            lambda: _time([sys.executable, "-m", "mdm_core", "--version"]),
            lambda: _time([sys.executable, "-m", "pytest", "--version"]),
        )
        assert ours / theirs <= 1.0, f"{ours * 1000:.0f} ms against {theirs * 1000:.0f} ms"


class TestPublicNames:
    """`import mdm_core`."""

    def test_are_imported_when_they_are_used(self) -> None:
        """The package itself imports nothing; a name brings what it needs."""
        script = (
            "import sys, mdm_core\n"
            "before = sorted(name for name in sys.modules if name.startswith('mdm_core'))\n"
            "mdm_core.Proposal\n"
            "print(before, 'decision_schema' in sys.modules, 'pluggy' in sys.modules)\n"
        )
        printed = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        assert printed == "['mdm_core', 'mdm_core._version'] True False\n"

    def test_all_of_them_can_be_imported(self) -> None:
        """Every name of `__all__` is there, and no other is promised."""
        assert [name for name in mdm_core.__all__ if getattr(mdm_core, name, None) is None] == []
        assert sorted(mdm_core.__all__) == list(mdm_core.__all__)
        assert set(mdm_core.__all__) <= set(dir(mdm_core))


class TestUnselectedPlugins:
    """Plugins that are installed and not selected."""

    def test_cost_nothing(
        self, toy: Path, install: Install, mdm_process: CommandLine, write_pipeline: Callable[[], Path]
    ) -> None:
        """A plugin whose import takes long, or fails, is not imported by a run that does not select it."""
        install("slow", {"slow_plugin": SLOW})
        install("broken", {"broken_plugin": "raise RuntimeError"})
        ended = mdm_process("run", write_pipeline())
        assert ended.returncode == 0, ended.stderr
        assert not (toy / "slow_was_imported").exists()

    def test_selected_they_are_imported(self, toy: Path, install: Install, mdm_process: CommandLine) -> None:
        """The measure is one: when the plugin is asked for, it is imported."""
        install("slow", {"slow_plugin": SLOW})
        mdm_process("plugins", "slow")
        assert (toy / "slow_was_imported").exists()

    def test_commands_are_imported_when_they_are_invoked(self, install: Install, mdm_process: CommandLine) -> None:
        """Neither the help nor another command imports the command of a plugin."""
        directory = install("slow", {"slow_plugin": SLOW}, group="mdm.commands", value="slow_plugin:command")
        helped = mdm_process("--help")
        assert (helped.returncode, "From mdm-slow 1.0.0." in helped.stdout) == (0, True)
        assert mdm_process("runs").returncode == 0
        assert not (directory / "slow_was_imported").exists()


def _time(command: Sequence[str]) -> float:
    """What a process takes of the processor, for which neighbours do not matter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Outside of a project, so that pytest reads no configuration; without hash seeds that differ.
    subprocess.run(command, cwd=os.sep, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _medians(*jobs: Callable[[], float], rounds: int = 5) -> list[float]:
    for job in jobs:
        job()
    times = [[job() for job in jobs] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]
