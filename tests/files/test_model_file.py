import errno
import hashlib
import json
import os
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load as plain_load
from safetensors.numpy import load_file, save

from chainrule.data.preparation import NoPreparation, Preparation
from chainrule.errors import InputError, ModelFileError, OutputError, ValueRangeError
from chainrule.files.model_file import load_model, save_model
from chainrule.files.tensors import pack_tensors
from chainrule.model import Model
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.layers import Dense, Dropout
from chainrule.nn.network import Network

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
FACTS = {"recipe": "standard", "accuracy": 0.978, "history": {"loss": [2.3, 0.1]}, "note": "‹é›", "none": None}


def every_kind(dtype=np.float32):
    """A network with a layer of each kind, no number in it round."""
    layers = [
        Dropout(0.15),
        Dense(12, 7),
        ReLU(),
        Dense(7, 6),
        LeakyReLU(0.03),
        Dropout(0.25),
        Dense(6, 5),
        Tanh(),
        Dense(5, 4),
        Sigmoid(),
        Dense(4, 3),
    ]
    network = Network(layers, rng=0, dtype=dtype)
    network.parameters[:] = np.random.default_rng(1).normal(size=network.size)
    return network


def pictures(count=20):
    return np.random.default_rng(2).integers(0, 256, (count, 4, 3), dtype=np.uint8)


def model_of(dtype=np.float32, standardise=True):
    return Model(
        every_kind(dtype), Preparation.fit(pictures(), standardise=standardise), ("zero", "‹één›", "two"), dict(FACTS)
    )


def tiny():
    """A model of few bytes, for tests that try every one of them."""
    preparation = Preparation((1, 2), np.array([0.25, 0.5]), np.array([0.1, 0.0]))
    return Model(Network([Dense(2, 2)], rng=0), preparation, ("a", "b"), {})


