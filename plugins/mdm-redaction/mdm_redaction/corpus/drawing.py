"""What the made-up events are made of. Every value is drawn anew from a seed; none of it was ever anybody's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs

Event: TypeAlias = dict[str, Any]

LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
DIGITS = "0123456789"
ALNUM = LOWER + UPPER + DIGITS
HEX = DIGITS + "abcdef"
URL = ALNUM + "-_"
B64 = ALNUM + "+/"
WORDS = """
    order shipped pending review customer asked about delivery the invoice was late and we refunded it after a call
    with support team robot arm moved left sensor reading stable battery low flight delayed gate changed crew rested
    user liked comment flagged spam model drift small batch job finished retry queue empty cache warm region north
    price rose
""".split()
GERMAN = """
    die Lieferung kam heute früh an und wurde ohne Mängel geprüft, danach ging sie weiter in das Lager am Hafen
""".split()
FRENCH = """
    la livraison est arrivée ce matin et elle a été vérifiée sans défaut avant de partir vers le dépôt du port
""".split()
SPANISH = """
    el envío llegó esta mañana y se revisó sin daños antes de seguir hacia el almacén del puerto con otro camión
""".split()
NAMES = """
    ann bob carla dmitri elif fatima george hana ines jun kofi lena marco nadia omar priya quentin rosa sven tara
""".split()
LASTS = """
    smith müller garcia rossi kowalski tanaka silva okafor dubois jensen novak ivanova chen haddad larsen kaya
""".split()
DOMAINS = """
    example.com mail.example.org uni-ulm.example firma.example company.co.uk post.example.de shop.io acme.travel
""".split()


def drawn(r: Random, alphabet: str, length: int) -> str:
    """Draw a text."""
    return "".join(r.choices(alphabet, k=length))


def mixed(r: Random, alphabet: str, length: int) -> str:
    """Draw a text that has small and capital letters and digits in it."""
    fixed = [r.choice(LOWER), r.choice(UPPER), r.choice(DIGITS)]
    rest = fixed + r.choices(alphabet, k=length - 3)
    r.shuffle(rest)
    return "".join(rest)


def sentence(r: Random, words: list[str] = WORDS) -> str:
    """Draw a sentence."""
    return " ".join(r.choices(words, k=r.randint(5, 14))).capitalize() + "."


def luhn_digit(digits: str) -> str:
    """Compute the digit that makes a number pass the check of payment cards."""
    total = sum(int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def anywhere(r: Random, value: str) -> Any:
    """A value that its form gives away, somewhere in an event."""
    return r.choice(
        [
            {"note": value},
            {"note": f"{sentence(r)} {value}"},
            {"message": f"{sentence(r)[:-1]} ({value}) {sentence(r)}"},
            {"text": f'he wrote "{value}", twice.'},
            {"list": [1, "a", value]},
            {"deep": {"er": [{"x": [value]}]}},
            {"raw": json.dumps({"a": [1, {"b": value}]})},
            {"raw": json.dumps(json.dumps({"b": f"see {value}"}))},
            {"log": f"{stamp(r)} INFO worker-{r.randint(1, 9)} got <{value}> in {r.randint(1, 900)} ms"},
            {"cell": f"a;b;{value};d"},
            {"line": f"x, {value}, y\nnext line"},
            {"url": f"https://example.com/p?q={quote(value, safe='')}&n=1"},
        ]
    )


def stamp(r: Random) -> str:
    """Draw a time as it is written in logs."""
    return datetime.fromtimestamp(r.randint(10**9, 2 * 10**9), UTC).isoformat()


@attrs.frozen
class Sample:
    """An event and what is known of it.

    Attributes:
        kind: What it holds.
        event: The event.
        hidden: Texts of which none may be written; empty for a clean event.
    """

    kind: str
    event: Event
    hidden: list[str]
