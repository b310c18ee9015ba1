"""`chainrule import`: an ONNX network, or a tutorial's pickled parameters, become a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import DEFAULT_MODEL, require_distinct, require_model_name, whole_number
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.model import Model

ONNX_ENDING = ".onnx"


def import_model(
    file: Annotated[
        Path,
        Parameter(help="An .onnx file with a multilayer perceptron; or a pickle of W1, b1, W2, b2, as a tutorial has."),
    ],
    /,
    *,
    activation: Annotated[
        str | None,
        Parameter(help="Of a pickle's hidden layer: relu (where not given), leaky_relu, tanh or sigmoid."),
    ] = None,
    largest_pixel: Annotated[
        float | None, Parameter(help="What an ONNX network read for the brightest pixel: 1 (where not given) or 255.")
    ] = None,
    mean: Annotated[
        float | None, Parameter(help="What was then taken away from each pixel, outside the ONNX file.")
    ] = None,
    deviation: Annotated[float | None, Parameter(help="By what it was then divided, outside the ONNX file.")] = None,
    image_shape: Annotated[
        tuple[int, int] | None,
        Parameter(
            converter=whole_number, help="Height and width of an ONNX network's pictures, if they are no squares."
        ),
    ] = None,
    model: Annotated[Path, Parameter(help="Where to save the model.")] = DEFAULT_MODEL,
) -> None:
    """Turn an ONNX file, or pickled parameters (W1, b1, W2, b2), into a model file. Nothing in the file is run."""
    from chainrule.atomic import require_writable
    from chainrule.cli.console import say
    from chainrule.files.model_file import save_model

    require_model_name(model)
    require_distinct({"the file to import": file, "--model": model})
    require_writable(model)
    told = {"--largest-pixel": largest_pixel, "--mean": mean, "--deviation": deviation, "--image-shape": image_shape}
    if file.suffix.lower() == ONNX_ENDING:
        if activation is not None:
            raise InputError("--activation is for pickled parameters; an ONNX file says what its layers are.")
        imported = _from_onnx(file, largest_pixel, mean, deviation, image_shape)
    else:
        given = [option for option, value in told.items() if value is not None]
        if given:
            raise InputError(f"{', '.join(given)}: only an ONNX file ({ONNX_ENDING}) is told how to read pictures.")
        imported = _from_pickle(file, activation or "relu")
    save_model(imported, model)
    say(f"A {_layers(imported)} network for pictures of {_size(imported)} pixels: {model}")


def _from_onnx(
    file: Path,
    largest_pixel: float | None,
    mean: float | None,
    deviation: float | None,
    image_shape: tuple[int, int] | None,
) -> Model:
    from chainrule.files.onnx_import import load_onnx

    return load_onnx(file, largest_pixel=largest_pixel, mean=mean, deviation=deviation, image_shape=image_shape)


def _from_pickle(file: Path, activation: str) -> Model:
    from chainrule.files.legacy import read_pickled_parameters

    return read_pickled_parameters(file, activation=activation)


def _layers(model: Model) -> str:
    """784-128-10, relu."""
    layers = model.network.configuration()
    widths = [model.network.inputs, *(layer["outputs"] for layer in layers if layer["kind"] == "dense")]
    others = dict.fromkeys(layer["kind"] for layer in layers if layer["kind"] != "dense")
    return ", ".join(["-".join(map(str, widths)), *others])


def _size(model: Model) -> str:
    return " × ".join(map(str, model.preparation.shape))
