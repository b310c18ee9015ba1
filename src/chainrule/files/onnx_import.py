"""A multilayer perceptron out of an ONNX file, as this package, skl2onnx or PyTorch write it.

Nothing in the file is run: onnx_graph.py reads what its nodes mean. Whatever stands before the first layer, a gain and
an offset, becomes the preparation of the pictures; the rest becomes a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import InputError, ModelFileError, ShapeError
from chainrule.files.model_file import MOST_LAYERS, require_finite_rows
from chainrule.files.onnx import FORMAT, PRODUCER, VERSION
from chainrule.files.onnx_content import read_content
from chainrule.files.onnx_graph import Reading, Rows, read_graph
from chainrule.files.perceptron import (
    UNCHANGED,
    Affine,
    Scale,
    named_classes,
    network_of,
    picture_shape,
    preparation_of,
    told_scale,
    two_classes,
)
from chainrule.files.tensors import LARGEST_HEADER, read_json
from chainrule.model import Model, require_finite_parameters
from chainrule.nn.layers import Layer


def load_onnx(
    path: str | Path,
    *,
    largest_pixel: float | None = None,
    mean: float | None = None,
    deviation: float | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Model:
    """Read a multilayer perceptron from an ONNX file.

    Gemm, or MatMul and Add; Relu, LeakyRelu, Tanh, Sigmoid; Softmax; and what scales the pictures before them. A file
    whose input is uint8 holds the whole preparation. One whose input is float does not say what its numbers are, so say
    it here:

        x = (pixel / 255 · largest_pixel − mean) / deviation

    Parameters
    ----------
    path : str or Path
    largest_pixel : float, optional
        What the brightest pixel was when the network was trained: 1 (where not given) or 255.
    mean, deviation : float, optional
        By which the pixels were then standardised, outside the file; 0 and 1 where not given.
    image_shape : (height, width), optional
        Where the file says only how many pixels there are; a square where not given.

    Returns
    -------
    model : Model
        float64 where one of the file's weights is, else float32. It gives the predictions that the file gives, and its
        probabilities where the file ends in Softmax, or in one Sigmoid for two classes. Class names and facts are those
        that `save_onnx` wrote, or else the file's class labels.

    Raises
    ------
    MissingPackageError
        If the package onnx is not installed.
    ModelFileError
        If there is no such file, or it holds something else than such a network; names the node.
    ValueRangeError, ShapeError
        If `largest_pixel` or `deviation` is not above 0, `mean` is not finite, or `image_shape` does not fit.
    InputError
        If one of these is given for a file that says it itself.
    """
    path = Path(path)
    told = told_scale(largest_pixel, mean, deviation)
    content, reading = _read(path)
    if reading.takes_bytes and not (largest_pixel is mean is deviation is None):
        raise InputError(f"{path} reads pictures as they are, and says itself how to scale them: leave that out.")
    shape = _shape(path, reading, image_shape)
    try:
        return _model(path, content, reading, shape, UNCHANGED if reading.takes_bytes else told)
    except InputError as error:
        raise _refusal(path, error) from error


def _read(path: Path) -> tuple[Any, Reading]:
    """The file, and what its graph is."""
    try:
        content = read_content(path)
        with np.errstate(all="ignore"):  # what is not finite in the end is refused
            reading = read_graph(content.graph, path.parent)
        if not any(isinstance(layer, Affine) for layer in reading.rows.layers):
            raise InputError("it has no layer: no Gemm and no MatMul")
    except InputError as error:
        raise _refusal(path, error) from error
    return content, reading


def _shape(path: Path, reading: Reading, told: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a picture, which the file or the caller knows."""
    said = _shape_of_input(reading)
    try:
        shape = picture_shape(_pixels(reading), said if told is None else told)
    except ShapeError as error:
        if told is not None:
            raise
        raise ModelFileError(f"Cannot import {path}. {error}") from error
    if said not in (None, shape):
        raise ShapeError(f"image_shape is {shape}, and {path} says {said}: leave it out.")
    return shape


def _refusal(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(f"Cannot import {path}: {str(error)[:600].rstrip('.')}.")


def _pixels(reading: Reading) -> int:
    """D, which the first layer reads."""
    return next(layer.weight.shape[0] for layer in reading.rows.layers if isinstance(layer, Affine))


def _shape_of_input(reading: Reading) -> tuple[int, int] | None:
    """Height and width, where the file's input has them, with or without one channel."""
    shape = reading.input_shape or ()
    if len(shape) == 3 and 1 in (shape[0], shape[2]):
        shape = shape[1:] if shape[0] == 1 else shape[:2]
    return (shape[0], shape[1]) if len(shape) == 2 else None


def _model(path: Path, content: Any, reading: Reading, shape: tuple[int, int], told: Scale) -> Model:
    """What the file's parts are together."""
    layers = _layers(reading.rows)
    double = any(isinstance(layer, Affine) and layer.weight.dtype == np.float64 for layer in layers)
    dtype = np.dtype(np.float64 if double else np.float32)
    gain, offset = reading.rows.scale
    with np.errstate(all="ignore"):
        preparation = preparation_of(shape, Scale(told.gain * gain, told.offset * gain + offset), dtype)
        network = network_of(layers, dtype)
    names, facts = _own_words(content)
    facts = facts if facts is not None else _facts_of(path, content)
    model = Model(network, preparation, named_classes(names or reading.names, network.outputs), facts)
    require_finite_parameters(network)
    require_finite_rows(model)
    return model


def _layers(rows: Rows) -> list[Affine | Layer]:
    """The layers that end in the logits of the classes."""
    layers = list(rows.layers)
    before = layers[-2] if rows.decide_between_two else None
    if isinstance(before, Affine):
        layers[-2:] = [two_classes(before)]  # the softmax of two has the Sigmoid in it
    elif rows.shape == (1,):
        raise InputError("it gives one number a picture, which chooses among no classes")
    if len(layers) > MOST_LAYERS:
        raise InputError(f"it has {len(layers):,} layers; expected {MOST_LAYERS:,} at most")
    return layers


def _own_words(content: Any) -> tuple[list[str] | None, dict[str, Any] | None]:
    """Class names and facts, where `save_onnx` wrote them."""
    words = {entry.key: entry.value for entry in content.metadata_props}
    if content.producer_name != PRODUCER:
        return None, None
    if words.get("format") != FORMAT or words.get("version") != VERSION:
        raise InputError(
            f"{PRODUCER} wrote it, and its metadata are not all there: it is cut short, or of another version"
        )
    if max(map(len, words.values())) > LARGEST_HEADER:
        raise InputError(f"its metadata are longer than {LARGEST_HEADER:,} characters")
    try:
        names, facts = read_json(words.get("class_names", "")), read_json(words.get("facts", ""))
    except (ValueError, RecursionError) as error:
        raise InputError("its metadata are damaged: class_names or facts is no JSON") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not isinstance(facts, dict):
        raise InputError("its metadata are damaged: class_names is no list of names, or facts no object")
    return names, facts


def _facts_of(path: Path, content: Any) -> dict[str, Any]:
    """What is known about a stranger's file."""
    producer = f"{content.producer_name} {content.producer_version}".strip()[:100]
    return {"imported_from": path.name, **({"producer": producer} if producer else {})}
