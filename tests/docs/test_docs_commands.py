"""Commands on pages that nobody follows step by step are commands that mdm has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from blocks import blocks
from test_docs_howto import HOWTO
from test_docs_links import PAGES
from test_docs_pages import GUIDE, ROOT, TYPED
from test_docs_tutorial import TUTORIAL

from mdm_core.cli.main import cli

FOLLOWED = {*TYPED, *HOWTO.glob("*.md"), TUTORIAL, GUIDE}
_LINE = re.compile(r"^(?:\$ )?(mdm .*)", re.MULTILINE)
_INDENTED = re.compile(r"^ {4}(mdm .*)", re.MULTILINE)
_INLINE = re.compile(r"`(mdm [^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SIGNED = "mdm trace seal 1"  # what a signature speaks for begins with it
_REST = re.compile(r"\s(?:#|\||>|<|&&|;|2>).*")


def written(page: Path) -> Iterator[str]:
    """The mdm commands of a page: those of its shell blocks, what is indented as code, and code in sentences."""
    prose = _FENCED.sub("", page.read_text(encoding="utf-8"))
    shell = "".join(block.text for block in blocks(page) if block.language in ("sh", "console"))
    for line in [*_LINE.findall(shell.replace("\\\n", " ")), *_INDENTED.findall(prose), *_INLINE.findall(prose)]:
        if line != _SIGNED:
            yield _REST.sub("", line)


def mistake(command: str) -> str | None:
    """What mdm would find wrong with the words of a command; whether files and runs are there is not asked."""
    found: click.Command = cli
    context, words = click.Context(cli, info_name="mdm"), shlex.split(command)[1:]
    while isinstance(found, click.Group) and words and words[0].islower() and words[0][0] != "-":
        inner = found.get_command(context, words[0])
        if inner is None:
            return f"{words[0]}: no such command"
        found, context, words = inner, click.Context(inner, parent=context, info_name=words[0]), words[1:]
    try:
        found.make_parser(context).parse_args(words)
    except click.NoSuchOption as error:
        return error.format_message()
    except click.UsageError:  # an option that is only mentioned, without its value
        return None
    return None


class TestCommands:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_mdm_has_every_command_and_option(self, page: Path) -> None:
        """A command that was renamed, or lost an option, is found on every page that still names it."""
        assert [(command, wrong) for command in written(page) if (wrong := mistake(command))] == []

    def test_commands_are_found(self) -> None:
        """A page whose commands were not recognised would pass unread."""
        assert len({command for page in PAGES for command in written(page)}) > 100

    @pytest.mark.parametrize("command", ["mdm evalute RUN", "mdm evaluate RUN --byy carrier", "mdm trace shwo RUN"])
    def test_mistakes_are_found(self, command: str) -> None:
        """Commands and options that mdm does not have are told."""
        assert mistake(command) is not None

    def test_every_page_with_commands_and_output_is_followed(self) -> None:
        """What a page says that a command prints is compared with what it prints."""
        shown = {page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent == ROOT}
        assert {page.name for page in shown - FOLLOWED if any(b.language == "console" for b in blocks(page))} == set()
