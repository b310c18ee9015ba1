"""What a training has to say while it runs, and all of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.atomic import replace_file
from chainrule.errors import InputError


class Report(NamedTuple):
    """Where a training stands. Plain numbers only.

    epoch : whole epochs finished
    step : updates of θ so far
    loss : mean training loss since the last report that has accuracies, nats per example
    train_accuracy : on a fixed sample of the training rows; on all of them in the last report of a training
    validation_accuracy : on the validation rows; None where there are none
    seconds : time spent training so far
    learning_rate : of the last step

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
        """The history that `columns()` came from."""
        if set(columns) != set(Report._fields):
            raise InputError(f"A history has the columns {', '.join(Report._fields)}, not {', '.join(columns)}.")
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
