"""Nothing leaks: events full of canaries go through real runs, and everything that these leave is searched for them.

What a broker is sent is not redacted, for it has to act; so its own file is the one place that is not searched.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import pytest

from mdm_core.control import Request, send

KINDS = ["email", "phone", "card", "iban", "ip", "national_id"]
FILE_OF_BROKER = "actions.jsonl"
PATIENCE_S = 60.0
DIES_AT, WAITS_AT = 150, 40

PLUGIN = '''\
"""Components that say, raise, log and answer whatever an event tells them to."""

import json
import os
import signal
import time

import attrs
from mdm_core import (
    Action, Broker, DataSource, FeatureExtractor, FinalDecision, MismatchInfo, Modulator, Observer, Proposal,
    ProposalModel, Receipt, Record, Reject, TraceSink, get_logger, hookimpl, option,
)

_log = get_logger("canary")


@attrs.define
class Sings(DataSource):
    """Fails with a message, and not before an event."""

    song: str = option("", help="what it says when it fails")
    opens: bool = option(True, help="whether it can be opened")

    def open(self, build):
        if not self.opens:
            raise RuntimeError(f"no connection: {self.song}")

    def records(self):
        yield Record({"user": "u", "n": 1, "at": 1}, 1)
        raise RuntimeError(self.song)


@attrs.define
class Reads(FeatureExtractor):
    """Takes all texts of an event for features."""

    dies_at: int = option(-1, help="number of the event at which the process is killed, once")
    waits_at: int = option(-1, help="number of the event at which it waits for a file")
    _run_dir = attrs.field(init=False, default=None)

    def open(self, build):
        self._run_dir = build.run_dir

    def extract(self, event, context):
        if event["n"] == self.waits_at:
            (self._run_dir.parent / "waits").touch()
            while not (self._run_dir.parent / "goes").exists():
                time.sleep(0.01)
        died = self._run_dir.parent / "died"
        if event["n"] == self.dies_at and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        text = json.dumps(event["what"])
        if event["do"] == "extract":
            raise RuntimeError(text)
        context["adapter.seen"] = event["what"]
        return {"n": event["n"], "text": text, text: 1}


@attrs.define
class Repeats(ProposalModel):
    """Proposes what it was given, in all places that a proposal has."""

    def propose(self, features, context):
        text = features["text"]
        if features["n"] % 29 == 7:
            raise ValueError(text)
        return Proposal(Action.ACT, 0.9, [text], {"text": text, "n": features["n"]}, {"summary": text, text: 1})


@attrs.define
class Denies(Modulator):
    """Denies some, with all that it knows, and raises at others."""

    flags_tell: bool = option(False, help="whether its flags hold what it knows")
    note: str = option("", help="anything")
    notes: dict[str, str] = option({}, help="more of that")

    def modulate(self, proposal, decision, context):
        n, text = context.features["n"], context.features["text"]
        if n % 31 == 8:
            raise KeyError(text)
        if n % 7:
            return decision
        flags = [text if self.flags_tell else "canary"]
        mismatch = MismatchInfo(flags, [f"canary:{text}"], None, {"why": text, text: text})
        return FinalDecision(Action.HOLD, False, [text], mismatch, None, None, proposal.params)


@attrs.define
class Sells(Broker):
    """Answers in every way that there is, and tells everybody."""

    idempotent = True

    _pending = attrs.field(init=False, factory=list)

    def execute(self, order):
        n, text = order.params["n"], order.params["text"]
        _log.warning("order %s", {"params": order.params, "texts": [text]})
        _log.error("failed", exc_info=RuntimeError(text))
        if n % 13 == 1:
            raise ConnectionError(text)
        if n % 13 == 2:
            self._pending.append((order.idempotency_key, Receipt("done", "ok", None, text[:1000])))
            return Receipt("pending", "ok", None, text[:1000])
        if n % 13 == 3:
            return Receipt("failed", "rejected", None, text[:1000])
        if n % 13 == 4:
            return text
        return Receipt("done", "ok", None, text[:1000])

    def poll(self):
        while self._pending:
            yield self._pending.pop()

    def close(self):
        raise RuntimeError("password=" + "canary" * 3)


@attrs.define
class Watches(Observer):
    """Writes down all that it is shown."""

    _file = attrs.field(init=False, default=None)
    _last = attrs.field(init=False, default="")

    def open(self, build):
        self._file = (build.run_dir / "watched.txt").open("a")

    def close(self):
        self._file.close()

    def on_run_start(self, run):
        print("start", json.dumps(run, default=str), file=self._file)

    def on_decision(self, packet):
        self._last = str(packet["input"])
        print("decision", repr(packet), file=self._file)

    def on_error(self, failure):
        print("error", repr(failure), file=self._file)

    def on_run_end(self, summary):
        print("end", repr(summary), file=self._file, flush=True)
        return {"last": self._last}


@attrs.define
class Stumbles(Observer):
    """Raises what it is shown."""

    def on_decision(self, packet):
        if packet["step"] > 3:
            raise RuntimeError(str(packet))


@attrs.define
class Tears(TraceSink):
    """Fails with what it is to write."""

    song: str = option("", help="what it says besides")

    def write(self, record):
        raise RuntimeError(f"{self.song} {record}")


@hookimpl
def mdm_register_data_sources(register):
    register("sings", Sings)


@hookimpl
def mdm_register_feature_extractors(register):
    register("reads", Reads)


@hookimpl
def mdm_register_proposal_models(register):
    register("repeats", Repeats)


@hookimpl
def mdm_register_modulators(register):
    register("denies", Denies)


@hookimpl
def mdm_register_brokers(register):
    register("sells", Sells)


@hookimpl
def mdm_register_observers(register):
    register("watches", Watches)
    register("stumbles", Stumbles)


@hookimpl
def mdm_register_trace_sinks(register):
    register("tears", Tears)
'''

SOURCE = """\
[source]
use = "reference.jsonl"
path = "events.jsonl"
"""

PIPELINE = f"""\
[pipeline]
key = "user"
timestamp = "at"
id = "id"
group = 8

