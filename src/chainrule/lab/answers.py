"""What the rooms ask: each a function to what JSON can say, every number the engine's own."""

from __future__ import annotations

import base64
import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.datasets import Dataset
from chainrule.data.photo import Page, find_digits
from chainrule.errors import DataFileError, InputError, ShapeError, ValueRangeError
from chainrule.model import Model
from chainrule.nn.layers import Dense
from chainrule.nn.network import Network

Array = NDArray[Any]
Json = dict[str, Any]

MOST_EDITS = 200
_NEAREST, _NEIGHBOURS, _TERMS, _MISTAKES, _SHOWN = 10_000, 6, 12, 60, 168


@dataclass(frozen=True, eq=False)
class Lab:
    """What the lab shows.

    Attributes
    ----------
    model : Model
    data : Dataset
        Whose training images are neighbours, and whose test images are mistaken.
    name : str
        Of the model, for the page.
    """

    model: Model
    data: Dataset
    name: str

    def __post_init__(self) -> None:
        pictures_of(self.data)

    @functools.cached_property
    def gallery(self) -> tuple[Array, Array]:
        """Training images as rows in [0, 1], and half of each one's squared length."""
        images = pictures_of(self.data)[0][:_NEAREST]
        rows = images.reshape(len(images), -1).astype(np.float32)
        rows /= 255
        return rows, 0.5 * (rows**2).sum(axis=1)

    @functools.cached_property
    def mistakes(self) -> list[Json]:
        """Test images that the model gets wrong, the surest first."""
        images, labels = self.data.test_images, self.data.test_labels
        if images is None or labels is None:
            return []
        p = self.model.probabilities(images)
        said, sure = p.argmax(axis=1), p.max(axis=1)
        wrong = np.flatnonzero(said != labels)
        return [
            {
                "index": int(i),
                "label": int(labels[i]),
                "said": int(said[i]),
                "sure": float(sure[i]),
                "pixels": images[i].reshape(-1).tolist(),
            }
            for i in wrong[np.argsort(-sure[wrong])][:_MISTAKES]
        ]

    @functools.cached_property
    def described(self) -> Json:
        """The model, for the page's head."""
        network = self.model.network
        return {
            "name": self.name,
            "widths": [network.inputs, *(layer.outputs for layer in dense_layers(network))],
            "parameters": int(network.parameters.size),
            "classes": list(self.model.class_names),
            "shape": list(self.model.preparation.shape),
            "data": Path(self.data.name).name,
        }


def pictures_of(data: Dataset) -> tuple[Array, Array]:
    """Training images and labels.

    Raises
    ------
    InputError
        If the data is read in pieces.
    """
    if data.train_images is None or data.train_labels is None:
        raise InputError("The lab needs data that fits into memory; this is read in pieces.")
    return data.train_images, data.train_labels


def test_image(lab: Lab, number: int | None) -> Json:
    """The test image of that number; of no number, the surest mistake. Where there are none, a training image.

    Raises
    ------
    InputError
        If there is no such image.
    """
    images, labels = lab.data.test_images, lab.data.test_labels
    if images is None or labels is None:
        images, labels = pictures_of(lab.data)
    if number is None:
        number = lab.mistakes[0]["index"] if lab.mistakes else 0
    if not 0 <= number < len(images):
        raise InputError(f"There is no image {number}; they are numbered from 0 to {len(images) - 1}.")
    return {"test": number, "label": int(labels[number]), "pixels": images[number].reshape(-1).tolist()}


def dense_layers(network: Network) -> list[Dense]:
    """Those with weights."""
    return [layer for layer in network.layers if isinstance(layer, Dense)]


