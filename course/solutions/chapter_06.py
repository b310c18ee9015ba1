"""Worked solutions to chapter 6."""

import numpy as np


def update(parameters, gradients, rate):
    """6.1: new arrays; nobody else's are changed."""
    return [p - rate * g for p, g in zip(parameters, gradients)]


def he(n_in, n_out, rng):
    """6.2: variance 2/n_in, so that half of it is left after ReLU."""
    return rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)


def dead_units(Z1):
    """6.3: units are rows."""
    return (Z1 <= 0).all(axis=1)


def step(X, Y, W1, b1, W2, b2, rate):
    """6.4: forward, all gradients, and only then the update."""
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2 @ A1 + b2
    E = np.exp(Z2 - Z2.max(axis=0))
    A2 = E / E.sum(axis=0)
    dZ2 = (A2 - Y) / X.shape[1]
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    return (
        W1 - rate * dZ1 @ X.T,
        b1 - rate * dZ1.sum(axis=1, keepdims=True),
        W2 - rate * dZ2 @ A1.T,
        b2 - rate * dZ2.sum(axis=1, keepdims=True),
    )
