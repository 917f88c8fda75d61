"""Credentials that are known by their form, wherever they stand: keys in PEM, tokens, headers, URLs, hashes."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from string import ascii_letters, digits
from urllib.parse import unquote

from mdm_redaction.detector import SEPARATOR, Detector, Span, at_word, begins, by_pattern, in_any_case
from mdm_redaction.randomness import is_placeholder, is_wordlike, looks_drawn, looks_mixed, looks_random

_LONGEST_PEM = 20_000
_LONG = 16
_SCHEMES = "bearer|basic|negotiate|token|apikey|api-key|key|ssws|genie-?key"
_BEFORE_HOST = re.compile(r"@(?=[\w\[])")
_LONGEST_LOGIN = 400
_NO_LOGIN = re.compile(r"[\s\"'<>\x00]|@[^@]{0,400}[/?]")
_PORT = re.compile(r"\d{1,5}[/?#]")
_PEM_HEAD = re.compile(
    r"-{4,5}[ +]?BEGIN[ +0-9A-Z]{1,60}PRIVATE[ +]{1,2}KEY[ +0-9A-Z]{0,12}-"
    r"|PuTTY-User-Key-File-\d",
    re.ASCII,
)
_PEM_END = re.compile(r"-{4,5}[ +]?END[^\x00\r\n-]{0,80}-{4,5}|Private-MAC: ?\w+")


def _pem_keys(text: str) -> Iterator[Span | None]:
    position = 0
    while (head := _PEM_HEAD.search(text, position)) is not None:
        limit = text.find(SEPARATOR, head.end())
        limit = min(len(text) if limit < 0 else limit, head.end() + _LONGEST_PEM)
        end = _PEM_END.search(text, head.end(), limit)
        # A key that is cut off has no end, and everything behind its beginning may belong to it.
        position = limit if end is None else end.end()
        yield head.start(), position


def _is_basic(match: re.Match[str]) -> bool:
    text = unquote(match[2])
    try:
        decoded = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded


def _is_credential(match: re.Match[str]) -> bool:
    scheme, value = match[1].lower(), match[2]
    if not begins(match.string, match.start()):
        return False
    if scheme == "basic":
        return _is_basic(match) or looks_random(value)
    if scheme in ("key", "token"):
        return looks_random(value) or (looks_drawn(value) and looks_mixed(value) and scheme == "token")
    return looks_mixed(value) or (len(value) >= _LONG and not is_wordlike(value))


def _url_credentials(text: str) -> Iterator[Span | None]:
    for match in _BEFORE_HOST.finditer(text):
        end = match.start()
        start = text.rfind("://", max(0, end - _LONGEST_LOGIN), end) + 3
        yield _login_span(text, start, end) if start > 2 else None


def _login_span(text: str, start: int, end: int) -> Span | None:
    """What is secret of what stands between ``://`` and an ``@``."""
    login = text[start:end]
    if _NO_LOGIN.search(login):
        return None
    user, colon, password = login.partition(":")
    if "/" in user or "?" in user:
        return None
    if looks_drawn(user) and looks_mixed(user):
        return start, end
    if not colon:
        return None
    # In `http://host:8080/@ann` the colon is that of a port.
    if not password or _PORT.match(password) or is_placeholder(password):
        return None
    return start + len(user) + 1, end


