import copy
import json
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import DtypeError, FailureError, InputError, ShapeError, UnknownNameError, ValueRangeError
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.gradient_check import gradient_check
from chainrule.nn.initializers import glorot_uniform, uniform
from chainrule.nn.layers import Dense, Dropout, Layer, ParameterSpec
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import ACTIVATIONS, Network, multilayer_perceptron
from chainrule.nn.optimizers import SGD, Adam, AdamW

ACTIVATION = pytest.mark.parametrize("activation", ACTIVATIONS)
DTYPE = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def perceptron(activation="relu", dtype=np.float64, **settings):
    return multilayer_perceptron(
        (5, 8, 6, 3), activation=activation, bias_initializer=uniform, rng=2, dtype=dtype, **settings
    )


def batch(n=7, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)).astype(dtype), rng.integers(0, 3, n)


def gradient_of(network, x, labels, *, into=None, seed=None, **options):
    """One trip: the loss, the gradient, and the trace."""
    trace = network.forward(x, rng=None if seed is None else np.random.default_rng(seed), into=into)
    loss, d = cross_entropy(trace.output, labels)
    return loss, network.backward(trace, d, **options), trace


def assert_bound(network):
    """Every weight and bias is the place in θ that the layout gives it."""
    arrays = [array for layer in network.layers if isinstance(layer, Dense) for array in (layer.weight, layer.bias)]
    for array, block in zip(arrays, network.layout, strict=True):
        place = block.view(network.parameters)
        assert array.shape == block.shape
        assert array.__array_interface__["data"] == place.__array_interface__["data"]
        assert array.strides == place.strides


# One flat θ


def test_every_weight_and_bias_is_a_view_of_theta():
    network = perceptron()
    assert network.parameters.ndim == 1
    assert network.parameters.flags.c_contiguous
    assert_bound(network)
    network.parameters[...] = np.arange(network.size)
    assert_array_equal(network.layers[0].weight, np.arange(40).reshape(5, 8))
    assert_array_equal(network.layers[0].bias, np.arange(40, 48))
    network.layers[-1].bias[...] = -1.0
    assert_array_equal(network.parameters[-3:], [-1.0, -1.0, -1.0])


def test_the_layout_names_each_block_in_order():
    layout = perceptron(input_dropout=0.1, hidden_dropout=0.2).layout
    assert [tuple(block) for block in layout] == [
        ("dense1.weight", slice(0, 40), (5, 8), True),
        ("dense1.bias", slice(40, 48), (8,), False),
        ("dense2.weight", slice(48, 96), (8, 6), True),
        ("dense2.bias", slice(96, 102), (6,), False),
        ("dense3.weight", slice(102, 120), (6, 3), True),
        ("dense3.bias", slice(120, 123), (3,), False),
    ]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.sampled_from([0.0, 0.5]))
def test_the_layout_covers_theta_exactly_once(widths, dropout):
    network = multilayer_perceptron(widths, hidden_dropout=dropout)
    covered = np.zeros(network.size, int)
    for block in network.layout:
        covered[block.slice] += 1
        assert np.prod(block.shape) == block.slice.stop - block.slice.start
        assert block.decays == block.name.endswith("weight")
    assert (covered == 1).all()
    assert len({block.name for block in network.layout}) == 2 * (len(widths) - 1)


def test_a_network_tells_its_widths_and_size():
    network = perceptron()
    assert (network.inputs, network.outputs, network.size) == (5, 3, 123)
    assert network.widths == (8, 8, 6, 6, 3)
    assert network.dtype == np.float64


def test_the_layers_it_is_given_stay_as_they_were():
    layers = [Dense(4, 3), ReLU(), Dense(3, 2)]
    network = Network(layers, rng=0)
    assert all(given is not bound for given, bound in zip(layers, network.layers, strict=True))
    assert not hasattr(layers[0], "weight")


def test_one_layer_given_twice_is_two_layers():
    layer = Dense(3, 3)
    network = Network([layer, layer], rng=0)
    assert_bound(network)
    assert (network.layers[0].weight != network.layers[1].weight).all()


def test_theta_given_is_borrowed():
    θ = np.arange(8.0)
    network = Network([Dense(3, 2)], parameters=θ)
    assert network.parameters is θ


def test_with_parameters_is_the_same_network_on_another_theta_and_shares_nothing():
    network = perceptron()
    before = network.parameters.copy()
    other = network.with_parameters(np.zeros(network.size))
    assert_bound(other)
    assert_bound(network)
    assert other.layout == network.layout
    assert other.configuration() == network.configuration()
    assert all(a is not b for a, b in zip(other.layers, network.layers, strict=True))
    other.parameters[...] = 7.0
    assert_array_equal(network.parameters, before)
    assert (other.layers[0].weight == 7.0).all()


