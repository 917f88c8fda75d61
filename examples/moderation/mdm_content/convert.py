"""Write the model of alt-profanity-check as plain numbers: ``python -m mdm_content.convert``.

The package ships its model pickled, and whoever unpickles a file runs what it says. So it is done here, once, with the
one file whose hash is known, and never in a run. scikit-learn and joblib are needed here and nowhere else.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import joblib  # type: ignore[import-untyped]
import msgspec
from sklearn.exceptions import InconsistentVersionWarning  # type: ignore[import-untyped]

from mdm_content.offence import Machine, OffenceModel
from mdm_content.packages import OFFENCE

_FILES = ("profanity_check/data/vectorizer.joblib", "profanity_check/data/model.joblib")


def original(wheel: Path) -> tuple[Any, Any]:
    """Unpickle the model, after a look at the file's hash.

    Args:
        wheel: The package as it came from the registry.

    Returns:
        Vectorizer and classifier, as scikit-learn has them.

    Raises:
        ConfigError: The file is not there, or another one.
    """
    with ZipFile(OFFENCE.check(wheel)) as archive, warnings.catch_warnings():
        # The numbers are read from it and nothing is computed with it, so that any version will do.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        vectorizer, classifier = (
            joblib.load(BytesIO(archive.read(f"profanity_check/data/{name}.joblib")))
            for name in ("vectorizer", "model")
        )
    return vectorizer, classifier


def convert(vectorizer: Any, classifier: Any) -> OffenceModel:
    """Take the numbers out of scikit-learn's objects.

    Args:
        vectorizer: A ``TfidfVectorizer``.
        classifier: A ``CalibratedClassifierCV`` of ``LinearSVC``, calibrated by sigmoids.

    Returns:
        The model.
    """
    parts = [(part.estimator, part.calibrators[0]) for part in classifier.calibrated_classifiers_]
    machines = [Machine(float(svc.intercept_[0]), float(curve.a_), float(curve.b_)) for svc, curve in parts]
    columns = [vectorizer.idf_, *(svc.coef_[0] for svc, _ in parts)]
    words = {word: [float(column[at]) for column in columns] for word, at in sorted(vectorizer.vocabulary_.items())}
    return OffenceModel(machines, words)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the model beside the package."""
    parser = argparse.ArgumentParser(prog="python -m mdm_content.convert", description="Write the model as JSON.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder with the package, and for the model")
    folder = parser.parse_args(arguments).data
    model = convert(*original(folder / OFFENCE.file))
    # Whole or not at all, for somebody else may be reading it.
    partial = folder / f"offence.{os.getpid()}.part"
    partial.write_bytes(msgspec.json.encode(model))
    partial.replace(folder / "offence.json")
    print(f"{folder / 'offence.json'}: {len(model.words):,} words, {len(model.machines)} machines")  # noqa: T201


if __name__ == "__main__":
    main()
