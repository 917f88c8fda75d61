"""The recordings of the package: 140 series of a watch, read without running anything that the file may say."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import attrs

TABLE = "seglearn/data/watch_dataset.npy"
EXERCISES = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
"""Shoulder exercises, by their number in the data."""
MIRRORED = (-1.0, 1.0, 1.0, 1.0, -1.0, -1.0)
"""Makes of what a left arm does what a right one would do: seen in a mirror across the x axis of the watch."""


@attrs.frozen
class Recording:
    """One person doing one exercise with one arm.

    Attributes:
        subject: Number of the person, 1 to 10.
        exercise: One of ``EXERCISES``.
        left: Whether it was the left arm.
        samples: Fifty a second: acceleration in g and angular speed in rad/s, along x, y and z; of left arms mirrored.
    """

    subject: int
    exercise: str
    left: bool
    samples: Sequence[Sequence[float]]

    @property
    def arm(self) -> str:
        """The person and the arm, such as ``8-right``."""
        return f"{self.subject}-{'left' if self.left else 'right'}"


class _Arrays(pickle.Unpickler):
    """Makes numpy arrays and nothing else, whatever the file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        made: dict[str, Any] = {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": np.empty(0).__reduce__()[0]}
        if (module, name) == ("_codecs", "encode"):
            return _latin  # how bytes were written before protocol 3
        if module.split(".")[0] != "numpy" or name not in made:
            raise pickle.UnpicklingError(f"{TABLE} asks for {module}.{name}, which is no array")
        return made[name]


def _latin(text: str, _: str) -> bytes:
    return text.encode("latin1")


def unpickle(data: bytes) -> Any:
    """Read a file of numpy that holds one object.

    Args:
        data: The file.

    Returns:
        The object.

    Raises:
        UnpicklingError: It asks for anything but arrays.
    """
    import numpy as np

    file = BytesIO(data)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return _Arrays(file).load().item()


def read(wheel: Path, subjects: Sequence[int]) -> list[Recording]:
    """Read the recordings of some people.

    Args:
        wheel: The package as it came from the registry.
        subjects: Their numbers.

    Returns:
        The recordings, by person, arm and exercise.
    """
    with ZipFile(wheel) as files:
        data = unpickle(files.read(TABLE))
    found = []
    for samples, exercise, subject, side in zip(data["X"], data["y"], data["subject"], data["side"], strict=True):
        if subject in subjects:
            rows = (samples if side else samples * MIRRORED).tolist()
            found.append(Recording(int(subject), EXERCISES[exercise], not side, rows))
    return sorted(found, key=lambda one: (one.subject, one.left, EXERCISES.index(one.exercise)))
