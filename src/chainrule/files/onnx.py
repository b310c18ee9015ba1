"""A model as an ONNX graph, for whatever runs ONNX: pictures go in as they are, a label and probabilities come out.

    pixels (N, height, width) uint8
      → Flatten → Cast → Mul → Add                    the preparation: x = pixel · gain + offset
      → Gemm → Relu → … → Gemm                        the network; dropout predicts nothing, and is left out
      → Softmax                                       probabilities (N, C)
      → ArgMax                                        label (N,) int64, the number of the most probable class

Nodes and tensors have the names that the model file has (`dense1.weight`, …). Class names and facts go into the file's
metadata, where `load_onnx` in onnx_import.py finds them again. A committee is its members side by side, and their mean.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule.atomic import replace_file
from chainrule.errors import InputError, MissingPackageError
from chainrule.files.tensors import write_json
from chainrule.model import Committee, Model, Predictor, require_finite_parameters
from chainrule.nn.activations import LeakyReLU
from chainrule.nn.arrays import Array
from chainrule.nn.layers import Dense, Dropout, Layer

OPSET = 17
IR_VERSION = 8
PRODUCER = "chainrule"
FORMAT = "chainrule-model"
VERSION = "1"
#: The longest file: protobuf, which ONNX is written in, counts bytes in 31 bits.
LARGEST_FILE = (1 << 31) - 1

OPERATORS = {"relu": "Relu", "leaky_relu": "LeakyRelu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def require_onnx() -> ModuleType:
    """The package `onnx`; a MissingPackageError says how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise MissingPackageError(
            "ONNX files need the package onnx, which is not installed: pip install 'chainrule[onnx]'"
        ) from error
    return onnx


def save_onnx(model: Predictor, path: str | Path) -> None:
    """Write a model, or a committee, as an ONNX file, replacing an old one in one step.

    The graph computes in the model's dtype: opset 17, IR version 8. Its input is `pixels`, uint8, shape
    (N, height, width), any N; its outputs are `label`, int64, shape (N,), and `probabilities`, shape (N, C).

    Parameters
    ----------
    model : Model or Committee
    path : str or Path

    Raises
    ------
    MissingPackageError
        If the package onnx is not installed.
    OutputError
        If the file cannot be written.
    ValueRangeError
        If the parameters are not finite.
    InputError
        If the facts hold what JSON cannot, or the file would be longer than 2 GiB.
    """
    replace_file(Path(path), pack_onnx(model))


def pack_onnx(model: Predictor) -> bytes:
    """The bytes that `save_onnx` writes, checked by onnx's own checker; arguments and errors as there."""
    onnx = require_onnx()
    members = _members(model)
    for member in members:
        require_finite_parameters(member.network)
    size = sum(member.network.parameters.nbytes for member in members)
    if size > LARGEST_FILE // 2:
        raise InputError(f"The parameters take {size:,} bytes; one ONNX file has room for half of {LARGEST_FILE:,}.")
    packed = _packed(onnx, model, members)
    onnx.checker.check_model(packed, full_check=True)
    return bytes(packed.SerializeToString())


def _members(model: Predictor) -> tuple[Model, ...]:
    if isinstance(model, Committee):
        return model.models
    if isinstance(model, Model):
        return (model,)
    raise InputError(f"{type(model).__name__} cannot be written as ONNX; expected a Model or a Committee.")


def _packed(onnx: ModuleType, model: Predictor, members: tuple[Model, ...]) -> Any:
    """The whole file as onnx's ModelProto."""
    graph = _Graph(onnx)
    _add_members(graph, members)
    height, width = model.preparation.shape
    types, dtype = onnx.TensorProto, members[0].network.dtype
    value, classes = onnx.helper.make_tensor_value_info, len(model.class_names)
    packed = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "committee" if len(members) > 1 else "network",
            [value("pixels", types.UINT8, ["N", height, width], "Pictures as they are: ink is bright, 0 to 255.")],
            [
                value("label", types.INT64, ["N"], "The number of the most probable class."),
                value("probabilities", _type(onnx, dtype), ["N", classes], "Of each class, in their order."),
            ],
            graph.constants,
        ),
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name=PRODUCER,
        producer_version=version(PRODUCER),
        doc_string=_description(members),
    )
    onnx.helper.set_model_props(packed, _metadata(model))
    return packed


