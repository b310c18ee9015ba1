"""ONNX files of others: put together by hand as they write them, and written by them."""

import warnings

import numpy as np
import pytest

from chainrule.data.datasets import load_dataset
from chainrule.errors import InputError, ModelFileError, ShapeError, ValueRangeError
from chainrule.files.model_file import load_model, save_model
from chainrule.files.onnx import save_onnx
from chainrule.files.onnx_import import load_onnx
from chainrule.model import Committee
from chainrule.nn.activations import softmax

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FLOAT, DOUBLE, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.UINT8


tensor = onnx.numpy_helper.from_array


def node(operator, inputs, output, **attributes):
    """One node: `node("Gemm", "x w b", "z", transB=1)`."""
    domain = "ai.onnx.ml" if operator in ("Scaler", "ZipMap", "ArrayFeatureExtractor") else ""
    return onnx.helper.make_node(
        operator, inputs.split(), [output], domain=domain, name=f"{operator.lower()}_{output}", **attributes
    )


def graph_of(nodes, constants, *, shape=("N", 4), kind=FLOAT, outputs=("y",), metadata=None):
    """A whole file: nodes, constants by name, and one input, `x`."""
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", kind, shape)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [
            array if isinstance(array, onnx.TensorProto) else tensor(np.asarray(array), name)
            for name, array in constants.items()
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    file = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if metadata:
        file.producer_name = "chainrule"
        onnx.helper.set_model_props(file, metadata)
    return file


