"""``mdm report``: what it tells of real runs, and what its page is made of."""

from __future__ import annotations

import json
import re
import stat
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import attrs
import numpy as np
import pytest
from mdm_core import PastRun, UsageError
from sklearn.metrics import roc_auc_score, roc_curve  # type: ignore[import-untyped]

from mdm_eval.asking import Question
from mdm_eval.charts.markup import Markup, joined, tag, text
from mdm_eval.charts.scales import instants, linear, times
from mdm_eval.costs import Costs
from mdm_eval.intervals import proportion
from mdm_eval.page.page import page, write_page
from mdm_eval.report.challengers import difference
from mdm_eval.report.comparison import Comparison, compare, match
from mdm_eval.report.curves import curves
from mdm_eval.report.document import Report, report
from mdm_eval.report.masks import MaskCount
from mdm_eval.report.provenance import Verifying
from mdm_eval.report.reading import Told
from mdm_eval.report.texts import Texts
from mdm_eval.session import Wanted
from mdm_eval.whatif import Question as WhatIfQuestion
from mdm_eval.whatif import what_if

EVENTS = 600
COSTS = Costs(fp=1, fn=5)
HOSTILE = "<script>pwned=1</script>"
BY_WHO = {"without": 'id = "id"', "instead": 'id = "who"'}
SHADOW = """
[[shadow]]
name = "eager"
budget_us = 1000000
model = { use = "reference.logistic", weights = { x = 1.5 }, bias = -0.5, threshold = 0.3 }

[canary]
share = 0.4
features = { use = "reference.rolling", include = ["x", "colour"], categories = ["colour"], stats = [] }
model = { use = "reference.logistic", weights = { x = 1.5 }, bias = -0.5, threshold = 0.6 }

[[trace]]"""


def question(ran: Any, **asked: Any) -> Question:
    """Ask about a run."""
    names = ("probability", "action", "positive", "since", "until", "by")
    asked = dict.fromkeys(names) | {"probability": "probability"} | asked
    return Question("r", ran.runs_dir, **asked)


@pytest.fixture(scope="module")
def here(run_of: Any, ran_once: Any, tmp_path_factory: Any) -> Any:
    """A run."""
    return run_of(tmp_path_factory.mktemp("here"), ran_once.events[:EVENTS])


@pytest.fixture(scope="module")
def there(run_of: Any, ran_once: Any, tmp_path_factory: Any) -> Any:
    """A run over the same events with another threshold."""
    return run_of(tmp_path_factory.mktemp("there"), ran_once.events[:EVENTS], "model.threshold=0.3")


@pytest.fixture(scope="module")
def found(here: Any, there: Any) -> Report:
    """The report on the one against the other."""
    return report(question(here, by="site"), str(there.runs_dir / "r"), COSTS, 4)


@pytest.fixture(scope="module")
def made(found: Report) -> str:
    """Its page."""
    return page(found)


@pytest.fixture(scope="module")
def challenged(run_of: Any, ran_once: Any, tmp_path_factory: Any) -> Any:
    """A run with a shadow and a canary, which is chosen by the event."""
    directory = tmp_path_factory.mktemp("challenged")
    return run_of(directory, ran_once.events[:EVENTS], 'pipeline.key="id"', without="\n[[trace]]", instead=SHADOW)


@pytest.fixture(scope="module")
def cases() -> Any:
    """Probabilities with ties, and outcomes."""
    random = np.random.default_rng(1)
    p = random.integers(0, 50, 3000) / 50
    return p, random.random(3000) < p


@pytest.fixture(scope="module")
def told(challenged: Any) -> Report:
    """The report on it."""
    return report(question(challenged), None, COSTS, 4)


@pytest.fixture
def named(ran_once: Any) -> list[dict[str, Any]]:
    """Events whose id is called ``who``."""
    return [{**event, "who": event["id"]} for event in ran_once.events[:80]]


def came_of(packet: Any) -> tuple[str, bool]:
    """What came of a decision."""
    return packet["final_action"]["action"], packet["final_action"]["allowed"]


def compared(ran: Any, other: Any) -> Comparison:
    """Compare a run with another."""
    before, after = (Told.read(question(one), compared=True) for one in (other, ran))
    return compare(before, after, COSTS)