{SOURCE}
[features]
use = "canary.reads"
dies_at = DIES_AT
waits_at = WAITS_AT

[model]
use = "canary.repeats"

[[modulators]]
use = "canary.denies"
NOTES

[execution]
attempts = 2
backoff_ms = 0
backoff_jitter_ms = 0

[durability]
checkpoint_events = 64

[[trace]]
use = "trace-jsonl.packets"
rotate_bytes = 100000

[[trace]]
use = "trace-jsonl.audit"

[[observers]]
use = "canary.watches"

[[observers]]
use = "canary.stumbles"

"""

STANDARD = f'[redaction]\nuse = "redaction.standard"\npersonal = {json.dumps(KINDS)}\n'
CHAIN = f"""\
[redaction]
use = "redaction.chain"
[redaction.first]
use = "redaction.keys"
[redaction.then]
use = "redaction.chain"
[redaction.then.first]
use = "redaction.secrets"
[redaction.then.then]
use = "redaction.personal"
kinds = {json.dumps(KINDS)}
"""
NONE = '[redaction]\nuse = "none"\n'

LETTERS, DIGITS = string.ascii_letters, string.digits
ALNUM = LETTERS + DIGITS
BASE64 = ALNUM + "+/"


@attrs.frozen
class Canary:
    """Something that must not be left anywhere.

    Attributes:
        name: What it is.
        text: How it is written, with what gives it away.
        parts: What must not be found.
        key: The key under which it stands, if that gives it away.
    """

    name: str
    text: str
    parts: tuple[str, ...]
    key: str = "note"


def drawn(r: Random, alphabet: str, length: int) -> str:
    """Draw a text that has a letter of each case and a digit, if the alphabet has them."""
    while True:
        text = "".join(r.choices(alphabet, k=length))
        kinds = [
            set(kind) for kind in (string.ascii_lowercase, string.ascii_uppercase, DIGITS) if set(kind) & {*alphabet}
        ]
        if all(kind & {*text} for kind in kinds):
            return text


def by_form(r: Random) -> Iterator[Canary]:
    """Make what its form gives away."""
    upper, hexadecimal = string.ascii_uppercase + "234567", DIGITS + "abcdef"

    def token(prefix: str, alphabet: str, length: int) -> Canary:
        body = drawn(r, alphabet, length)
        return Canary(prefix, prefix + body, (body,))

    yield from (token("AKIA", upper, 16), token("ASIA", upper, 16), token("AIza", ALNUM + "_-", 35))
    yield from (token(prefix, ALNUM, 36) for prefix in ("ghp_", "gho_", "ghs_", "npm_"))
    yield from (token("github_pat_" + drawn(r, ALNUM, 22) + "_", ALNUM, 59), token("glpat-", ALNUM, 20))
    yield token(f"xoxb-{drawn(r, DIGITS, 12)}-{drawn(r, DIGITS, 12)}-", ALNUM, 24)
    yield from (token("sk_live_", ALNUM, 24), token("rk_live_", ALNUM, 24), token("sk-", ALNUM, 48))
    yield from (token("sk-proj-", ALNUM + "_-", 74), token("sk-ant-api03-", ALNUM + "_-", 93))
    yield from (token("pypi-AgEIcHlwaS5vcmc", ALNUM + "_-", 120), token("hf_", LETTERS, 34))
    yield from (token(f"{drawn(r, DIGITS, 10)}:AA", ALNUM + "_-", 33), token("SK", hexadecimal, 32))
    yield from (token("ya29.", ALNUM + "_-", 60), token("GOCSPX-", ALNUM + "_-", 28), token("dop_v1_", hexadecimal, 64))
    yield token(f"SG.{drawn(r, ALNUM, 22)}.", ALNUM + "_-", 43)
    yield token(f"https://hooks.slack.com/services/T{drawn(r, upper, 9)}/B{drawn(r, upper, 9)}/", ALNUM, 24)
    payload = base64.urlsafe_b64encode(json.dumps({"sub": drawn(r, ALNUM, 12)}).encode()).decode().rstrip("=")
    signature = drawn(r, ALNUM + "_-", 43)
    yield Canary("JWT", f"eyJhbGciOiJIUzI1NiJ9.{payload}.{signature}", (payload, signature))
    lines = [drawn(r, BASE64, 64) for _ in range(6)]
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    yield Canary("PEM", "\n".join([begin, *lines, end]), tuple(lines))
    bearer, user = drawn(r, ALNUM + "._-", 40), drawn(r, ALNUM, 18)
    yield Canary("bearer", f"Authorization: Bearer {bearer}", (bearer,))
    yield Canary("basic", "Basic " + base64.b64encode(f"ann:{user}".encode()).decode(), (user,))
    url, database, azure = drawn(r, ALNUM, 14), drawn(r, ALNUM, 14), drawn(r, BASE64, 86)
    yield Canary("URL", f"https://ann:{url}@example.org/x", (url,))
    yield Canary("database", f"postgresql://app:{database}@db.internal:5432/main", (database,))
    yield Canary("Azure", f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={azure}==", (azure,))
    for name in ("password", "api_key", "client_secret", "access_token", "passwd", "DB_PASSWORD"):
        value = drawn(r, ALNUM, 13)
        yield Canary(f"{name}=", f"{name}={value}", (value,))
        value = drawn(r, ALNUM, 13)
        yield Canary(f"{name}:", f'{name}: "{value}"', (value,))


def by_person(r: Random) -> Iterator[Canary]:
    """Make personal data that its form gives away."""
    name = drawn(r, string.ascii_lowercase, 10)
    yield Canary("e-mail", f"{name}.{drawn(r, string.ascii_lowercase, 8)}@mail.example.org", (name,))
    for prefix, length in (("4", 16), ("51", 16), ("37", 15)):
        plain = luhn(prefix + drawn(r, DIGITS, length - len(prefix) - 1))
        apart = " ".join(plain[i : i + 4] for i in range(0, length, 4))
        yield Canary(f"card {prefix}", plain, (plain, apart))
        yield Canary(f"card {prefix} apart", apart, (plain, apart))
    body = drawn(r, DIGITS, 18)
    iban = f"DE{98 - int(body + '131400') % 97:02}{body}"
    apart = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
    yield from (Canary("IBAN", iban, (iban, apart)), Canary("IBAN apart", apart, (iban, apart)))
    phone = f"+49 30 9{drawn(r, DIGITS, 7)}"
    yield Canary("phone", phone, (phone, phone.replace(" ", "")))
    address = f"203.0.{r.randint(100, 113)}.{r.randint(100, 254)}"
    yield Canary("IP", address, (address,))


def by_key(r: Random) -> Iterator[Canary]:
    """Make what only its key gives away."""
    for key in (
        "password",
        "clientSecret",
        "aws_secret_access_key",
        "x-api-key",
        "refresh_token",
        "cvv",
        "sessionCookie",
    ):
        value = drawn(r, ALNUM, 20)
        yield Canary(f"under {key}", value, (value,), key)
    number = f"{r.randint(100, 665)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}"
    yield Canary("under ssn", number, (number,), "ssn")


def luhn(body: str) -> str:
    """Put the check digit of payment cards behind a number."""
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def placed(canary: Canary) -> Iterator[Any]:
    """Put a canary into data, in every way that data has."""
    text, key = canary.text, canary.key
    yield {key: text}
    yield [{"a": [{key: text}]}, {"b": 1}]
    yield json.dumps({"x": [1, {key: text}]})
    yield {"raw": json.dumps(json.dumps({key: text}))}
    if key != "note":
        yield f"https://example.org/p?{key}={quote(text, safe='')}&n=1"
        yield [{"name": key, "value": text}]
        return
    yield f"please look at {text} again"
    yield {text: 1}
    yield [1, [text, "b"]]
    yield {"url": f"https://example.org/p?q={quote(text, safe='')}&n=1"}
    yield f'he said "{text}", and went'
    yield {"cells": f"a;{text};c", "n": 1.5}


@attrs.frozen
class World:
    """What goes in, and what must not come out.

    Attributes:
        canaries: All of them.
        lines: Lines of the source.
        decided: How many of these are decided.
        refused: How many are not.
    """

    canaries: list[Canary]
    lines: list[bytes]
    decided: int
    refused: int

    @classmethod
    def made(cls, seed: int) -> World:
        """Make it from a seed."""
        r = Random(seed)
        canaries = [*by_form(r), *by_person(r), *by_key(r)]
        good = [(canary, what) for canary in canaries for what in placed(canary)]
        r.shuffle(good)
        events = [_event(n, what, canary) for n, (canary, what) in enumerate(good)]
        lines = [json.dumps(event, ensure_ascii=n % 2 == 0).encode() for n, event in enumerate(events)]
        bad = [line for canary in canaries for line in _refused(canary)]
        mixed = [*lines]
        for line in bad:
            mixed.insert(r.randint(0, len(mixed)), line)
        return cls(canaries, mixed, len(lines), len(bad))

    def found_in(self, data: bytes) -> list[str]:
        """Names of the canaries that can be read out of data, in whatever way they are written there."""
        return [c.name for c in self.canaries if any(form in data for part in c.parts for form in forms(part))]


def _event(n: int, what: Any, canary: Canary) -> dict[str, Any]:
    key = canary.text if n % 3 == 0 and canary.key == "note" else f"u{n % 5}"
    event = {"user": key, "at": 1000 + n, "n": n, "do": "extract" if n % 23 == 5 else "", "what": what}
    return event | {"id": f"{n}/{canary.text}" if canary.key == "note" else str(n)}


def _refused(canary: Canary) -> Iterator[bytes]:
    key, text = canary.key, canary.text
    yield json.dumps({"user": "u", "at": 1, key: text}).encode()[:-1]
    yield b'{"user": "u\xff", ' + json.dumps({key: text}).encode()[1:]
    yield json.dumps([{key: text}]).encode()
    yield json.dumps({"at": 1, key: text}).encode()
    yield json.dumps({"user": "u", "at": text if key == "note" else "later", "more": [{key: text}]}).encode()
    yield b'{"a":' * 80 + json.dumps({key: text}).encode() + b"}" * 80


def forms(part: str) -> set[bytes]:
    """The ways in which a text can be written: as it is, in JSON, in a URL, in base64 at any place, in hexadecimal."""
    raw = part.encode()
    found = {raw, quote(part, safe="").encode(), quote_plus(part).encode(), json.dumps(part)[1:-1].encode()}
    found |= {quote(part, safe="").lower().encode(), raw.hex().encode(), raw[::-1]}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw)
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - (0 if (len(raw) + shift) % 3 == 0 else 4)]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_"), quote(inner, safe="").encode()}
    return found


def left_in(folder: Path) -> dict[str, bytes]:
    """All that is left of a run, by file, unpacked and as it is; names of files too."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[f"name of {name}"] = name.encode()
        if path.is_file() and path.name != FILE_OF_BROKER:
            data = path.read_bytes()
            found[name] = data + (gzip.decompress(data) if name.endswith(".gz") else b"")
    return found


