"""What the nodes of an ONNX graph mean, where they are a multilayer perceptron's. Nothing is run.

The nodes are read one after the other, and each says what becomes of its inputs:

    Rows           what the pictures have become: scaled by a gain and an offset, then sent through layers
    Probabilities  softmax of rows
    Labels         the most probable class, perhaps by its name
    an array       a constant
    Sizes          numbers that a graph works out for itself to reshape by

At the end, all outputs must belong to one network. An error is the end of a sentence about the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import InputError
from chainrule.files.onnx_content import DOUBLE, DTYPES, FLOAT, INT32, INT64, UINT8, Arrays
from chainrule.files.perceptron import ONE, UNCHANGED, ZERO, Affine, Scale
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.arrays import Array
from chainrule.nn.layers import Layer

LARGEST_PICTURE = 1 << 22
READABLE = (
    "Read are Gemm, MatMul, Add, Relu, LeakyRelu, Tanh, Sigmoid, Softmax, and what scales and flattens pictures before "
    "them"
)


@dataclass(frozen=True)
class Rows:
    """What the pictures have become.

    Attributes
    ----------
    shape : of one example; None where nothing has told it yet
    scale : what was done to the input
    layers : what it then went through
    """

    shape: tuple[int, ...] | None
    scale: Scale = UNCHANGED
    layers: tuple[Affine | Layer, ...] = ()

    @property
    def decide_between_two(self) -> bool:
        """Whether they are one probability each, that of the second of two classes."""
        return self.shape == (1,) and bool(self.layers) and isinstance(self.layers[-1], Sigmoid)


@dataclass(frozen=True)
class Complement:
    """1 − p of rows that decide between two."""

    rows: Rows


@dataclass(frozen=True)
class Probabilities:
    """Softmax of rows, or p and 1 − p; and the names of the columns, where the file says."""

    rows: Rows
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Labels:
    """The most probable class, perhaps by its name."""

    rows: Rows
    names: tuple[str, ...] | None = None


class Sizes:
    """Numbers of examples and of pixels, computed from the input's shape."""


#: One of the kinds that the module's docstring lists; None for an input that is left out.
Value = Rows | Complement | Probabilities | Labels | Sizes | Array | None


@dataclass(frozen=True)
class Reading:
    """What a graph is.

    Attributes
    ----------
    takes_bytes : bool; whether its input is uint8
    input_shape : of one picture; None where the file does not say
    rows : Rows; from the input to the logits, or to the Sigmoid that decides between two
    names : of the classes, where the file says
    """

    takes_bytes: bool
    input_shape: tuple[int, ...] | None
    rows: Rows
    names: tuple[str, ...] | None


def read_graph(graph: Any, folder: Path) -> Reading:
    """The network in onnx's GraphProto; an InputError names the node that is none of it."""
    reader = _Reader(graph, Arrays(folder))
    for node in graph.node:
        reader.read(node)
    return reader.result()


