"""Made-up events by which a redactor is measured: with secrets, with personal data, and with neither.

Every value is drawn anew from a seed. None of it was ever anybody's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs

from mdm_redaction.checksums import verhoeff, weighted

Event: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[Random], str]

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_UPPER = _LOWER.upper()
_DIGITS = "0123456789"
_ALNUM = _LOWER + _UPPER + _DIGITS
_HEX = _DIGITS + "abcdef"
_URL = _ALNUM + "-_"
_B64 = _ALNUM + "+/"
_WORDS = (
    "order shipped pending review customer asked about delivery the invoice was late and we refunded it after a call with "
    "support team robot arm moved left sensor reading stable battery low flight delayed gate changed crew rested user "
    "liked comment flagged spam model drift small batch job finished retry queue empty cache warm region north price rose"
).split()
_GERMAN = "die Lieferung kam heute früh an und wurde ohne Mängel geprüft, danach ging sie weiter in das Lager am Hafen".split()
_FRENCH = "la livraison est arrivée ce matin et elle a été vérifiée sans défaut avant de partir vers le dépôt du port".split()
_SPANISH = "el envío llegó esta mañana y se revisó sin daños antes de seguir hacia el almacén del puerto con otro camión".split()
_NAMES = "ann bob carla dmitri elif fatima george hana ines jun kofi lena marco nadia omar priya quentin rosa sven tara".split()
_LASTS = "smith müller garcia rossi kowalski tanaka silva okafor dubois jensen novak ivanova chen haddad larsen kaya".split()
_DOMAINS = "example.com mail.example.org uni-ulm.example firma.example company.co.uk post.example.de shop.io acme.travel".split()


def drawn(r: Random, alphabet: str, length: int) -> str:
    """Draw a text."""
    return "".join(r.choices(alphabet, k=length))


def mixed(r: Random, alphabet: str, length: int) -> str:
    """Draw a text that has small and capital letters and digits in it."""
    fixed = [r.choice(_LOWER), r.choice(_UPPER), r.choice(_DIGITS)]
    rest = fixed + r.choices(alphabet, k=length - 3)
    r.shuffle(rest)
    return "".join(rest)


def sentence(r: Random, words: list[str] = _WORDS) -> str:
    """Draw a sentence."""
    return " ".join(r.choices(words, k=r.randint(5, 14))).capitalize() + "."


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(r: Random) -> str:
    head = {"alg": r.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    if r.random() < 0.3:
        head["kid"] = drawn(r, _HEX, 12)
    body = {"sub": str(r.randrange(10**9)), "iat": r.randrange(10**9, 2 * 10**9), "name": r.choice(_NAMES)}
    encoded = [_b64url(json.dumps(part, separators=r.choice([(",", ":"), (", ", ": ")])).encode()) for part in (head, body)]
    return ".".join([*encoded, drawn(r, _URL, r.choice([43, 86, 342]))])


def _pem(r: Random) -> str:
    kind = r.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ", "DSA "])
    lines = [drawn(r, _B64, 64) for _ in range(r.randint(3, 24))] + [drawn(r, _B64, 30) + "=="]
    end = r.choice(["\n", "\n", "\r\n", "\\n"])
    return end.join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"])


def _pgp(r: Random) -> str:
    lines = [drawn(r, _B64, 64) for _ in range(8)]
    return "\n".join(["-----BEGIN PGP PRIVATE KEY BLOCK-----", "", *lines, "-----END PGP PRIVATE KEY BLOCK-----"])


def _slack(r: Random) -> str:
    digits = "-".join(drawn(r, "123456789", r.choice([10, 11, 12, 13])) for _ in range(r.choice([2, 3])))
    return f"xox{r.choice('bpars')}-{digits}-{drawn(r, _ALNUM, r.choice([24, 32]))}"


def _slack_hook(r: Random) -> str:
    return f"https://hooks.slack.com/services/T{drawn(r, _UPPER + _DIGITS, 9)}/B{drawn(r, _UPPER + _DIGITS, 9)}/{drawn(r, _ALNUM, 24)}"


def _telegram(r: Random) -> str:
    return f"{drawn(r, '123456789', r.choice([9, 10]))}:AA{mixed(r, _URL, 33)}"


def _prefixed(*choices: tuple[str, str, int]) -> Maker:
    def make(r: Random) -> str:
        prefix, alphabet, length = r.choice(choices)
        return prefix + (mixed(r, alphabet, length) if alphabet not in (_HEX, _LOWER + _DIGITS) else drawn(r, alphabet, length))

    return make


def _aws(r: Random) -> str:
    return r.choice(["AKIA", "AKIA", "ASIA"]) + drawn(r, _UPPER + "234567", 16)


def _discord(r: Random) -> str:
    return f"{r.choice('MNO')}{drawn(r, _ALNUM, 23)}.{drawn(r, _URL, 6)}.{drawn(r, _URL, r.choice([27, 38]))}"


KEYS: Mapping[str, Maker] = {
    "AWS access key": _aws,
    "Google API key": _prefixed(("AIza", _URL, 35)),
    "Google OAuth": _prefixed(("ya29.", _URL, 60), ("GOCSPX-", _URL, 28), ("1//0", _URL, 60)),
    "GitHub": _prefixed(("ghp_", _ALNUM, 36), ("gho_", _ALNUM, 36), ("ghs_", _ALNUM, 36), ("github_pat_", _ALNUM + "_", 82)),
    "GitLab": _prefixed(("glpat-", _URL, 20), ("gldt-", _URL, 20), ("glrt-", _URL, 20), ("glcbt-", _ALNUM, 22)),
    "Slack token": _slack,
    "Slack webhook": _slack_hook,
    "Stripe": _prefixed(("sk_live_", _ALNUM, 24), ("sk_test_", _ALNUM, 99), ("rk_live_", _ALNUM, 24), ("whsec_", _ALNUM, 32)),
    "sk- keys": _prefixed(
        ("sk-", _ALNUM, 48), ("sk-proj-", _URL, 120), ("sk-ant-api03-", _URL, 95), ("sk-or-v1-", _HEX, 64), ("sk-", _HEX, 32)
    ),
    "npm": _prefixed(("npm_", _ALNUM, 36)),
    "PyPI": _prefixed(("pypi-AgEIcHlwaS5vcmc", _URL, 120)),
    "Telegram": _telegram,
    "Twilio": _prefixed(("SK", _HEX, 32)),
    "SendGrid": lambda r: f"SG.{drawn(r, _URL, 22)}.{drawn(r, _URL, 43)}",
    "Mailgun and Mailchimp": lambda r: r.choice([f"key-{drawn(r, _HEX, 32)}", f"{drawn(r, _HEX, 32)}-us{r.randint(1, 21)}"]),
    "Hugging Face": _prefixed(("hf_", _ALNUM, 34)),
    "Azure": lambda r: r.choice([f"{drawn(r, _ALNUM, 3)}8Q~{drawn(r, _ALNUM + '_~.-', 34)}", f"{drawn(r, _ALNUM, 76)}AZDO{drawn(r, _ALNUM, 4)}"]),
    "Shopify and Square": _prefixed(("shpat_", _HEX, 32), ("shpss_", _HEX, 32), ("sq0atp-", _URL, 22), ("sq0csp-", _URL, 43)),
    "Databricks and DigitalOcean": _prefixed(("dapi", _HEX, 32), ("dop_v1_", _HEX, 64)),
    "Vault, Doppler, Pulumi": _prefixed(("hvs.", _URL, 90), ("dp.pt.", _ALNUM, 43), ("pul-", _HEX, 40)),
    "Discord": _discord,
    "Notion, Linear, Figma, Postman": _prefixed(
        ("ntn_", _ALNUM, 46), ("lin_api_", _ALNUM, 40), ("figd_", _URL, 40), ("secret_", _ALNUM, 43), ("PMAK-", _HEX, 24)
    ),
    "Grafana, New Relic, Sentry": _prefixed(("glsa_", _ALNUM, 41), ("NRAK-", _UPPER + _DIGITS, 27), ("sntryu_", _HEX, 64)),
    "Docker, Atlassian, JFrog": _prefixed(("dckr_pat_", _URL, 27), ("ATATT3xFfGF0", _URL, 170), ("AKCp", _ALNUM, 69)),
    "JSON web token": _jwt,
    "private key in PEM": _pem,
    "private key of PGP": _pgp,
    "bcrypt and crypt hash": lambda r: r.choice([f"$2b$12${drawn(r, _ALNUM + './', 53)}", f"$6${drawn(r, _ALNUM, 16)}${drawn(r, _ALNUM + './', 86)}"]),
}
"""Kinds of keys and tokens that their form gives away, and how one is made."""


def _password(r: Random) -> str:
    word = r.choice(["hunter", "Tr0ub4dor", "correct-horse", "S0mmer", "qwerty", "letMeIn", "dragon", "Zitrone"])
    return f"{word}{drawn(r, _DIGITS, r.randint(2, 4))}{r.choice(['', '!', '#', '$', '*', '_x'])}"


def _machine_secret(r: Random) -> str:
    return r.choice([mixed(r, _ALNUM, r.choice([24, 32, 40])), drawn(r, _HEX, r.choice([32, 40, 64])), str(uuid.UUID(int=r.getrandbits(128)))])


def _aws_secret(r: Random) -> str:
    return mixed(r, _B64, 40)


_PASSWORD_KEYS = "password passwd pwd db_password userPassword PASSWORD smtp_pass passphrase pass".split()
_SECRET_KEYS = (
    "api_key apiKey X-Api-Key client_secret clientSecret access_token refresh_token secret auth_token SECRET_KEY session_id "
    "private_key webhook_secret signing_key encryption_key token credentials id_token csrf_token sessionToken"
).split()


def _assignments(key: str, value: str, r: Random) -> Any:
    """A value with the name that gives it away, in a text of some kind."""
    return r.choice(
        [
            f"{key}={value}",
            f"{key}: {value}",
            f'{key}="{value}"',
            f"{sentence(r)} {key}={value} user={r.choice(_NAMES)}",
            f"export {key.upper().replace('-', '_')}='{value}'",
            f"https://api.example.com/v1/items?{key}={quote(value)}&page=2",
            f"user={r.choice(_NAMES)}&{key}={quote(value)}",
            json.dumps({"id": r.randrange(10**6), key: value}),
            json.dumps({"outer": {key: value, "n": 1}})[:-1],
            json.dumps(json.dumps({key: value})),
            f"config:\n  {key}: {value}\n  retries: 3",
            f"<{key}>{value}</{key}>",
            f"curl -X POST --{key.replace('_', '-')} {value} https://example.com",
            f"{{'{key}': '{value}', 'n': 3}}",
            f"ERROR login failed ({key}={value}) after 3 attempts",
            f"Server=db1;Database=main;{key}={value};Timeout=5",
        ]
    )


def _basic(r: Random, value: str) -> str:
    return "Basic " + base64.b64encode(f"{r.choice(_NAMES)}:{value}".encode()).decode()


NAMED: Mapping[str, Callable[[Random], tuple[Any, list[str]]]] = {}
"""Kinds of secrets that only their place gives away: what is written, and what of it must not be."""


def _named() -> dict[str, Callable[[Random], tuple[Any, list[str]]]]:
    def under(keys: list[str], make: Maker) -> Callable[[Random], tuple[Any, list[str]]]:
        def draw(r: Random) -> tuple[Any, list[str]]:
            value = make(r)
            return {r.choice(keys): value, "n": r.randrange(9)}, [value]

        return draw

    def assigned(keys: list[str], make: Maker) -> Callable[[Random], tuple[Any, list[str]]]:
        def draw(r: Random) -> tuple[Any, list[str]]:
            value = make(r)
            return _assignments(r.choice(keys), value, r), [value]

        return draw

    def bearer(r: Random) -> tuple[Any, list[str]]:
        value = r.choice([_jwt(r), mixed(r, _URL, 40), drawn(r, _HEX, 32)])
        line = r.choice([f"Authorization: Bearer {value}", f"bearer {value}", f"-H 'Authorization: Bearer {value}'"])
        return r.choice([line, f"GET /v1 HTTP/1.1\r\nHost: example.com\r\n{line}\r\nAccept: */*", {"headers": [line]}]), [value]

    def basic(r: Random) -> tuple[Any, list[str]]:
        line = _basic(r, _password(r))
        return r.choice([f"Authorization: {line}", {"header": line}, f"sent {line} to the proxy"]), [line[6:]]

    def header_pair(r: Random) -> tuple[Any, list[str]]:
        value = _machine_secret(r)
        return [{"name": r.choice(["X-Api-Key", "Authorization", "X-Auth-Token"]), "value": value}], [value]

    def url(r: Random) -> tuple[Any, list[str]]:
        value = r.choice([_password(r).replace("#", ""), mixed(r, _ALNUM, 20)])
        scheme = r.choice("postgres postgresql mysql mongodb mongodb+srv redis amqp https ftp smtp sftp".split())
        user = r.choice([*_NAMES, ""]) if scheme == "redis" else r.choice(_NAMES)
        text = f"{scheme}://{user}:{value}@{r.choice(['db', 'cache', 'mq'])}.internal.example:{r.randint(1024, 9999)}/main"
        return r.choice([text, f"DATABASE_URL={text}", f"could not connect to {text}: timed out"]), [value]

    def azure(r: Random) -> tuple[Any, list[str]]:
        value = drawn(r, _B64, 86) + "=="
        return f"DefaultEndpointsProtocol=https;AccountName=store;AccountKey={value};EndpointSuffix=core.windows.net", [value]

    def cookie(r: Random) -> tuple[Any, list[str]]:
        value = mixed(r, _ALNUM, 32)
        return r.choice([f"Cookie: theme=dark; sessionid={value}", f"Set-Cookie: sid={value}; Path=/; HttpOnly"]), [value]

    def told(r: Random) -> tuple[Any, list[str]]:
        value = _password(r)
        return r.choice([f"Hi, my password is {value}, please help.", f"the pwd is {value}", f"Passwort: {value}"]), [value]

    def code(r: Random) -> tuple[Any, list[str]]:
        value = drawn(r, _DIGITS, 6)
        return r.choice([f"Your verification code is {value}.", f"login code: {value}", f"OTP: {value}"]), [value]

    return {
        "password under its key": under(_PASSWORD_KEYS, _password),
        "secret under its key": under(_SECRET_KEYS, _machine_secret),
        "AWS secret key": assigned(["aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey"], _aws_secret),
        "password in text": assigned(_PASSWORD_KEYS, _password),
        "secret in text": assigned(_SECRET_KEYS, _machine_secret),
        "bearer header": bearer,
        "basic header": basic,
        "header as name and value": header_pair,
        "password in a URL": url,
        "key in a connection string": azure,
        "session cookie": cookie,
        "password told in a sentence": told,
        "one-time code": code,
    }


NAMED = _named()


def _luhn_digit(digits: str) -> str:
    total = sum(int(d) if i % 2 else sum(divmod(int(d) * 2, 10)) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def _card(r: Random) -> str:
    prefix, length = r.choice([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16), ("3530", 16), ("36", 14), ("62", 16)])
    body = prefix + drawn(r, _DIGITS, length - len(prefix) - 1)
    digits = body + _luhn_digit(body)
    if length == 15 and r.random() < 0.5:
        return f"{digits[:4]} {digits[4:10]} {digits[10:]}"
    separator = r.choice(["", "", " ", "-"]) if length == 16 else ""
    return separator.join(digits[i : i + 4] for i in range(0, length, 4))


_BBANS = {"DE": (_DIGITS, 18), "FR": (_DIGITS, 23), "GB": ("", 18), "ES": (_DIGITS, 20), "NL": ("", 14), "CH": (_DIGITS, 17),
          "IT": ("", 23), "AT": (_DIGITS, 16), "PL": (_DIGITS, 24), "NO": (_DIGITS, 11), "MT": ("", 27)}


def _iban(r: Random) -> str:
    country, (alphabet, length) = r.choice(sorted(_BBANS.items()))
    body = drawn(r, alphabet or _UPPER + _DIGITS, length)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    text = f"{country}{98 - number % 97:02d}{body}"
    return r.choice([text, " ".join(text[i : i + 4] for i in range(0, len(text), 4)), text.lower()])


def _email(r: Random) -> str:
    name, last = r.choice(_NAMES), r.choice(_LASTS)
    local = r.choice([name, f"{name}.{last}", f"{name[0]}{last}{r.randint(1, 99)}", f"{name}+{r.choice(_WORDS)}", f"{last}_{name}"])
    address = f"{local}@{r.choice(_DOMAINS)}"
    return r.choice([address] * 4 + [address.upper(), address.replace("@", "%40")])


def _phone(r: Random) -> str:
    d = lambda n: drawn(r, _DIGITS, n)  # noqa: E731
    area, exchange = f"{r.randint(2, 9)}{d(2)}", f"{r.randint(2, 9)}{d(2)}"
    return r.choice(
        [
            f"+1 {area} {exchange} {d(4)}", f"+1-{area}-{exchange}-{d(4)}", f"({area}) {exchange}-{d(4)}", f"{area}-{exchange}-{d(4)}",
            f"{area}.{exchange}.{d(4)}", f"+49 {r.randint(30, 89)} {d(7)}", f"+49 (0) 1{r.randint(50, 79)} {d(7)}", f"+4917{d(9)}",
            f"+44 20 7{d(3)} {d(4)}", f"+447{d(9)}", f"07{d(3)} {d(6)}", f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}", f"06 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"0{r.randint(30, 89)} {d(3)}{d(4)}", f"0171/{d(7)}", f"+91 9{d(4)} {d(5)}", f"0049 {r.randint(30, 89)} {d(7)}",
            f"+55 11 9{d(4)}-{d(4)}", f"+81-90-{d(4)}-{d(4)}", f"1-800-{exchange}-{d(4)}", f"+39 3{d(2)} {d(7)}", f"+34 6{d(2)} {d(3)} {d(3)}",
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
    body = "".join(_birthday(r)) + drawn(r, _DIGITS, 4)
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _cpf(r: Random) -> str:
    body = drawn(r, _DIGITS, 9)
    for weights in (range(10, 1, -1), range(11, 1, -1)):
        body += str(weighted(body, weights) * 10 % 11 % 10)
    return r.choice([f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}", body])


def _nir(r: Random) -> str:
    year, month, _ = _birthday(r)
    body = f"{r.choice('12')}{year}{month}{r.randint(1, 95):02d}{drawn(r, _DIGITS, 6)}"
    key = f"{97 - int(body) % 97:02d}"
    return r.choice([body + key, f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {key}"])


def _bsn(r: Random) -> str:
    while True:
        body = drawn(r, "123456789", 8)
        check = weighted(body, range(9, 1, -1)) % 11
        if check < 10:
            return body + str(check)


def _personnummer(r: Random) -> str:
    body = "".join(_birthday(r)) + drawn(r, _DIGITS, 3)
    return f"{body[:6]}-{body[6:]}{_luhn_digit(body)}"


def _aadhaar(r: Random) -> str:
    body = r.choice("23456789") + drawn(r, _DIGITS, 10)
    digits = next(body + d for d in _DIGITS if verhoeff(body + d))
    return f"{digits[:4]} {digits[4:8]} {digits[8:]}"


def _china(r: Random) -> str:
    year, month, day = _birthday(r)
    body = f"{r.randint(110000, 659000)}19{year}{month}{day}{drawn(r, _DIGITS, 3)}"
    return body + "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def _fiscal(r: Random) -> str:
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    body = f"{drawn(r, _UPPER, 6)}{r.randint(40, 99)}{r.choice('ABCDEHLMPRST')}{r.randint(1, 28):02d}{r.choice(_UPPER)}{drawn(r, _DIGITS, 3)}"
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


def _anywhere(r: Random, value: str) -> Any:
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
            {"log": f"{_stamp(r)} INFO worker-{r.randint(1, 9)} got <{value}> in {r.randint(1, 900)} ms"},
            {"cell": f"a;b;{value};d"},
            {"line": f"x, {value}, y\nnext line"},
            {"url": f"https://example.com/p?q={quote(value, safe='')}&n=1"},
        ]
    )


def _stamp(r: Random) -> str:
    return datetime.fromtimestamp(r.randint(10**9, 2 * 10**9), UTC).isoformat()


def _parts_of(value: str) -> list[str]:
    """What must not be left: each half of a long value, as it is and as URLs write it."""
    half = len(value) // 2
    parts = [value] if len(value) < 16 else [value[:half], value[half:]]
    return [*parts, *(quote(part, safe="") for part in parts)]


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


def secrets(r: Random, each: int) -> Iterator[Sample]:
    """Draw events with secrets.

    Args:
        r: The generator.
        each: How many of each kind.
    """
    for kind, make in KEYS.items():
        for _ in range(each):
            value = make(r)
            event = {value: r.randrange(9)} if r.random() < 0.05 and "\n" not in value else _anywhere(r, value)
            yield Sample(kind, {"id": r.randrange(10**6), **event}, _parts_of(value))
    for kind, draw in NAMED.items():
        for _ in range(each):
            written, hidden = draw(r)
            event = {**_anywhere(r, sentence(r)), "payload": written}
            yield Sample(kind, event, [*hidden, *(quote(part, safe="") for part in hidden)])


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
            event = r.choice([{r.choice(_PERSONAL_KEYS[kind].split()): value}, {"text": label}, _anywhere(r, value)])
            yield Sample(kind, event, [value, quote(value, safe="")])
    for n in range(each):
        key, (label, make) = sorted(_ID_NAMES.items())[n % len(_ID_NAMES)]
        value = make(r)
        event = r.choice([{key: value}, {"text": f"{sentence(r)} {label} {value}."}, {"raw": f"{label}: {value}, {sentence(r)}"}])
        yield Sample("national_id", event, [value])


def _lines(*makers: Callable[[Random], Any]) -> Callable[[Random], Any]:
    return lambda r: r.choice(makers)(r)


def _luhn_number(r: Random, prefix: str, length: int) -> str:
    body = prefix + drawn(r, _DIGITS, length - len(prefix) - 1)
    return body + _luhn_digit(body)


def _isin(r: Random) -> str:
    body = r.choice(["US", "DE", "GB", "FR", "JP"]) + drawn(r, _UPPER + _DIGITS, 9)
    return body + _luhn_digit("".join(str(int(c, 36)) for c in body))


def _image(r: Random) -> str:
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + r.randbytes(r.randint(200, 1500))).decode()


CLEAN: Mapping[str, Callable[[Random], Event]] = {
    "prose in English": lambda r: {"text": f"{sentence(r)} {sentence(r)}"},
    "prose in other languages": lambda r: {"text": sentence(r, r.choice([_GERMAN, _FRENCH, _SPANISH]))},
    "prose about secrets": lambda r: {
        "text": r.choice(
            [
                "Please reset your password within 24 hours.",
                "The token has expired; sign in again.",
                "Password: must be at least 12 characters long",
                "password is required",
                "Two API keys were rotated by the team.",
                "basic authentication failed for the user",
                "Bearer authentication is used by this service.",
                "The secret of good bread is time.",
                "invalid password for user " + r.choice(_NAMES),
                "Total tokens: " + str(r.randrange(10**4)),
                "The primary key: id, the sort key: created_at",
                "enter the 6-digit code that was sent to you",
                "authorization: denied by policy",
            ]
        )
    },
    "commit hashes": lambda r: {"commit": drawn(r, _HEX, 40), "short": drawn(r, _HEX, 7), "log": f"merge {drawn(r, _HEX, 40)} into main"},
    "UUIDs": lambda r: {"id": str(uuid.UUID(int=r.getrandbits(128))), "trace": uuid.UUID(int=r.getrandbits(128)).hex, "key": str(uuid.UUID(int=r.getrandbits(128)))},
    "digests": lambda r: {"sha256": drawn(r, _HEX, 64), "image": f"app@sha256:{drawn(r, _HEX, 64)}", "integrity": "sha512-" + base64.b64encode(r.randbytes(64)).decode(), "etag": f'W/"{drawn(r, _HEX, 16)}"'},
    "prices": lambda r: {"price": round(r.random() * 10**4, 2), "text": f"EUR {r.randrange(10**6):,}.{r.randrange(100):02d} or ${r.randrange(999)}.{r.randrange(100):02d}", "rate": r.random()},
    "timestamps": lambda r: {"ts": r.randint(10**9, 2 * 10**9), "ts_ms": r.randint(10**12, 2 * 10**12), "ts_us": r.randint(10**15, 2 * 10**15), "at": _stamp(r), "text": f"at {r.randint(10**9, 2 * 10**9)} and {r.randint(10**12, 2 * 10**12)}"},
    "timestamps that pass the card check": lambda r: {"s": int(_luhn_number(r, "1", 10)), "ms": int(_luhn_number(r, "1", 13)), "us": _luhn_number(r, "16", 16), "ns": _luhn_number(r, "17", 19), "text": f"epoch {_luhn_number(r, '17', 13)}"},
    "order numbers": lambda r: {"order_id": drawn(r, _DIGITS, r.choice([8, 10, 12])), "text": f"order #{drawn(r, _DIGITS, 10)} ref {drawn(r, _UPPER, 2)}-{drawn(r, _DIGITS, 8)}", "invoice": f"INV-{r.randint(2015, 2026)}-{drawn(r, _DIGITS, 6)}"},
    "order numbers that pass the card check": lambda r: {"order_number": _luhn_number(r, "1", 16), "text": f"Your order number {_luhn_number(r, '9', 12)} and tracking no. {_luhn_number(r, '7', 14)}"},
    "words that tell of tokens": lambda r: {"token_type": "bearer", "expires_in": 3600, "max_tokens": r.randrange(9999), "usage": {"prompt_tokens": 12, "completion_tokens": 9}, "text": "token_type=bearer&expires_in=3600"},
    "ISINs and the like": lambda r: {"isin": _isin(r), "text": f"{_isin(r)} rose by {r.randrange(9)} %", "isbn": f"978-3-16-{drawn(r, _DIGITS, 6)}-0", "ean": drawn(r, _DIGITS, 13)},
    "colours and versions": lambda r: {"colour": f"#{drawn(r, _HEX, 6)}", "version": f"{r.randint(0, 20)}.{r.randint(0, 40)}.{r.randint(0, 99)}", "agent": f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{r.randint(90, 130)}.0.{r.randint(1000, 9999)}.{r.randint(1, 250)} Safari/537.36", "driver": f"v{r.randint(1, 9)}.{r.randint(0, 9)}.{r.randint(0, 9)}.{r.randint(0, 9)}"},
    "paths and URLs": lambda r: {"path": f"/var/log/{r.choice(_WORDS)}/{r.choice(_WORDS)}-{r.randint(1, 99)}.log", "win": f"C:\\Users\\{r.choice(_NAMES)}\\file_{r.randint(1, 99)}.txt", "url": f"https://example.com/{r.choice(_WORDS)}/{r.randrange(10**6)}?page={r.randint(1, 9)}&sort_key=name#top", "git": "git@github.com:org/repo.git"},
    "SQL": lambda r: {"sql": f"SELECT {r.choice(_WORDS)}, count(*) FROM t{r.randint(1, 9)} WHERE id = {r.randrange(10**6)} AND at > '{_stamp(r)}' GROUP BY 1"},
    "source code": lambda r: {"code": r.choice(["def login(user: str, password: str) -> Token:", "token = get_token(user)", "if password == confirm: ok()", "const apiKey = process.env.API_KEY;", "password = os.environ['DB_PASSWORD']", "SELECT * FROM users WHERE password = ?", "key: str = field.name", "std::vector<int> v{1, 2};"])},
    "log lines": lambda r: {"line": f"{_stamp(r)} [{r.choice(['INFO', 'WARN'])}] worker-{r.randint(1, 64)} {sentence(r)} took {r.random() * 100:.3f} ms pid={r.randint(1, 65535)} status_code={r.choice([200, 404, 500])}"},
    "base64 of images": lambda r: {"thumb": _image(r)},
    "sensor readings": lambda r: {"temp": r.gauss(20, 5), "pos": [r.random() * 100 for _ in range(3)], "gps": f"{r.uniform(-90, 90):.6f},{r.uniform(-180, 180):.6f}", "mac": ":".join(drawn(r, _HEX, 2) for _ in range(6)), "gpio_pin": r.randrange(40), "time": "12:34:56", "text": f"+{r.uniform(1, 90):.6f} degrees"},
    "identifiers": lambda r: {"id": f"{r.choice(_WORDS)}-{r.choice(_WORDS)}-{r.randrange(10**5)}", "ulid": drawn(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26), "sku": f"{drawn(r, _UPPER, 3)}-{drawn(r, _DIGITS, 4)}-{drawn(r, _UPPER, 2)}", "snowflake": str(r.randint(10**18, 2 * 10**18)), "flight": f"UA{r.randint(1, 9999)}-{r.randint(1, 9999)}", "tail": f"N{drawn(r, _DIGITS, 5)}", "host": f"ip-{r.choice(_WORDS)}-{r.randint(1, 9)}.eu-west-1.compute.internal"},
    "numbers in rows": lambda r: {"csv": ",".join(str(r.randrange(10**6)) for _ in range(12)), "matrix": [[r.random() for _ in range(4)] for _ in range(3)], "text": f"{r.randint(1, 99)} of {r.randrange(10**4)} rows, {r.randint(1, 12)}/{r.randint(1, 28)}/2024 10:{r.randint(10, 59)}"},
    "flags and states": lambda r: {"has_password": True, "password_changed_at": _stamp(r), "auth_method": "sso", "cookie_count": 3, "session_length": r.randrange(900), "author": r.choice(_NAMES), "keyboard": "qwerty", "sort_key": "name", "status": "token_expired"},
}
"""Kinds of events with nothing to hide, and how one is made."""


def clean(r: Random, each: int) -> Iterator[Sample]:
    """Draw events with nothing to hide.

    Args:
        r: The generator.
        each: How many of each kind.
    """
    for kind, make in CLEAN.items():
        for _ in range(each):
            yield Sample(kind, make(r), [])
