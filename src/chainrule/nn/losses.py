"""Losses: how wrong the outputs are, and the gradient of that, from one function.

Each returns `(loss, d_output)`. When a batch comes in parts, `total=` is the N of the whole batch: losses and
gradients of the parts then add up to those of the batch. Penalties on θ are not included.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.arrays import (
    FLOATS,
    Array,
    is_number,
    number,
    require_array,
    require_fraction,
    require_labels,
    require_out,
    with_little_scratch,
)

Loss = Callable[..., tuple[float, Array]]


@with_little_scratch
def cross_entropy(
    logits: Array,
    targets: Array,
    out: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    sample_weight: Array | None = None,
    total: float | None = None,
) -> tuple[float, Array]:
    """Mean cross-entropy of p = softmax(logits) under the targets t, and its gradient.

        ℓ = −1/N Σᵢ wᵢ Σ_c t[i, c] log p[i, c]        ∂ℓ/∂logits = wᵢ (p − t) / N

    Parameters
    ----------
    logits : float array, shape (N, C)
    targets : integer array, shape (N,), 0 ≤ label < C; or float array, shape (N, C), rows that sum to 1
        Labels stand for one-hot rows t.
    out : float array, shape (N, C), optional
        Receives the gradient; may be `logits` itself.
    label_smoothing : float, 0 ≤ ε < 1
        t becomes (1 − ε) t + ε/C.
    sample_weight : float array, shape (N,), optional
        wᵢ, 1 where not given. A weight of 2 counts as the example given twice.
    total : float, optional
        The N to divide by; Σ wᵢ where not given.

    Returns
    -------
    loss : float, in nats per example
        NaN or infinite where a logit or a target is: nobody looks at every number on the way. Whoever trains asks
        `math.isfinite(loss)`, as `Training` does.
    d_logits : float array, shape (N, C)

    Raises
    ------
    ShapeError
        If there is not one target a row, or `out` is not like the logits; names both shapes.
    DtypeError
        If the logits are neither float32 nor float64, `out` not of their dtype, the targets neither integers nor of
        it, or one of them no array.
    ValueRangeError
        If a label is not one of the C classes (names the row), the smoothing not in [0, 1), a weight not finite or
        negative, or the number to divide by not above 0.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.108; label smoothing: Szegedy et al. (2016),
    section 7. Derived in docs/mathematics.md.
    """
    require_fraction(label_smoothing=label_smoothing)
    _require_targets(logits, targets)
    require_out(out, logits)
    d = _copy_by_columns(logits, out)
    z = d.T  # (C, N): one class a row
    np.subtract(z, z.max(axis=0), out=z)  # softmax(z) = softmax(logits)
    expected = _expected_logit(d, targets)  # Σ_c t z
    if label_smoothing:
        expected = (1.0 - label_smoothing) * expected + label_smoothing * z.mean(axis=0)
    np.exp(z, out=z)
    normalizer = z.sum(axis=0)
    np.divide(z, normalizer, out=z)  # p
    losses = np.log(normalizer, out=normalizer)
    np.subtract(losses, expected, out=losses)  # −Σ_c t log p, as log p = z − log Σ eᶻ
    if label_smoothing:
        np.subtract(d, label_smoothing / d.shape[1], out=d)
    _subtract_targets(d, targets, 1.0 - label_smoothing)
    return _weighted_mean(losses, d, sample_weight, total)


@with_little_scratch
def mean_squared_error(
    outputs: Array,
    targets: Array,
    out: Array | None = None,
    *,
    sample_weight: Array | None = None,
    total: float | None = None,
) -> tuple[float, Array]:
    """Mean over examples and outputs of the squared difference, and its gradient.

        ℓ = 1/N Σᵢ wᵢ 1/C Σ_c (y[i, c] − t[i, c])²        ∂ℓ/∂y = 2 wᵢ (y − t) / (N C)

    Parameters
    ----------
    outputs : float array, shape (N, C)
    targets : integer array, shape (N,), standing for one-hot rows t; or float array, shape (N, C)
    out : float array, shape (N, C), optional
        Receives the gradient; may be `outputs` itself.
    sample_weight : float array, shape (N,), optional
        wᵢ, 1 where not given.
    total : float, optional
        The N to divide by; Σ wᵢ where not given.

    Returns
    -------
    loss : float, in squared units of the output
        NaN or infinite where an output or a target is, as in `cross_entropy`.
    d_outputs : float array, shape (N, C)

    Raises
    ------
    ShapeError, DtypeError, ValueRangeError
        As in `cross_entropy`.

    References
    ----------
    Bishop, Pattern Recognition and Machine Learning (2006), eq. 5.11, as a mean and without its ½.
    """
    _require_targets(outputs, targets)
    require_out(out, outputs)
    d = _copy_by_columns(outputs, out)
    _subtract_targets(d, targets, 1.0)
    classes = d.shape[1]
    losses = np.einsum("ic,ic->i", d, d) / classes
    np.multiply(d, 2.0 / classes, out=d)
    return _weighted_mean(losses, d, sample_weight, total)


def _require_targets(rows: Array, targets: Array) -> None:
    """Refuse outputs that are not rows of floats, and targets that are neither labels nor such rows."""
    require_array("outputs", rows)
    require_array("targets", targets)
    if rows.ndim != 2 or len(rows) == 0:
        raise ShapeError(f"outputs have shape {rows.shape}; expected (N, C) with N ≥ 1, one example a row.")
    if rows.dtype not in FLOATS:
        raise DtypeError(f"outputs are {rows.dtype}; expected float32 or float64.")
    if targets.ndim == 1:
        require_labels(targets, *rows.shape)
    elif targets.shape != rows.shape:
        raise ShapeError(f"targets have shape {targets.shape}; expected {rows.shape}, or ({len(rows)},) labels.")
    elif targets.dtype != rows.dtype:
        raise DtypeError(f"targets are {targets.dtype}; expected {rows.dtype}, the network's own dtype.")


def _copy_by_columns(outputs: Array, out: Array | None) -> Array:
    """The outputs in the room for their gradient, where they may be overwritten.

    A room made here keeps each column together: NumPy's inner loops then run over N numbers and not over the few
    classes, which makes a loss of ten columns twice as fast.
    """
    d = np.empty_like(outputs, order="F") if out is None else out
    d[...] = outputs
    return d


def _expected_logit(z: Array, targets: Array) -> Array:
    """Σ_c t[i, c] z[i, c], shape (N,)."""
    if targets.ndim == 1:
        return z[np.arange(len(z), like=z), targets]
    return np.multiply(z, targets).sum(axis=1)


def _subtract_targets(d: Array, targets: Array, scale: float) -> None:
    """d ← d − scale · t, in place."""
    if targets.ndim == 1:
        d[np.arange(len(d), like=d), targets] -= scale
    else:
        np.subtract(d, targets if scale == 1.0 else scale * targets, out=d)


def _weighted_mean(losses: Array, d: Array, sample_weight: Array | None, total: float | None) -> tuple[float, Array]:
    """(Σ w ℓ / total, w d / total), d in place."""
    if sample_weight is not None:
        require_array("sample_weight", sample_weight)
        if sample_weight.shape != losses.shape:
            raise ShapeError(f"sample_weight has shape {sample_weight.shape}; expected {losses.shape}.")
        if sample_weight.dtype.kind not in "fiu":
            raise DtypeError(f"sample_weight is {sample_weight.dtype}; expected floats.")
        if not ((sample_weight >= 0) & (sample_weight < math.inf)).all():  # which NaN is not
            raise ValueRangeError("sample_weight has NaN, infinite or negative numbers; expected finite, at least 0.")
        sample_weight = sample_weight.astype(np.result_type(sample_weight, losses), copy=False)  # float16 adds badly
        losses = losses * sample_weight
        np.multiply(d, sample_weight[:, np.newaxis], out=d)
    if total is None:
        total = len(losses) if sample_weight is None else float(sample_weight.sum())
    if not is_number(total) or not 0 < total < math.inf:
        raise ValueRangeError(f"the mean would divide by {total!r}; expected a total, or weights' sum, above 0.")
    np.multiply(d, 1.0 / total, out=d)
    return number(losses.sum()) / total, d
