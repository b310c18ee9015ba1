"""Every reader of files, and how to make inputs for it that are nearly right.

An input is a valid file of few bytes, put together wrong or damaged afterwards. Damage is done beneath what would hide
it: compression, lengths and checksums are made right again after it, or else every input would be refused at the first
look. All chance comes from one `random.Random`: that of a number, which can be drawn again, or Hypothesis' own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import random
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from chainrule.data.formats import map_idx, map_npy, read_csv, read_idx, read_keras_npz
from chainrule.data.photo import read_photo
from chainrule.data.preparation import Preparation
from chainrule.errors import ChainruleError, CheckpointError, DataFileError, ModelFileError
from chainrule.files.legacy import read_pickled_parameters
from chainrule.files.model_file import FORMAT, VERSION, load_model
from chainrule.files.onnx import pack_onnx
from chainrule.files.onnx_import import load_onnx
from chainrule.files.tensors import pack_tensors
from chainrule.model import Model
from chainrule.nn.layers import Dropout
from chainrule.nn.network import Network, multilayer_perceptron
from chainrule.nn.optimizers import SGD, ExponentialAverage
from chainrule.training import checkpoint
from chainrule.training.training import Training


@dataclass(frozen=True)
class Reader:
    """One reader, its inputs, and what must be so.

    Attributes
    ----------
    name : str
    read : callable, path → what is in the file
    error : the one exception that `read` may raise
    whole : callable, random → a valid file and what it holds
    wrong : callable, random → a file that is put together wrong
    holds : callable, what was read → None; an AssertionError where it is not what the reader promises
    equal : callable, what was read, what the valid file holds → bool
    """

    name: str
    read: Callable[[Path], Any]
    error: type[ChainruleError]
    whole: Callable[[random.Random], tuple[bytes, Any]]
    wrong: Callable[[random.Random], bytes]
    holds: Callable[[Any], None]
    equal: Callable[[Any, Any], bool]


#: Of a hundred inputs, how many are of which kind.
KINDS = {"whole": 4, "noise": 4, "damaged": 32, "wrong": 60}


def draw_input(reader: Reader, chance: random.Random) -> tuple[bytes, Any]:
    """An input, and what the file holds where it is whole, None where it is not."""
    (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
    if kind == "whole":
        return reader.whole(chance)
    if kind == "noise":
        return noise(chance), None
    if kind == "damaged":
        return damaged(reader.whole(chance)[0], chance), None
    return reader.wrong(chance), None


def try_input(reader: Reader, path: Path, content: bytes, expected: Any) -> str | None:
    """Read an input. The message that refuses it, or None where it was accepted; anything unpromised is raised."""
    path.write_bytes(content)
    try:
        found = reader.read(path)
    except reader.error as error:
        refusal = error
    else:
        reader.holds(found)
        assert expected is None or reader.equal(found, expected), "what was read is not what was written"
        return None
    message = str(refusal)
    assert expected is None, f"a whole file was refused: {message}"
    assert str(path) in message, f"the message does not name the file: {message}"
    assert len(message) < 1000, f"the message has {len(message)} characters"
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in message), (
        f"the message could steer a terminal: {message!r}"
    )
    assert not _ran_out_of_memory(refusal), f"it took all memory first: {message}"
    return message


def _ran_out_of_memory(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, MemoryError) or _ran_out_of_memory(error.__cause__))


# ------------------------------------------------------------------------------------------------ damage

NUMBERS = (0, 1, 2, 9, 10, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
TOKENS = [b"", b"-1", b"256", b"1e999", b"NaN", b"9" * 5000, b"0x10", b"1_0", b'"', b"\n", b"\0", b"\xff", "٣".encode()]


def noise(chance: random.Random) -> bytes:
    """Bytes that mean nothing, perhaps after the first ones of a known format."""
    magic = (
        b"",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"\0\0\x08\x03",
        b"\x80\x04",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8",
        b"GIF89a",
    )
    return chance.choice(magic) + chance.randbytes(chance.randrange(200))


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to three faults."""
    for _ in range(chance.randint(1, 3)):
        content = chance.choice(DAMAGES)(content, chance)
    return content


