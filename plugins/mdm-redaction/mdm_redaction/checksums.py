"""Checksums by which numbers that people are known by can be told from others."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

_VERHOEFF_TIMES = (
    *((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6)),
    *((3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1)),
    *((6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4)),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_TURNS = (
    *((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2)),
    *((8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1)),
    *((2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8)),
)


def luhn(digits: str) -> bool:
    """Check the last digit by the Luhn formula (ISO/IEC 7812-1, annex B).

    Args:
        digits: Digits alone.
    """
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(_LUHN_DOUBLE[int(d)] for d in even)) % 10 == 0


_LUHN_DOUBLE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def mod97(text: str) -> bool:
    """Check by ISO/IEC 7064, MOD 97-10, as an IBAN is checked (ISO 13616).

    Args:
        text: Letters in upper case and digits, without spaces; the first four characters count as the last.
    """
    return int((text[4:] + text[:4]).translate(_LETTER_VALUES)) % 97 == 1


_LETTER_VALUES = {ord(letter): str(value) for value, letter in enumerate(ascii_uppercase, 10)}


def verhoeff(digits: str) -> bool:
    """Check the last digit by the Verhoeff scheme.

    Args:
        digits: Digits alone.
    """
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = _VERHOEFF_TIMES[check][_VERHOEFF_TURNS[position % 8][int(digit)]]
    return check == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Sum digits times weights.

    Args:
        digits: Digits; those beyond the weights do not count.
        weights: One weight a digit.
    """
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def iso7064_11_10(digits: str) -> bool:
    """Check the last digit by ISO/IEC 7064, MOD 11,10.

    Args:
        digits: Digits alone.
    """
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])
