"""How far a training has come, for who waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.training.history import Report
    from chainrule.training.training import Training


def watch(training: Training) -> Iterator[Report]:
    """The training's reports, under a progress bar; without a terminal, ten lines in all."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from chainrule.cli.console import err, note, percent

    training.report_every = max(1, training.steps_per_epoch // 20)
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(bar_width=None),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[accuracy]}"),
        TimeRemainingColumn(),
    )
    accuracy = ""
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(
            "",
            total=training.epochs * training.steps_per_epoch,
            completed=training.step,
            epoch=min(training.epoch + 1, training.epochs),
            epochs=training.epochs,
            loss=0,
            accuracy="",
        )
        for report in training:
            shown = report.validation_accuracy if report.validation_accuracy is not None else report.train_accuracy
            if shown is not None:
                accuracy = f"accuracy {percent(shown)}"
            progress.update(
                task,
                completed=report.step,
                epoch=min(report.epoch + 1, training.epochs),
                loss=report.loss,
                accuracy=accuracy,
            )
            tenth = max(1, training.epochs // 10)
            if not err.is_terminal and shown is not None and report.epoch % tenth == 0:
                note(f"epoch {report.epoch}/{training.epochs}  loss {report.loss:.4f}  {accuracy}")
            yield report
