"""Worked solutions to chapter 4."""

import numpy as np


def numerical_gradient(f, w, h=1e-5):
    """4.1: one entry at a time, to both sides."""
    slope = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = h
        slope[i] = (f(w + step) - f(w - step)) / (2 * h)
    return slope


def descend(gradient, w, rate, steps):
    """4.2: a new slope after every step."""
    for _ in range(steps):
        w = w - rate * gradient(w)
    return w


def evaluations(sizes):
    """4.3: two for every weight and every bias."""
    return 2 * sum(n_out * (n_in + 1) for n_in, n_out in zip(sizes[:-1], sizes[1:]))
