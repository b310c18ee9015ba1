"""How good the predictions are."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.arrays import Array, is_number, is_whole, require_array, require_count, require_labels


def accuracy(predictions: Array, labels: Array) -> float:
    """Fraction of predictions that equal their label.

    Parameters
    ----------
    predictions, labels : integer arrays, shape (N,), N ≥ 1

    Returns
    -------
    accuracy : float, 0 to 1

    Raises
    ------
    ShapeError
        If the shapes differ or there is nothing to count; names both.
    DtypeError
        If one of them is no array, or not of integers.
    """
    _require_pairs(predictions, labels)
    return float(np.count_nonzero(predictions == labels)) / len(labels)


def confusion_matrix(predictions: Array, labels: Array, classes: int) -> Array:
    """How often each class (row) was taken for each class (column).

    Parameters
    ----------
    predictions, labels : integer arrays, shape (N,), values 0 to classes − 1
    classes : int

    Returns
    -------
    counts : int64 array, shape (classes, classes); entry [t, p] counts label t predicted as p

    Raises
    ------
    ShapeError
        If the shapes differ or there is nothing to count; names both.
    DtypeError
        If one of them is no array, or not of integers.
    ValueRangeError
        If a label or a prediction is not one of the classes; names the row. If `classes` is not at least 1.
    """
    _require_pairs(predictions, labels)
    require_count(classes=classes)
    require_labels(labels, len(labels), classes)
    require_labels(predictions, len(labels), classes)
    cells = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval that holds the true rate with the given confidence, after `successes` of `trials`.

        (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n),        p = successes / n

    Parameters
    ----------
    successes, trials : int, 0 ≤ successes ≤ trials, trials ≥ 1
    confidence : float, 0 < confidence < 1
        How often the interval holds the true rate; z is the normal distribution's number for it, 1.96 for 0.95.

    Returns
    -------
    low, high : floats, 0 to 1

    Raises
    ------
    ValueRangeError
        If the counts are impossible or not whole, or the confidence is not between 0 and 1.

    References
    ----------
    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    if not (is_whole(successes) and is_whole(trials) and 0 <= successes <= trials and trials > 0):
        raise ValueRangeError(f"{successes} successes of {trials} trials: expected 0 ≤ successes ≤ trials, 1 ≤ trials.")
    if not is_number(confidence) or not 0 < confidence < 1:
        raise ValueRangeError(f"confidence is {confidence!r}; expected a number between 0 and 1, as 0.95.")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, n = successes / trials, trials
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _require_pairs(predictions: Array, labels: Array) -> None:
    require_array("predictions", predictions)
    require_array("labels", labels)
    if predictions.shape != labels.shape or labels.ndim != 1 or len(labels) == 0:
        raise ShapeError(
            f"predictions have shape {predictions.shape} and labels {labels.shape}; expected (N,) for both, N ≥ 1."
        )
    for name, array in (("predictions", predictions), ("labels", labels)):
        if array.dtype.kind not in "iu":  # "7" is never 7
            raise DtypeError(f"{name} are {array.dtype}; expected integers, {name}.astype(int).")
