"""Worked solutions to chapter 8."""

import numpy as np


def batches(n, size, rng):
    """8.1: one order of all rows, cut into pieces; the last one may be shorter."""
    order = rng.permutation(n)
    return [order[start : start + size] for start in range(0, n, size)]


def momentum(w, v, g, rate, mu):
    """8.2: v remembers, w follows v."""
    v = mu * v + g
    return w - rate * v, v


def adam(w, m, v, g, t, rate):
    """8.3: running means of g and g², corrected for having started at 0."""
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - rate * step, m, v


def schedule(t, warmup, total, peak):
    """8.4: a line up, then half a cosine wave down to 0."""
    if t < warmup:
        return peak * t / warmup
    return peak * (1 + np.cos(np.pi * (t - warmup) / (total - warmup))) / 2
