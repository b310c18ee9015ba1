"""Random networks give the same output, loss and gradient here, in scikit-learn, in PyTorch and in onnxruntime.

Hypothesis draws depth, widths, activations, the number of examples, the scale of the weights and the seed. float64
agrees to its rounding, float32 to its own. scikit-learn shows no gradient, but takes one step of it; onnxruntime has
none, but the slope of its loss can be measured along any direction.
"""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh, softmax
from chainrule.nn.layers import Dense
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import Network

EXAMPLES = settings(max_examples=40, deadline=None)
ACTIVATIONS = {"relu": ReLU, "leaky_relu": lambda: LeakyReLU(0.1), "tanh": Tanh, "sigmoid": Sigmoid}
#: Relative to the largest number of an array: some hundred roundings, which add up from layer to layer.
TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-4}


@st.composite
def problems(draw, dtypes=(np.float32, np.float64), activations=tuple(ACTIVATIONS), one_activation=False, classes=2):
    """A network, a batch, labels and weights."""
    widths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    widths.append(draw(st.integers(classes, 6)))
    kinds = draw(st.lists(st.sampled_from(activations), min_size=len(widths) - 2, max_size=len(widths) - 2))
    kinds = kinds[:1] * len(kinds) if one_activation else kinds
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, dtype = draw(st.sampled_from([0.1, 1.0, 3.0])), draw(st.sampled_from(dtypes))
    layers = []
    for (n_in, n_out), kind in zip(itertools.pairwise(widths), [*kinds, None], strict=True):
        layers += [Dense(n_in, n_out), *([ACTIVATIONS[kind]()] if kind else [])]
    size = sum(n_in * n_out + n_out for n_in, n_out in itertools.pairwise(widths))
    network = Network(layers, parameters=(scale * rng.normal(size=size)).astype(dtype))
    count = draw(st.integers(1, 20))
    x = rng.normal(size=(count, network.inputs)).astype(dtype)
    return network, x, rng.integers(0, network.outputs, count), rng.uniform(0.1, 3.0, count).astype(dtype), kinds


def here(network, x, labels, weights=None):
    """Logits, loss, ∂ℓ/∂θ and ∂ℓ/∂x of this library."""
    trace = network.forward(x)
    logits = trace.output.copy()
    loss, d = cross_entropy(trace.output, labels, sample_weight=weights)
    gradient = network.backward(trace, d, input_gradient=True)
    return logits, loss, gradient, trace.d_input


def agree(found, expected, dtype, scale=1.0):
    expected = np.asarray(expected)
    tolerance = scale * TOLERANCE[dtype]
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1e-2, float(np.abs(expected).max(initial=0))))


def dense(network):
    return [layer for layer in network.layers if isinstance(layer, Dense)]


# PyTorch


@given(problems())
@EXAMPLES
def test_pytorch_has_the_same_output_loss_and_gradients(problem):
    torch = pytest.importorskip("torch")
    network, x, labels, weights, _ = problem
    z = torch.tensor(x, requires_grad=True)
    θ = torch.tensor(network.parameters, requires_grad=True)
    a, blocks = z, iter(network.layout)
    for layer in network.layers:
        if isinstance(layer, Dense):
            weight, bias = (θ[block.slice].reshape(block.shape) for block in (next(blocks), next(blocks)))
            a = a @ weight + bias
        else:
            a = {
                "relu": torch.relu,
                "leaky_relu": lambda a: torch.nn.functional.leaky_relu(a, 0.1),
                "tanh": torch.tanh,
                "sigmoid": torch.sigmoid,
            }[layer.kind](a)
    losses = torch.nn.functional.cross_entropy(a, torch.from_numpy(labels), reduction="none")
    loss = (losses * torch.from_numpy(weights)).sum() / torch.from_numpy(weights).sum()
    loss.backward()

    logits, ours, gradient, d_x = here(network, x, labels, weights)
    agree(logits, a.detach().numpy(), network.dtype)
    agree(ours, loss.item(), network.dtype)
    agree(gradient, θ.grad.numpy(), network.dtype)
    agree(d_x, z.grad.numpy(), network.dtype)


# scikit-learn