class _Reader:
    """Knows what each name in a graph stands for."""

    def __init__(self, graph: Any, arrays: Arrays) -> None:
        self.graph, self.arrays = graph, arrays
        self.packed = {tensor.name: tensor for tensor in graph.initializer}
        if len(self.packed) < len(graph.initializer) or graph.sparse_initializer:
            raise InputError("two of its arrays have one name, or one of them is sparse")
        inputs = [value for value in graph.input if value.name not in self.packed]
        if len(inputs) != 1:
            raise InputError(f"it has {len(inputs)} inputs; expected one, the pictures")
        self.takes_bytes, self.input_shape = _described(inputs[0])
        self.counted: set[int] = set()
        self.values: dict[str, Value] = {"": None, inputs[0].name: Rows(self.input_shape)}

    def read(self, node: Any) -> None:
        """Take in one node."""
        try:
            value = self._meaning(node)
            self._take_room(value)
        except InputError as error:
            name = node.name or ", ".join(node.output)
            raise InputError(f"the node {name!r:.60} ({node.op_type:.40}) {error}") from error
        self.values[node.output[0]] = value

    def result(self) -> Reading:
        """What all outputs belong to."""
        found = [self.values.get(output.name) for output in self.graph.output]
        answers = [value for value in found if isinstance(value, (Rows, Probabilities, Labels))]
        if not answers or len(answers) < len(found):
            raise InputError("an output is none of a network's; expected labels, logits or probabilities")
        every = [answer if isinstance(answer, Rows) else answer.rows for answer in answers]
        if any(rows is not every[0] for rows in every):
            raise InputError("its outputs are of several networks, or of inner layers; expected the last layer's")
        names = {answer.names for answer in answers if not isinstance(answer, Rows) and answer.names is not None}
        if len(names) > 1:
            raise InputError("it names its classes in two ways, which differ")
        return Reading(self.takes_bytes, self.input_shape, every[0], names.pop() if names else None)

    def _meaning(self, node: Any) -> Value:
        domain = {"": "", "ai.onnx": "", "ai.onnx.ml": "ml."}.get(node.domain)
        operator = None if domain is None else _OPERATORS.get(domain + node.op_type)
        if operator is None:
            raise InputError(f"is no part of a multilayer perceptron. {READABLE}")
        if not operator.least <= len(node.input) <= operator.most:
            raise InputError(f"has {len(node.input)} inputs; expected {operator.least} to {operator.most}")
        if not node.output or node.output[0] in self.values or node.output[0] in self.packed:
            raise InputError("gives nothing, or what is there already")
        return operator.meaning(_Attributes(node, self.arrays), *map(self._value, node.input))

    def _take_room(self, value: Value) -> None:
        """Count what a node made anew: a few bytes of a file can ask for a large array a thousand times."""
        arrays: list[Any] = [value]
        if isinstance(value, Rows):
            arrays = [
                *value.scale,
                *(array for layer in value.layers[-1:] if isinstance(layer, Affine) for array in layer),
            ]
        for array in arrays:
            if isinstance(array, np.ndarray) and array.base is None and id(array) not in self.counted:
                self.counted.add(id(array))  # it stays alive among the values, and nothing else takes its number
                self.arrays.take_room(array.nbytes)

    def _value(self, name: str) -> Value:
        if name not in self.values:
            if name not in self.packed:
                raise InputError(f"needs {name!r:.60}, which no node before it gives")
            self.values[name] = self.arrays.unpack(self.packed[name])
        return self.values[name]


def _described(value: Any) -> tuple[bool, tuple[int, ...] | None]:
    """Whether a graph's input is bytes, and the shape of one picture, where it says."""
    tensor = value.type.tensor_type
    if tensor.elem_type not in (UINT8, FLOAT, DOUBLE, INT32, INT64):
        raise InputError(f"its input {value.name!r:.60} is no array of numbers; expected pictures as uint8 or float")
    shape = tuple(dimension.dim_value for dimension in tensor.shape.dim)[1:]
    if not shape or min(shape) < 1:
        return tensor.elem_type == UINT8, None
    if math.prod(shape) > LARGEST_PICTURE:
        raise InputError(f"its input has pictures of {shape!s:.60}; expected {LARGEST_PICTURE:,} pixels at most")
    return tensor.elem_type == UINT8, shape


class _Attributes:
    """A node's settings by name."""

    def __init__(self, node: Any, arrays: Arrays) -> None:
        self._given = {attribute.name: attribute for attribute in node.attribute}
        self._arrays = arrays

    def whole(self, name: str, default: int) -> int:
        return self._given[name].i if name in self._given else default

    def real(self, name: str, default: float) -> float:
        return self._given[name].f if name in self._given else default

    def reals(self, name: str) -> Array:
        return np.array(self._given[name].floats if name in self._given else (), np.float64)

    def wholes(self, name: str) -> list[int]:
        return list(self._given[name].ints) if name in self._given else []

    def texts(self, name: str) -> list[str]:
        return [text.decode("utf-8", "replace") for text in self._given[name].strings] if name in self._given else []

    def array(self, name: str) -> Array | None:
        return self._arrays.unpack(self._given[name].t) if name in self._given else None


