"""Chapter 11: making it fast."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import WrongError, exercise, expect, require


@exercise("11.1", "dense_into", "x W + b without a new array", minutes=10)
def dense_into(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(x, W, b, out): out receives x W + b."""
    x, w, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((256, 64), (64, 128), (128,)))
    out = np.full((256, 128), np.nan, np.float32)
    tracemalloc.start()
    answer(x, w, b, out)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    require(bool(np.isfinite(out).all()), "`out` still holds what was in it. Write into it: np.matmul(…, out=out).")
    expect(out, x @ w + b, {"The bias is missing.": x @ w}, tolerance=1e-4)
    require(
        used < out.nbytes // 2,
        f"It makes {used:,} bytes of new arrays on the way. `out += b` and np.add(…, out=) need none.",
    )


@exercise("11.2", "multiplications", "how much work a step is", minutes=10)
def multiplications(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(n, sizes) → multiplications of all matrix products of one training step."""
    n, sizes = int(rng.integers(2, 100)), [int(k) for k in rng.integers(2, 50, int(rng.integers(3, 5)))]
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    forward = n * sum(a * b for a, b in pairs)
    first = n * pairs[0][0] * pairs[0][1]
    expect(
        answer(n, sizes),
        3 * forward - first,
        {
            "That is forward alone.": forward,
            "Back there are two products a layer: one for dW, one for what goes on to the layer before.": 2 * forward,
            "Before the first layer nobody waits for a gradient: one product less.": 3 * forward,
            "The batch is missing: each example costs as much.": (3 * forward - first) // n,
        },
    )


@exercise("11.3", "flatten", "all parameters as one vector, and views into it", minutes=15)
def flatten(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(arrays) → (θ, views): views[i] has arrays[i]'s shape and values, and lies in θ."""
    arrays = [rng.standard_normal(shape) for shape in ((3, 4), (4,), (4, 2))]
    given = answer([a.copy() for a in arrays])
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise WrongError("Return two things: θ, and a list of views.")
    theta, views = given
    expect(theta, np.concatenate([a.reshape(-1) for a in arrays]), what="θ")
    for view, array in zip(views, arrays, strict=True):
        expect(view, array, what="A view")
    theta += 1
    require(
        all(np.allclose(view, array + 1) for view, array in zip(views, arrays, strict=True)),
        "When θ changes, the arrays don't: they are copies. Reshape slices of θ itself.",
    )


@exercise("11.4", "speed_up", "what a faster part brings to the whole", minutes=5)
def speed_up(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(part, factor) → the whole's speed-up, if `part` of its time becomes `factor` times as fast."""
    part, factor = float(rng.uniform(0.2, 0.9)), float(rng.integers(2, 20))
    expect(
        answer(part, factor),
        1 / (1 - part + part / factor),
        {
            "That is the part's own factor. The rest takes as long as before.": factor,
            "That is the time that is left. Ask how many times as fast.": 1 - part + part / factor,
            "That forgets what the faster part still takes.": 1 / (1 - part),
        },
    )