def _description(members: tuple[Model, ...]) -> str:
    """A sentence for whoever opens the graph."""
    networks = [
        "-".join(str(block.shape[0]) for block in m.network.layout if len(block.shape) == 2) + f"-{m.network.outputs}"
        for m in members
    ]
    kind = "A multilayer perceptron" if len(members) == 1 else "A committee of multilayer perceptrons"
    return f"{kind} ({', '.join(networks)}) by chainrule. pixels: raw pictures, uint8; the preparation is in the graph."


def _metadata(model: Predictor) -> dict[str, str]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "class_names": write_json("class_names", model.class_names),
        "facts": write_json("facts", model.facts),
    }


def _type(onnx: ModuleType, dtype: Any) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))


class _Graph:
    """Nodes and constants as they are put in a row. A node's outputs are named by whoever adds it."""

    def __init__(self, onnx: ModuleType) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, name: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node, and give its output's name."""
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def constant(self, name: str, array: Array) -> str:
        """Add a constant, and give its name."""
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name


def _add_members(graph: _Graph, members: tuple[Model, ...]) -> None:
    """From `pixels` to `probabilities` and `label`."""
    rows = graph.node("Flatten", "flatten", ["pixels"], "pixel_rows", axis=1)
    if len(members) == 1:
        logits = _add_network(graph, members[0], rows, "")
        graph.node("Softmax", "softmax", [logits], "probabilities", axis=1)
        graph.node("ArgMax", "most_probable", [logits], "label", axis=1, keepdims=0)
        return
    dtype = members[0].network.dtype
    answers = []
    for number, member in enumerate(members, start=1):
        prefix = f"member{number}."
        logits = _add_network(graph, member, rows, prefix)
        answer = graph.node("Softmax", f"{prefix}softmax", [logits], f"{prefix}probabilities", axis=1)
        if member.network.dtype != dtype:
            converted = f"{prefix}converted"
            answer = graph.node("Cast", f"{prefix}convert", [answer], converted, to=_type(graph.onnx, dtype))
        answers.append(answer)
    total = graph.node("Sum", "add_members", answers, "total")
    count = graph.constant("members", dtype.type(len(members)))
    graph.node("Div", "mean", [total, count], "probabilities")
    graph.node("ArgMax", "most_probable", ["probabilities"], "label", axis=1, keepdims=0)


def _add_network(graph: _Graph, model: Model, rows: str, prefix: str) -> str:
    """From rows of pixels to logits, whose name it gives."""
    value = _add_preparation(graph, model, rows, prefix)
    layers = [layer for layer in model.network.layers if not isinstance(layer, Dropout)]
    counts: Counter[str] = Counter()
    for layer in layers:
        counts[layer.kind] += 1
        name = f"{prefix}{layer.kind}{counts[layer.kind]}"
        output = f"{prefix}logits" if layer is layers[-1] else f"{name}.output"
        value = _add_layer(graph, layer, name, value, output)
    return value


def _add_preparation(graph: _Graph, model: Model, rows: str, prefix: str) -> str:
    """The library's own arithmetic: the same gain and offset, in the same dtype."""
    dtype = model.network.dtype
    gain, offset = model.preparation.gain_and_offset(dtype)
    number = graph.node("Cast", f"{prefix}to_float", [rows], f"{prefix}pixel_values", to=_type(graph.onnx, dtype))
    gained = graph.constant(f"{prefix}pixel_gain", gain)
    scaled = graph.node(
        "Mul", f"{prefix}scale", [number, gained], f"{prefix}x" if offset is None else f"{prefix}scaled"
    )
    if offset is None:
        return scaled
    return graph.node("Add", f"{prefix}shift", [scaled, graph.constant(f"{prefix}pixel_offset", offset)], f"{prefix}x")


def _add_layer(graph: _Graph, layer: Layer, name: str, value: str, output: str) -> str:
    if isinstance(layer, Dense):
        weight, bias = graph.constant(f"{name}.weight", layer.weight), graph.constant(f"{name}.bias", layer.bias)
        return graph.node("Gemm", name, [value, weight, bias], output)
    attributes = {"alpha": layer.slope} if isinstance(layer, LeakyReLU) else {}
    return graph.node(OPERATORS[layer.kind], name, [value], output, **attributes)
