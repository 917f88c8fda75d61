"""The components ``trace-jsonl.packets`` and ``trace-jsonl.audit``."""

from __future__ import annotations

import json
import logging
import os
import resource
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from mdm_core import Build, ConfigError, OptionError
from mdm_core.options import option_fields

from mdm_trace_jsonl import AuditSink, PacketSink, plugin, read_packets

PACKET = {
    "run_id": "r",
    "step": 0,
    "input": {"user": "ann", "x": 1.5},
    "external": {"now_ms": 5},
    "mdm": {"action": "ACT", "confidence": 0.75, "reasons": ["x"], "params": {}, "features_summary": {}},
    "final_action": {"action": "ACT", "allowed": True, "reasons": ["x"], "params": {}},
    "latency_ms": 1,
    "mismatch": None,
    "schema_version": "0.1.0",
}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(run_dir=tmp_path)


def written(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestPacketSink:
    def test_writes_one_line_per_packet(self, build: Build, tmp_path: Path) -> None:
        """Packets come out as they went in: nine keys, in order, a line each."""
        sink = PacketSink()
        sink.open(build)
        for step in range(3):
            sink.write({**PACKET, "step": step})
        sink.close()
        assert [{**PACKET, "step": step} for step in range(3)] == written(tmp_path / "traces.jsonl")
        assert list(PACKET) == list(written(tmp_path / "traces.jsonl")[0])

    def test_buffers_until_flush(self, build: Build, tmp_path: Path) -> None:
        """Nothing is written before it has to be, and everything is after a flush."""
        sink = PacketSink()
        sink.open(build)
        sink.write(PACKET)
        before = (tmp_path / "traces.jsonl").read_bytes()
        sink.flush()
        assert (b"", [PACKET]) == (before, written(tmp_path / "traces.jsonl"))
        sink.close()

    def test_the_buffer_is_bounded(self, build: Build, tmp_path: Path) -> None:
        """Without any flush most of what was written is on its way to the disk."""
        sink = PacketSink()
        sink.open(build)
        size = 0
        for _ in range(5000):
            sink.write(PACKET)
            size += len(json.dumps(PACKET, separators=(",", ":"))) + 1
        assert size - (tmp_path / "traces.jsonl").stat().st_size < 300 * 1024
        sink.close()
        assert size == (tmp_path / "traces.jsonl").stat().st_size

    def test_a_durable_flush_writes_out(self, build: Build, tmp_path: Path) -> None:
        """A durable flush succeeds, the first time with the file's name and again without."""
        sink = PacketSink()
        sink.open(build)
        for _ in range(2):
            sink.write(PACKET)
            sink.flush(durable=True)
        assert [PACKET, PACKET] == written(tmp_path / "traces.jsonl")
        sink.close()

    def test_what_json_cannot_hold_takes_the_slow_way(self, build: Build, tmp_path: Path) -> None:
        """A record that cannot be encoded as it is leaves one whole line between its neighbours."""
        sink = PacketSink()
        sink.open(build)
        sink.write(PACKET)
        sink.write({**PACKET, "input": {"a": [1, "\ud800"], "b": object(), "c": float("nan")}})
        sink.write(PACKET)
        sink.close()
        first, odd, last = written(tmp_path / "traces.jsonl")
        assert (PACKET, PACKET) == (first, last)
        assert {"a": [1, "\ufffd"], "b": "[UNENCODABLE object]", "c": None} == odd["input"]

    def test_appends(self, build: Build, tmp_path: Path) -> None:
        """A file that exists is continued."""
        for _ in range(2):
            sink = PacketSink()
            sink.open(build)
            sink.write(PACKET)
            sink.close()
        assert [PACKET, PACKET] == written(tmp_path / "traces.jsonl")

    def test_close_twice_and_without_open(self, build: Build) -> None:
        """Closing is safe at any time."""
        sink = PacketSink()
        sink.close()
        sink.open(build)
        sink.close()
        sink.close()

    def test_outside_a_run(self, tmp_path: Path) -> None:
        """Outside a run the file is relative to the base directory."""
        sink = PacketSink()
        sink.open(Build(base_dir=tmp_path))
        sink.write(PACKET)
        sink.close()
        assert [PACKET] == written(tmp_path / "traces.jsonl")


class TestFullDisk:
    def test_nothing_is_lost_or_halved(self, build: Build, tmp_path: Path) -> None:
        """When the disk is full the sink says which file, takes no more than its buffer, and goes on once it can."""
        sink = PacketSink()
        sink.open(build)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        accepted: list[int] = []

        def fill() -> None:
            for _ in range(10_000):
                sink.write({**PACKET, "step": len(accepted)})
                accepted.append(len(accepted))

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            for _ in range(3):
                with pytest.raises(OSError, match=r"traces\.jsonl"):
                    fill()
            assert len(accepted) * 300 < 300 * 1024
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert 1000 == (tmp_path / "traces.jsonl").stat().st_size
        sink.close()
        assert accepted == [packet["step"] for packet in written(tmp_path / "traces.jsonl")]


class TestFile:
    def test_is_private(self, build: Build, tmp_path: Path) -> None:
        """Only the owner may read the file and the directories made for it."""
        sink = PacketSink(path="deep/er/t.jsonl")
        sink.open(build)
        sink.close()
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("deep/er/t.jsonl", "deep/er")]
        assert [0o600, 0o700] == modes

    @pytest.mark.parametrize("path", ["/etc/x.jsonl", "../x.jsonl", "a/../../x", "", ".", "a\0b"])
    def test_must_be_inside_the_run(self, path: str) -> None:
        """A path that leads elsewhere is refused when the component is made."""
        with pytest.raises(OptionError) as raised:
            PacketSink(path=path)
        place = f"PacketSink.path: {path!r} is not inside the run's directory"
        assert f"{place}; give a relative path without '..'" == str(raised.value)

    def test_is_never_a_symbolic_link(self, build: Build, tmp_path: Path) -> None:
        """A link in the file's place is not followed."""
        (tmp_path / "target").write_text("")
        (tmp_path / "traces.jsonl").symlink_to(tmp_path / "target")
        with pytest.raises(ConfigError, match="cannot be written"):
            PacketSink().open(build)

    def test_no_directory_leads_outside(self, tmp_path: Path) -> None:
        """A link among the directories does not lead out of the run, and nothing is made outside."""
        (tmp_path / "run").mkdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "run" / "sub").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConfigError, match="leads out of"):
            PacketSink(path="sub/more/t.jsonl").open(Build(run_dir=tmp_path / "run"))
        assert [] == list((tmp_path / "elsewhere").iterdir())

    @pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
    def test_must_be_a_regular_file(self, make: Any, build: Build, tmp_path: Path) -> None:
        """Directories and pipes are refused at once."""
        make(tmp_path / "traces.jsonl")
        sink = PacketSink()
        with pytest.raises(ConfigError, match=r"traces\.jsonl: cannot be written: .*; choose another path"):
            sink.open(build)
        sink.close()


