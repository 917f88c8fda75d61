"""What core makes of every fault in every kind of component: the list that the tests hold it to and the docs show."""

from __future__ import annotations

from collections.abc import Iterator

KINDS = ("features", "model", "modulator", "broker", "source", "trace sink", "redactor", "observer")

FAULTS = {
    "raises": "raises an exception",
    "base": "raises a `BaseException` of its own",
    "interrupt": "raises `KeyboardInterrupt`",
    "exit": "raises `SystemExit`",
    "generator_exit": "raises `GeneratorExit`",
    "none": "returns None",
    "wrong_type": "returns something of a wrong type",
    "nan": "returns NaN",
    "infinite": "returns infinity",
    "out_of_range": "returns confidence 1.5",
    "recurses": "recurses without end",
    "hangs": "hangs",
    "too_many": "returns more items than `max_features`",
    "too_long": "returns a longer text than `max_text`",
}

_RAISED = {
    "raises": "RuntimeError",
    "base": "OwnBase",
    "interrupt": "KeyboardInterrupt",
    "exit": "SystemExit",
    "generator_exit": "GeneratorExit",
    "recurses": "RecursionError",
}
_REFUSED = ("none", "wrong_type", "too_many", "too_long")
_NO_CONFIDENCE = ("nan", "infinite", "out_of_range")


def _codes(stage: str, refused: tuple[str, ...]) -> dict[str, str]:
    codes = {fault: f"{stage}_error:{error}" for fault, error in _RAISED.items()}
    codes |= dict.fromkeys(refused, f"{stage}_error:ContractError")
    return codes | {"hangs": f"{stage}_timeout"}


# Kind and fault to the reason code that tells of it. What does not stand here is no fault of that kind of component.
CODES: dict[str, dict[str, str]] = {
    "features": _codes("features", _REFUSED),
    "model": _codes("model", (*_REFUSED, *_NO_CONFIDENCE)),
    "modulator": _codes("modulator", _REFUSED),
    "broker": _codes("broker", ("none", "wrong_type", "nan", "infinite", "too_long")),
    "source": {k: v for k, v in _codes("source", ("none", "wrong_type")).items() if k != "hangs"},
    "trace sink": _codes("trace", ()),
    "redactor": _codes("redaction", ("none", "wrong_type")),
    "observer": _codes("observer", ()),
}

# What is no failure, and what becomes of it.
HARMLESS = {
    ("features", "nan"): "the feature is None",
    ("features", "infinite"): "the feature is None",
    ("source", "hangs"): "is waited for; Ctrl-C ends the run",
}

EFFECTS = {
    "features": "HOLD, not allowed",
    "model": "HOLD, not allowed",
    "modulator": "HOLD, not allowed",
    "broker": "receipt `unknown`",
    "source": "no further act, exit code 1",
    "trace sink": "no further act, exit code 1",
    "redactor": "the payload is replaced",
    "observer": "it is dropped",
}


def table() -> Iterator[str]:
    """The matrix as a table in Markdown: a row per fault, a column per kind, the reason code in each cell."""
    yield f"| what the component does | {' | '.join(KINDS)} |"
    yield "|---" * (len(KINDS) + 1) + "|"
    yield f"| *what comes of it* | {' | '.join(f'*{EFFECTS[kind]}*' for kind in KINDS)} |"
    for fault, what in FAULTS.items():
        yield f"| {what} | {' | '.join(_cell(kind, fault) for kind in KINDS)} |"


def _cell(kind: str, fault: str) -> str:
    code = CODES[kind].get(fault)
    return f"`{code}`" if code else HARMLESS.get((kind, fault), "")
