"""What a training has to say while it runs, and all of it afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.atomic import replace_file
from chainrule.errors import InputError


class Report(NamedTuple):
    """Where a training stands. Plain numbers only.

    Attributes
    ----------
    epoch : int; whole epochs finished
    step : int; updates of θ so far
    loss : float; mean training loss since the last report that has accuracies, nats per example
    train_accuracy : float or None
        On a fixed sample of the training rows; on all of them in the last report of a training.
    validation_accuracy : float or None
        On the validation rows; None where there are none.
    seconds : float; time spent training so far
    learning_rate : float; of the last step

    Both accuracies are None in the light reports between two epochs' ends.
    """

    epoch: int
    step: int
    loss: float
    train_accuracy: float | None
    validation_accuracy: float | None
    seconds: float
    learning_rate: float


class History:
    """Reports as columns: `history["loss"]` is a list, one entry for each report."""

    def __init__(self, reports: Iterable[Report] = ()) -> None:
        self.reports = list(reports)

    def append(self, report: Report) -> None:
        """Take in one more report."""
        self.reports.append(report)

    def __len__(self) -> int:
        return len(self.reports)

    def __iter__(self) -> Iterator[Report]:
        return iter(self.reports)

    def __getitem__(self, column: str) -> list[Any]:
        return [getattr(report, column) for report in self.reports]

    def columns(self) -> dict[str, list[Any]]:
        """All columns by name, as JSON can hold them."""
        return {name: self[name] for name in Report._fields}

    @classmethod
    def from_columns(cls, columns: dict[str, list[Any]]) -> History:
        """The history that `columns()` came from.

        Parameters
        ----------
        columns : dict of lists of numbers
            All of the same length, one for each field of `Report`; the two accuracies may hold None.

        Raises
        ------
        InputError
            If they are anything else; a file that a stranger wrote may hold what it likes.
        """
        if not isinstance(columns, dict) or set(columns) != set(Report._fields):
            given = ", ".join(map(str, columns)) if isinstance(columns, dict) else type(columns).__name__
            raise InputError(f"A history has the columns {', '.join(Report._fields)}, not {given}.")
        for name, column in columns.items():
            _require_column(name, column)
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"A history's columns are of one length, and these are not: {lengths}.")
        return cls(Report(*row) for row in zip(*(columns[name] for name in Report._fields), strict=True))

    def save(self, path: str | Path) -> None:
        """Write the columns as JSON, replacing the file in one step."""
        replace_file(Path(path), json.dumps(self.columns(), indent=1).encode())

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote."""
        try:
            return cls.from_columns(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{path} is not a saved history: {error}") from error


def _require_column(name: str, column: Any) -> None:
    """Refuse anything but a list of finite numbers, whole ones where they count; None may be an accuracy."""
    if not isinstance(column, list):
        raise InputError(f"A history's columns are lists, and {name} is of type {type(column).__name__}.")
    for i, value in enumerate(column):
        if value is None and name.endswith("accuracy"):
            continue
        number = isinstance(value, int if name in ("epoch", "step") else (int, float)) and not isinstance(value, bool)
        if not number or not abs(value) <= sys.float_info.max:  # a whole number in JSON can be too large for a float
            raise InputError(f"A history's columns hold numbers, and {name} holds {value!r:.50} in place {i}.")
