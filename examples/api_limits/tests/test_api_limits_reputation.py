from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdm_core import Action, Proposal
from mdm_core.values import Context

from mdm_api_limits import Reputation

COUNTS = st.integers(0, 1000)


def features(good: int, abuse: int, around_good: int = 0, around_abuse: int = 0) -> dict[str, Any]:
    return {
        "known.good": good,
        "known.abuse": abuse,
        "known.network.good": around_good,
        "known.network.abuse": around_abuse,
    }


def proposed(found: dict[str, Any], **options: float) -> Proposal:
    return Reputation(**options).propose(found, Context({}, None, 0, 0, 0))


def probability(found: dict[str, Any], **options: float) -> float:
    params = proposed(found, **options).params
    assert params is not None
    return float(params["probability"])


class TestProbability:
    def test_is_the_formula(self) -> None:
        """Of 10 requests 6 were good, of 4 of the neighbours 1: the mean of the two beta distributions."""
        mean = (1 + 2 * 0.3) / (4 + 2)
        expected = (6 + 5 * mean) / (10 + 5)
        found = probability(features(6, 4, 1, 3), good=0.3, client_worth=5, network_worth=2)
        assert expected == pytest.approx(found, rel=1e-12)

    def test_unknown_is_the_prior(self) -> None:
        """Of whom nothing is known, not even that there is nothing, the prior is believed."""
        assert 0.3 == pytest.approx(probability({}, good=0.3)) == pytest.approx(probability(features(0, 0), good=0.3))

    @given(COUNTS, COUNTS, COUNTS, COUNTS)
    def test_more_good_is_better_and_more_abuse_worse(self, good: int, abuse: int, near: int, far: int) -> None:
        """It rises with every good request, of the client or of a neighbour, falls with abuse, and stays in between."""
        base = probability(features(good, abuse, near, far))
        assert (
            0
            < probability(features(good, abuse + 1, near, far))
            < base
            < probability(features(good + 1, abuse, near, far))
            < 1
        )
        assert (
            probability(features(good, abuse, near, far + 1))
            <= base
            <= probability(features(good, abuse, near + 1, far))
        )

    def test_the_record_wins_in_the_end(self) -> None:
        """After many requests a client's own record counts, whatever its neighbours did."""
        assert probability(features(1000, 0, 0, 1000)) > 0.99
        assert probability(features(0, 0, 0, 1000)) < 0.01


class TestProposal:
    def test_serves_from_the_threshold_on(self) -> None:
        """ACT with the probability as confidence, and below the threshold HOLD with one minus it."""
        served, turned_away = proposed(features(9, 0)), proposed(features(0, 9))
        assert (Action.ACT, Action.HOLD) == (served.action, turned_away.action)
        assert [0.95, 0.95] == pytest.approx([served.confidence, turned_away.confidence])
        assert Action.ACT is proposed(features(1, 1), threshold=0.5).action

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            (features(1, 0), "known_client"),
            (features(0, 0, 1), "known_network"),
            (features(0, 0), "unknown_client"),
        ],
    )
    def test_says_what_it_rests_on(self, found: dict[str, Any], reason: str) -> None:
        """The reason names what is known: the client, its network, or nothing."""
        assert [reason] == proposed(found).reasons

    def test_text_is_refused(self) -> None:
        """A count that is a text raises, so that the decision fails closed."""
        with pytest.raises(TypeError, match=r"known\.good and known\.abuse must be counts"):
            proposed({"known.good": "many"})
