"""Chapter 12: from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import WrongError, exercise, expect


@exercise("12.1", "convolve", "one small picture of weights, everywhere", minutes=20)
def convolve(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(image, kernel) → (H − h + 1, W − w + 1): Σ image[i+a, j+b]·kernel[a, b]."""
    image, kernel = rng.standard_normal((7, 8)), rng.standard_normal((3, 2))
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    expect(
        answer(image, kernel),
        (windows * kernel).sum(axis=(2, 3)),
        {
            "The kernel is turned round. That is the mathematicians' convolution; networks don't turn it.":
                (windows * kernel[::-1, ::-1]).sum(axis=(2, 3)),
            "The last row and column are missing: H − h + 1 places fit.": (windows * kernel).sum(axis=(2, 3))[:-1, :-1],
            "That is a mean; sum.": (windows * kernel).mean(axis=(2, 3)),
        },
    )  # fmt: skip


@exercise("12.2", "product_back", "the way back through any matrix product", minutes=10)
def product_back(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, B, dC) → (dA, dB) of C = A B."""
    a, b, d = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), rng.standard_normal((4, 5))
    given = answer(a, b, d)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise WrongError("Return two arrays: dA and dB.")
    expect(given[0], d @ b.T, {"dA is transposed: it has to have A's shape.": (d @ b.T).T}, what="dA")
    expect(given[1], a.T @ d, {"dB is transposed: it has to have B's shape.": d.T @ a}, what="dB")


@exercise("12.3", "reverse", "automatic differentiation in a dozen lines", minutes=40)
def reverse(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(steps, x) → derivative of the last value by x; steps are ("add" | "mul", i, j) on earlier values."""
    x = float(rng.uniform(0.5, 2))
    steps = [("mul", 0, 0), ("add", 1, 0), ("mul", 2, 1), ("add", 3, 3), ("mul", 4, 0)]
    steps = steps[: int(rng.integers(3, 6))]
    values, slopes = [x], [1.0]
    for kind, i, j in steps:
        if kind == "add":
            values.append(values[i] + values[j])
            slopes.append(slopes[i] + slopes[j])
        else:
            values.append(values[i] * values[j])
            slopes.append(slopes[i] * values[j] + values[i] * slopes[j])
    once = _overwriting(steps, values)
    expect(
        answer(steps, x),
        slopes[-1],
        {
            "A value that is used twice gets both gradients: add them up, and don't overwrite.": once,
            "That is the last value and not its derivative.": values[-1],
        },
    )


def _overwriting(steps: Any, values: list[float]) -> float:
    """What comes of it where a gradient replaces the one before."""
    gradient = [0.0] * len(values)
    gradient[-1] = 1.0
    for k in range(len(steps), 0, -1):
        kind, i, j = steps[k - 1]
        di, dj = (1.0, 1.0) if kind == "add" else (values[j], values[i])
        gradient[i] = gradient[k] * di
        gradient[j] = gradient[k] * dj
    return gradient[0]
