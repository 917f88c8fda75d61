"""Whether figures are as good as they have to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import attrs
from mdm_core import UsageError
from mdm_core.wording import did_you_mean


@attrs.frozen
class Rule:
    """A figure and its limit.

    Attributes:
        figure: Name of the figure.
        bound: Whether the limit is the least or the most that is allowed.
        limit: The limit, which itself is allowed.
    """

    figure: str
    bound: Literal["min", "max"]
    limit: float

    @classmethod
    def parse(cls, text: str, bound: Literal["min", "max"]) -> Rule:
        """Read a rule such as ``recall=0.8``.

        Raises:
            UsageError: It is none.
        """
        name, _, limit = text.partition("=")
        try:
            return cls(name.strip(), bound, float(limit))
        except ValueError:
            raise UsageError(f"--{bound} {text}: write a figure and its limit, such as recall=0.8") from None


@attrs.frozen
class Ruling:
    """What came of a rule.

    Attributes:
        rule: The rule.
        value: The figure.
        passed: Whether it is as good as it has to be.
    """

    rule: Rule
    value: float
    passed: bool


def judge_rules(rules: Iterable[Rule], figures: Mapping[str, float]) -> list[Ruling]:
    """Hold figures against rules.

    Args:
        rules: The rules.
        figures: Name to figure.

    Raises:
        UsageError: There is no such figure: a gate that cannot look must not be open.
    """
    return [_judge(rule, figures) for rule in rules]


def _judge(rule: Rule, figures: Mapping[str, float]) -> Ruling:
    value = figures.get(rule.figure)
    if value is None and rule.figure.partition(".")[0] == "flips":
        raise UsageError(f"--{rule.bound} {rule.figure}: against what? add --against OTHER, --config or --set")
    if value is None:
        raise UsageError(
            f"--{rule.bound} {rule.figure}: the run has no such figure{did_you_mean(rule.figure, list(figures))}; "
            "`mdm gate RUN --list` shows those it has, and without outcomes it has few"
        )
    passed = value >= rule.limit if rule.bound == "min" else value <= rule.limit
    return Ruling(rule, value, passed)
