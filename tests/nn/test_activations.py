import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh, log_softmax, softmax
from chainrule.nn.gradient_check import gradient_check
from chainrule.nn.layers import Dense
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import ACTIVATIONS, Network

EVERY = [ReLU(), LeakyReLU(), LeakyReLU(0.3), Tanh(), Sigmoid()]
ids = [f"{layer.kind}-{i}" for i, layer in enumerate(EVERY)]


def apply(layer, z):
    """f(z), not in place, and the derivative, in that order."""
    workspace = layer.new_workspace(len(z), z.shape[1], z)
    a = layer.forward(z, np.empty_like(z), workspace, None)
    return a, layer.backward(z, a, np.ones_like(z), None, workspace, {})


@pytest.mark.parametrize(
    ("layer", "values", "derivatives"),
    [
        (ReLU(), [0.0, 0.0, 0.5, 3.0], [0.0, 0.0, 1.0, 1.0]),
        (LeakyReLU(0.25), [-0.5, 0.0, 0.5, 3.0], [0.25, 0.25, 1.0, 1.0]),
        (LeakyReLU(0.0), [0.0, 0.0, 0.5, 3.0], [0.0, 0.0, 1.0, 1.0]),
    ],
)
def test_kinked_activations_are_their_formula_and_zero_counts_as_below(layer, values, derivatives):
    a, derivative = apply(layer, np.array([[-2.0, 0.0, 0.5, 3.0]]))
    assert_array_equal(a, [values])
    assert_array_equal(derivative, [derivatives])


def test_tanh_is_its_formula():
    # tanh(ln 2) = (2 − ½)/(2 + ½) = 3/5, slope 1 − 9/25
    a, derivative = apply(Tanh(), np.array([[0.0, np.log(2.0), -np.log(2.0)]]))
    assert_allclose(a, [[0.0, 0.6, -0.6]], rtol=1e-15)
    assert_allclose(derivative, [[1.0, 16 / 25, 16 / 25]], rtol=1e-14)


def test_sigmoid_is_its_formula():
    # σ(±ln 3) = ¾, ¼, slope 3/16
    a, derivative = apply(Sigmoid(), np.array([[0.0, np.log(3.0), -np.log(3.0)]]))
    assert_allclose(a, [[0.5, 0.75, 0.25]], rtol=1e-15)
    assert_allclose(derivative, [[0.25, 3 / 16, 3 / 16]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_far_out_is_accurate_and_warns_of_nothing(dtype):
    z = np.array([[-1000.0, -80.0, -30.0, 30.0, 80.0, 1000.0]], dtype)
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        a, derivative = apply(Sigmoid(), z)
    assert a.dtype == dtype
    small = np.exp(np.array([-80.0, -30.0]))
    tolerance = 8 * np.finfo(dtype).eps
    assert_allclose(a[0, 1:3], small / (1 + small), rtol=tolerance)
    assert a[0, 0] == 0.0
    assert_allclose(a[0, 3:], [1 - small[1], 1.0, 1.0], rtol=tolerance)
    assert_allclose(derivative[0, 1:3], small, rtol=1e-4)
    assert np.isfinite(derivative).all()


@pytest.mark.parametrize("layer", EVERY, ids=ids)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_written_over_its_input_an_activation_gives_the_same_bits(layer, dtype):
    z = np.random.default_rng(0).normal(scale=3, size=(40, 50)).astype(dtype)
    apart, derivative = apply(layer, z)
    over = z.copy()
    workspace = layer.new_workspace(40, 50, z)
    over = layer.forward(over, over, workspace, None)
    assert_array_equal(over, apart)
    assert_array_equal(layer.backward(over, over, np.ones_like(z), None, workspace, {}), derivative)


@pytest.mark.parametrize("layer", EVERY, ids=ids)
def test_an_activation_leaves_an_input_of_its_own_alone(layer):
    z = np.random.default_rng(0).normal(size=(4, 5))
    before = z.copy()
    apply(layer, z)
    assert_array_equal(z, before)


@pytest.mark.parametrize("layer", EVERY, ids=ids)
@pytest.mark.parametrize("loss", [cross_entropy, mean_squared_error])
def test_every_activation_has_the_gradient_of_its_formula(layer, loss):
    rng = np.random.default_rng(5)
    network = Network([Dense(4, 6), layer, Dense(6, 3)], rng=1, dtype=np.float64)
    errors = gradient_check(network, loss, rng.normal(size=(5, 4)), rng.integers(0, 3, 5))
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("layer", EVERY, ids=ids)
def test_an_activation_may_be_first_and_last(layer):
    rng = np.random.default_rng(6)
    network = Network([layer, Dense(4, 3), layer], rng=1, dtype=np.float64)
    errors = gradient_check(network, mean_squared_error, rng.normal(size=(5, 4)), rng.normal(size=(5, 3)))
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("layer", EVERY, ids=ids)
def test_two_activations_in_a_row_keep_the_gradient_right(layer):
    rng = np.random.default_rng(7)
    network = Network([Dense(4, 5), Tanh(), layer, Dense(5, 3)], rng=1, dtype=np.float64)
    errors = gradient_check(network, cross_entropy, rng.normal(size=(5, 4)), rng.integers(0, 3, 5))
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("slope", [-0.1, 1.0, float("nan")])
def test_a_leaky_slope_outside_zero_to_one_is_refused(slope):
    with pytest.raises(ValueRangeError, match=r"LeakyReLU\("):
        LeakyReLU(slope)


def test_every_activation_goes_by_its_own_name():
    assert {name: make().kind for name, make in ACTIVATIONS.items()} == {name: name for name in ACTIVATIONS}


def test_softmax_of_logs_gives_back_the_proportions():
    p = softmax(np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 6.0]]))
    assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 1 / 2]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_stable_at_ten_thousand(dtype):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p = softmax(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 0.0]], dtype))
    assert p.dtype == dtype
    assert_allclose(p, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], rtol=1e-6)


