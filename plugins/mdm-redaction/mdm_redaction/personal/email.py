"""E-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mdm_redaction.detector import Detector, Span

_LETTERS = "\u00c0-\u024f\u0370-\u1fff\u3040-\u9fff\uac00-\ud7a3"
_LABEL = rf"[A-Za-z0-9{_LETTERS}-]{{1,63}}+"
_DOT = r"(?:\.| ?[\[({](?:dot|DOT)[\])}] ?| (?:DOT|dot) )"
_DOTS = re.compile(_DOT)
_DOMAIN = re.compile(
    rf"(?:@| ?[\[({{](?:at|AT)[\])}}] ?| (?:AT|at) (?=[\w-]{{1,40}} (?:DOT|dot) ))"
    rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,8}}+",
    re.ASCII,
)
_NAME_REVERSED = re.compile(r"[\w.+'&=*%-]{1,64}|\"[^\"\s\x00]{1,62}\"")
_LONGEST_NAME = 64
_TOP = re.compile(rf"(?:xn--[a-z0-9-]{{2,40}}|[A-Za-z{_LETTERS}]{{2,24}})(?![A-Za-z0-9{_LETTERS}])")
_HOSTLY = frozenset("git hg svn".split())
_NO_DOMAINS = frozenset(
    """
    avif bmp bz2 c cfg conf cpp css csv dll exe gif go gz h html ico ini jar java jpeg jpg js json jsx kt lock log lua
    map md mount mp3 mp4 o path pdf php png py rb rs scss service sh slice so socket sql svg swap swift tar target timer
    toml ts tsx txt vue war webp whl xml yaml yml zip
    """.split()
)


def lower_of(text: str) -> str:
    """Give an e-mail address in lower case."""
    return text.strip().lower()


def _emails(text: str) -> Iterator[Span | None]:
    for match in _DOMAIN.finditer(text):
        yield _email_span(text, match)


def _email_span(text: str, match: re.Match[str]) -> Span | None:
    at, end = match.span()
    name = _NAME_REVERSED.match(text[max(0, at - _LONGEST_NAME) : at][::-1])
    if name is None or not any(map(str.isalnum, name.group())):
        return None
    start = at - name.end()
    stop = _end_of_domain(text[at:end])
    if stop is None or name.group()[::-1].lower() in _HOSTLY or text[start - 3 : start] == "://":
        return None
    return start, at + stop


def _end_of_domain(domain: str) -> int | None:
    """Where a domain ends with a top level; None if it does nowhere."""
    for dot in reversed([*_DOTS.finditer(domain)]):
        top = _TOP.match(domain, dot.end())
        if top is not None:
            return None if top.group().lower() in _NO_DOMAINS else top.end()
    return None


def email_detectors() -> list[Detector]:
    """Make the detector of e-mail addresses."""
    return [
        Detector(
            "email",
            "e-mail addresses, also with [at] and [dot] and in other alphabets",
            _emails,
            gate=r"(?:@|[\[({](?i:at)[\])}] ?| (?i:at) )[A-Za-z0-9\x80-\xff-]+(?:\.| ?[\[({](?i:dot)| (?i:dot) )",
            literals=("@", "at]", "at)", "at}", " dot "),
            normal=lower_of,
        )
    ]
