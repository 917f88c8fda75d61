"""The component ``redaction.keys``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from mdm_core import Redactor, option

from mdm_redaction.classifier import Classifier, Verdicts
from mdm_redaction.marks import MODES, Mark, marking
from mdm_redaction.walk import KeyWalk, is_clean
from mdm_redaction.words import names_in, normal_form


def each_a_name(keys: list[str]) -> None:
    """Refuse names to hide that are none."""
    for key in keys:
        if len(names_in(key)) != 1 or not normal_form(key):
            raise ValueError(f"{key!r} is no single name; give a name such as 'badge_no', without dots")


def each_a_key(keys: list[str]) -> None:
    """Refuse keys to keep that are none."""
    for key in keys:
        if not normal_form(key):
            raise ValueError(f"{key!r} has no letter or digit; give a key such as 'oauth.token_id'")


@attrs.define
class KeyRedactor(Redactor):
    """Hides the values of keys that name a secret, at any depth and whatever their case and separators."""

    mode: str = option(
        "mask", choices=MODES, help="put [REDACTED] in a secret's place, leave it out, or put a token there"
    )
    extra: list[str] = option([], check=each_a_name, help="further names to hide, such as 'badge_no'")
    keep: list[str] = option([], check=each_a_key, help="keys that are never hidden; they win over `extra`")
    token_key: str | None = option(None, secret=True, help="key of the tokens, at least 16 random characters")
    _hidden: Verdicts = attrs.field(init=False, repr=False, eq=False)
    _mark: Mark = attrs.field(init=False, repr=False, eq=False)

    @_hidden.default
    def _new_verdicts(self) -> Verdicts:
        return Verdicts(Classifier(self.extra, self.keep))

    @_mark.default
    def _new_mark(self) -> Mark:
        return marking(self, self.mode, self.token_key)

    @property
    def hides(self) -> Callable[[str], bool] | None:
        """Tells of a key whether its value is masked; None in the other modes, where masking would not do."""
        return self._hidden.__getitem__ if self.mode == "mask" else None

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what must not be written.

        Args:
            data: A mapping, not changed. Of attrs classes, data classes, structs and named tuples in it the fields
                are taken as keys.

        Returns:
            ``data`` itself if there is nothing to hide; else a dict that shares with it what needed no change. What
            lies deeper than 100 containers, and a container inside itself, is masked.
        """
        if is_clean(data, self._hidden):
            return data
        walk = KeyWalk(self._hidden, None if self.mode == "drop" else self._mark)
        redacted: Mapping[str, Any] = walk.clean(data)
        return redacted


_DEFAULT = KeyRedactor()


def redact(data: dict[str, Any]) -> dict[str, Any]:
    """Mask the values of all keys that name a secret.

    Args:
        data: A dict; it is not changed.

    Returns:
        ``data`` itself if there is nothing to hide; else a copy that shares with it what needed no change.
    """
    return _DEFAULT.redact(data)  # type: ignore[return-value]
