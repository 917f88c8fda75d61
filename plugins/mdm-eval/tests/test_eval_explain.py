"""`mdm explain`: what made the score, what guards said, and changes that really lead to another decision."""

from __future__ import annotations

import json
from math import fsum
from pathlib import Path
from typing import Any

import pytest
from mdm_core import PastRun, Pipeline

from mdm_eval.explain import explain
from mdm_eval.flips import label_of

EVENTS = 60


def step_of(ran: Any, **wanted: Any) -> int:
    """The first step whose final action and denial are those wanted."""
    for packet in ran.packets:
        final = packet["final_action"]
        flags = packet["mismatch"]["flags"] if packet["mismatch"] else []
        if {"action": final["action"], "allowed": final["allowed"], "flags": flags}.items() >= wanted.items():
            return int(packet["step"])
    raise AssertionError(wanted)


class TestScore:
    """What made the score."""

    def test_contributions_sum_to_the_score(self, ran_once: Any) -> None:
        """Of a model that weighs every contribution is told, however few reasons it gives, and they sum to the score."""
        found = explain(ran_once.past, 7)
        packet = ran_once.packets[7]
        assert ("contributions", "recorded features", True) == (found.score.kind, found.decided_again, found.same)
        x = packet["mdm"]["features"]["x"]
        assert [("x", x, 1.5 * x)] == [(p.name, p.value, p.moved) for p in found.score.parts]
        assert -0.5 == found.score.start
        assert packet["mdm"]["params"]["score"] == found.score.score
        assert packet["mdm"]["params"]["probability"] == found.score.probability