def saved(model, tmp_path):
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def taken_apart(path):
    """The metadata and the arrays of a file, as any other program reads them."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])["__metadata__"], plain_load(content)


# ------------------------------------------------------------------------------------------- there and back


@BOTH
@pytest.mark.parametrize("standardise", [False, True])
def test_a_round_trip_keeps_everything(tmp_path, dtype, standardise):
    model = model_of(dtype, standardise)
    back = load_model(saved(model, tmp_path))
    assert back.network.dtype == dtype
    assert back.network.parameters.tobytes() == model.network.parameters.tobytes()
    assert back.network.layout == model.network.layout
    assert back.class_names == model.class_names
    assert back.facts == FACTS
    assert back.preparation.shape == (4, 3)
    for name in ("mean", "deviation"):
        before, after = getattr(model.preparation, name), getattr(back.preparation, name)
        assert (before is None) == (after is None) == (not standardise)
        if standardise:
            assert after.dtype == np.float64
            assert after.tobytes() == before.tobytes()


def test_layers_of_every_kind_come_back_with_their_settings(tmp_path):
    model = model_of()
    back = load_model(saved(model, tmp_path))
    assert back.network.configuration() == model.network.configuration()
    assert [type(layer) for layer in back.network.layers] == [type(layer) for layer in model.network.layers]
    assert back.network.layers[0].rate == 0.15
    assert back.network.layers[4].slope == 0.03
    assert back.network.layers[5].rate == 0.25


@BOTH
def test_predictions_keep_their_bits(tmp_path, dtype):
    model = model_of(dtype)
    back = load_model(saved(model, tmp_path))
    assert_array_equal(back.probabilities(pictures()), model.probabilities(pictures()))


def test_a_model_that_was_read_can_be_trained_on(tmp_path):
    back = load_model(saved(model_of(), tmp_path))
    back.network.parameters[:] = 0
    assert not back.network.layers[1].weight.any()


def test_a_path_may_be_a_string(tmp_path):
    save_model(model_of(), str(tmp_path / "model"))
    assert load_model(str(tmp_path / "model")).class_names == ("zero", "‹één›", "two")


# ----------------------------------------------------------------------------------- read by somebody else


@BOTH
def test_anybody_can_read_the_arrays_under_the_layouts_names(tmp_path, dtype):
    model = model_of(dtype)
    arrays = load_file(saved(model, tmp_path))
    assert set(arrays) == {block.name for block in model.network.layout} | {"preparation.mean", "preparation.deviation"}
    for block in model.network.layout:
        assert arrays[block.name].dtype == dtype
        assert_array_equal(arrays[block.name], block.view(model.network.parameters))
    assert_array_equal(arrays["dense1.weight"], model.network.layers[1].weight)
    assert_array_equal(arrays["dense5.bias"], model.network.layers[-1].bias)
    assert_array_equal(arrays["preparation.mean"], model.preparation.mean)
    assert_array_equal(arrays["preparation.deviation"], model.preparation.deviation)


def test_without_statistics_the_file_has_the_networks_arrays_alone(tmp_path):
    arrays = load_file(saved(model_of(standardise=False), tmp_path))
    assert {name.split(".")[0] for name in arrays} == {f"dense{i}" for i in range(1, 6)}


def test_anybody_can_read_the_metadata(tmp_path):
    metadata, _ = taken_apart(saved(model_of(), tmp_path))
    assert metadata["format"] == "chainrule-model"
    assert metadata["version"] == "1"
    assert json.loads(metadata["image_shape"]) == [4, 3]
    assert json.loads(metadata["class_names"]) == ["zero", "‹één›", "two"]
    assert json.loads(metadata["facts"]) == FACTS
    assert json.loads(metadata["layers"])[4] == {"kind": "leaky_relu", "slope": 0.03}


def spread(array):
    """The same values, every second place of a longer array."""
    room = np.full(2 * array.size, np.nan, array.dtype)
    room[::2] = array.ravel()
    return room[::2] if array.ndim == 1 else room.reshape(*array.shape, 2)[..., 0]


def test_arrays_in_any_memory_layout_are_written_in_the_right_order(tmp_path):
    # safetensors 0.8 writes the memory of such arrays and not their values.
    model = model_of()
    for name in ("mean", "deviation"):
        object.__setattr__(model.preparation, name, spread(getattr(model.preparation, name)))
    assert not model.preparation.mean.flags.c_contiguous
    arrays = load_file(saved(model, tmp_path))
    assert_array_equal(arrays["preparation.mean"], model.preparation.mean)
    assert_array_equal(arrays["preparation.deviation"], model.preparation.deviation)
    assert_array_equal(load_model(tmp_path / "model").preparation.mean, model.preparation.mean)


def test_parameters_in_any_memory_layout_are_written_in_the_right_order(tmp_path):
    model = model_of()
    expected = model.network.parameters.copy()
    model.network.parameters = spread(model.network.parameters)
    assert not model.network.parameters.flags.c_contiguous
    arrays = load_file(saved(model, tmp_path))
    for block in model.network.layout:
        assert_array_equal(arrays[block.name], block.view(expected))
    assert load_model(tmp_path / "model").network.parameters.tobytes() == expected.tobytes()


# ------------------------------------------------------------------------------------------------- replacing


def test_a_new_model_replaces_the_old_one(tmp_path):
    saved(model_of(standardise=True), tmp_path)
    assert load_model(saved(tiny(), tmp_path)).class_names == ("a", "b")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_leaves_the_old_model(tmp_path, monkeypatch):
    path = saved(model_of(), tmp_path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="untouched"):
            save_model(tiny(), path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_facts_that_are_not_json_leave_the_old_model(tmp_path):
    path = saved(tiny(), tmp_path)
    before = path.read_bytes()
    model = tiny()
    circle = []
    circle.append(circle)
    for facts in ({"a": object()}, {"a": {1, 2}}, {"a": NAN}, {"a": np.float32(INF)}, {(1, 2): 3}, {"a": circle}):
        with pytest.raises(InputError, match=r"keeps facts as JSON, and these cannot be: .* Nothing was saved"):
            save_model(Model(model.network, model.preparation, model.class_names, facts), path)
        assert path.read_bytes() == before


def test_numpys_numbers_among_the_facts_are_written_as_plain_ones(tmp_path):
    model = tiny()
    facts = {"a": np.float32(0.5), "b": np.int64(3), "c": np.arange(3), "d": [np.bool_(True)]}
    path = saved(Model(model.network, model.preparation, model.class_names, facts), tmp_path)
    assert load_model(path).facts == {"a": 0.5, "b": 3, "c": [0, 1, 2], "d": [True]}


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_parameters_that_are_not_finite_leave_the_old_model(tmp_path, value):
    path = saved(tiny(), tmp_path)
    before = path.read_bytes()
    model = tiny()
    model.network.parameters[3] = value
    with pytest.raises(ValueRangeError, match=r"dense1\.weight contains NaN or infinity"):
        save_model(model, path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="missing"):
        save_model(tiny(), tmp_path / "missing" / "model")


# --------------------------------------------------------------------------------------------- what is no model


def refused(path, expected="."):
    with pytest.raises(ModelFileError, match=expected) as caught:
        load_model(path)
    message = str(caught.value)
    assert str(path) in message
    assert "chainrule" in message or "Train the model again." in message  # what to do next
    return message


def test_no_file_says_how_to_make_one(tmp_path):
    refused(tmp_path / "missing", "There is no model file .*chainrule train --model")


def test_a_folder_is_no_model(tmp_path):
    refused(tmp_path, r"it cannot be read \(Is a directory\)")


NO_SAFETENSORS = {
    "empty": b"",
    "text": b"epoch,loss\n1,0.5\n" * 10,
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n(S'true'\ntR.",
    "a header larger than the file": struct.pack("<Q", 2**40) + b"{}",
    "a header larger than memory": struct.pack("<Q", 2**64 - 1) + b"{}",
    "zeros": bytes(1000),
    "a header that is no JSON": struct.pack("<Q", 4) + b"{{{{",
    "a header that is a list": struct.pack("<Q", 2) + b"[]",
    "a header that is not UTF-8": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    "a header nested too deeply": struct.pack("<Q", 20_000) + b'{"a":' + b"[" * 19_995,
}


@pytest.mark.parametrize("content", NO_SAFETENSORS.values(), ids=NO_SAFETENSORS)
def test_what_is_not_safetensors_is_no_model(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    refused(tmp_path / "model", "is not a whole model file")


def raw(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


WRONG_HEADERS = {
    "offsets beyond the file": raw({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(8)),
    "bytes without an owner": raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(8)),
    "offsets that overlap": raw(
        {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in ("a", "b")}, bytes(4)
    ),
    "a shape that overflows": raw({"a": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 4]}}, bytes(4)),
    "a negative shape": raw({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "an unknown dtype": raw({"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "metadata that is a number": raw({"__metadata__": 5}),
}


@pytest.mark.parametrize("content", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_a_header_that_lies_is_no_model(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    refused(tmp_path / "model", "is not a whole model file")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "F4", "C64", "BOOL", "I64", "U8", "F16"])
def test_weights_of_another_dtype_are_refused(tmp_path, dtype):
    bits = {"BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F4": 4, "C64": 64, "BOOL": 8, "I64": 64, "U8": 8, "F16": 16}
    metadata, arrays = taken_apart(saved(tiny(), tmp_path))
    header, data = {"__metadata__": {**metadata, "sha256": "0" * 64}}, b""
    for name, array in sorted(arrays.items()):
        kind, content = dtype, bytes(array.size * bits[dtype] // 8)
        if name.startswith("preparation"):
            kind, content = "F64", array.tobytes()
        start, data = len(data), data + content
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, len(data)]}
    content = raw(header, data)
    (tmp_path / "model").write_bytes(content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1))
    refused(tmp_path / "model", "something other than finite numbers|does not fit its content")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_a_safetensors_file_of_another_program_is_no_model(tmp_path, metadata):
    (tmp_path / "model").write_bytes(save({"weight": np.zeros((2, 3), np.float32)}, metadata))
    refused(
        tmp_path / "model", "a safetensors file of another program, no chainrule-model|'pt'; expected chainrule-model"
    )


def changed(tmp_path, metadata=(), **arrays):
    """The tiny model's file with some parts replaced, or taken out where None stands."""
    old_metadata, old_arrays = taken_apart(saved(tiny(), tmp_path))
    parts = [{**old_metadata, **dict(metadata)}, {**old_arrays, **{k.replace("_", "."): v for k, v in arrays.items()}}]
    parts = [{name: value for name, value in part.items() if value is not None} for part in parts]
    (tmp_path / "model").write_bytes(pack_tensors(parts[1], parts[0]))
    return tmp_path / "model"


