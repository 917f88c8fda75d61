"""How much is found, and how little is hidden that should not be, on made-up events that are new for each seed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from mdm_redaction import StandardRedactor, corpus
from mdm_redaction.corpus.__main__ import Row, main, measure
from mdm_redaction.corpus.with_nothing_to_hide import CLEAN
from mdm_redaction.corpus.with_secrets import KEYS, NAMED
from mdm_redaction.personal import KINDS


def share(rows: dict[str, Row]) -> float:
    """The share of events that came out right."""
    return sum(row.good for row in rows.values()) / sum(row.events for row in rows.values())


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("seed", [1, 20])
class TestCorpus:
    def test_keys_and_tokens(self, seed: int) -> None:
        """At least 99 % of the events with keys, tokens and passwords come out without them, 97 % of each kind."""
        rows = measure(corpus.secrets(Random(seed), 60), StandardRedactor().redact)
        assert [*KEYS, *NAMED] == list(rows)
        assert share(rows) >= 0.99
        assert [] == [row.kind for row in rows.values() if row.good < 0.97 * row.events]

    def test_personal_data(self, seed: int) -> None:
        """At least 93 % of the events with personal data come out without them, whatever the kind."""
        rows = measure(corpus.personal(Random(seed), 150), StandardRedactor(personal=list(KINDS)).redact)
        assert set(KINDS) == set(rows)
        assert [] == [row.kind for row in rows.values() if row.good < 0.93 * row.events]

    def test_clean_events(self, seed: int) -> None:
        """At most 0.5 % of the events with nothing to hide are altered, with everything switched on."""
        rows = measure(corpus.clean(Random(seed), 60), StandardRedactor(personal=list(KINDS)).redact)
        assert list(CLEAN) == list(rows)
        assert share(rows) >= 0.995


class TestMeasure:
    def test_seeds(self) -> None:
        """The same seed makes the same events, another one others."""
        one, again, other = (list(corpus.personal(Random(seed), 3)) for seed in (1, 1, 2))
        assert one == again
        assert one != other

    def test_counts_what_is_left(self) -> None:
        """What does nothing hides nothing and alters nothing; what hides all hides all and alters all."""

        def nothing(event: Any) -> Any:
            return event

        def everything(_: Any) -> Any:
            return {}

        secrets, clean = list(corpus.secrets(Random(1), 2)), list(corpus.clean(Random(1), 2))
        assert (0, 1) == (share(measure(secrets, nothing)), share(measure(clean, nothing)))
        assert (1, 0) == (share(measure(secrets, everything)), share(measure(clean, everything)))

    def test_prints_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The command prints one line for each kind and one for all."""
        assert 0 == main(["--each", "1", "--seed", "4"])
        printed = capsys.readouterr().out
        assert 3 == printed.count("| **all** |")
        assert all(f"\n| {kind} | 1 | " in printed for kind in (*KEYS, *NAMED, *CLEAN))
