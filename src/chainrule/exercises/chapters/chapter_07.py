"""Chapter 7: wrong, and it still learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.chapters.chapter_05 import network
from chainrule.exercises.grading import WrongError, exercise, expect, require

#: What is wrong with the five curves of the chapter, in their order.
CURVES = ("rate too large", "rate too small", "over-fitting", "unshuffled", "dead units")


@exercise("7.1", "mended", "a backward pass with three mistakes, mended", minutes=20)
def mended(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(X, Y, Z1, A1, A2, W2) → (dW1, db1, dW2, db2)."""
    m = int(rng.integers(4, 8))
    n = network(rng, m)
    given = answer(n["X"], n["Y"], n["Z1"], n["A1"], n["A2"], n["W2"])
    if not isinstance(given, (tuple, list)) or len(given) != 4:
        raise WrongError("Return four arrays: dW1, db1, dW2, db2.")
    d2 = (n["A2"] - n["Y"]) / m
    back = n["W2"].T @ d2
    d1 = back * (n["Z1"] > 0)
    expect(given[2], d2 @ n["A1"].T, {"There is still a factor of 2 in dZ2.": 2 * d2 @ n["A1"].T}, what="dW2")
    expect(given[3], d2.sum(axis=1, keepdims=True), {
        "db2 is still one number for all units.": d2.sum(),
        "There is still a factor of 2 in dZ2.": 2 * d2.sum(axis=1, keepdims=True),
    }, what="db2")  # fmt: skip
    expect(given[0], d1 @ n["X"].T, {
        "The mask is still taken of what comes back.": back * (back > 0) @ n["X"].T,
        "The mask is gone altogether.": back @ n["X"].T,
    }, what="dW1")  # fmt: skip
    expect(given[1], d1.sum(axis=1, keepdims=True), {"db1 is still one number for all units.": d1.sum()}, what="db1")


@exercise("7.2", "dropout_back", "the way back through dropout", minutes=10)
def dropout_back(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(dA, mask, keep) → dA · mask / keep."""
    d, keep = rng.standard_normal((4, 6)), 0.8
    mask = rng.random((4, 6)) < keep
    mask[0, 0] = False
    right = d * mask / keep
    expect(
        answer(d, mask, keep),
        right,
        {
            "The scale is missing: forward, what was kept was divided by `keep`.": d * mask,
            "The mask is missing: who was dropped has no part in the loss.": d / keep,
            "Multiplied by `keep`, where forward it was divided.": d * mask * keep,
            "That is for the dropped ones.": d * ~mask / keep,
            "dA comes through unchanged.": d,
        },
    )


@exercise("7.3", "curves", "what is wrong with this curve?", minutes=15)
def curves(answer: Any, rng: np.random.Generator) -> None:
    """Five words out of `CURVES`, in the order of the pictures."""
    require(isinstance(answer, (list, tuple)), f"Give a list of five of these: {', '.join(sorted(CURVES))}.")
    require(len(answer) == 5, f"There are five curves; you give {len(answer)} answers.")
    unknown = [one for one in answer if one not in CURVES]
    require(not unknown, f"{unknown[0] if unknown else ''!r} is none of these: {', '.join(sorted(CURVES))}.")
    clues = (
        "Curve 1: does it get better at all, or jump about?",
        "Curve 2: both lines go the right way. How fast?",
        "Curve 3: look at the two lines together. Which one goes on, and which one turns?",
        "Curve 4: it falls and rises again and again, with the same period. What comes in that period?",
        "Curve 5: nothing moves, from the first step. Which gradient is 0 from then on?",
    )
    for given, right, clue in zip(answer, CURVES, clues, strict=True):
        require(given == right, clue)


@exercise("7.4", "find_wrong", "which of these gradients is wrong?", minutes=20)
def find_wrong(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(loss, gradients, parameters) → the set of names whose gradient is wrong."""
    c = {name: rng.standard_normal((3, 2)) for name in "ABCD"}
    parameters = {name: rng.standard_normal((3, 2)) for name in c}
    bad = set(rng.choice(list(c), int(rng.integers(1, 4)), replace=False).tolist())

    def loss(p: Any) -> float:
        return float(sum((c[name] * p[name] ** 2).sum() for name in c))

    def gradients(p: Any) -> Any:
        return {name: 2 * c[name] * p[name] * (1.01 if name in bad else 1) for name in c}

    given = answer(loss, gradients, {name: p.copy() for name, p in parameters.items()})
    require(isinstance(given, (set, list, tuple)), "Return a set of names.")
    missed, accused = bad - set(given), set(given) - bad
    require(not accused, "It accuses a right gradient. How large an error does the difference itself have?")
    require(not missed, "It misses one that is 1 % too large. How small may a relative error be to be one?")
