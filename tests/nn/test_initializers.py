import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.errors import ShapeError
from chainrule.nn import initializers
from chainrule.nn.network import multilayer_perceptron

SHAPE = (400, 250)
VARIANCE = {
    initializers.uniform: 1 / 12,
    initializers.lecun_normal: 1 / 400,
    initializers.glorot_normal: 2 / 650,
    initializers.glorot_uniform: 2 / 650,
    initializers.he_normal: 2 / 400,
    initializers.he_uniform: 2 / 400,
}
EVERY = pytest.mark.parametrize("initializer", VARIANCE, ids=lambda f: f.__name__)


@EVERY
def test_the_variance_is_the_one_in_the_formula(initializer):
    drawn = initializer(SHAPE, np.random.default_rng(0))
    # 100 000 draws: the sample variance of a normal is within about 0.5 % (one σ).
    assert drawn.var() == pytest.approx(VARIANCE[initializer], rel=0.02)
    assert abs(drawn.mean()) < 4 * np.sqrt(VARIANCE[initializer] / drawn.size)


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (initializers.uniform, 0.5),
        (initializers.glorot_uniform, np.sqrt(6 / 650)),
        (initializers.he_uniform, np.sqrt(6 / 400)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_uniform_draws_fill_their_interval_and_stay_inside(initializer, bound):
    drawn = initializer(SHAPE, np.random.default_rng(0))
    assert np.abs(drawn).max() <= bound
    assert drawn.min() < -0.999 * bound
    assert drawn.max() > 0.999 * bound


@pytest.mark.parametrize("initializer", [initializers.lecun_normal, initializers.glorot_normal, initializers.he_normal])
def test_normal_draws_have_the_tails_of_a_normal(initializer):
    drawn = initializer(SHAPE, np.random.default_rng(0))
    beyond = np.mean(np.abs(drawn) > 2 * np.sqrt(VARIANCE[initializer]))
    assert beyond == pytest.approx(0.0455, rel=0.1)


@EVERY
def test_one_seed_gives_the_same_float64_draws(initializer):
    first = initializer((5, 7), np.random.default_rng(3))
    assert first.dtype == np.float64
    assert first.shape == (5, 7)
    assert_array_equal(first, initializer((5, 7), np.random.default_rng(3)))
    assert (first != initializer((5, 7), np.random.default_rng(4))).any()


def test_he_keeps_the_size_of_what_passes_through_relu_layers():
    network = multilayer_perceptron((256,) * 11, rng=0, dtype=np.float64)
    x = np.random.default_rng(1).normal(size=(64, 256))
    out = network.forward(x).outputs[-2]
    assert 0.3 < np.mean(out**2) / np.mean(x**2) < 3


def test_zeros_draws_nothing():
    rng = np.random.default_rng(0)
    assert_array_equal(initializers.zeros((3,), rng), np.zeros(3))
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    "initializer", [f for f in VARIANCE if f is not initializers.uniform], ids=lambda f: f.__name__
)
def test_a_bias_has_no_two_widths_and_is_refused(initializer):
    with pytest.raises(ShapeError, match=r"shape \(9,\) .* For a bias take zeros or uniform"):
        multilayer_perceptron((4, 9, 2), bias_initializer=initializer, rng=0)
