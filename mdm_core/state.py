"""Keyed state: what a component remembers per key, owned by core.

Core owns it so that eviction, snapshots, exports and copies work the same for every component, and so that a
component's author writes ``self.states[context.key]`` and nothing else.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast, get_args, get_type_hints

import attrs
import msgspec

Key: TypeAlias = str | int | None
Veil: TypeAlias = Callable[[Key], bytes]
S = TypeVar("S")

_PackedKey: TypeAlias = int | bytes | list[bytes] | None

_FORMAT = b"\x01"
_STATE = "mdm.state"


class KeyedState(Generic[S]):
    """A mapping from key to state that makes a missing state and forgets the least recently used one.

    ``states[None]`` is the state of global scope; it is never evicted and does not count.

    Args:
        factory: The state's type, called without arguments for a key that is new.
        max_keys: How many keys are remembered, at least 1.

    Raises:
        TypeError: A part of the state would not be saved.
        ValueError: ``max_keys`` is less than 1.

    Attributes:
        max_keys: How many keys are remembered.
        evicted: How many keys were forgotten so far.
    """

    __slots__ = ("_decode", "_encode", "_factory", "_states", "_veil", "evicted", "max_keys")

    def __init__(self, factory: type[S], max_keys: int = 100_000) -> None:
        _refuse_private_fields(factory, set())
        if max_keys < 1:
            raise ValueError(f"keyed state {factory.__name__}: max_keys must be at least 1, got {max_keys!r}")
        self._factory: Callable[[], S] = factory
        # Restored from a checkpoint, a state stands under the veil of its key, encoded, until the key is seen again.
        self._states: OrderedDict[Key | bytes, Any] = OrderedDict()
        self._veil: Veil | None = None
        self._encode = msgspec.msgpack.Encoder(enc_hook=_to_builtin).encode
        self._decode: Callable[[bytes], S] = msgspec.msgpack.Decoder(factory, dec_hook=_from_builtin).decode
        self.max_keys = max_keys
        self.evicted = 0

    def __getitem__(self, key: Key) -> S:
        states = self._states
        state = states.get(key)
        if state is None:
            return self._make(key)
        states.move_to_end(key)
        return state  # type: ignore[no-any-return]

    def __contains__(self, key: Key) -> bool:
        return self.peek(key) is not None

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[Key]:
        """The keys that were seen, the least recently used first; those under a veil are not known."""
        return (key for key in self._states if not isinstance(key, bytes))

    def peek(self, key: Key) -> S | None:
        """Look at a key's state without making it and without counting as a use."""
        state: S | None = self._states.get(key)
        return state if state is not None or self._veil is None else self._unveiled(self._veil(key))

    def export(self, key: Key) -> bytes:
        """Encode the state of one key.

        Args:
            key: A key that is remembered.

        Returns:
            Versioned bytes that ``load`` takes.

        Raises:
            KeyError: The key is not remembered.
        """
        state = self.peek(key)
        if state is None:
            raise KeyError(key)
        return _FORMAT + self._encode(state)

    def load(self, key: Key, data: bytes) -> None:
        """Set the state of one key from the bytes of ``export``, bit for bit.

        Args:
            key: The key.
            data: What ``export`` gave.

        Raises:
            ValueError: The bytes are of another version or do not fit the state's type.
        """
        self._drop_veiled(key)
        self._states[key] = self._read(data)
        self._states.move_to_end(key)
        self._evict()

    def replace(self, key: Key, data: bytes) -> None:
        """Set the state of a key that is remembered, bit for bit, without counting as a use of it.

        Args:
            key: The key.
            data: What ``export`` gave.
        """
        place = key if key in self._states or self._veil is None else self._veil(key)
        self._states[place] = self._read(data)

    def put_back(self, key: Key, data: bytes | None) -> None:
        """Undo what was done to a key's state, and count as a use of the key, whether it was used or not.

        Args:
            key: The key.
            data: What ``export`` gave before; None if the key was not remembered.
        """
        if key is None and data is None:
            self._states.pop(None, None)
            return
        self[key]  # so that which keys are forgotten does not depend on how far it came
        self._states[key] = self._factory() if data is None else self._read(data)

    def snapshot(self, veil: Veil | None = None) -> bytes:
        """Encode all states, in their order of use, and the count of evictions.

        Args:
            veil: Hides keys: in their place stands what it makes of them.
        """
        items = [
            (_packed(key, veil), state if type(state) is bytes else self._encode(state))
            for key, state in self._states.items()
        ]
        return _FORMAT + msgspec.msgpack.encode((self.evicted, items))

    def restore(self, data: bytes, veil: Veil | None = None) -> None:
        """Replace all states by those of a snapshot, bit for bit.

        Args:
            data: What ``snapshot`` gave.
            veil: What keys were hidden by; each is recognised when it is seen again.

        Raises:
            ValueError: The bytes are of another version or do not fit the state's type.
        """
        _check_format(data)
        evicted, items = msgspec.msgpack.decode(data[1:], type=tuple[int, list[tuple[_PackedKey, bytes]]])
        self._states = OrderedDict(
            (key[0], state) if isinstance(key, list) else (_unpacked(key), self._read(_FORMAT + state))
            for key, state in items
        )
        self._veil = veil
        self.evicted = evicted

    def copy(self) -> KeyedState[S]:
        """Make an independent copy, for a component that shadows another."""
        other: KeyedState[S] = KeyedState(cast("type[S]", self._factory), self.max_keys)
        other.restore(self.snapshot(), self._veil)
        return other

    def _make(self, key: Key) -> S:
        state = self.peek(key)
        if state is not None:
            self._drop_veiled(key)
            self._states[key] = state
            return state
        state = self._states[key] = self._factory()
        self._evict()
        return state

    def _unveiled(self, veiled: bytes) -> S | None:
        state = self._states.get(veiled)
        if type(state) is bytes:
            state = self._states[veiled] = self._decode(state)
        return state

    def _drop_veiled(self, key: Key) -> None:
        if self._veil is not None and key not in self._states:
            veiled = self._veil(key)
            if self._states.pop(veiled, None) is not None:
                self._forgotten(veiled)

    def _evict(self) -> None:
        while len(self._states) - (None in self._states) > self.max_keys:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        states = self._states
        if None in states:
            states.move_to_end(None)
        self._forgotten(states.popitem(last=False)[0])
        self.evicted += 1

    def _forgotten(self, place: Key | bytes) -> None:
        """For those who keep something beside a state."""

    def _read(self, data: bytes) -> S:
        _check_format(data)
        return self._decode(data[1:])


