"""`chainrule evaluate`: how good a model is, and where it goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import DEFAULT_MODEL, JsonOption, ModelDataOption, SplitOption

if TYPE_CHECKING:
    from chainrule.model import Evaluation, Predictor
    from chainrule.nn.arrays import Array


def evaluate(
    *models: Annotated[
        Path,
        Parameter(
            name="MODEL", help=f"A model file, as `chainrule train` writes it; {DEFAULT_MODEL} if none is given."
        ),
    ],
    data: ModelDataOption = None,
    split: SplitOption = None,
    mistakes: Annotated[Path | None, Parameter(help="Draw the most confident mistakes to this picture.")] = None,
    json: JsonOption = False,
) -> None:
    """Measure a model's accuracy, class by class, with its 95 % interval and confusion matrix.

    Several models are measured together, as a committee: the mean of their probabilities decides.
    """
    from chainrule.cli.arguments import choose_part, data_of, load_data, load_together, require_fit, require_labels
    from chainrule.cli.console import note, print_json
    from chainrule.plots import require_drawable

    if mistakes is not None:
        require_drawable(mistakes)
    loaded = load_together(models)
    path = models[0] if models else DEFAULT_MODEL
    dataset = load_data(data) if data is not None else data_of(loaded, path)
    part, images, known = choose_part(dataset, split)
    labels = require_labels(dataset, known)
    if part == "train" and split is None:
        note("There is no test part; these pictures may be the ones the model learned from.")
    require_fit(loaded, path, images, labels)
    evaluation = loaded.evaluate(images, labels)
    if mistakes is not None:
        draw_mistakes(loaded, evaluation, images, mistakes)
        note(f"Mistakes: {mistakes}")
    if json:
        print_json(
            {
                "accuracy": evaluation.accuracy,
                "interval": list(evaluation.interval),
                "errors": evaluation.errors,
                "examples": evaluation.examples,
                "confusion": evaluation.confusion.tolist(),
            }
        )
    else:
        if len(models) > 1:
            note(f"A committee of {len(models)} models.")
        _tell(loaded, evaluation, part)


def draw_mistakes(model: Predictor, evaluation: Evaluation, images: Array, path: Path, most: int = 40) -> None:
    """The most confident mistakes as a picture."""
    from chainrule import plots
    from chainrule.errors import InputError

    worst = evaluation.mistakes()[:most]
    if len(worst) == 0:
        raise InputError("There are no mistakes to draw: every prediction is right.")
    figure, axes = plots.grid(len(worst))
    names = model.class_names
    plots.predictions(
        axes,
        images[worst],
        [names[evaluation.predictions[i]] for i in worst],
        [names[evaluation.labels[i]] for i in worst],
    )
    plots.save(figure, path)


def _tell(model: Predictor, evaluation: Evaluation, part: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from chainrule.cli.console import out, percent, say

    low, high = evaluation.interval
    say(f"Accuracy  {percent(evaluation.accuracy)} on {evaluation.examples:,} {part} images", style="bold")
    say(f"          95 % interval {100 * low:.2f} to {100 * high:.2f} %, {evaluation.errors:,} wrong\n")
    table = Table(title="Label (row), prediction (column), and the error of each class", box=None, pad_edge=False)
    table.add_column("", justify="right", style="bold")
    for name in model.class_names:
        table.add_column(escape(name), justify="right")
    table.add_column("error", justify="right")
    for i, row in enumerate(evaluation.confusion):
        total = int(row.sum())
        error = f"{100 * (1 - row[i] / total):.1f} %" if total else "–"
        cells = [_cell(int(count), i == j) for j, count in enumerate(row)]
        table.add_row(escape(model.class_names[i]), *cells, error)
    out.print(table)


def _cell(count: int, right: bool) -> str:
    if right:
        return f"[dim]{count}[/dim]"
    return f"[red]{count}[/red]" if count else "·"
