"""Chapter 8: small steps, better steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import WrongError, exercise, expect, require


@exercise("8.1", "batches", "every example once, in small groups, in a new order", minutes=15)
def batches(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(n, size, rng) → a list of arrays of row numbers."""
    n, size = int(rng.integers(21, 40)), 5
    n += n % size == 0
    given = [np.asarray(batch) for batch in answer(n, size, rng)]
    drawn = np.concatenate(given) if given else np.array([], int)
    require(len(drawn) > 0, "There are no batches.")
    require(len(drawn) != n - n % size, "The last, smaller batch is missing: some examples are never seen.")
    require(sorted(drawn.tolist()) == list(range(n)), "Not every example comes exactly once.")
    require(all(len(batch) == size for batch in given[:-1]), f"Each batch but the last has {size} examples.")
    require(not np.array_equal(drawn, np.arange(n)), "The order is that of the data. Shuffle it.")
    again = np.concatenate([np.asarray(batch) for batch in answer(n, size, rng)])
    require(
        not np.array_equal(drawn, again), "The second epoch has the order of the first. Draw it from `rng` each time."
    )


@exercise("8.2", "momentum", "a step with memory", minutes=10)
def momentum(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(w, v, g, rate, mu) → (new w, new v)."""
    w, v, g = rng.standard_normal((3, 5))
    rate, mu = 0.1, 0.9
    given = answer(w.copy(), v.copy(), g, rate, mu)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise WrongError("Return two arrays: the new w and the new v.")
    new = mu * v + g
    expect(given[1], new, {
        "v ← μv + g. Yours weighs the gradient with 1 − μ, which is another learning rate.": mu * v + (1 - mu) * g,
        "The learning rate is already in v; here it comes with the step.": mu * v + rate * g,
        "v is unchanged.": v,
    }, what="v")  # fmt: skip
    expect(given[0], w - rate * new, {
        "The step uses the old v.": w - rate * v,
        "It climbs: subtract.": w + rate * new,
        "The step uses the gradient alone: that is plain descent.": w - rate * g,
    }, what="w")  # fmt: skip


@exercise("8.3", "adam", "a step as long for every parameter", minutes=20)
def adam(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(w, m, v, g, t, rate) → (new w, m, v); β₁ 0.9, β₂ 0.999, ε 1e-8; t counts from 1."""
    w, m, g = rng.standard_normal((3, 4))
    v, t, rate = rng.random(4), int(rng.integers(1, 5)), 0.01
    given = answer(w.copy(), m.copy(), v.copy(), g, t, rate)
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise WrongError("Return three arrays: w, m, v.")
    m1, v1 = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    expect(given[1], m1, {"m ← β₁m + (1 − β₁)g: the weights add up to 1.": 0.9 * m + g}, what="m")
    expect(given[2], v1, {"v is the mean of the squares; yours of the gradients.": 0.999 * v + 0.001 * g}, what="v")
    mh, vh = m1 / (1 - 0.9**t), v1 / (1 - 0.999**t)
    expect(given[0], w - rate * mh / (np.sqrt(vh) + 1e-8), {
        "The correction of the start is missing: divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ.":
            w - rate * m1 / (np.sqrt(v1) + 1e-8),
        "The root is missing: v has the square's unit.": w - rate * mh / (vh + 1e-8),
        "The correction uses β and not βᵗ.": w - rate * (m1 / 0.1) / (np.sqrt(v1 / 0.001) + 1e-8) if t > 1 else w,
    }, what="w", tolerance=1e-7)  # fmt: skip


@exercise("8.4", "schedule", "up in a line, down in half a wave", minutes=10)
def schedule(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(t, warmup, total, peak) → learning rate at step t = 0 … total."""
    warmup, total, peak = 10, 110, 0.3

    def right(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        return peak * 0.5 * (1 + np.cos(np.pi * (t - warmup) / (total - warmup)))

    expect(
        answer(5, warmup, total, peak),
        right(5),
        {"There is no warm-up: it starts at the top.": peak},
        what="Half-way up",
    )
    expect(answer(warmup, warmup, total, peak), peak, what="The peak")
    expect(answer(35, warmup, total, peak), right(35), {
        "The wave starts at step 0; it should start where the warm-up ends.":
            peak * 0.5 * (1 + np.cos(np.pi * 35 / total)),
        "It goes down in a line.": peak * (total - 35) / (total - warmup),
    }, what="A quarter of the way down")  # fmt: skip
    t = int(rng.integers(0, total + 1))
    expect(answer(t, warmup, total, peak), right(t), what=f"Step {t}")
    expect(
        answer(total, warmup, total, peak),
        0.0,
        {"It ends at −peak: half a wave is (1 + cos)/2.": -peak},
        what="The end",
    )
