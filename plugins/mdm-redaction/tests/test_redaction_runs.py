"""Real runs: nothing of what must not be written is left in the folder of a run, or on the screen."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mdm_core import ConfigError

from mdm_redaction.personal import KINDS

RunOn: TypeAlias = Callable[[str, list[Any]], Path]

ROOT = Path(__file__).parents[1]
EXAMPLES = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
CANARIES = {
    "password": "canary-Pa55word",
    "github": "ghp_Canary1234567890abcdefghijABCDEF4242",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
    "email": "canary@example.com",
    "card": "4111 1111 1111 1111",
    "iban": "DE89370400440532013000",
    "phone": "+49 30 90182042",
    "ip": "203.0.113.42",
}


def events(canaries: dict[str, str]) -> list[Any]:
    """Events with canaries in keys, values, lists, JSON, URLs and sentences; good ones and such as are refused."""
    c = canaries
    made = [
        {
            "user": "u1",
            "at": 1000,
            "id": "e1",
            "amount": 5,
            "password": c["password"],
            "note": f"mail {c['email']}, please",
        },
        {"user": "u1", "at": 2000, "id": "e2", "amount": 6, "raw": json.dumps({"token": c["jwt"], "to": [c["iban"]]})},
        {
            "user": "u2",
            "at": 3000,
            "id": "e3",
            "amount": 7,
            c["github"]: 1,
            "list": [f"pay {c['card']}", {"x": c["phone"]}],
        },
        {
            "user": "u2",
            "at": 4000,
            "id": "e4",
            "amount": 8,
            "url": f"https://x.org/?password={c['password']}&ip={c['ip']}",
        },
        {"user": "u3", "at": "not a time", "id": "e5", "note": f"Bearer {c['jwt']} from {c['email']}"},
        {"at": 5000, "id": "e6", "note": f"no key: {c['github']} {c['card']}"},
    ]
    return [*made, f"not json {c['password']} {c['email']}".encode()]


def written(folder: Path) -> str:
    """All that a run has left on the disk."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


class TestCanaries:
    @pytest.mark.parametrize(
        "redaction",
        [
            f'[redaction]\nuse = "redaction.standard"\npersonal = {json.dumps(list(KINDS))}\n',
            '[redaction]\nuse = "redaction.allow"\npaths = ["input.amount"]\n',
        ],
        ids=["standard", "allow"],
    )
    def test_nothing_is_left(
        self, run_on: RunOn, redaction: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """No canary is in trace, audit log, dead letters, journal, run.json, summary, log or output."""
        with caplog.at_level(logging.DEBUG):
            folder = run_on(redaction, events(CANARIES))
        left = written(folder) + caplog.text + "".join(capfd.readouterr())
        assert [] == [name for name, canary in CANARIES.items() if canary in left]
        assert 4 == (folder / "traces.jsonl").read_text().count("\n")
        assert 3 == (folder / "dead_letter.jsonl").read_text().count("\n")

    def test_they_would_be_left(self, run_on: RunOn) -> None:
        """Without a redactor they are all there, so that the test above can fail."""
        left = written(run_on('[redaction]\nuse = "none"\n', events(CANARIES)))
        assert [] == [name for name, canary in CANARIES.items() if canary not in left]

    def test_what_is_clean_can_be_read(self, run_on: RunOn) -> None:
        """The rest of the event is in the trace as it came."""
        folder = run_on(
            f'[redaction]\nuse = "redaction.standard"\npersonal = {json.dumps(list(KINDS))}\n', events(CANARIES)
        )
        packet = json.loads((folder / "traces.jsonl").read_text().splitlines()[0])
        expected = {"user": "u1", "at": 1000, "id": "e1", "amount": 5, "password": "[REDACTED]"}
        assert expected | {"note": "mail [REDACTED], please"} == packet["input"]

    def test_tokens_can_be_joined(self, run_on: RunOn, monkeypatch: pytest.MonkeyPatch) -> None:
        """With tokens the packets of one address can be found, and the key is nowhere."""
        monkeypatch.setenv("REDACTION_TEST_KEY", "0123456789-canary-key")
        table = 'use = "redaction.standard"\npersonal = ["email"]\nmode = "tokens"\n'
        table += 'token_key = { env = "REDACTION_TEST_KEY" }\n'
        made = [
            {"user": f"u{n}", "at": n, "id": n, "amount": 1, "mail": mail}
            for n, mail in enumerate(["a@b.org", "c@d.org", "A@B.org"])
        ]
        folder = run_on(f"[redaction]\n{table}", made)
        packets = [json.loads(line)["input"] for line in (folder / "traces.jsonl").read_text().splitlines()]
        assert packets[0]["mail"] == packets[2]["mail"] != packets[1]["mail"]
        assert "canary-key" not in written(folder)


class TestExamples:
    @pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
    def test_run(self, run_on: RunOn, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every example of the README is a part of a pipeline file that runs."""
        monkeypatch.setenv("MDM_TOKEN_KEY", "0123456789abcdef")
        folder = run_on(example, [{"user": "u", "at": 1, "id": "e", "amount": 5}])
        assert 1 == (folder / "traces.jsonl").read_text().count("\n")

    def test_says_what_is_missing(self, run_on: RunOn) -> None:
        """A mode that needs a key says so with its place in the file."""
        with pytest.raises(
            ConfigError, match=r"\[redaction\]: token_key: mode = \"tokens\" needs a key; add token_key ="
        ):
            run_on('[redaction]\nuse = "redaction.standard"\nmode = "tokens"\n', [])