class TestMarkup:
    @pytest.mark.parametrize("hostile", ["<script>", '"><img src=x onerror=alert(1)>', "a & b", "'; x"])
    def test_texts_are_escaped(self, hostile: str) -> None:
        """Nothing of a text is markup, neither in an element nor in an attribute."""
        made = tag("p", hostile, title=hostile)
        assert [] == re.findall(r"""[<>"'](?=.*</p>)""", made.removeprefix('<p title="').replace('">', "", 1)[:-4])

    def test_what_cannot_be_seen(self) -> None:
        """What cannot be seen, or turns the direction of reading, is written out."""
        assert "a\\u202eb\\x00c\\u200b\\ud800" == text("a\u202eb\0c\u200b\ud800")

    def test_markup_stays(self) -> None:
        """Markup is put together as it is, texts next to it are escaped."""
        assert "<b>a</b>&lt;i&gt;" == joined(tag("b", "a"), [None, "<i>"])
        assert isinstance(joined("x"), Markup)


class TestScales:
    @pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 8123.0), (-0.3, 0.7), (0.0, 0.0), (3e-9, 4e-9)])
    def test_round_values(self, low: float, high: float) -> None:
        """Marks are at equal distances, begin not above the lowest value and end not below the highest."""
        ticks = [value for value, _ in linear(low, high, 0, 100).ticks]
        assert ticks[0] <= low + 1e-12
        assert high - 1e-12 <= ticks[-1]
        assert 2 <= len(ticks) <= 9
        assert pytest.approx(ticks[1] - ticks[0]) == ticks[-1] - ticks[-2]

    @pytest.mark.parametrize("length", [5e3, 6e5, 4e7, 3e8, 5e9, 4e10, 4e12, 9e15])
    def test_instants(self, length: float) -> None:
        """Any length of time has at least one mark and at most seven, within it and in order."""
        low = 1.7e12
        ticks = [value for value, _ in instants(low, low + length, 0, 100).ticks]
        assert 1 <= len(ticks) <= 7
        assert all(low <= a < b <= low + length for a, b in pairwise(ticks))

    def test_months(self) -> None:
        """A year is marked by months."""
        scale = instants(1_357_000_000_000, 1_388_000_000_000, 0, 100)
        assert ["Apr 2013", "Jul", "Oct"] == [told for _, told in scale.ticks]

    def test_logarithmic(self) -> None:
        """Equal ratios have equal distances, and what is beyond the ends is drawn there."""
        scale = times(10, 1000, 0, 100)
        assert [0.0, 50.0, 100.0, 100.0] == [scale(value) for value in (10, 100, 1000, 5000)]


class TestTexts:
    def test_gives_them_back(self) -> None:
        """Texts of any kind come back as they were."""
        texts = Texts()
        given = ["", "a", "ü€", "\ud800", "x" * 1000]
        for one in given:
            texts.append(one)
        assert given == [texts[n] for n in range(len(texts))]


class TestCurves:
    def test_roc(self, cases: Any) -> None:
        """Every point is one of scikit-learn's, and the ends are among them."""
        found = curves(cases[0], cases[1], COSTS)
        assert found is not None
        fpr, tpr, thresholds = roc_curve(cases[1], cases[0], drop_intermediate=False)
        known = {(round(f, 12), round(t, 12)) for f, t in zip(fpr, tpr, strict=True)}
        assert {(round(cut.fallout, 12), round(cut.recall, 12)) for cut in found.roc} <= known
        assert (len(thresholds) - 1, (0.0, 0.0), (1.0, 1.0)) == (
            found.distinct,
            (found.roc[0].fallout, found.roc[0].recall),
            (found.roc[-1].fallout, found.roc[-1].recall),
        )

    def test_area_is_kept(self) -> None:
        """The few points that are drawn have nearly the area of all."""
        random = np.random.default_rng(2)
        p = random.random(20_000)
        y = random.random(20_000) < p
        found = curves(p, y, COSTS)
        assert found is not None
        area = np.trapezoid([cut.recall for cut in found.roc], [cut.fallout for cut in found.roc])
        assert abs(area - roc_auc_score(y, p)) < 2e-4
        assert len(found.roc) <= 203

    def test_cost(self, cases: Any) -> None:
        """The cost at each threshold is that of acting from there on, and none is below the best."""
        p, y = cases
        found = curves(p, y, COSTS)
        assert found is not None
        for cut in found.costs[::20]:
            acts = p >= cut.threshold
            assert pytest.approx((acts & ~y).mean() + 5 * (~acts & y).mean()) == cut.cost
        assert found.best.cost <= min(cut.cost for cut in found.costs)

    def test_histogram(self, cases: Any) -> None:
        """Every case is counted once, by what happened."""
        found = curves(cases[0], cases[1], COSTS)
        assert found is not None
        happened, not_ = zip(*found.histogram, strict=True)
        assert (int(cases[1].sum()), int((~cases[1]).sum())) == (sum(happened), sum(not_))

    def test_of_one_kind(self) -> None:
        """Without cases of both kinds there is no curve."""
        assert curves(np.array([0.1, 0.2]), np.array([True, True]), COSTS) is None


