"""The components that hide by value as well: ``redaction.secrets``, ``redaction.personal``, ``redaction.standard``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs
from mdm_core import Redactor, option

from mdm_redaction.assignments import assignment_detectors
from mdm_redaction.classifier import Classifier, Verdicts
from mdm_redaction.credentials import credential_detectors
from mdm_redaction.detector import Detector
from mdm_redaction.doubts import Doubts
from mdm_redaction.engine import MAX_NUMBER, Engine
from mdm_redaction.formats import format_detectors
from mdm_redaction.keys import each_a_key, each_a_name
from mdm_redaction.marks import Mark, marking
from mdm_redaction.named import Named
from mdm_redaction.personal import KINDS, personal_detectors
from mdm_redaction.told import told_detectors
from mdm_redaction.vocabulary import STEMS

_MODES = ("mask", "tokens")
_MODE = "put [REDACTED] in the place of what is hidden, or a token"
_TOKEN_KEY = "key of the tokens, at least 16 random characters"
_EXTRA = "further names of keys to hide, such as 'badge_no'"
_KEEP = "keys that are never hidden; they win over `extra`"
_SMALLEST_CARD = 10**13


def detectors(
    kinds: Collection[str], hides: Callable[[str], bool], extra: Collection[str] = ()
) -> list[list[Detector]]:
    """List the detectors of some kinds.

    Args:
        kinds: ``secrets`` and kinds of personal data.
        hides: Tells of a key whether it names a secret.
        extra: Names that are secret for this user alone.

    Returns:
        Groups of detectors: of secrets, and of personal data.
    """
    if "secrets" not in kinds:
        return [personal_detectors(kinds)]
    by_form = [*credential_detectors(), *format_detectors(), *told_detectors()]
    return [[*by_form, *assignment_detectors(hides, extra)], personal_detectors(kinds)]


def _by_keys_too(kinds: Collection[str], extra: list[str], keep: list[str], mark: Mark) -> Engine:
    hides, named = Verdicts(Classifier(extra, keep)).__getitem__, Named(kinds)
    doubts = Doubts([*STEMS, *named.stems, *extra])
    return Engine(hides, named, doubts, detectors(kinds, hides, extra), mark, _smallest_number(kinds))


def _smallest_number(kinds: Collection[str]) -> int:
    return _SMALLEST_CARD if "card" in kinds else MAX_NUMBER


def _nothing(_: object) -> bool:
    return False


def _some(kinds: list[str]) -> None:
    if not kinds:
        raise ValueError(f"is empty, so nothing would be hidden; name some of {', '.join(map(repr, KINDS))}")


@attrs.define
class SecretsRedactor(Redactor):
    """Hides secrets: what stands under keys that name one, and what has the form of one, wherever it stands."""

    mode: str = option("mask", choices=_MODES, help=_MODE)
    extra: list[str] = option([], check=each_a_name, help=_EXTRA)
    keep: list[str] = option([], check=each_a_key, help=_KEEP)
    token_key: str | None = option(None, secret=True, help=_TOKEN_KEY)
    _engine: Engine = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        mark = marking(self, self.mode, self.token_key)
        self._engine = _by_keys_too(("secrets",), self.extra, self.keep, mark)

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what must not be written.

        Args:
            data: A mapping, not changed.

        Returns:
            ``data`` itself if there is nothing to hide; else a dict that shares with it what needed no change.
        """
        return self._engine.redact(data)


@attrs.define
class PersonalRedactor(Redactor):
    """Hides personal data of the kinds that are named, wherever it stands."""

    kinds: list[str] = option(choices=KINDS, check=_some, help="the kinds to hide")
    mode: str = option("mask", choices=_MODES, help=_MODE)
    token_key: str | None = option(None, secret=True, help=_TOKEN_KEY)
    _engine: Engine = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        mark, groups = marking(self, self.mode, self.token_key), detectors(self.kinds, _nothing)
        named = Named(self.kinds)
        self._engine = Engine(_nothing, named, Doubts(named.stems), groups, mark, _smallest_number(self.kinds))

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what must not be written, as ``SecretsRedactor.redact`` does."""
        return self._engine.redact(data)


@attrs.define
class StandardRedactor(Redactor):
    """Hides secrets by key and by value, and personal data of the kinds that are named, in one pass."""

    personal: list[str] = option([], choices=KINDS, help="kinds of personal data to hide as well")
    mode: str = option("mask", choices=_MODES, help=_MODE)
    extra: list[str] = option([], check=each_a_name, help=_EXTRA)
    keep: list[str] = option([], check=each_a_key, help=_KEEP)
    token_key: str | None = option(None, secret=True, help=_TOKEN_KEY)
    _engine: Engine = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        mark = marking(self, self.mode, self.token_key)
        self._engine = _by_keys_too(("secrets", *self.personal), self.extra, self.keep, mark)

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what must not be written, as ``SecretsRedactor.redact`` does."""
        return self._engine.redact(data)
