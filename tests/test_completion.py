"""Shell completion."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., Path]


class TestScript:
    """`mdm completion`."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_is_printed(self, mdm: CommandLine, shell: str) -> None:
        """The script asks `mdm` itself, in the way of its shell."""
        ended = mdm("completion", shell)
        assert (0, "") == (ended.returncode, ended.stderr)
        assert f"_MDM_COMPLETE={shell}_complete" in ended.stdout

    def test_another_shell(self, mdm: CommandLine) -> None:
        """A shell that is not known is refused with those that are."""
        ended = mdm("completion", "csh")
        assert (2, "") == (ended.returncode, ended.stdout)
        assert "'csh' is not one of 'bash', 'zsh', 'fish'" in ended.stderr

    def test_completes_in_bash(self, mdm: CommandLine, plugin_dir: Path, tmp_path: Path) -> None:
        """What the script makes of a half word in bash is the whole word."""
        script = mdm("completion", "bash").stdout
        (tmp_path / "mdm").write_text("#!/bin/sh\necho plain,schema\necho plain,schemata\n")
        (tmp_path / "mdm").chmod(0o755)
        typed = 'COMP_WORDS=(mdm sch); COMP_CWORD=1; _mdm_completion mdm; echo "${COMPREPLY[@]}"'
        path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        ran = subprocess.run(["bash", "-c", f"{script}\n{typed}"], capture_output=True, text=True, check=True, env=path)
        assert "schema schemata\n" == ran.stdout


class TestAnswers:
    """What `mdm` says when a shell asks."""

    def test_subcommands(self, install: Install, mdm_process: CommandLine) -> None:
        """Core's commands and those of plugins are offered, and one that is broken breaks nothing."""
        install("chart", {}, group="mdm.commands", value="no_such_module:command")
        offered = _asked(mdm_process, "mdm c", 1)
        assert {"check", "completion", "chart"} <= set(offered)
        assert all(name.startswith("c") for name in offered)

    def test_options(self, mdm_process: CommandLine) -> None:
        """The options of a command are offered."""
        assert "--output" in _asked(mdm_process, "mdm schema --", 2)


def _asked(mdm_process: CommandLine, words: str, number: int) -> list[str]:
    asking = {"_MDM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    ended = mdm_process(env=asking)
    assert 0 == ended.returncode, ended.stderr
    return [line.partition(",")[2] for line in ended.stdout.splitlines()]
