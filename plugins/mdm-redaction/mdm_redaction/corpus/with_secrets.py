"""Events with keys, tokens and passwords."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote

from mdm_redaction.corpus.drawing import (
    ALNUM,
    B64,
    DIGITS,
    HEX,
    LOWER,
    NAMES,
    UPPER,
    URL,
    Sample,
    anywhere,
    drawn,
    mixed,
    sentence,
)

Maker: TypeAlias = Callable[[Random], str]
Placed: TypeAlias = Callable[[Random], tuple[Any, list[str]]]


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(r: Random) -> str:
    head = {"alg": r.choice(["HS256", "RS256", "ES256"]), "typ": "JWT"}
    if r.random() < 0.3:
        head["kid"] = drawn(r, HEX, 12)
    body = {"sub": str(r.randrange(10**9)), "iat": r.randrange(10**9, 2 * 10**9), "name": r.choice(NAMES)}
    encoded = [
        _b64url(json.dumps(part, separators=r.choice([(",", ":"), (", ", ": ")])).encode()) for part in (head, body)
    ]
    return ".".join([*encoded, drawn(r, URL, r.choice([43, 86, 342]))])


def _pem(r: Random) -> str:
    kind = r.choice(["RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ", "DSA "])
    lines = [drawn(r, B64, 64) for _ in range(r.randint(3, 24))] + [drawn(r, B64, 30) + "=="]
    end = r.choice(["\n", "\n", "\r\n", "\\n"])
    return end.join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"])


def _pgp(r: Random) -> str:
    lines = [drawn(r, B64, 64) for _ in range(8)]
    return "\n".join(["-----BEGIN PGP PRIVATE KEY BLOCK-----", "", *lines, "-----END PGP PRIVATE KEY BLOCK-----"])


def _slack(r: Random) -> str:
    digits = "-".join(drawn(r, "123456789", r.choice([10, 11, 12, 13])) for _ in range(r.choice([2, 3])))
    return f"xox{r.choice('bpars')}-{digits}-{drawn(r, ALNUM, r.choice([24, 32]))}"


def _slack_hook(r: Random) -> str:
    team, channel = f"T{drawn(r, UPPER + DIGITS, 9)}", f"B{drawn(r, UPPER + DIGITS, 9)}"
    return f"https://hooks.slack.com/services/{team}/{channel}/{drawn(r, ALNUM, 24)}"


def _telegram(r: Random) -> str:
    return f"{drawn(r, '123456789', r.choice([9, 10]))}:AA{mixed(r, URL, 33)}"


def _prefixed(*choices: tuple[str, str, int]) -> Maker:
    def make(r: Random) -> str:
        prefix, alphabet, length = r.choice(choices)
        return prefix + (
            mixed(r, alphabet, length) if alphabet not in (HEX, LOWER + DIGITS) else drawn(r, alphabet, length)
        )

    return make


def _aws(r: Random) -> str:
    return r.choice(["AKIA", "AKIA", "ASIA"]) + drawn(r, UPPER + "234567", 16)


def _discord(r: Random) -> str:
    return f"{r.choice('MNO')}{drawn(r, ALNUM, 23)}.{drawn(r, URL, 6)}.{drawn(r, URL, r.choice([27, 38]))}"


KEYS: Mapping[str, Maker] = {
    "AWS access key": _aws,
    "Google API key": _prefixed(("AIza", URL, 35)),
    "Google OAuth": _prefixed(("ya29.", URL, 60), ("GOCSPX-", URL, 28), ("1//0", URL, 60)),
    "GitHub": _prefixed(
        ("ghp_", ALNUM, 36), ("gho_", ALNUM, 36), ("ghs_", ALNUM, 36), ("github_pat_", ALNUM + "_", 82)
    ),
    "GitLab": _prefixed(("glpat-", URL, 20), ("gldt-", URL, 20), ("glrt-", URL, 20), ("glcbt-", ALNUM, 22)),
    "Slack token": _slack,
    "Slack webhook": _slack_hook,
    "Stripe": _prefixed(
        ("sk_live_", ALNUM, 24), ("sk_test_", ALNUM, 99), ("rk_live_", ALNUM, 24), ("whsec_", ALNUM, 32)
    ),
    "sk- keys": _prefixed(
        ("sk-", ALNUM, 48),
        ("sk-proj-", URL, 120),
        ("sk-ant-api03-", URL, 95),
        ("sk-or-v1-", HEX, 64),
        ("sk-", HEX, 32),
    ),
    "npm": _prefixed(("npm_", ALNUM, 36)),
    "PyPI": _prefixed(("pypi-AgEIcHlwaS5vcmc", URL, 120)),
    "Telegram": _telegram,
    "Twilio": _prefixed(("SK", HEX, 32)),
    "SendGrid": lambda r: f"SG.{drawn(r, URL, 22)}.{drawn(r, URL, 43)}",
    "Mailgun and Mailchimp": lambda r: r.choice(
        [f"key-{drawn(r, HEX, 32)}", f"{drawn(r, HEX, 32)}-us{r.randint(1, 21)}"]
    ),
    "Hugging Face": _prefixed(("hf_", ALNUM, 34)),
    "Azure": lambda r: r.choice(
        [f"{drawn(r, ALNUM, 3)}8Q~{drawn(r, ALNUM + '_~.-', 34)}", f"{drawn(r, ALNUM, 76)}AZDO{drawn(r, ALNUM, 4)}"]
    ),
    "Shopify and Square": _prefixed(
        ("shpat_", HEX, 32), ("shpss_", HEX, 32), ("sq0atp-", URL, 22), ("sq0csp-", URL, 43)
    ),
    "Databricks and DigitalOcean": _prefixed(("dapi", HEX, 32), ("dop_v1_", HEX, 64)),
    "Vault, Doppler, Pulumi": _prefixed(("hvs.", URL, 90), ("dp.pt.", ALNUM, 43), ("pul-", HEX, 40)),
    "Discord": _discord,
    "Notion, Linear, Figma, Postman": _prefixed(
        ("ntn_", ALNUM, 46),
        ("lin_api_", ALNUM, 40),
        ("figd_", URL, 40),
        ("secret_", ALNUM, 43),
        ("PMAK-", HEX, 24),
    ),
    "Grafana, New Relic, Sentry": _prefixed(("glsa_", ALNUM, 41), ("NRAK-", UPPER + DIGITS, 27), ("sntryu_", HEX, 64)),
    "Docker, Atlassian, JFrog": _prefixed(("dckr_pat_", URL, 27), ("ATATT3xFfGF0", URL, 170), ("AKCp", ALNUM, 69)),
    "JSON web token": _jwt,
    "private key in PEM": _pem,
    "private key of PGP": _pgp,
    "bcrypt and crypt hash": lambda r: r.choice(
        [f"$2b$12${drawn(r, ALNUM + './', 53)}", f"$6${drawn(r, ALNUM, 16)}${drawn(r, ALNUM + './', 86)}"]
    ),
}
"""Kinds of keys and tokens that their form gives away, and how one is made."""


def _password(r: Random) -> str:
    word = r.choice(["hunter", "Tr0ub4dor", "correct-horse", "S0mmer", "qwerty", "letMeIn", "dragon", "Zitrone"])
    return f"{word}{drawn(r, DIGITS, r.randint(2, 4))}{r.choice(['', '!', '#', '$', '*', '_x'])}"


def _machine_secret(r: Random) -> str:
    return r.choice(
        [
            mixed(r, ALNUM, r.choice([24, 32, 40])),
            drawn(r, HEX, r.choice([32, 40, 64])),
            str(uuid.UUID(int=r.getrandbits(128))),
        ]
    )


def _aws_secret(r: Random) -> str:
    return mixed(r, B64, 40)


_PASSWORD_KEYS = "password passwd pwd db_password userPassword PASSWORD smtp_pass passphrase pass".split()
_SECRET_KEYS = """
    api_key apiKey X-Api-Key client_secret clientSecret access_token refresh_token secret auth_token SECRET_KEY
    session_id private_key webhook_secret signing_key encryption_key token credentials id_token csrf_token
    sessionToken
