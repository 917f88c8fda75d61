"""Events with personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import TypeAlias
from urllib.parse import quote

from mdm_redaction.checksums import verhoeff, weighted
from mdm_redaction.corpus.drawing import (
    DIGITS,
    DOMAINS,
    LASTS,
    NAMES,
    UPPER,
    WORDS,
    Sample,
    anywhere,
    drawn,
    luhn_digit,
    sentence,
)

Maker: TypeAlias = Callable[[Random], str]


def _card(r: Random) -> str:
    prefix, length = r.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("65", 16),
            ("3530", 16),
            ("36", 14),
            ("62", 16),
        ]
    )
    body = prefix + drawn(r, DIGITS, length - len(prefix) - 1)
    digits = body + luhn_digit(body)
    if length == 15 and r.random() < 0.5:
        return f"{digits[:4]} {digits[4:10]} {digits[10:]}"
    separator = r.choice(["", "", " ", "-"]) if length == 16 else ""
    return separator.join(digits[i : i + 4] for i in range(0, length, 4))


_BBANS = {
    "DE": (DIGITS, 18),
    "FR": (DIGITS, 23),
    "GB": ("", 18),
    "ES": (DIGITS, 20),
    "NL": ("", 14),
    "CH": (DIGITS, 17),
    "IT": ("", 23),
    "AT": (DIGITS, 16),
    "PL": (DIGITS, 24),
    "NO": (DIGITS, 11),
    "MT": ("", 27),
}


def _iban(r: Random) -> str:
    country, (alphabet, length) = r.choice(sorted(_BBANS.items()))
    body = drawn(r, alphabet or UPPER + DIGITS, length)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    text = f"{country}{98 - number % 97:02d}{body}"
    return r.choice([text, " ".join(text[i : i + 4] for i in range(0, len(text), 4)), text.lower()])


def _email(r: Random) -> str:
    name, last = r.choice(NAMES), r.choice(LASTS)
    local = r.choice(
        [name, f"{name}.{last}", f"{name[0]}{last}{r.randint(1, 99)}", f"{name}+{r.choice(WORDS)}", f"{last}_{name}"]
    )
    address = f"{local}@{r.choice(DOMAINS)}"
    return r.choice([address] * 4 + [address.upper(), address.replace("@", "%40")])


def _phone(r: Random) -> str:
    def d(count: int) -> str:
        return drawn(r, DIGITS, count)

    area, exchange = f"{r.randint(2, 9)}{d(2)}", f"{r.randint(2, 9)}{d(2)}"
    return r.choice(
        [
            f"+1 {area} {exchange} {d(4)}",
            f"+1-{area}-{exchange}-{d(4)}",
            f"({area}) {exchange}-{d(4)}",
            f"{area}-{exchange}-{d(4)}",
            f"{area}.{exchange}.{d(4)}",
            f"+49 {r.randint(30, 89)} {d(7)}",
            f"+49 (0) 1{r.randint(50, 79)} {d(7)}",
            f"+4917{d(9)}",
            f"+44 20 7{d(3)} {d(4)}",
            f"+447{d(9)}",
            f"07{d(3)} {d(6)}",
            f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"06 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"0{r.randint(30, 89)} {d(3)}{d(4)}",
            f"0171/{d(7)}",
            f"+91 9{d(4)} {d(5)}",
            f"0049 {r.randint(30, 89)} {d(7)}",
            f"+55 11 9{d(4)}-{d(4)}",
            f"+81-90-{d(4)}-{d(4)}",
            f"1-800-{exchange}-{d(4)}",
            f"+39 3{d(2)} {d(7)}",
            f"+34 6{d(2)} {d(3)} {d(3)}",
        ]
    )


def _ip(r: Random) -> str:
    four = ".".join(str(r.randint(1, 254)) for _ in range(4)).replace("127.", "128.")
    six = ":".join(f"{r.getrandbits(16):x}" for _ in range(8))
    short = f"2001:db8:{r.getrandbits(16):x}::{r.getrandbits(16):x}"
    return r.choice([four, four, four, six, short, f"fe80::{r.getrandbits(16):x}:{r.getrandbits(16):x}"])


def _birthday(r: Random) -> tuple[str, str, str]:
    return f"{r.randint(40, 99)}", f"{r.randint(1, 12):02d}", f"{r.randint(1, 28):02d}"


def _ssn(r: Random) -> str:
    return f"{r.randint(1, 665):03d}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}"


def _dni(r: Random) -> str:
    number = r.randrange(10**7, 10**8)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _pesel(r: Random) -> str:
    body = "".join(_birthday(r)) + drawn(r, DIGITS, 4)
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _cpf(r: Random) -> str:
    body = drawn(r, DIGITS, 9)
    for weights in (range(10, 1, -1), range(11, 1, -1)):
        body += str(weighted(body, weights) * 10 % 11 % 10)
    return r.choice([f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}", body])


def _nir(r: Random) -> str:
    year, month, _ = _birthday(r)
    body = f"{r.choice('12')}{year}{month}{r.randint(1, 95):02d}{drawn(r, DIGITS, 6)}"
    key = f"{97 - int(body) % 97:02d}"
    return r.choice([body + key, f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {key}"])


def _bsn(r: Random) -> str:
    while True:
        body = drawn(r, "123456789", 8)
        check = weighted(body, range(9, 1, -1)) % 11
        if check < 10:
            return body + str(check)


def _personnummer(r: Random) -> str:
    body = "".join(_birthday(r)) + drawn(r, DIGITS, 3)
    return f"{body[:6]}-{body[6:]}{luhn_digit(body)}"


def _aadhaar(r: Random) -> str:
    body = r.choice("23456789") + drawn(r, DIGITS, 10)
    digits = next(body + d for d in DIGITS if verhoeff(body + d))
    return f"{digits[:4]} {digits[4:8]} {digits[8:]}"


def _china(r: Random) -> str:
    year, month, day = _birthday(r)
    body = f"{r.randint(110000, 659000)}19{year}{month}{day}{drawn(r, DIGITS, 3)}"
    return body + "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def _fiscal(r: Random) -> str:
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    birth = f"{r.randint(40, 99)}{r.choice('ABCDEHLMPRST')}{r.randint(1, 28):02d}"
    body = f"{drawn(r, UPPER, 6)}{birth}{r.choice(UPPER)}{drawn(r, DIGITS, 3)}"
    values = [int(c) if c.isdigit() else ord(c) - 65 for c in body]
    return body + chr(65 + sum(odd[v] if i % 2 == 0 else v for i, v in enumerate(values)) % 26)


def _nhs(r: Random) -> str:
    while True:
        body = drawn(r, "123456789", 9)
        check = 11 - weighted(body, range(10, 1, -1)) % 11
        if check != 10:
            digits = body + str(check % 11)
            return r.choice([digits, f"{digits[:3]} {digits[3:6]} {digits[6:]}"])


_ID_NAMES: Mapping[str, tuple[str, Maker]] = {
    "ssn": ("SSN", _ssn),
    "dni": ("DNI", _dni),
    "pesel": ("PESEL", _pesel),
    "cpf": ("CPF", _cpf),
    "nir": ("NIR", _nir),
    "bsn": ("BSN", _bsn),
    "personnummer": ("personnummer", _personnummer),
    "aadhaar": ("Aadhaar", _aadhaar),
    "id_card": ("ID card", _china),
    "codice_fiscale": ("codice fiscale", _fiscal),
    "nhs_number": ("NHS number", _nhs),
}

PERSONAL: Mapping[str, Maker] = {"email": _email, "phone": _phone, "card": _card, "iban": _iban, "ip": _ip}
"""Kinds of personal data that their form gives away, and how one is made."""

_PERSONAL_KEYS: Mapping[str, str] = {
    "email": "email contact user_email mail from to",
    "phone": "phone mobile tel phoneNumber contact_phone fax",
    "card": "card card_number pan creditCard payment",
    "iban": "iban account bank_account IBAN",
    "ip": "ip client_ip remote_addr ipAddress source_ip host",
}
_LABELS = {"email": "E-mail", "phone": "Tel.", "card": "card", "iban": "IBAN", "ip": "IP"}


def personal(r: Random, each: int) -> Iterator[Sample]:
    """Draw events with personal data.

    Args:
        r: The generator.
        each: How many of each kind.
    """
    for kind, make in PERSONAL.items():
        for _ in range(each):
            value = make(r)
            label = f"{sentence(r)} {_LABELS[kind]}: {value}"
            event = r.choice([{r.choice(_PERSONAL_KEYS[kind].split()): value}, {"text": label}, anywhere(r, value)])
            yield Sample(kind, event, [value, quote(value, safe="")])
    for n in range(each):
        key, (label, make) = sorted(_ID_NAMES.items())[n % len(_ID_NAMES)]
        value = make(r)
        event = r.choice(
            [{key: value}, {"text": f"{sentence(r)} {label} {value}."}, {"raw": f"{label}: {value}, {sentence(r)}"}]
        )
        yield Sample("national_id", event, [value])
