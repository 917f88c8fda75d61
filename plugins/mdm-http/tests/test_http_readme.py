"""The README's examples build and run, and its tables are complete."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias, get_args

import pytest
from mdm_core import Build, Order, Receipt, Run
from mdm_core.options import option_fields

from mdm_http import Verifier, Webhook, plugin
from mdm_http.signing import NONCE, SIGNATURE, TIMESTAMP, Reason

Open: TypeAlias = Callable[..., Webhook]
MakeOrder: TypeAlias = Callable[..., Order]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
[RECEIVER] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
KEY = "0123456789abcdef" * 4
ENVIRONMENT = {
    "ORDERS_TOKEN": "t0",
    "ORDERS_API_KEY": "k3y",
    "ORDERS_SIGNING_KEY": KEY,
    "ORDERS_URL": "https://example.com/secret",
}
REST = """\
[pipeline]
key = "who"

[source]
use = "reference.jsonl"
path = "events.jsonl"

[features]
use = "reference.rolling"

[model]
use = "reference.linear"

[redaction]
use = "none"

"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


class TestExamples:
    @pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
    def test_build_and_open(self, tmp_path: Path, example: str) -> None:
        """Every example is a part of a pipeline file that is built and opened."""
        (tmp_path / "pipeline.toml").write_text(REST + example)
        (tmp_path / "events.jsonl").touch()
        (tmp_path / "our-ca.pem").write_bytes(Path(__file__).with_name("localhost.pem").read_bytes())
        broker = Run.from_config(tmp_path / "pipeline.toml").plan.broker
        assert broker is not None
        assert isinstance(broker.component, Webhook)
        broker.component.open(Build(base_dir=tmp_path))
        broker.component.close()

    def test_receiver(self, open_webhook: Open, order: MakeOrder) -> None:
        """The receiver of the README takes what is signed, once per key, and refuses the rest."""
        names: dict[str, Any] = {}
        exec(RECEIVER.replace("8080", "0"), names)
        server = names["server"]
        names["Orders"].log_message = lambda *_: None
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            good, given = open_webhook(url, signing_key=KEY), order()
            assert [Receipt("done")] * 2 == [good.execute(given) for _ in range(2)]
            for bad in (open_webhook(url), open_webhook(url, signing_key=KEY[::-1])):
                assert Receipt("failed", "rejected") == bad.execute(order())
            assert {given.idempotency_key: "ACT"} == names["carried_out"]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class TestTables:
    def test_every_component_has_an_example(self) -> None:
        """What the plugin registers is configured somewhere."""
        registered: dict[str, Any] = {}
        plugin.mdm_register_brokers(registered.__setitem__)
        ids = {f"http.{name}" for name in registered}
        assert ids == {use for example in EXAMPLES for use in re.findall('use = "(.*)"', example)}

    def test_every_option_is_shown(self) -> None:
        """Every option of the webhook stands in an example."""
        shown = {name for example in EXAMPLES for name in re.findall(r"^(?:\[broker\.)?(\w+)(?: =|\])", example, re.M)}
        assert {field.name for field in option_fields(Webhook)} == shown - {"use", "CANCEL"}

    def test_defaults_are_the_real_ones(self) -> None:
        """The time-outs in the example are the defaults."""
        webhook = Webhook(url="http://localhost/")
        assert f"connect_ms = {webhook.connect_ms} " in README
        assert f"answer_ms = {webhook.answer_ms} " in README

    def test_every_reason_is_explained(self) -> None:
        """Every reason for which a request is refused is in the table, and nothing else."""
        table = README.partition("| reason | meaning |")[2].partition("\n\n")[0]
        found = {reason for line in table.splitlines()[2:] for reason in re.findall(r"`(\w+)`", line.split("|")[1])}
        assert set(get_args(Reason)) == found

    def test_every_header_of_a_signature_is_explained(self) -> None:
        """The headers are in the table by their real names."""
        table = README.partition("| header | value |")[2].partition("\n\n")[0]
        assert [TIMESTAMP, NONCE, SIGNATURE] == re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)

    def test_verifier_defaults(self) -> None:
        """The Verifier's default is the one that is told."""
        assert "100,000 by default" in README
        assert 100_000 == (Verifier.__init__.__kwdefaults__ or {})["remember"]