class SizedState(KeyedState[S]):
    """Keyed state that is bounded by size as well, the sum of ``len(state)`` over all keys.

    For states that grow with what events hold: hostile ones would make many large states, if the number of keys were
    the only bound. The state that is in use is never forgotten, and what it has grown by counts when another is used.

    Args:
        factory: The state's type, which has a length.
        max_keys: How many keys are remembered, at least 1.
        max_size: How large all states may be together.

    Attributes:
        max_size: How large all states may be together.
    """

    __slots__ = ("_last", "_sizes", "_total", "max_size")

    def __init__(self, factory: type[S], max_keys: int = 100_000, max_size: int = 1_000_000) -> None:
        super().__init__(factory, max_keys)
        self.max_size = max_size
        self._sizes: dict[Key | bytes, int] = {}
        self._total = 0
        self._last: Key = None

    def __getitem__(self, key: Key) -> S:
        self._weigh(self._last)
        state = super().__getitem__(key)
        if key not in self._sizes:
            self._weigh(key)
        self._last = key
        while self._total > self.max_size and len(self._sizes) > 1:
            self._forget_oldest()
        return state

    def put_back(self, key: Key, data: bytes | None) -> None:
        """As ``KeyedState.put_back``; what is undone has pushed nothing out."""
        if key in self._states:
            self._states[key] = self._factory() if data is None else self._read(data)
        super().put_back(key, data)
        self._weigh(key)

    def restore(self, data: bytes, veil: Veil | None = None) -> None:
        """As ``KeyedState.restore``."""
        super().restore(data, veil)
        self._sizes = {place: self._size(state) for place, state in self._states.items() if place is not None}
        self._total, self._last = sum(self._sizes.values()), None

    def copy(self) -> SizedState[S]:
        """Make an independent copy, for a component that shadows another."""
        other: SizedState[S] = SizedState(cast("type[S]", self._factory), self.max_keys, self.max_size)
        other.restore(self.snapshot(), self._veil)
        return other

    def _weigh(self, key: Key) -> None:
        state = self._states.get(key)
        if key is not None and state is not None:
            size = self._size(state)
            self._total += size - self._sizes.get(key, 0)
            self._sizes[key] = size

    def _size(self, state: Any) -> int:
        return len(self._decode(state) if type(state) is bytes else state)  # type: ignore[arg-type]

    def _forgotten(self, place: Key | bytes) -> None:
        self._total -= self._sizes.pop(place, 0)


