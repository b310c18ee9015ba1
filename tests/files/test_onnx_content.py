"""Hostile ONNX files: refused in words, before what they ask for is allocated."""

import os
import struct
import tracemalloc

import numpy as np
import pytest

from chainrule.data.preparation import Preparation
from chainrule.errors import ModelFileError
from chainrule.files import onnx_content
from chainrule.files.onnx import pack_onnx
from chainrule.files.onnx_import import load_onnx
from chainrule.model import Model
from chainrule.nn.network import multilayer_perceptron

onnx = pytest.importorskip("onnx")

MEGABYTE = 1 << 20


@pytest.fixture
def file():
    """A small network of our own, to be changed."""
    model = Model(multilayer_perceptron((4, 3, 2), rng=0), Preparation((2, 2)), ("a", "b"))
    return onnx.load_from_string(pack_onnx(model))


def refused(tmp_path, content, message):
    """The file is refused with that message, and less than three megabytes were taken on the way."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    load_onnx_once_before()
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=message) as refusal:
            load_onnx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size + 3 * MEGABYTE
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value)) < 1000


def load_onnx_once_before():
    """Import what reading needs, so that the modules do not count."""
    from google.protobuf import message  # noqa: F401


def field(number, content):
    """One field of protobuf with that content."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def node(file, name):
    return next(node for node in file.graph.node if node.name == name)


def tensor(file, name):
    return next(array for array in file.graph.initializer if array.name == name)


# --------------------------------------------------------------------------------------------- more than is there


@pytest.mark.parametrize(
    "dims", [[1 << 40], [4, 1 << 60], [1 << 31, 1 << 31], [0, 3], [5, 3], [-4, -3], [4, 3, 1, 1, 1]]
)
def test_a_shape_must_fit_the_values(tmp_path, file, dims):
    array = tensor(file, "dense1.weight")
    del array.dims[:]
    array.dims.extend(dims)
    refused(tmp_path, file, r"'dense1.weight'|more than .* bytes of arrays")


@pytest.mark.parametrize("kind", ["float_data", "raw_data"])
def test_values_in_either_way_must_be_as_many_as_the_shape_says(tmp_path, file, kind):
    array = tensor(file, "dense1.weight")
    array.ClearField("raw_data")
    if kind == "float_data":
        array.float_data.extend([0.0] * 11)
    else:
        array.raw_data = bytes(44)
    refused(tmp_path, file, r"needs 48 bytes, and its values have 44")