def test_the_tiny_model_is_sound(tmp_path):
    assert load_model(changed(tmp_path)).class_names == ("a", "b")


@pytest.mark.parametrize("version", ["2", "", None])
def test_another_version_says_to_update(tmp_path, version):
    refused(changed(tmp_path, {"version": version}), "version .*; this program reads version 1. Update chainrule")


F4 = np.float32
NAN, INF = float("nan"), float("inf")
WRONG_ARRAYS = {
    "no weight": ({"dense1_weight": None}, ""),
    "no bias": ({"dense1_bias": None}, ""),
    "no arrays": (
        {"dense1_weight": None, "dense1_bias": None, "preparation_mean": None, "preparation_deviation": None},
        "",
    ),
    "a weight under another name": ({"dense1_weight": None, "dense2_weight": np.zeros((2, 2), F4)}, "dense1.weight"),
    "one array too many": ({"dense2_bias": np.zeros(2, F4)}, ""),
    "a weight with another shape": ({"dense1_weight": np.zeros((4, 1), F4)}, r"\(4, 1\).*\(2, 2\)"),
    "a weight that is too small": ({"dense1_weight": np.zeros((2, 1), F4)}, ""),
    "weights of two dtypes": ({"dense1_weight": np.zeros((2, 2))}, ""),
    "a weight that is NaN": ({"dense1_weight": np.array([[0, 1], [NAN, 2]], F4)}, "dense1.weight .*finite"),
    "a bias that is infinite": ({"dense1_bias": np.array([0, INF], F4)}, "dense1.bias .*finite"),
    "whole numbers": ({"dense1_bias": np.zeros(2, np.int32)}, "dense1.bias .*finite"),
    "a mean alone": ({"preparation_deviation": None}, "both"),
    "a deviation alone": ({"preparation_mean": None}, "both"),
    "a mean of another shape": ({"preparation_mean": np.zeros(3)}, "mean"),
    "a mean that is NaN": ({"preparation_mean": np.array([NAN, 0])}, "mean"),
    "a negative deviation": ({"preparation_deviation": np.array([-1.0, 0])}, "deviation"),
    "a deviation that is hardly above 0": (
        {"preparation_deviation": np.array([1e-320, 1])},
        "pixels that are not finite",
    ),
    "a mean beyond float32": ({"preparation_mean": np.array([1e300, 0])}, "pixels that are not finite"),
    "a complex mean": ({"preparation_mean": np.zeros(2, np.complex64)}, "mean"),
}


