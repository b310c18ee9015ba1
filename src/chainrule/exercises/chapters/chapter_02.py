"""Chapter 2: a first guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import WrongError, exercise, expect


def examples(rng: np.random.Generator) -> tuple[Any, ...]:
    """W (C, D), b (C, 1), X (D, m)."""
    d, c, m = 5, 3, int(rng.integers(4, 8))
    return rng.standard_normal((c, d)), rng.standard_normal((c, 1)), rng.random((d, m))


def column_softmax(z: Any) -> Any:
    """Of each column."""
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


@exercise("2.1", "softmax", "scores as probabilities, column by column", minutes=10)
def softmax(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(Z) → (C, m)."""
    z = rng.standard_normal((3, int(rng.integers(4, 7))))
    e = np.exp(z)
    expect(
        answer(z),
        column_softmax(z),
        {
            "The whole array adds up to 1. Each example should: sum along the axis of the classes.": e / e.sum(),
            "Each row adds up to 1. Here examples are columns.": e / e.sum(axis=1, keepdims=True),
            "Those are e^z, all positive, but they don't add up to 1 yet.": e,
            "The scores themselves are divided by their sum; e^z makes them positive first.": z / z.sum(axis=0),
        },
    )


@exercise("2.2", "forward", "one layer: probabilities of every example", minutes=10)
def forward(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(W, b, X) → (C, m)."""
    w, b, x = examples(rng)
    expect(
        answer(w, b, x),
        column_softmax(w @ x + b),
        {
            "The bias is missing.": column_softmax(w @ x),
            "Those are the scores. Softmax is still to come.": w @ x + b,
            "The bias is subtracted.": column_softmax(w @ x - b),
            "Rows and columns are exchanged: one column for each example.": column_softmax(w @ x + b).T,
        },
    )


@exercise("2.3", "accuracy", "the part of the examples that is guessed rightly", minutes=5)
def accuracy(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, Y) → number."""
    a = column_softmax(rng.standard_normal((4, 9)))
    labels = rng.integers(0, 4, 9)
    labels[:3] = a.argmax(axis=0)[:3]
    right = np.mean(a.argmax(axis=0) == labels)
    expect(
        answer(a, labels),
        right,
        {
            "That is how many are right. Divide by the number of examples.": right * 9,
            "Those are the wrong ones.": 1 - right,
        },
    )


@exercise("2.4", "to_rows", "the same layer where examples are rows", minutes=15)
def to_rows(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(W, b) → (V, c) with X.T @ V + c = (W X + b).T."""
    w, b, _ = examples(rng)
    v, c = answer(w, b)
    expect(v, w.T, {"W is unchanged; with examples as rows, x W must do what W x did.": w}, what="The weight")
    if np.shape(c) == b.shape:
        raise WrongError(
            "The bias still is a column; added to rows of classes it lands on the examples. Make it a row."
        )
    expect(np.reshape(c, -1) if np.shape(c) == (1, 3) else c, b.reshape(-1), what="The bias")