@attrs.define
class Workplace:
    """A directory in which ``mdm`` is run, with the plugin ``canary`` installed.

    Attributes:
        folder: The directory.
        said: Command to everything that it has said.
        started: The processes.
    """

    folder: Path
    said: dict[str, bytes] = attrs.field(factory=dict)
    started: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    @classmethod
    def made(cls, folder: Path, world: World) -> Workplace:
        """Install the plugin and write the events."""
        info = folder / "installed" / "mdm_canary-1.0.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mdm-canary\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text("[mdm]\ncanary = canary_plugin\n")
        (folder / "installed" / "canary_plugin.py").write_text(PLUGIN)
        (folder / "events.jsonl").write_bytes(b"\n".join([*world.lines, b""]))
        return cls(folder)

    def write(self, text: str) -> None:
        """Write the pipeline file."""
        (self.folder / "pipeline.toml").write_text(text, encoding="utf-8")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start ``mdm`` in a process of its own."""
        path = os.pathsep.join([str(self.folder / "installed"), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": path, "MDM_DEBUG": ""}
        command = [sys.executable, "-m", "mdm_core", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=self.folder, env=environment, **pipes)  # type: ignore[call-overload]
        self.started.append(process)
        return process  # type: ignore[no-any-return]

    def mdm(self, *words: str) -> int:
        """Run ``mdm`` to its end; what it says is kept. Gives the exit code."""
        return self.end(self.start(*words), " ".join(words[:2]))

    def end(self, process: subprocess.Popen[bytes], name: str) -> int:
        """Wait for a process to end, and keep what it says. Gives the exit code."""
        said, _ = process.communicate(timeout=PATIENCE_S)
        self.said[name] = self.said.get(name, b"") + said
        return process.returncode

    def wait_for(self, name: str) -> None:
        """Wait until there is a file beside the runs."""
        give_up = time.monotonic() + PATIENCE_S
        while not (self.folder / "runs" / name).exists():
            assert time.monotonic() < give_up, self.said
            time.sleep(0.01)

    def leaks(self, world: World, run: str) -> dict[str, list[str]]:
        """Place to the canaries that were found there."""
        places = {**left_in(self.folder / "runs" / run), **self.said}
        found = {place: world.found_in(data) for place, data in places.items()}
        return {place: names for place, names in found.items() if names}


WORLD = World.made(int(os.environ.get("MDM_SEED", "1")))


def pipeline(*parts: str, dies_at: int = -1, waits_at: int = -1) -> str:
    """Write a pipeline file in whose options all canaries stand."""
    texts = [canary.text for canary in WORLD.canaries if canary.key == "note"]
    notes = {f"n{n}": text for n, text in enumerate(texts)} | dict.fromkeys(texts, "x")
    notes |= {canary.key: canary.text for canary in WORLD.canaries if canary.key != "note"}
    table = ", ".join(f"{json.dumps(key)} = {json.dumps(text)}" for key, text in notes.items())
    told = f"note = {json.dumps(' and '.join(texts))}\nnotes = {{ {table} }}"
    text = PIPELINE.replace("DIES_AT", str(dies_at)).replace("WAITS_AT", str(waits_at)).replace("NOTES", told)
    return text + "\n".join(parts)


def packets(workplace: Workplace, run: str) -> list[dict[str, Any]]:
    """The packets of a run, of all its segments."""
    files = sorted((workplace.folder / "runs" / run).glob("traces*jsonl*"))
    data = b"".join(gzip.decompress(f.read_bytes()) if f.suffix == ".gz" else f.read_bytes() for f in files)
    return [json.loads(line) for line in data.splitlines() if line.startswith(b'{"run_id"')]


def letters(workplace: Workplace, run: str) -> int:
    """How many dead letters a run has left."""
    return (workplace.folder / "runs" / run / "dead_letter.jsonl").read_bytes().count(b"\n")


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Callable[[], Workplace]]:
    """Make a workplace; processes that a failed test has left waiting are ended."""
    made: list[Workplace] = []

    def make() -> Workplace:
        made.append(Workplace.made(tmp_path, WORLD))
        return made[-1]

    yield make
    for process in (process for here in made for process in here.started):
        if process.poll() is None:
            process.kill()
            process.communicate()


class Endpoint(BaseHTTPRequestHandler):
    """Answers orders with all that it was told, and refuses some."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    orders: list[bytes]

    def do_POST(self) -> None:
        """Answer one order."""
        order = self.rfile.read(int(self.headers["Content-Length"]))
        self.orders.append(order)
        text = json.loads(order)["params"]["text"]
        status = (200, 200, 400, 429, 503)[len(self.orders) % 5]
        self.send_response(status, "password=" + "x" * 9)
        self.send_header("X-Order", text[:200])
        self.send_header("Set-Cookie", f"sid={quote(text)}")
        self.send_header("Content-Length", str(len(order)))
        self.end_headers()
        self.wfile.write(order)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[bytes]]]:
    """A real server on loopback: its URL, and the orders that it has had."""
    orders: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Endpoint,), {"orders": orders}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/orders", orders
    server.shutdown()
    thread.join()
    server.server_close()