class TestMending:
    WHOLE = b'{"a":1}\n{"b":2}\n'

    @pytest.mark.parametrize("tail", [b"{", b'{"c":', b'{"c":"\xff', b"\0" * 500, b'{"c":"' + b"x" * 200_000])
    def test_half_a_record_is_cut_off(
        self, tail: bytes, build: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What a crash left half written is cut off and told, so that the next line stands on its own."""
        (tmp_path / "traces.jsonl").write_bytes(self.WHOLE + tail)
        sink = PacketSink(chain=False)
        with caplog.at_level(logging.WARNING, "mdm.trace-jsonl"):
            sink.open(build)
        sink.write(PACKET)
        sink.close()
        assert [{"a": 1}, {"b": 2}, PACKET] == written(tmp_path / "traces.jsonl")
        (message,) = caplog.messages
        assert message.endswith(f"half a line of {len(tail)} bytes at the end was cut off")

    def test_a_whole_record_without_its_newline_is_kept(self, build: Build, tmp_path: Path) -> None:
        """A record that only lacks the newline is completed."""
        (tmp_path / "traces.jsonl").write_bytes(self.WHOLE + b'{"c":3}')
        sink = PacketSink(chain=False)
        sink.open(build)
        sink.close()
        assert self.WHOLE + b'{"c":3}\n' == (tmp_path / "traces.jsonl").read_bytes()

    @pytest.mark.parametrize("content", [b"a poem\nof two lines", b"\x89PNG" + b"x" * 100_000, b'{"a":1}\n[1'])
    def test_other_files_are_left_alone(self, content: bytes, build: Build, tmp_path: Path) -> None:
        """A file that does not end as JSON lines do is refused, not cut."""
        (tmp_path / "traces.jsonl").write_bytes(content)
        with pytest.raises(ConfigError) as raised:
            PacketSink(chain=False).open(build)
        place = f"{tmp_path / 'traces.jsonl'}: cannot be written"
        assert f"{place}: it exists and does not hold JSON lines; choose another path" == str(raised.value)
        assert content == (tmp_path / "traces.jsonl").read_bytes()

    def test_after_a_real_crash_every_line_is_whole(self, tmp_path: Path) -> None:
        """A writer killed in the middle, and its successor, leave a trace without a damaged line."""
        code = textwrap.dedent(f"""
            from pathlib import Path
            from mdm_core import Build
            from mdm_trace_jsonl import PacketSink
            sink = PacketSink()
            sink.open(Build(run_dir=Path({str(tmp_path)!r})))
            packet = {PACKET!r}
            print("ready", flush=True)
            while True:
                sink.write(packet | {{"step": 1, "input": {{"x": "y" * 100_000}}}})
        """)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        while (tmp_path / "traces.jsonl").stat().st_size < 1_000_000:
            pass
        process.kill()
        process.wait()
        process.stdout.close()
        sink = PacketSink()
        sink.open(Build(run_dir=tmp_path))
        sink.write({**PACKET, "step": 2})
        sink.close()
        packets = read_packets(tmp_path / "traces.jsonl")
        assert 2 == [packet["step"] for packet in packets][-1]
        assert packets.torn_tail is None


class TestAuditSink:
    def test_writes_at_once(self, build: Build, tmp_path: Path) -> None:
        """A record is in the file before the next thing happens."""
        sink = AuditSink()
        sink.open(build)
        record = {"event": "denied", "at": "2026-01-01T00:00:00.000Z", "step": 3, "flags": ["staleness"]}
        sink.write(record)
        assert [record] == written(tmp_path / "security_audit.jsonl")
        sink.close()

    def test_takes_audit_records(self) -> None:
        """Core sends each sink what it accepts."""
        assert ("packets", "audit") == (PacketSink.accepts, AuditSink.accepts)


class TestPlugin:
    def test_registers_its_components(self) -> None:
        """Both sinks are registered by name, to be imported only when they are selected."""
        registered: list[tuple[str, type | str]] = []
        plugin.mdm_register_trace_sinks(lambda name, component: registered.append((name, component)))
        expected = [("packets", "mdm_trace_jsonl.sinks:PacketSink"), ("audit", "mdm_trace_jsonl.sinks:AuditSink")]
        assert expected == registered

    @pytest.mark.parametrize(("sink", "default"), [(PacketSink, "traces.jsonl"), (AuditSink, "security_audit.jsonl")])
    def test_the_options(self, sink: type, default: str) -> None:
        """By default there is one file that is never closed, and a chain that nobody signs."""
        expected = {
            "path": default,
            "chain": True,
            "signing_key": None,
            "rotate_bytes": None,
            "rotate_s": None,
            "keep_segments": None,
            "keep_bytes": None,
        }
        assert expected == {field.name: field.default for field in option_fields(sink)}
