"""What right gradients do not show."""

from pathlib import Path

import pytest

import chainrule.lab
from chainrule.doctor.examination import examine_here

HEALTHY = (Path(chainrule.lab.__file__).parent / "program.py").read_text(encoding="utf-8")
DEEP = """
import numpy as np

def init_params(rng):
    return [(rng.standard_normal((n, k)) * SCALE, np.zeros((1, k))) for n, k in ((20, 20), (20, 20), (20, 20), (20, 3))]

def softmax(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def forward(X, params):
    activations = [X]
    for W, b in params[:-1]:
        activations.append(np.tanh(activations[-1] @ W + b))
    W, b = params[-1]
    activations.append(softmax(activations[-1] @ W + b))
    return activations

def backward(Y, activations, params):
    dZ, grads = (activations[-1] - Y) / len(Y), []
    for i in reversed(range(len(params))):
        grads.insert(0, (activations[i].T @ dZ, dZ.sum(axis=0, keepdims=True)))
        dZ = (dZ @ params[i][0].T) * (1 - activations[i] ** 2)
    return grads
"""


@pytest.fixture
def examine(tmp_path):
    def examine(text):
        path = tmp_path / "program.py"
        path.write_text(text, encoding="utf-8")
        found = examine_here(path)
        assert found.right, found
        return found.fragile

    return examine


def test_a_healthy_program_is_not_nagged(examine):
    assert examine(HEALTHY) == []
    assert examine(DEEP.replace("SCALE", "np.sqrt(1 / n)")) == []


def test_an_image_alone_that_fails_is_told(examine):
    (said,) = examine(HEALTHY.replace("    m = len(X)\n", "    m = len(X)\n    assert m > 1, 'too few'\n"))
    assert "One image alone fails: AssertionError: too few" in said


def test_outputs_that_depend_on_the_other_images_are_told(examine):
    centred = HEALTHY.replace("Z1 = X @ W1 + b1", "Z1 = X @ W1 + b1 + 0.1 * len(X)")
    assert any("other outputs alone than in a batch" in said for said in examine(centred))


def test_units_that_start_dead_are_counted(examine):
    (said,) = examine(HEALTHY.replace("b1 = np.zeros((1, 32))", "b1 = np.zeros((1, 32)) - 20 * (np.arange(32) < 24)"))
    assert "24 of 32 units of layer 1 start dead" in said


def test_activations_that_fade_are_told_with_their_numbers(examine):
    (said,) = examine(DEEP.replace("SCALE", "0.03"))
    assert said.startswith("Activations fade from layer to layer, from a standard deviation of 0.0")


def test_units_that_start_saturated_are_told(examine):
    assert any("starts saturated" in said for said in examine(DEEP.replace("SCALE", "20")))


def test_what_cannot_be_learned_by_heart_is_told(examine):
    stuck = HEALTHY.replace("* np.sqrt(2 / 32)", "* 0").replace("* np.sqrt(2 / 784)", "* 1e-9")
    (said,) = examine(stuck)
    assert "does not learn 20 examples by heart" in said
