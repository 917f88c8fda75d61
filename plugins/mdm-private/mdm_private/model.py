"""The model that is somebody else's secret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from mdm_core import Build, ConfigError, Context, Features, Proposal, ProposalModel, component, option

from mdm_private.hook import Hook


@attrs.define
class PrivateModel(ProposalModel):
    """Asks a proprietary function in a file beside the pipeline; without the file, another model decides."""

    path: Path = option(
        Path("_private/model.py"), private=True, help="Python file with the function, relative to the pipeline file"
    )
    parameters: dict[str, Any] = option(rest=True, private=True, help="what the function gets as keyword arguments")
    fallback: ProposalModel = component("reference.logistic", help="the model that decides if there is no file")
    _hook: Hook | None = attrs.field(init=False, default=None, repr=False, eq=False)

    def open(self, build: Build) -> None:
        """Load the function.

        Raises:
            ConfigError: It cannot be loaded or called; nothing of the file is in the message.
        """
        file = build.base_dir / self.path
        source = _read(file)
        self.notice = "" if source is not None else f"there is no private model, so {self._fallback_name} decides"
        self._hook = None if source is None else Hook(file, source, self.parameters)

    def close(self) -> None:
        """Forget the function."""
        if self._hook is not None:
            self._hook.close()
            self._hook = None

    def propose(self, features: Features, context: Context) -> Proposal:
        """Ask the function, or the other model."""
        if self._hook is None:
            return self.fallback.propose(features, context)
        return self._hook(features)

    def alternatives(self, features: Features, context: Context) -> Sequence[tuple[float, Proposal]]:
        """Give what the other model might have proposed, if that one decides; the function does not randomise."""
        return self.fallback.alternatives(features, context) if self._hook is None else ()

    @property
    def _fallback_name(self) -> str:
        return self.fallback.component_id or type(self.fallback).__name__


def _read(file: Path) -> bytes | None:
    """Read the file; None if nothing at all stands in its place."""
    try:
        return file.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not any(map(_dangles, (file, *file.parents))):
            return None
        reason = error.strerror
    # Outside the handler, so that the error with the path in it is not in any traceback.
    raise ConfigError(f"the private model cannot be read: {reason}; correct the file or the option path")


def _dangles(path: Path) -> bool:
    return path.is_symlink() and not path.exists()
