"""What is heavy is imported only by a command that needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "sklearn", "rich")
MODULES = ["calibrate", "evaluate", "explain", "gate", "ope", "outcomes", "replay", "report", "whatif"]


def imported(code: str) -> set[str]:
    """Run code in a fresh process; give the heavy packages that it has imported."""
    script = f"{code}\nimport sys\nprint('\\n', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


class TestLightModules:
    @pytest.mark.parametrize("name", MODULES)
    def test_commands(self, name: str) -> None:
        """A command's module is light, and so is its help."""
        help_text = f"mdm_eval.commands.{name}.{name}.main(['--help'], standalone_mode=False)"
        assert set() == imported(f"import mdm_eval.commands.{name}\n{help_text}")

    def test_help_of_mdm(self) -> None:
        """The list of commands imports none of them."""
        code = "from mdm_core.cli.main import cli\nimport sys\ncli.main(['--help'], standalone_mode=False)"
        assert set() == imported(code)
        assert set() == imported(code + "\nassert not [name for name in sys.modules if name.startswith('mdm_eval')]")

    def test_a_command_imports_them(self) -> None:
        """The test can fail: what a command needs is heavy."""
        assert {"numpy"} <= imported("import mdm_eval.evaluation")
