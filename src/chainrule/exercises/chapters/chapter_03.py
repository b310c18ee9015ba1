"""Chapter 3: how wrong?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.chapters.chapter_02 import column_softmax
from chainrule.exercises.grading import exercise, expect, require


def guesses(rng: np.random.Generator) -> tuple[Any, Any]:
    """Probabilities (4, m) and labels (m,)."""
    m = int(rng.integers(5, 9))
    return column_softmax(rng.standard_normal((4, m))), rng.integers(0, 4, m)


@exercise("3.1", "cross_entropy", "the mean surprise at the right answers", minutes=10)
def cross_entropy(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, Y) → number."""
    a, y = guesses(rng)
    p = a[y, np.arange(len(y))]
    right = -np.log(p).mean()
    expect(
        answer(a, y),
        right,
        {
            "That is the sum over the examples; the loss is their mean, so that it doesn't grow with their number.":
                -np.log(p).sum(),
            "The sign: the logarithm of a probability is negative, and a loss shrinks as the guesses improve.": -right,
            "That takes the logarithm of the largest probability, right or wrong. Take the one of the label.":
                -np.log(a.max(axis=0)).mean(),
            "That is in decimal digits, log10. The derivation uses the natural logarithm.": -np.log10(p).mean(),
            "That is the logarithm of the mean; the loss is the mean of the logarithms.": -np.log(p.mean()),
        },
    )  # fmt: skip


@exercise("3.2", "stable_softmax", "softmax for scores of any size", minutes=10)
def stable_softmax(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(Z) → (C, m), for scores of a thousand too."""
    z = rng.standard_normal((4, 5))
    expect(answer(z), column_softmax(z), {"Each row adds up to 1. Here examples are columns.": column_softmax(z.T).T})
    require(
        bool(np.isfinite(answer(z + 1000)).all()),
        "With scores of 1,000 it gives NaN: e^1000 is infinity. Subtract something first that changes nothing.",
    )
    large = z + np.array([0, 1000, -1000, 5000, -3000])
    given = np.asarray(answer(large))
    require(
        bool(np.isfinite(given).all()),
        "Beside an example with scores of 5,000 the others become 0/0. Subtract each example's own largest score.",
    )
    expect(given, column_softmax(large))


@exercise("3.3", "squares", "half the squared distance from the targets, as a mean", minutes=5)
def squares(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, T) → number; T one-hot (C, m)."""
    a, y = guesses(rng)
    t = np.eye(4)[:, y]
    right = 0.5 * ((a - t) ** 2).sum(axis=0).mean()
    expect(
        answer(a, t),
        right,
        {
            "The half is missing.": 2 * right,
            "That is the mean over the classes as well; an example's distance is a sum over them.": right / 4,
            "That is the mean over classes and examples, without the half.": ((a - t) ** 2).mean(),
            "That is the sum over the examples; take their mean.": right * len(y),
        },
    )


@exercise("3.4", "loss_of_knowing_nothing", "the cross-entropy before learning", minutes=5)
def loss_of_knowing_nothing(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(classes) → ln(classes)."""
    classes = int(rng.integers(2, 100))
    expect(
        answer(classes),
        np.log(classes),
        {
            "The sign: a loss of −ln p is positive.": -np.log(classes),
            "That is the probability that each class gets. The loss is −ln of it.": 1 / classes,
            "That is in bits or decimal digits; use the natural logarithm.": np.log2(classes),
        },
    )
