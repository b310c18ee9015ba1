"""Chapter 5: the chain rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.chapters.chapter_02 import column_softmax
from chainrule.exercises.grading import Unchanged, WrongError, exercise, expect


def network(rng: np.random.Generator, m: int) -> dict[str, Any]:
    """A two-layer network of the tutorials, its examples, and all that its forward pass leaves behind."""
    d, h, c = 5, 4, 3
    x = rng.random((d, m))
    y = np.eye(c)[:, rng.integers(0, c, m)]
    w1, b1 = rng.standard_normal((h, d)), rng.standard_normal((h, 1)) * 0.5
    w2, b2 = rng.standard_normal((c, h)), rng.standard_normal((c, 1)) * 0.5
    z1 = w1 @ x + b1
    a1 = np.maximum(z1, 0)
    a2 = column_softmax(w2 @ a1 + b2)
    return {"X": x, "Y": y, "W1": w1, "b1": b1, "W2": w2, "b2": b2, "Z1": z1, "A1": a1, "A2": a2, "m": m}


@exercise("5.1", "output_error", "∂ℓ/∂Z of softmax and cross-entropy", minutes=5)
def output_error(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, Y) → (A − Y)/m."""
    m = int(rng.integers(2, 7))
    n = network(rng, m)
    difference = n["A2"] - n["Y"]
    with Unchanged(n["A2"], n["Y"]):
        given = answer(n["A2"], n["Y"])
    expect(
        given,
        difference / m,
        {
            "Right for one example, wrong for more: the loss is a mean. Did you divide by m?": difference,
            "The sign: where the probability is too large, the score should go down, so the slope is positive.":
                -difference / m,
            "Divided by the number of classes; the mean is over the examples.": difference / 3,
            "Divided by all entries; the mean is over the examples alone.": difference / (3 * m),
        },
    )  # fmt: skip


@exercise("5.2", "one_layer_gradients", "∂ℓ/∂W and ∂ℓ/∂b of one layer", minutes=20)
def one_layer_gradients(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(X, A, Y) → (dW, db)."""
    m = int(rng.integers(4, 8))
    n = network(rng, m)
    x, a, y = n["A1"], n["A2"], n["Y"]
    delta = (a - y) / m
    dw, db = _pair(answer(x, a, y))
    expect(
        dw,
        delta @ x.T,
        {
            "Right for one example, wrong for two: did you divide by m?": m * delta @ x.T,
            "It has the shape of Wᵀ: dW has to have the shape of W. Which factor comes first?": x @ delta.T,
            "Divided by m twice.": delta @ x.T / m,
        },
        what="dW",
    )
    expect(
        db,
        delta.sum(axis=1, keepdims=True),
        {
            "db is one number for all units: sum over the examples alone, axis=1.": delta.sum(),
            "db has lost its second axis. Keep it, or b − α·db becomes a square: keepdims=True.": delta.sum(axis=1),
            "db is summed over the classes; sum over the examples.": delta.sum(axis=0, keepdims=True),
            "dW is right, and db is not divided by m.": m * delta.sum(axis=1, keepdims=True),
            "db is not summed over the examples.": delta,
        },
        what="db",
    )


@exercise("5.3", "relu_back", "the way back through ReLU", minutes=10)
def relu_back(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(dA, Z) → dZ."""
    z, d = rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    with Unchanged(z, d):
        given = answer(d, z)
    expect(
        given,
        d * (z > 0),
        {
            "That asks where dA is positive. What counts is where Z was.": d * (d > 0),
            "That is ReLU's derivative alone; the chain rule multiplies it with what comes back.": z > 0,
            "It lets through what ReLU has blocked, and blocks the rest.": d * (z < 0),
            "dA comes through unchanged: ReLU's derivative is missing.": d,
            "That is ReLU of Z times dA. ReLU's derivative is 1 or 0.": d * np.maximum(z, 0),
        },
    )


@exercise("5.4", "two_layer_gradients", "backpropagation, whole", minutes=30)
def two_layer_gradients(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(X, Y, Z1, A1, A2, W2) → (dW1, db1, dW2, db2)."""
    m = int(rng.integers(4, 8))
    n = network(rng, m)
    given = answer(n["X"], n["Y"], n["Z1"], n["A1"], n["A2"], n["W2"])
    if not isinstance(given, tuple) or len(given) != 4:
        raise WrongError("Return four arrays: dW1, db1, dW2, db2.")
    d2 = (n["A2"] - n["Y"]) / m
    back = n["W2"].T @ d2
    d1 = back * (n["Z1"] > 0)
    expect(given[2], d2 @ n["A1"].T, {
        "dW2 uses X; the second layer's input is A1.": d2 @ n["X"].T,
        "dW2 uses Z1; the second layer's input is A1.": d2 @ n["Z1"].T,
        "dW2: right for one example, wrong for two: did you divide by m?": m * d2 @ n["A1"].T,
    }, what="dW2")  # fmt: skip
    expect(given[3], d2.sum(axis=1, keepdims=True), {
        "db2 is one number for all units: sum over the examples alone, axis=1.": d2.sum(),
    }, what="db2")  # fmt: skip
    expect(given[0], d1 @ n["X"].T, {
        "dW1: ReLU's derivative is missing on the way back.": back @ n["X"].T,
        "dW1: the mask is that of what comes back; it should be that of Z1.": (back * (back > 0)) @ n["X"].T,
        "dW1: divided by m once more. dZ2 has it already.": d1 @ n["X"].T / m,
    }, what="dW1")  # fmt: skip
    expect(given[1], d1.sum(axis=1, keepdims=True), {
        "db1 is one number for all units: sum over the examples alone, axis=1.": d1.sum(),
    }, what="db1")  # fmt: skip


@exercise("5.5", "relative_error", "how many digits agree", minutes=5)
def relative_error(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(a, n) → ‖a − n‖ / (‖a‖ + ‖n‖)."""
    a = rng.standard_normal((3, 4))
    n = a + 1e-3 * rng.standard_normal((3, 4))
    right = np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n))
    expect(
        answer(a, n),
        right,
        {
            "That is the absolute error. A gradient of 1e-6 would always look right.": np.linalg.norm(a - n),
            "Divided by one norm only: then exchanging a and n changes the result.": np.linalg.norm(a - n)
            / np.linalg.norm(n),
            "That compares the norms and not the arrays: a and −a would be alike.": abs(
                np.linalg.norm(a) - np.linalg.norm(n)
            )
            / (np.linalg.norm(a) + np.linalg.norm(n)),
        },
        tolerance=1e-12,
    )
    expect(answer(np.zeros(2), np.zeros(2)), 0.0, what="Of two vanishing gradients the result")


def _pair(given: Any) -> tuple[Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise WrongError("Return two arrays: dW and db.")
    return given[0], given[1]
