"""Activations, elementwise: a = f(z) and ∂ℓ/∂z = ∂ℓ/∂a · f′(z). And softmax, which is not, and its logarithm.

Each derivative below follows from the activation's own output a, so a may be written over z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.arrays import FLOATS, Array, is_fraction, require_array, require_out
from chainrule.nn.layers import Layer


class ReLU(Layer):
    """a = max(z, 0); f′ = 1 where a > 0, else 0 (and 0 at the kink, z = 0).

    References
    ----------
    Nair & Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010).
    """

    kind = "relu"
    overwrites = True

    def new_workspace(self, capacity: int, width: int, like: Array) -> Array:
        return np.empty_like(like, shape=(capacity, width), dtype=bool)

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        # A row of zeros instead of the number 0: with a number, NumPy's maximum takes twice as long.
        return np.maximum(x, np.zeros_like(x, shape=x.shape[1]), out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        derivative = np.greater(out, 0.0, out=workspace)
        return np.multiply(d, derivative, out=d)


class LeakyReLU(Layer):
    """a = max(z, slope·z); f′ = 1 where a > 0, else the slope.

    Parameters
    ----------
    slope : float, 0 ≤ slope < 1

    Raises
    ------
    ValueRangeError
        If the slope is outside [0, 1).

    References
    ----------
    Maas, Hannun & Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models (2013).
    """

    kind = "leaky_relu"
    overwrites = True

    def __init__(self, slope: float = 0.01) -> None:
        if not is_fraction(slope):
            raise ValueRangeError(f"LeakyReLU({slope!r}): the slope must be at least 0 and below 1.")
        self.slope = float(slope)

    def configuration(self) -> dict[str, Any]:
        return {"kind": self.kind, "slope": self.slope}

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        np.multiply(x, self.slope, out=workspace)
        return np.maximum(x, workspace, out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        derivative = np.greater(out, 0.0, out=workspace)
        np.maximum(derivative, self.slope, out=derivative)
        return np.multiply(d, derivative, out=d)


class Tanh(Layer):
    """a = tanh z; f′ = 1 − a²."""

    kind = "tanh"
    overwrites = True

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        return np.tanh(x, out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        derivative = np.multiply(out, out, out=workspace)
        np.subtract(1.0, derivative, out=derivative)
        return np.multiply(d, derivative, out=d)


class Sigmoid(Layer):
    """a = σ(z) = 1/(1 + e⁻ᶻ); f′ = a (1 − a).

    Computed as e^min(z,0) / (1 + e^−|z|), which is the same number and never overflows.
    """

    kind = "sigmoid"
    overwrites = True

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        np.minimum(x, 0.0, out=workspace)
        np.exp(workspace, out=workspace)
        np.abs(x, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.add(out, 1.0, out=out)
        return np.divide(workspace, out, out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        derivative = np.subtract(1.0, out, out=workspace)
        np.multiply(derivative, out, out=derivative)
        return np.multiply(d, derivative, out=d)


def softmax(logits: Array, out: Array | None = None) -> Array:
    """Turn each row of logits into probabilities.

        p[i, c] = exp(z[i, c] − max z[i]) / Σₖ exp(z[i, k] − max z[i])

    Taking each row's own maximum away changes no probability, and no exponential can overflow.

    Parameters
    ----------
    logits : float array, shape (N, C)
    out : float array, shape (N, C), optional
        Receives the probabilities; may be `logits` itself.

    Returns
    -------
    probabilities : float array, shape (N, C); each row sums to 1, and is NaN where one of its logits is

    Raises
    ------
    ShapeError
        If the logits are not rows with C ≥ 1, or `out` has another shape.
    DtypeError
        If the logits are no array, or neither float32 nor float64, or `out` is of another dtype.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.104.
    """
    _require_logits(logits, out)
    out = np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    return np.divide(out, out.sum(axis=1, keepdims=True), out=out)


def log_softmax(logits: Array, out: Array | None = None) -> Array:
    """The logarithm of each row's probabilities, finite also where a probability is as good as 0.

        log p[i, c] = z[i, c] − max z[i] − log Σₖ exp(z[i, k] − max z[i])

    Parameters
    ----------
    logits : float array, shape (N, C)
    out : float array, shape (N, C), optional
        Receives the logarithms; may be `logits` itself.

    Returns
    -------
    float array, shape (N, C); each at most 0

    Raises
    ------
    ShapeError, DtypeError
        As from `softmax`.
    """
    _require_logits(logits, out)
    out = np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    return np.subtract(out, np.log(np.exp(out).sum(axis=1, keepdims=True)), out=out)


def _require_logits(logits: Array, out: Array | None) -> None:
    """Refuse anything but rows of floats, and room for a result that is not like them."""
    require_array("logits", logits)
    if logits.ndim != 2 or logits.shape[1] == 0:
        raise ShapeError(f"logits have shape {logits.shape}; expected (N, C) with C ≥ 1, one example a row.")
    if logits.dtype not in FLOATS:
        raise DtypeError(f"logits are {logits.dtype}; expected float32 or float64.")
    require_out(out, logits)