@pytest.mark.parametrize(("arrays", "expected"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, expected):
    refused(changed(tmp_path, **arrays), f"is damaged: .*{expected}")


DENSE = {"kind": "dense", "inputs": 2, "outputs": 2}
KEYS = ("layers", "image_shape", "class_names", "facts")
WRONG_METADATA = {
    **{f"no {key}": ({key: None}, f"it has no '{key}'") for key in KEYS},
    **{f"{key} is no JSON": ({key: "{oops"}, "") for key in KEYS},
    **{f"{key} is empty": ({key: ""}, "") for key in KEYS},
    **{f"{key} is null": ({key: "null"}, "") for key in KEYS},
    **{f"{key} is a number": ({key: "5"}, "") for key in KEYS},
    **{f"{key} is a string": ({key: '"ab"'}, "") for key in KEYS},
    **{f"{key} is nested too deeply": ({key: "[" * 100_000 + "]" * 100_000}, "") for key in KEYS},
    "an unknown layer": ({"layers": json.dumps([DENSE, {"kind": "convolution"}])}, "no layer 'convolution'"),
    "a layer without a kind": ({"layers": json.dumps([{"inputs": 2, "outputs": 2}])}, "Layer 1 has no kind"),
    "a layer with a list for a kind": ({"layers": json.dumps([{**DENSE, "kind": []}])}, ""),
    "a layer with one setting too many": ({"layers": json.dumps([{**DENSE, "stride": 2}])}, "stride"),
    "a layer with a setting missing": ({"layers": json.dumps([{"kind": "dense", "inputs": 2}])}, "outputs"),
    "a layer of another width": ({"layers": json.dumps([{**DENSE, "outputs": 3}])}, ""),
    "a layer of absurd width": ({"layers": json.dumps([{**DENSE, "outputs": 10**15}])}, ""),
    "a layer of infinite width": ({"layers": json.dumps([{**DENSE, "outputs": INF}])}, ""),
    "a layer of no width": ({"layers": json.dumps([{**DENSE, "outputs": 0}])}, ""),
    "a layer with text for a width": ({"layers": json.dumps([{**DENSE, "outputs": "2"}])}, ""),
    "dropout of everything": ({"layers": json.dumps([DENSE, {"kind": "dropout", "rate": 1.0}])}, "rate"),
    "dropout of text": ({"layers": json.dumps([DENSE, {"kind": "dropout", "rate": "0.5"}])}, ""),
    "no layers": ({"layers": "[]"}, "Dense"),
    "layers that are no objects": ({"layers": "[1, 2]"}, ""),
    "layers that are an object": ({"layers": json.dumps(DENSE)}, "layers is not a list"),
    "pictures of another size": ({"image_shape": "[2, 2]"}, r"pictures \(2, 2\) need"),
    "pictures in three dimensions": ({"image_shape": "[1, 2, 1]"}, ""),
    "pictures of negative size": ({"image_shape": "[-1, -2]"}, "image_shape"),
    "pictures of fractional size": ({"image_shape": "[0.5, 4]"}, "image_shape"),
    "pictures of true size": ({"image_shape": "[true, 2]"}, "image_shape"),
    "one name too few": ({"class_names": '["a"]'}, "class names"),
    "names that are numbers": ({"class_names": "[1, 2]"}, "class_names is not a list"),
    "names in an object": ({"class_names": '{"a": 0, "b": 1}'}, "class_names is not a list"),
    "facts in a list": ({"facts": "[]"}, "facts"),
}


@pytest.mark.parametrize(("metadata", "expected"), WRONG_METADATA.values(), ids=WRONG_METADATA)
def test_metadata_that_does_not_fit_is_refused(tmp_path, metadata, expected):
    refused(changed(tmp_path, metadata), f"is damaged: .*{expected}")


# ------------------------------------------------------------------------------------------ damaged by chance


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = saved(tiny(), tmp_path)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        refused(path, "is not a whole model file")


def test_a_file_with_bytes_behind_its_end_is_refused(tmp_path):
    path = saved(tiny(), tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    refused(path, "is not a whole model file")


def test_a_file_with_any_byte_changed_is_refused(tmp_path):
    path = saved(tiny(), tmp_path)
    content = path.read_bytes()
    with path.open("r+b", buffering=0) as file:  # one byte at a time, which is faster than the whole
        for position, byte in enumerate(content):
            for flip in (0x01, 0x02, 0x10, 0x20, 0x80, 0xFF):
                file.seek(position)
                file.write(bytes([byte ^ flip]))
                refused(path, "is not a whole model file")
            file.seek(position)
            file.write(bytes([byte]))
    assert load_model(path).class_names == ("a", "b")


def test_a_flipped_bit_of_a_weight_does_not_fit_the_checksum(tmp_path):
    path = saved(tiny(), tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(path, "its checksum does not fit its content: it is damaged")


# ------------------------------------------------------------------------------------ forged, the checksum fitting


FORGED_LAYERS = {
    "a network of 10^18 weights": [{"kind": "dense", "inputs": 10**9, "outputs": 10**9}],
    "a network of more weights than bytes can be counted": [{"kind": "dense", "inputs": 10**30, "outputs": 10**30}],
    "a hundred thousand layers": [DENSE, *[{"kind": "relu"}] * 100_000],
    "more layers than a file may have": [DENSE, *[{"kind": "relu"}] * 1000],
    "an infinite slope": [DENSE, {"kind": "leaky_relu", "slope": 10**400}],
    "a slope of text": [DENSE, {"kind": "leaky_relu", "slope": "0.1"}],
    "no slope": [DENSE, {"kind": "leaky_relu", "slope": None}],
    "a width that is true": [{"kind": "dense", "inputs": 2, "outputs": True}],
    "a layer with an initializer": [{**DENSE, "initializer": "zeros"}],
    "a layer without its slope": [DENSE, {"kind": "leaky_relu"}],
    "a kind of a hundred thousand letters": [{"kind": "x" * 100_000}],
    "a setting of a hundred thousand letters": [{**DENSE, "x" * 100_000: 1}],
}


@pytest.mark.parametrize("layers", FORGED_LAYERS.values(), ids=FORGED_LAYERS)
def test_forged_layers_are_refused_with_little_memory(tmp_path, layers):
    path = changed(tmp_path, {"layers": json.dumps(layers)})
    tracemalloc.start()
    try:
        message = refused(path, "is damaged: ")
        assert tracemalloc.get_traced_memory()[1] < 40 * path.stat().st_size + (1 << 20)
    finally:
        tracemalloc.stop()
    assert len(message) < 1000


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '[{"kind": "relu", "kind": "dense"}]', '["\\ud800"]']
)
@pytest.mark.parametrize("key", KEYS)
def test_json_in_the_metadata_that_no_writer_writes_is_refused(tmp_path, key, text):
    refused(changed(tmp_path, {key: text}), "is damaged: ")


@pytest.mark.parametrize("shape", [(0,), (0, 10**9)])
def test_an_array_too_many_is_refused_even_if_it_is_empty(tmp_path, shape):
    refused(changed(tmp_path, extra=np.zeros(shape, F4)), "'extra', which none of its layers has")


@pytest.mark.parametrize("count", [0, 1, 3, 100_000])
def test_there_is_a_name_for_each_output(tmp_path, count):
    refused(changed(tmp_path, {"class_names": json.dumps(["x"] * count)}), f"2 outputs for {count} class names")


def test_a_network_of_more_layers_than_a_file_holds_is_not_saved(tmp_path):
    network = Network([Dense(2, 2), *[ReLU() for _ in range(1000)]], rng=0)
    with pytest.raises(InputError, match="1001 layers"):
        save_model(Model(network, Preparation((1, 2)), ("a", "b")), tmp_path / "model")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- not finite, on purpose


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_parameters_that_are_not_finite_can_be_looked_at_and_never_predict(tmp_path, value):
    path = changed(tmp_path, dense1_bias=np.array([1, value], F4))
    refused(path, "dense1.bias holds something other than finite numbers")
    model = load_model(path, allow_non_finite=True)
    assert_array_equal(model.network.layers[0].bias, np.array([1, value], F4))
    with pytest.raises(ValueRangeError, match=r"dense1\.bias contains NaN or infinity"):
        model.predict(np.zeros((1, 1, 2), np.uint8))


def test_a_preparation_that_is_not_finite_is_always_refused(tmp_path):
    path = changed(tmp_path, preparation_mean=np.array([NAN, 0]))
    with pytest.raises(ModelFileError, match="The mean has values that are infinite"):
        load_model(path, allow_non_finite=True)


# ------------------------------------------------------------------------------------------- read while it is saved

READER = """
import sys
from chainrule.files.model_file import load_model
seen = set()
print("reading", flush=True)
while len(seen) < 100:
    model = load_model(sys.argv[1])
    assert set(model.network.parameters.tolist()) == {float(model.facts["number"])}
    seen.add(model.facts["number"])
print("done", flush=True)
"""


def test_a_reader_sees_the_old_model_or_the_new_one_whole(tmp_path):
    def save_number(number):
        network = Network([Dense(100, 100)], parameters=np.full(10_100, number, F4))
        names = tuple(map(str, range(100)))
        save_model(Model(network, Preparation((10, 10)), names, {"number": number}), tmp_path / "model")

    save_number(0)
    command = [sys.executable, "-c", READER, tmp_path / "model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "reading\n"
        number = 0
        while reader.poll() is None:
            number += 1
            save_number(number)
        assert reader.stdout.read() == "done\n", reader.stderr.read()


def test_a_number_in_the_facts_that_python_reads_as_infinity_is_refused(tmp_path):
    metadata, arrays = taken_apart(saved(tiny(), tmp_path))
    (tmp_path / "model").write_bytes(pack_tensors(arrays, metadata | {"facts": '{"accuracy": 1e999}'}))
    with pytest.raises(ModelFileError, match="1e999 is too large"):
        load_model(tmp_path / "model")


def test_a_model_of_rows_is_not_saved_as_one_of_pictures(tmp_path):
    rows = Model(model_of().network, NoPreparation(model_of().preparation.shape), model_of().class_names)
    with pytest.raises(InputError, match=r"reads rows.*Preparation\(\(height, width\)\)"):
        save_model(rows, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
