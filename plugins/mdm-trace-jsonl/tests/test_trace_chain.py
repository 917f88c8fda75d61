"""The chain beside a trace: what is in its files, what it is tied to, and who signs it."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from mdm_core import Build, ConfigError, MdmError, OptionError

from mdm_trace_jsonl import AuditSink, PacketSink, chaining
from mdm_trace_jsonl.reports import Finding

OpenSink: TypeAlias = Callable[..., PacketSink]
Verify: TypeAlias = Callable[..., Finding]


def fill(sink: PacketSink, lines: int, first: int = 0) -> None:
    for step in range(first, first + lines):
        sink.write({"step": step, "text": "x" * (step % 50)})


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(path: Path) -> list[str]:
    return [link["type"] for link in told(path)]


class TestFormat:
    def test_can_be_checked_without_us(self, open_sink: OpenSink, run_dir: Path) -> None:
        """What the README says of the hashes is all that is needed to compute them."""
        sink = open_sink()
        fill(sink, 200)
        sink.close()
        data = (run_dir / "traces.jsonl").read_bytes()
        previous, blocks = bytes(32), 0
        for line in (run_dir / "traces.chain.jsonl").read_bytes().splitlines():
            link = json.loads(line)
            lines = b""
            if link["type"] == "block":
                lines = data[link["offset"] : link["offset"] + link["size"]]
                assert link["lines"] == lines.count(b"\n")
                blocks += 1
            head = line[: line.rindex(b',"hash":')]
            previous = hashlib.sha256(previous + lines + head).digest()
            assert previous.hex() == link["hash"]
        assert 4 == blocks

    def test_a_block_has_at_most_64_lines(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Blocks are full, but for the last one before something was made durable."""
        sink = open_sink()
        fill(sink, 130)
        sink.flush(durable=True)
        fill(sink, 65, 130)
        sink.close()
        blocks = [link for link in told(run_dir / "traces.chain.jsonl") if link["type"] == "block"]
        assert [64, 64, 2, 64, 1] == [block["lines"] for block in blocks]
        assert [1, 65, 129, 131, 195] == [block["line"] for block in blocks]

    def test_leaves_the_packets_alone(self, open_sink: OpenSink, run_dir: Path) -> None:
        """With and without a chain the trace has the same bytes."""
        contents = []
        for chain, name in ((True, "a.jsonl"), (False, "b.jsonl")):
            sink = open_sink(chain=chain, path=name)
            fill(sink, 200)
            sink.close()
            contents.append((run_dir / name).read_bytes())
        assert contents[0] == contents[1]
        assert not (run_dir / "b.chain.jsonl").exists()

    def test_what_json_cannot_hold_is_hashed_as_it_was_written(self, open_sink: OpenSink, verify: Verify) -> None:
        """The slow way of encoding ends in the same block."""
        sink = open_sink()
        sink.write({"a": object()})
        sink.write({"a": "\ud800"})
        sink.close()
        assert (2, []) == (verify().lines, verify().problems)

    def test_is_private(self, open_sink: OpenSink, run_dir: Path) -> None:
        """Only the owner may read the chain."""
        open_sink().close()
        assert 0o600 == stat.S_IMODE((run_dir / "traces.chain.jsonl").stat().st_mode)

    def test_is_never_a_symbolic_link(self, open_sink: OpenSink, run_dir: Path, tmp_path: Path) -> None:
        """A link in the chain's place is not followed, and nothing is written where it leads."""
        (tmp_path / "target").write_text("")
        (run_dir / "traces.chain.jsonl").symlink_to(tmp_path / "target")
        with pytest.raises(ConfigError, match="cannot be written: Too many levels of symbolic links"):
            open_sink()
        assert "" == (tmp_path / "target").read_text()

    def test_the_audit_log_has_one(self, run_dir: Path) -> None:
        """The audit log is chained in the same way, record by record as it is written."""
        sink = AuditSink()
        sink.open(Build(run_dir=run_dir, run_id="r1"))
        for step in range(70):
            sink.write({"event": "denied", "step": step})
        sink.close()
        assert ["begin", "block", "block", "seal"] == kinds(run_dir / "security_audit.chain.jsonl")

    def test_begins_when_there_is_something(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A trace without a line has a chain that says so."""
        sink = open_sink()
        assert not (run_dir / "traces.chain.jsonl").exists()
        sink.close()
        assert ["begin", "seal"] == kinds(run_dir / "traces.chain.jsonl")


class TestOrigin:
    def test_is_tied_to_the_run(self, open_sink: OpenSink, run_dir: Path) -> None:
        """The first hash is made of the run's id and of run.json, which is written after the sink is opened."""
        run = (run_dir / "run.json").read_bytes()
        (run_dir / "run.json").unlink()
        sink = open_sink()
        (run_dir / "run.json").write_bytes(run)
        fill(sink, 1)
        sink.close()
        begin = told(run_dir / "traces.chain.jsonl")[0]
        expected = ("r1", hashlib.sha256(run).hexdigest(), "traces.jsonl", 1, "0" * 64)
        assert expected == tuple(begin[k] for k in ("run_id", "run_sha256", "file", "segment", "previous"))

    def test_a_changed_run_is_not_gone_on_with(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A sink does not add to a chain that is tied to another run.json."""
        open_sink().close()
        (run_dir / "run.json").write_text("{}")
        with pytest.raises(ConfigError, match=r"tells of SHA-256 of run\.json '[0-9a-f]{64}', not '[0-9a-f]{64}'"):
            open_sink()

    def test_outside_a_run(self, tmp_path: Path) -> None:
        """Outside a run there is nothing to be tied to but the name of the file."""
        sink = PacketSink()
        sink.open(Build(base_dir=tmp_path))
        fill(sink, 1)
        sink.close()
        begin = told(tmp_path / "traces.chain.jsonl")[0]
        assert ("local", None) == (begin["run_id"], begin["run_sha256"])


class TestSeals:
    def test_a_signature_is_of_everything_before(
        self, open_sink: OpenSink, run_dir: Path, key: tuple[str, str]
    ) -> None:
        """The seal at the end verifies, with nothing of ours, against the public key."""
        sink = open_sink(signing_key=key[0])
        fill(sink, 70)
        sink.close()
        *_, before, seal = (run_dir / "traces.chain.jsonl").read_bytes().splitlines()
        previous = bytes.fromhex(json.loads(before)["hash"])
        signed = b"mdm trace seal 1\n" + previous + seal[: seal.rindex(b',"signature":')]
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key[1]))
        public.verify(bytes.fromhex(json.loads(seal)["signature"]), signed)
        assert (key[1], 70, True) == tuple(json.loads(seal)[k] for k in ("key", "lines", "closed"))

    def test_what_was_made_durable_is_sealed_now_and_then(
        self, open_sink: OpenSink, run_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first durable flush seals; the next ones do if the last seal is old and there is something new."""
        sink = open_sink()
        for step in range(3):
            fill(sink, 1, step)
            sink.flush(durable=True)
        assert ["begin", "block", "seal", "block", "block"] == kinds(run_dir / "traces.chain.jsonl")
        monkeypatch.setattr(chaining, "SEAL_S", 0.0)
        sink.flush(durable=True)
        sink.flush(durable=True)
        assert ["begin", "block", "seal", "block", "block", "seal"] == kinds(run_dir / "traces.chain.jsonl")
        sink.close()

    @pytest.mark.parametrize(
        "text", ["", "secret-but-no-key", "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----"]
    )
    def test_what_is_no_key_is_refused(self, text: str, open_sink: OpenSink, tmp_path: Path) -> None:
        """A file that holds no Ed25519 key is refused when the sink is opened, without showing what it holds."""
        (tmp_path / "k").touch(0o600)
        (tmp_path / "k").write_text(text)
        with pytest.raises(ConfigError, match=r"is no Ed25519 private key; name the \.key file") as raised:
            open_sink(signing_key=str(tmp_path / "k"))
        assert not text or text.splitlines()[-1] not in str(raised.value)
        with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
            open_sink(signing_key=str(tmp_path / "nothing"))

    def test_a_key_that_others_may_read_is_refused(
        self, open_sink: OpenSink, tmp_path: Path, key: tuple[str, str]
    ) -> None:
        """A private key that is not private signs nothing."""
        (tmp_path / "k").write_text(Path(key[0]).read_text())
        (tmp_path / "k").chmod(0o640)
        with pytest.raises(ConfigError, match="others than its owner may read this key; do `chmod 600"):
            open_sink(signing_key=str(tmp_path / "k"))

    def test_the_key_itself_is_refused(self, key: tuple[str, str]) -> None:
        """A key in the place of its file would be in run.json; it is refused when the component is made, unseen."""
        with pytest.raises(OptionError, match="the key itself must not stand here") as raised:
            PacketSink(signing_key=Path(key[0]).read_text())
        assert Path(key[0]).read_text().splitlines()[1] not in str(raised.value)

    def test_the_key_is_shown_nowhere(self, open_sink: OpenSink, run_dir: Path, key: tuple[str, str]) -> None:
        """Neither the component's text nor a file has anything of the private key."""
        sink = open_sink(signing_key=key[0], rotate_bytes=500)
        fill(sink, 100)
        shown = repr(sink)
        sink.close()
        secret = Path(key[0]).read_text().splitlines()[1]
        assert secret not in shown
        assert not [path.name for path in run_dir.iterdir() if secret.encode() in path.read_bytes()]

    def test_a_key_needs_a_chain(self, key: tuple[str, str]) -> None:
        """A signature of nothing is refused when the component is made."""
        with pytest.raises(OptionError, match="leave out chain = false"):
            PacketSink(chain=False, signing_key=key[0])


class TestWithout:
    def test_a_chain_is_not_left_behind(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A trace that has a chain is not continued without it."""
        open_sink().close()
        with pytest.raises(ConfigError, match="has a chain; leave out chain = false"):
            open_sink(chain=False)

    def test_a_chain_is_not_begun_in_the_middle(self, open_sink: OpenSink, run_dir: Path) -> None:
        """A trace without its chain is not continued: the chain may have been taken away."""
        sink = open_sink()
        fill(sink, 3)
        sink.close()
        (run_dir / "traces.chain.jsonl").unlink()
        with pytest.raises(ConfigError, match=r"is there without its chain traces\.chain\.jsonl"):
            open_sink()

    def test_a_closed_sink_takes_nothing(self, open_sink: OpenSink) -> None:
        """Writing to a sink that is not open says so."""
        sink = open_sink()
        sink.close()
        with pytest.raises(MdmError, match="PacketSink is not open"):
            sink.write({})
