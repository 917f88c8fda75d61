"""Numbers in a text: where they begin and end, and what the words before them say of them."""

from __future__ import annotations

from mdm_redaction.detector import begins

THINGS = frozenset(
    """
    article batch case commit ean epoch event gtin hash id imei invoice isbn item lot order parcel part po product ref
    reference request serial session sha shipment sku ticket timestamp trace tracking transaction ts upc uuid #
    """.split()
)
"""Words for things whose numbers may look like those of persons."""

NUMBERS = frozenset("code id no nr num number".split())
"""Words that stand between the word for a thing and its number."""


def digits_of(text: str) -> str:
    """Give the digits of a text alone."""
    return "".join(filter(str.isdigit, text))


def plain_of(text: str) -> str:
    """Give the letters and digits of a text alone, in upper case."""
    return "".join(filter(str.isalnum, text)).upper()


def is_about(things: frozenset[str], words: list[str]) -> bool:
    """Tell whether the words before a number say that it is that of a thing, such as ``order no``.

    Args:
        things: Words for things.
        words: The words before the number.
    """
    if words and words[-1] in things:
        return True
    return len(words) > 1 and words[-1] in NUMBERS and words[-2] in things


def is_apart(text: str, start: int, end: int) -> bool:
    """Tell whether a number is neither the continuation nor the beginning of a longer one.

    Args:
        text: The text.
        start: Where the number begins.
        end: Where it ends.
    """
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (
        begins(text, start)
        and not (before[-1:] in ("-", ".", "_") and before[:1].isalnum())
        and not after[:1].isalnum()
        and not (after[:1] in ("-", ".", "_") and after[1:].isdigit())
    )