def test_objects_are_counted_before_protobuf_makes_them(tmp_path):
    """Two bytes a node: a megabyte would become eighty."""
    refused(tmp_path, field(7, b"\x0a\x00" * (MEGABYTE // 2)), "more than 100,000 parts")


def test_numbers_in_a_row_are_counted_too(tmp_path):
    refused(tmp_path, field(7, field(5, field(1, b"\x01" * MEGABYTE))), "more than 100,000 parts")


def test_parts_in_parts_have_an_end(tmp_path):
    content = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph …
        content = field(1, field(5, field(6, content)))
    refused(tmp_path, field(7, content), "parts in parts without end")


def test_one_array_used_many_times_is_not_worked_out_each_time(tmp_path, file, monkeypatch):
    monkeypatch.setattr(onnx_content, "MOST_BYTES", MEGABYTE)
    large = onnx.numpy_helper.from_array(np.full((1, 20_000), 2, np.float32), "large")
    weight = onnx.numpy_helper.from_array(np.zeros((4, 20_000), np.float32), "wide")
    file.graph.initializer.extend([large, weight])
    nodes = [onnx.helper.make_node("MatMul", ["x", "wide"], ["v0"])]
    nodes += [onnx.helper.make_node("Mul", [f"v{i}", "large"], [f"v{i + 1}"]) for i in range(100)]
    file.graph.node.extend(nodes)
    path = tmp_path / "model.onnx"
    path.write_bytes(file.SerializeToString())
    with pytest.raises(ModelFileError, match=r"\(Mul\) asks for more than 1,048,576 bytes of arrays"):
        load_onnx(path)


def test_a_picture_of_millions_of_pixels_is_refused(tmp_path, file):
    file.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 31
    refused(tmp_path, file, "expected 4,194,304 pixels at most")


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    path = tmp_path / "model.onnx"
    with path.open("wb") as sparse:
        sparse.truncate(onnx_content.LARGEST_FILE + 1)
    with pytest.raises(ModelFileError, match="more than 268,435,456 is not read"):
        load_onnx(path)


# ------------------------------------------------------------------------------------------------ cut and damaged


def test_a_file_cut_at_any_byte_is_refused(tmp_path, file):
    content = file.SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            load_onnx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no graph"),
        (b"\x80\x04 a pickle", "no ONNX file, or damaged"),
        (b"PK\x03\x04" + bytes(50), "no ONNX file, or damaged"),
        (b"<html>not found</html>", "no ONNX file, or damaged"),
        (b"\x3a\x7f", "no ONNX file, or damaged"),
        (b"\xff" * 20, "no ONNX file, or damaged"),
        (field(7, b""), "does not say which operators"),
    ],
)
def test_what_is_no_onnx_file_is_named(tmp_path, content, message):
    refused(tmp_path, content, message)


def test_there_must_be_a_file_and_no_pipe(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file"):
        load_onnx(tmp_path / "nothing.onnx")
    with pytest.raises(ModelFileError, match="Is a directory"):
        load_onnx(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelFileError, match="a device or a pipe"):
        load_onnx(tmp_path / "pipe.onnx")


def test_a_circle_of_nodes_is_named(tmp_path, file):
    node(file, "dense1").input[0] = "logits"
    refused(tmp_path, file, r"the node 'dense1' \(Gemm\) needs 'logits', which no node before it gives")


def test_names_that_stand_twice_are_refused(tmp_path, file):
    file.graph.initializer.append(tensor(file, "dense1.bias"))
    refused(tmp_path, file, "two of its arrays have one name")


def test_a_node_of_another_package_is_not_looked_for(tmp_path, file):
    node(file, "relu1").domain = "com.microsoft"
    refused(tmp_path, file, r"the node 'relu1' \(Relu\) is no part")


def test_two_inputs_are_refused(tmp_path, file):
    file.graph.input.append(onnx.helper.make_tensor_value_info("y", 1, [1]))
    refused(tmp_path, file, "it has 2 inputs; expected one, the pictures")


def test_names_that_are_no_text_are_refused(tmp_path, file):
    """protobuf would hand them out as bytes."""
    refused(tmp_path, file.SerializeToString().replace(b"relu1.output", b"relu\xff.output"), "a name in it is no UTF-8")


def test_long_names_do_not_fill_the_screen(tmp_path, file):
    relu = node(file, "relu1")
    relu.op_type = "X" * 100_000
    relu.name = "\x1b[31m" + "Y" * 100_000
    refused(tmp_path, file, r"'\\x1b\[31mY+ \(X+\) is no part")


# ------------------------------------------------------------------------------------------------ arrays elsewhere


def outside(file, location, **told):
    """The file with its first weight in another file."""
    array = tensor(file, "dense1.weight")
    array.ClearField("raw_data")
    array.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **told}.items():
        array.external_data.append(onnx.StringStringEntryProto(key=key, value=str(value)))
    return file


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "..", ".", "", "a/b", "..\\secret", "link"]
)
def test_arrays_outside_the_files_own_folder_are_not_read(tmp_path, file, location):
    (tmp_path / "secret").write_bytes(bytes(48))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    refused(folder, outside(file, location), r"only a file in the same folder|cannot be read|a device or a pipe")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"offset": 1}, "there are fewer"),
        ({"offset": 1 << 49}, "there are fewer"),
        ({"length": 47}, "there are fewer"),
        ({"length": 1 << 40}, "there are fewer"),
        ({"offset": -1}, "expected a whole number"),
        ({"offset": "٣"}, "expected a whole number"),
        ({"length": "9" * 5000}, "expected a whole number"),
    ],
)
def test_a_place_in_the_second_file_that_is_not_there_is_refused(tmp_path, file, told, message):
    (tmp_path / "data").write_bytes(bytes(48))
    refused(tmp_path, outside(file, "data", **told), message)


def test_a_second_file_that_is_a_pipe_is_not_waited_for(tmp_path, file):
    os.mkfifo(tmp_path / "data")
    refused(tmp_path, outside(file, "data"), "a device or a pipe")


def test_the_second_files_values_are_used(tmp_path, file):
    weight = np.arange(12, dtype=np.float32).reshape(4, 3)
    (tmp_path / "data").write_bytes(struct.pack("<f", 9) + weight.tobytes())
    (tmp_path / "model.onnx").write_bytes(outside(file, "data", offset=4, length=48).SerializeToString())
    assert np.array_equal(load_onnx(tmp_path / "model.onnx").network.layers[0].weight, weight)
