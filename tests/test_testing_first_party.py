"""Every component of this repository keeps its contract, as the author's kit checks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import attrs
import pandas as pd
import pytest
from mdm_flights import FlightsSource
from mdm_flights.desk import Desk
from mdm_http import Webhook

from mdm_core import Build
from mdm_core.plugins import Registry
from mdm_core.testing import RecordingBroker, Subject, mdm_check
from mdm_core.testing.catalogue import CHECKS
from mdm_core.testing.importing import import_alone
from mdm_core.testing.material import START_MS
from mdm_core.testing.running import outcome
from mdm_core.testing.subject import find

ROOT = Path(__file__).parents[1]
FIRST_PARTY = ("dmc", "flights", "guards", "http", "private", "redaction", "reference", "trace-jsonl")
CHECKED: set[str] = set()
DOMAINS = {
    "api-limits": "api_limits",
    "content": "moderation",
    "parking": "parking",
    "robotics": "robotics",
    "trading": "trading",
}
# What the tests of the examples make themselves, and how it stands in their checks.
MADE = {"api-limits.relays": "First,", "content.mail": "First,", "trading.sides": "sides,"}

LINES = "".join(f'{{"key": "k{n % 3}", "n": {n}, "text": "naïve 🤖"}}\n' for n in range(25))
TABLE = "key,n,text\n" + "".join(f"k{n % 3},{n},t{n}\n" for n in range(25))
CALIBRATION = '{"map": {"kind": "logistic", "a": 1.0, "b": 1.0, "c": 0.1, "clip": 0.001}, "threshold": 0.5}'
PRIVATE = """\
from decision_schema.types import Action, Proposal


def compute_proposal_private(features, **kwargs):
    x = features.get("x")
    sure = isinstance(x, float) and x > kwargs["scale"]
    return Proposal(Action.ACT if sure else Action.HOLD, 0.75, ["private"], {})
"""
WEIGHED = {"use": "reference.logistic", "weights": {"x": 1.0}}
EVENTS = [{"key": "ada", "timestamp_ms": START_MS + n * 1000, "n": n} for n in range(30)]
TOKEN = "0123456789abcdef0123"
TRACE_SKIPS = {
    "secrets-declared": "signing_key names a file, and the sink refuses the key itself in its place",
}


def quoted(name: str) -> str:
    return f'"{name}"'


def checked(name: str, options: dict[str, Any] | None = None, *, component: Any = None, **rest: Any) -> Any:
    CHECKED.add(name)
    return staticmethod(mdm_check(component or name, options=options, **rest))


class TestReference:
    test_jsonl = checked("reference.jsonl", {"path": "e.jsonl"}, files={"e.jsonl": LINES})
    test_csv = checked("reference.csv", {"path": "e.csv"}, files={"e.csv": TABLE})
    test_memory = checked("reference.memory", {"events": EVENTS})
    test_rolling = checked("reference.rolling")
    test_rolling_over_time = checked(
        "reference.rolling",
        {
            "window": "5s",
            "stats": ["ewma", "delta"],
            "also": ["event.rate"],
            "categories": ["*"],
            "derived": {"r": "x/n"},
        },
    )
    test_logistic = checked("reference.logistic", {"weights": {"x": 0.3, "nested.side=long": 1.0}})
    test_linear = checked("reference.linear", {"weights": {"n": 0.01}})
    test_exit_policy = checked(
        "reference.exit_policy", {"model": WEIGHED, "value": "price", "take_profit": 0.02, "time_stop_ms": 9000}
    )
    test_calibrated = checked(
        "reference.calibrated", {"model": WEIGHED, "file": "c.json"}, files={"c.json": CALIBRATION}
    )
    test_explore = checked("reference.explore", {"model": WEIGHED, "epsilon": 0.2})
    test_paper = checked("reference.paper", effects=lambda broker: broker.by_action)
    test_null = checked("reference.null")
    test_file = checked("reference.file")


class TestGuards:
    test_budget = checked("guards.budget", {"param": "amount", "limit": 20.0})
    test_circuit_breaker = checked("guards.circuit_breaker", {"failures": 2, "open_for": "3s"})
    test_circuit_per_key = checked("guards.circuit_breaker", {"failures": 2, "open_for": "3s", "scope": "key"})
    test_clamp = checked("guards.clamp", {"max": {"amount": 4}})
    test_confidence = checked("guards.confidence")
    test_cooldown = checked("guards.cooldown")
    test_error_rate = checked("guards.error_rate", context={"errors_in_window": 40})
    test_ops_health = checked("guards.ops_health", {"max_errors": 2})
    test_policy = checked("guards.policy", {"deny_if": "amount > 4 and n < 30"})
    test_rate_limit = checked("guards.rate_limit", {"rate": 1, "per": "5s", "burst": 2})
    test_staleness = checked("guards.staleness")
    test_standard = checked("guards.standard")


class TestRedaction:
    test_allow = checked("redaction.allow", {"paths": ["input.amount"]})
    test_chain = checked("redaction.chain", {"first": {"use": "redaction.keys"}, "then": {"use": "redaction.standard"}})
    test_keys = checked("redaction.keys")
    test_keys_drop = checked("redaction.keys", {"mode": "drop"})
    test_keys_tokens = checked("redaction.keys", {"mode": "tokens", "token_key": TOKEN})
    test_personal = checked("redaction.personal", {"kinds": ["email"]})
    test_secrets = checked("redaction.secrets")
    test_standard = checked("redaction.standard", {"personal": ["email", "card"]})


class TestTraceJsonl:
    test_packets = checked("trace-jsonl.packets", skip=TRACE_SKIPS)
    test_packets_in_segments = checked("trace-jsonl.packets", {"rotate_bytes": 8000}, skip=TRACE_SKIPS)
    test_audit = checked("trace-jsonl.audit", skip=TRACE_SKIPS)


class TestPrivate:
    test_function = checked("private.model", {"scale": 1.0}, files={"_private/model.py": PRIVATE})
    test_fallback = checked("private.model")


class TestDmc:
    test_modulate = checked("dmc.modulate")

    @pytest.fixture(autouse=True)
    def core(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The core that the plugin's own tests use."""
        monkeypatch.syspath_prepend(ROOT / "plugins/mdm-dmc/tests/standin")
        yield
        for name in [name for name in sys.modules if name.partition(".")[0] == "dmc_core"]:
            del sys.modules[name]