def test_softmax_is_not_moved_by_a_shift_of_any_row():
    logits = np.random.default_rng(0).normal(size=(3, 10))
    shifted = logits + np.array([[1e3], [-1e3], [0.5]])
    assert_allclose(softmax(shifted), softmax(logits), rtol=1e-12)


def test_softmax_takes_each_row_for_itself():
    logits = np.array([[0.0, 1.0], [500.0, -500.0]])
    assert_array_equal(softmax(logits)[0], softmax(logits[:1])[0])


def test_softmax_leaves_its_input_alone_unless_told_to_write_there():
    logits = np.random.default_rng(0).normal(size=(3, 4))
    before = logits.copy()
    p = softmax(logits)
    assert_array_equal(logits, before)
    assert softmax(logits, out=logits) is logits
    assert_array_equal(logits, p)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=6))
def test_rows_of_softmax_are_probabilities(rows):
    p = softmax(np.array(rows))
    assert (p >= 0).all()
    assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("logits", "error", "message"),
    [
        ([[1.0, 2.0]], DtypeError, "logits is a list"),
        (np.zeros(3), ShapeError, r"logits have shape \(3,\)"),
        (np.zeros((2, 0)), ShapeError, r"logits have shape \(2, 0\)"),
        (np.zeros((2, 3), np.int64), DtypeError, "logits are int64"),
        (np.zeros((2, 3), np.float16), DtypeError, "logits are float16"),
    ],
)
def test_softmax_takes_rows_of_floats(logits, error, message):
    with pytest.raises(error, match=message):
        softmax(logits)


def test_softmax_writes_to_room_of_its_own_shape_and_dtype():
    with pytest.raises(ShapeError, match=r"out has shape \(3, 3\); expected \(2, 3\)"):
        softmax(np.zeros((2, 3)), np.empty((3, 3)))
    with pytest.raises(DtypeError, match="out is float64; expected float32"):
        softmax(np.zeros((2, 3), np.float32), np.empty((2, 3)))


def test_log_softmax_is_the_logarithm_of_softmax():
    logits = np.random.default_rng(0).normal(size=(5, 4))
    assert_allclose(log_softmax(logits), np.log(softmax(logits)), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax_is_finite_where_a_probability_is_as_good_as_0(dtype):
    found = log_softmax(np.array([[0.0, -5000.0, 5000.0]], dtype))
    assert_allclose(found, [[-5000.0, -10000.0, 0.0]], rtol=1e-6)
    assert found.dtype == dtype


def test_log_softmax_leaves_its_input_alone_unless_told_to_write_there():
    logits = np.array([[0.0, 1.0]])
    before = logits.copy()
    expected = log_softmax(logits)
    assert_array_equal(logits, before)
    assert log_softmax(logits, out=logits) is logits
    assert_array_equal(logits, expected)


def test_log_softmax_takes_rows_of_floats():
    with pytest.raises(ShapeError, match="one example a row"):
        log_softmax(np.zeros(3))
