"""Chapter 10: opening it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.chapters.chapter_02 import column_softmax
from chainrule.exercises.chapters.chapter_05 import network
from chainrule.exercises.grading import WrongError, exercise, expect


@exercise("10.1", "confusion", "who is taken for whom", minutes=10)
def confusion(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(labels, predictions, classes) → counts, labels as rows."""
    labels, predictions = rng.integers(0, 4, 40), rng.integers(0, 4, 40)
    counts = np.zeros((4, 4), int)
    for label, prediction in zip(labels, predictions, strict=True):
        counts[label, prediction] += 1
    once = np.zeros((4, 4), int)
    once[labels, predictions] = 1
    expect(
        answer(labels, predictions, 4),
        counts,
        {
            "Rows and columns are exchanged: labels are the rows.": counts.T,
            "No count is above 1: with `C[labels, predictions] += 1` NumPy adds each pair once. Use np.add.at.": once,
            "Those are parts and not counts.": counts / 40,
        },
    )


@exercise("10.2", "confident_mistakes", "wrong, and sure of it", minutes=15)
def confident_mistakes(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(P, labels, k) → rows of the k surest mistakes, the surest first; P is (N, C)."""
    p = column_softmax(3 * rng.standard_normal((4, 30))).T
    labels = rng.integers(0, 4, 30)
    sure, wrong = p.max(axis=1), p.argmax(axis=1) != labels
    order = np.argsort(-sure)
    right = order[wrong[order]][:5]
    expect(
        answer(p, labels, 5),
        right,
        {
            "Those are the surest of all, right or wrong.": order[:5],
            "Those are the least sure mistakes; the surest come first.": order[wrong[order]][::-1][:5],
            "The surest mistakes, but in the wrong order: the surest first.": right[::-1],
            "Those are right.": order[~wrong[order]][:5],
        },
    )


@exercise("10.3", "calibration", "does 90 % sure mean 90 % right?", minutes=15)
def calibration(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(sure, right, edges) → the part that is right between each two edges; NaN where there is none."""
    edges = np.array([0.0, 0.5, 0.7, 0.9, 1.0])
    sure = rng.choice(np.array([0.1, 0.3, 0.55, 0.65, 0.95, 0.99]), 40)
    right = rng.random(40) < sure
    means = [right[(sure >= a) & (sure < b)].mean() if ((sure >= a) & (sure < b)).any() else np.nan
             for a, b in zip(edges[:-1], edges[1:], strict=True)]  # fmt: skip
    counts = [right[(sure >= a) & (sure < b)].sum() for a, b in zip(edges[:-1], edges[1:], strict=True)]
    confidences = [sure[(sure >= a) & (sure < b)].mean() if ((sure >= a) & (sure < b)).any() else np.nan
                   for a, b in zip(edges[:-1], edges[1:], strict=True)]  # fmt: skip
    expect(
        answer(sure, right, edges),
        np.array(means),
        {
            "Those are counts. Divide by how many lie between the edges.": np.array(counts),
            "Those are the confidences themselves; ask how many were right.": np.array(confidences),
            "Where there is nobody the part is unknown: NaN and not 0.": np.nan_to_num(np.array(means)),
        },
    )


@exercise("10.4", "input_gradient", "which pixels speak for a class", minutes=20)
def input_gradient(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(W1, b1, W2, x, c) → ∂(score of class c)/∂x, of a two-layer network with ReLU; x is (D,)."""
    n = network(rng, 3)
    w1, b1, w2, x = n["W1"], n["b1"][:, 0], n["W2"], n["X"][:, 0]
    active = (w1 @ x + b1) > 0
    c = int(rng.integers(0, 3))
    expect(
        answer(w1, b1, w2, x, c),
        (w2[c] * active) @ w1,
        {
            "ReLU's derivative is missing: silent units have no say.": w2[c] @ w1,
            "That is the sum over all classes; start from one of them.": (w2.sum(axis=0) * active) @ w1,
            "Multiplied by x: that is a contribution, and not a slope.": (w2[c] * active) @ w1 * x,
        },
    )
    if np.shape(answer(w1, b1, w2, x, c)) != x.shape:
        raise WrongError("One number for each pixel.")