def test_with_parameters_changes_the_dtype_of_the_whole():
    single = perceptron(dtype=np.float32)
    double = single.with_parameters(single.parameters.astype(np.float64))
    x, labels = batch()
    assert gradient_of(double, x, labels)[1].dtype == np.float64
    assert gradient_of(single, x.astype(np.float32), labels)[1].dtype == np.float32


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))], ids=["copy", "pickle"])
def test_a_copy_has_layers_bound_to_its_own_theta(duplicate):
    network = perceptron(hidden_dropout=0.5)
    twin = duplicate(network)
    assert_bound(twin)
    assert not np.shares_memory(twin.parameters, network.parameters)
    x, labels = batch()
    expected = gradient_of(network, x, labels, seed=1)[1]
    assert_array_equal(gradient_of(twin, x, labels, seed=1)[1], expected)
    twin.parameters[...] = 0.0
    assert (twin.forward(x).output == 0.0).all()
    assert (network.parameters != 0.0).any()


def test_one_seed_gives_one_network_in_float32_and_float64_up_to_rounding():
    single, double = perceptron(dtype=np.float32), perceptron(dtype=np.float64)
    assert_array_equal(single.parameters, double.parameters.astype(np.float32))
    x, labels = batch()
    one, other = gradient_of(single, x.astype(np.float32), labels), gradient_of(double, x, labels)
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert_allclose(one[1], other[1], rtol=1e-3, atol=1e-6)


def test_a_seed_and_a_generator_of_that_seed_draw_the_same():
    one = multilayer_perceptron((4, 3), rng=9)
    other = multilayer_perceptron((4, 3), rng=np.random.default_rng(9))
    assert_array_equal(one.parameters, other.parameters)
    assert (one.parameters != multilayer_perceptron((4, 3), rng=8).parameters).any()


def test_each_layer_is_drawn_with_its_own_initializer():
    wide = multilayer_perceptron((100, 50, 2), initializer=glorot_uniform, bias_initializer=uniform, rng=0)
    assert np.abs(wide.layers[0].weight).max() <= np.sqrt(6 / 150)
    assert np.abs(wide.layers[0].bias).max() > 0.3
    assert_array_equal(multilayer_perceptron((100, 50, 2), rng=0).layers[0].bias, np.zeros(50))


# Building


def test_a_perceptron_is_dense_layers_with_an_activation_between_them():
    network = multilayer_perceptron((5, 4, 3, 2), activation="tanh", input_dropout=0.1, hidden_dropout=0.2)
    assert network.configuration() == [
        {"kind": "dropout", "rate": 0.1},
        {"kind": "dense", "inputs": 5, "outputs": 4},
        {"kind": "tanh"},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "dense", "inputs": 4, "outputs": 3},
        {"kind": "tanh"},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "dense", "inputs": 3, "outputs": 2},
    ]


def test_the_configuration_survives_json_and_builds_the_same_network():
    network = Network(
        [Dropout(0.1), Dense(5, 4), LeakyReLU(0.2), Dense(4, 4), ReLU(), Dense(4, 3), Tanh(), Dense(3, 3), Sigmoid()],
        rng=0,
        dtype=np.float64,
    )
    configuration = json.loads(json.dumps(network.configuration()))
    twin = Network.from_configuration(configuration, network.parameters.copy())
    assert twin.configuration() == network.configuration() == configuration
    assert twin.layout == network.layout
    x, _ = batch()
    assert_array_equal(
        twin.forward(x, rng=np.random.default_rng(3)).output, network.forward(x, rng=np.random.default_rng(3)).output
    )


def test_an_unknown_layer_is_named_with_its_nearest_match():
    with pytest.raises(UnknownNameError, match=r"no layer 'densse'. Did you mean 'dense'\?"):
        Network.from_configuration([{"kind": "densse", "inputs": 1, "outputs": 1}], np.zeros(2))


def test_an_unknown_activation_is_named_with_its_nearest_match():
    with pytest.raises(UnknownNameError, match=r"no activation 'Relu'. Did you mean 'relu'\?"):
        multilayer_perceptron((3, 2, 1), activation="Relu")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Network([]),
        lambda: Network([ReLU()]),
        lambda: Network([Dense(3, 4), Dense(5, 2)]),
        lambda: multilayer_perceptron((5,)),
        lambda: multilayer_perceptron((5, 0, 2)),
        lambda: Network([Dense(2, 3)], parameters=np.zeros(8)),
        lambda: Network([Dense(2, 3)], parameters=np.zeros((9, 1))),
        lambda: Network([Dense(2, 3)], parameters=np.zeros(18)[::2]),
        lambda: perceptron().with_parameters(np.zeros(1)),
    ],
)
def test_layers_and_theta_that_do_not_fit_are_refused(make):
    with pytest.raises(ShapeError):
        make()


