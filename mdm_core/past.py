"""An earlier run, for those who ask what it decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import attrs

from mdm_core.building import Builder
from mdm_core.config import Config
from mdm_core.contracts import TraceSink
from mdm_core.errors import UsageError
from mdm_core.journal import JOURNAL_FILE, AnyEntry, read_journal
from mdm_core.plugins import Registry
from mdm_core.redacting import MASK
from mdm_core.rundir import RUN_FILE, find_run, read_json


@attrs.frozen
class PastRun:
    """What a run has left, going on or over; nothing of it is touched.

    Attributes:
        directory: Directory of the run.
        run: What ``run.json`` holds.
    """

    directory: Path
    run: Mapping[str, Any]

    @classmethod
    def find(cls, run: str, runs_dir: str | Path = "runs") -> PastRun:
        """Find a run.

        Args:
            run: Its id, or the path of its directory.
            runs_dir: Where runs are kept.

        Raises:
            UsageError: There is no such run, or its ``run.json`` cannot be read.
        """
        directory = find_run(run, Path(runs_dir))
        document = read_json(directory / RUN_FILE)
        if document is None or not isinstance(document.get("config"), Mapping):
            raise UsageError(f"{directory / RUN_FILE}: cannot be read; the run cannot be told of without it")
        return cls(directory, document)

    def packets(self) -> Iterator[Mapping[str, Any]]:
        """Give the packets, in the order of the steps.

        Raises:
            UsageError: The run has kept none, or its sink is not installed or cannot give them back.
        """
        return self._records("packets")

    def audit(self) -> Iterator[Mapping[str, Any]]:
        """Give the audit events, in order.

        Raises:
            UsageError: The run has kept none, or its sink is not installed or cannot give them back.
        """
        return self._records("audit")

    def journal(self) -> Iterator[AnyEntry]:
        """Give the lines of the journal; none if the run has none.

        Raises:
            JournalFailed: The journal is damaged.
        """
        if (self.directory / JOURNAL_FILE).exists():
            yield from read_journal(self.directory)

    def _records(self, wanted: Literal["packets", "audit"]) -> Iterator[Mapping[str, Any]]:
        # An option that was masked for its name, such as that of a key's file, is not needed to read.
        config = {
            "trace": [{k: v for k, v in table.items() if v != MASK} for table in self.run["config"].get("trace", ())]
        }
        builder = Builder(Config(self.directory / RUN_FILE, config, {}), Registry())
        sinks = [cast(TraceSink, built.component) for built in builder.all_of("trace")]
        builder.finish()
        for sink in sinks:
            if sink.accepts == wanted:
                try:
                    return sink.read(self.directory)
                except NotImplementedError:
                    continue
        raise UsageError(
            f"run {self.directory.name!r} has kept no {wanted} that can be read again; add a sink such as "
            f"trace-jsonl.{wanted} to the pipeline"
        )