@given(problems(activations=("relu", "tanh", "sigmoid"), one_activation=True, classes=3))
@EXAMPLES
def test_scikit_learn_has_the_same_probabilities_loss_and_gradient(problem):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network, x, labels, _, kinds = problem
    x, labels = np.repeat(x, network.outputs, axis=0), np.tile(np.arange(network.outputs), len(x))  # it sees each class
    twin = MLPClassifier(
        [layer.outputs for layer in dense(network)[:-1]],
        {"sigmoid": "logistic"}.get(kinds[0], kinds[0]) if kinds else "relu",
        solver="sgd",
        alpha=0.0,
        momentum=0.0,
        learning_rate_init=1.0,
        batch_size=len(x),
        shuffle=False,
        warm_start=True,
        max_iter=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        twin.fit(x, labels)  # makes its arrays; the ones put there are what a warm start goes on from
        twin.coefs_ = [layer.weight.copy() for layer in dense(network)]
        twin.intercepts_ = [layer.bias.copy() for layer in dense(network)]
        probabilities = twin.predict_proba(x)
        twin.fit(x, labels)
    moved = [a.ravel() for pair in zip(twin.coefs_, twin.intercepts_, strict=True) for a in pair]

    logits, loss, gradient, _ = here(network, x, labels)
    agree(softmax(logits), probabilities, network.dtype)
    # It keeps probabilities from falling below the dtype's last digit, and losses from growing further.
    if probabilities.min() > 2 * np.finfo(network.dtype).eps:
        agree(loss, twin.loss_curve_[-1], network.dtype)
    largest = max(1.0, float(np.abs(network.parameters).max()))  # whose rounding the difference inherits
    agree(gradient, network.parameters - np.concatenate(moved), network.dtype, scale=10 * largest)


# onnxruntime


def onnx_graph(network):
    """x, labels and θ in; logits and loss out."""
    from onnx import TensorProto, helper, numpy_helper

    number = helper.np_dtype_to_tensor_dtype(network.dtype)
    nodes, constants, name = [], [], "x"
    blocks = iter(network.layout)

    def constant(name, values):
        constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    for i, layer in enumerate(network.layers):
        if isinstance(layer, Dense):
            parts = []
            for block in (next(blocks), next(blocks)):
                bounds = [constant(f"{block.name}.{end}", [getattr(block.slice, end)]) for end in ("start", "stop")]
                nodes.append(helper.make_node("Slice", ["theta", *bounds], [f"{block.name}.flat"]))
                shape = constant(f"{block.name}.shape", np.array(block.shape))
                nodes.append(helper.make_node("Reshape", [f"{block.name}.flat", shape], [block.name]))
                parts.append(block.name)
            nodes.append(helper.make_node("MatMul", [name, parts[0]], [f"product{i}"]))
            nodes.append(helper.make_node("Add", [f"product{i}", parts[1]], [f"out{i}"]))
        else:
            kind = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}[layer.kind]
            nodes.append(helper.make_node(kind, [name], [f"out{i}"]))
        name = f"out{i}"
    nodes += [
        helper.make_node("Identity", [name], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_p"], axis=1),
        helper.make_node("GatherElements", ["log_p", "labels"], ["picked"], axis=1),
        helper.make_node("ReduceMean", ["picked"], ["mean"], keepdims=0),
        helper.make_node("Neg", ["mean"], ["loss"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [
            helper.make_tensor_value_info("x", number, [None, network.inputs]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [None, 1]),
            helper.make_tensor_value_info("theta", number, [network.size]),
        ],
        [
            helper.make_tensor_value_info("logits", number, [None, network.outputs]),
            helper.make_tensor_value_info("loss", number, []),
        ],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@given(problems(activations=("relu", "tanh", "sigmoid")))
@EXAMPLES
def test_onnxruntime_has_the_same_output_loss_and_slope(problem):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    network, x, labels, _, kinds = problem
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        onnx_graph(network).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def there(θ):
        return session.run(None, {"x": x, "labels": labels[:, np.newaxis], "theta": θ})

    logits, loss, gradient, _ = here(network, x, labels)
    agree(logits, there(network.parameters)[0], network.dtype)
    agree(loss, there(network.parameters)[1], network.dtype)
    if network.dtype == np.float64 and "relu" not in kinds:  # a kink has no slope, and float32 no digits left for one
        direction = np.random.default_rng(0).normal(size=network.size)
        direction *= 1e-5 / np.linalg.norm(direction)
        rise = there(network.parameters + direction)[1] - there(network.parameters - direction)[1]
        assert_allclose(2 * gradient @ direction, rise, rtol=1e-5, atol=1e-13 * max(1.0, loss))