class TestTimeline:
    def test_counts(self, here: Any, found: Report) -> None:
        """Every decision is counted in the stretch of its time."""
        line = found.timeline
        packets = here.packets
        assert "ms" == line.unit
        for span in line.spans:
            inside = [p for p in packets if span.since <= p["external"]["now_ms"] < span.until]
            outcomes = [o for p in inside if (o := p["external"].get("eval.outcome")) is not None]
            assert (len(inside), len(outcomes), sum(outcomes)) == (span.decisions, span.known, span.positives)
            assert sum(came_of(p) == ("ACT", True) for p in inside) == span.acted
            assert sum(not p["final_action"]["allowed"] for p in inside) == span.denied
        assert EVENTS == sum(span.decisions for span in line.spans)
        assert [span.denied for span in line.spans] == line.flags["policy"]

    def test_full_days(self, found: Report) -> None:
        """Stretches begin at midnight and noon of UTC, and there are at most sixty or so."""
        assert {0} == {span.since % 43_200_000 for span in found.timeline.spans}
        assert 10 < len(found.timeline.spans) <= 61


class TestMatch:
    def test_the_nth_with_the_nth(self) -> None:
        """Equal events are paired in their order, and what only one side has is left out."""
        old, new = match(np.array([5, 7, 5, 9, 5]), np.array([5, 5, 8, 7]))
        assert [(0, 0), (2, 1), (1, 3)] == list(zip(old.tolist(), new.tolist(), strict=True))

    def test_by_hand(self) -> None:
        """The pairs are those that counting finds."""
        random = Random(3)
        before, after = ([random.randrange(300) for _ in range(500)] for _ in range(2))
        places: dict[int, Iterator[int]] = {n: iter([i for i, x in enumerate(before) if x == n]) for n in range(300)}
        expected = [(i, n) for n, x in enumerate(after) if (i := next(places[x], None)) is not None]
        old, new = match(np.array(before), np.array(after))
        assert expected == list(zip(old.tolist(), new.tolist(), strict=True))


