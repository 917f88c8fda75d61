"""Values that the name of their key gives away, if they look the part: ``phone``, ``card_number``, ``ssn``, ``key``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from mdm_redaction.classifier import MAX_KEY
from mdm_redaction.personal.card import CARDS
from mdm_redaction.personal.email import lower_of
from mdm_redaction.personal.national import IDS
from mdm_redaction.personal.numbers import NUMBERS, THINGS, digits_of, plain_of
from mdm_redaction.randomness import looks_random
from mdm_redaction.vocabulary import any_of, shortest
from mdm_redaction.words import names_in, normal_form, readings

Fits: TypeAlias = Callable[[str], str | None]
"""Gives the normal form of a value under a key that names its kind; None if the value is not of that kind."""

_REMEMBERED = 16_384
_CARRIERS = frozenset(
    """
    1 2 3 alt alternate customer display e164 formatted full hash home input main new no nr num number numbers old
    original personal plain primary private raw secondary str string text user val value verified work
    """.split()
)
_PHONES = """
    cell celular cellphone contactnumber contactphone fax faxnumber handy handynummer landline mobil mobile mobilephone
    movil msisdn phone phonenumber phones smsnumber tel telefax telefon telefono telefone telefonnummer telefoon
    telephone téléphone whatsapp recipientphone callerid callernumber
"""
_CARDS = "cardnumber cardno cardpan ccn ccnum ccnumber creditcard creditcardnumber debitcard pan paymentcard card cc"
_IDS = """
    nationalid nationalidentifier nationalidnumber identitynumber idnumber idcard personalid personalnumber taxid
    taxnumber taxpayerid tin socialsecurity socialsecuritynumber socialinsurance ssn sin nationalinsurance steuerid
    steueridnr steuernummer personnr citizenid govid governmentid rut run said
"""
_IPS = "ip ipaddr ipaddress ipv4 ipv6 clientip remoteip remoteaddr remoteaddress sourceip srcip userip xforwardedfor"
_EMAILS = "email emailaddress mail emailaddr emails recipientemail useremail"
_IBANS = "iban ibannumber bankiban"

_KEYS = frozenset(("key", "keys", "auth", "access"))

_PLAIN_NUMBER = re.compile(r"#?[0-9][0-9 -]{0,40}")
_EMAIL = re.compile(r"\s*\S{1,200}@\S{1,200}\s*\Z")
_NUMBER = re.compile(r"[\s+(]*[0-9A-Za-z](?:[\s()./+\u00a0-]{0,3}[0-9A-Za-z])*[\s)]*\Z")


def _digits_between(least: int, most: int) -> Fits:
    def fits(text: str) -> str | None:
        digits = digits_of(text)
        letters = len(plain_of(text)) - len(digits)
        if least <= len(digits) <= most and letters <= 4 and _NUMBER.match(text):
            return digits
        return None

    return fits


def _email(text: str) -> str | None:
    return lower_of(text.strip()) if _EMAIL.match(text) else None


def _iban(text: str) -> str | None:
    plain = plain_of(text)
    return plain if len(plain) >= 14 and plain[:2].isalpha() and plain[2:4].isdigit() else None


def _national_id(text: str) -> str | None:
    plain = plain_of(text)
    fine = 7 <= len(plain) <= 22 and len(digits_of(plain)) >= 5 and _NUMBER.match(text)
    return plain if fine else None


def _ip(text: str) -> str | None:
    return text if re.fullmatch(r"\s*[0-9A-Fa-f:.]{3,45}(?:%\w+)?\s*", text) and ("." in text or ":" in text) else None


def _drawn(text: str) -> str | None:
    return text if looks_random(text) and not re.search(r"[\s/:]", text[:80]) else None


def _called(ids: str) -> Iterator[str]:
    yield from ids.split()
    for known in IDS:
        yield from (normal_form(word) for word in known.called if word.isascii())


_FITS: dict[str, tuple[frozenset[str], Fits]] = {
    "email": (frozenset(_EMAILS.split()), _email),
    "phone": (frozenset(map(normal_form, _PHONES.split())), _digits_between(7, 17)),
    "card": (frozenset(_CARDS.split()), _digits_between(12, 19)),
    "iban": (frozenset(_IBANS.split()), _iban),
    "ip": (frozenset(_IPS.split()), _ip),
    "national_id": (frozenset(_called(_IDS)) - {"run", "uid", "cf", "fin", "sin", "nas", ""}, _national_id),
}


def _is_thing(name: str) -> bool:
    """Whether a name is that of a thing's number: ``order_id``, ``tracking``, ``timestampMs``."""
    words = [word for word in next(readings(name)) if word not in ("ms", "us", "ns")]
    if not words or not CARDS.isdisjoint(words):
        return False
    return words[-1] in THINGS or (len(words) > 1 and words[-1] in NUMBERS and words[-2] in THINGS)


class Named:
    """Tells of a key what a value under it would be.

    Args:
        kinds: ``secrets`` and kinds of personal data.

    Attributes:
        stems: One of them stands in every key that announces something.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self._kinds = [_FITS[kind] for kind in _FITS if kind in kinds]
        self._secrets = "secrets" in kinds
        stems = shortest({word for words, _ in self._kinds for word in words})
        self._stem = re.compile(any_of(stems) or r"\Z.")
        self.stems = (*stems, *(_KEYS if self._secrets else ()))
        self._known: dict[str, Fits | None] = {}

    def __call__(self, key: str) -> Fits | None:
        """Give what says of a value whether it is what the key announces; None for a key that announces nothing.

        Args:
            key: The key.
        """
        try:
            return self._known[key]
        except KeyError:
            pass
        fits = self._find(key) if len(key) <= MAX_KEY else None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = fits
        return fits

    def keeps(self, key: str, value: object) -> bool:
        """Tell whether a value is a number that is shown because of what it is the number of.

        Args:
            key: Its key.
            value: The value.
        """
        if not isinstance(value, int) and not (isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)):
            return False
        names = names_in(key) if len(key) <= MAX_KEY else []
        return bool(names) and _is_thing(names[-1])

    def _find(self, key: str) -> Fits | None:
        names = names_in(key)
        form = normal_form(names[-1]) if names else ""
        if self._secrets and form in _KEYS:
            return _drawn
        if not self._stem.search(form):
            return None
        forms = set(_forms(names[-1]))
        return next((fits for words, fits in self._kinds if not words.isdisjoint(forms)), None)


def _forms(name: str) -> Iterator[str]:
    """The last words of a name, run together, with and without what says nothing."""
    for words in readings(name):
        yield "".join(words)
        while words and words[-1] in _CARRIERS:
            words = words[:-1]
        yield from ("".join(words[-n:]) for n in range(1, 4))