def test_neighbours_that_do_not_fit_are_told_the_number_they_need():
    with pytest.raises(ShapeError, match=r"Dense\(5, 2\) is given 4 values .* must be 4"):
        Network([Dense(3, 4), ReLU(), Dense(5, 2)])


def test_theta_must_be_floats():
    with pytest.raises(DtypeError, match="int64"):
        Network([Dense(2, 3)], parameters=np.zeros(9, np.int64))


# Forward, backward, and what they leave alone


@ACTIVATION
@DTYPE
@pytest.mark.parametrize("seed", [None, 5])
def test_nothing_that_is_given_changes(activation, dtype, seed):
    network = perceptron(activation, dtype, input_dropout=0.2, hidden_dropout=0.5)
    x, labels = batch(dtype=dtype)
    θ = network.parameters.copy()
    x_before, labels_before = x.copy(), labels.copy()
    gradient_of(network, x, labels, seed=seed, input_gradient=True)
    assert_array_equal(x, x_before)
    assert_array_equal(labels, labels_before)
    assert_array_equal(network.parameters, θ)


@ACTIVATION
@DTYPE
@pytest.mark.parametrize("seed", [None, 5])
def test_keeping_all_gives_the_same_bits(activation, dtype, seed):
    network = perceptron(activation, dtype, input_dropout=0.2, hidden_dropout=0.5)
    x, labels = batch(dtype=dtype)
    loss, gradient, trace = gradient_of(network, x, labels, seed=seed, input_gradient=True)
    all_kept = network.trace(len(x), keep_all=True)
    kept_loss, kept_gradient, _ = gradient_of(network, x, labels, seed=seed, into=all_kept, input_gradient=True)
    assert kept_loss == loss
    assert_array_equal(kept_gradient, gradient)
    assert_array_equal(all_kept.output, trace.output)
    assert_array_equal(all_kept.d_input, trace.d_input)


def test_keeping_all_keeps_every_z_and_a_apart():
    network = perceptron("tanh")
    x, _ = batch()
    trace = network.trace(len(x), keep_all=True)
    network.forward(x, into=trace)
    z1, a1, z2, a2, z3 = trace.outputs
    W = [layer.weight for layer in network.layers if isinstance(layer, Dense)]
    b = [layer.bias for layer in network.layers if isinstance(layer, Dense)]
    assert_allclose(z1, x @ W[0] + b[0], rtol=1e-14)
    assert_allclose(a1, np.tanh(z1), rtol=1e-14)
    assert_allclose(z2, a1 @ W[1] + b[1], rtol=1e-13)
    assert_allclose(a2, np.tanh(z2), rtol=1e-14)
    assert_allclose(z3, a2 @ W[2] + b[2], rtol=1e-13)


def memory(array):
    return array.__array_interface__["data"][0]


def test_an_activation_is_written_over_a_dense_layer_and_over_nothing_else():
    layers = [Tanh(), Dense(5, 4), Tanh(), Sigmoid(), Dropout(0.5), ReLU(), Dense(4, 4), LeakyReLU()]
    network = Network(layers, rng=0, dtype=np.float64)
    x, _ = batch()
    trace = network.forward(x, rng=np.random.default_rng(0))
    places = [memory(output) for output in (x, *trace.outputs)]
    shared = [i for i in range(len(layers)) if places[i + 1] == places[i]]
    assert shared == [2, 7]
    assert len(set(places)) == len(places) - 2


@ACTIVATION
def test_an_activation_that_comes_first_does_not_write_over_x(activation):
    network = Network([ACTIVATIONS[activation](), Dense(5, 3)], rng=0, dtype=np.float64)
    x, labels = batch()
    before = x.copy()
    gradient_of(network, x, labels, input_gradient=True)
    assert_array_equal(x, before)


def test_x_is_borrowed():
    x, _ = batch()
    assert perceptron().forward(x).x is x


@pytest.mark.parametrize("order", ["reversed", "columns", "slice"])
def test_x_may_lie_in_memory_in_any_order(order):
    network = perceptron()
    x, labels = batch()
    other = {
        "reversed": x[::-1].copy()[::-1],
        "columns": np.asfortranarray(x),
        "slice": np.repeat(x, 2, axis=1)[:, ::2],
    }[order]
    assert_allclose(gradient_of(network, other, labels)[1], gradient_of(network, x, labels)[1], rtol=1e-12)


def test_the_input_gradient_is_there_only_for_who_asks():
    network = perceptron(input_dropout=0.3)
    x, labels = batch()
    _, gradient, trace = gradient_of(network, x, labels, seed=1)
    assert trace.d_input is None
    _, again, trace = gradient_of(network, x, labels, seed=1, into=trace, input_gradient=True)
    assert trace.d_input.shape == x.shape
    assert_array_equal(again, gradient)
    gradient_of(network, x, labels, seed=1, into=trace)
    assert trace.d_input is None


