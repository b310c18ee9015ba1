"""What an array, or a setting, must be before the mathematics sees it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

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
    """Refuse what is no array: a list, None, a table. Another library's arrays pass; they have these two as well.

    So are NumPy's own masked arrays and matrices refused: what is masked would count, and a matrix is never a vector.
    """
    if type(value) is np.ndarray:
        return
    if not hasattr(value, "dtype") or not hasattr(value, "strides"):
        if value is None:
            raise DtypeError(f"{name} is None; expected a NumPy array.")
        raise DtypeError(f"{name} is {_with_article(value)}; expected a NumPy array, np.asarray({name}).")
    if hasattr(value, "filled"):
        raise DtypeError(f"{name} is a masked array; expected a plain one, as {name}.filled(0) is.")
    if isinstance(value, np.matrix):
        raise DtypeError(f"{name} is a matrix; expected a plain NumPy array, np.asarray({name}).")


def require_rows(name: str, array: Array, width: int, dtype: np.dtype[Any]) -> None:
    """Refuse anything but rows `(N, width)` of that dtype, N ≥ 1; the engine never casts."""
    require_array(name, array)
    if array.ndim != 2 or array.shape[1] != width or array.shape[0] == 0:
        raise ShapeError(f"{name} has shape {array.shape}; expected (N, {width}) with N ≥ 1, one example a row.")
    if array.dtype != dtype:
        scaled = " / 255, or a Preparation's transform, if these are pixels" if array.dtype == np.uint8 else ""
        raise DtypeError(
            f"{name} is {array.dtype}, the network's parameters are {dtype}. "
            f"Convert it once, before training: {name}.astype('{dtype}'){scaled}."
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
    require_writable("out", out)


def require_writable(name: str, array: Array) -> None:
    """Refuse room for a result that nothing can be written to. Another library's arrays need not say."""
    if not getattr(array.flags, "writeable", True):
        raise InputError(f"{name} is read-only; expected an array that the result can be written to.")


def require_row_numbers(name: str, rows: Array, count: int) -> Array:
    """The numbers of some of `count` rows as indices, refused where there is no such row."""
    require_array(name, rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ShapeError(f"{name} has shape {rows.shape} and dtype {rows.dtype}; expected integers, shape (n,).")
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= count):
        raise ValueRangeError(
            f"{name} runs from {rows.min()} to {rows.max()}, and there are {count} pictures; expected 0 to {count - 1}."
        )
    return rows.astype(np.intp, copy=False)


def generator(rng: Any) -> np.random.Generator:
    """The generator of a seed, or the generator itself; None takes a seed from the system."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise InputError(f"rng is {rng!r}; expected a generator, a whole number from 0 up, or None.") from error


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64, refused where it is neither."""
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DtypeError(f"dtype is {dtype!r}; expected float32 or float64.") from error
    if found not in FLOATS:
        raise DtypeError(f"dtype is {found}; expected float32 or float64.")
    return found


def require_rate(**settings: float) -> None:
    """Refuse anything but finite numbers, at least 0."""
    for name, value in settings.items():
        if not is_number(value) or not 0 <= value < math.inf:
            raise ValueRangeError(f"{name} is {value!r}; expected a finite number, at least 0.")


def require_fraction(**settings: float) -> None:
    """Refuse anything but numbers from 0 to below 1."""
    for name, value in settings.items():
        if not is_fraction(value):
            raise ValueRangeError(f"{name} is {value!r}; expected at least 0 and below 1.")


def require_count(least: int = 1, /, **settings: int) -> None:
    """Refuse anything but whole numbers from `least` up."""
    for name, value in settings.items():
        if not is_whole(value) or value < least:
            raise ValueRangeError(f"{name} is {value!r}; expected a whole number, at least {least}.")


def number(scalar: Any) -> Any:
    """NumPy's scalar as a float. Another library's stays where it is: whoever asks for it waits for it."""
    return float(scalar) if isinstance(scalar, np.generic) else scalar


def piece_length(array: Array, length: int) -> int:
    """How much of an array to take at a time, where `length` stays in a processor's cache: all of another library's."""
    return min(length, len(array)) if isinstance(array, np.ndarray) else len(array)


def is_fraction(value: Any) -> bool:
    """Whether that is a number from 0 to below 1."""
    return is_number(value) and bool(0 <= value < 1)


def is_whole(value: Any) -> bool:
    """Whether that is a whole number by its type: 2, and not 2.0 or True."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether that is a real number by its type: 2 and 2.5, and not "2" or True."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _with_article(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"
