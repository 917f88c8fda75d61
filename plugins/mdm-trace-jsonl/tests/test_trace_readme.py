"""The README's examples work, print what stands there, and its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from mdm_core import Build
from mdm_core.options import option_fields

from mdm_trace_jsonl import PacketSink, links
from mdm_trace_jsonl.signing import new_key

README = (Path(__file__).parents[1] / "README.md").read_text()
FILES = dict(re.findall(r'```\w+ title="([\w.]+\.\w+)"\n(.*?)```', README, re.DOTALL))
TYPED = "".join(re.findall(r'```console title="try"\n(.*?)```', README, re.DOTALL))
[OPTIONS] = [block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "rotate_s" in block]


def steady(text: str) -> str:
    """Leave out what no two runs have in common: times and keys."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", re.sub(r"[0-9a-f]{64}", "KEY", text))


class TestReadme:
    def test_what_it_says_is_what_happens(self, tmp_path: Path) -> None:
        """Whoever types the commands in an empty folder sees what stands there."""
        for name, text in FILES.items():
            (tmp_path / name).write_text(text)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        for part in re.split(r"^\$ ", TYPED, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            ran = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env={**os.environ, "PATH": path, "NO_COLOR": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert (command, steady(expected)) == (command, steady(ran.stdout))
            assert 0 == ran.returncode

    def test_every_option_is_shown(self, tmp_path: Path) -> None:
        """The example with all options has all of them, and they make a sink."""
        options = msgspec.toml.decode(OPTIONS)["trace"][0]
        assert {field.name for field in option_fields(PacketSink)} | {"use"} == set(options)
        new_key(tmp_path / "audit.key", tmp_path / "audit.pub")
        del options["use"]
        sink = PacketSink(**options)
        sink.open(Build(base_dir=tmp_path))
        sink.close()
        assert (tmp_path / "traces.chain.jsonl").exists()

    @pytest.mark.parametrize("kind", [links.Begin, links.Block, links.Seal, links.Opened, links.Packed, links.Removed])
    def test_every_kind_of_link_is_explained(self, kind: type[links.Told]) -> None:
        """What stands in a chain file is in the table."""
        assert f"| `{kind.__struct_config__.tag}` |" in README
