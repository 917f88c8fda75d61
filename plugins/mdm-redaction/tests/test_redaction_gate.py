"""What is looked at first never hides what would be found."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from mdm_redaction import StandardRedactor, corpus
from mdm_redaction.by_value import detectors
from mdm_redaction.classifier import Classifier
from mdm_redaction.corpus.hostile import SIZE
from mdm_redaction.corpus.worst import Recipe, hunt
from mdm_redaction.decoding import decoded
from mdm_redaction.detector import SEPARATOR, Detector
from mdm_redaction.doubts import Doubts
from mdm_redaction.gate import gate_for
from mdm_redaction.personal import KINDS
from mdm_redaction.triage import Triage

M = "[REDACTED]"
GROUPS = detectors(["secrets", *KINDS], Classifier([], []))
SAID = [
    "La contraseña es Winter2024!",
    "my password is: Winter2024!",
    "otp:\v\vab12CD!?",
    "login\vbob\vpassword\vhunter22x",
    "access keys (of the robot)\t: zK8vQ2mN7xR4tY1wB6cD",
    "пароль=Winter2024!",
    "Пароль：Winter2024!",
    "+49 30.203.0.113.7",
    "https://car@la:unter42xY@mq.internal.example:2461/main",
]

NAMES = ["cvv", "pin", "otp", "pw", "auth", "api_key", "clientSecret", "db.password", "X-Auth-Token", "token"]
# A name in each of the ways in which something may be said to be it.
WAYS = [
    *(
        "{}=ab12CD!?xy",
        "{}: ab12CD!?xy",
        '"{}": "ab12CD!?xy"',
        "{} => 'ab12CD!?xy'",
        "&{}%3Dab12CD!?xy",
        "({})=ab12CD!?xy",
    ),
    *("-{} ab12CD!?xy", "--{} ab12CD!?xy", "run -{} 'ab12CD!?xy'", "ENV {} ab12CD!?xy", "setenv {} ab12CD!?xy"),
    *("<{0}>ab12CD!?xy</{0}>", "<a:{0} b='c'>ab12CD!?xy</a:{0}>", 'name="{}" value="ab12CD!?xy"'),
    *(
        '[{{"name": "{}", "value": "ab12CD!?xy"}}]',
        '{{"val":"ab12CD!?xy","key":"{}"}}',
        r"id=\"{}\" data=\"ab12CD!?xy\"",
    ),
]
AROUND = "._-+:/=#(@ é,;'\"0a7\t\n"


def texts(seed: int) -> list[str]:
    """Texts with much to find, as they are looked through."""
    r = Random(seed)
    samples = [sample for draw in (corpus.secrets, corpus.personal) for sample in draw(r, 6)]
    rows = [SEPARATOR.join(map(str, sample.event.values())) for sample in samples]
    hidden = [text for sample in samples for text in sample.hidden]
    rows += [f"{before}{text}{r.choice(AROUND)}" for text in hidden for before in r.sample(AROUND, 5)]
    rows += [f"{r.choice(AROUND)}{way.format(name)}" for name in NAMES for way in WAYS]
    rows += [way.format(name) for name in NAMES for way in WAYS]
    rows += [*SAID, *(row.upper() for row in (*SAID, *rows))]
    joined = [f"{SEPARATOR}{row}{SEPARATOR}" for row in rows]
    return [*joined, *map(decoded, joined)]


def finding(text: str) -> list[Detector]:
    """The detectors that find something."""
    return [detector for group in GROUPS for detector in group if any(detector.find(text))]


class TestGate:
    def test_wakes_every_detector_that_finds(self) -> None:
        """A detector that finds something in a text is among those that the gate names, each by itself."""
        pytest.importorskip("re2")
        gate = gate_for(GROUPS)
        assert gate is not None
        asleep = [(d.name, text) for text in texts(1) for d in finding(text) if d not in gate(text)]
        assert [] == asleep

    def test_triage_wakes_every_detector_that_finds(self) -> None:
        """So it is without google-re2."""
        triage = Triage(detector for group in GROUPS for detector in group)
        asleep = [(d.name, text) for text in texts(3) for d in finding(text) if d not in triage.of(text)]
        assert [] == asleep

    def test_keeps_the_order(self) -> None:
        """Detectors come in their own order, for the first that finds something says how it is written."""
        pytest.importorskip("re2")
        gate = gate_for(GROUPS)
        assert gate is not None
        order = [detector.name for group in GROUPS for detector in group]
        for text in texts(4)[:200]:
            names = [detector.name for detector in gate(text)]
            assert sorted(names, key=order.index) == names


class TestDoubts:
    def test_harmless(self) -> None:
        """A key in whose letters no stem stands is harmless, whatever its case, digits and separators."""
        doubts = Doubts(["pin", "café"])
        keys = ["amount", "P-I_n", "p1i2n", "Cafe", "größe", "a\x00b", "k" * 600]
        assert {"amount"} == doubts.harmless([key for key in keys if "\x00" not in key])
        assert set() == doubts.harmless(keys)

    def test_many_doubtful_keys(self) -> None:
        """Of more keys that could name a secret than there is time for, the last are hidden, each time the same."""
        event = {f"token_{n:05}_count": n for n in range(3000)}
        redact = StandardRedactor().redact
        once = dict(redact(event))
        assert (0, M) == (once["token_00000_count"], once["token_02999_count"])
        assert once == redact(event) == StandardRedactor().redact(event)

    def test_a_thousand_features(self) -> None:
        """A thousand names of which a third could be those of secrets stay."""
        event = {f"window_{n}.{name}.mean": n for n in range(334) for name in ("shipping", "amount", "delay")}
        assert event is StandardRedactor(personal=list(KINDS)).redact(event)


class TestHunt:
    def test_recipes(self) -> None:
        """A recipe makes events of no more than its size, however often it was changed, and the same from one seed."""
        r, recipe = Random(1), Recipe(("password=", "1 ", "é"))
        for n in range(60):
            recipe = recipe.changed(r)
            event = recipe.event(Random(n))
            assert event == recipe.event(Random(n))
            assert len(msgspec.json.encode(event)) <= 1.2 * SIZE

    def test_finds_what_takes_long(self) -> None:
        """The search climbs: what it gives last takes longer than what it gave first."""

        def slow_on_x(event: Any) -> Any:
            return sum(i * i for i in range(str(event).count("x") * 4))

        found = list(hunt(slow_on_x, Random(1), 0.5))
        assert found[-1][0] >= found[0][0]
        assert any("x" in piece for piece in found[-1][1].pieces)
