"""What stands in the place of something hidden: a mask, or a token by which it can still be grouped and joined."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

import msgspec
from mdm_core import OptionError

MASK = "[REDACTED]"

SHORTEST_KEY = 16
"""Characters that the key of the tokens has at least."""

MODES = ("mask", "drop", "tokens")

Mark: TypeAlias = Callable[[object], str]

_MARK = re.compile(r"\[(?:REDACTED|HMAC:[0-9a-f]{24})\]")
_TOKEN_START = "[HMAC:"
_LETTER = re.compile(r"[^\W_]")
_TOKEN_DIGITS = 24


def mask(_: object) -> str:
    """Put the same mask in the place of any value."""
    return MASK


class Tokens:
    """Puts a token in the place of a value: the same for the same value and key, and no way back without the key.

    A token is the first 96 bits of the HMAC-SHA256 of the value's text; a number has the token of its digits.

    Args:
        key: The key, at least 16 characters.
    """

    def __init__(self, key: str) -> None:
        self._mac = hmac.new(key.encode("utf-8", "surrogatepass"), digestmod=sha256)

    def __call__(self, value: object) -> str:
        """Give the token of a value.

        Args:
            value: What is hidden.

        Returns:
            ``[HMAC:…]``, or the mask for a value that has no JSON.
        """
        try:
            text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _json(value)
        except Exception:
            return MASK
        mac = self._mac.copy()
        mac.update(text)
        return f"{_TOKEN_START}{mac.hexdigest()[:_TOKEN_DIGITS]}]"


def marking(component: object, mode: str, token_key: str | None) -> Mark:
    """Choose what stands in the place of what is hidden.

    Args:
        component: The redactor, for the message.
        mode: Its mode.
        token_key: Its key, if it has one.

    Raises:
        OptionError: The mode and the key do not go together.
    """
    if mode != "tokens":
        return mask
    name = f"{type(component).__name__}.token_key"
    if token_key is None:
        raise OptionError(
            f'{name}: mode = "tokens" needs a key; add token_key = {{ env = "NAME" }} and set that variable to a '
            f"random text, such as from `openssl rand -hex 32`"
        )
    if len(token_key) < SHORTEST_KEY:
        raise OptionError(f"{name}: too short; set the variable to at least {SHORTEST_KEY} random characters")
    return Tokens(token_key)


def is_marks(text: str) -> bool:
    """Tell whether there is nothing in a text but marks.

    Args:
        text: Such as the value of a secret key.
    """
    unmarked = without_marks(text)
    return unmarked is not text and not has_letter(unmarked, 0, len(unmarked))


def without_marks(text: str) -> str:
    """Blank the marks in a text.

    Args:
        text: The text.

    Returns:
        A text of the same length; ``text`` itself if there is no mark in it.
    """
    if MASK not in text and _TOKEN_START not in text:
        return text
    return _MARK.sub(lambda match: " " * len(match.group()), text)


def has_letter(text: str, start: int, end: int) -> bool:
    """Tell whether there is a letter or a digit in a part of a text."""
    return _LETTER.search(text, start, end) is not None


_encoder = msgspec.json.Encoder(order="deterministic")


def _json(value: object) -> bytes:
    return _encoder.encode(value)
