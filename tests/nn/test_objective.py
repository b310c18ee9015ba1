import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import ValueRangeError
from chainrule.nn.activations import softmax
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.objective import Adversary, Objective

N, D, C = 6, 5, 3


@pytest.fixture
def network():
    return multilayer_perceptron((D, 7, C), activation="tanh", rng=0, dtype=np.float64)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    return rng.standard_normal((N, D)), rng.integers(0, C, N)


def computed(network, x, labels, adversary=None, dropout_seed=2):
    """The objective, its ℓ and its ∂ℓ/∂θ."""
    objective = Objective(network, len(x), adversary=adversary)
    gradient = np.full(network.size, np.nan)
    rng = np.random.default_rng(dropout_seed)
    loss = objective.gradient(network, x, labels, rng=rng, total=len(x), into=gradient)
    return objective, loss, gradient


def central_differences(function, θ, h=1e-6):
    slopes = np.empty_like(θ)
    for i in range(len(θ)):
        up, down = θ.copy(), θ.copy()
        up[i] += h
        down[i] -= h
        slopes[i] = (function(up) - function(down)) / (2 * h)
    return slopes


def kl(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=1)


def test_without_an_adversary_it_is_the_loss_and_its_gradient(network, batch):
    x, labels = batch
    _, loss, gradient = computed(network, x, labels)
    trace = network.forward(x)
    expected, d = cross_entropy(trace.output, labels)
    assert loss == expected
    assert_array_equal(gradient, network.backward(trace, d))


def test_parts_of_a_batch_add_up(network, batch):
    x, labels = batch
    _, loss, whole = computed(network, x, labels, Adversary(0.3, virtual=False))
    objective, gradient, sum_of_losses = Objective(network, 4, adversary=Adversary(0.3, virtual=False)), whole * 0, 0.0
    for start in (0, 4):
        part = slice(start, start + 4)
        sum_of_losses += objective.gradient(
            network, x[part], labels[part], rng=np.random.default_rng(0), total=N, into=gradient, add=start > 0
        )
    assert_allclose(sum_of_losses, loss)
    assert_allclose(gradient, whole)


@pytest.mark.parametrize("virtual", [False, True])
def test_the_gradient_is_that_of_both_losses_with_the_moved_inputs_held(network, batch, virtual):
    x, labels = batch
    objective, loss, gradient = computed(network, x, labels, Adversary(0.5, virtual=virtual))
    there, p = objective._moved._x.copy(), softmax(network.forward(x).output)

    def both(θ):
        moved = network.with_parameters(θ)
        here, _ = cross_entropy(moved.forward(x).output, labels)
        q = moved.forward(there).output
        if virtual:
            return here + kl(p, softmax(q)).mean()
        return here + cross_entropy(q, labels)[0]

    assert_allclose(loss, both(network.parameters), rtol=1e-12)
    assert_allclose(gradient, central_differences(both, network.parameters), atol=1e-8)


@pytest.mark.parametrize("virtual", [False, True])
def test_every_input_moves_by_epsilon(network, batch, virtual):
    x, labels = batch
    objective, *_ = computed(network, x, labels, Adversary(0.5, virtual=virtual))
    assert_allclose(np.linalg.norm(objective._moved._x - x, axis=1), 0.5)


def test_the_adversary_moves_along_the_gradient_of_the_loss(network, batch):
    x, labels = batch
    objective, *_ = computed(network, x, labels, Adversary(0.5, virtual=False))
    slopes = central_differences(
        lambda flat: N * cross_entropy(network.forward(flat.reshape(N, D)).output, labels)[0], x.ravel()
    ).reshape(N, D)
    assert_allclose(objective._moved._x - x, 0.5 * slopes / np.linalg.norm(slopes, axis=1, keepdims=True), atol=1e-6)


def test_the_virtual_adversary_moves_along_the_gradient_of_kl_near_by(network, batch):
    x, labels = batch
    adversary = Adversary(0.5, xi=1e-3)
    objective, *_ = computed(network, x, labels, adversary, dropout_seed=7)
    noise = np.random.default_rng(7).standard_normal((N, D))
    near = x + adversary.xi * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    p = softmax(network.forward(x).output)
    slopes = central_differences(
        lambda flat: kl(p, softmax(network.forward(flat.reshape(N, D)).output)).sum(), near.ravel()
    ).reshape(N, D)
    direction = slopes / np.linalg.norm(slopes, axis=1, keepdims=True)
    assert_allclose(objective._moved._x - x, 0.5 * direction, atol=1e-4)


def test_both_adversaries_do_more_harm_than_chance(network, batch):
    x, labels = batch
    p = softmax(network.forward(x).output)
    noise = np.random.default_rng(3).standard_normal((200, N, D))
    noise *= 0.5 / np.linalg.norm(noise, axis=2, keepdims=True)
    by_chance = np.median([kl(p, softmax(network.forward(x + r).output)).mean() for r in noise])
    objective, *_ = computed(network, x, labels, Adversary(0.5))
    assert kl(p, softmax(network.forward(objective._moved._x).output)).mean() > 1.3 * by_chance
    objective, *_ = computed(network, x, labels, Adversary(0.5, virtual=False))
    before, after = (cross_entropy(network.forward(z).output, labels)[0] for z in (x, objective._moved._x))
    assert after > before + 0.1


def test_where_the_network_is_as_good_as_sure_the_direction_is_not_rounding():
    """In float32 the greatest probability is 1, and only the small ones tell where they would grow."""
    network = multilayer_perceptron((D, 7, C), activation="tanh", rng=0)
    network.parameters *= 3
    network.layers[-1].bias[:] = (20, 0, 0)
    double = network.with_parameters(network.parameters.astype(np.float64))
    x = np.random.default_rng(1).standard_normal((N, D))
    moves = []
    for one, inputs in ((network, x.astype(np.float32)), (double, x)):
        objective = Objective(one, N, adversary=Adversary(0.5))
        gradient = np.empty_like(one.parameters)

        class Noise(np.random.Generator):
            def standard_normal(self, size=None, dtype=np.float64, out=None):
                out[...] = np.random.default_rng(4).standard_normal(out.shape)
                return out

        rng = Noise(np.random.PCG64(0))
        objective.gradient(one, inputs, np.zeros(N, int), rng=rng, total=N, into=gradient)
        moves.append(objective._moved._x - inputs)
    assert softmax(network.forward(x.astype(np.float32)).output).max() == 1.0
    assert_allclose(moves[0], moves[1], atol=0.01)


def test_an_input_without_a_direction_stays_where_it_is(network, batch):
    x, labels = batch
    network.parameters[:] = 0
    objective, loss, gradient = computed(network, x, labels, Adversary(0.5))
    assert_array_equal(objective._moved._x, x)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    "settings", [{"epsilon": 0}, {"epsilon": -1}, {"epsilon": 1, "xi": 0}, {"epsilon": np.nan}], ids=str
)
def test_lengths_that_are_none_are_refused(settings):
    with pytest.raises(ValueRangeError, match="epsilon"):
        Adversary(**settings)
