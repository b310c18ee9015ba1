"""A model in one file: safetensors, so that reading it runs nothing. docs/file-format.md describes it for others.

The arrays of θ stand under their names in the network's layout (`dense1.weight`, …), those of the preparation under
`preparation.mean` and `preparation.deviation`; the rest is JSON in the file's metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.atomic import replace_file
from chainrule.data.preparation import NoPreparation, Preparation
from chainrule.errors import ChainruleError, InputError, ModelFileError
from chainrule.files.tensors import pack_tensors, read_json, read_tensors, write_json
from chainrule.model import Model, require_finite_parameters
from chainrule.nn.arrays import FLOATS, Array
from chainrule.nn.network import Network

FORMAT = "chainrule-model"
VERSION = "1"
MOST_LAYERS = 1000
#: The network that comes with the package, to read photos right after installation. Made by
#: chainrule train --recipe pocket --model src/chainrule/files/pocket.safetensors
SHIPPED_MODEL = Path(__file__).with_name("pocket.safetensors")


def save_model(model: Model, path: str | Path) -> None:
    """Write a model file, replacing an old one in one step.

    Parameters
    ----------
    model : Model
        NumPy's numbers and arrays among its facts are written as plain ones.
    path : str or Path

    Raises
    ------
    OutputError
        If it cannot be written.
    ValueRangeError
        If the network's parameters are not finite.
    InputError
        If the facts hold what JSON cannot, or are too long, or there are more than a thousand layers.

    After any of them an old file is still there, whole.
    """
    require_finite_parameters(model.network)
    if isinstance(model.preparation, NoPreparation):
        raise InputError(
            "A model file is of a network that reads pictures, and this one reads rows. If they are pictures that were "
            "divided by 255, save Model(network, Preparation((height, width)), class_names)."
        )
    if len(model.network.layers) > MOST_LAYERS:
        raise InputError(f"The network has {len(model.network.layers)} layers; a file holds {MOST_LAYERS} at most.")
    tensors = {block.name: block.view(model.network.parameters) for block in model.network.layout}
    if model.preparation.mean is not None and model.preparation.deviation is not None:
        tensors["preparation.mean"] = model.preparation.mean
        tensors["preparation.deviation"] = model.preparation.deviation
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "layers": write_json("layers", model.network.configuration()),
        "image_shape": write_json("image_shape", model.preparation.shape),
        "class_names": write_json("class_names", model.class_names),
        "facts": write_json("facts", model.facts),
    }
    replace_file(Path(path), pack_tensors(tensors, metadata))


def load_model(path: str | Path, *, allow_non_finite: bool = False) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
    allow_non_finite : bool
        Also read parameters that are NaN or infinite, to look at them. Such a model refuses to predict.

    Returns
    -------
    model : Model; its facts are what was known when it was saved

    Raises
    ------
    ModelFileError
        If there is no such file, it is not a model file, or its parts do not fit together.
    """
    metadata, tensors = _read(Path(path))
    try:
        return _assemble(metadata, tensors, allow_non_finite)
    except (ChainruleError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: {_reason(error)} Train the model again.") from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and the arrays of a model file."""
    try:
        return read_tensors(path, FORMAT, VERSION)
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no model file {path}. Train one: chainrule train --model {path}") from error
    except InputError as error:
        raise ModelFileError(
            f"{path} is not a whole model file: {error}. Copy it again, or train a new one: chainrule train"
        ) from error


def _assemble(metadata: dict[str, str], tensors: dict[str, Array], allow_non_finite: bool) -> Model:
    """The model that the parts of a file describe."""
    for name, tensor in tensors.items():
        if tensor.dtype not in FLOATS or not (allow_non_finite or np.isfinite(tensor).all()):
            raise ModelFileError(f"{name} holds something other than finite numbers, float32 or float64.")
    mean, deviation = tensors.pop("preparation.mean", None), tensors.pop("preparation.deviation", None)
    network = _network(_layers(metadata), tensors)
    model = Model(network, Preparation(_shape(metadata), mean, deviation), _names(metadata), _facts(metadata))
    require_finite_rows(model)
    return model


def require_finite_rows(model: Model) -> None:
    """Refuse a mean so large, or a deviation so small, that no picture could be prepared with it: a ModelFileError."""
    extremes = np.zeros((2, *model.preparation.shape), np.uint8)
    extremes[1] = 255
    with np.errstate(all="ignore"):
        rows = model.preparation.transform(extremes, dtype=model.network.dtype)
    if not np.isfinite(rows).all():
        raise ModelFileError("preparation.mean and preparation.deviation make pixels that are not finite.")


def _network(layers: list[Any], tensors: dict[str, Array]) -> Network:
    """The network of these layers on a θ that is put together from its arrays."""
    dtype = next((tensor.dtype for tensor in tensors.values()), np.dtype(np.float32))
    parameters = np.empty(sum(tensor.size for tensor in tensors.values()), dtype)
    network = Network.from_configuration(layers, parameters)
    for block in network.layout:
        tensor = tensors.pop(block.name)
        if tensor.shape != block.shape or tensor.dtype != dtype:
            raise ModelFileError(f"{block.name} is {tensor.dtype} {tensor.shape}, not {dtype} {block.shape}.")
        block.view(parameters)[...] = tensor
    if network.configuration() != layers:
        raise ModelFileError("layers does not say of each layer its kind and its settings, and nothing else.")
    if tensors:
        raise ModelFileError(f"It holds {next(iter(tensors))!r:.60}, which none of its layers has.")
    return network


def _layers(metadata: dict[str, str]) -> list[Any]:
    layers = read_json(metadata["layers"])
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise ModelFileError(f"layers is not a list of at most {MOST_LAYERS}.")
    return layers


def _shape(metadata: dict[str, str]) -> tuple[int, int]:
    height, width = read_json(metadata["image_shape"])
    if not all(type(n) is int and n > 0 for n in (height, width)):
        raise ModelFileError("image_shape is not a height and a width in pixels.")
    return height, width


def _names(metadata: dict[str, str]) -> tuple[str, ...]:
    names = read_json(metadata["class_names"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError("class_names is not a list of names.")
    return tuple(names)


def _facts(metadata: dict[str, str]) -> dict[str, Any]:
    facts = read_json(metadata["facts"])
    if not isinstance(facts, dict):
        raise ModelFileError("facts is not an object with names and values.")
    return facts


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}."
    text = str(error)
    if len(text) > 300:  # it may repeat what the file says
        text = f"{text[:300]} …"
    return text if text.endswith(".") else f"{text}."