@pytest.mark.parametrize("settings", [{}, {"input_dropout": 0.3, "hidden_dropout": 0.4}], ids=["plain", "dropout"])
def test_the_input_gradient_alone_is_the_one_that_backward_leaves(settings):
    network = perceptron(**settings)
    x, labels = batch()
    expected = gradient_of(network, x, labels, seed=1, input_gradient=True)[2].d_input.copy()
    trace = network.forward(x, rng=np.random.default_rng(1))
    _, d = cross_entropy(trace.output, labels)
    assert_array_equal(network.input_gradient(trace, d), expected)


def test_the_input_gradient_alone_refuses_what_backward_refuses():
    network = perceptron()
    trace = network.forward(batch()[0])
    with pytest.raises(ShapeError, match=r"d has shape \(7, 4\)"):
        network.input_gradient(trace, np.zeros((7, 4)))
    with pytest.raises(InputError, match=r"call network\.forward first"):
        perceptron().input_gradient(trace, np.zeros((7, 3)))


def test_the_input_gradient_of_a_value_that_dropped_out_is_zero():
    network = perceptron(input_dropout=0.5)
    x, labels = batch()
    trace = gradient_of(network, x, labels, seed=1, input_gradient=True)[2]
    assert_array_equal(trace.d_input == 0.0, trace.outputs[0] == 0.0)


def test_backward_may_be_asked_again():
    network = perceptron(hidden_dropout=0.5)
    x, labels = batch()
    trace = network.forward(x, rng=np.random.default_rng(0))
    _, d = cross_entropy(trace.output, labels)
    first = network.backward(trace, d.copy())
    assert_array_equal(network.backward(trace, d.copy()), first)


def test_the_gradient_is_linear_in_d():
    network = perceptron()
    x, labels = batch()
    trace = network.forward(x)
    _, d = cross_entropy(trace.output, labels)
    assert_allclose(network.backward(trace, 4 * d), 4 * network.backward(trace, d), rtol=1e-12)


def test_a_batch_that_is_refused_leaves_the_trace_to_the_network_that_wrote_it():
    network, other, (x, labels) = perceptron(), perceptron(), batch()
    _, _, trace = gradient_of(network, x, labels)
    with pytest.raises(ShapeError, match="room for 7"):
        other.forward(batch(8)[0], into=trace)
    with pytest.raises(InputError, match="does not hold a batch of this network"):
        other.backward(trace, np.ones((7, 3)))


def test_one_trace_fills_one_array_and_then_another():
    network, (x, labels) = perceptron(), batch()
    trace, first, second = network.trace(7), np.zeros(network.size), np.zeros(network.size)
    for into in (first, second):
        _, d = cross_entropy(network.forward(x, into=trace).output, labels)
        network.backward(trace, d, into=into)
    assert first.any()
    assert_array_equal(first, second)


def test_into_receives_the_gradient_and_replaces_what_was_there():
    network = perceptron()
    x, labels = batch()
    expected = gradient_of(network, x, labels)[1]
    into = np.full(network.size, np.nan)
    assert gradient_of(network, x, labels, into=None)[1] is not into
    trace = network.forward(x)
    _, d = cross_entropy(trace.output, labels)
    assert network.backward(trace, d, into=into) is into
    assert_array_equal(into, expected)


@pytest.mark.parametrize("cuts", [(3,), (1, 2), (2, 4, 6)])
def test_a_batch_in_parts_adds_up_to_the_whole(cuts):
    network = perceptron()
    x, labels = batch()
    loss, whole, _ = gradient_of(network, x, labels)
    trace, gradient, losses = network.trace(len(x)), np.empty(network.size), []
    for k, part in enumerate(np.split(np.arange(len(x)), cuts)):
        network.forward(x[part], into=trace)
        part_loss, d = cross_entropy(trace.output, labels[part], total=len(x))
        losses.append(part_loss)
        network.backward(trace, d, into=gradient, add=k > 0)
    assert sum(losses) == pytest.approx(loss, rel=1e-13)
    assert_allclose(gradient, whole, rtol=1e-12, atol=1e-16)