# ---------------------------------------------------------------------------------------------- the operators


@dataclass(frozen=True)
class _Operator:
    """What an operator makes of its inputs, and how many it may have."""

    meaning: Callable[..., Value]
    least: int
    most: int


_OPERATORS: dict[str, _Operator] = {}


def _operator(name: str, least: int, most: int | None = None) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Enter a function among the operators, under its name in ONNX."""

    def enter(meaning: Callable[..., Value]) -> Callable[..., Value]:
        _OPERATORS[name] = _Operator(meaning, least, least if most is None else most)
        return meaning

    return enter


@_operator("Constant", 0)
def _constant(node: _Attributes) -> Value:
    array = node.array("value")
    if array is None:
        raise InputError("has its value in another way than as an array")
    return array


@_operator("Identity", 1)
def _identity(node: _Attributes, value: Value) -> Value:
    return value


@_operator("Dropout", 1, 3)
def _dropout(node: _Attributes, value: Value, rate: Value = None, training: Value = None) -> Value:
    if training is not None and not (isinstance(training, np.ndarray) and not training.any()):
        raise InputError("drops at random. Export the network as it predicts (PyTorch: network.eval())")
    return value


@_operator("Cast", 1)
def _cast(node: _Attributes, value: Value) -> Value:
    to = node.whole("to", 0)
    if isinstance(value, np.ndarray) and to in DTYPES and value.dtype.kind in "fi":
        return value.astype(DTYPES[to])
    if isinstance(value, (Rows, Probabilities)) and to not in (FLOAT, DOUBLE):
        raise InputError("makes other numbers of them than float32 or float64")
    return value


@_operator("Transpose", 1)
def _transpose(node: _Attributes, value: Value) -> Value:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or node.wholes("perm") not in ([], [1, 0]):
        raise InputError("turns something else around than a weight")
    return value.T


# ------------------------------------------------------------------------------------------- scaling and layers


@_operator("Add", 2)
def _add(node: _Attributes, left: Value, right: Value) -> Value:
    rows, constant = _rows_and_numbers(left, right)
    return _scaled(rows, ONE, constant)


@_operator("Sub", 2)
def _subtract(node: _Attributes, left: Value, right: Value) -> Value:
    if isinstance(left, np.ndarray) and isinstance(right, Rows) and right.decide_between_two and _is_one(left):
        return Complement(right)
    rows, constant = _rows_and_numbers(left, right)
    return _scaled(rows, ONE, -constant) if rows is left else _scaled(rows, -ONE, constant)


@_operator("Mul", 2)
def _multiply(node: _Attributes, left: Value, right: Value) -> Value:
    rows, constant = _rows_and_numbers(left, right)
    return _scaled(rows, constant, ZERO)


@_operator("Div", 2)
def _divide(node: _Attributes, left: Value, right: Value) -> Value:
    rows, constant = _rows_and_numbers(left, right)
    if rows is not left:
        raise InputError("divides by what comes in")
    return _scaled(rows, 1 / constant, ZERO)


@_operator("ml.Scaler", 1)
def _scaler(node: _Attributes, value: Value) -> Value:
    """(x − offset) · scale, as StandardScaler becomes."""
    rows = _rows(value)
    offset, scale = node.reals("offset"), node.reals("scale")
    return _scaled(_scaled(rows, ONE, -offset), scale, ZERO)


@_operator("MatMul", 2)
def _matmul(node: _Attributes, left: Value, right: Value) -> Value:
    rows, weight = _rows(left), _weight(right)
    return _through(rows, Affine(weight, np.zeros(weight.shape[1], weight.dtype)))


@_operator("Gemm", 2, 3)
def _gemm(node: _Attributes, left: Value, right: Value, bias: Value = None) -> Value:
    """α x W + β b, either of which may be turned around."""
    rows, weight = _rows(left), _weight(right)
    if node.whole("transA", 0):
        raise InputError("turns its rows around (transA)")
    weight = weight.T if node.whole("transB", 0) else weight
    rows = _through(rows, Affine(weight, np.zeros(weight.shape[1], weight.dtype)))
    alpha, beta = node.real("alpha", 1), node.real("beta", 1)
    rows = _scaled(rows, np.array(alpha), ZERO)
    return rows if bias is None else _scaled(rows, ONE, beta * _numbers(bias))


@_operator("Relu", 1)
def _relu(node: _Attributes, value: Value) -> Value:
    return _through(_rows(value), ReLU())


@_operator("LeakyRelu", 1)
def _leaky_relu(node: _Attributes, value: Value) -> Value:
    alpha = node.real("alpha", 0.01)
    return _through(_rows(value), LeakyReLU(float(str(np.float32(alpha)))))  # ONNX has 0.2 as 0.20000000298


@_operator("Tanh", 1)
def _tanh(node: _Attributes, value: Value) -> Value:
    return _through(_rows(value), Tanh())


@_operator("Sigmoid", 1)
def _sigmoid(node: _Attributes, value: Value) -> Value:
    return _through(_rows(value), Sigmoid())


def _through(rows: Rows, layer: Affine | Layer) -> Rows:
    """Rows after one more layer."""
    if not isinstance(layer, Affine):
        return replace(rows, layers=(*rows.layers, layer))
    inputs, outputs = layer.weight.shape
    if rows.shape not in (None, (inputs,)) or inputs * outputs == 0:
        raise InputError(f"reads {inputs:,} numbers a row, and is given {rows.shape!s:.60}")
    return replace(rows, shape=(outputs,), layers=(*rows.layers, layer))


def _scaled(rows: Rows, gain: Array, offset: Array) -> Rows:
    """Rows times a gain, plus an offset: folded into what was done before."""
    gain, shape = _one_for_each(gain, rows.shape)
    offset, shape = _one_for_each(offset, shape)
    if not rows.layers:
        scale = Scale(rows.scale.gain * gain, rows.scale.offset * gain + offset)
        return replace(rows, shape=shape, scale=scale)
    *before, last = rows.layers
    if not isinstance(last, Affine):
        raise InputError("changes what an activation gives, other than by a Gemm or MatMul")
    dtype = last.weight.dtype
    weight = last.weight if (gain == 1).all() else (last.weight * gain).astype(dtype)
    changed = Affine(weight, (last.bias * gain + offset).astype(dtype))
    return replace(rows, layers=(*before, changed))


def _one_for_each(constant: Array, shape: tuple[int, ...] | None) -> tuple[Array, tuple[int, ...] | None]:
    """A constant as one number, or as one for each value of an example; and the shape of an example."""
    if constant.size == 1:
        return constant.reshape(()).astype(np.float64), shape
    if shape is None:
        shape = constant.shape[-1:]
    if constant.ndim == len(shape) + 1 and constant.shape[0] == 1:
        constant = constant[0]
    if constant.ndim > len(shape) or not all(
        n in (1, m) for n, m in zip(constant.shape[::-1], shape[::-1], strict=False)
    ):
        raise InputError(f"combines values of shape {shape!s:.60} with numbers of shape {constant.shape}")
    return np.broadcast_to(constant.astype(np.float64), shape).flatten(), shape


def _is_one(constant: Array) -> bool:
    return constant.size == 1 and constant.dtype.kind == "f" and constant.item() == 1


def _rows_and_numbers(left: Value, right: Value) -> tuple[Rows, Array]:
    """Which of two inputs is what."""
    rows, constant = (left, right) if isinstance(left, Rows) else (right, left)
    return _rows(rows), _numbers(constant)


def _rows(value: Value) -> Rows:
    if not isinstance(value, Rows):
        raise InputError("works on something else than pictures, or what layers have made of them")
    return value


def _numbers(value: Value) -> Array:
    """A constant in float64, which has room for every number that is read."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fi":
        raise InputError("needs a constant, and has something that depends on the pictures")
    return value.astype(np.float64)


