"""Reading single attributes of foreign types, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from mdm_core import Action, ContractError

from mdm_dmc.copies import plain_text

_ACTIONS: Final = {action.value: action for action in Action}


def action_of(final: Any) -> Action:
    """Read an action: a text, or a member of an enumeration that has the text as its name or value.

    Args:
        final: A final decision.

    Raises:
        ContractError: There is none, or name and value say different things.
    """
    answered = _required(final, "action")
    if type(answered) is Action:
        return answered
    names = (answered.name, answered.value) if isinstance(answered, Enum) else (answered,)
    found = {_ACTIONS[name] for name in names if isinstance(name, str) and name in _ACTIONS}
    if len(found) != 1:
        raise ContractError(f"an action is one of {', '.join(_ACTIONS)}")
    return found.pop()


def allowed_of(final: Any) -> bool:
    """Read whether a final decision is allowed.

    Args:
        final: A final decision.

    Raises:
        ContractError: It does not say so with a truth value.
    """
    allowed = _required(final, "allowed")
    if type(allowed) is not bool:
        raise ContractError("allowed is true or false")
    return allowed


def texts_of(holder: Any, name: str, *, required: bool = False) -> list[str]:
    """Read a list of text.

    Args:
        holder: What has the attribute.
        name: The attribute's name.
        required: Whether it must be there; None is an empty list all the same.

    Raises:
        ContractError: It is missing, or something else.
    """
    texts = _required(holder, name) if required else getattr(holder, name, None)
    if texts is None or texts == []:
        return []
    if not isinstance(texts, list | tuple):
        raise ContractError(f"{name} must be a list of text")
    return [text if type(text) is str else plain_text(text) for text in texts]


def milliseconds_of(holder: Any, name: str) -> int | None:
    """Read a duration.

    Args:
        holder: What may have the attribute.
        name: The attribute's name.

    Returns:
        Whole milliseconds, or None if it is missing.

    Raises:
        ContractError: It is no whole number, or negative.
    """
    value = getattr(holder, name, None)
    if value is not None and (type(value) is not int or value < 0):
        raise ContractError(f"{name} must be whole milliseconds")
    return value


def table_of(holder: Any, name: str) -> Mapping[Any, Any]:
    """Read a table, as it is.

    Args:
        holder: What may have the attribute.
        name: The attribute's name.

    Returns:
        The table; an empty one if it is missing.

    Raises:
        ContractError: It is something else.
    """
    table = getattr(holder, name, None)
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise ContractError(f"{name} must be a table")
    return table


def _required(holder: Any, name: str) -> Any:
    try:
        return getattr(holder, name)
    except AttributeError:
        raise ContractError(f"the answer has no {name}") from None
