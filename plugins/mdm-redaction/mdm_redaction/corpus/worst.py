"""A search for the event of at most 64 KiB that takes longest: it starts with what is known to, and changes that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import attrs
import msgspec

from mdm_redaction.corpus.hostile import PIECES, SIZE

Redact = Callable[[Mapping[str, Any]], Mapping[str, Any]]

_LENGTHS = (3, 7, 12, 30, 100, 500, 3000, 20_000)
_SIZES = (SIZE, SIZE, SIZE // 2, SIZE // 4, SIZE // 4 - 64, SIZE // 16)
_KEYS = ("a", "phone", "card_number", "ssn", "key", "email", "value", "note", "clientId")
_CHARACTERS = "aAzZ019 -_.:/@=+\"'\\%&<>()[]{}$#,;\n\x00éß＠😀"
_KEPT = 12
_MOST_PIECES = 8
_TRIES = 2


def _one_text(text: str, _: Recipe) -> dict[str, Any]:
    return {"text": text}


def _texts(text: str, recipe: Recipe) -> dict[str, Any]:
    return {"a": _cut(text, recipe.length)}


def _keys(text: str, recipe: Recipe) -> dict[str, Any]:
    return dict.fromkeys(_cut(text, recipe.length), 1)


def _under_keys(text: str, recipe: Recipe) -> dict[str, Any]:
    return {"a": [{recipe.key: part} for part in _cut(text, recipe.length)]}


def _in_json(text: str, recipe: Recipe) -> dict[str, Any]:
    return {"a": json.dumps(_cut(text, recipe.length))}


def _keys_in_json(text: str, recipe: Recipe) -> dict[str, Any]:
    return {"a": json.dumps(_keys(text, recipe))}


def _cut(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


_SHAPES: Mapping[str, Callable[[str, Recipe], dict[str, Any]]] = {
    "one text": _one_text,
    "texts": _texts,
    "keys": _keys,
    "texts under a key": _under_keys,
    "texts in JSON": _in_json,
    "keys in JSON": _keys_in_json,
}


@attrs.frozen
class Recipe:
    """How to make an event.

    Attributes:
        pieces: What its text is made of.
        ordered: Whether they follow one another as they stand here, else they are drawn.
        shape: What the text becomes in the event, of ``_SHAPES``.
        length: Characters of each text, if there are several.
        key: Under what they stand, if it is under keys.
        size: Bytes of the event, at most.
    """

    pieces: tuple[str, ...]
    ordered: bool = False
    shape: str = "one text"
    length: int = 30
    key: str = "a"
    size: int = SIZE

    def event(self, r: Random) -> dict[str, Any]:
        """Make an event."""
        least = max(1, min(len(piece.encode("utf-8", "surrogatepass")) for piece in self.pieces))
        pieces = r.choices(self.pieces, k=self.size // least + 1)
        if self.ordered:
            start = r.randrange(len(self.pieces))
            pieces = [*self.pieces[start:], *self.pieces * (self.size // sum(map(len, self.pieces)) + 1)]
        text = "".join(pieces)[: self.size].encode("utf-8", "surrogatepass")[: self.size].decode("utf-8", "ignore")
        event = _SHAPES[self.shape](text, self)
        size = len(msgspec.json.encode(event))
        return event if size <= self.size else _SHAPES[self.shape](text[: len(text) * self.size // size], self)

    def changed(self, r: Random) -> Recipe:
        """Change one thing."""
        change = r.randrange(12)
        if change == 0:
            return attrs.evolve(self, shape=r.choice([*_SHAPES]))
        if change == 1:
            return attrs.evolve(self, length=r.choice(_LENGTHS), key=r.choice(_KEYS))
        if change == 2:
            return attrs.evolve(self, ordered=not self.ordered)
        if change == 3:
            return attrs.evolve(self, size=r.choice(_SIZES))
        return attrs.evolve(self, pieces=tuple(_changed(list(self.pieces), r)))


def _changed(pieces: list[str], r: Random) -> list[str]:
    place = r.randrange(len(pieces))
    change = r.randrange(5)
    if change == 0 and len(pieces) < _MOST_PIECES:
        return [*pieces[:place], r.choice(PIECES), *pieces[place:]]
    if change == 1 and len(pieces) > 1:
        return [*pieces[:place], *pieces[place + 1 :]]
    if change == 2:
        pieces[place] = r.choice(PIECES)
    elif change == 3:
        pieces[place] += r.choice((r.choice(PIECES), pieces[place]))[:60]
    else:
        at = r.randrange(len(pieces[place]) + 1)
        pieces[place] = pieces[place][:at] + r.choice(_CHARACTERS) + pieces[place][at + r.randrange(2) :]
    return pieces


def hunt(redact: Redact, r: Random, seconds: float) -> Iterator[tuple[float, Recipe]]:
    """Search for the event that takes longest, by hill climbing from the worst of the pieces alone and in mixtures.

    Each time is the least of several events of one recipe, each seen for the first time.

    Args:
        redact: The redactor.
        r: The generator.
        seconds: How long to search, in processor time.

    Yields:
        Processor time in seconds and recipe, each time that a worse one was found.
    """
    first = [Recipe((piece,)) for piece in PIECES]
    first += [
        Recipe(tuple(r.choices(PIECES, k=r.randint(2, 6))), r.random() < 0.3, r.choice([*_SHAPES])) for _ in PIECES
    ]
    kept = sorted(((_seconds(redact, recipe, r), n, recipe) for n, recipe in enumerate(first)), reverse=True)[:_KEPT]
    yield kept[0][0], kept[0][2]
    end, tries = time.process_time() + seconds, 0
    while time.process_time() < end:
        tries, slot = tries + 1, r.randrange(len(kept))
        recipe = kept[slot][2].changed(r)
        took = _seconds(redact, recipe, r)
        if took > kept[slot][0]:
            worst = max(kept)[0]
            kept[slot] = (took, -tries, recipe)
            if took > worst:
                yield took, recipe


def _seconds(redact: Redact, recipe: Recipe, r: Random) -> float:
    return min(_once(redact, recipe.event(r)) for _ in range(_TRIES))


def _once(redact: Redact, event: dict[str, Any]) -> float:
    started = time.process_time()
    redact(event)
    return time.process_time() - started
