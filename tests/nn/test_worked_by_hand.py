"""One small network, worked on paper: two inputs, two ReLU units, two classes, two examples, L = ln 3.

    x  = [1  2]     W1 = [ 1  −1]   b1 = [−1  1]     W2 = [2L 0]   b2 = [0  L]     labels = [0]
         [2 −1]          [½   1]                          [0  L]                            [1]

Forward
    x W1 = [1·1 + 2·½   1·(−1) + 2·1 ] = [2    1]       z1 = x W1 + b1 = [1   2]      a1 = max(z1, 0) = [1  2]
           [2·1 − 1·½   2·(−1) − 1·1 ]   [3/2 −3]                        [½  −2]                        [½  0]
    z2 = a1 W2 + b2 = [1·2L + 0   2·L + L] = [2L 3L]    e^z2 = [9 27]      p = [¼ ¾]
                      [½·2L + 0   0 + L  ]   [L   L]           [3  3]          [½ ½]
    ℓ = −½ (ln ¼ + ln ½) = ½ (2 ln 2 + ln 2) = 3/2 ln 2

Backward
    d_z2 = (p − onehot)/2 = [−3/8  3/8]
                            [ 1/4 −1/4]
    d_W2 = a1ᵀ d_z2 = [−3/8 + ½·¼   3/8 − ½·¼] = [−1/4  1/4]      d_b2 = [−3/8 + 1/4   3/8 − 1/4] = [−1/8  1/8]
                      [2·(−3/8)     2·3/8    ]   [−3/4  3/4]
    d_a1 = d_z2 W2ᵀ = [−3/8·2L   3/8·L] = L [−3/4  3/8]           d_z1 = L [−3/4  3/8]      (z1 = −2 gave 0)
                      [ 1/4·2L  −1/4·L]     [ 1/2 −1/4]                    [ 1/2   0 ]
    d_W1 = xᵀ d_z1 = L [−3/4 + 2·½      3/8 + 2·0] = L [1/4  3/8]   d_b1 = L [−3/4 + 1/2   3/8 + 0] = L [−1/4  3/8]
                       [2·(−3/4) − ½    2·3/8 − 0]     [−2   3/4]
    d_x = d_z1 W1ᵀ = L [−3/4·1 − 3/8·1   −3/4·½ + 3/8·1] = L [−9/8   0 ]
                       [ 1/2·1           1/2·½         ]     [ 1/2  1/4]
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.nn.activations import ReLU, softmax
from chainrule.nn.layers import Dense
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import Network
from chainrule.nn.optimizers import SGD, Adam, AdamW, ExponentialAverage

L = np.log(3.0)
X = np.array([[1.0, 2.0], [2.0, -1.0]])
LABELS = np.array([0, 1])
#                 W1                   b1         W2                   b2
THETA = np.array([1.0, -1.0, 0.5, 1.0, -1.0, 1.0, 2 * L, 0.0, 0.0, L, 0.0, L])
GRADIENT = np.array(
    [
        *(L / 4, 3 * L / 8, -2 * L, 3 * L / 4),  # W1
        *(-L / 4, 3 * L / 8),  # b1
        *(-1 / 4, 1 / 4, -3 / 4, 3 / 4),  # W2
        *(-1 / 8, 1 / 8),  # b2
    ]
)
IS_WEIGHT = np.array([1.0] * 4 + [0.0] * 2 + [1.0] * 4 + [0.0] * 2)


@pytest.fixture
def network():
    return Network([Dense(2, 2), ReLU(), Dense(2, 2)], parameters=THETA.copy())


def close(actual, expected):
    assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)


def test_forward_gives_the_numbers_on_paper(network):
    trace = network.trace(2, keep_all=True)
    network.forward(X, into=trace)
    close(trace.outputs[0], [[1.0, 2.0], [0.5, -2.0]])
    close(trace.outputs[1], [[1.0, 2.0], [0.5, 0.0]])
    close(trace.output, [[2 * L, 3 * L], [L, L]])
    close(softmax(trace.output), [[1 / 4, 3 / 4], [1 / 2, 1 / 2]])


def test_the_loss_and_its_gradient_are_the_numbers_on_paper(network):
    loss, d = cross_entropy(network.forward(X).output, LABELS)
    close(loss, 1.5 * np.log(2.0))
    close(d, [[-3 / 8, 3 / 8], [1 / 4, -1 / 4]])


def test_backward_gives_the_numbers_on_paper(network):
    trace = network.forward(X)
    _, d = cross_entropy(trace.output, LABELS)
    gradient = network.backward(trace, d, input_gradient=True)
    close(gradient, GRADIENT)
    close(trace.d_input, [[-9 * L / 8, 0.0], [L / 2, L / 4]])


def test_one_example_alone_gives_its_own_numbers(network):
    # The first example, N = 1: d_z2 = p − onehot = [−3/4 3/4], so everything is twice its part above.
    #   d_W2 = [1]ᵀ[−3/4 3/4] = [−3/4 3/4]     d_z1 = L [−3/2 3/4]     d_W1 = L [−3/2 3/4]     d_b1 = d_z1
    #          [2]              [−3/2 3/2]                                      [−3   3/2]
    trace = network.forward(X[:1])
    loss, d = cross_entropy(trace.output, LABELS[:1])
    close(loss, 2 * np.log(2.0))
    expected = [-1.5 * L, 0.75 * L, -3 * L, 1.5 * L, -1.5 * L, 0.75 * L, -0.75, 0.75, -1.5, 1.5, -0.75, 0.75]
    close(network.backward(trace, d), expected)


def test_one_step_of_sgd_moves_half_a_gradient_down(network):
    SGD(0.5).step(network, GRADIENT)
    close(network.layers[0].weight, [[1 - L / 8, -1 - 3 * L / 16], [0.5 + L, 1 - 3 * L / 8]])
    close(network.layers[0].bias, [-1 + L / 8, 1 - 3 * L / 16])
    close(network.layers[2].weight, [[2 * L + 1 / 8, -1 / 8], [3 / 8, L - 3 / 8]])
    close(network.layers[2].bias, [1 / 16, L - 1 / 16])


def test_momentum_adds_half_of_the_last_step(network):
    # μ = ½, the same g twice: v = g, then g/2 + g = 3/2 g; together 5/2 g.
    optimizer = SGD(0.1, momentum=0.5)
    optimizer.step(network, GRADIENT)
    close(network.parameters, THETA - 0.1 * GRADIENT)
    optimizer.step(network, GRADIENT)
    close(network.parameters, THETA - 0.1 * 5 / 2 * GRADIENT)
    close(optimizer.state["velocity"], 3 / 2 * GRADIENT)


def test_the_learning_rate_counts_when_theta_moves(network):
    # v = g, moved by 0.1; then v = 3/2 g, moved by 1: 0.1 g + 1.5 g.
    optimizer = SGD(0.1, momentum=0.5)
    optimizer.step(network, GRADIENT)
    optimizer.learning_rate = 1.0
    optimizer.step(network, GRADIENT)
    close(network.parameters, THETA - 1.6 * GRADIENT)


def test_nesterov_looks_ahead(network):
    # g + μv: g + ½g = 3/2 g, then v = 3/2 g and g + ¾g = 7/4 g; together 13/4 g.
    optimizer = SGD(0.1, momentum=0.5, nesterov=True)
    optimizer.step(network, GRADIENT)
    close(network.parameters, THETA - 0.1 * 3 / 2 * GRADIENT)
    optimizer.step(network, GRADIENT)
    close(network.parameters, THETA - 0.1 * 13 / 4 * GRADIENT)


def test_weight_decay_pulls_weights_and_spares_biases(network):
    SGD(0.5, weight_decay=0.2).step(network, GRADIENT)
    close(network.parameters, THETA - 0.5 * (GRADIENT + 0.2 * THETA * IS_WEIGHT))


def test_adam_under_one_gradient_moves_by_its_sign(network):
    # m/(1−β₁ᵗ) = g and v/(1−β₂ᵗ) = g² at every step, so each step is η · g/|g| when ε = 0.
    optimizer = Adam(0.25, epsilon=0.0)
    for step in (1, 2, 3):
        optimizer.step(network, GRADIENT)
        assert_allclose(network.parameters, THETA - 0.25 * step * np.sign(GRADIENT), rtol=1e-12, atol=1e-12)


def test_adam_remembers_both_moments(network):
    # β = (½, ¾): first gradient g, second 0.   m = ½g, ¼g; v = ¼g², 3/16 g².
    # Second step: (¼g / ¾) / √(3/16 g² / (7/16)) = ⅓ g / (√(3/7) |g|)
    optimizer = Adam(1.0, betas=(0.5, 0.75), epsilon=0.0)
    optimizer.step(network, GRADIENT)
    optimizer.step(network, 0.0 * GRADIENT)
    close(optimizer.state["mean"], GRADIENT / 4)
    close(optimizer.state["square"], 3 / 16 * GRADIENT**2)
    second = np.sqrt(7 / 3) / 3
    assert_allclose(network.parameters, THETA - (1 + second) * np.sign(GRADIENT), rtol=1e-12, atol=1e-12)


def test_adamw_shrinks_weights_before_it_steps(network):
    AdamW(0.25, epsilon=0.0, weight_decay=0.4).step(network, GRADIENT)
    expected = THETA * (1 - 0.25 * 0.4 * IS_WEIGHT) - 0.25 * np.sign(GRADIENT)
    assert_allclose(network.parameters, expected, rtol=1e-12, atol=1e-12)


def test_the_average_begins_as_the_plain_mean_and_then_forgets():
    # decay ½: β = 0, ½, then min(½, 2/3) = ½.   8 → 8;  2 → ½·8 + ½·2 = 5;  −1 → ½·5 − ½ = 2
    average = ExponentialAverage(0.5)
    seen = []
    for θ in (8.0, 2.0, -1.0):
        average.update(np.array([θ]))
        seen.append(float(average.parameters[0]))
    assert seen == [8.0, 5.0, 2.0]
