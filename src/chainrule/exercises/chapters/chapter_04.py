"""Chapter 4: downhill without calculus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import Unchanged, exercise, expect, require


@exercise("4.1", "numerical_gradient", "the slope of any function in every direction", minutes=15)
def numerical_gradient(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(f, w) → array of w's shape."""
    c = rng.standard_normal((3, 2))
    w = rng.standard_normal((3, 2))

    def f(v: Any) -> float:
        return float((c * v**3).sum())

    right, h = 3 * c * w**2, 1e-5
    with Unchanged(w):
        given = answer(f, w)
    forward = (c * ((w + h) ** 3 - w**3)) / h
    expect(
        given,
        right,
        {
            "The sign: f(w + h) − f(w − h), and not the other way round.": -right,
            "The step from w − h to w + h is 2h long; you divide by h.": 2 * right,
            "That is the slope along all entries at once. Move one entry at a time.": np.full_like(w, right.sum()),
            "Only the first entry is computed.": np.where(np.arange(6).reshape(3, 2) == 0, right, 0),
        },
        tolerance=1e-3,
    )
    require(
        float(np.abs(given - right).max()) < 0.1 * float(np.abs(forward - right).max()),
        "It is right to five digits only. A difference to both sides, f(w + h) − f(w − h), is right to nine.",
    )


@exercise("4.2", "descend", "some steps downhill", minutes=10)
def descend(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(gradient, w, rate, steps) → the last w."""
    w = rng.standard_normal(4)
    rate, steps = 0.1, int(rng.integers(3, 7))

    def gradient(v: Any) -> Any:
        return 2 * v + np.sin(v)

    def walk(sign: float, times: int, fixed: bool = False) -> Any:
        v, first = w.copy(), gradient(w)
        for _ in range(times):
            v = v + sign * rate * (first if fixed else gradient(v))
        return v

    with Unchanged(w):
        given = answer(gradient, w, rate, steps)
    expect(
        given,
        walk(-1, steps),
        {
            "It climbs: the gradient points uphill, and the step goes against it.": walk(1, steps),
            "It takes one step only.": walk(-1, 1),
            "It takes one step too few.": walk(-1, steps - 1),
            "The gradient is computed once, at the start. The slope is another one after every step.": walk(
                -1, steps, True
            ),
        },
    )


@exercise("4.3", "evaluations", "what a step costs without calculus", minutes=5)
def evaluations(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(sizes) → how often the network runs for one central numerical gradient."""
    sizes = [int(n) for n in rng.integers(3, 30, int(rng.integers(2, 5)))]
    weights = sum(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    biases = sum(sizes[1:])
    expect(
        answer(sizes),
        2 * (weights + biases),
        {
            "Each parameter needs two evaluations: one to each side.": weights + biases,
            "The biases are parameters too.": 2 * weights,
            "There is no bias in the input layer: it computes nothing.": 2 * (weights + sum(sizes)),
        },
    )