class TestRuns:
    def test_killed_and_gone_on_with(self, workplace: Callable[[], Workplace]) -> None:
        """With the file broker, stopped and released by an operator, killed and gone on with: nothing is left."""
        here = workplace()
        here.write(pipeline('[broker]\nuse = "reference.file"\n', STANDARD, dies_at=DIES_AT, waits_at=WAITS_AT))
        run = here.start("run", "pipeline.toml", "--run-id", "r", "-v")
        here.wait_for("waits")
        first, *others = (f"because of {canary.text}, see there" for canary in WORLD.canaries if canary.key == "note")
        assert 0 == here.mdm("stop", "r", "--reason", first)
        for reason in others:
            send(here.folder / "runs" / "r", Request("stop", reason))
        assert 0 == here.mdm("release", "r")
        (here.folder / "runs" / "goes").touch()
        assert -signal.SIGKILL == here.end(run, "run")
        assert {} == here.leaks(WORLD, "r")
        assert 0 == here.mdm("run", "pipeline.toml", "--resume", "r", "-v")
        for words in (["trace", "verify"], ["trace", "show"], ["dead-letter", "show", "--limit", "9999"], ["runs"]):
            assert 0 == here.mdm(*words, *(["r"] if words != ["runs"] else []))
        assert {} == here.leaks(WORLD, "r")
        assert WORLD.decided == len(packets(here, "r"))
        assert WORLD.refused == letters(here, "r")
        sold = (here.folder / "runs" / "r" / FILE_OF_BROKER).read_bytes()
        assert len(WORLD.canaries) / 2 < len(WORLD.found_in(sold))

    def test_webhook(self, workplace: Callable[[], Workplace], endpoint: tuple[str, list[bytes]]) -> None:
        """With the webhook and an endpoint that echoes what it is sent, nothing is left."""
        here, (url, orders) = workplace(), endpoint
        broker = f'[broker]\nuse = "http.webhook"\nurl = "{url}?n=1"\nreference_header = "X-Order"\nfeatures = true\n'
        here.write(pipeline(broker, CHAIN))
        assert 0 == here.mdm("run", "pipeline.toml", "--run-id", "r", "-v", "--limit", "400")
        assert {} == here.leaks(WORLD, "r")
        assert b"was answered with 400" in here.said["run pipeline.toml"]
        assert b'"reference"' in (here.folder / "runs" / "r" / "journal.jsonl").read_bytes()
        assert len(WORLD.canaries) / 3 < len(WORLD.found_in(b"\n".join(orders)))

    def test_broker_that_tells_everybody(self, workplace: Callable[[], Workplace]) -> None:
        """With a broker that raises, logs and answers what it was sent, and a guard in a process of its own."""
        here = workplace()
        text = pipeline('[broker]\nuse = "canary.sells"\n', STANDARD)
        here.write(text.replace('use = "canary.denies"', 'use = "canary.denies"\nisolate = "process"'))
        assert 0 == here.mdm("run", "pipeline.toml", "--run-id", "r", "-v", "--json")
        assert {} == here.leaks(WORLD, "r")
        assert WORLD.decided == len(packets(here, "r"))

    def test_they_would_be_found(self, workplace: Callable[[], Workplace]) -> None:
        """Without a redactor every one of them is found, in trace, audit log, dead letters and run.json."""
        here = workplace()
        here.write(pipeline('[broker]\nuse = "canary.sells"\n', NONE))
        assert 0 == here.mdm("run", "pipeline.toml", "--run-id", "r", "-v")
        leaks = here.leaks(WORLD, "r")
        assert {canary.name for canary in WORLD.canaries} == {name for names in leaks.values() for name in names}
        assert {"security_audit.jsonl", "dead_letter.jsonl", "run.json", "watched.txt", "journal.jsonl"} <= {*leaks}


