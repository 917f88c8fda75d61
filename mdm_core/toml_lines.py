"""The lines of a TOML document's tables and keys, which tomllib does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mdm_core.wording import KeyPath

_TOKEN = re.compile(
    r'''
      (?P<skip>  [ \t\r]+ | \#[^\n]* )
    | (?P<text>  """(?:\\.|[^\\])*?"""(?!") | \'\'\'.*?\'\'\'(?!') | "(?:\\.|[^"\\])*" | '[^']*' )
    | (?P<mark>  [][{}=.,\n] )
    | (?P<word>  [^][{}=.,\s\#"']+ )
    ''',
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def find_lines(text: str) -> dict[KeyPath, int]:
    """Find where everything in a document stands.

    Args:
        text: A TOML document that tomllib has accepted, so that nothing is checked here.

    Returns:
        Key path to number of the line, from 1, on which the table, key or item begins.
    """
    return _Scanner(text).lines


class _Scanner:
    """Walks a document's tokens; each is its text and its line."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}
        self._tokens = [*_tokens(text), ("", 0)]
        self._at = 0
        table: KeyPath = ()
        while self._token:
            if self._token == "[":
                table = self._header()
            elif self._token == "\n":
                self._at += 1
            else:
                self._assignment(table)

    @property
    def _token(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _line(self) -> int:
        return self._tokens[self._at][1]

    def _skip(self, *tokens: str) -> None:
        while self._token in tokens:
            self._at += 1

    def _header(self) -> KeyPath:
        line = self._line
        several = self._tokens[self._at + 1][0] == "["
        self._skip("[")
        *parents, name = self._key()
        path: KeyPath = ()
        for parent in parents:
            path = self._inside((*path, parent), line)
        path = (*path, name)
        if several:
            self.lines.setdefault(path, line)
            self._last[path] = self._last.get(path, -1) + 1
            path = (*path, self._last[path])
        self.lines[path] = line
        self._skip("]")
        return path

    def _inside(self, path: KeyPath, line: int) -> KeyPath:
        self.lines.setdefault(path, line)
        return (*path, self._last[path]) if path in self._last else path

    def _key(self) -> list[str]:
        parts = [_unquoted(self._token)]
        self._at += 1
        while self._token == ".":
            self._at += 1
            parts.append(_unquoted(self._token))
            self._at += 1
        return parts

    def _assignment(self, table: KeyPath) -> None:
        line = self._line
        path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._skip("=")
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._token == "[":
            self._items(path)
        elif self._token == "{":
            self._pairs(path)
        else:
            while self._token not in ("", "\n", ",", "]", "}"):
                self._at += 1

    def _items(self, path: KeyPath) -> None:
        self._at += 1
        self._skip("\n", ",")
        number = 0
        while self._token != "]":
            self.lines[(*path, number)] = self._line
            self._value((*path, number))
            number += 1
            self._skip("\n", ",")
        self._at += 1

    def _pairs(self, path: KeyPath) -> None:
        self._at += 1
        self._skip("\n", ",")
        while self._token != "}":
            self._assignment(path)
            self._skip("\n", ",")
        self._at += 1


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match[0], line
        line += match[0].count("\n")


def _unquoted(token: str) -> str:
    if token.startswith("'"):
        return token[1:-1]
    return _ESCAPE.sub(_unescaped, token[1:-1]) if token.startswith('"') else token


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])
