"""What mistakes cost."""

from __future__ import annotations

import attrs
from mdm_core import UsageError

_NAMES = ("fp", "fn", "tp", "tn")


@attrs.frozen
class Costs:
    """The cost of one decision, by what was done and what was true; a gain is a negative cost.

    Attributes:
        fp: Acted where nothing was to be done.
        fn: Did not act where something was to be done.
        tp: Acted rightly.
        tn: Rightly did nothing.
    """

    fp: float = 1.0
    fn: float = 1.0
    tp: float = 0.0
    tn: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Costs:
        """Read costs such as ``fp=1,fn=5``; what is not named costs nothing.

        Raises:
            UsageError: The text is no list of costs.
        """
        costs = dict.fromkeys(_NAMES, 0.0)
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if name not in costs:
                raise UsageError(f"cost {part.strip()!r}: write costs of {', '.join(_NAMES)}, such as fp=1,fn=5")
            try:
                costs[name] = float(value)
            except ValueError:
                raise UsageError(f"cost {part.strip()!r}: {value!r} is no number; write such as {name}=5") from None
        return cls(**costs)

    @property
    def threshold(self) -> float | None:
        """The probability from which acting costs less than not acting, if the probability is right.

        C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001, equation 2. None if it never or always does.
        """
        wrongly, rightly = self.fp - self.tn, self.fn - self.tp
        return wrongly / (wrongly + rightly) if wrongly > 0 and rightly > 0 else None