def _flip(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return (
        content[:place]
        + bytes(byte ^ (1 << chance.randrange(8)) for byte in content[place : place + 1])
        + content[place + 1 :]
    )


def _number(content: bytes, chance: random.Random) -> bytes:
    size = chance.choice((1, 2, 4, 8))
    number = (chance.choice(NUMBERS) % 256**size).to_bytes(size, chance.choice(("little", "big")))
    place = chance.randrange(min(len(content), chance.choice((32, 1 << 30))) + 1)  # headers stand first
    return content[:place] + number + content[place + size :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _without(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[place + chance.randint(1, 16) :]


def _inserted(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.randbytes(chance.randint(1, 16)) + content[place:]


def _twice(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    piece = content[place : place + chance.randint(1, 64)]
    return content[:place] + piece * chance.randint(2, 9) + content[place + len(piece) :]


def _token(content: bytes, chance: random.Random) -> bytes:
    """Another word where a number stands in text."""
    words = list(re.finditer(rb"-?\d+", content[:4000]))
    if not words:
        return content + chance.choice(TOKENS)
    word = chance.choice(words)
    return content[: word.start()] + chance.choice(TOKENS) + content[word.end() :]


DAMAGES = (_flip, _number, _cut, _without, _inserted, _twice, _token)


def zipped(members: list[tuple[str, bytes]], chance: random.Random) -> bytes:
    """A zip archive of members, whose names may stand twice."""
    packed = io.BytesIO()
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(packed, "w", method, compresslevel=1) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)  # which does not complain about a name that stands twice
            info.compress_type = method
            archive.NameToInfo.pop(name, None)
            archive.writestr(info, content)
    return packed.getvalue()


def pixels(chance: random.Random, *shape: int) -> np.ndarray:
    """A uint8 array."""
    return np.frombuffer(chance.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)


# ---------------------------------------------------------------------------------------------------- IDX


def _idx(chance: random.Random) -> tuple[bytes, np.ndarray]:
    shape = [chance.randint(1, 4) for _ in range(chance.choice((1, 3)))]
    array = pixels(chance, *shape)
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes(), array


def whole_idx(chance):
    content, array = _idx(chance)
    return (gzip.compress(content, 1) if chance.random() < 0.3 else content), array


def wrong_idx(chance):
    """Damage within, and gzip right around it; lengths forged."""
    content = damaged(_idx(chance)[0], chance)
    return gzip.compress(content, 1) if chance.random() < 0.5 else content


def holds_idx(array):
    assert array.dtype == np.uint8
    assert array.ndim in (1, 3)
    assert array.flags.writeable


def whole_plain_idx(chance):
    return _idx(chance)


def wrong_plain_idx(chance):
    return wrong_idx(chance) if chance.random() < 0.2 else damaged(_idx(chance)[0], chance)


def holds_map(array):
    assert array.dtype.kind in "iu"
    assert array.size == 0 or not array.flags.writeable


# ---------------------------------------------------------------------------------------------------- csv


def _csv(chance: random.Random) -> tuple[bytes, tuple[np.ndarray, np.ndarray | None]]:
    side, count = chance.randint(1, 3), chance.randint(1, 3)
    images = pixels(chance, count, side, side)
    labels = np.array([chance.randrange(10) for _ in range(count)]) if chance.random() < 0.7 else None
    start = chance.randrange(2)
    header = [f"pixel{i}" for i in range(start, start + side * side)]
    if chance.random() < 0.3:
        header = [f"{y}x{x}" for y in range(1, side + 1) for x in range(1, side + 1)]
    rows = images.reshape(count, -1).tolist()
    if labels is not None:
        header, rows = ["label", *header], [[label, *row] for label, row in zip(labels.tolist(), rows, strict=True)]
    end = chance.choice(("\n", "\r\n"))
    text = end.join([",".join(header), *(",".join(map(str, row)) for row in rows)]) + end
    return text.encode(chance.choice(("utf-8", "utf-8-sig"))), (images, labels)


def _packed_csv(content: bytes, chance: random.Random) -> bytes:
    way = chance.randrange(6)
    if way == 0:
        return gzip.compress(content, 1)
    return zipped([("train.csv", content)], chance) if way == 1 else content


def whole_csv(chance):
    content, held = _csv(chance)
    return _packed_csv(content, chance), held


def wrong_csv(chance):
    """Damage within, and the archive right around it; archives of no csv file, or two."""
    content = damaged(_csv(chance)[0], chance)
    if chance.random() < 0.05:
        names = chance.choices(
            ("train.csv", "test.csv", "__MACOSX/._train.csv", "../x.csv", "readme", "é.csv"), k=chance.randint(0, 3)
        )
        return zipped([(name, content) for name in names], chance)
    return _packed_csv(content, chance)


def holds_csv(found):
    images, labels = found
    assert images.dtype == np.uint8
    assert images.ndim == 3
    assert len(images) > 0
    if labels is not None:
        assert labels.dtype == np.int64
        assert labels.shape == images.shape[:1]
        assert 0 <= labels.min() <= labels.max() <= 9


# ---------------------------------------------------------------------------------------------------- npz


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def _npz_arrays(chance: random.Random) -> dict[str, np.ndarray]:
    arrays = {}
    for part in ("train", "test"):
        count = chance.randint(1, 3)
        arrays[f"x_{part}"] = pixels(chance, count, 2, 3)
        arrays[f"y_{part}"] = np.array([chance.randrange(10) for _ in range(count)], chance.choice(("u1", "i8", ">i4")))
    return arrays


def whole_npz(chance):
    arrays = _npz_arrays(chance)
    return zipped([(f"{name}.npy", _npy(array)) for name, array in arrays.items()], chance), tuple(arrays.values())


STRANGE = (
    *("f8", "f2", "?", "c8", "U2", "S3", "M8[s]", "O", ">i8", "i1", "u8", "V3"),
    [("a", "u1"), ("b", "f4")],
)


def whole_npy(chance):
    array = chance.choice(list(_npz_arrays(chance).values()))
    return _npy(array), array


def wrong_npy(chance):
    """Damage anywhere, forged headers, strange dtypes."""
    if chance.random() < 0.2:
        return _npy(np.zeros(chance.choice(((), (2,), (0, 2, 3), (1,) * 32)), chance.choice(STRANGE)))
    content = whole_npy(chance)[0]
    return _forged_npy(content, chance) if chance.random() < 0.5 else damaged(content, chance)


def wrong_npz(chance):
    """Damage within members, their sums right around it; members of strange dtypes, missing, or there twice."""
    members = []
    for name, array in _npz_arrays(chance).items():
        content = _npy(array)
        if chance.random() < 0.1:
            content = _npy(
                np.zeros(chance.choice(((), (2,), (2, 1), (2, 2, 3), (0, 2, 3), (1,) * 32)), chance.choice(STRANGE))
            )
        if chance.random() < 0.3:
            content = _forged_npy(content, chance) if chance.random() < 0.5 else damaged(content, chance)
        members.append((name + chance.choice((".npy",) * 20 + ("", ".txt")), content))
    if chance.random() < 0.2:
        members = chance.choices(members, k=chance.randint(0, 6))
    return zipped(members, chance)


def _forged_npy(content: bytes, chance: random.Random) -> bytes:
    shape = tuple(chance.choice((*NUMBERS, -1)) for _ in range(chance.randint(0, 4)))
    if chance.random() < 0.1:
        return re.sub(
            rb"'descr': '[^']*'", b"'descr': '%s'" % chance.choice((b"|O", b"<f99", b"|V0", b",", b"")), content
        )
    return re.sub(rb"'shape': \([^)]*\)", f"'shape': {shape}".encode(), content)


def holds_npz(found):
    holds_csv(found[:2])
    holds_csv(found[2:])
    assert found[1] is not None
    assert found[3] is not None


# ------------------------------------------------------------------------------------ models, checkpoints

TRIFLES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        0.5,
        -0.0,
        1e308,
        10**40,
        2**31,
        2**63,
        "",
        "x",
        "dense",
        "relu",
        "é" * 50,
        "\ud800",
    ),
    *([], {}, [[]], [1, 2], {"kind": "relu"}, {"kind": "dense", "inputs": 2, "outputs": 2}),
)


def altered(value: Any, chance: random.Random) -> Any:
    """JSON with another value somewhere in it, or one value more, or less."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        way = chance.random()
        if way < 0.1:
            return {other: kept for other, kept in value.items() if other != name}
        return value | (
            {chance.choice(("x", "kind", "rate")): chance.choice(TRIFLES)}
            if way < 0.2
            else {name: altered(value[name], chance)}
        )
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        way = chance.random()
        if way < 0.2:
            return value[:place] + value[place + 1 :] if way < 0.1 else [*value, value[place]]
        return [*value[:place], altered(value[place], chance), *value[place + 1 :]]
    return chance.choice(TRIFLES)


def signed(header: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file whose length and checksum are right, whatever else it says."""
    metadata = header.get("__metadata__")
    if isinstance(metadata, dict) and "sha256" in metadata:
        metadata["sha256"] = "0" * 64
    text = json.dumps(header).encode()
    blank = struct.pack("<Q", len(text)) + text + data
    field = b'"sha256": "' + b"0" * 64
    return blank.replace(field, field[:-64] + hashlib.sha256(blank).hexdigest().encode(), 1)


def wrong_tensors(content: bytes, chance: random.Random, spoken: tuple[str, ...]) -> bytes:
    """A header that lies, JSON in the metadata that says something else, or other numbers; then a right checksum."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    for _ in range(chance.randint(1, 2)):
        way = chance.random()
        metadata = header.get("__metadata__")
        if way < 0.2:
            data = damaged(data, chance)
        elif way < 0.5 or not isinstance(metadata, dict):
            header = altered(header, chance)
            if not isinstance(header, dict):
                return signed({"x": header}, data)
        else:
            name = chance.choice(spoken)
            text = metadata.get(name, "{}")
            with_fault = (
                damaged(text.encode(errors="replace"), chance).decode(errors="replace") if isinstance(text, str) else ""
            )
            metadata[name] = _altered_text(text, chance) if chance.random() < 0.8 else with_fault
    return signed(header, data)


def _altered_text(text: Any, chance: random.Random) -> str:
    try:
        return json.dumps(altered(json.loads(text), chance))
    except (ValueError, TypeError):
        return "{}"


@cache
def _models() -> tuple[tuple[bytes, Model], ...]:
    """A few small models and their files; some with finite weights that overflow when they are multiplied."""
    images = np.random.default_rng(0).integers(0, 256, (9, 2, 2), dtype=np.uint8)
    models = []
    for number, activation in enumerate(("relu", "leaky_relu", "tanh", "sigmoid")):
        dtype = (np.float32, np.float64)[number % 2]
        plain = multilayer_perceptron((4, 3, 2), activation=activation, rng=number, dtype=dtype)
        network = Network([Dropout(0.1), *plain.layers], parameters=plain.parameters)
        preparation = Preparation.fit(images, standardise=number > 1)
        models.append(Model(network, preparation, ("a", "‹é›"), {"accuracy": 0.5, "history": {"loss": [2.3, 0.1]}}))
        too_large = network.with_parameters(network.parameters * (np.finfo(dtype).max / 4))
        models.append(Model(too_large, preparation, ("a", "b"), {}))
    return tuple((_model_bytes(model), model) for model in models)


def _model_bytes(model: Model) -> bytes:
    arrays = {block.name: block.view(model.network.parameters) for block in model.network.layout}
    if model.preparation.mean is not None:
        arrays |= {"preparation.mean": model.preparation.mean, "preparation.deviation": model.preparation.deviation}
    words = {
        "layers": model.network.configuration(),
        "image_shape": model.preparation.shape,
        "class_names": model.class_names,
        "facts": model.facts,
    }
    return pack_tensors(arrays, {"format": FORMAT, "version": VERSION} | {k: json.dumps(v) for k, v in words.items()})


def whole_model(chance):
    return chance.choice(_models())


def wrong_model(chance):
    return wrong_tensors(chance.choice(_models())[0], chance, ("layers", "image_shape", "class_names", "facts"))


def holds_model(model):
    """Finite parameters, and of a picture finite probabilities, or a refusal in words."""
    assert np.isfinite(model.network.parameters).all()
    assert len(model.class_names) == model.network.outputs
    json.dumps(model.facts, allow_nan=False)
    images = np.full((1, *model.preparation.shape), 200, np.uint8)
    try:
        probabilities = model.probabilities(images)
    except ChainruleError:
        return
    assert probabilities.shape == (1, model.network.outputs)
    assert np.isfinite(probabilities).all()
    assert abs(probabilities.sum() - 1) < 1e-5


def equal_models(model, expected):
    return (
        np.array_equal(model.network.parameters, expected.network.parameters)
        and model.network.configuration() == expected.network.configuration()
        and (model.class_names, model.facts) == (expected.class_names, expected.facts)
    )


# ---------------------------------------------------------------------------------------------------- ONNX


@cache
def _onnx_files() -> tuple[tuple[bytes, Model], ...]:
    """Models as ONNX, and what comes back: the same without dropout."""
    files = []
    for _, model in _models():
        layers = [layer for layer in model.network.layers if not isinstance(layer, Dropout)]
        network = Network(layers, parameters=model.network.parameters)
        files.append((pack_onnx(model), Model(network, model.preparation, model.class_names, model.facts)))
    return tuple(files)


def whole_onnx(chance):
    return chance.choice(_onnx_files())


OPERATORS = (
    *("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu", "Sigmoid", "Softmax", "ArgMax", "Flatten"),
    *("Reshape", "Cast", "Identity", "Shape", "Gather", "Concat", "Transpose", "Constant", "Dropout", "ZipMap", "Loop"),
)


def wrong_onnx(chance):
    """Nodes, arrays and attributes changed, and written as protobuf again."""
    model = onnx.ModelProto.FromString(chance.choice(_onnx_files())[0])
    for _ in range(chance.randint(1, 3)):
        chance.choice((_wrong_node, _wrong_node, _wrong_array, _wrong_attribute, _wrong_end))(model.graph, chance)
    return model.SerializeToString()


def _wrong_node(graph, chance):
    node = chance.choice(graph.node)
    way = chance.randrange(6)
    names = [name for other in graph.node for name in (*other.input, *other.output)] + ["", "nothing"]
    if way == 0:
        node.op_type = chance.choice(OPERATORS)
    elif way == 1 and node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice(names)
    elif way == 2:
        node.input.append(chance.choice(names))
    elif way == 3 and node.output:
        node.output[0] = chance.choice(names)
    elif way == 4:
        node.domain = chance.choice(("ai.onnx", "ai.onnx.ml", "com.microsoft"))
    else:
        graph.node.insert(chance.randrange(len(graph.node) + 1), chance.choice(graph.node))


def _wrong_array(graph, chance):
    array = chance.choice(graph.initializer)
    way = chance.randrange(5)
    if way == 0:
        array.data_type = chance.choice((0, 1, 2, 6, 7, 8, 10, 11, 16, 99))
    elif way == 1:
        array.dims.append(chance.choice((0, 1, -1, 2**31, 2**62)))
    elif way == 2 and array.dims:
        array.dims[0] = chance.choice((0, 1, 3, 2**40, -(2**40)))
    elif way == 3:
        array.raw_data = damaged(array.raw_data, chance)
    else:
        array.data_location = onnx.TensorProto.EXTERNAL
        array.external_data.add(key="location", value=chance.choice(("", "..", "input", "../input", "/dev/zero", "\0")))


def _wrong_attribute(graph, chance):
    node = chance.choice(graph.node)
    name = chance.choice(("axis", "transA", "transB", "alpha", "beta", "to", "perm", "value", "offset", "keepdims"))
    value = chance.choice((0, 1, -1, 2**40, 0.0, float("nan"), float("inf"), "text", [1, 0], [0.5]))
    node.attribute.append(onnx.helper.make_attribute(name, value))


def _wrong_end(graph, chance):
    way = chance.randrange(4)
    if way == 0:
        graph.output[0].name = chance.choice([name for node in graph.node for name in node.output])
    elif way == 1:
        graph.input.append(graph.output[0])
    elif way == 2:
        graph.input[0].type.tensor_type.elem_type = chance.choice((0, 1, 2, 7, 8, 11))
    else:
        dims = graph.input[0].type.tensor_type.shape.dim
        dims[chance.randrange(len(dims))].dim_value = chance.choice((0, 1, 2, 2**31, -1))


SETTINGS = {"recipe": {"epochs": 3, "hidden": [3]}, "seed": 0}


@cache
def _training() -> Training:
    """A training that every checkpoint is loaded into."""
    chance = np.random.default_rng(0)
    images, labels = chance.integers(0, 256, (12, 2, 2), dtype=np.uint8), np.arange(12) % 2
    return Training(
        multilayer_perceptron((4, 3, 2), rng=0),
        images,
        labels,
        optimizer=SGD(0.1, momentum=0.9),
        average=ExponentialAverage(0.9),
        batch_size=5,
        epochs=3,
        report_every=1,
        rng=0,
    )


@cache
def _checkpoints() -> tuple[bytes, ...]:
    """The bytes of a checkpoint at the start and after each report."""
    training, files = _training(), []

    def keep() -> None:
        arrays, numbers = training.state()
        words = {"format": checkpoint.FORMAT, "version": checkpoint.VERSION}
        files.append(pack_tensors(arrays, words | {"state": json.dumps({"numbers": numbers, "settings": SETTINGS})}))

    keep()
    for _ in training:
        keep()
    return tuple(files)


def whole_checkpoint(chance):
    content = chance.choice(_checkpoints())
    return content, content


def wrong_checkpoint(chance):
    return wrong_tensors(chance.choice(_checkpoints()), chance, ("state",))


def read_checkpoint(path):
    """Load into the training; where that is refused, the training must be as it was."""
    training = _training()
    before = _state(training)
    try:
        checkpoint.load_checkpoint(training, path, SETTINGS)
    except CheckpointError:
        assert _state(training) == before, "a refused checkpoint changed the training"
        raise
    return training


def _state(training: Training) -> tuple[dict[str, tuple[str, bytes]], str]:
    arrays, numbers = training.state()
    return {name: (array.dtype.str, array.tobytes()) for name, array in arrays.items()}, json.dumps(numbers)


def holds_checkpoint(training):
    arrays, numbers = training.state()
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert 0 <= numbers["epoch"] <= training.epochs
    json.dumps(numbers, allow_nan=False)
    holds_model(training.model)


def equal_checkpoints(training, content):
    arrays, numbers = training.state()
    (length,) = struct.unpack("<Q", content[:8])
    saved = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["state"])["numbers"]
    return json.loads(json.dumps(numbers)) == saved and arrays["parameters"].tobytes() in content


# -------------------------------------------------------------------------------------------------- pickle

PIECES = (
    *(
        b"(",
        b"0",
        b"2",
        b"1",
        b"N",
        b"]",
        b"}",
        b")",
        b"t",
        b"l",
        b"d",
        b"a",
        b"e",
        b"s",
        b"u",
        b"b",
        b"R",
        b"\x81",
        b"\x93",
    ),
    *(
        b"\x94",
        b"h\0",
        b"h\x05",
        b"q\0",
        b"q\x01",
        b"j\xff\xff\xff\xff",
        b"r\xff\xff\xff\x7f",
        b"I-1\n",
        b"L" + b"9" * 999 + b"L\n",
    ),
    *(
        b"K\x01",
        b"J\xff\xff\xff\x7f",
        b"\x8a\x08" + b"\xff" * 8,
        b"S'f8'\n",
        b"C\x08" + bytes(8),
        b"\x8e" + b"\xff" * 8,
    ),
    *(b"cos\nsystem\n", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"cbuiltins\neval\n", b"c_codecs\nencode\n"),
    *(
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"cnumpy.core.numeric\n_frombuffer\n",
        b"\x82\x01",
        b"P1\n",
        b"Q",
        b".",
    ),
)


def whole_pickle(chance):
    """Four arrays as a tutorial has them, in every way that they are written."""
    hidden, side, classes = chance.randint(1, 3), chance.randint(1, 2), chance.randint(1, 3)
    shapes = ((hidden, side**2), (hidden, 1), (classes, hidden), (classes, 1))
    dtype = chance.choice(("f4", "f8", ">f8", "i8"))
    arrays = tuple((pixels(chance, *shape) - 128.0).astype(dtype) for shape in shapes)
    named = dict(zip(("W1", "b1", "W2", "b2"), arrays, strict=True))
    return pickle.dumps(chance.choice((arrays, list(arrays), named)), chance.randrange(6)), arrays


def wrong_pickle(chance):
    """Instructions put in, taken out, or in another order."""
    content = whole_pickle(chance)[0]
    for _ in range(chance.randint(1, 4)):
        place, skipped = chance.randrange(len(content) + 1), chance.choice((0, 0, 1, 2))
        content = (
            content[:place] + chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 300)) + content[place + skipped :]
        )
    return content


def equal_pickles(model, arrays):
    W1, b1, W2, b2 = (np.asarray(array, np.float64) for array in arrays)
    return np.array_equal(
        model.network.parameters, np.concatenate([W1.T.ravel(), b1.ravel(), W2.T.ravel(), b2.ravel()])
    )


# ------------------------------------------------------------------------------------------------ pictures

WAYS = {
    "PNG": ("L", "RGB", "RGBA", "LA", "P", "1", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("L", "RGB", "P", "1"),
    "GIF": ("L", "P"),
    "WEBP": ("RGB", "RGBA"),
}


@cache
def _pictures() -> tuple[tuple[bytes, tuple[int, int]], ...]:
    """A stroke, 28 × 28 and of other sizes, in every format and mode; and some in a few frames, or turned by EXIF."""
    files = []
    for size in ((28, 28), (9, 14)):
        grey = np.full(size, 250, np.uint8)
        grey[2:-2, size[1] // 2 - 1 : size[1] // 2 + 1] = 5
        for kind, modes in WAYS.items():
            for mode in modes:
                image = Image.fromarray(grey)
                image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
                exif = Image.Exif()
                exif[0x0112] = 6
                extra = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") and mode == "RGB" else {}
                if kind == "GIF":
                    extra = {"save_all": True, "append_images": [image.rotate(90)], "transparency": 0}
                file = io.BytesIO()
                image.save(file, kind, **extra)
                files.append((file.getvalue(), size))
    return tuple(files)


def whole_picture(chance):
    return chance.choice(_pictures())


def wrong_picture(chance):
    """Damage in the parts of a PNG, with sums and compression right around it; in others, damage near the start."""
    content = chance.choice(_pictures())[0]
    if content[:4] != b"\x89PNG":
        return damaged(content, chance)
    parts, place = [], 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        parts.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    number = chance.randrange(len(parts))
    name, inner = parts[number]
    if name == b"IDAT" and chance.random() < 0.7:
        inner = zlib.compress(damaged(zlib.decompress(inner), chance), 1)
    else:
        inner = damaged(inner, chance)
    name = chance.choice((name,) * 9 + (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"zTXt", b"acTL", b"IEND"))
    parts[number : number + 1] = [(name, inner)] * chance.choice((1, 1, 1, 2))
    return content[:8] + b"".join(
        struct.pack(">I", len(i)) + n + i + struct.pack(">I", zlib.crc32(n + i)) for n, i in parts
    )


def holds_picture(picture):
    assert picture.dtype == np.uint8
    assert picture.shape == (28, 28)
    assert picture.max() > 0


def equal_pictures(picture, size):
    """Ink in the middle, and little in a corner, where JPEG may leave some."""
    return picture[13:16, 13:16].max() > 150 and picture[0, 0] < 60


def equal_arrays(found, expected):
    """Arrays, or tuples of arrays, labels perhaps of another integer dtype."""
    if not isinstance(expected, tuple):
        return expected is found or np.array_equal(found, expected)
    return all(map(equal_arrays, found, expected))


READERS = {
    reader.name: reader
    for reader in (
        Reader("IDX", read_idx, DataFileError, whole_idx, wrong_idx, holds_idx, equal_arrays),
        Reader("mapped IDX", map_idx, DataFileError, whole_plain_idx, wrong_plain_idx, holds_map, equal_arrays),
        Reader("mapped npy", map_npy, DataFileError, whole_npy, wrong_npy, holds_map, equal_arrays),
        Reader("csv", read_csv, DataFileError, whole_csv, wrong_csv, holds_csv, equal_arrays),
        Reader("npz", read_keras_npz, DataFileError, whole_npz, wrong_npz, holds_npz, equal_arrays),
        Reader("model", load_model, ModelFileError, whole_model, wrong_model, holds_model, equal_models),
        Reader("ONNX", load_onnx, ModelFileError, whole_onnx, wrong_onnx, holds_model, equal_models),
        Reader(
            "checkpoint",
            read_checkpoint,
            CheckpointError,
            whole_checkpoint,
            wrong_checkpoint,
            holds_checkpoint,
            equal_checkpoints,
        ),
        Reader(
            "pickle", read_pickled_parameters, DataFileError, whole_pickle, wrong_pickle, holds_model, equal_pickles
        ),
        Reader("picture", read_photo, DataFileError, whole_picture, wrong_picture, holds_picture, equal_pictures),
    )
}
