"""Hiding by value: one quick look at data of any shape, and a careful walk where that look was not enough."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mdm_redaction.classifier import MAX_KEY
from mdm_redaction.detector import SEPARATOR, Detector
from mdm_redaction.doubts import Doubts
from mdm_redaction.marks import MASK, Mark, is_marks
from mdm_redaction.named import Fits, Named
from mdm_redaction.scanner import Scanner
from mdm_redaction.walk import MAX_DEPTH, Walk, marked

MAX_NUMBER = 10**40
"""Whole numbers from this on are nobody's."""

_REMEMBERED = 8192
_LONG = 4096
_NAMES = 16_384
_FEW = range(MAX_DEPTH)
# What core itself calls things. They are looked up, not looked through.
_CORE_KEYS = (
    *("run_id", "step", "input", "external", "mdm", "final_action", "latency_ms", "mismatch", "schema_version"),
    *("action", "confidence", "reasons", "params", "features_summary", "features", "allowed", "flags", "reason_codes"),
    *("event", "at", "reference", "position", "reason", "excerpt"),
)
_HOLDS_JSON = re.compile(r"\x00\s{0,20}(?:\{\s{0,20}[\"}]|\[\s{0,20}[\[{\"]|\"\s{0,20}[\[{])")
_NAME_KEYS = frozenset({"name", "key", "header", "field", "param", "parameter", "property", "variable", "label"})
_VALUE_KEYS = frozenset({"value", "val", "content", "data", "values"})