def drawn(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


W1, B1, W2, B2 = drawn(4, 3), drawn(3, seed=1), drawn(3, 2, seed=2), drawn(2, seed=3)
WEIGHTS = {"w1": W1, "b1": B1, "w2": W2, "b2": B2}
SOFTMAX = node("Softmax", "z2", "p")
FIRST = node("Gemm", "x w1 b1", "z1")
TAIL = [node("Gemm", "a1 w2 b2", "z2"), node("Softmax", "z2", "y")]
LAYERS = [FIRST, node("Relu", "z1", "a1"), *TAIL]
IMAGES = np.random.default_rng(7).integers(0, 256, (20, 2, 2), dtype=np.uint8)
X = IMAGES.reshape(20, 4).astype(np.float32) / np.float32(255)


def imported(tmp_path, file, **options):
    path = tmp_path / "model.onnx"
    path.write_bytes(file if isinstance(file, bytes) else file.SerializeToString())
    return load_onnx(path, **options)


def run(path, x, *, output=-1):
    """What onnxruntime makes of a file: its last output."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[output]


def by_hand(x, f=lambda z: np.maximum(z, 0)):
    return softmax(f(x @ W1 + B1) @ W2 + B2)


# ----------------------------------------------------------------------------------------------- hand-built


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (LAYERS, {}),
        ([node("Gemm", "x wt b1", "z1", transB=1, alpha=1.0, beta=1.0), *LAYERS[1:]], {"wt": W1.T.copy()}),
        ([node("Gemm", "x half twice", "z1", alpha=2.0, beta=0.5), *LAYERS[1:]], {"half": W1 / 2, "twice": B1 * 2}),
        ([node("MatMul", "x w1", "m1"), node("Add", "m1 b1", "z1"), *LAYERS[1:]], {}),
        ([node("MatMul", "x w1", "m1"), node("Add", "row m1", "z1"), *LAYERS[1:]], {"row": B1[None]}),
        ([node("MatMul", "x w1", "m1"), node("Sub", "m1 minus", "z1"), *LAYERS[1:]], {"minus": -B1}),
        ([node("Transpose", "wt", "w", perm=[1, 0]), node("Gemm", "x w b1", "z1"), *LAYERS[1:]], {"wt": W1.T.copy()}),
        ([node("Identity", "b1", "b"), node("Gemm", "x w1 b", "z1"), *LAYERS[1:]], {}),
        ([node("Dropout", "x", "same"), node("Gemm", "same w1 b1", "z1"), *LAYERS[1:]], {}),
        ([node("Cast", "x", "xf", to=FLOAT), node("Gemm", "xf w1 b1", "z1"), *LAYERS[1:]], {}),
        ([*LAYERS[:3], node("LogSoftmax", "z2", "y", axis=-1)], {}),
        ([*LAYERS[:2], node("Gemm", "a1 w2 b2", "y")], {}),
        (
            [
                node("Constant", "", "c", value=tensor(B1)),
                node("Gemm", "x w1 c", "z1"),
                *LAYERS[1:],
            ],
            {},
        ),
    ],
    ids=[
        *("Gemm", "Gemm turned", "Gemm scaled", "MatMul and Add", "Add turned", "Sub", "Transpose", "Identity"),
        *("Dropout", "Cast", "LogSoftmax", "logits", "Constant"),
    ],
)
def test_the_ways_in_which_a_layer_is_written_give_the_same_probabilities(tmp_path, nodes, constants):
    model = imported(tmp_path, graph_of(nodes, WEIGHTS | constants))
    assert np.allclose(model.probabilities(IMAGES), by_hand(X), rtol=0, atol=1e-6)
    assert [layer["kind"] for layer in model.network.configuration()] == ["dense", "relu", "dense"]
    assert model.class_names == ("0", "1")


@pytest.mark.parametrize("operator", ["Relu", "LeakyRelu", "Tanh", "Sigmoid"])
def test_every_activation_is_read_as_onnxruntime_runs_it(tmp_path, operator):
    model = imported(tmp_path, graph_of([LAYERS[0], node(operator, "z1", "a1"), *TAIL], WEIGHTS))
    assert np.allclose(model.probabilities(IMAGES), run(tmp_path / "model.onnx", X), rtol=0, atol=1e-6)


def test_a_slope_is_the_decimal_that_was_meant(tmp_path):
    model = imported(tmp_path, graph_of([LAYERS[0], node("LeakyRelu", "z1", "a1", alpha=0.2), *TAIL], WEIGHTS))
    assert model.network.configuration()[1] == {"kind": "leaky_relu", "slope": 0.2}


POSITIVE = drawn(4) ** 2 + 1
SCALED = node("Gemm", "scaled w1 b1", "z1")


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Div", "x white", "scaled")], {"white": np.float32(255)}),
        (
            [node("Mul", "x gain", "some"), node("Add", "some offset", "scaled")],
            {"gain": POSITIVE, "offset": B2[0]},
        ),
        (
            [node("Sub", "x mean", "some"), node("Div", "some deviation", "scaled")],
            {"mean": drawn(4), "deviation": POSITIVE},
        ),
        ([node("Scaler", "x", "scaled", offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 0.1, 0.2, 0.3])], {}),
        ([node("Add", "offset x", "scaled")], {"offset": drawn(1, 4)}),
    ],
    ids=["Div", "Mul and Add", "Sub and Div", "Scaler", "Add turned"],
)
def test_what_scales_the_pixels_becomes_the_preparation(tmp_path, nodes, constants):
    model = imported(tmp_path, graph_of([*nodes, SCALED, *LAYERS[1:]], WEIGHTS | constants), largest_pixel=255)
    expected = run(tmp_path / "model.onnx", IMAGES.reshape(20, 4).astype(np.float32))
    assert np.allclose(model.probabilities(IMAGES), expected, rtol=0, atol=1e-5)
    assert np.array_equal(model.network.layers[0].weight, W1)


def test_a_file_that_reads_bytes_says_itself_how_they_are_scaled(tmp_path):
    nodes = [node("Flatten", "x", "flat"), node("Cast", "flat", "xf", to=FLOAT), node("Div", "xf white", "scaled")]
    file = graph_of([*nodes, SCALED, *LAYERS[1:]], WEIGHTS | {"white": np.float32(255)}, kind=UINT8, shape=("N", 2, 2))
    model = imported(tmp_path, file)
    assert np.allclose(model.probabilities(IMAGES), by_hand(X), rtol=0, atol=1e-6)
    assert model.preparation.mean is None
    with pytest.raises(InputError, match="says itself how to scale"):
        imported(tmp_path, file, largest_pixel=255)


@pytest.mark.parametrize(
    ("options", "x"),
    [
        ({}, X),
        ({"largest_pixel": 255}, X * 255),
        ({"mean": 0.1307, "deviation": 0.3081}, (X - 0.1307) / 0.3081),
        ({"largest_pixel": 255, "mean": 33.3, "deviation": 78.6}, (X * 255 - 33.3) / 78.6),
    ],
    ids=["unit", "bytes", "standardised", "standardised bytes"],
)
def test_what_the_file_does_not_say_of_its_pixels_is_told(tmp_path, options, x):
    model = imported(tmp_path, graph_of(LAYERS, WEIGHTS), **options)
    assert np.allclose(model.probabilities(IMAGES), by_hand(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [("N", 2, 2), ("N", 1, 2, 2), ("N", 2, 2, 1), (1, 2, 2), (None, 2, 2)])
@pytest.mark.parametrize("flat", [[-1, 4], [0, -1], [0, 4], [1, 4]])
def test_pictures_are_flattened_in_the_ways_that_exist(tmp_path, shape, flat):
    nodes = [node("Reshape", "x to", "scaled"), SCALED, *LAYERS[1:]]
    model = imported(tmp_path, graph_of(nodes, WEIGHTS | {"to": np.array(flat)}, shape=shape))
    assert np.allclose(model.probabilities(IMAGES), by_hand(X), rtol=0, atol=1e-6)


def test_pictures_that_are_no_squares_have_the_files_shape_or_one_that_is_told(tmp_path):
    weights = WEIGHTS | {"w1": drawn(6, 3)}
    assert imported(tmp_path, graph_of(LAYERS, weights, shape=("N", 6)), image_shape=(2, 3)).preparation.shape == (2, 3)
    nodes = [node("Flatten", "x", "scaled"), SCALED, *LAYERS[1:]]
    assert imported(tmp_path, graph_of(nodes, weights, shape=("N", 3, 2))).preparation.shape == (3, 2)
    with pytest.raises(ModelFileError, match=r"model\.onnx\. .* 6 pixels, which make no square\. Give image_shape"):
        imported(tmp_path, graph_of(LAYERS, weights, shape=("N", 6)))
    for options, message in [
        ({"image_shape": (2, 2)}, r"image_shape is \(2, 2\); the network reads 6 pixels"),
        ({"image_shape": 6}, "image_shape is 6"),
    ]:
        with pytest.raises(ShapeError, match=message):
            imported(tmp_path, graph_of(LAYERS, weights, shape=("N", 6)), **options)
    with pytest.raises(ShapeError, match=r"image_shape is \(2, 3\), and .* says \(3, 2\)"):
        imported(tmp_path, graph_of(nodes, weights, shape=("N", 3, 2)), image_shape=(2, 3))


def test_where_the_width_of_the_input_is_left_open_the_first_layer_tells(tmp_path):
    assert imported(tmp_path, graph_of(LAYERS, WEIGHTS, shape=("N", "D"))).preparation.shape == (2, 2)


def test_two_classes_by_one_sigmoid_have_the_probabilities_of_two(tmp_path):
    nodes = [
        FIRST,
        node("Relu", "z1", "a1"),
        node("Gemm", "a1 w b", "z2"),
        node("Sigmoid", "z2", "p"),
        node("Sub", "one p", "q"),
        node("Concat", "q p", "y", axis=1),
    ]
    constants = WEIGHTS | {"w": W2[:, :1].copy(), "b": B2[:1], "one": np.float32(1)}
    model = imported(tmp_path, graph_of(nodes, constants))
    assert np.allclose(model.probabilities(IMAGES), run(tmp_path / "model.onnx", X), rtol=0, atol=1e-6)
    alone = imported(tmp_path, graph_of(nodes[:4], constants, outputs=("p",)))
    assert np.array_equal(alone.probabilities(IMAGES), model.probabilities(IMAGES))


def test_class_names_come_in_the_order_of_the_columns(tmp_path):
    nodes = [
        *LAYERS,
        node("ArgMax", "y", "best", axis=1),
        node("ArrayFeatureExtractor", "classes best", "named"),
        node("ZipMap", "y", "zipped", classlabels_strings=["zebra", "ant"]),
    ]
    classes = {"classes": np.array(["zebra", "ant"], object)}
    model = imported(tmp_path, graph_of(nodes, WEIGHTS | classes, outputs=("named", "zipped")))
    assert model.class_names == ("zebra", "ant")
    assert np.allclose(model.probabilities(IMAGES), by_hand(X), rtol=0, atol=1e-6)
    classes = {"classes": np.array(["ant", "zebra"], object)}
    with pytest.raises(ModelFileError, match="names its classes in two ways"):
        imported(tmp_path, graph_of(nodes, WEIGHTS | classes, outputs=("named", "zipped")))


def test_float64_where_a_weight_is(tmp_path):
    double = {name: array.astype(np.float64) for name, array in WEIGHTS.items()}
    assert imported(tmp_path, graph_of(LAYERS, WEIGHTS)).network.dtype == np.float32
    assert imported(tmp_path, graph_of(LAYERS, double, kind=DOUBLE)).network.dtype == np.float64


def test_where_it_came_from_is_remembered_and_it_is_saved_as_any_model(tmp_path):
    file = graph_of(LAYERS, WEIGHTS)
    file.producer_name, file.producer_version = "somebody", "3"
    model = imported(tmp_path, file)
    assert model.facts == {"imported_from": "model.onnx", "producer": "somebody 3"}
    save_model(model, tmp_path / "model.safetensors")
    assert np.array_equal(load_model(tmp_path / "model.safetensors").predict(IMAGES), model.predict(IMAGES))


# --------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([node("Conv", "x k", "y")], {"k": drawn(1, 1, 1, 1)}, r"the node 'conv_y' \(Conv\) is no part of"),
        ([node("Loop", "x", "y")], {}, "is no part of a multilayer"),
        ([node("Gemm", "x w1 b1", "z1", transA=1), *LAYERS[1:]], {}, "transA"),
        ([node("MatMul", "w1 x", "z1"), *LAYERS[1:]], {}, "something else than pictures"),
        ([node("Gemm", "x w2 b2", "y")], {}, r"reads 3 numbers a row, and is given \(4,\)"),
        ([node("Gemm", "x y b1", "z1"), *LAYERS[1:]], {}, "needs 'y', which no node before it gives"),
        ([node("Gemm", "x w1 b2", "z1"), *LAYERS[1:]], {}, r"values of shape \(3,\) with numbers of shape \(2,\)"),
        ([*LAYERS[:2], node("Mul", "a1 c", "a2"), node("Gemm", "a2 w2 b2", "y")], {"c": B2[0]}, "an activation gives"),
        ([node("Mul", "x zero", "s"), node("Gemm", "s w1 b1", "y")], {"zero": np.float32(0)}, "multiplies pixels by 0"),
        ([node("Sub", "one x", "s"), node("Gemm", "s w1 b1", "y")], {"one": np.float32(1)}, "by 0, by less"),
        ([FIRST, FIRST], {}, "gives nothing, or what is there"),
        ([*LAYERS[:3], node("Softmax", "z2", "y", axis=0)], {}, "does not go along the classes"),
        ([*LAYERS[:3], node("ArgMax", "z2", "y", axis=0)], {}, "does not go along the classes"),
        ([node("Gemm", "x w b", "y")], {"w": W1[:, :1].copy(), "b": B1[:1]}, "one number a picture"),
        ([node("Identity", "x", "y")], {}, "no Gemm and no MatMul"),
        ([node("Shape", "x", "y")], {}, "an output is none of a network's"),
        (LAYERS[:2], {}, "an output is none of a network's"),
        ([node("LeakyRelu", "x", "y", alpha=2.0)], {}, "slope must be at least 0 and below 1"),
        ([node("Reshape", "x to", "r"), node("Gemm", "r w1 b1", "y")], {"to": np.array([-1, 2])}, "one row of each"),
        ([node("Cast", "x", "c", to=onnx.TensorProto.INT32), node("Gemm", "c w1 b1", "y")], {}, "other numbers"),
        ([node("Dropout", "x r t", "d"), node("Gemm", "d w1 b1", "y")], {"r": B2[0], "t": np.array(1)}, r"eval\(\)"),
        ([node("Gemm", "x inf b1", "z1"), *LAYERS[1:]], {"inf": W1 * np.inf}, r"dense1\.weight contains NaN"),
        ([node("Gemm", "x w1", "a"), node("Gemm", "x w1", "y")], {"w1": W1.astype(np.float16)}, "float16; expected"),
        ([node("Transpose", "x", "t"), node("Gemm", "t w1 b1", "y")], {}, "something else around than a weight"),
        ([node("Gemm", "x", "y")], {}, "has 1 inputs; expected 2 to 3"),
        ([*LAYERS[:3], node("ZipMap", "z2", "y")], {}, "names something else than probabilities"),
        ([*LAYERS[:3], SOFTMAX, node("ZipMap", "p", "y", classlabels_int64s=[1, 2, 3])], {}, "names 3 classes"),
    ],
)  # fmt: skip
def test_what_is_no_multilayer_perceptron_is_refused_and_the_node_named(tmp_path, nodes, constants, message):
    with pytest.raises(ModelFileError, match=message) as refusal:
        imported(tmp_path, graph_of(nodes, WEIGHTS | constants))
    assert str(refusal.value).startswith(f"Cannot import {tmp_path / 'model.onnx'}: ")


def test_outputs_must_belong_to_one_network(tmp_path):
    with pytest.raises(ModelFileError, match="of several networks, or of inner layers"):
        imported(tmp_path, graph_of(LAYERS, WEIGHTS, outputs=("y", "a1")))
    assert imported(tmp_path, graph_of(LAYERS, WEIGHTS, outputs=("y", "z2"))).class_names == ("0", "1")


def test_a_committee_does_not_come_back_as_one_model(tmp_path):
    one = imported(tmp_path, graph_of(LAYERS, WEIGHTS))
    save_onnx(Committee((one, one)), tmp_path / "model.onnx")
    with pytest.raises(ModelFileError, match=r"'add_members' \(Sum\) is no part"):
        load_onnx(tmp_path / "model.onnx")


def test_metadata_that_claim_to_be_ours_are_checked(tmp_path):
    good = {"format": "chainrule-model", "version": "1", "class_names": '["a", "b"]', "facts": "{}"}
    assert imported(tmp_path, graph_of(LAYERS, WEIGHTS, metadata=good)).class_names == ("a", "b")
    for change in (
        {"class_names": '["a"]'},
        {"class_names": "[1, 2]"},
        {"facts": "[]"},
        {"facts": "{"},
        {"facts": '{"x": NaN}'},
    ):
        with pytest.raises(ModelFileError, match=r"metadata are damaged|names 1 classes"):
            imported(tmp_path, graph_of(LAYERS, WEIGHTS, metadata=good | change))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("largest_pixel", 0),
        ("largest_pixel", -1),
        ("deviation", 0),
        ("deviation", np.inf),
        ("mean", np.nan),
        ("mean", "a"),
    ],
)
def test_a_scale_that_makes_no_sense_is_refused(tmp_path, option, value):
    with pytest.raises(ValueRangeError, match=f"{option} is "):
        imported(tmp_path, graph_of(LAYERS, WEIGHTS), **{option: value})


# ------------------------------------------------------------------------------------------------ scikit-learn


@pytest.fixture(scope="module")
def digits():
    """Rows as scikit-learn takes them, labels, and a few test pictures."""
    data = load_dataset("digits")
    rows = data.train_images.reshape(-1, 784)[:400].astype(np.float32) / 255
    return rows, data.train_labels[:400], data.test_images[:100]


def fitted(rows, labels, **options):
    neural_network = pytest.importorskip("sklearn.neural_network")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, and need not
        return neural_network.MLPClassifier((9, 7), max_iter=8, random_state=0, **options).fit(rows, labels)


def written_by_skl2onnx(tmp_path, classifier, row, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    (tmp_path / "model.onnx").write_bytes(skl2onnx.to_onnx(classifier, row, **options).SerializeToString())
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("zipmap", [True, False])
def test_what_skl2onnx_writes_predicts_what_scikit_learn_predicts(tmp_path, digits, activation, zipmap):
    rows, labels, images = digits
    classifier = fitted(rows, labels, activation=activation)
    model = load_onnx(written_by_skl2onnx(tmp_path, classifier, rows[:1], options={"zipmap": zipmap}))
    test_rows = images.reshape(-1, 784).astype(np.float32) / 255
    assert np.allclose(model.probabilities(images), classifier.predict_proba(test_rows), rtol=0, atol=1e-5)
    assert np.array_equal(model.predict(images), classifier.predict(test_rows))
    assert model.class_names == tuple("0123456789")


def test_texts_as_labels_keep_their_order(tmp_path, digits):
    rows, labels, images = digits
    words = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[labels]
    classifier = fitted(rows, words)
    model = load_onnx(written_by_skl2onnx(tmp_path, classifier, rows[:1]))
    assert model.class_names == tuple(classifier.classes_) != tuple(words[:10])
    expected = classifier.predict(images.reshape(-1, 784).astype(np.float32) / 255)
    assert [model.class_names[label] for label in model.predict(images)] == list(expected)


@pytest.mark.parametrize("words", [False, True])
def test_two_classes_from_skl2onnx(tmp_path, digits, words):
    rows, labels, images = digits
    rows, labels = rows[labels < 2], labels[labels < 2]
    classifier = fitted(rows, labels.astype(str) if words else labels + 5)
    model = load_onnx(written_by_skl2onnx(tmp_path, classifier, rows[:1]))
    assert model.class_names == (("0", "1") if words else ("5", "6"))
    expected = classifier.predict_proba(images.reshape(-1, 784).astype(np.float32) / 255)
    assert np.allclose(model.probabilities(images), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pipeline_with_a_scaler_becomes_a_preparation(tmp_path, digits, dtype):
    pipeline, preprocessing = pytest.importorskip("sklearn.pipeline"), pytest.importorskip("sklearn.preprocessing")
    rows, labels, images = digits
    rows = (rows * 255).astype(dtype)
    for scaler in (preprocessing.StandardScaler(), preprocessing.MinMaxScaler()):
        classifier = pipeline.make_pipeline(scaler, fitted(scaler.fit_transform(rows), labels))
        path = written_by_skl2onnx(tmp_path, classifier, rows[:1], options={"zipmap": False})
        model = load_onnx(path, largest_pixel=255)
        assert np.allclose(
            model.probabilities(images), run(path, images.reshape(-1, 784).astype(dtype)), rtol=0, atol=1e-5
        )
        assert model.preparation.mean is not None


# ----------------------------------------------------------------------------------------------------- PyTorch


def exported(torch, network, example, path, dynamo):
    """Written by `torch.onnx.export`; its newer exporter needs onnxscript."""
    if dynamo:
        pytest.importorskip("onnxscript")
    options = (
        {"dynamic_shapes": ({0: torch.export.Dim("n")},), "verbose": False}
        if dynamo
        else {"dynamic_axes": {"x": {0: "n"}}}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own
        torch.onnx.export(
            network.eval(), (torch.from_numpy(example),), str(path), dynamo=dynamo, input_names=["x"], **options
        )


def torch_networks(torch):
    """Three ways to write a network, what each reads, and what `load_onnx` is told."""
    nn = torch.nn

    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.last = nn.Linear(784, 16), nn.Linear(16, 10, bias=False)

        def forward(self, x):
            x = (x.view(-1, 784) / 255 - 0.1307) / 0.3081
            return torch.softmax(self.last(nn.functional.leaky_relu(self.inner(x), 0.2)), 1)

    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.last = nn.Linear(784, 16), nn.Linear(16, 10)

        def forward(self, x):
            x = x.reshape(x.shape[0], -1).float() / 255
            return nn.functional.log_softmax(self.last(torch.sigmoid(self.inner(x))), 1)

    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 10))
    return {
        "plain": (plain, lambda images: images[:, None].astype(np.float32) / 255, {}),
        "raw": (Raw(), lambda images: images.astype(np.float32), {"largest_pixel": 255}),
        "bytes": (Bytes(), lambda images: images, {}),
    }


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("kind", ["plain", "raw", "bytes"])
def test_what_pytorch_writes_predicts_what_pytorch_predicts(tmp_path, digits, kind, dynamo, capfd):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network, read, told = torch_networks(torch)[kind]
    images = digits[2]
    exported(torch, network, read(images[:2]), tmp_path / "model.onnx", dynamo)
    model = load_onnx(tmp_path / "model.onnx", **told)
    with torch.no_grad():
        expected = network(torch.from_numpy(read(images)))
    expected = (expected if kind == "raw" else torch.softmax(expected, 1)).numpy()
    assert np.allclose(model.probabilities(images), expected, rtol=0, atol=1e-5)
    assert model.preparation.shape == (28, 28)


def test_arrays_in_a_second_file_are_read_from_beside_it(tmp_path):
    """PyTorch's newer exporter writes them to model.onnx.data."""
    path = tmp_path / "model.onnx"
    file = graph_of(LAYERS, WEIGHTS)
    onnx.save(file, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    assert (tmp_path / "model.onnx.data").exists()
    assert np.allclose(load_onnx(path).probabilities(IMAGES), by_hand(X), rtol=0, atol=1e-6)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(ModelFileError, match=r"'model.onnx.data', which cannot be read .* Put it beside"):
        load_onnx(path)