class TestFailures:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param(SOURCE, '[source]\nuse = "canary.sings"\nsong = SONG', id="source"),
            pytest.param("[[observers]]", '[[trace]]\nuse = "canary.tears"\nsong = SONG\n\n[[observers]]', id="sink"),
            pytest.param(SOURCE, '[source]\nuse = "canary.sings"\nsong = SONG\nopens = false', id="open"),
        ],
    )
    def test_what_ends_a_run(self, workplace: Callable[[], Workplace], old: str, new: str) -> None:
        """A source that fails, a sink that fails, and a component that cannot be opened do not tell what they know."""
        here = workplace()
        song = " and ".join(canary.text for canary in WORLD.canaries if canary.key == "note")
        text = pipeline('[broker]\nuse = "canary.sells"\n', STANDARD)
        here.write(text.replace(old, new.replace("SONG", json.dumps(song)), 1))
        assert here.mdm("run", "pipeline.toml", "--run-id", "r", "-v") in (1, 2)
        assert {} == here.leaks(WORLD, "r")

    def test_flags_that_are_no_codes(self, workplace: Callable[[], Workplace]) -> None:
        """A guard that puts data where a stable code belongs does not get it into summary, checkpoints and output."""
        here = workplace()
        text = pipeline('[broker]\nuse = "canary.sells"\n', STANDARD)
        here.write(text.replace('use = "canary.denies"', 'use = "canary.denies"\nflags_tell = true'))
        assert 0 == here.mdm("run", "pipeline.toml", "--run-id", "r")
        assert {} == here.leaks(WORLD, "r")