def _weight(value: Value) -> Array:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind != "f":
        raise InputError("needs a weight of two dimensions, float32 or float64, as its second input")
    return value


# --------------------------------------------------------------------------------------------------- shapes


@_operator("Flatten", 1)
def _flatten(node: _Attributes, value: Value) -> Value:
    if node.whole("axis", 1) != 1:
        raise InputError("does not make one row of each picture (axis=1)")
    return _reshaped(value, Sizes())


@_operator("Reshape", 2)
def _reshape(node: _Attributes, value: Value, target: Value) -> Value:
    return _reshaped(value, target)


def _reshaped(value: Value, target: Value) -> Value:
    if isinstance(value, Labels):
        return value
    rows = _rows(value)
    if rows.shape is None:
        return rows
    total = math.prod(rows.shape)
    if isinstance(target, Sizes):  # whatever it works out: a layer reads all values of a row, or is refused
        return replace(rows, shape=(total,))
    wanted = [int(n) for n in _numbers(target).ravel()[1:5]]
    wanted = [n or rows.shape[i] if i < len(rows.shape) else n for i, n in enumerate(wanted)]
    known = math.prod(n for n in wanted if n != -1)
    shape = tuple(total // max(known, 1) if n == -1 else n for n in wanted)
    if math.prod(shape) != total or min(shape, default=0) < 1:
        raise InputError(f"makes something else of pictures {rows.shape} than one row of each")
    return replace(rows, shape=shape)


@_operator("Shape", 1)
def _shape(node: _Attributes, value: Value) -> Value:
    return Sizes()


def _sizes(node: _Attributes, value: Value, *others: Value) -> Value:
    """Of numbers that are worked out to reshape by, and of labels, it does not matter which part is taken."""
    if not isinstance(value, (Sizes, Labels)):
        raise InputError("takes apart something else than sizes and labels")
    return value


for _name in ("Squeeze", "Unsqueeze", "Slice"):
    _operator(_name, 1, 5)(_sizes)


@_operator("Concat", 1, 8)
def _concat(node: _Attributes, *values: Value) -> Value:
    if any(isinstance(value, Sizes) for value in values):
        return Sizes()
    first, *rest = values
    if isinstance(first, Complement) and len(rest) == 1 and rest[0] is first.rows and node.whole("axis", 1) in (1, -1):
        return Probabilities(first.rows)
    raise InputError("joins something else than 1 − p and p")


# -------------------------------------------------------------------------------------------------- answers


@_operator("Softmax", 1)
def _softmax(node: _Attributes, value: Value) -> Value:
    rows = _rows(value)
    if node.whole("axis", 1) not in (1, -1) or rows.shape is None or len(rows.shape) > 1:
        raise InputError("does not go along the classes")
    return Probabilities(rows)


_operator("LogSoftmax", 1)(_softmax)  # whose softmax is the probabilities again


@_operator("ArgMax", 1)
def _argmax(node: _Attributes, value: Value) -> Value:
    if node.whole("axis", 0) not in (1, -1) or node.whole("select_last_index", 0):
        raise InputError("does not go along the classes, or takes the last of equal ones")
    if isinstance(value, Probabilities):
        return Labels(value.rows)
    return Labels(_rows(value))


@_operator("Gather", 2)
def _gather(node: _Attributes, value: Value, which: Value) -> Value:
    if isinstance(value, Sizes):
        return value
    if node.whole("axis", 0):
        raise InputError("gathers along another axis than the first")
    return _named(value, which)


@_operator("ml.ArrayFeatureExtractor", 2)
def _extract(node: _Attributes, value: Value, which: Value) -> Value:
    return _named(value, which)


def _named(names: Value, labels: Value) -> Value:
    if not isinstance(names, np.ndarray) or not isinstance(labels, Labels) or labels.names is not None:
        raise InputError("looks up something else than the names of labels")
    return replace(labels, names=_texts(names.ravel().tolist()))


@_operator("ml.ZipMap", 1)
def _zip_map(node: _Attributes, value: Value) -> Value:
    if not isinstance(value, Probabilities):
        raise InputError("names something else than probabilities")
    return replace(value, names=_texts(node.texts("classlabels_strings") or node.wholes("classlabels_int64s")))


def _texts(names: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)
