"""The words that make a key look secret, and those that say that it only tells of a secret.

All words are lower case without accents. What must be spelled as several words (`api key`) stands here joined
(`apikey`), so that `api_key`, `apiKey` and `apikey` meet in one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

_Tree: TypeAlias = dict[str, "_Tree"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _joined(owners: str, noun: str) -> frozenset[str]:
    return frozenset(owner + noun for owner in owners.split())


# Whose key opens something. The key of a table or of a sort order opens nothing, a public one neither.
_KEY_OWNERS = """
    access account aes api app application auth cert client consumer crypt crypto cipher decrypt decryption deploy dev
    developer dsa ecdsa encrypt encryption gpg hmac host jwt license master oauth pem pgp priv private recovery root
    rsa secret security server service session shared sign signing ssh ssl storage subscription symmetric tls wallet
    webhook
"""
_CODE_OWNERS = """
    access activation auth authorization backup fa login mfa otp pass pin recovery reset security sms verification
"""
_PASS_OWNERS = """
    account admin auth basic cert database db email ftp http imap key keystore ldap login mail mongo mq mysql pg
    postgres proxy rabbitmq redis root service sftp smtp sql ssh sudo truststore user usr vpn wifi
"""

_KEYS = _joined(_KEY_OWNERS, "key")
_CODES = _joined(_CODE_OWNERS, "code")
_PASSES = _joined(_PASS_OWNERS, "pass")

SECRET = (
    _words(
        """
        authorisation authorization bearer connectionstring connstr connstring contrasena cookie cred credential csrf
        cvc cvv dsn htpasswd idrsa jwt kennwort mnemonic motdepasse otp passkey passphrase passw passwd password
        passwort pem pgpass pswd pwd recoveryphrase secret securityanswer seedphrase senha sessid sessionid signature
        token totp wachtwoord walletseed xsrf пароль 密码
        """
    )
    | _KEYS
    | _CODES
    | _PASSES
)
"""Secret wherever the word stands in a name."""

SECRET_AT_END = _words("auth authentication oauth pin pw sig")
"""Secret as the last word of a name: `user_pin`, `proxy_auth`; but `pin_count`, `auth_method`."""

SECRET_ALONE = _words("pass sid")
"""Secret as the whole name."""

CARRIERS = _words("""
    again b64 base block confirm confirmation current data encoded encrypted entry hash hashed header headers hex new
    number old plain plaintext raw repeat str string text val value
    """)
"""Words after a secret that still mean the secret: `pin_hash`, `auth_header`."""

BOARD_PARTS = _words("analog board bowling digital gpio input io led map motor output pwm sensor servo")
"""Words before `pin` that make it a part of a board or of a game."""

ABOUT = _words("""
    age amount at attempt attempts balance banner bucket budget changed checked consent cost count counter counts date
    day days decimals disabled enabled errors exists expiration expired expires expiry failed failures hour hours in
    issued issuer kind kinds level limit limits method methods min minute minutes missing mode ms policy present price
    provider quota rate rates ratio required result retries revoked rotated rule rules scheme scope scopes second
    seconds status supply symbol time timeout timestamp tries ts ttl type types updated valid verified version volume
    """)
"""Last words that tell of a secret and do not hold it: `token_count`, `password_changed_at`."""

ASKING = _words("has is needs requires")
"""Words that make a name a yes or no: `has_password`."""

COUNTING = _words("""
    audio available average avg cache cached completion consumed context generated image in input left max mean min n
    num number out output per prompt reasoning remaining sum thinking total used
    """)
"""Words that make `tokens` the pieces of a text or the fill of a bucket: `max_tokens`, `prompt_tokens`."""


def any_of(words: Iterable[str]) -> str:
    """Write an expression that matches each of some words, the longest first.

    Words that begin alike share their beginning, for ``re`` tries alternatives one by one.

    Args:
        words: The words.
    """
    tree: _Tree = {}
    for word in words:
        node = tree
        for character in (*word, ""):
            node = node.setdefault(character, {})
    return _spelled(tree)


def of_bytes(word: str) -> str:
    """Write a word as an expression on bytes of UTF-8, which have a case in ASCII alone.

    Args:
        word: The word in lower case.
    """
    return "".join(re.escape(c) if c.isascii() else f"(?:{c}|{c.upper()})" for c in word)


def _spelled(node: _Tree) -> str:
    branches = [re.escape(character) + _spelled(rest) for character, rest in node.items() if character]
    if len(branches) == len(node) == 1:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if '' in node else ''}" if branches else ""


def shortest(words: Iterable[str]) -> tuple[str, ...]:
    """Give those words that hold no other of them."""
    kept: list[str] = []
    for word in sorted(words, key=len):
        if not any(part in word for part in kept):
            kept.append(word)
    return tuple(kept)


STEMS = shortest({"code", "key", "pass", *SECRET, *SECRET_AT_END, *SECRET_ALONE})
"""One of these stands in the letters of every name that is secret."""

STEM = re.compile(any_of(STEMS))
"""Finds them."""


RUN_TOGETHER = re.compile(
    "|".join(
        [
            rf"(?:{any_of(_KEYS)})s?(?!board|note|pad|stroke|word)",
            rf"(?:{any_of(_CODES)})s?$",
            rf"(?:{any_of(_PASSES)})$",
            r"passwords?(?!less)|passwd|passphrases?|passkeys?|passwort|kennwort|pswd|pwd",
            r"secrets?(?!ar[iy]|e[ds]?$|ing|i[ov]|ory)",
            r"tokens?(?!i[sz][aei]|ized|om|ring)",
            r"authori[sz]ations?|connectionstring|cookies?(?!cutter)|credentials?|creds$|csrf|cvv|jwt|seedphrase",
            r"sess(?:ion)?ids?|signatures?|xsrf",
        ]
    )
)
"""Finds secret words in a word in which several were run together: in `clientsecret`, not in `secretary`."""

ANCHORS = (
    *("answer", "auth", "bearer", "code", "conn", "contrase", "cookie", "cred", "csrf", "cvc", "cvv", "dsn", "jwt"),
    *("kennwort", "key", "mnemonic", "otp", "pass", "pem", "phrase", "pin", "pswd", "pw", "secret", "seed", "senha"),
    *("sess", "sid", "sig", "token", "wachtwoord", "xsrf", "idrsa", "id_rsa", "пароль", "密码"),
)
"""One of these stands in the last word of every secret name as it is written in a text."""

_APART = r"[^A-Za-z\x00]*"
_REST = r"[\w.\x80-\xff-]*"
_LONG_NAMES = "|".join(
    [
        rf"(?:{'|'.join(_KEY_OWNERS.split())}){_APART}keys?",
        rf"(?:{'|'.join(_CODE_OWNERS.split())}){_APART}codes?",
        rf"pass(?:w|{_APART}phrase|{_APART}code|{_APART}key)|sess(?:ion)?{_APART}id|conn(?:ection)?{_APART}str",
        r"secret|token|authori[sz]ation|authentication|csrf|xsrf|cookie|credential|bearer|mnemonic|pswd|pwd|signature",
        rf"senha|contrase|kennwort|wachtwoord|{_APART}phrase|answer|wallet{_APART}seed|id{_APART}rsa|{of_bytes('пароль')}|密码",
        rf"mot{_APART}de{_APART}passe",
    ]
)
_SHORT_NAMES = "auth creds cred cvc cvv dsn jwt oauth otp pass pem pin pw sid sig totp".split()
_IN_CAMELS = "|".join(f"{name.title()}|{name.upper()}" for name in _SHORT_NAMES)

NAME_GATE = (
    rf"(?:(?i:{_LONG_NAMES}){_REST}"
    rf"|(?:(?:[^A-Za-z]|\b)(?i:{'|'.join(_SHORT_NAMES)})|[a-z](?:{_IN_CAMELS}))s?"
    rf"(?i:{_APART}(?:{any_of(CARRIERS)}))*(?:[0-9_.\x80-\xff-]{_REST})?)"
)
"""An expression of RE2 that matches every secret name as it is written in a text."""
