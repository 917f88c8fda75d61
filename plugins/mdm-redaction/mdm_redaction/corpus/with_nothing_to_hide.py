"""Events that must come through as they are, many of which look as if they held something."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator, Mapping
from random import Random

from mdm_redaction.corpus.drawing import (
    DIGITS,
    FRENCH,
    GERMAN,
    HEX,
    NAMES,
    SPANISH,
    UPPER,
    WORDS,
    Event,
    Sample,
    drawn,
    luhn_digit,
    sentence,
    stamp,
)


def _luhn_number(r: Random, prefix: str, length: int) -> str:
    body = prefix + drawn(r, DIGITS, length - len(prefix) - 1)
    return body + luhn_digit(body)


def _isin(r: Random) -> str:
    body = r.choice(["US", "DE", "GB", "FR", "JP"]) + drawn(r, UPPER + DIGITS, 9)
    return body + luhn_digit("".join(str(int(c, 36)) for c in body))


def _image(r: Random) -> str:
    return (
        "data:image/png;base64,"
        + base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + r.randbytes(r.randint(200, 1500))).decode()
    )


CLEAN: Mapping[str, Callable[[Random], Event]] = {
    "prose in English": lambda r: {"text": f"{sentence(r)} {sentence(r)}"},
    "prose in other languages": lambda r: {"text": sentence(r, r.choice([GERMAN, FRENCH, SPANISH]))},
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
                "invalid password for user " + r.choice(NAMES),
                "Total tokens: " + str(r.randrange(10**4)),
                "The primary key: id, the sort key: created_at",
                "enter the 6-digit code that was sent to you",
                "authorization: denied by policy",
            ]
        )
    },
    "commit hashes": lambda r: {
        "commit": drawn(r, HEX, 40),
        "short": drawn(r, HEX, 7),
        "log": f"merge {drawn(r, HEX, 40)} into main",
    },
    "UUIDs": lambda r: {
        "id": str(uuid.UUID(int=r.getrandbits(128))),
        "trace": uuid.UUID(int=r.getrandbits(128)).hex,
        "key": str(uuid.UUID(int=r.getrandbits(128))),
    },
    "digests": lambda r: {
        "sha256": drawn(r, HEX, 64),
        "image": f"app@sha256:{drawn(r, HEX, 64)}",
        "integrity": "sha512-" + base64.b64encode(r.randbytes(64)).decode(),
        "etag": f'W/"{drawn(r, HEX, 16)}"',
    },
    "prices": lambda r: {
        "price": round(r.random() * 10**4, 2),
        "text": f"EUR {r.randrange(10**6):,}.{r.randrange(100):02d} or ${r.randrange(999)}.{r.randrange(100):02d}",
        "rate": r.random(),
    },
    "timestamps": lambda r: {
        "ts": r.randint(10**9, 2 * 10**9),
        "ts_ms": r.randint(10**12, 2 * 10**12),
        "ts_us": r.randint(10**15, 2 * 10**15),
        "at": stamp(r),
        "text": f"at {r.randint(10**9, 2 * 10**9)} and {r.randint(10**12, 2 * 10**12)}",
    },
    "timestamps that pass the card check": lambda r: {
        "s": int(_luhn_number(r, "1", 10)),
        "ms": int(_luhn_number(r, "1", 13)),
        "us": _luhn_number(r, "16", 16),
        "ns": _luhn_number(r, "17", 19),
        "text": f"epoch {_luhn_number(r, '17', 13)}",
    },
    "order numbers": lambda r: {
        "order_id": drawn(r, DIGITS, r.choice([8, 10, 12])),
        "text": f"order #{drawn(r, DIGITS, 10)} ref {drawn(r, UPPER, 2)}-{drawn(r, DIGITS, 8)}",
        "invoice": f"INV-{r.randint(2015, 2026)}-{drawn(r, DIGITS, 6)}",
    },
    "order numbers that pass the card check": lambda r: {
        "order_number": _luhn_number(r, "1", 16),
        "text": f"Your order number {_luhn_number(r, '9', 12)} and tracking no. {_luhn_number(r, '7', 14)}",
    },
    "words that tell of tokens": lambda r: {
        "token_type": "bearer",
        "expires_in": 3600,
        "max_tokens": r.randrange(9999),
        "usage": {"prompt_tokens": 12, "completion_tokens": 9},
        "text": "token_type=bearer&expires_in=3600",
    },
    "ISINs and the like": lambda r: {
        "isin": _isin(r),
        "text": f"{_isin(r)} rose by {r.randrange(9)} %",
        "isbn": f"978-3-16-{drawn(r, DIGITS, 6)}-0",
        "ean": drawn(r, DIGITS, 13),
    },
    "colours and versions": lambda r: {
        "colour": f"#{drawn(r, HEX, 6)}",
        "version": f"{r.randint(0, 20)}.{r.randint(0, 40)}.{r.randint(0, 99)}",
        "agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
        f"Chrome/{r.randint(90, 130)}.0.{r.randint(1000, 9999)}.{r.randint(1, 250)} Safari/537.36",
        "driver": f"v{r.randint(1, 9)}.{r.randint(0, 9)}.{r.randint(0, 9)}.{r.randint(0, 9)}",
    },
    "paths and URLs": lambda r: {
        "path": f"/var/log/{r.choice(WORDS)}/{r.choice(WORDS)}-{r.randint(1, 99)}.log",
        "win": f"C:\\Users\\{r.choice(NAMES)}\\file_{r.randint(1, 99)}.txt",
        "url": f"https://example.com/{r.choice(WORDS)}/{r.randrange(10**6)}?page={r.randint(1, 9)}&sort_key=name#top",
        "git": "git@github.com:org/repo.git",
    },
    "SQL": lambda r: {
        "sql": f"SELECT {r.choice(WORDS)}, count(*) FROM t{r.randint(1, 9)} WHERE id = {r.randrange(10**6)} "
        f"AND at > '{stamp(r)}' GROUP BY 1"
    },
    "source code": lambda r: {
        "code": r.choice(
            [
                "def login(user: str, password: str) -> Token:",
                "token = get_token(user)",
                "if password == confirm: ok()",
                "const apiKey = process.env.API_KEY;",
                "password = os.environ['DB_PASSWORD']",
                "SELECT * FROM users WHERE password = ?",
                "key: str = field.name",
                "std::vector<int> v{1, 2};",
            ]
        )
    },
    "log lines": lambda r: {
        "line": f"{stamp(r)} [{r.choice(['INFO', 'WARN'])}] worker-{r.randint(1, 64)} {sentence(r)} "
        f"took {r.random() * 100:.3f} ms pid={r.randint(1, 65535)} status_code={r.choice([200, 404, 500])}"
    },
    "base64 of images": lambda r: {"thumb": _image(r)},
    "sensor readings": lambda r: {
        "temp": r.gauss(20, 5),
        "pos": [r.random() * 100 for _ in range(3)],
        "gps": f"{r.uniform(-90, 90):.6f},{r.uniform(-180, 180):.6f}",
        "mac": ":".join(drawn(r, HEX, 2) for _ in range(6)),
        "gpio_pin": r.randrange(40),
        "time": "12:34:56",
        "text": f"+{r.uniform(1, 90):.6f} degrees",
    },
    "identifiers": lambda r: {
        "id": f"{r.choice(WORDS)}-{r.choice(WORDS)}-{r.randrange(10**5)}",
        "ulid": drawn(r, "0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
        "sku": f"{drawn(r, UPPER, 3)}-{drawn(r, DIGITS, 4)}-{drawn(r, UPPER, 2)}",
        "snowflake": str(r.randint(10**18, 2 * 10**18)),
        "flight": f"UA{r.randint(1, 9999)}-{r.randint(1, 9999)}",
        "tail": f"N{drawn(r, DIGITS, 5)}",
        "host": f"ip-{r.choice(WORDS)}-{r.randint(1, 9)}.eu-west-1.compute.internal",
    },
    "numbers in rows": lambda r: {
        "csv": ",".join(str(r.randrange(10**6)) for _ in range(12)),
        "matrix": [[r.random() for _ in range(4)] for _ in range(3)],
        "text": f"{r.randint(1, 99)} of {r.randrange(10**4)} rows, "
        f"{r.randint(1, 12)}/{r.randint(1, 28)}/2024 10:{r.randint(10, 59)}",
    },
    "flags and states": lambda r: {
        "has_password": True,
        "password_changed_at": stamp(r),
        "auth_method": "sso",
        "cookie_count": 3,
        "session_length": r.randrange(900),
        "author": r.choice(NAMES),
        "keyboard": "qwerty",
        "sort_key": "name",
        "status": "token_expired",
    },
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