""".split()


def _assignments(key: str, value: str, r: Random) -> Any:
    """A value with the name that gives it away, in a text of some kind."""
    return r.choice(
        [
            f"{key}={value}",
            f"{key}: {value}",
            f'{key}="{value}"',
            f"{sentence(r)} {key}={value} user={r.choice(NAMES)}",
            f"export {key.upper().replace('-', '_')}='{value}'",
            f"https://api.example.com/v1/items?{key}={quote(value)}&page=2",
            f"user={r.choice(NAMES)}&{key}={quote(value)}",
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
    return "Basic " + base64.b64encode(f"{r.choice(NAMES)}:{value}".encode()).decode()


def _named() -> dict[str, Placed]:
    def under(keys: list[str], make: Maker) -> Placed:
        def draw(r: Random) -> tuple[Any, list[str]]:
            value = make(r)
            return {r.choice(keys): value, "n": r.randrange(9)}, [value]

        return draw

    def assigned(keys: list[str], make: Maker) -> Placed:
        def draw(r: Random) -> tuple[Any, list[str]]:
            value = make(r)
            return _assignments(r.choice(keys), value, r), [value]

        return draw

    def bearer(r: Random) -> tuple[Any, list[str]]:
        value = r.choice([_jwt(r), mixed(r, URL, 40), drawn(r, HEX, 32)])
        line = r.choice([f"Authorization: Bearer {value}", f"bearer {value}", f"-H 'Authorization: Bearer {value}'"])
        return r.choice(
            [line, f"GET /v1 HTTP/1.1\r\nHost: example.com\r\n{line}\r\nAccept: */*", {"headers": [line]}]
        ), [value]

    def basic(r: Random) -> tuple[Any, list[str]]:
        line = _basic(r, _password(r))
        return r.choice([f"Authorization: {line}", {"header": line}, f"sent {line} to the proxy"]), [line[6:]]

    def header_pair(r: Random) -> tuple[Any, list[str]]:
        value = _machine_secret(r)
        return [{"name": r.choice(["X-Api-Key", "Authorization", "X-Auth-Token"]), "value": value}], [value]

    def url(r: Random) -> tuple[Any, list[str]]:
        value = r.choice([_password(r).replace("#", ""), mixed(r, ALNUM, 20)])
        scheme = r.choice("postgres postgresql mysql mongodb mongodb+srv redis amqp https ftp smtp sftp".split())
        user = r.choice([*NAMES, ""]) if scheme == "redis" else r.choice(NAMES)
        text = (
            f"{scheme}://{user}:{value}@{r.choice(['db', 'cache', 'mq'])}.internal.example:{r.randint(1024, 9999)}/main"
        )
        return r.choice([text, f"DATABASE_URL={text}", f"could not connect to {text}: timed out"]), [value]

    def azure(r: Random) -> tuple[Any, list[str]]:
        value = drawn(r, B64, 86) + "=="
        return f"DefaultEndpointsProtocol=https;AccountName=store;AccountKey={value};EndpointSuffix=core.windows.net", [
            value
        ]

    def cookie(r: Random) -> tuple[Any, list[str]]:
        value = mixed(r, ALNUM, 32)
        return r.choice([f"Cookie: theme=dark; sessionid={value}", f"Set-Cookie: sid={value}; Path=/; HttpOnly"]), [
            value
        ]

    def told(r: Random) -> tuple[Any, list[str]]:
        value = _password(r)
        return r.choice([f"Hi, my password is {value}, please help.", f"the pwd is {value}", f"Passwort: {value}"]), [
            value
        ]

    def code(r: Random) -> tuple[Any, list[str]]:
        value = drawn(r, DIGITS, 6)
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


NAMED: Mapping[str, Placed] = _named()
"""Kinds of secrets that only their place gives away: what is written, and what of it must not be."""


def _parts_of(value: str) -> list[str]:
    """What must not be left: each half of a long value, as it is and as URLs write it."""
    half = len(value) // 2
    parts = [value] if len(value) < 16 else [value[:half], value[half:]]
    return [*parts, *(quote(part, safe="") for part in parts)]


def secrets(r: Random, each: int) -> Iterator[Sample]:
    """Draw events with secrets.

    Args:
        r: The generator.
        each: How many of each kind.
    """
    for kind, make in KEYS.items():
        for _ in range(each):
            value = make(r)
            event = {value: r.randrange(9)} if r.random() < 0.05 and "\n" not in value else anywhere(r, value)
            yield Sample(kind, {"id": r.randrange(10**6), **event}, _parts_of(value))
    for kind, draw in NAMED.items():
        for _ in range(each):
            written, hidden = draw(r)
            event = {**anywhere(r, sentence(r)), "payload": written}
            yield Sample(kind, event, [*hidden, *(quote(part, safe="") for part in hidden)])
