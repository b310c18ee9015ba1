"""The check passes what is right, which the other tests show, and catches what is wrong, which these show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from chainrule.errors import DtypeError, ValueRangeError
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.gradient_check import gradient_check, relative_error
from chainrule.nn.initializers import uniform
from chainrule.nn.layers import Dense, Dropout
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import Network, multilayer_perceptron

X = np.random.default_rng(0).normal(size=(6, 5))
LABELS = np.array([0, 2, 1, 1, 0, 2])
RIGHT, WRONG = 1e-7, 1e-2


class StrayFactor(Dense):
    def backward(self, x, out, d, d_x, workspace, gradient):
        d_x = super().backward(x, out, d, d_x, workspace, gradient)
        np.multiply(gradient["weight"], 2.0, out=gradient["weight"])
        return d_x


class BiasSummedOverEverything(Dense):
    def backward(self, x, out, d, d_x, workspace, gradient):
        total = d.sum()
        d_x = super().backward(x, out, d, d_x, workspace, gradient)
        gradient["bias"][...] = total
        return d_x


class ForgottenBias(Dense):
    def backward(self, x, out, d, d_x, workspace, gradient):
        d_x = super().backward(x, out, d, d_x, workspace, gradient)
        gradient["bias"][...] = 0.0
        return d_x


class NotTransposed(Dense):
    def backward(self, x, out, d, d_x, workspace, gradient):
        super().backward(x, out, d, None, workspace, gradient)
        return d if d_x is None else np.matmul(d, self.weight, out=d_x)


class MaskOfTheGradient(ReLU):
    def backward(self, x, out, d, d_x, workspace, gradient):
        return np.multiply(d, d > 0, out=d)


class NoMask(ReLU):
    def backward(self, x, out, d, d_x, workspace, gradient):
        return d


class ForgottenSlope(LeakyReLU):
    def backward(self, x, out, d, d_x, workspace, gradient):
        return np.multiply(d, out > 0, out=d)


class DerivativeOfTheOutput(Tanh):
    """1 − tanh²(a) instead of 1 − a²."""

    def backward(self, x, out, d, d_x, workspace, gradient):
        return np.multiply(d, 1 - np.tanh(out) ** 2, out=d)


class HalfASigmoid(Sigmoid):
    """a instead of a (1 − a)."""

    def backward(self, x, out, d, d_x, workspace, gradient):
        return np.multiply(d, out, out=d)


class ForgottenMask(Dropout):
    def backward(self, x, out, d, d_x, workspace, gradient):
        return d


class ForgottenScale(Dropout):
    def backward(self, x, out, d, d_x, workspace, gradient):
        return np.multiply(d, workspace > 0, out=d)


def without_one_over_n(logits, labels):
    loss, d = cross_entropy(logits, labels)
    return loss, d * len(logits)


def with_a_stray_factor(logits, labels):
    loss, d = cross_entropy(logits, labels)
    return loss, 2 * d


def without_the_targets_of_one_class(logits, labels):
    loss, d = cross_entropy(logits, labels)
    d[:, 0] += (labels == 0) / len(labels)
    return loss, d


def squares_without_their_two(outputs, labels):
    loss, d = mean_squared_error(outputs, labels)
    return loss, d / 2


def check(*, first=Dense, activation=None, dropout=Dropout, last=Dense, loss=cross_entropy):
    """A square network with every kind of layer, one of which may be wrong."""
    activation = activation or Tanh()
    layers = [dropout(0.3), first(5, 5, bias_initializer=uniform), activation, dropout(0.4), last(5, 3)]
    network = Network(layers, rng=1, dtype=np.float64)
    return gradient_check(network, loss, X, LABELS, seed=4)


@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(0.3), Tanh(), Sigmoid()], ids=lambda a: a.kind)
@pytest.mark.parametrize("loss", [cross_entropy, mean_squared_error])
def test_the_right_network_passes(activation, loss):
    errors = check(activation=activation, loss=loss)
    assert list(errors) == ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias", "input"]
    assert max(errors.values()) < RIGHT, errors


DENSE1, DENSE2 = {"dense1.weight", "dense1.bias"}, {"dense2.weight", "dense2.bias"}
PLANTED = {
    "a stray factor 2 in a weight": ({"first": StrayFactor}, {"dense1.weight"}),
    "a bias summed over everything": ({"first": BiasSummedOverEverything}, {"dense1.bias"}),
    "a forgotten bias": ({"first": ForgottenBias}, {"dense1.bias"}),
    "a weight not transposed": ({"first": NotTransposed}, {"input"}),
    "a ReLU mask from the wrong tensor": ({"activation": MaskOfTheGradient()}, {*DENSE1, "input"}),
    "no ReLU mask": ({"activation": NoMask()}, {*DENSE1, "input"}),
    "a forgotten leaky slope": ({"activation": ForgottenSlope(0.3)}, {*DENSE1, "input"}),
    "tanh's derivative of the wrong thing": ({"activation": DerivativeOfTheOutput()}, {*DENSE1, "input"}),
    "half of sigmoid's derivative": ({"activation": HalfASigmoid()}, {*DENSE1, "input"}),
    "a forgotten dropout mask": ({"dropout": ForgottenMask}, {*DENSE1, "input"}),
    "a forgotten dropout scale": ({"dropout": ForgottenScale}, {*DENSE1, "input"}),
    "a forgotten 1/N": ({"loss": without_one_over_n}, {*DENSE1, *DENSE2, "input"}),
    "a stray factor 2 in the loss": ({"loss": with_a_stray_factor}, {*DENSE1, *DENSE2, "input"}),
    "a target left out": ({"loss": without_the_targets_of_one_class}, {*DENSE1, *DENSE2, "input"}),
    "squares without their 2": ({"loss": squares_without_their_two}, {*DENSE1, *DENSE2, "input"}),
}


@pytest.mark.parametrize(("planted", "where"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_caught_where_it_is_and_nowhere_else(planted, where):
    errors = check(**planted)
    assert {name for name, error in errors.items() if error > WRONG} == where, errors
    assert all(error < RIGHT for name, error in errors.items() if name not in where), errors


def test_even_the_default_leaky_slope_is_missed_when_forgotten():
    assert check(activation=ForgottenSlope())["dense1.weight"] > 1e-3


@pytest.mark.parametrize(("factor", "error"), [(2.0, 1 / 3), (0.0, 1.0), (-1.0, 1.0), (1.1, 0.1 / 2.1)])
def test_a_gradient_off_by_a_factor_has_a_known_error(factor, error):
    # ‖f g − g‖ / (‖f g‖ + ‖g‖) = |f − 1| / (|f| + 1)
    def loss(logits, labels):
        value, d = cross_entropy(logits, labels)
        return value, factor * d

    assert list(check(loss=loss).values()) == pytest.approx([error] * 5, rel=1e-6)


def test_relative_error_is_its_formula():
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0.0
    assert relative_error(np.array([3.0, 0.0]), np.array([0.0, 4.0])) == pytest.approx(5 / 7)
    assert relative_error(np.zeros(2), np.zeros(2)) == 0.0
    assert relative_error(np.zeros(2), np.ones(2)) == 1.0


def test_a_layer_that_reaches_nothing_has_no_error():
    network = Network([Dense(5, 4), ReLU(), Dense(4, 3)], rng=0, dtype=np.float64)
    network.layers[0].bias[...] = -100.0
    errors = gradient_check(network, cross_entropy, X, LABELS)
    assert errors["dense1.weight"] == errors["dense1.bias"] == errors["input"] == 0.0


def test_a_float32_network_is_checked_in_float64_and_left_as_it_is():
    network = multilayer_perceptron((5, 4, 3), activation="tanh", rng=0)
    before = network.parameters.copy()
    x = X.astype(np.float32)
    errors = gradient_check(network, mean_squared_error, x, np.eye(3, dtype=np.float32)[LABELS])
    assert max(errors.values()) < RIGHT
    assert network.dtype == np.float32
    assert_array_equal(network.parameters, before)
    assert_array_equal(x, X.astype(np.float32))


@pytest.mark.parametrize("x", [np.asfortranarray(X), X[::-1], X[:, ::-1]], ids=["columns", "reversed", "mirrored"])
def test_x_may_lie_in_memory_in_any_order(x):
    network = multilayer_perceptron((5, 4, 3), activation="tanh", rng=0)
    before = x.copy()
    assert max(gradient_check(network, cross_entropy, x, LABELS).values()) < RIGHT
    assert_array_equal(x, before)


def test_only_so_many_entries_are_tried():
    calls = []

    def loss(logits, labels):
        calls.append(1)
        return cross_entropy(logits, labels)

    gradient_check(multilayer_perceptron((5, 4, 3), rng=0), loss, X, LABELS, entries=2)
    assert len(calls) == 1 + 2 * 2 * 5  # the gradient's own, then twice for each entry of five arrays


def test_a_few_entries_are_enough_to_catch_a_factor():
    network = multilayer_perceptron((5, 4, 3), activation="tanh", rng=0)
    assert min(gradient_check(network, with_a_stray_factor, X, LABELS, entries=3).values()) > WRONG


def test_x_must_be_finite():
    x = X.copy()
    x[2, 1] = np.inf
    with pytest.raises(ValueRangeError, match=r"inf at index \(2, 1\)"):
        gradient_check(multilayer_perceptron((5, 3), rng=0), cross_entropy, x, LABELS)


@settings(deadline=None, max_examples=25)
@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    activation=st.sampled_from(["tanh", "sigmoid"]),
    n=st.integers(1, 5),
    dropout=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_small_smooth_networks_of_any_shape_have_the_right_gradient(widths, activation, n, dropout, seed):
    rng = np.random.default_rng(seed)
    network = multilayer_perceptron(
        widths, activation=activation, hidden_dropout=dropout, bias_initializer=uniform, rng=rng
    )
    x, targets = rng.normal(size=(n, widths[0])), rng.normal(size=(n, widths[-1]))
    errors = gradient_check(network, mean_squared_error, x, targets, seed=seed)
    assert max(errors.values()) < 1e-6, errors


@pytest.mark.parametrize("name", ["x", "targets"])
def test_x_and_targets_must_be_arrays(name):
    given = {"x": X, "targets": LABELS}
    with pytest.raises(DtypeError, match=f"{name} is a list"):
        gradient_check(multilayer_perceptron((5, 3), rng=0), cross_entropy, **{**given, name: given[name].tolist()})


@pytest.mark.parametrize(
    "settings", [{"entries": 0}, {"entries": -1}, {"entries": 2.5}, {"step": 0.0}, {"step": -1e-5}, {"step": np.nan}]
)
def test_a_check_that_cannot_fail_is_refused(settings):
    with pytest.raises(ValueRangeError, match=next(iter(settings))):
        gradient_check(multilayer_perceptron((5, 3), rng=0), cross_entropy, X, LABELS, **settings)


def test_a_gradient_that_is_not_finite_is_infinitely_wrong():
    def broken(logits, labels):
        loss, d = cross_entropy(logits, labels)
        return loss, d * np.nan

    errors = gradient_check(multilayer_perceptron((5, 3), rng=0), broken, X, LABELS)
    assert set(errors.values()) == {np.inf}
    assert relative_error(np.array([1.0]), np.array([np.nan])) == np.inf