class Endpoint:
    """The desk of the flights example: an endpoint that carries an order out once."""

    port = 9
    effects = Path()


def webhook() -> Webhook:
    return Webhook(url=f"http://127.0.0.1:{Endpoint.port}/crews", deduplicates=True)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[None]:
    """The endpoint, on a port of the loopback."""
    with TemporaryDirectory() as folder:
        Endpoint.effects = Path(folder, "effects.jsonl")
        desk = Desk(0, Endpoint.effects)
        Endpoint.port = desk.server_port
        thread = Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        desk.shutdown()
        thread.join()
        desk.server_close()


@pytest.mark.usefixtures("endpoint")
class TestHttp:
    test_webhook = checked(
        "http.webhook", component=webhook, effects=lambda _: Endpoint.effects.read_text(), limit_ms=1000
    )


@cache
def flights() -> Any:
    """The flights of the first days; reading the whole year takes seconds."""
    source = FlightsSource()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd, "read_csv", partial(pd.read_csv, nrows=3000))
        source.open(Build())
    return source._flights.head(250)


@attrs.define
class Departures(FlightsSource):
    """The first flights of the source, read once."""

    def open(self, build: Build) -> None:
        self._flights = flights()


class TestFlights:
    test_departures = checked(
        "flights.departures",
        component=Departures,
        skip={"no-io-at-import": "the class stands in this module; the source's own is looked at below"},
    )
    test_figures = checked(
        "flights.figures",
        {"since": "2013-01-01T00:00:00+00:00"},
        context={"eval.outcome": True},
        skip={
            "bare-packets": "it compares with outcomes, so it is of use only where the pipeline has time and outcome"
        },
    )

    def test_importing_departures_does_nothing(self) -> None:
        """The module of the source writes, starts and connects to nothing when it is imported."""
        assert () == import_alone(FlightsSource.__module__).deeds


class TestTheKitItself:
    test_recording_broker = staticmethod(mdm_check(RecordingBroker, effects=lambda broker: broker.orders))


class TestCoverage:
    @pytest.mark.parametrize("name", ["http.webhook", "flights.departures"])
    def test_plugins_of_components_that_are_made_here_are_light(self, name: str) -> None:
        """A component that a test makes itself does not tell its plugin; its id does."""
        assert "passed" == outcome(CHECKS["light-import"], Subject.of(name)).status

    def test_every_component_is_checked(self) -> None:
        """No component of this repository is left out."""
        registry = Registry(blocked=())
        components = {c.id for name in FIRST_PARTY for c in registry.components(name).values()}
        assert components == CHECKED

    @pytest.mark.parametrize("plugin", DOMAINS)
    def test_every_component_of_a_domain_is_checked(self, plugin: str) -> None:
        """Nor is one of the examples left out, whose own tests check them."""
        tests = sorted((ROOT / "examples" / DOMAINS[plugin] / "tests").glob("*.py"))
        text = "".join("".join(path.read_text(encoding="utf-8").split()) for path in tests)
        components = {c.id for c in Registry(blocked=()).components(plugin).values()}
        assert [] == [name for name in components if f"mdm_check({MADE.get(name, quoted(name))}" not in text]

    @pytest.mark.parametrize("name", sorted(MADE))
    def test_what_the_examples_make_themselves_imports_without_deeds(self, name: str) -> None:
        """Of a component that is not checked by its id, plugin and module are looked at here."""
        subject = Subject.of(name)
        assert "passed" == outcome(CHECKS["light-import"], subject).status
        assert () == import_alone(find(name).load().__module__).deeds