class TestComparison:
    def test_flips(self, here: Any, there: Any, found: Report) -> None:
        """What flips, from what to what, is what comparing packet by packet finds."""
        comparison = found.comparison
        assert comparison is not None
        flips = Counter(
            (came_of(b), came_of(a))
            for b, a in zip(there.packets, here.packets, strict=True)
            if came_of(b) != came_of(a)
        )
        names = {("ACT", True): "ACT", ("HOLD", True): "HOLD", ("HOLD", False): "denied"}
        assert {(names[b], names[a]): n for (b, a), n in flips.items()} == {
            (kind.before, kind.after): kind.decisions for kind in comparison.kinds
        }
        assert ("id", EVENTS, 0, 0) == (comparison.by, comparison.pairs, comparison.only_here, comparison.only_there)
        assert sum(flips.values()) / EVENTS == comparison.flips.value

    def test_effects_are_those_of_what_if(self, there: Any, found: Report) -> None:
        """The other run changed to this one's configuration has the same effects."""
        expected = what_if(there.past, Wanted(None, ("model.threshold=0.4",)), WhatIfQuestion(COSTS)).effects
        assert found.comparison is not None
        assert expected == found.comparison.effects

    def test_examples(self, here: Any, there: Any, found: Report) -> None:
        """Each example is a decision that differs, told as both packets have it."""
        comparison = found.comparison
        assert comparison is not None
        assert comparison.examples
        before, after = there.packets, here.packets
        for example in comparison.examples:
            new = after[example.after.step]
            assert (new["input"]["id"], new["input"]["site"]) == (example.id, example.key)
            assert new["external"].get("eval.outcome") is example.outcome
            assert new["mdm"]["confidence"] == example.after.confidence
            assert before[example.before.step]["final_action"]["reasons"] == example.before.reasons
            assert before[example.before.step]["input"]["id"] == example.id

    def test_what_differs(self, found: Report) -> None:
        """The option that was changed is named, and nothing else."""
        assert found.comparison is not None
        assert ([("model.threshold", 0.3, 0.4)], []) == (
            found.comparison.configuration,
            found.comparison.distributions,
        )

    def test_without_ids(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """Events without ids are known by the numbers of their decisions, and it is said."""
        events = ran_once.events[:60]
        runs = [
            run_of(tmp_path / name, events, *more, without='id = "id"\n', instead="")
            for name, more in (("a", ()), ("b", ("model.threshold=0.7",)))
        ]
        found = compared(*runs)
        assert ("step", 60) == (found.by, found.pairs)
        assert any("n-th decisions of both runs" in warning for warning in found.warnings)

    def test_masked_ids(self, run_of: Any, named: Any, tmp_path: Path) -> None:
        """Ids that were masked tell nothing: then the numbers of the decisions count."""
        ran = run_of(tmp_path / "a", named[:60], 'redaction.extra=["who"]', **BY_WHO)
        found = compared(ran, ran)
        assert ("step", 60, 0.0) == (found.by, found.pairs, found.flips.value)

    def test_tokens(self, run_of: Any, named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tokens stand for ids: events are known by them."""
        monkeypatch.setenv("TOKEN_KEY", "0123456789abcdef")
        tokens = ('redaction.extra=["who"]', 'redaction.mode="tokens"', 'redaction.token_key={env="TOKEN_KEY"}')
        runs = [
            run_of(tmp_path / name, events, *tokens, **BY_WHO)
            for name, events in (("a", named[:60]), ("b", named[20:80]))
        ]
        found = compared(*runs)
        assert ("id", 40, 20, 20) == (found.by, found.pairs, found.only_here, found.only_there)


class TestDifference:
    @pytest.mark.parametrize(
        ("a", "b", "low", "high"),
        [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((10, 10), (0, 20), 0.6791, 1.0000),
        ],
    )
    def test_published_examples(self, a: Any, b: Any, low: float, high: float) -> None:
        """The intervals are those that Newcombe 1998 prints in table II, method 10."""
        found = difference(proportion(*b), proportion(*a))
        assert pytest.approx([low, high], abs=5e-5) == [found.low, found.high]

    def test_of_nothing(self) -> None:
        """Where one side has no cases, nothing is said."""
        assert difference(proportion(0, 0), proportion(1, 2)).value is None


class TestChallengers:
    def test_shadow(self, challenged: Any, told: Report) -> None:
        """What is told of a shadow is what the packets say."""
        (shadow,) = told.challengers
        packets = challenged.packets
        said = [(p["external"]["mdm.shadow.eager.action"], p["external"]["mdm.shadow.eager.allowed"]) for p in packets]
        differ = [came_of(p) != one for p, one in zip(packets, said, strict=True)]
        assert ("eager", EVENTS, 0, 0) == (shadow.name, shadow.decisions, shadow.skipped, shadow.failed)
        assert sum(differ) / EVENTS == shadow.differs.value
        assert sum(differ) == sum(kind.decisions for kind in shadow.kinds) > 0
        assert (sum(came_of(p) == ("ACT", True) for p in packets), said.count(("ACT", True))) == shadow.acted

    def test_effects_of_a_shadow(self, challenged: Any, told: Report) -> None:
        """With it, recall would have been what counting finds, and its ROC AUC is that of the same probabilities."""
        (shadow,) = told.challengers
        known = [e for p in challenged.packets if (e := p["external"]).get("eval.outcome") is not None]
        right = [e for e in known if e["eval.outcome"]]
        found = sum(e["mdm.shadow.eager.action"] == "ACT" and e["mdm.shadow.eager.allowed"] for e in right)
        assert shadow.effects is not None
        assert (len(known), found / len(right)) == (shadow.effects.known, shadow.effects.recall.after)
        assert shadow.roc_auc.value == pytest.approx(0.0, abs=1e-12)

    def test_arms(self, challenged: Any, told: Report) -> None:
        """Each arm has its own events, and main comes first."""
        counts = Counter(p["external"]["mdm.arm"] for p in challenged.packets)
        assert [("main", counts["main"]), ("canary", counts["canary"])] == [(a.name, a.decisions) for a in told.arms]
        main, canary = told.arms
        assert main.acted.value is not None
        assert canary.acted.value is not None
        assert ({}, canary.acted.value - main.acted.value) == (main.differences, canary.differences["acted"].value)
        assert canary.differences["denied"].high is not None
        assert canary.differences["denied"].high < 0  # it has no guards
        assert canary.differences.keys() == {"acted", "denied", "failed_closed", "precision", "recall", "cost"}

    def test_page(self, told: Report) -> None:
        """The page sets champion against challenger."""
        made = page(told)
        assert "Champion against challenger" in made
        assert "Shadow eager" in made
        assert "canary less main" in made

    def test_without_challengers(self, found: Report) -> None:
        """A run without any has no such section."""
        assert ([], [], False) == (found.challengers, found.arms, "Champion against" in page(found))


class TestMasks:
    def test_counts(self) -> None:
        """Every place where something is hidden counts once a packet, wherever it is in a value."""
        empty: dict[str, Any] = {"external": {}, "mdm": {}}
        packets: list[dict[str, Any]] = [
            {"input": {"a": "[REDACTED]", "b": [{"c": "x [REDACTED] y"}, {"c": "[REDACTED]"}]}, **empty},
            {"input": {"a": "[HMAC:0123]", "[REDACTED]": 1}, **empty},
            {"input": "[REDACTION FAILED]", **empty},
            {"input": {"a": "[nothing]", "b": 1 << 70}, **empty},
        ]
        count = MaskCount()
        assert packets == list(count.watch(iter(packets)))
        masks = count.masks()
        assert (4, 3) == (masks.packets, masks.touched)
        assert {
            ("input.a", "mask", 1),
            ("input.b.c", "mask", 1),
            ("input.a", "token", 1),
            ("input (name of a field)", "mask", 1),
            ("input", "redaction failed", 1),
        } == {(m.place, m.kind, m.packets) for m in masks.places}

    def test_of_a_run(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """A masked field is found in every packet that has it."""
        ran = run_of(tmp_path / "a", ran_once.events[:60], 'redaction.extra=["colour"]')
        masks = Told.read(question(ran), compared=False).masks.masks()
        assert {("input.colour", 60), ("mdm.features.colour", 60)} == {(m.place, m.packets) for m in masks.places}


class TestProvenance:
    def test_verified(self, found: Report) -> None:
        """A trace that is what was written is said to be so, with what that cannot show."""
        verification = found.provenance.verification
        assert ("verified", True) == (verification.verdict, bool(verification.limits))
        assert any(f"{EVENTS:,} lines" in line for line in verification.told)

    def test_altered(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """A trace in which a single byte was changed is said to be altered, loudly."""
        ran = run_of(tmp_path / "a", ran_once.events[:60])
        path = ran.runs_dir / "r" / "traces.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        lines[7] = lines[7].replace('"step":7,', '"step":7, ')
        path.write_text("".join(lines))
        found = report(question(ran), None, COSTS, 4)
        assert "altered" == found.provenance.verification.verdict
        assert "✗ The trace is not what was written." in page(found)

    def test_cannot_be_verified(self, tmp_path: Path) -> None:
        """A trace that nobody can verify is not said to be right, and it is said why."""
        with Verifying(tmp_path / "gone") as verifying:
            verification = verifying.result()
        assert "not verified" == verification.verdict
        assert "gone" in verification.told[0]

    def test_told(self, here: Any, found: Report) -> None:
        """Versions, seed, configuration, files and source are those of run.json."""
        run = PastRun.find("r", here.runs_dir).run
        origin = found.provenance
        assert (run["distributions"], run["seed"], run["config_sha256"]) == (
            origin.distributions,
            origin.run["seed"],
            origin.run["config_sha256"],
        )
        assert 0.4 == origin.configuration["model.threshold"]
        assert run["source"] == origin.source


class Parsed(HTMLParser):
    """The page, read by a parser that accepts no unclosed element."""

    VOID = ("meta", "link", "input", "br", "col")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an element."""
        self.found[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Make sure that it is the one that is open."""
        assert tag == self.open.pop()


class TestPage:
    def test_well_formed(self, made: str) -> None:
        """Every element is closed, in order."""
        assert 1 == Parsed(made).found["main"]

    def test_refers_to_nothing(self, made: str) -> None:
        """Nothing but places in the page and the empty icon is referred to."""
        places = [
            value
            for _, name, value in Parsed(made).attributes
            if name in ("src", "href", "action", "srcset", "xlink:href")
        ]
        assert [] == [place for place in places if not place.startswith("#") and place != "data:,"]
        assert [] == re.findall(r"url\(|@import|https?:", made)

    def test_policy(self, made: str) -> None:
        """The policy allows the one script and the one style sheet by their hashes, and no inline style or handler."""
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', made)
        policy = policy.replace("&#x27;", "'")
        for name in ("style", "script"):
            (content,) = re.findall(f"<{name}>(.*?)</{name}>", made, re.DOTALL)
            digest = b64encode(sha256(content.encode()).digest()).decode()
            assert f"{name}-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none'")
        assert [] == [a for a in Parsed(made).attributes if a[1] == "style" or a[1].startswith("on")]

    def test_charts_are_accessible(self, made: str) -> None:
        """Every chart has a name, a table, and a name for each thing to point at."""
        charts = re.findall(r"<figure>(.*?)</figure>", made, re.DOTALL)
        assert len(charts) >= 10
        for chart in charts:
            assert re.search(r'<svg [^>]*aria-label="[^"]+"', chart)
            assert "<table>" in chart
            assert len(re.findall("data-tip=", chart)) == len(re.findall('role="img" aria-label="[^"]', chart)) > 0

    def test_no_number_is_missing(self, made: str) -> None:
        """Nothing that is not a number reaches the page."""
        assert [] == re.findall(r'[ "=>](nan|inf|NaN|Infinity|None)[ "<]', made)

    def test_hostile_names(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """What an event brings is text wherever it is shown: keys, ids, features, segments, reasons."""
        events = [
            {**event, "site": f'"><img src=x onerror=pwned=2> {n % 3}', "id": f"{HOSTILE}{n}", HOSTILE: n % 7}
            for n, event in enumerate(ran_once.events[:240])
        ]
        more = ('features.include=["*"]', 'redaction.extra=["colour"]')
        ran = run_of(tmp_path / "a", events, *more)
        other = run_of(tmp_path / "b", events, *more, "model.threshold=0.6")
        made = page(report(question(ran, by="site"), str(other.runs_dir / "r"), COSTS, 2))
        parsed = Parsed(made)
        assert (1, 0) == (parsed.found["script"], parsed.found["img"])
        for shown in (f"feature {HOSTILE}", f"{HOSTILE}1", '"><img src=x onerror=pwned=2> 1'):
            assert text(shown) in made

    def test_the_same_again(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """The same run and options give the same bytes."""
        asked = question(run_of(tmp_path / "a", ran_once.events[:100]))
        first, second = (page(report(asked, None, COSTS, 4)) for _ in range(2))
        assert first == second

    def test_thousands_of_weights(self, found: Report) -> None:
        """A page stays small however many options there are, and says that there are more."""
        options = {f"model.weights.{'w' * 100}{n}": n / 7 for n in range(20_000)}
        made = page(attrs.evolve(found, provenance=attrs.evolve(found.provenance, configuration=options)))
        assert len(made) < 1_000_000
        assert "the first 500 of 20,000 options; --json has all" in made

    def test_file(self, found: Report, tmp_path: Path) -> None:
        """The file can be read by its owner alone, and replaces one that was there."""
        path = tmp_path / "r.html"
        path.write_text("old")
        write_page(found, path)
        assert (0o600, ["r.html"]) == (stat.S_IMODE(path.stat().st_mode), [p.name for p in tmp_path.iterdir()])

    def test_no_such_place(self, found: Report, tmp_path: Path) -> None:
        """Where the file cannot be written, it is said."""
        with pytest.raises(UsageError, match=r"r\.html: cannot be written: .*; choose another file for --html"):
            write_page(found, tmp_path / "no" / "r.html")

    @pytest.mark.parametrize("events", [1, 3])
    def test_short_runs(self, run_of: Any, ran_once: Any, tmp_path: Path, events: int) -> None:
        """A run of a decision or two has a page too, and says what cannot be told."""
        ran = run_of(tmp_path / "a", ran_once.events[:events])
        assert "too short" in page(report(question(ran), None, COSTS, 10))

    def test_without_outcomes_and_clock(self, run_of: Any, ran_once: Any, tmp_path: Path) -> None:
        """Without outcomes nothing is said about right or wrong, and without a clock the steps stand for time."""
        events = [{k: v for k, v in event.items() if k not in ("bad", "at")} for event in ran_once.events[:200]]
        ran = run_of(tmp_path / "a", events, without='timestamp = "at"\n', instead="")
        found = report(question(ran), None, COSTS, 2)
        made = page(found)
        assert ("steps", None) == (found.timeline.unit, found.curves)
        assert "nothing is said about right or wrong" in made
        assert "number of the decision" in made


class TestCommand:
    def test_both(self, here: Any, mdm: Any, tmp_path: Path) -> None:
        """The page and the document can be had together, and the document has every part."""
        said = mdm("report", "r", "--runs-dir", here.runs_dir, "--html", "r.html", "--json")
        assert 0 == said.code, said
        assert re.search(r"written to r\.html \(0\.\d\d MB\)", said.err)
        assert {
            *("evaluation", "costs", "asked", "denied", "timeline", "curves", "latencies", "masks"),
            *("challengers", "arms", "comparison", "provenance"),
        } == said.json.keys()
        assert EVENTS == said.json["evaluation"]["whole"]["decisions"]
        assert "Report on run r" in (tmp_path / "r.html").read_text()

    def test_everything_on_the_page_is_in_the_document(self, found: Report, made: str) -> None:
        """The figures on the page are those of the document."""
        document = json.loads(json.dumps(found.to_dict(), default=str))
        recall = document["evaluation"]["whole"]["decided"]["recall"]
        assert f"{recall['value']:.4f}" in made
        assert f"{recall['low']:.4f} to {recall['high']:.4f}" in made
        assert document["provenance"]["run"]["config_sha256"] in made

    def test_of_a_time(self, here: Any, mdm: Any) -> None:
        """--since leaves decisions out of every part."""
        since = "2023-11-25T00:00:00Z"
        told = mdm("report", "r", "--runs-dir", here.runs_dir, "--since", since, "--json").json
        decisions = sum(span["decisions"] for span in told["timeline"]["spans"])
        assert 0 < decisions < EVENTS
        assert decisions == told["evaluation"]["whole"]["decisions"] == told["masks"]["packets"]

    def test_nothing_asked_for(self, here: Any, mdm: Any) -> None:
        """A report that goes nowhere is a mistake."""
        said = mdm("report", "r", "--runs-dir", here.runs_dir)
        assert (2, "say what to make of it: --html report.html, --json, or both") == (said.code, said.err)

    def test_no_such_run(self, mdm: Any) -> None:
        """A run that is not there is a mistake with the way out."""
        said = mdm("report", "x", "--json")
        assert 2 == said.code
        assert "no run 'x' in runs" in said.err

    def test_no_such_directory(self, here: Any, mdm: Any) -> None:
        """Where the page is to go is looked at before anything is read."""
        said = mdm("report", "r", "--runs-dir", here.runs_dir, "--html", "no/r.html")
        assert (2, "--html no/r.html: there is no directory no; make it first") == (said.code, said.err)