@DTYPE
@pytest.mark.parametrize("rates", [{"input_dropout": 0.3}, {"hidden_dropout": 0.5}])
def test_a_batch_in_parts_drops_what_the_whole_drops(rates, dtype):
    network = multilayer_perceptron((5, 8, 3), rng=1, dtype=dtype, **rates)
    x, labels = batch(dtype=dtype)
    loss, whole, _ = gradient_of(network, x, labels, seed=4)
    rng, gradient, losses = np.random.default_rng(4), np.zeros(network.size, dtype), []
    for part in (slice(0, 3), slice(3, 7)):
        trace = network.forward(x[part], rng=rng)
        part_loss, d = cross_entropy(trace.output, labels[part], total=len(x))
        losses.append(part_loss)
        network.backward(trace, d, into=gradient, add=True)
    tolerance = 100 * float(np.finfo(dtype).eps)
    assert sum(losses) == pytest.approx(loss, rel=tolerance)
    assert_allclose(gradient, whole, rtol=tolerance, atol=tolerance)


def test_adding_to_nothing_is_the_gradient_itself():
    network = perceptron()
    x, labels = batch()
    expected = gradient_of(network, x, labels)[1]
    for _ in range(3):  # memory that was used before is not 0
        np.full(network.size, 1e30)
        assert_array_equal(gradient_of(network, x, labels, add=True)[1], expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_or_with_a_warm_trace_shows_in_the_loss(value):
    network, (x, labels) = perceptron(), batch()
    warm = network.forward(x)
    x[2, 1] = value
    with pytest.raises(ValueRangeError, match=rf"x contains {value} at index \(2, 1\); expected finite numbers"):
        network.forward(x)
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(gradient_of(network, x, labels, into=warm)[0])


def test_a_network_that_ends_in_an_activation_takes_a_gradient_that_lies_apart_from_its_output():
    network, (x, _) = Network([Dense(5, 3), Sigmoid()], rng=0, dtype=np.float64), batch()
    trace, d = network.forward(x), np.ones((7, 3))
    a = trace.output.copy()
    expected = x.T @ (a * (1 - a))
    assert_allclose(network.backward(trace, d)[:15].reshape(5, 3), expected, rtol=1e-12)
    with pytest.raises(InputError, match="d was written over the output of Sigmoid"):
        network.backward(trace, trace.output)


@pytest.mark.parametrize("widths", [(), (784,), [10], iter(()), 784, None])
def test_fewer_than_two_widths_are_refused(widths):
    with pytest.raises(ShapeError, match=r"expected at least the inputs and the outputs, as \(784, 10\)"):
        multilayer_perceptron(widths)


class Scale(Layer):
    """y = x · weight, one number a column."""

    kind = "scale"

    def __init__(self, width):
        self.width = width

    def parameter_specs(self):
        return (ParameterSpec("weight", (self.width,), False, uniform),)

    def forward(self, x, out, workspace, rng):
        return np.multiply(x, self.weight, out=out)

    def backward(self, x, out, d, d_x, workspace, gradient):
        np.sum(x * d, axis=0, out=gradient["weight"])
        return np.multiply(d, self.weight, out=d)


def test_a_layer_that_learns_may_stand_before_the_first_dense():
    x, labels = batch()
    network = Network([Dropout(0.2), Scale(5), ReLU(), Dense(5, 3)], rng=0, dtype=np.float64)
    errors = gradient_check(network, cross_entropy, x, labels, seed=1)
    assert max(errors.values()) < 1e-7, errors
    with_input = gradient_of(network, x, labels, seed=1, input_gradient=True)[1]
    assert_array_equal(gradient_of(network, x, labels, seed=1)[1], with_input)


# rng


@DTYPE
def test_the_same_seed_gives_the_same_bits(dtype):
    network = perceptron(dtype=dtype, input_dropout=0.2, hidden_dropout=0.5)
    x, labels = batch(dtype=dtype)
    one, other = gradient_of(network, x, labels, seed=3), gradient_of(network, x, labels, seed=3)
    assert one[0] == other[0]
    assert_array_equal(one[1], other[1])
    assert (gradient_of(network, x, labels, seed=4)[1] != one[1]).any()


def test_without_a_generator_dropout_does_nothing():
    plain, dropping = perceptron(), perceptron(input_dropout=0.2, hidden_dropout=0.5)
    x, labels = batch()
    assert_array_equal(plain.parameters, dropping.parameters)
    trace = dropping.trace(len(x))
    dropping.forward(x, rng=np.random.default_rng(0), into=trace)  # leaves masks behind
    assert_array_equal(gradient_of(dropping, x, labels, into=trace)[1], gradient_of(plain, x, labels)[1])


def test_a_network_without_dropout_draws_nothing():
    x, _ = batch()
    rng = np.random.default_rng(0)
    perceptron().forward(x, rng=rng)
    assert rng.random() == np.random.default_rng(0).random()


# Traces


@ACTIVATION
@pytest.mark.parametrize("keep_all", [False, True])
def test_a_trace_serves_smaller_batches_with_its_leading_rows(activation, keep_all):
    network = perceptron(activation, input_dropout=0.2, hidden_dropout=0.5)
    trace = network.trace(7, keep_all=keep_all)
    whole = list(trace.outputs)
    for n in (7, 3, 1, 5, 7):
        x, labels = batch(n, seed=n)
        expected = gradient_of(network, x, labels, seed=n, input_gradient=True)
        actual = gradient_of(network, x, labels, seed=n, into=trace, input_gradient=True)
        assert actual[2] is trace
        assert (trace.rows, trace.capacity) == (n, 7)
        assert [output.shape for output in trace.outputs] == [(n, width) for width in network.widths]
        assert [memory(output) for output in trace.outputs] == [memory(output) for output in whole]
        assert actual[0] == expected[0]
        assert_array_equal(actual[1], expected[1])
        assert_array_equal(trace.output, expected[2].output)
        assert_array_equal(trace.d_input, expected[2].d_input)


def test_a_batch_too_large_for_its_trace_is_refused():
    network = perceptron()
    with pytest.raises(ShapeError, match=r"x has 7 rows, the trace room for 6"):
        network.forward(batch(7)[0], into=network.trace(6))


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_trace_has_room_for_at_least_one(capacity):
    with pytest.raises(ShapeError, match="at least one"):
        perceptron().trace(capacity)


@pytest.mark.parametrize(
    "other",
    [
        lambda: perceptron(dtype=np.float32),
        lambda: multilayer_perceptron((5, 8, 7, 3), dtype=np.float64),
        lambda: multilayer_perceptron((5, 8, 3), dtype=np.float64),
        lambda: perceptron("tanh"),
        lambda: Network([Dense(5, 8), Dense(8, 8), Dense(8, 6), ReLU(), Dense(6, 3)], dtype=np.float64),
    ],
    ids=["dtype", "width", "depth", "activation", "layers"],
)
def test_the_trace_of_another_network_is_refused(other):
    with pytest.raises(ShapeError, match="another network"):
        perceptron().forward(batch()[0], into=other().trace(7))


def test_the_trace_of_the_same_network_on_another_theta_may_be_written():
    network = perceptron()
    average = network.with_parameters(network.parameters / 2)
    x, labels = batch()
    assert_array_equal(gradient_of(average, x, labels, into=network.trace(7))[1], gradient_of(average, x, labels)[1])


def test_backward_refuses_a_trace_it_did_not_write():
    network = perceptron()
    average = network.with_parameters(network.parameters / 2)
    d = np.ones((7, 3))
    trace = network.trace(7)
    with pytest.raises(InputError, match="forward first"):
        network.backward(trace, d)
    average.forward(batch()[0], into=trace)
    with pytest.raises(InputError, match="forward first"):
        network.backward(trace, d)


@ACTIVATION
@pytest.mark.parametrize("keep_all", [False, True])
def test_backward_refuses_a_d_over_the_output_of_an_activation(activation, keep_all):
    network = Network([Dense(5, 3), ACTIVATIONS[activation]()], rng=0, dtype=np.float64)
    x, labels = batch()
    trace = network.trace(7, keep_all=keep_all)
    network.forward(x, into=trace)
    _, d = mean_squared_error(trace.output, labels, trace.output)
    with pytest.raises(InputError, match=r"out="):
        network.backward(trace, d)


def test_the_loss_may_be_written_over_logits():
    network = perceptron()
    x, labels = batch()
    expected = gradient_of(network, x, labels, input_gradient=True)
    trace = network.forward(x)
    loss, d = cross_entropy(trace.output, labels, trace.output)
    assert d is trace.output
    # To rounding: over the logits the gradient lies row by row, in a room of its own column by column.
    assert_allclose(loss, expected[0], rtol=1e-14)
    assert_allclose(network.backward(trace, d, input_gradient=True), expected[1], rtol=1e-12, atol=1e-15)
    assert_allclose(trace.d_input, expected[2].d_input, rtol=1e-12, atol=1e-15)


def test_two_threads_with_two_traces_share_one_network():
    network = perceptron("tanh", hidden_dropout=0.5)
    batches = [batch(7, seed=k) for k in range(2)]
    expected = [gradient_of(network, *batches[k], seed=k)[1] for k in range(2)]
    equal = [[], []]
    start = threading.Barrier(2)

    def work(k):
        trace, into = network.trace(7), np.empty(network.size)
        start.wait()
        for _ in range(200):
            network.forward(batches[k][0], rng=np.random.default_rng(k), into=trace)
            _, d = cross_entropy(trace.output, batches[k][1])
            equal[k].append(np.array_equal(network.backward(trace, d, into=into), expected[k]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert equal == [[True] * 200] * 2


# What is refused


@pytest.mark.parametrize("shape", [(5,), (0, 5), (7, 4), (7, 6), (1, 7, 5)])
def test_x_must_be_rows_of_the_networks_width(shape):
    with pytest.raises(ShapeError, match=r"x has shape .*\(N, 5\)"):
        perceptron().forward(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_x_must_have_the_dtype_of_theta(dtype):
    with pytest.raises(DtypeError, match=r"x\.astype\('float64'\)"):
        perceptron().forward(np.zeros((7, 5), dtype))


@pytest.mark.parametrize("shape", [(3,), (7, 4), (6, 3), (0, 3)])
def test_d_must_have_the_shape_of_the_output(shape):
    network = perceptron()
    with pytest.raises(ShapeError, match="d has"):
        network.backward(network.forward(batch()[0]), np.zeros(shape))


def test_d_must_have_the_dtype_of_theta():
    network = perceptron()
    with pytest.raises(DtypeError, match="d is float32"):
        network.backward(network.forward(batch()[0]), np.zeros((7, 3), np.float32))


@pytest.mark.parametrize(
    ("into", "error"),
    [
        (np.zeros(122), ShapeError),
        (np.zeros((123, 1)), ShapeError),
        (np.zeros(246)[::2], ShapeError),
        (np.zeros(123, np.float32), DtypeError),
        ([0.0] * 123, DtypeError),
    ],
)
def test_into_must_be_like_theta(into, error):
    network = perceptron()
    with pytest.raises(error, match="into"):
        network.backward(network.forward(batch()[0]), np.zeros((7, 3)), into=into)


def test_a_refused_batch_leaves_the_trace_as_it_was():
    network = perceptron()
    x, labels = batch()
    expected = gradient_of(network, x, labels)[1]
    trace = network.forward(x)
    with pytest.raises(ShapeError):
        network.forward(batch(8)[0], into=trace)
    _, d = cross_entropy(trace.output, labels)
    assert_array_equal(network.backward(trace, d), expected)


# A warm step allocates nothing


SETTINGS = [(name, dropout, "momentum") for name in ACTIVATIONS for dropout in (0.0, 0.5)]
SETTINGS += [("relu", 0.0, name) for name in ("decay", "adam", "adamw")]
OPTIMIZERS = {
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "decay": lambda: SGD(0.01, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "adam": lambda: Adam(1e-4),
    "adamw": lambda: AdamW(1e-4),
}


@pytest.mark.parametrize(("activation", "dropout", "optimizer"), SETTINGS)
def test_a_hundred_warm_steps_allocate_nothing(activation, dropout, optimizer):
    network = multilayer_perceptron(
        (784, 128, 10), activation=activation, input_dropout=dropout / 2, hidden_dropout=dropout, rng=0
    )
    rng = np.random.default_rng(0)
    x, labels = rng.random((128, 784), np.float32), rng.integers(0, 10, 128)
    trace, gradient, optimizer = network.trace(128), np.empty_like(network.parameters), OPTIMIZERS[optimizer]()

    def step():
        network.forward(x, rng=rng if dropout else None, into=trace)
        _, d = cross_entropy(trace.output, labels, out=trace.output)
        network.backward(trace, d, into=gradient)
        optimizer.step(network, gradient)

    tracemalloc.start()
    try:
        for _ in range(3):
            step()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            step()
        risen = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert risen < 16 * 1024


def test_parts_of_a_batch_and_deeper_networks_allocate_nothing_either():
    network = multilayer_perceptron((784, 128, 96, 64, 10), rng=0)
    rng = np.random.default_rng(0)
    x, labels = rng.random((128, 784), np.float32), rng.integers(0, 10, 128)
    trace, gradient = network.trace(64), np.empty_like(network.parameters)

    def step():
        for k in (0, 1):
            part = slice(64 * k, 64 * k + 64)
            network.forward(x[part], into=trace)
            _, d = cross_entropy(trace.output, labels[part], out=trace.output, total=128)
            network.backward(trace, d, into=gradient, add=k > 0)

    tracemalloc.start()
    try:
        for _ in range(3):
            step()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            step()
        risen = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert risen < 16 * 1024


@np.errstate()
def test_numpys_own_settings_come_back():
    network = perceptron()
    x, labels = batch()
    d = np.ones((7, 3))
    trace = network.forward(x)

    def refused():
        with pytest.raises(ShapeError):
            network.forward(x[:, :2])

    for call in (
        lambda: network.forward(x),
        lambda: network.backward(trace, d),
        lambda: cross_entropy(d, labels),
        lambda: mean_squared_error(d, labels),
        refused,
    ):
        np.seterr(under="raise", over="call")
        np.setbufsize(4096)
        errors = np.geterr()
        call()
        assert np.getbufsize() == 4096
        assert np.geterr() == errors


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.int32, ">f4"])
def test_parameters_are_float32_or_float64(dtype):
    with pytest.raises(DtypeError, match="expected float32 or float64"):
        perceptron(dtype=dtype)


def test_elementwise_layers_take_no_room_on_the_way_back():
    network = perceptron(hidden_dropout=0.5)
    trace = network.forward(np.ones((4, 5)), rng=np.random.default_rng(0))
    network.backward(trace, np.ones((4, 3)))
    dense = [i for i, layer in enumerate(network.layers) if isinstance(layer, Dense)]
    assert set(trace._d_inputs) == set(dense[1:])


# What is refused in words


def test_x_d_and_theta_must_be_arrays():
    network = perceptron()
    with pytest.raises(DtypeError, match="x is a list; expected a NumPy array"):
        network.forward(batch()[0].tolist())
    with pytest.raises(DtypeError, match="d is None; expected a NumPy array"):
        network.backward(network.forward(batch()[0]), None)
    with pytest.raises(DtypeError, match="parameters is a list"):
        network.with_parameters(network.parameters.tolist())


def test_a_gradient_is_not_written_to_read_only_room():
    network = perceptron()
    into = np.zeros(network.size)
    into.flags.writeable = False
    with pytest.raises(InputError, match="into is read-only"):
        network.backward(network.forward(batch()[0]), np.zeros((7, 3)), into=into)


def test_a_network_on_a_read_only_theta_predicts():
    network = perceptron()
    θ = network.parameters.copy()
    θ.flags.writeable = False
    x, _ = batch()
    assert_array_equal(network.with_parameters(θ).forward(x).output, network.forward(x).output)


@pytest.mark.parametrize("rng", [0, np.random.RandomState(0), "seed"])
def test_a_seed_is_no_generator(rng):
    network = perceptron(hidden_dropout=0.5)
    with pytest.raises(InputError, match=r"expected a generator, numpy\.random\.default_rng\(0\)"):
        network.forward(batch()[0], rng=rng)


def test_an_activation_may_be_what_makes_it():
    by_class = multilayer_perceptron((5, 4, 4, 3), activation=Tanh, rng=0)
    assert by_class.configuration() == multilayer_perceptron((5, 4, 4, 3), activation="tanh").configuration()
    leaky = multilayer_perceptron((5, 4, 3), activation=lambda: LeakyReLU(0.2), rng=0)
    assert leaky.layers[1].slope == 0.2


@pytest.mark.parametrize("activation", [ReLU(), None, 3, dict, np.tanh])
def test_an_activation_that_makes_no_layer_is_refused(activation):
    with pytest.raises(InputError, match=r"expected one of relu, .* or what makes a layer"):
        multilayer_perceptron((5, 4, 3), activation=activation)


@pytest.mark.parametrize("widths", [(5, 4.5, 3), (5, -1, 3), ("5", 3)])
def test_the_widths_of_a_perceptron_are_whole_numbers(widths):
    with pytest.raises(ShapeError, match="whole numbers"):
        multilayer_perceptron(widths)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": 2, "outputs": 2}, "Layer 2 has no kind; expected .*dense, relu"),
        ({"kind": ["dense"]}, "Layer 2 has no kind"),
        (5, "Layer 2 has no kind"),
        ({"kind": "dense", "inputs": 2}, "Layer 2, dense, cannot be built .* 'outputs'"),
        ({"kind": "dense", "inputs": 2, "outputs": 2, "stride": 1}, "Layer 2, dense, .* 'stride'"),
        ({"kind": "relu", "slope": 1}, "Layer 2, relu, cannot be built"),
        ({"kind": "dropout", "rate": "0.5"}, "Layer 2, dropout, cannot be built"),
    ],
)
def test_a_configuration_that_cannot_be_built_names_the_layer(settings, message):
    with pytest.raises(InputError, match=message):
        Network.from_configuration([{"kind": "tanh"}, settings], np.zeros(6))


@pytest.mark.parametrize(("width", "size"), [(10**7, "100,000,010,000,000 .*400,000"), (10**12, ",000,000 parameters")])
def test_a_network_too_large_for_memory_names_its_size(width, size):
    with pytest.raises(FailureError, match=rf"{size}.* GB as float32.*narrower"):
        multilayer_perceptron((10**7, width))


def test_a_weight_too_large_to_be_drawn_names_the_size_of_the_network():
    def full(shape, rng):
        raise MemoryError

    with pytest.raises(FailureError, match=r"8 parameters, 0\.0 GB"):
        Network([Dense(3, 2, initializer=full)])


@pytest.mark.parametrize("capacity", [2.5, "3", None])
def test_a_trace_has_room_for_a_whole_number(capacity):
    with pytest.raises(ShapeError, match="whole number of examples"):
        perceptron().trace(capacity)
