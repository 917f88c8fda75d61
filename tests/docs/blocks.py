"""The code blocks of a Markdown page, and how a reader follows them.

A block that has a title is a file: ```` ```toml title="pipeline.toml" ````. A block ``console`` holds commands after
``$`` and what they print. One titled ``output`` holds what the block before it prints. A block ``sh`` sets the machine
up (clones, makes environments, installs) and is left to whoever follows the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType

import attrs

OUTPUT = "output"

_FENCE = re.compile(r"^(?P<fence>`{3,}) *(?P<language>\w*)(?: +title=\"(?P<title>[^\"]*)\")?\s*$")
_VARYING = (
    (re.compile(r"\d[\d,.]*(?= (?:µs|s|events/s|MB)(?:\W|$))"), "N"),
    (re.compile(r"(?<=latency_us\": )[\d.]+|(?<=latency_ms\": )[\d.]+"), "N"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?"), "TIME"),
    (re.compile(r"(?<=; installed: )[^;]+"), "PLUGINS"),
    (re.compile(r" +"), " "),
)


@attrs.frozen
class Block:
    """A code block.

    Attributes:
        language: The word after the fence, or an empty text.
        title: The file's name, or an empty text.
        text: What stands between the fences, with its last newline.
        line: Number of the line of the first fence.
    """

    language: str
    title: str
    text: str
    line: int


@attrs.frozen
class Step:
    """Something that a page has its reader do, and what came of it.

    Attributes:
        command: The command; ``python`` for a Python block; the whole text of an ``sh`` block.
        line: Number of the line of its block.
        expected: What the page says it prints.
        actual: What it printed, standard error included.
        code: Its exit code; None for an ``sh`` block, which was not run.
    """

    command: str
    line: int
    expected: str
    actual: str
    code: int | None


def blocks(path: Path) -> list[Block]:
    """Read the code blocks of a page, in order.

    Args:
        path: A Markdown file.

    Raises:
        ValueError: A block is not closed.
    """
    found: list[Block] = []
    opened: re.Match[str] | None = None
    start, lines = 0, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if opened is None:
            opened, start, lines = _FENCE.match(line), number, []
        elif line.rstrip() == opened["fence"]:
            text = "".join(f"{line}\n" for line in lines)
            found.append(Block(opened["language"], opened["title"] or "", text, start))
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        raise ValueError(f"{path}:{start}: the code block is not closed")
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """Split a ``console`` block into commands and what each prints.

    Args:
        block: The block.
    """
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def write_files(found: list[Block], folder: Path) -> None:
    """Write every block that is a file.

    Args:
        found: The blocks.
        folder: Where to.
    """
    for block in found:
        if block.title and block.title != OUTPUT:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def follow(page: Path, folder: Path, environment: Mapping[str, str]) -> Iterator[Step]:
    """Do what a page says, block by block: write the files, type the ``console`` commands, run the Python.

    The Python blocks of a page share their names, as in a notebook. A block ``sh`` is not run but yielded: the caller
    does what it means before asking for the next step, and may change ``environment`` then.

    Args:
        page: The page.
        folder: Where the reader stands.
        environment: The environment of the commands.

    Yields:
        Each command or block as soon as it has run.
    """
    found = blocks(page)
    notebook = ModuleType("notebook")
    for block, after in zip(found, [*found[1:], None], strict=True):
        write_files([block], folder)
        if block.language == "console":
            for command, expected in commands(block):
                yield _typed(command, expected, block, folder, environment)
        elif block.language == "sh":
            yield Step(block.text, block.line, "", "", None)
        elif block.language == "python" and not block.title:
            expected = after.text if after is not None and after.title == OUTPUT else ""
            yield Step("python", block.line, expected, _run(block, page, folder, notebook), 0)


def _typed(command: str, expected: str, block: Block, folder: Path, environment: Mapping[str, str]) -> Step:
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return Step(command, block.line, expected, ran.stdout, ran.returncode)


def _run(block: Block, page: Path, folder: Path, notebook: ModuleType) -> str:
    code = compile("\n" * block.line + block.text, str(page), "exec")
    printed = StringIO()
    sys.modules[notebook.__name__] = notebook  # attrs and type hints look classes up by the name of their module
    try:
        with chdir(folder), redirect_stdout(printed):
            exec(code, vars(notebook))
    finally:
        del sys.modules[notebook.__name__]
    return printed.getvalue()


def steady(text: str) -> str:
    """Leave out what differs from run to run and from machine to machine.

    That is times and speeds, which plugins are installed, and the spaces that line columns up.

    Args:
        text: What a command printed, or what a page says about it.
    """
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip()
