"""What an array must be before the mathematics sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DtypeError, ShapeError, ValueRangeError

Array = NDArray[Any]

#: How many numbers NumPy's ufuncs may take as scratch when they cast or broadcast (8192 if nobody says). Functions
#: that promise to allocate nothing of a batch's size set it, under `np.errstate()`, which restores it at the end.
SCRATCH = 1024


def require_rows(name: str, array: Array, width: int, dtype: np.dtype[Any]) -> None:
    """Refuse anything but rows `(N, width)` of that dtype, N ≥ 1; the engine never casts."""
    if getattr(array, "ndim", None) != 2 or array.shape[1] != width or array.shape[0] == 0:
        given = getattr(array, "shape", type(array).__name__)
        raise ShapeError(f"{name} has shape {given}; expected (N, {width}) with N ≥ 1, one example a row.")
    if array.dtype != dtype:
        raise DtypeError(
            f"{name} is {array.dtype}, the network's parameters are {dtype}. "
            f"Convert it once, before training: {name}.astype('{dtype}')."
        )


def require_labels(labels: Array, n: int, classes: int) -> None:
    """Refuse anything but one integer label a row, 0 ≤ label < classes."""
    if labels.shape != (n,):
        raise ShapeError(f"labels have shape {labels.shape}; expected ({n},), one label for each of {n} rows.")
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"labels are {labels.dtype}; expected integers, 0 to {classes - 1}.")
    # A negative number read as unsigned is huge: one maximum checks both ends.
    if int(labels.view(labels.dtype.str.replace("i", "u")).max()) >= classes:
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise ValueRangeError(f"label {labels[row]} in row {row} is out of range; expected 0 to {classes - 1}.")


def require_finite(name: str, array: Array) -> None:
    """Refuse NaN and infinities, naming the first."""
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueRangeError(f"{name} contains {array[index]} at index {index}; expected finite numbers.")
