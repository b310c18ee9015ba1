"""What an array, or a setting, must be before the mathematics sees it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DtypeError, ShapeError, ValueRangeError

Array = NDArray[Any]

#: How many numbers NumPy's ufuncs may take as scratch when they cast or broadcast (8192 if nobody says).
SCRATCH = 1024

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


def with_little_scratch(function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """Let NumPy take little scratch inside: for functions that promise to allocate nothing of a batch's size."""

    @functools.wraps(function)
    def wrapper(*args: Inputs.args, **kwargs: Inputs.kwargs) -> Output:
        if np.getbufsize() <= SCRATCH:
            return function(*args, **kwargs)
        with np.errstate():  # restores the next line's setting at the end
            np.setbufsize(SCRATCH)
            return function(*args, **kwargs)

    return wrapper


#: What the engine computes in.
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def require_array(name: str, value: Any) -> None:
    """Refuse what is no array: a list, None, a table. Another library's arrays pass; they have these two as well."""
    if not hasattr(value, "dtype") or not hasattr(value, "strides"):
        if value is None:
            raise DtypeError(f"{name} is None; expected a NumPy array.")
        raise DtypeError(f"{name} is {_with_article(value)}; expected a NumPy array, np.asarray({name}).")


def require_rows(name: str, array: Array, width: int, dtype: np.dtype[Any]) -> None:
    """Refuse anything but rows `(N, width)` of that dtype, N ≥ 1; the engine never casts."""
    require_array(name, array)
    if array.ndim != 2 or array.shape[1] != width or array.shape[0] == 0:
        raise ShapeError(f"{name} has shape {array.shape}; expected (N, {width}) with N ≥ 1, one example a row.")
    if array.dtype != dtype:
        raise DtypeError(
            f"{name} is {array.dtype}, the network's parameters are {dtype}. "
            f"Convert it once, before training: {name}.astype('{dtype}')."
        )


def require_labels(labels: Array, n: int, classes: int) -> None:
    """Refuse anything but one integer label a row, 0 ≤ label < classes."""
    require_array("labels", labels)
    if labels.shape != (n,):
        raise ShapeError(f"labels have shape {labels.shape}; expected ({n},), one label for each of {n} rows.")
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"labels are {labels.dtype}; expected integers, 0 to {classes - 1}.")
    # A negative number read as unsigned is huge, so one maximum checks both ends, in half the time of two passes.
    # ">i4" becomes ">u4": the dtype's own string with another letter keeps the size and the order of the bytes.
    if n and int(labels.view(labels.dtype.str.replace("i", "u")).max()) >= classes:
        row = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise ValueRangeError(f"label {labels[row]} in row {row} is out of range; expected 0 to {classes - 1}.")


def require_finite(name: str, array: Array) -> None:
    """Refuse NaN and infinities, naming the first."""
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueRangeError(f"{name} contains {array[index]} at index {index}; expected finite numbers.")


def require_out(out: Array | None, like: Array) -> None:
    """Refuse room for a result that has another shape or dtype than the result; None makes new room."""
    if out is None:
        return
    require_array("out", out)
    if out.shape != like.shape:
        raise ShapeError(f"out has shape {out.shape}; expected {like.shape}, the shape of what goes in.")
    if out.dtype != like.dtype:
        raise DtypeError(f"out is {out.dtype}; expected {like.dtype}, the dtype of what goes in.")


def require_rate(**settings: float) -> None:
    """Refuse anything but finite numbers, at least 0."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 <= value < math.inf:
            raise ValueRangeError(f"{name} is {value!r}; expected a finite number, at least 0.")


def require_fraction(**settings: float) -> None:
    """Refuse anything but numbers from 0 to below 1."""
    for name, value in settings.items():
        if not _is_number(value) or not 0 <= value < 1:
            raise ValueRangeError(f"{name} is {value!r}; expected at least 0 and below 1.")


def require_count(least: int = 1, /, **settings: int) -> None:
    """Refuse anything but whole numbers from `least` up."""
    for name, value in settings.items():
        if not is_whole(value) or value < least:
            raise ValueRangeError(f"{name} is {value!r}; expected a whole number, at least {least}.")


def is_whole(value: Any) -> bool:
    """Whether that is a whole number by its type: 2, and not 2.0 or True."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _with_article(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"
