"""Chapter 9: learning the rule, not the examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import Unchanged, exercise, expect, require


@exercise("9.1", "with_penalty", "the gradient of a loss with λ/2 · Σ W²", minutes=5)
def with_penalty(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(dW, W, strength) → dW + λW."""
    w, d, strength = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), 0.2
    with Unchanged(w, d):
        given = answer(d, w, strength)
    expect(
        given,
        d + strength * w,
        {
            "The half in λ/2 cancels the 2 of the square's derivative.": d + 2 * strength * w,
            "The half is already gone: the derivative of λ/2 · w² is λw.": d + strength / 2 * w,
            "That is λ/2 · w² itself and not its derivative.": d + strength / 2 * w**2,
            "The sign: a penalty pulls weights towards 0, so its gradient points away from it.": d - strength * w,
        },
    )


@exercise("9.2", "dropout", "drop units, and keep the mean", minutes=15)
def dropout(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(A, keep, rng) → (dropped A, mask)."""
    a, keep = rng.random((60, 50)) + 0.5, 0.8
    with Unchanged(a):
        dropped, mask = answer(a, keep, rng)
    require(np.shape(mask) == a.shape, "The mask has to have a number for each unit of each example.")
    part = float(np.mean(np.asarray(mask) != 0))
    require(
        abs(part - keep) < 0.05 or abs(part - (1 - keep)) > 0.05,
        "It keeps a fifth and drops the rest; `keep` is the part that stays.",
    )
    require(abs(part - keep) < 0.05, f"It keeps {100 * part:.0f} %, and should keep {100 * keep:.0f} %.")
    kept = np.asarray(mask) != 0
    expect(
        dropped,
        a * kept / keep,
        {
            "The mean falls by a fifth: divide what is kept by `keep`.": a * kept,
            "Divide by `keep`, and don't multiply.": a * kept * keep,
        },
    )
    again = answer(a, keep, rng)[1]
    require(not np.array_equal(again, mask), "The same units are dropped each time. Draw from `rng`.")


@exercise("9.3", "best_epoch", "when to stop", minutes=10)
def best_epoch(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(losses, patience) → (epoch to keep, epoch to stop after), counted from 0."""
    losses = np.concatenate([np.linspace(1, 0.3, 8), [0.35, 0.32, 0.4, 0.5, 0.25, 0.2]]) + 0.001 * rng.random(14)
    patience = 3
    keep, stop = 7, 10
    given = answer(losses.tolist(), patience)
    require(
        isinstance(given, (tuple, list)) and len(given) == 2,
        "Return two epochs: the one to keep, the last one trained.",
    )
    require(
        int(given[0]) != int(np.argmin(losses)),
        "That is the best epoch of all. Whoever stops after three bad ones never gets there.",
    )
    require(int(given[1]) != keep, "It stops at once. Be patient for three epochs that are no better.")
    require(int(given[0]) != int(given[1]), "It keeps the last epoch's network. Keep the best one's.")
    expect(np.array(given), np.array([keep, stop]), what="The pair of epochs")
    improving = np.linspace(1, 0.1, 6).tolist()
    expect(np.array(answer(improving, patience)), np.array([5, 5]), what="Where it improves to the end, the pair")


@exercise("9.4", "shifted", "a picture moved by whole pixels", minutes=10)
def shifted(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(image, down, right) → the same shape; what comes in is 0."""
    image = rng.integers(1, 256, (6, 7)).astype(float)
    down, right = int(rng.integers(-2, 3)), int(rng.integers(1, 3))
    moved = np.zeros_like(image)
    for row in range(6):
        for column in range(7):
            if 0 <= row - down < 6 and 0 <= column - right < 7:
                moved[row, column] = image[row - down, column - right]
    with Unchanged(image):
        given = answer(image, down, right)
    wrong = {
        "What leaves on one side comes in on the other. A picture has edges: fill with 0.":
            np.roll(image, (down, right), axis=(0, 1)),
        "The picture is unchanged.": image,
    }  # fmt: skip
    if down != right:
        swapped = np.roll(image, (right, down), axis=(0, 1))
        wrong["Down and right are exchanged: rows come first."] = swapped
    expect(given, moved, wrong)
