"""Secrets that the words around them give away: ``my password is …``, ``… is your code``, ``curl -u …``."""

from __future__ import annotations

import re

from mdm_redaction.detector import Detector, by_pattern, in_any_case
from mdm_redaction.randomness import is_placeholder, is_wordlike, looks_drawn

_SMALL = re.compile("[a-z]")
_STRONG = re.compile(r"\d.*[A-Z!@#$%^&*+=?~]|[A-Z!@#$%^&*+=?~].*\d")
_SHORTEST_TOLD = 4
_WITHIN_LINE = 150
_LINE_END = re.compile(r"[\n\x00]")


def _is_told(match: re.Match[str]) -> bool:
    value = match[2].rstrip(".,;:!?)")
    if is_wordlike(value) or is_placeholder(value) or len(value) < _SHORTEST_TOLD:
        return False
    # Right behind the word stands rather what is said of passwords: `password SHA-256`.
    return match[1] is None or (_SMALL.search(value) is not None and _STRONG.search(value) is not None)


def _is_drawn(match: re.Match[str]) -> bool:
    return looks_drawn(match[1]) and not match[1].isdigit()


def _is_given(match: re.Match[str]) -> bool:
    line = _LINE_END.split(match.string[max(0, match.start() - _WITHIN_LINE) : match.start()])[-1]
    return any(name in line for name in (("curl",) if match[1] is not None else ("mysql", "sshpass")))


_CODES = (
    r"(?:verification|security|login|log-in|sign-?in|auth|authentication|authorization|one-?time|otp|sms|2fa|mfa|access"
    r"|confirmation|activation|backup|recovery|reset|bestätigungs|sicherheits)[ -]?(?:pass)?code|otp|2fa|one-time pin"
)


def told_detectors() -> list[Detector]:
    """Make the detectors that go by the words around a secret."""
    return [
        Detector(
            "secrets",
            "passwords that a sentence tells",
            in_any_case(
                r"\b(?:p(?:ass(?:word|wort|phrase|code)|wd|in)|kennwort|otp|contrase(?:ñ|n)a|senha|mot de passe"
                r"|wachtwoord)(?:(?::|\s{1,3}(?:is|was|are|ist|lautet|es|est|é|has been set to|to):?)\s{1,3}|(\s))"
                r"(?:\\{0,63}[\"'`])?([^\s\"'`\x00]{4,128})",
                _is_told,
                group=2,
            ),
            gate=r"[^A-Za-z0-9](?i:passw|passphrase|passcode|kennwort|pwd|pin|otp|contrase|senha|passe|wachtwoord)"
            r"[A-Za-z\x80-\xff]*(?::?\s+\S*[0-9!@#$%^&*+=?~]|\s+(?i:is|was|are|ist|lautet|es|est|é|has|to):?\s)",
            literals=(
                *("passw", "passphrase", "passcode", "kennwort", "pwd", "pin", "otp", "contrase", "senha", "passe"),
                "wachtwoord",
            ),
        ),
        Detector(
            "secrets",
            "one-time codes that a message tells",
            in_any_case(
                rf"\b(?:{_CODES})(?:\s{{1,2}}(?:is|was|ist))?:?\s{{1,3}}(?P<code>[a-z]?-?\d[\d -]{{2,8}}\d)(?!\w)",
                group=1,
            ),
            gate=rf"[^A-Za-z0-9](?i:{_CODES})[^0-9\x00]*[0-9]",
            literals=("code", "otp", "2fa", "mfa", "pin"),
        ),
        Detector(
            "secrets",
            "one-time codes that a message begins with",
            in_any_case(
                r"\b(\d{3}[ -]?\d{1,5})\s(?:is|as|ist)\s(?:your|the|ihr|dein)\s"
                rf"[^\x00.\n]{{0,40}}?(?:{_CODES}|code|password|passcode)",
                group=1,
            ),
            gate=r"[0-9]\s(?i:is|as|ist)\s(?i:your|the|ihr|dein)\s",
            literals=("code", "otp", "2fa", "mfa", "pin", "passw", "passcode"),
        ),
        Detector(
            "secrets",
            "long random texts behind a word for a secret",
            in_any_case(
                r"\b(?:tokens?|secrets?|credentials?|api[ _-]?keys?|access[ _-]?keys?|passwords?|passphrase"
                r"|private[ _-]?key)"
                r"(?:\s{1,2}\([^()\x00]{1,40}\))?(?:\s{1,2}(?:is|was|are|of|for [\w-]{1,30} is|used|value|=|:|->))?"
                r"[\s:=>\"'`(]{1,5}([A-Za-z0-9+/_~.=-]{16,2000})",
                _is_drawn,
                group=1,
            ),
            gate=r"[^A-Za-z0-9](?i:(?:token|secret|credential|api[ _-]?key|access[ _-]?key|password|passphrase"
            r"|private[ _-]?key)s?)"
            r"[\s:=>\"'`(][^\x00]*[A-Za-z0-9+/_~.=-]{16}",
            literals=("token", "secret", "credential", "key", "password", "passphrase"),
        ),
        Detector(
            "secrets",
            "passwords given to curl, mysql and sshpass",
            by_pattern(
                r"(?:\s(-u|--user)[ =]?[\"']?[\w.@+-]{1,64}:|\s-p\s?[\"']?)([^\s\"'\x00]{1,200})", _is_given, group=2
            ),
            gate=r"\s-[up]|\s--user",
            literals=("curl", "sshpass", "mysql"),
        ),
        Detector(
            "secrets",
            "passwords in lines of .netrc",
            by_pattern(r"\blogin\s{1,4}\S{1,100}\s{1,4}password\s{1,4}([^\s\x00]{1,128})", group=1),
            gate=r"login\s+\S+\s+password",
            literals=("login",),
        ),
    ]
