"""What the webhook's options must be. A message never holds the text that it refuses, for that may be a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from mdm_http.sources import ENV, Source, check, is_secret

ACTIONS: Final = ("ACT", "EXIT", "CANCEL", "STOP")
SET_BY_US: Final = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "x-mdm-nonce",
        "x-mdm-signature",
        "x-mdm-timestamp",
    }
)

_SECRET_NAME: Final = re.compile(
    r"authentic|authoriz|cookie|credential|passw|secret|session|signature|token"
    r"|(access|account|api|app|function|master|private|shared|signing|subscription)[-_]?key"
    r"|(^|[-_])(auth|code|jwt|key|pass|pwd|sid|sig)$",
    re.IGNORECASE,
)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ \t!-~]*[!-~])?")
# Printable ASCII but the backslash, which some parsers take for a slash and others do not.
_URL: Final = re.compile(r"[!-\[\]-~]+")


def check_url(source: Source) -> None:
    """Refuse what is no URL to send orders to.

    Args:
        source: The URL, or where it is.

    Raises:
        ValueError: What is wrong with it.
    """
    check(source, _secret_url_problem if is_secret(source) else _plain_url_problem)


def check_urls(sources: Mapping[str, Source]) -> None:
    """Refuse a table of URLs by action if one of them is none.

    Args:
        sources: Action to URL.

    Raises:
        ValueError: What is wrong, and where.
    """
    check_actions(sources)
    for action, source in sources.items():
        try:
            check_url(source)
        except ValueError as error:
            raise ValueError(f"{action}: {error}") from None


def check_actions(table: Mapping[str, object]) -> None:
    """Refuse a table with a key that is no action which a broker can get.

    Args:
        table: Action to anything.

    Raises:
        ValueError: One is none.
    """
    for name in table:
        if name not in ACTIONS:
            raise ValueError(f"{name!r} is no action that is sent; actions: {', '.join(ACTIONS)}")


def check_headers(sources: Mapping[str, Source]) -> None:
    """Refuse a table of headers if one of them cannot be sent, is not the user's to set, or shows a secret.

    Args:
        sources: Name to value.

    Raises:
        ValueError: What is wrong, and where.
    """
    names = [name.lower() for name in sources]
    for name, source in sources.items():
        check_header_name(name)
        if name.lower() in SET_BY_US:
            raise ValueError(f"{name}: the webhook sets this header itself; leave it out")
        if names.count(name.lower()) > 1:
            raise ValueError(f"{name}: is there twice in different spellings; leave one out")
        try:
            check_header(name, source)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def check_header_name(name: str) -> None:
    """Refuse what cannot be the name of a header.

    Args:
        name: The name.

    Raises:
        ValueError: It cannot.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a header; use letters, digits and hyphens")


def check_header(name: str, source: Source) -> None:
    """Refuse a value that a header cannot have, or that is a secret by the header's name and stands in the file.

    Args:
        name: The header.
        source: Its value, or where it is.

    Raises:
        ValueError: What is wrong with it.
    """
    if not is_secret(source) and _SECRET_NAME.search(name):
        raise ValueError(f"a secret must not stand here; write {ENV} and set that variable")
    check(source, header_problem)


def header_problem(value: str) -> str | None:
    """Say why a text cannot be the value of a header.

    Args:
        value: The text.

    Returns:
        Words that follow the name of an option or variable, or None.
    """
    if _HEADER_VALUE.fullmatch(value):
        return None
    return "must be printable ASCII on one line, without space at its ends"


def _secret_url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url if _URL.fullmatch(url) else "")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "must be an http or https URL such as 'https://example.com/orders'"
    if "@" in parts.netloc:
        return f"must not hold a user or a password; send them as a header: headers.Authorization = {ENV}"
    if "#" in url:
        return "must not have a fragment (#…), which is never sent"
    return None


def _plain_url_problem(url: str) -> str | None:
    problem = _secret_url_problem(url)
    if problem is None and any(_SECRET_NAME.search(name) for name, _ in parse_qsl(urlsplit(url).query, True)):
        return f"must not hold a secret in its query; take the whole URL from the environment: {ENV}"
    return problem
