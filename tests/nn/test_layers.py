import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import ShapeError, ValueRangeError
from chainrule.nn.activations import ReLU
from chainrule.nn.gradient_check import gradient_check
from chainrule.nn.initializers import uniform
from chainrule.nn.layers import Dense, Dropout, Layer
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import Network, multilayer_perceptron


def rows(n, width, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(dtype)


def dropped(rate, shape, seed=0, dtype=np.float32):
    """What dropout makes of a batch of ones: its mask."""
    layer = Dropout(rate)
    x = np.ones(shape, dtype)
    return layer.forward(x, np.empty_like(x), layer.new_workspace(*shape, x), np.random.default_rng(seed))


def test_dense_is_a_weighted_sum_and_a_bias():
    # [1 2] [1 2 3; 4 5 6] + [1 0 −1] = [1+8+1  2+10  3+12−1]
    network = Network([Dense(2, 3)], parameters=np.array([1.0, 2, 3, 4, 5, 6, 1, 0, -1]))
    assert_array_equal(network.forward(np.array([[1.0, 2.0]])).output, [[10.0, 12.0, 14.0]])


def test_dense_sums_the_bias_gradient_over_the_examples():
    network = Network([Dense(2, 3)], rng=0, dtype=np.float64)
    trace = network.forward(rows(4, 2))
    d = rows(4, 3, seed=1)
    gradient = network.backward(trace, d.copy())
    assert_allclose(network.layout[1].view(gradient), d.sum(axis=0), rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_dense_takes_any_number_of_examples(n):
    network = Network([Dense(3, 2)], rng=0, dtype=np.float64)
    assert network.forward(rows(n, 3)).output.shape == (n, 2)


@pytest.mark.parametrize("widths", [(0, 3), (3, 0), (-1, 2)])
def test_dense_needs_a_width_of_at_least_one(widths):
    with pytest.raises(ShapeError, match="at least 1"):
        Dense(*widths)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_one_to_four_dense_layers_have_the_right_gradient(depth):
    widths = (5, 7, 4, 6, 3)[-depth - 1 :]
    network = multilayer_perceptron(widths, bias_initializer=uniform, rng=depth, dtype=np.float64)
    labels = np.random.default_rng(1).integers(0, 3, 8)
    errors = gradient_check(network, cross_entropy, rows(8, widths[0]), labels)
    assert len(errors) == 2 * depth + 1
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_dropout": 0.5},
        {"input_dropout": 0.2},
        {"input_dropout": 0.3, "hidden_dropout": 0.4, "activation": "tanh"},
        {"input_dropout": 0.3, "hidden_dropout": 0.4, "activation": "leaky_relu"},
    ],
)
@pytest.mark.parametrize("seed", [7, None])
def test_dropout_has_the_right_gradient(settings, seed):
    network = multilayer_perceptron((5, 8, 6, 3), bias_initializer=uniform, rng=2, dtype=np.float64, **settings)
    labels = np.random.default_rng(1).integers(0, 3, 8)
    errors = gradient_check(network, cross_entropy, rows(8, 5), labels, seed=seed)
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_dropout_may_stand_anywhere(place):
    layers = [Dense(4, 5), ReLU(), Dense(5, 3)]
    layers.insert(place, Dropout(0.4))
    network = Network(layers, rng=1, dtype=np.float64)
    errors = gradient_check(network, cross_entropy, rows(6, 4), np.array([0, 1, 2, 2, 1, 0]), seed=3)
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.9])
def test_dropout_drops_at_its_rate_scales_the_rest_and_keeps_the_mean(rate, dtype):
    y = dropped(rate, (500, 200), dtype=dtype)
    assert set(np.unique(y)) <= {dtype(0), dtype(1 / (1 - rate))}
    # 100 000 draws; four standard deviations of the fraction and of the mean.
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs(np.mean(y == 0) - rate) <= 4 * deviation
    assert abs(y.mean(dtype=np.float64) - 1) <= 4 * deviation / (1 - rate) + 1e-6


def test_dropout_draws_for_each_value_apart():
    y = dropped(0.5, (200, 100)) == 0
    # Neither whole rows nor whole columns: fractions stay near a half.
    assert np.abs(y.mean(axis=0) - 0.5).max() < 0.2
    assert np.abs(y.mean(axis=1) - 0.5).max() < 0.25


def test_dropout_gives_the_same_bits_for_the_same_seed_and_others_for_another():
    assert_array_equal(dropped(0.5, (20, 30), seed=1), dropped(0.5, (20, 30), seed=1))
    assert (dropped(0.5, (20, 30), seed=1) != dropped(0.5, (20, 30), seed=2)).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_parts_of_a_batch_use_the_parts_of_dropouts_stream(dtype):
    layer, whole, parts = Dropout(0.5), np.random.default_rng(4), np.random.default_rng(4)
    x = rows(7, 5, dtype)
    workspace = layer.new_workspace(7, 5, x)
    expected = layer.forward(x, np.empty_like(x), workspace, whole)
    actual = [layer.forward(x[p], np.empty_like(x[p]), workspace[p], parts) for p in (slice(3), slice(3, 7))]
    assert_array_equal(np.concatenate(actual), expected)


def test_dropout_without_a_generator_hands_on_what_it_is_given():
    layer, x = Dropout(0.5), rows(3, 4)
    out, workspace = np.empty_like(x), layer.new_workspace(3, 4, x)
    assert layer.forward(x, out, workspace, None) is x
    d = rows(3, 4, seed=1)
    assert_array_equal(layer.backward(x, x, d.copy(), None, workspace, {}), d)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_a_dropout_rate_outside_zero_to_one_is_refused(rate):
    with pytest.raises(ValueRangeError, match=r"Dropout\("):
        Dropout(rate)


@pytest.mark.parametrize("name", ["input_dropout", "hidden_dropout"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_perceptron_refuses_a_bad_dropout_rate(name, rate):
    with pytest.raises(ValueRangeError, match=r"Dropout\("):
        multilayer_perceptron((4, 3, 2), **{name: rate})


def test_binding_copies_a_layer_and_leaves_the_original_unbound():
    dense = Dense(2, 3)
    bound = dense.bind({"weight": np.ones((2, 3)), "bias": np.zeros(3)})
    assert bound is not dense
    assert bound.configuration() == dense.configuration()
    assert not hasattr(dense, "weight")


def test_a_bare_layer_is_elementwise_and_learns_nothing_but_cannot_run():
    layer = Layer()
    assert layer.output_width(5) == 5
    assert layer.parameter_specs() == ()
    x = np.zeros((1, 1))
    with pytest.raises(NotImplementedError):
        layer.forward(x, x, x, None)
    with pytest.raises(NotImplementedError):
        layer.backward(x, x, x, None, x, {})


@pytest.mark.parametrize("widths", [(3.7, 2), (3, 2.0), ("3", 2), (3, None), (True, 2)])
def test_the_widths_of_dense_are_whole_numbers(widths):
    with pytest.raises(ShapeError, match="both widths must be whole numbers, at least 1"):
        Dense(*widths)
    assert Dense(np.int64(3), np.uint8(2)).configuration() == {"kind": "dense", "inputs": 3, "outputs": 2}


def test_a_layer_that_does_not_take_what_the_one_before_it_gives_is_refused():
    with pytest.raises(ShapeError, match=r"Dense\(4, 2\) is given 3 values by the layer before it; .* must be 3"):
        Network([Dense(5, 3), ReLU(), Dense(4, 2)])
