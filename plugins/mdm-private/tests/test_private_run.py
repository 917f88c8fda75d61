"""Whole runs with a canary in everything that is private: it is in no file and in no output."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

Run: TypeAlias = "subprocess.CompletedProcess[str]"

BIRD = "kanarienvogel"
PATH = f"_private/{BIRD}/{BIRD}.py"
OPTIONS = f"""\
path = "{PATH}"
{BIRD} = "{BIRD}"
numbers = {{ {BIRD} = [1, 2, "{BIRD}"] }}

[model.fallback]
use = "reference.linear"
"""
MODEL = f'''\
"""A {BIRD}."""
import logging, sys, warnings
from decision_schema.types import Action, Proposal

print("{BIRD}")
warnings.warn("{BIRD}")
logging.getLogger("{BIRD}").error("{BIRD}")


class {BIRD.title()}(ZeroDivisionError):
    """A {BIRD}."""

    def __str__(self):
        return "{BIRD}"

    __repr__ = __str__


class Thing:
    def __repr__(self):
        return "{BIRD}"


async def fly_{BIRD}():
    """A {BIRD}."""


def raise_{BIRD}():
    {BIRD} = "\\{BIRD}"
    try:
        raise {BIRD.title()}({BIRD})
    except {BIRD.title()} as error:
        raise {BIRD.title()}("{BIRD}") from error


def compute_proposal_private(features, {BIRD}, **{BIRD}s):
    """Ask a {BIRD}."""
    print("{BIRD}")
    print("{BIRD}", file=sys.stderr)
    warnings.warn("{BIRD}", stacklevel=1)
    logging.getLogger("{BIRD}").critical("%s", {BIRD}, exc_info=True, stack_info=True)
    open(__file__)
    n = features.pop("n")
    features["{BIRD}"] = {BIRD}
    if n == 2:
        raise_{BIRD}()
    if n == 3:
        return Thing()
    if n == 4:
        return fly_{BIRD}()
    if n == 5:
        sys.exit("{BIRD}")
    if n == 6:
        return Proposal(Action.ACT, "{BIRD}")
    return Proposal(Action.ACT, 0.5, ["plain"], {{"n": n}})
'''
# Debug output, a run in Python's own development mode, and every warning shown.
LOUD = {"MDM_DEBUG": "1", "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "always"}


class Shell(Protocol):
    """See ``conftest``."""

    folder: Path

    def __call__(self, options: str, *arguments: str, env: Mapping[str, str] | None = None) -> Run: ...

    def write(self, source: str | bytes, path: str = "_private/model.py") -> Path: ...

    def left_behind(self) -> str: ...


def seen(shell: Shell, run: Run) -> str:
    """Give everything that the run shows and leaves behind."""
    return run.stdout + run.stderr + shell.left_behind()


def run_json(shell: Shell) -> dict[str, Any]:
    """Read what the only run knows of itself."""
    (path,) = shell.folder.glob("runs/*/run.json")
    return dict(json.loads(path.read_bytes()))


class TestRun:
    @pytest.mark.parametrize("arguments", [(), ("-v",), ("--json",)], ids=["plain", "verbose", "json"])
    @pytest.mark.parametrize("env", [{}, LOUD], ids=["quiet", "loud"])
    def test_the_canary_is_seen_nowhere(self, shell: Shell, arguments: tuple[str, ...], env: dict[str, str]) -> None:
        """A run with proposals and failures of all kinds shows nothing, and writes nothing, of what is private."""
        shell.write(MODEL, PATH)
        run = shell(OPTIONS, "run", "pipeline.toml", *arguments, env=env)
        assert 0 == run.returncode, run.stderr
        everything = seen(shell, run)
        assert 1 == everything.count('"private_hook_error:ZeroDivisionError"],"throttle')
        assert BIRD not in everything.lower()

    def test_what_it_decides_is_recorded(self, shell: Shell) -> None:
        """The proposals are carried out and traced, the failures are HOLD and told by type, all else is well."""
        shell.write(MODEL, PATH)
        run = shell(OPTIONS, "run", "pipeline.toml", "--json")
        summary = json.loads(run.stdout)
        assert {"ACT": 2} == summary["carried_out"]
        assert (7, 5) == (summary["decided"], summary["failed_closed"])
        assert {
            "private_hook_error:ContractError": 2,
            "private_hook_error:SystemExit": 1,
            "private_hook_error:ValueError": 1,
            "private_hook_error:ZeroDivisionError": 1,
        } == summary["errors"]

    def test_what_it_returns_is_not_hidden(self, shell: Shell) -> None:
        """Reasons and parameters are recorded as with every model, and the search above would find them."""
        source = MODEL.replace("plain", BIRD)
        shell.write(source, PATH)
        assert BIRD in seen(shell, shell(OPTIONS, "run", "pipeline.toml"))

    def test_one_hash_stands_for_it(self, shell: Shell) -> None:
        """``run.json`` has a hash of file and options together, which changes with either."""
        hashes: list[str] = []
        for source, options in ((MODEL, OPTIONS), (f"{MODEL}\n", OPTIONS), (MODEL, f"scale = 2\n{OPTIONS}")):
            shell.write(source, PATH)
            run = shell(options, "run", "pipeline.toml", "--run-id", str(len(hashes)))
            assert 0 == run.returncode, run.stderr
            document = json.loads((shell.folder / "runs" / str(len(hashes)) / "run.json").read_bytes())
            assert {"use", "path", "parameters", "fallback"} == set(document["config"]["model"])
            assert ("[private]", "[private]") == (
                document["config"]["model"]["path"],
                document["config"]["model"]["parameters"],
            )
            assert ["private.model"] == list(document["files"])
            hashes.append(document["files"]["private.model"])
        assert 3 == len(set(hashes))
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)

    def test_without_a_file_the_fallback_is_told_once(self, shell: Shell) -> None:
        """Standard error says which model decides, on one line, and the run goes on."""
        run = shell("", "run", "pipeline.toml")
        assert 0 == run.returncode, run.stderr
        told = "private.model: there is no private model, so reference.logistic decides"
        assert [told] == [line for line in run.stderr.splitlines() if "private model" in line]
        assert {} == run_json(shell)["files"]

    def test_a_check_tells_it_too(self, shell: Shell) -> None:
        """Who checks a pipeline before a run learns it there."""
        check = shell("", "check", "pipeline.toml")
        assert (0, "private.model: there is no private model, so reference.logistic decides\n") == (
            check.returncode,
            check.stderr,
        )

    def test_with_a_file_there_is_nothing_to_tell(self, shell: Shell) -> None:
        """Where the private model decides, no other is named."""
        shell.write(MODEL, PATH)
        assert "there is no private model" not in shell(OPTIONS, "run", "pipeline.toml").stderr


class TestOtherCommands:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("run", "pipeline.toml", "--plan"),
            ("run", "pipeline.toml", "--plan", "--json"),
            ("check", "pipeline.toml"),
            ("check", "pipeline.toml", "--json"),
        ],
        ids=["plan", "plan-json", "check", "check-json"],
    )
    def test_the_canary_is_seen_nowhere(self, shell: Shell, arguments: tuple[str, ...]) -> None:
        """What only looks at the pipeline shows nothing of the private model either."""
        shell.write(MODEL, PATH)
        run = shell(OPTIONS, *arguments, env=LOUD)
        assert 0 == run.returncode, run.stderr
        assert BIRD not in seen(shell, run).lower()


FINE = "def compute_proposal_private(features): pass"

REFUSED = {
    "raises": (f"raise ValueError('{BIRD}')", "", "cannot be loaded: ValueError; "),
    "syntax": (f"{BIRD} = = '{BIRD}'", "", "cannot be loaded: SyntaxError; "),
    "imports": (f"import {BIRD}", "", "cannot be loaded: ModuleNotFoundError; "),
    "exits": (f"import sys; sys.exit('{BIRD}')", "", "cannot be loaded: SystemExit; "),
    "own type": (f"class {BIRD}(Exception): pass\nraise {BIRD}", "", "cannot be loaded: Exception; "),
    "own base type": (f"class {BIRD}(BaseException): pass\nraise {BIRD}", "", "cannot be loaded: BaseException; "),
    "not there": (f"{BIRD} = '{BIRD}'", "", "has no function compute_proposal_private; "),
    "parameters": (FINE, f"{BIRD} = '{BIRD}'\n", "cannot be called with the options that are left over"),
    "a folder": (FINE, f"path = '_private/{BIRD}/..'\n", "cannot be read: "),
    "wrong type": (FINE, f"path = ['{BIRD}']\n", "[model] path: the value is refused; expected path"),
    "not finite": (FINE, f"{BIRD} = nan\n", "[model]: the value is refused; expected table"),
}


class TestRefused:
    @pytest.mark.parametrize(("source", "options", "message"), REFUSED.values(), ids=REFUSED)
    def test_it_is_told_without_the_canary(self, shell: Shell, source: str, options: str, message: str) -> None:
        """What keeps a private model from being used is told, with all that can be turned on, without any of it."""
        if "path" not in options:
            options += f'path = "{PATH}"\n'
        shell.write(source, PATH)
        run = shell(options, "run", "pipeline.toml", "-v", env=LOUD)
        assert 2 == run.returncode, run.stderr
        (line,) = [line for line in run.stderr.splitlines() if line.startswith("mdm: ")]
        assert message in line
        assert BIRD not in seen(shell, run).lower()
        assert [] == list(shell.folder.glob("runs/*"))