def as_image(pixels: Any, shape: tuple[int, int]) -> Array:
    """A list of whole numbers from 0 to 255 as one image, (1, height, width) uint8.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not isinstance(pixels, list) or len(pixels) != shape[0] * shape[1]:
        raise ShapeError(f"`pixels` is a list of {shape[0] * shape[1]} whole numbers.")
    if not all(type(p) is int and 0 <= p <= 255 for p in pixels):
        raise ValueRangeError("Pixels are whole numbers from 0 to 255.")
    return np.array(pixels, np.uint8).reshape(1, *shape)


# ------------------------------------------------------------------------------------------- Draw


def read_drawing(lab: Lab, grey: Array, brief: bool = False) -> Json:
    """What a drawing shows, with every stage from there to the network; or why nothing was found.

    Parameters
    ----------
    lab : Lab
    grey : uint8 (height, width)
    brief : bool
        Whether to leave out the stages and the nearest training images, while the pen is down.
    """
    try:
        page = find_digits(grey, lab.model.preparation.shape)
    except DataFileError as nothing:  # a drawing begins with a dot
        return {"nothing": str(nothing)}
    return explain_digit(lab, page.digits) if brief else explain_page(lab, page)


def explain_page(lab: Lab, page: Page) -> Json:
    """All of `explain_digit`, the stages from the picture to it, and the nearest training images."""
    return {**explain_digit(lab, page.digits), "nearest": nearest(lab, page.digits), "stages": _stages(page)}


def explain_digit(lab: Lab, image: Array) -> Json:
    """Probabilities of one image, and which pixels speak for and against the answer."""
    probabilities = lab.model.probabilities(image)[0]
    said = int(probabilities.argmax())
    return {
        "pixels": image.reshape(-1).tolist(),
        "probabilities": probabilities.tolist(),
        "said": said,
        "votes": pixel_votes(lab.model, image, said).tolist(),
    }


def pixel_votes(model: Model, image: Array, label: int) -> Array:
    """∂z_label/∂xᵢ · xᵢ of each input: what it brings to the score, to first order."""
    network = model.network
    x = model.preparation.transform(image)
    trace = network.forward(x)
    d = np.zeros_like(trace.output)
    d[0, label] = 1
    return (network.input_gradient(trace, d) * x).reshape(-1)


def nearest(lab: Lab, image: Array) -> list[Json]:
    """The training images at the smallest distance."""
    rows, half_squares = lab.gallery
    images, labels = pictures_of(lab.data)
    x = image.reshape(-1).astype(np.float32) / 255
    distance = half_squares - rows @ x
    chosen = np.argsort(distance)[:_NEIGHBOURS]
    return [{"label": int(labels[i]), "pixels": images[i].reshape(-1).tolist()} for i in chosen]


def _stages(page: Page) -> list[Json]:
    shown = (("grey", page.grey), ("ground", page.ground), ("ink", page.ink), ("strokes", 255 * page.strokes))
    return [{"name": name, "png": _png(np.asarray(pixels, np.uint8))} for name, pixels in shown]


def _png(grey: Array) -> str:
    """The picture as an address that holds it: as numbers it would fill the connection's buffers."""
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray(grey)
    image.reduce(max(1, max(image.size) // _SHOWN)).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


# ------------------------------------------------------------------------------------------- Look inside


def edited(model: Model, edits: Any) -> Network:
    """The model's network with some weights and biases changed: a copy.

    Parameters
    ----------
    model : Model
    edits : list of {"layer", "input", "unit", "value"}; "input" is −1 for the bias

    Raises
    ------
    InputError
        If one names no weight, or is no finite number.
    """
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        raise InputError(f"`edits` is a list of at most {MOST_EDITS} changes.")
    network = model.network.with_parameters(model.network.parameters.copy())
    layers = dense_layers(network)
    for edit in edits:
        try:
            layer, source, unit, value = (edit[key] for key in ("layer", "input", "unit", "value"))
            if not all(type(n) is int for n in (layer, source, unit)) or not np.isfinite(float(value)):
                raise TypeError
            target = layers[_within(layer, len(layers))]
            _within(unit, target.outputs)
            if source == -1:
                target.bias[unit] = float(value)
            else:
                target.weight[_within(source, target.inputs), unit] = float(value)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("An edit is {layer, input, unit, value}, with numbers that the network has.") from error
    return network


def _within(index: int, size: int) -> int:
    if not 0 <= index < size:
        raise ValueRangeError(f"{index} is not in 0 to {size - 1}.")
    return index


def look(lab: Lab, image: Array, edits: Any) -> Json:
    """Every unit's activation for one image, and what the outputs say."""
    network = edited(lab.model, edits)
    x = lab.model.preparation.transform(image).astype(network.dtype)
    trace = network.trace(1, keep_all=True)
    network.forward(x, into=trace)
    layers = []
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Dense):
            z = _output_of(trace, network, i)
            after = _output_of(trace, network, i + 1) if i + 1 < len(network.layers) else z
            layers.append({"z": z[0].tolist(), "a": after[0].tolist()})
    logits = trace.output[0].astype(np.float64)
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return {"x": x[0].tolist(), "layers": layers, "probabilities": p.tolist(), "said": int(p.argmax())}


def _output_of(trace: Any, network: Network, i: int) -> Array:
    return trace.output if i == len(network.layers) - 1 else trace.input_of(i + 1)


def unit(lab: Lab, image: Array, edits: Any, layer: int, number: int) -> Json:
    """One unit's exact sum: the largest contributions, and what all the others bring."""
    network = edited(lab.model, edits)
    layers = dense_layers(network)
    chosen = layers[_within(layer, len(layers))]
    _within(number, chosen.outputs)
    x = lab.model.preparation.transform(image).astype(network.dtype)
    trace = network.trace(1, keep_all=True)
    network.forward(x, into=trace)
    given = trace.input_of(network.layers.index(chosen))[0]
    weight = chosen.weight[:, number]
    terms = (given * weight).astype(np.float64)
    order = np.argsort(-np.abs(terms))[:_TERMS]
    return {
        "terms": [
            {"input": int(i), "x": float(given[i]), "w": float(weight[i]), "product": float(terms[i])} for i in order
        ],
        "rest": float(terms.sum() - terms[order].sum()),
        "others": int(len(terms) - len(order)),
        "bias": float(chosen.bias[number]),
        "z": float(terms.sum() + chosen.bias[number]),
        "weights": weight.tolist(),
    }


def weight_pictures(lab: Lab) -> Json:
    """The first layer's weights, a picture for each hidden unit, as bytes around 128."""
    weight = dense_layers(lab.model.network)[0].weight
    scaled = np.rint(128 + 127 * weight / np.abs(weight).max(axis=0)).clip(0, 255).astype(np.uint8)
    return {"units": scaled.T.tolist()}
