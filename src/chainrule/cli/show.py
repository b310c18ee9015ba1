"""`chainrule show`: look at the data, plain and deformed, the predictions, the mistakes, the weights, the curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import (
    DEFAULT_MODEL,
    MODEL_ENDING,
    ModelDataOption,
    SplitOption,
    choose_part,
    choose_rows,
    load_data,
    load_model_and_data,
    require_fit,
    require_labels,
    whole_number,
)
from chainrule.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from chainrule.nn.arrays import Array

IN_TERMINAL, IN_PICTURE = 6, 40


@dataclass(frozen=True)
class Request:
    """What to draw, from what, and where to."""

    model: Path
    data: str | None
    split: str | None
    index: list[int] | None
    out: Path | None

    @property
    def most(self) -> int:
        """How many pictures to draw where nobody says which."""
        return IN_TERMINAL if self.out is None else IN_PICTURE

    def refuse(self, view: str, *options: str) -> None:
        """Refuse options that this view would ignore."""
        for option in options:
            if getattr(self, option) is not None:
                raise InputError(f"chainrule show {view} takes no --{option}.")


def show(
    what: Annotated[str, Parameter(help="data, deformed, predictions, mistakes, weights or curve.")],
    model: Annotated[
        Path | None, Parameter(show_default=False, help=f"A model file; {DEFAULT_MODEL} where not given.")
    ] = None,
    /,
    *,
    data: ModelDataOption = None,
    split: SplitOption = None,
    index: Annotated[
        list[int] | None,
        Parameter(
            consume_multiple=True,
            negative="",
            converter=whole_number,
            help="Which images (mistakes: by rank; weights: hidden units), by number: 0 3 5 120 198.",
        ),
    ] = None,
    out: Annotated[Path | None, Parameter(help="Draw to this picture instead of the terminal.")] = None,
) -> None:
    """Draw images, as they are or deformed, predictions, mistakes, weights or the training curve.

    In the terminal, or to a picture. The deformations are those of the recipe `simard-2003`.
    """
    if what not in _VIEWS:
        raise UnknownNameError("view", what, _VIEWS)
    if model is not None and model.suffix != MODEL_ENDING:
        raise InputError(f"{model} is not a model, whose name ends in {MODEL_ENDING}. Did you mean --data {model}?")
    if out is not None:
        from chainrule.plots import require_drawable

        require_drawable(out)
    if what in ("data", "deformed") and data is None:
        data = _data_of(model)
    _VIEWS[what](Request(model or DEFAULT_MODEL, data, split, index, out))
    if out is not None:
        from chainrule.cli.console import note

        note(f"Picture: {out}")


def _data_of(model: Path | None) -> str:
    """The data that a model was trained on, if one is given or lies here; else whatever `train` would take."""
    from chainrule.files.model_file import load_model

    if model is None and not DEFAULT_MODEL.exists():
        return "auto"
    return str(load_model(model or DEFAULT_MODEL).facts.get("dataset", "auto"))


def _show_data(request: Request) -> None:
    dataset = load_data(request.data or "auto")
    _, images, labels = choose_part(dataset, request.split)
    rows = choose_rows(request.index, len(images), "pictures", request.most)
    titles = [f"image {i}" if labels is None else dataset.class_names[labels[i]] for i in rows]
    _draw(images[rows], titles, request.out)


def _show_deformed(request: Request) -> None:
    """Each picture, and beside it the same picture in another hand, again and again."""
    import numpy as np

    from chainrule.data.deformations import Deformation, side_by_side
    from chainrule.recipes import SIMARD_2003

    dataset = load_data(request.data or "auto")
    _, images, _ = choose_part(dataset, request.split)
    rows = choose_rows(request.index, len(images), "pictures", 1 if request.out is None else 4)
    copies = IN_TERMINAL - 1 if request.out is None else 9
    deformation = SIMARD_2003.deformation or Deformation()
    shown = side_by_side(images[rows], deformation, copies, np.random.default_rng(0))
    _draw(shown, [title for row in rows for title in (f"image {row}", *[""] * copies)], request.out)


def _show_predictions(request: Request) -> None:
    model, dataset = load_model_and_data(request.model, request.data)
    _, images, labels = choose_part(dataset, request.split)
    require_fit(model, request.model, images, labels)
    rows = choose_rows(request.index, len(images), "pictures", request.most)
    predicted = [model.class_names[p] for p in model.predict(images[rows])]
    if labels is None:
        _draw(images[rows], [f"says {guess}" for guess in predicted], request.out)
    else:
        _draw_predictions(images[rows], predicted, [model.class_names[labels[i]] for i in rows], request.out)


def _show_mistakes(request: Request) -> None:
    model, dataset = load_model_and_data(request.model, request.data)
    _, images, known = choose_part(dataset, request.split)
    labels = require_labels(dataset, known)
    require_fit(model, request.model, images, labels)
    evaluation = model.evaluate(images, labels)
    worst = evaluation.mistakes()
    if len(worst) == 0:
        raise InputError("There are no mistakes to show: every prediction is right.")
    chosen = worst[choose_rows(request.index, len(worst), "mistakes", request.most)]
    predicted = [model.class_names[evaluation.predictions[i]] for i in chosen]
    _draw_predictions(images[chosen], predicted, [model.class_names[labels[i]] for i in chosen], request.out)


def _show_weights(request: Request) -> None:
    from chainrule import plots
    from chainrule.cli import console, terminal
    from chainrule.files.model_file import load_model

    request.refuse("weights", "data", "split")
    model = load_model(request.model)
    weight, shape = model.network.layout[0].view(model.network.parameters), model.preparation.shape
    units = choose_rows(request.index, weight.shape[1], "hidden units", IN_TERMINAL if request.out is None else 100)
    weight = weight[:, units]
    titles = [f"unit {unit}" for unit in units]
    if request.out is not None:
        figure, axes = plots.grid(len(units))
        plots.weights(axes, weight, shape, titles)
        plots.save(figure, request.out)
        return
    limit = plots.weight_limit(weight)
    pictures = [terminal.red_and_blue(column.reshape(shape), limit) for column in weight.T]
    terminal.print_pictures(console.out, pictures, titles)


def _show_curve(request: Request) -> None:
    from chainrule import plots
    from chainrule.cli import console, terminal
    from chainrule.files.model_file import load_model
    from chainrule.training.history import History

    request.refuse("curve", "data", "split", "index")
    columns = load_model(request.model).facts.get("history")
    if not columns:
        raise InputError(f"{request.model} does not say how it was trained; models from chainrule train do.")
    history = History.from_columns(columns)
    if request.out is not None:
        figure, ax = plots.single()
        plots.curve(ax, history)
        plots.save(figure, request.out)
        return
    series = {}
    for name, colour in (("training", "bright_black"), ("validation", "bright_blue")):
        values = history["train_accuracy" if name == "training" else "validation_accuracy"]
        if values and None not in values:
            series[name] = (colour, [100 * value for value in values])
    if not series:
        raise InputError(f"{request.model} has a history without accuracies; there is no curve to draw.")
    console.say("Accuracy in per cent, against epochs")
    terminal.print_curves(console.out, history["epoch"], series)


def _draw(images: Array, titles: list[str], out: Path | None) -> None:
    """Pictures under their titles, to a file or the terminal."""
    from chainrule import plots
    from chainrule.cli import console, terminal

    if out is None:
        pictures = [terminal.grey(picture) for picture in terminal.trimmed(images)]
        terminal.print_pictures(console.out, pictures, titles)
        return
    figure, axes = plots.grid(len(images))
    plots.images(axes, images, titles)
    plots.save(figure, out)


def _draw_predictions(images: Array, predicted: list[str], labels: list[str], out: Path | None) -> None:
    """Pictures with what was predicted and what they are, to a file or the terminal."""
    from chainrule import plots

    if out is None:
        _draw(images, [f"says {guess}, is {label}" for guess, label in zip(predicted, labels, strict=True)], None)
        return
    figure, axes = plots.grid(len(images))
    plots.predictions(axes, images, predicted, labels)
    plots.save(figure, out)


_VIEWS: dict[str, Callable[[Request], None]] = {
    "data": _show_data,
    "deformed": _show_deformed,
    "predictions": _show_predictions,
    "mistakes": _show_mistakes,
    "weights": _show_weights,
    "curve": _show_curve,
}
