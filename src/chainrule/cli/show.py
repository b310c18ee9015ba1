"""`chainrule show`: look at the data, the predictions, the mistakes, the weights, the curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import (
    DEFAULT_MODEL,
    ModelArgument,
    ModelDataOption,
    SplitOption,
    choose_part,
    choose_rows,
    load_data,
    load_model_and_data,
    require_fit,
)
from chainrule.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from chainrule.nn.arrays import Array

IN_TERMINAL, IN_PICTURE = 6, 40


def show(
    what: Annotated[str, Parameter(help="data, predictions, mistakes, weights or curve.")],
    model: ModelArgument = DEFAULT_MODEL,
    /,
    *,
    data: ModelDataOption = None,
    split: SplitOption = None,
    index: Annotated[
        list[int] | None,
        Parameter(consume_multiple=True, negative="", help="Which images (or hidden units), by number: 0 3 5 120 198."),
    ] = None,
    out: Annotated[Path | None, Parameter(help="Draw to this picture instead of the terminal.")] = None,
) -> None:
    """Draw images, predictions, mistakes, weights or the training curve, in the terminal or to a picture."""
    if what not in _VIEWS:
        raise UnknownNameError("view", what, _VIEWS)
    if out is not None:
        from chainrule.plots import require_drawable

        require_drawable(out)
    _VIEWS[what](model, data, split, index, out)
    if out is not None:
        from chainrule.cli.console import note

        note(f"Picture: {out}")


def _show_data(model: Path, data: str | None, split: str | None, index: list[int] | None, out: Path | None) -> None:
    dataset = load_data(data or "auto")
    _, images, labels = choose_part(dataset, split)
    rows = choose_rows(index, len(images), range(min(len(images), _most(out))))
    _draw(images[rows], [dataset.class_names[labels[i]] for i in rows], None, out)


def _show_predictions(
    model: Path, data: str | None, split: str | None, index: list[int] | None, out: Path | None
) -> None:
    loaded, dataset = load_model_and_data(model, data)
    _, images, labels = choose_part(dataset, split)
    require_fit(loaded, model, images, labels)
    rows = choose_rows(index, len(images), range(min(len(images), _most(out))))
    predicted = [loaded.class_names[p] for p in loaded.predict(images[rows])]
    _draw(images[rows], [dataset.class_names[labels[i]] for i in rows], predicted, out)


def _show_mistakes(model: Path, data: str | None, split: str | None, index: list[int] | None, out: Path | None) -> None:
    loaded, dataset = load_model_and_data(model, data)
    _, images, labels = choose_part(dataset, split)
    require_fit(loaded, model, images, labels)
    evaluation = loaded.evaluate(images, labels)
    worst = evaluation.mistakes()
    if len(worst) == 0:
        raise InputError("There are no mistakes to show: every prediction is right.")
    chosen = worst[choose_rows(index, len(worst), range(min(len(worst), _most(out))))]
    predicted = [loaded.class_names[evaluation.predictions[i]] for i in chosen]
    _draw(images[chosen], [loaded.class_names[labels[i]] for i in chosen], predicted, out)


def _show_weights(model: Path, data: str | None, split: str | None, index: list[int] | None, out: Path | None) -> None:
    import numpy as np

    from chainrule import plots
    from chainrule.cli import console, terminal
    from chainrule.files.model_file import load_model

    loaded = load_model(model)
    weight = loaded.network.layout[0].view(loaded.network.parameters)
    units = choose_rows(index, weight.shape[1], range(min(weight.shape[1], IN_TERMINAL if out is None else 100)))
    weight, shape = weight[:, units], loaded.preparation.shape
    if out is not None:
        figure, axes = plots.grid(len(units))
        plots.weights(axes, weight, shape)
        for ax, unit in zip(axes, units, strict=True):
            ax.set_title(f"unit {unit}", fontsize=8)
        plots.save(figure, out)
        return
    limit = float(np.quantile(np.abs(weight), 0.995)) or 1.0
    pictures = [terminal.red_and_blue(column.reshape(shape), limit) for column in weight.T]
    terminal.print_pictures(console.out, pictures, [f"unit {unit}" for unit in units])


def _show_curve(model: Path, data: str | None, split: str | None, index: list[int] | None, out: Path | None) -> None:
    from chainrule import plots
    from chainrule.cli import console, terminal
    from chainrule.files.model_file import load_model
    from chainrule.training.history import History

    columns = load_model(model).facts.get("history")
    if columns is None:
        raise InputError(f"{model} does not say how it was trained; only models made by chainrule train have a curve.")
    history = History.from_columns(columns)
    if out is not None:
        figure, ax = plots.single()
        plots.curve(ax, history)
        plots.save(figure, out)
        return
    series = {"training": ("bright_black", [100 * value for value in history["train_accuracy"]])}
    if history["validation_accuracy"][-1] is not None:
        series["validation"] = ("bright_blue", [100 * value for value in history["validation_accuracy"]])
    console.say("Accuracy in per cent, against epochs")
    terminal.print_curves(console.out, history["epoch"], series)


def _most(out: Path | None) -> int:
    return IN_TERMINAL if out is None else IN_PICTURE


def _draw(images: Array, labels: list[str], predicted: list[str] | None, out: Path | None) -> None:
    """Pictures with their labels, and with predictions if there are any, to a file or the terminal."""
    from chainrule import plots
    from chainrule.cli import console, terminal

    if out is None:
        guesses = [None] * len(labels) if predicted is None else predicted
        titles = [
            label if guess is None else f"says {guess}, is {label}"
            for guess, label in zip(guesses, labels, strict=True)
        ]
        pictures = [terminal.grey(picture) for picture in terminal.trimmed(images)]
        terminal.print_pictures(console.out, pictures, titles)
        return
    figure, axes = plots.grid(len(images))
    if predicted is None:
        plots.images(axes, images, labels)
    else:
        plots.predictions(axes, images, predicted, labels)
    plots.save(figure, out)


_VIEWS: dict[str, Callable[[Path, str | None, str | None, list[int] | None, Path | None], None]] = {
    "data": _show_data,
    "predictions": _show_predictions,
    "mistakes": _show_mistakes,
    "weights": _show_weights,
    "curve": _show_curve,
}
