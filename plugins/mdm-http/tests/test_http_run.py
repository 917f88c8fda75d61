"""Whole runs with the webhook as their broker: each order takes effect once, and no secret is in what a run leaves."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import Order

from mdm_http import SignatureError, Verifier, Webhook

Open: TypeAlias = Callable[..., Webhook]
MakeOrder: TypeAlias = Callable[..., Order]

SECRETS = {name: f"canary-{name.lower()}-4711-of-32-characters" for name in ("PATH", "TOKEN", "HEADER", "KEY")}
EVENTS = 200
PIPELINE = """\
[pipeline]
key = "who"
timestamp = "at"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"

[model]
use = "reference.linear"
weights = { amount = 0.05 }
threshold = 0.5

[broker]
use = "http.webhook"
url = { env = "HOOK_URL" }
token = { env = "HOOK_TOKEN" }
signing_key = { env = "HOOK_KEY" }
deduplicates = DEDUPLICATES
reference_header = "X-Order-Id"

[broker.headers]
X-Api-Key = { env = "HOOK_HEADER" }

[execution]
backoff_ms = 1
backoff_jitter_ms = 1

[[trace]]
use = "trace-jsonl.packets"

[[trace]]
use = "trace-jsonl.audit"

[redaction]
use = "redaction.keys"
"""


class Shop:
    """The other side: verifies, carries out once per key, and fails with every tenth request, each time in another way.

    Attributes:
        effects: Idempotency key to how often it took effect.
        refused: How many requests were refused.
    """

    def __init__(self, endpoint: Any, *, deduplicates: bool) -> None:
        self.effects: Counter[str] = Counter()
        self.refused = 0
        self._requests = endpoint.requests
        self._deduplicates = deduplicates
        self._verifier = Verifier(SECRETS["KEY"])
        endpoint.otherwise = self.receive

    def receive(self, handler: Any) -> None:
        """Deal with one request."""
        handler.take()
        request = self._requests[-1]
        try:
            self._verifier.verify(request.headers, request.body)
        except SignatureError:
            self.refused += 1
            handler.answer(401, {}, b"")
            return
        number = len(self._requests)
        if number % 30 == 10:
            handler.answer(429, {"Retry-After": "0"}, b"")
        elif number % 30 == 20:
            handler.answer(503, {}, b"")
        else:
            key = json.loads(request.body)["idempotency_key"]
            if not (self._deduplicates and key in self.effects):
                self.effects[key] += 1
            if number % 30 == 0:
                handler.close_connection = True
            else:
                handler.answer(
                    200, {"X-Order-Id": f"A-{number}", "X-Echo": SECRETS["TOKEN"]}, json.dumps(request.headers).encode()
                )


def run(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, *, deduplicates: bool) -> Any:
    """Run the pipeline in a process of its own."""
    events = [{"who": f"u{n % 7}", "at": n * 1000, "amount": n % 20} for n in range(EVENTS)]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "pipeline.toml").write_text(PIPELINE.replace("DEDUPLICATES", str(deduplicates).lower()))
    monkeypatch.setenv("HOOK_URL", f"{url}/{SECRETS['PATH']}")
    for name in ("TOKEN", "HEADER", "KEY"):
        monkeypatch.setenv(f"HOOK_{name}", SECRETS[name])
    command = [sys.executable, "-m", "mdm_core", "run", "pipeline.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def traces(folder: Path) -> list[dict[str, Any]]:
    """Read the packets of the only run."""
    [path] = folder.glob("runs/*/traces.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestRun:
    @pytest.mark.parametrize("deduplicates", [True, False])
    def test_every_order_takes_effect_once_or_is_listed(
        self, endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deduplicates: bool
    ) -> None:
        """Whatever the endpoint does, no order takes effect twice, and each that is not done is told."""
        shop = Shop(endpoint, deduplicates=deduplicates)
        done = run(tmp_path, endpoint.url(""), monkeypatch, deduplicates=deduplicates)
        assert 0 == done.returncode, done.stderr
        packets = [packet for packet in traces(tmp_path) if packet["final_action"]["action"] == "ACT"]
        statuses = Counter(packet["external"]["exec.status"] for packet in packets)
        assert (EVENTS // 2, EVENTS) == (len(packets), len(traces(tmp_path)))
        assert ({1}, 0) == (set(shop.effects.values()), shop.refused)
        assert len(packets) == len(shop.effects) == statuses["done"] + statuses["unknown"]
        assert deduplicates is (statuses["unknown"] == 0)
        assert len(endpoint.requests) > len(packets)

    def test_no_secret_is_in_what_a_run_leaves(
        self, endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither its files nor its output hold a secret, though requests carry them and answers repeat them."""
        Shop(endpoint, deduplicates=True)
        done = run(tmp_path, endpoint.url(""), monkeypatch, deduplicates=True)
        assert 0 == done.returncode, done.stderr
        request = endpoint.requests[0]
        headers = (request.headers["authorization"], request.headers["x-api-key"])
        assert (f"/{SECRETS['PATH']}", f"Bearer {SECRETS['TOKEN']}", SECRETS["HEADER"]) == (request.path, *headers)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        left = [done.stdout, done.stderr, *(path.read_bytes().decode(errors="replace") for path in files)]
        assert {"run.json", "traces.jsonl", "summary.json"} <= {path.name for path in files}
        assert [] == [name for name, secret in SECRETS.items() if any(secret in text for text in left)]

    def test_a_missing_variable_is_told_before_anything_runs(
        self, endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit code 2, the place in the file, and the variable to set."""
        monkeypatch.setitem(SECRETS, "HEADER", "")
        done = run(tmp_path, endpoint.url(""), monkeypatch, deduplicates=True)
        assert 2 == done.returncode
        line = "[broker] headers: X-Api-Key: the environment variable HOOK_HEADER is not set; set it"
        assert line in done.stderr.replace("\n", " ")
        assert [] == endpoint.requests


class TestLog:
    def test_no_secret_is_logged(
        self,
        endpoint: Any,
        open_webhook: Open,
        order: MakeOrder,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Not even with every logger at its most talkative is a URL, a header or a key written anywhere."""
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("HOOK_URL", f"{endpoint.url('')}/{SECRETS['PATH']}")
        monkeypatch.setenv("HOOK_HEADER", SECRETS["HEADER"])
        webhook = open_webhook(
            {"env": "HOOK_URL"},
            headers={"X-Api-Key": {"env": "HOOK_HEADER"}},
            token=SECRETS["TOKEN"],
            signing_key=SECRETS["KEY"],
            answer_ms=500,
        )
        endpoint.answers(200)
        endpoint.answers(400)
        endpoint.hangs_up(read=True)
        endpoint.writes(b"what?\r\n\r\n")
        endpoint.answers(200, after=5)
        receipts = [webhook.execute(order()) for _ in range(5)]
        endpoint.close()
        receipts.append(webhook.execute(order()))
        assert ["done", "failed", "unknown", "unknown", "unknown", "retry"] == [r.status for r in receipts]
        assert [] == [name for name, secret in SECRETS.items() if secret in caplog.text]
        said = [record.getMessage() for record in caplog.records if record.name == "mdm.http"]
        assert [
            "ACT was answered with 400",
            "ACT was not answered: RemoteProtocolError",
            "ACT was not answered: RemoteProtocolError",
            "ACT was not answered: TimeoutError",
            "ACT was not answered: ConnectionRefusedError",
        ] == said
