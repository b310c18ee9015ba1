import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.data.datasets import load_dataset
from chainrule.data.preparation import Preparation
from chainrule.errors import InputError, MissingPackageError, OutputError, ValueRangeError
from chainrule.files.onnx import IR_VERSION, OPSET, pack_onnx, save_onnx
from chainrule.files.onnx_import import load_onnx
from chainrule.model import Committee, Model
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.layers import Dense, Dropout
from chainrule.nn.network import Network, multilayer_perceptron
from chainrule.recipes import find_recipe, start

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session(model):
    return onnxruntime.InferenceSession(pack_onnx(model), providers=["CPUExecutionProvider"])


def answers(model, images):
    """The label and the probabilities that onnxruntime gives."""
    return session(model).run(["label", "probabilities"], {"pixels": images})


def pictures(n, shape=(3, 4), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def small(dtype=np.float32, *, layers=None, standardise=True, classes=3, seed=0):
    network = Network(layers or [Dense(12, 5), Tanh(), Dense(5, classes)], rng=seed, dtype=dtype)
    preparation = Preparation.fit(pictures(9, seed=5), standardise=standardise)
    return Model(network, preparation, tuple("abcdef"[:classes]), {"seed": seed, "dataset": "digits"})


# --------------------------------------------------------------------------------- the library's own numbers


@pytest.fixture(scope="module")
def read_digits(mnist):
    """A network that was trained on MNIST for two epochs."""
    for report in (training := start(find_recipe("standard"), mnist)):
        if report.epoch == 2 and report.train_accuracy is not None:
            return training.model
    raise AssertionError


def test_onnxruntime_gives_the_librarys_probabilities_to_1e_6_on_all_of_mnists_test_images(read_digits, mnist):
    network = read_digits.network
    exact = Model(
        network.with_parameters(network.parameters.astype(np.float64)), read_digits.preparation, read_digits.class_names
    )
    label, probabilities = answers(exact, mnist.test_images)
    assert np.abs(probabilities - exact.probabilities(mnist.test_images)).max() < 1e-12
    assert np.array_equal(label, exact.predict(mnist.test_images))


def test_in_float32_both_are_as_near_to_the_exact_numbers_and_all_labels_are_equal(read_digits, mnist):
    """Two orders of adding up 784 float32 numbers differ by more than 1e-6 in a few probabilities of 100,000."""
    label, probabilities = answers(read_digits, mnist.test_images)
    difference = np.abs(probabilities - read_digits.probabilities(mnist.test_images))
    assert np.quantile(difference, 0.999) < 1e-6
    assert difference.max() < 5e-6
    assert np.array_equal(label, read_digits.predict(mnist.test_images))
    assert np.mean(label == mnist.test_labels) > 0.95


LAYERS = [
    [Dense(12, 3)],
    [Dense(12, 4), ReLU(), Dense(4, 3)],
    [Dense(12, 4), LeakyReLU(0.2), Dense(4, 5), Sigmoid(), Dense(5, 3)],
    [Dense(12, 4), Tanh(), Dropout(0.5), Dense(4, 3), Tanh()],
    [Dropout(0.2), Dense(12, 4), Dense(4, 3)],
]


@pytest.mark.parametrize("layers", LAYERS, ids=lambda layers: "-".join(type(layer).__name__ for layer in layers))
@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_and_preparation_gives_the_same_answers(layers, standardise, dtype):
    model = small(dtype, layers=layers, standardise=standardise)
    label, probabilities = answers(model, pictures(50))
    assert probabilities.dtype == dtype
    assert np.abs(probabilities - model.probabilities(pictures(50))).max() < 1e-6
    assert np.array_equal(label, model.predict(pictures(50)))


@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    kind=st.sampled_from(["relu", "leaky_relu", "tanh", "sigmoid"]),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_random_networks_give_the_same_answers_and_come_back(tmp_path_factory, widths, kind, shape, seed):
    network = multilayer_perceptron((shape[0] * shape[1], *widths, 3), activation=kind, rng=seed, dtype=np.float64)
    preparation = Preparation.fit(pictures(9, shape, seed), standardise=bool(seed % 2))
    model = Model(network, preparation, ("x", "y", "z"))
    images = pictures(7, shape, seed + 1)
    assert np.allclose(answers(model, images)[1], model.probabilities(images), rtol=0, atol=1e-9)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    save_onnx(model, path)
    assert np.allclose(load_onnx(path).probabilities(images), model.probabilities(images), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_batch_may_have_any_number_of_pictures(n):
    label, probabilities = answers(small(), pictures(n))
    assert (label.shape, probabilities.shape) == ((n,), (n, 3))


def test_a_committee_is_the_mean_of_its_members():
    committee = Committee((small(seed=1), small(np.float64, standardise=False, seed=2), small(seed=3)))
    label, probabilities = answers(committee, pictures(40))
    expected = committee.probabilities(pictures(40))
    assert np.abs(probabilities - expected).max() < 1e-6
    assert np.array_equal(label, expected.argmax(axis=1))


# -------------------------------------------------------------------------------------- what others see in it


def test_the_file_is_of_opset_17_and_ir_8_and_passes_the_full_check():
    file = onnx.load_from_string(pack_onnx(small()))
    onnx.checker.check_model(file, full_check=True)
    assert [(opset.domain, opset.version) for opset in file.opset_import] == [("", OPSET)] == [("", 17)]
    assert file.ir_version == IR_VERSION == 8
    assert file.producer_name == "chainrule"


def test_its_input_is_the_picture_as_it_is_and_its_outputs_have_names():
    (pixels,) = session(small()).get_inputs()
    label, probabilities = session(small()).get_outputs()
    assert (pixels.name, pixels.type, pixels.shape) == ("pixels", "tensor(uint8)", ["N", 3, 4])
    assert (label.name, label.type, label.shape) == ("label", "tensor(int64)", ["N"])
    assert (probabilities.name, probabilities.type, probabilities.shape) == ("probabilities", "tensor(float)", ["N", 3])


def test_the_names_read_well_and_dropout_is_left_out():
    graph = onnx.load_from_string(pack_onnx(small(layers=[Dense(12, 5), ReLU(), Dropout(0.5), Dense(5, 3)]))).graph
    assert [f"{node.op_type} {node.name}: {', '.join(node.input)} → {node.output[0]}" for node in graph.node] == [
        "Flatten flatten: pixels → pixel_rows",
        "Cast to_float: pixel_rows → pixel_values",
        "Mul scale: pixel_values, pixel_gain → scaled",
        "Add shift: scaled, pixel_offset → x",
        "Gemm dense1: x, dense1.weight, dense1.bias → dense1.output",
        "Relu relu1: dense1.output → relu1.output",
        "Gemm dense2: relu1.output, dense2.weight, dense2.bias → logits",
        "Softmax softmax: logits → probabilities",
        "ArgMax most_probable: logits → label",
    ]
    assert sorted(array.name for array in graph.initializer) == [
        *("dense1.bias", "dense1.weight", "dense2.bias", "dense2.weight", "pixel_gain", "pixel_offset")
    ]


def test_whoever_opens_the_graph_reads_what_it_is():
    assert "multilayer perceptron (12-5-3) by chainrule" in onnx.load_from_string(pack_onnx(small())).doc_string


# ------------------------------------------------------------------------------------------------- and back


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_with_its_parameters_names_facts_and_probabilities(tmp_path, dtype, standardise):
    model = small(dtype, layers=[Dense(12, 5), LeakyReLU(0.1), Dropout(0.3), Dense(5, 3)], standardise=standardise)
    save_onnx(model, tmp_path / "model.onnx")
    back = load_onnx(tmp_path / "model.onnx")
    assert back.network.parameters.dtype == dtype
    assert np.array_equal(back.network.parameters, model.network.parameters)
    kinds = [layer for layer in model.network.configuration() if layer["kind"] != "dropout"]
    assert back.network.configuration() == kinds
    assert (back.class_names, back.facts) == (model.class_names, model.facts)
    assert (back.preparation.mean is None) == (not standardise)
    assert np.allclose(back.preparation.transform(pictures(9)), model.preparation.transform(pictures(9)), rtol=1e-6)
    expected = model.probabilities(pictures(50))
    tolerance = 0 if dtype == np.float32 else 1e-12  # 1 / (255 · 1 / (255 · d)) may be another float64 than d
    assert np.abs(back.probabilities(pictures(50)) - expected).max() <= tolerance


def test_a_constant_pixel_comes_back_only_shifted(tmp_path):
    images = pictures(9)
    images[:, 0, 0] = 7
    model = Model(small().network, Preparation.fit(images, standardise=True), ("a", "b", "c"))
    save_onnx(model, tmp_path / "model.onnx")
    back = load_onnx(tmp_path / "model.onnx")
    assert np.array_equal(back.probabilities(pictures(5)), model.probabilities(pictures(5)))


# --------------------------------------------------------------------------------------------------- refusals


def test_without_onnx_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'chainrule\[onnx\]'"):
        save_onnx(small(), tmp_path / "model.onnx")
    with pytest.raises(MissingPackageError, match=r"pip install 'chainrule\[onnx\]'"):
        load_onnx(tmp_path / "model.onnx")


def test_parameters_that_are_not_finite_are_not_written(tmp_path):
    model = small()
    model.network.parameters[3] = np.nan
    with pytest.raises(ValueRangeError, match=r"dense1\.weight contains NaN"):
        save_onnx(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_facts_that_are_no_json_are_refused():
    model = small()
    model.facts["strange"] = object()
    with pytest.raises(InputError, match="facts as JSON"):
        pack_onnx(model)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="expected a Model or a Committee"):
        pack_onnx(load_dataset("digits"))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        save_onnx(small(), tmp_path / "nowhere" / "model.onnx")
