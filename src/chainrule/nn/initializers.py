"""Where weights begin: `initializer(shape, rng)` gives float64 numbers, shape `(n_in, n_out)`.

The scale matters: a unit adds n_in terms, so weights of variance v multiply the variance of what passes through
by about n_in·v. Each variant below is one answer to "which v keeps it near 1?". Numbers are drawn in float64
whatever the network's dtype, so that one seed gives the same network in float32 and float64, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.arrays import Array

Initializer = Callable[[tuple[int, ...], np.random.Generator], Array]


def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(−½, ½), whatever the width: what a first tutorial does, and why its network learns slowly."""
    return rng.random(shape) - 0.5


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """0 everywhere: right for biases, fatal for weights (every unit would learn the same)."""
    return np.zeros(shape)


def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 1/n_in): keeps the variance of a linear or tanh layer. Tutorials often call this one Xavier.

    References
    ----------
    LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.6.
    """
    n_in, _ = _widths(shape)
    return rng.standard_normal(shape) * np.sqrt(1.0 / n_in)


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 2/(n_in + n_out)): the compromise between forward and backward variance (Xavier, normal).

    References
    ----------
    Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), eq. 12.
    """
    return rng.standard_normal(shape) * np.sqrt(2.0 / sum(_widths(shape)))


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(−r, r), r = √(6/(n_in + n_out)): the same variance as `glorot_normal` (Xavier, uniform).

    References
    ----------
    Glorot & Bengio (2010), eq. 16.
    """
    return rng.uniform(-1.0, 1.0, shape) * np.sqrt(6.0 / sum(_widths(shape)))


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ N(0, 2/n_in): twice LeCun's variance, since ReLU sets half of it to zero.

    References
    ----------
    He, Zhang, Ren & Sun, Delving Deep into Rectifiers (2015), eq. 10.
    """
    n_in, _ = _widths(shape)
    return rng.standard_normal(shape) * np.sqrt(2.0 / n_in)


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """W ~ U(−r, r), r = √(6/n_in): the same variance as `he_normal`.

    References
    ----------
    He, Zhang, Ren & Sun (2015), eq. 10, drawn uniformly.
    """
    n_in, _ = _widths(shape)
    return rng.uniform(-1.0, 1.0, shape) * np.sqrt(6.0 / n_in)


def _widths(shape: tuple[int, ...]) -> tuple[int, int]:
    """n_in and n_out, which a weight has and a bias does not."""
    if len(shape) != 2:
        raise ShapeError(
            f"This initializer needs n_in and n_out, and an array of shape {shape} does not say them. "
            f"For a bias take zeros or uniform."
        )
    return shape[0], shape[1]