def _is_bot(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    return (begins(text, start) or text[start - 3 : start] == "bot") and looks_random(match[1])


_AZURE = re.compile(r"[78]Q~(?=[A-Za-z0-9_~.-]{31})|\+AS[te][A-Z]|AzFu|AzCa|ACDB|ACRs|JQQJ99|AZDO")
_AZURE_ALPHABET = ascii_letters + digits + "+/=_~.-"
_AZURE_SHORTEST, _AZURE_LONGEST = 32, 100


def _azure_keys(text: str) -> Iterator[Span | None]:
    for match in _AZURE.finditer(text):
        before = text[max(0, match.start() - _AZURE_LONGEST) : match.start()]
        after = text[match.end() : match.end() + _AZURE_LONGEST]
        start = match.start() - len(before) + len(before.rstrip(_AZURE_ALPHABET))
        end = match.end() + len(after) - len(after.lstrip(_AZURE_ALPHABET))
        fits = _AZURE_SHORTEST <= end - start <= _AZURE_LONGEST and looks_random(text[start:end])
        yield (start, end) if fits else None


def credential_detectors() -> list[Detector]:
    """Make the detectors of credentials that need no name beside them."""
    return [
        Detector(
            "secrets",
            "private keys in PEM, PGP and PuTTY form, also cut off",
            _pem_keys,
            gate=r"PRIVATE[ +]+KEY|PuTTY-User-Key-File",
            literals=("private key", "private+key", "putty-user-key-file"),
        ),
        Detector(
            "secrets",
            "JSON web tokens and other tokens of base64 parts",
            by_pattern(
                r"(?:eyJ|eyA|ewo)(?<![A-Za-z0-9_-]...)[A-Za-z0-9_-]{6,8000}\.[A-Za-z0-9_-]{2,16000}"
                r"(?:\.[A-Za-z0-9_-]{0,16000}){0,3}",
                lambda match: len(match.group()) >= 24,
            ),
            gate=r"[^A-Za-z0-9_-](?:eyJ|eyA|ewo)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]",
            literals=("eyj", "eya", "ewo"),
        ),
        Detector(
            "secrets",
            "credentials in authorization headers: bearer, basic and other schemes",
            in_any_case(
                rf"({_SCHEMES})(?:[ \t]|\+|%20|\\t){{1,3}}[\"']?"
                r"([A-Za-z0-9._~+/=:%$!-]{8,8000})",
                _is_credential,
                group=2,
            ),
            gate=rf"[^A-Za-z0-9](?i:{_SCHEMES})(?:[ \t+]|%20|\\t)+[\"']?[A-Za-z0-9._~+/=:%$!-]{{8}}",
            literals=("bearer", "basic", "negotiate", "token", "api", "key", "ssws", "genie"),
            leading=True,
        ),
        Detector(
            "secrets",
            "passwords and tokens in URLs and connection strings: scheme://user:password@host",
            _url_credentials,
            gate=r"://[^\s/\"'<>\x00]*:[^\s\"'<>\x00]+@|://[A-Za-z0-9_.~%+-]{16,}@",
            literals=("://",),
        ),
        Detector(
            "secrets",
            "URLs of Slack, Discord, Teams and Zapier webhooks",
            in_any_case(
                r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks"
                r"|webhook\.office\.com/webhookb2|hooks\.zapier\.com/hooks/catch)/([A-Za-z0-9_/@.-]{8,400})",
                group=1,
            ),
            gate=r"(?i:hooks\.slack\.com/|/webhooks/|webhook\.office\.com/|hooks\.zapier\.com/)",
            literals=("hooks.slack.com/", "webhooks/", "webhook.office.com/", "hooks.zapier.com/"),
        ),
        Detector(
            "secrets",
            "Telegram bot tokens",
            by_pattern(r"(\d{6,12}+:[A-Za-z0-9_-]{32,40}+)(?![A-Za-z0-9_-])", _is_bot, group=1),
            gate=r"[0-9]{6}:[A-Za-z0-9_-]{16}",
            literals=(":",),
        ),
        Detector(
            "secrets",
            "Discord bot tokens",
            by_pattern(r"[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,44}", at_word),
            gate=r"[^A-Za-z0-9][MNO][A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{8}",
            literals=(".",),
        ),
        Detector(
            "secrets",
            "Mailchimp keys",
            by_pattern(r"[0-9a-f]{32}-us\d{1,2}(?!\w)", at_word),
            gate=r"[0-9a-f]{3}-us[0-9]",
            literals=("-us",),
        ),
        Detector(
            "secrets",
            "Azure client secrets and keys with a checksum mark",
            _azure_keys,
            gate=r"[78]Q~[A-Za-z0-9_~.-]{8}|\+AS[te][A-Z]|AzFu|AzCa|ACDB|ACRs|JQQJ99|AZDO",
            literals=("q~", "+ast", "+ase", "azfu", "azca", "acdb", "acrs", "jqqj99", "azdo"),
        ),
        Detector(
            "secrets",
            "hashed passwords: crypt, bcrypt, Argon2, PBKDF2, scrypt, LDAP",
            by_pattern(
                r"\$(?:2[abxy]?|5|6|7|y|gy|1|apr1|md5|sha1|argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha\d{1,3})?|bcrypt-sha256|P|H|S)"
                r"\$[A-Za-z0-9./$=,+_-]{20,400}"
                r"|(?:pbkdf2|argon2|bcrypt|scrypt|md5|sha1)_?(?:sha1|sha256|sha512|id)?\$[A-Za-z0-9./$=,+_-]{24,400}"
                r"|\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[A-Z0-9-]{0,10})\}[A-Za-z0-9./$=,+_-]{16,400}",
            ),
            gate=r"\$[0-9A-Za-z-]+\$[A-Za-z0-9./$=,+_-]{8}"
            r"|[0-9a-z]\$[A-Za-z0-9./$=,+_-]{8}|\{(?:S?SHA|S?MD5|CRYPT|PBKDF2)[A-Z0-9-]*\}",
            literals=("$", "{s", "{m", "{crypt", "{pbkdf2"),
        ),
        Detector(
            "secrets",
            "signatures and credentials in signed URLs of AWS and Google Cloud",
            in_any_case(
                r"(?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid)"
                r"(?:=|%3d)([^&\s\"'<>\x00]{8,3000})",
                group=1,
            ),
            gate=r"(?i:X-Amz-|X-Goog-|AWSAccessKeyId)",
            literals=("x-amz-", "x-goog-", "awsaccesskeyid"),
        ),
    ]