class Engine:
    """Hides what detectors find in the texts of data, and what stands under keys that give it away.

    Args:
        hides: Tells of a key whether it names a secret.
        named: Tells of a key what a value under it would be.
        doubts: Tells which keys the two need not be asked about.
        groups: What is looked for in texts, in groups.
        mark: What stands in the place of something hidden.
        smallest_number: Whole numbers from this on are looked through like texts.
    """

    def __init__(
        self,
        hides: Callable[[str], bool],
        named: Named,
        doubts: Doubts,
        groups: Sequence[Sequence[Detector]],
        mark: Mark,
        smallest_number: int,
    ) -> None:
        self.hides = hides
        self.named = named
        self._doubts = doubts
        self.mark = mark
        self.smallest_number = smallest_number
        self._scanner = Scanner(groups, mark)
        self._clean_keys = set(_CORE_KEYS)
        self._clean_texts: set[str] = set()

    def redact(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Hide what must not be written.

        Args:
            data: A mapping, not changed.

        Returns:
            ``data`` itself if there is nothing to hide; else a dict that shares with it what needed no change.
        """
        try:
            texts: list[str] = []
            keys: list[str] = []
            if self._is_plain(data, texts, keys) and (not (texts or keys) or self._are_clean(texts, keys)):
                return data
            redacted: Mapping[str, Any] = self._walked(data)
        except Exception:
            return {"redaction": MASK}
        return redacted

    def _is_plain(self, data: Mapping[str, Any], texts: list[str], keys: list[str]) -> bool:
        """Look at data that is plain and not deep, which is what nearly all data is.

        Args:
            data: The data.
            texts: Takes the texts that are not known to be clean.
            keys: Takes the keys that are not.

        Returns:
            False if there is something to hide already, or if it takes a walk to tell.
        """
        found: list[Any] = [data]
        add, text, clean = found.append, texts.append, self._clean_texts
        has_clean_keys, smallest = self._clean_keys.issuperset, self.smallest_number
        for container, _ in zip(found, _FEW, strict=False):  # there may be a ring of them
            values: Iterable[Any] = container
            if isinstance(container, dict):
                if not has_clean_keys(container) and not self._are_harmless(container, texts, keys):
                    return False
                values = container.values()
            elif type(container) is not list and type(container) is not tuple:
                return False
            for value in values:
                kind = type(value)
                if kind is float:
                    pass
                elif kind is str:
                    if value not in clean:
                        text(value)
                elif kind is int:
                    if smallest <= value < MAX_NUMBER:
                        text(str(value))
                elif value is not None and kind is not bool:
                    add(value)
        return len(found) <= MAX_DEPTH

    def _are_harmless(self, data: Mapping[Any, Any], texts: list[str], keys: list[str]) -> bool:
        unknown = [key for key in data if key not in self._clean_keys]
        if any(key.__class__ is not str for key in unknown) or sum(map(len, (*unknown, *keys, *texts))) > _LONG:
            return False
        for key in unknown:
            if key.lower() in _VALUE_KEYS:
                if _named(data, self.hides):
                    return False
            elif self.hides(key):
                return False
            elif (fits := self.named(key)) is None:
                keys.append(key)
            elif _fitting(data[key], fits) is not None:
                return False
            elif key not in self._clean_texts:
                texts.append(key)
        return True

    def _are_clean(self, texts: list[str], keys: list[str]) -> bool:
        joined = SEPARATOR.join(["", *texts, *keys, ""])
        if len(joined) > _LONG or _HOLDS_JSON.search(joined) or not self._scanner.is_clean(joined):
            return False
        self._remember(texts, keys)
        return True

    def _remember(self, texts: Iterable[str], keys: Iterable[str]) -> None:
        if len(self._clean_texts) > _REMEMBERED:
            self._clean_texts.clear()
        if len(self._clean_keys) > _REMEMBERED:
            self._clean_keys.intersection_update(_CORE_KEYS)
        self._clean_texts.update(texts)
        self._clean_keys.update(keys)

    def _walked(self, data: Mapping[str, Any]) -> Any:
        gathering = _Gathering(self)
        gathered = gathering.clean(data)
        harmless, late = self._judged(gathering.keys)
        texts = (gathering.texts | gathering.keys.keys()) - self._clean_keys - self._clean_texts
        changed = self._scanner.changed(texts)
        if not changed and not gathering.tells and len(harmless) == len(gathering.keys) and gathered is data:
            return data
        return _Replacing(self, changed, harmless, late).clean(data)

    def _judged(self, keys: Collection[str]) -> tuple[set[str], set[str]]:
        """Tell which keys name nothing, and which there is no time to look at."""
        harmless = self._doubts.harmless(keys)
        doubtful = [key for key in keys if key not in harmless]
        late = self._doubts.too_many(doubtful, sum(map(len, keys)))
        harmless.update(key for key in doubtful if key not in late and self._says_nothing(key))
        return {key for key in harmless if key.lower() not in _VALUE_KEYS}, late

    def _says_nothing(self, key: str) -> bool:
        return self.named(key) is None and not self.hides(key)


class _TextWalk(Walk):
    """A walk that follows also the texts that hold JSON, and puts a text in the place of each text."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def text(self, text: str) -> str:
        raise NotImplementedError

    def leaf(self, value: Any, depth: int) -> Any:
        kind = value.__class__
        if kind is str:
            return self._string(value, depth)
        if kind is int:
            return self._number(value)
        if isinstance(value, str):
            return self._of_text(value, str.__str__(value), depth)
        if isinstance(value, bytes | bytearray):
            return self._of_text(value, value.decode("latin-1"), depth)
        return value

    def _of_text(self, value: Any, text: str, depth: int) -> Any:
        new = self._string(text, depth)
        return value if new == text else new

    def _number(self, value: int) -> Any:
        if not self._engine.smallest_number <= value < MAX_NUMBER:
            return value
        plain = str(value)
        new = self.text(plain)
        return value if new == plain else new

    def _string(self, text: str, depth: int) -> str:
        decoded = _decoded(text)
        if decoded is None:
            new = self.text(text)
            # What was no JSON before must not be looked through as such the next time.
            return new if new is text or _decoded(new) is None else MASK
        cleaned = self.clean(decoded, depth + 1)
        return text if cleaned is decoded else msgspec.json.encode(cleaned).decode()


def _decoded(text: str) -> Any:
    """What a text holds in JSON; None if that is no container, or a text that holds one."""
    start = text.lstrip()[:1]
    if not start or start not in '{["':
        return None
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    return decoded if isinstance(decoded, dict | list | str) else None


class _Gathering(_TextWalk):
    """Collects the texts, and whether there is a key that tells of its value."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.texts: set[str] = set()
        self.keys: dict[str, None] = {}
        self.tells = False

    def text(self, text: str) -> str:
        self.texts.add(text)
        return text

    def entry(self, key: Any, value: Any, depth: int) -> tuple[Any, Any] | None:
        if key.__class__ is str:
            self.keys[key] = None
        else:
            self.tells = self.tells or self._engine.hides(key)
        return key, self.clean(value, depth)


class _Replacing(_TextWalk):
    """Puts in the place of each text, and of what stands under a key that gives it away, what may be written."""

    def __init__(self, engine: Engine, changed: Mapping[str, str], harmless: set[str], late: set[str]) -> None:
        super().__init__(engine)
        self._changed = changed
        self._harmless = harmless
        self._late = late
        self._names_left = _NAMES

    def text(self, text: str) -> str:
        return self._changed.get(text, text)

    def fields(self, value: Any, depth: int) -> Any:
        named = _named(value, self._hides_name) if isinstance(value, Mapping) else None
        if named is None:
            return super().fields(value, depth)
        shown = {key: marked(item, self._engine.mark) if key in named else item for key, item in value.items()}
        changed = any(shown[key] is not item for key, item in value.items())
        redacted = super().fields(shown, depth)
        return redacted if changed or redacted is not shown else value

    def _hides_name(self, name: str) -> bool:
        self._names_left -= min(len(name), MAX_KEY)
        return self._names_left < 0 or self._engine.hides(name)

    def entry(self, key: Any, value: Any, depth: int) -> tuple[Any, Any] | None:
        new_key = self.text(key) if key.__class__ is str else key
        harmless = key.__class__ is str and key in self._harmless
        if not harmless and (key in self._late or self._engine.hides(key)):
            return new_key, marked(value, self._engine.mark)
        fits = self._engine.named(key) if key.__class__ is str and not harmless else None
        if fits is not None and (normal := _fitting(value, fits)) is not None:
            return new_key, self._engine.mark(normal)
        cleaned = self.clean(value, depth)
        # What is left of a text may look the part that the text did not look.
        if fits is not None and cleaned is not value and (normal := _fitting(cleaned, fits)) is not None:
            return new_key, self._engine.mark(normal)
        if cleaned is not value and key.__class__ is str and self._engine.named.keeps(key, value):
            return new_key, value
        return new_key, cleaned


def _fitting(value: Any, fits: Fits) -> str | None:
    kind = value.__class__
    if kind is float and value.is_integer():
        value = int(value)
    if kind not in (str, int, float) or (kind is not str and abs(value) > MAX_NUMBER):
        return None
    text = str(value)
    return None if is_marks(text) else fits(text)


def _named(value: Mapping[Any, Any], hides: Callable[[str], bool]) -> set[Any] | None:
    """The keys of what is secret by a name that stands beside it: ``{"name": "X-Api-Key", "value": "…"}``."""
    under = {key for key in value if _lower(key) in _VALUE_KEYS}
    if not under:
        return None
    names = (item for key, item in value.items() if _lower(key) in _NAME_KEYS and item.__class__ is str)
    return under if any(map(hides, names)) else None


def _lower(key: Any) -> Any:
    return key.lower() if key.__class__ is str else key
