"""What `chainrule predict --submission` writes: Kaggle's ImageId,Label, checked against the competition's rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chainrule.errors import DataFileError, ModelFileError

LABELS = {str(digit) for digit in range(10)}


def require_unlabelled(path: Path, labels: object) -> None:
    """Refuse the pictures whose labels are known: a submission answers for those whose are not."""
    if labels is not None:
        raise DataFileError(
            f"{path} has labels, as Kaggle's train.csv has; a submission is for test.csv: "
            f"chainrule predict test.csv --submission submission.csv"
        )


def require_digits(class_names: Sequence[str]) -> None:
    """Refuse a model that answers something else than digits."""
    strange = [name for name in class_names if name not in LABELS]
    if strange:
        raise ModelFileError(
            f"The model's classes are {', '.join(class_names):.80}; Kaggle's labels are 0 to 9. Train another: "
            f"chainrule train --data train.csv"
        )


def write_submission(path: Path, labels: Sequence[str]) -> None:
    """Write ImageId, 1, 2, …, and Label, a row for each picture; and say where Kaggle would refuse it."""
    from chainrule.atomic import replace_file
    from chainrule.cli.console import note
    from chainrule.data.kaggle import TEST_ROWS

    lines = ["ImageId,Label", *(f"{number},{label}" for number, label in enumerate(labels, start=1))]
    replace_file(path, ("\n".join(lines) + "\n").encode())
    note(f"Submission: {len(labels):,} rows in {path}")
    if len(labels) != TEST_ROWS:
        note(
            f"Kaggle's Digit Recognizer would refuse it: its test.csv has {TEST_ROWS:,} pictures, and so must a "
            f"submission have rows."
        )
