"""Chapter 6: gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.chapters.chapter_05 import network
from chainrule.exercises.grading import Unchanged, WrongError, exercise, expect, require


@exercise("6.1", "update", "one step against the gradient", minutes=5)
def update(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(parameters, gradients, rate) → new parameters, a list."""
    parameters = [rng.standard_normal(shape) for shape in ((4, 3), (4, 1), (2, 4))]
    gradients = [rng.standard_normal(p.shape) for p in parameters]
    with Unchanged(*parameters, *gradients):
        given = answer(parameters, gradients, 0.3)
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        raise WrongError("Return a list with a new array for each parameter.")
    for result, p, g in zip(given, parameters, gradients, strict=True):
        expect(result, p - 0.3 * g, {"It climbs: subtract.": p + 0.3 * g, "The learning rate is missing.": p - g,
                                     "That is the step alone; it starts from the parameter.": -0.3 * g})  # fmt: skip


@exercise("6.2", "he", "weights to start from", minutes=10)
def he(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(n_in, n_out, rng) → (n_out, n_in), standard deviation √(2/n_in)."""
    n_in, n_out = 400, 300
    given = np.asarray(answer(n_in, n_out, rng))
    if given.shape == (n_in, n_out):
        raise WrongError("Rows and columns are exchanged: W is (outputs, inputs), so that W X works.")
    require(given.shape == (n_out, n_in), f"The shape is {given.shape}; expected (outputs, inputs).")
    spread = float(given.std())
    require(spread > 0, "All weights are equal; then all hidden units stay alike for ever.")
    require(abs(float(given.mean())) < 0.2 * spread, "The mean is not 0: half of the weights should be negative.")
    named = {
        "The standard deviation is √(1/n_in); ReLU halves the variance, so He's has a 2.": np.sqrt(1 / n_in),
        "The standard deviation is √(2/n_out); what adds up in a unit are its inputs.": np.sqrt(2 / n_out),
        "The standard deviation is 2/n_in; take the root.": 2 / n_in,
        "The standard deviation is 1: with 400 inputs the scores will be about 20.": 1.0,
    }
    right = np.sqrt(2 / n_in)
    for hint, value in named.items():
        require(abs(spread / value - 1) > 0.03 or abs(spread / right - 1) < 0.03, hint)
    require(abs(spread / right - 1) < 0.03, f"The standard deviation is {spread:.3g}; expected √(2/n_in).")
    require(
        not np.array_equal(given, np.asarray(answer(n_in, n_out, rng))),
        "Twice the same weights: draw from the generator you are given, and do not make one of your own.",
    )


@exercise("6.3", "dead_units", "which hidden units never fire", minutes=10)
def dead_units(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(Z1) → bool (H,): z ≤ 0 for all examples."""
    z = rng.standard_normal((6, 8))
    z[1] = -np.abs(z[1])
    z[4] = -np.abs(z[4])
    z[2, 0] = 5
    right = (z <= 0).all(axis=1)
    given = answer(z)
    if np.ndim(given) == 0:
        raise WrongError("One answer for each unit, and not one for all of them.")
    expect(
        np.asarray(given).astype(float),
        right.astype(float),
        {
            "Those are units that are silent for some example. Dead is who is silent for all.":
                (z <= 0).any(axis=1).astype(float),
            "Those are the living ones.": (~right).astype(float),
            "That asks for each example. Ask for each unit: along the other axis.": (z <= 0).all(axis=0).astype(float),
        },
    )  # fmt: skip


@exercise("6.4", "step", "forward, back, and one step: the whole of learning", minutes=30)
def step(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(X, Y, W1, b1, W2, b2, rate) → new W1, b1, W2, b2."""
    m, rate = int(rng.integers(4, 8)), 0.5
    n = network(rng, m)
    given = answer(n["X"], n["Y"], n["W1"].copy(), n["b1"].copy(), n["W2"].copy(), n["b2"].copy(), rate)
    if not isinstance(given, (tuple, list)) or len(given) != 4:
        raise WrongError("Return four arrays: W1, b1, W2, b2.")
    d2 = (n["A2"] - n["Y"]) / m
    d1 = n["W2"].T @ d2 * (n["Z1"] > 0)
    new_w2 = n["W2"] - rate * d2 @ n["A1"].T
    early = new_w2.T @ d2 * (n["Z1"] > 0)
    right = {
        "W2": new_w2,
        "b2": n["b2"] - rate * d2.sum(axis=1, keepdims=True),
        "W1": n["W1"] - rate * d1 @ n["X"].T,
        "b1": n["b1"] - rate * d1.sum(axis=1, keepdims=True),
    }
    hints = {"W1": {"The gradient goes back through W2 after W2 was updated. Compute all gradients first.":
                    n["W1"] - rate * early @ n["X"].T}}  # fmt: skip
    for name, result in zip(("W1", "b1", "W2", "b2"), given, strict=True):
        climbing = {"It climbs: subtract the gradient.": 2 * n[name] - right[name]}
        expect(result, right[name], climbing | hints.get(name, {}), what=name)