def keyed_state(factory: type[S], *, max_keys: int | str = 100_000, max_size: int | str | None = None) -> KeyedState[S]:
    """Declare the keyed state of a component: an attrs field that core saves, restores and bounds.

    Args:
        factory: The state's type, called without arguments for a key that is new. An attrs class whose fields are
            numbers, or lists, dicts, deques and ``array.array`` of them; no field starts with an underscore. A whole
            number comes back as a float from a field that is annotated ``float``; ``int | float`` keeps either.
        max_keys: How many keys are remembered, or the name of the option that says so.
        max_size: The sum of ``len(state)`` over all keys beyond which the least recently used are forgotten, or the
            name of the option that says so; needed where a state grows with what events hold.

    Returns:
        The attrs field; the attribute is a ``KeyedState``.
    """

    def make(instance: Any) -> KeyedState[S]:
        keys: int = getattr(instance, max_keys) if isinstance(max_keys, str) else max_keys
        if max_size is None:
            return KeyedState(factory, keys)
        return SizedState(factory, keys, getattr(instance, max_size) if isinstance(max_size, str) else max_size)

    default = attrs.Factory(make, takes_self=True)
    field: KeyedState[S] = attrs.field(init=False, repr=False, eq=False, default=default, metadata={_STATE: True})
    return field


def states_of(component: Any) -> dict[str, KeyedState[Any]]:
    """Give the keyed states that a component declares, not those of its children.

    Args:
        component: A component.

    Returns:
        Field name to keyed state.
    """
    if not attrs.has(type(component)):
        return {}
    return {f.name: getattr(component, f.name) for f in attrs.fields(type(component)) if _STATE in f.metadata}


def _refuse_private_fields(kind: Any, seen: set[Any]) -> None:
    # msgspec leaves such fields out when it encodes, so a restored state would silently lack them.
    for inner in get_args(kind):
        _refuse_private_fields(inner, seen)
    if kind in seen or not isinstance(kind, type) or not (attrs.has(kind) or is_dataclass(kind)):
        return
    seen.add(kind)
    names = [f.name for f in (fields(kind) if is_dataclass(kind) else attrs.fields(kind))]
    private = [name for name in names if name.startswith("_")]
    if private:
        raise TypeError(f"keyed state {kind.__name__}: rename {', '.join(private)} without the underscore")
    hints = get_type_hints(kind)
    for name in names:
        _refuse_private_fields(hints[name], seen)


def veil_by(salt: bytes) -> Veil:
    """Make a function that hides keys: a salted hash, the same for the same key.

    Args:
        salt: At most 64 bytes.
    """

    def veil(key: Key) -> bytes:
        plain = b"s" + key.encode("utf-8", "surrogatepass") if isinstance(key, str) else f"i{key}".encode()
        return hashlib.blake2b(plain, digest_size=16, key=salt).digest()

    return veil


def _packed(key: Key | bytes, veil: Veil | None) -> _PackedKey:
    if isinstance(key, bytes):
        return [key]
    if key is not None and veil is not None:
        return [veil(key)]
    # Bytes, because a key may be text that UTF-8 alone cannot hold.
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key


def _unpacked(key: int | bytes | None) -> Key:
    return key.decode("utf-8", "surrogatepass") if isinstance(key, bytes) else key


def _check_format(data: bytes) -> None:
    if data[:1] != _FORMAT:
        raise ValueError("the state was written in a format that this version of mdm-core does not read")


def _to_builtin(value: Any) -> Any:
    if isinstance(value, array):
        return value.typecode.encode() + value.tobytes()
    if isinstance(value, deque):
        return [value.maxlen, list(value)]
    raise TypeError(f"keyed state cannot hold a {type(value).__name__}; use numbers, lists, dicts or arrays")


def _from_builtin(target: type, value: Any) -> Any:
    # A generic alias such as deque[float] arrives whole.
    origin = getattr(target, "__origin__", target)
    if origin is array:
        if not value:
            raise ValueError("an array begins with its type code")
        restored = array(chr(value[0]))
        restored.frombytes(value[1:])
        return restored
    if origin is deque:
        maxlen, items = value
        inside = get_args(target)
        if inside:
            items = msgspec.convert(items, list[inside[0]], dec_hook=_from_builtin)  # type: ignore[valid-type]
        return deque(items, maxlen=maxlen)
    raise TypeError(f"keyed state cannot hold a {target!r}")
