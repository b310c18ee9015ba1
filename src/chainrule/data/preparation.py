"""From uint8 pictures to the rows of numbers that a network reads: scale, standardise, flatten; split and one-hot.

    x[i, j] = (pixel[i, j] / 255 − mean[j]) / deviation[j]

This is one multiplication and one addition a value, x = pixel · gain + offset, and that is how it is computed:

    gain = 1 / (255 · deviation)        offset = −mean / deviation
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Rows = NDArray[np.int64]

_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Preparation:
    """What is done to every picture before a network reads it; learned from the training pictures alone.

    Parameters
    ----------
    shape : (height, width) of a picture; D = height · width
    mean : float array, shape (D,), of the pixels scaled to [0, 1]; None if they are not standardised
    deviation : float array, shape (D,), their standard deviation, or None with `mean`; where it is 0, the pixel is
        only shifted

    Raises
    ------
    ShapeError
        If mean and deviation are not both (D,) or both None, or the shape is not two whole numbers from 1.
    DtypeError
        If they are not of real numbers.
    ValueRangeError
        If one of their values is not finite, or a deviation is negative.

    References
    ----------
    LeCun, Bottou, Orr and Müller, Efficient BackProp (1998), section 4.3, on standardising inputs.
    """

    shape: tuple[int, int]
    mean: NDArray[np.float64] | None = None
    deviation: NDArray[np.float64] | None = None
    _gains: dict[np.dtype[Any], tuple[Floats, Floats | None]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check_shape(self.shape))
        if (self.mean is None) != (self.deviation is None):
            raise ShapeError("A preparation has both a mean and a deviation, or neither.")
        for name in ("mean", "deviation"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, self._checked(name, values))
        if self.deviation is not None and (self.deviation < 0).any():
            raise ValueRangeError("A deviation is negative; a standard deviation is 0 or more.")

    def _checked(self, name: str, values: ArrayLike) -> NDArray[np.float64]:
        given = np.asarray(values)
        if given.dtype.kind not in "fiu" or hasattr(values, "filled"):
            raise DtypeError(f"The {name} is {_described(values)} of {given.dtype}; expected an array of float64.")
        array = np.array(given, np.float64)
        if array.shape != (self.width,):
            raise ShapeError(f"The {name} has the shape {array.shape}; pictures {self.shape} need ({self.width},).")
        if not np.isfinite(array).all():
            raise ValueRangeError(f"The {name} has values that are infinite or not a number; expected finite ones.")
        array.flags.writeable = False  # the gain and offset computed from it are kept
        return array

    @property
    def width(self) -> int:
        """D = height · width, the length of a row."""
        return self.shape[0] * self.shape[1]

    @classmethod
    def fit(cls, images: Bytes, *, standardise: bool = False) -> Preparation:
        """Learn from the training pictures what to do to all.

            mean = 1/N Σ x        deviation = √(1/N Σ x² − mean²)        x = pixel / 255

        The sums are of whole numbers and exact in float64, so a pixel that never changes has the deviation 0.

        Parameters
        ----------
        images : uint8 array, shape (N, height, width), N ≥ 1
        standardise : also bring every pixel to mean 0 and deviation 1

        Returns
        -------
        Preparation

        Raises
        ------
        DtypeError, ShapeError
            If the images are no array of uint8 (N, height, width), or there are none.
        """
        check_images(images)
        if images.size == 0:
            raise ShapeError(f"A preparation is fitted to one image or more, and their shape is {images.shape}.")
        blocks = (
            images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)
        )  # so that memory stays flat
        return cls.fit_parts(blocks, standardise=standardise)

    @classmethod
    def fit_parts(cls, parts: Iterable[Bytes], *, standardise: bool = False) -> Preparation:
        """Learn from training pictures that come in parts, at least one; as `fit` does, with its errors."""
        total = squares = np.zeros(1)
        count, shape = 0, (0, 0)
        for images in parts:
            check_images(images)
            count, shape = count + len(images), (images.shape[1], images.shape[2])
            if not standardise:
                return cls(shape)
            block = flatten(images).astype(np.float64)
            total = total + block.sum(axis=0)
            squares = squares + np.einsum("ij,ij->j", block, block)
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0)
        return cls(shape, mean / 255, np.sqrt(variance) / 255)

    def transform(self, images: Bytes, out: Floats | None = None, dtype: DTypeLike = np.float32) -> Floats:
        """Pictures to rows.

        Parameters
        ----------
        images : uint8 array, shape (N, height, width)
        out : float array, shape (N, D), optional
            Receives the rows, and nothing of a batch's size is allocated; its dtype counts.
        dtype : float32 or float64, of the rows if there is no `out`

        Returns
        -------
        float array, shape (N, D); `out` if given

        Raises
        ------
        DtypeError
            If the images are no array of uint8, or the rows neither float32 nor float64.
        ShapeError
            If the images or `out` have another shape; names both.
        InputError
            If `out` is read-only.
        """
        self._check(images)
        if out is None:
            out = np.empty((len(images), self.width), check_dtype(dtype))
        else:
            check_out(out, (len(images), self.width))
        self.gain_and_offset(out.dtype)  # refuses a dtype before anything is written
        out[...] = flatten(images)  # first: a ufunc that also converts goes through a buffer, and is slower
        return self.scale(out)

    def _check(self, images: NDArray[Any]) -> None:
        """Refuse pictures that this is no preparation for."""
        check_images(images)
        if images.shape[1:] != self.shape:
            raise ShapeError(f"This preparation is for images {self.shape}, and these are {images.shape[1:]}.")

    def scale(self, rows: Floats) -> Floats:
        """Scale and standardise rows in place that hold pixels from 0 to 255 as floats, as a `Deformer` gives them.

        Parameters
        ----------
        rows : float array, shape (N, D)

        Returns
        -------
        float array, shape (N, D); `rows`

        Raises
        ------
        DtypeError, ShapeError
            If the rows are neither float32 nor float64, or not (N, D).
        InputError
            If they are read-only.
        """
        check_array("rows", rows)
        check_out(rows, (len(rows) if rows.ndim else 0, self.width), "rows")
        return scale(rows, *self.gain_and_offset(rows.dtype))

    def gain_and_offset(self, dtype: np.dtype[Any]) -> tuple[Floats, Floats | None]:
        """What pixels are multiplied by, and what is then added, shape (D,), or one number and nothing.

        Raises
        ------
        DtypeError
            If the dtype is neither float32 nor float64.
        """
        if dtype not in self._gains:
            if dtype not in (np.float32, np.float64):
                raise DtypeError(f"Rows are float32 or float64, not {dtype}.")
            self._gains[dtype] = self._compute_gain_and_offset(dtype)
        return self._gains[dtype]

    def _compute_gain_and_offset(self, dtype: np.dtype[Any]) -> tuple[Floats, Floats | None]:
        if self.mean is None or self.deviation is None:
            return np.asarray(1 / 255, dtype), None
        divisor = np.where(self.deviation > 0, self.deviation, 1)
        return (1 / (255 * divisor)).astype(dtype), (-self.mean / divisor).astype(dtype)


class NoPreparation(Preparation):
    """For rows that are what a network reads already: nothing is done to them but that they are copied.

    Parameters
    ----------
    shape : (height, width) of the picture that a row is; (1, D) where it is none
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__(shape)

    def _check(self, images: NDArray[Any]) -> None:
        check_array("rows", images)
        if images.dtype.kind != "f" or images.shape[1:] != (self.width,):
            raise ShapeError(f"Rows are floats, shape (N, {self.width}), and these are {images.dtype} {images.shape}.")

    def _compute_gain_and_offset(self, dtype: np.dtype[Any]) -> tuple[Floats, Floats | None]:
        return np.asarray(1, dtype), None


def scale(rows: Floats, gain: Floats, offset: Floats | None) -> Floats:
    """Pixels from 0 to 255, as floats, to what a network reads, in place: rows ← rows · gain + offset."""
    np.multiply(rows, gain, out=rows)
    if offset is not None:
        np.add(rows, offset, out=rows)
    return rows


def flatten(images: NDArray[Any]) -> NDArray[Any]:
    """Pictures as rows.

    Parameters
    ----------
    images : array, shape (N, height, width)

    Returns
    -------
    array, shape (N, height · width); a view where the memory allows it
    """
    return images.reshape(len(images), math.prod(images.shape[1:]))


def split(n: int, validation: float, rng: np.random.Generator | int) -> tuple[Rows, Rows]:
    """Draw which of n rows are held out.

    Parameters
    ----------
    n : number of rows
    validation : how many to hold out: 0 for none, a fraction between 0 and 1, or a whole number of rows
    rng : NumPy generator, or a seed for one; the same seed gives the same rows

    Returns
    -------
    training : int64 array; at least one row, in random order
    validation : int64 array; the other rows, in random order; at least one unless `validation` is 0

    Raises
    ------
    ValueRangeError
        If `validation` is none of the three, or leaves no row to train on.
    InputError
        If `n` is no whole number, or `rng` neither a generator nor a seed.
    """
    if not _is_whole(n):
        raise InputError(f"n is the number of rows, such as len(images); got {_described(n)}.")
    if not _is_part(validation):
        raise ValueRangeError(
            f"validation is {_readable(validation)}; expected 0, a fraction between 0 and 1, or a whole number of rows."
        )
    held_out = int(validation) if validation >= 1 else round(n * validation)
    if validation > 0:
        held_out = max(1, held_out)
    if held_out >= n:
        raise ValueRangeError(
            f"validation of {_readable(validation)} holds out {held_out} of {n} rows; at least one must be left to "
            "train on: hold out a fraction such as 0.1, or 0."
        )
    rows = _generator(rng).permutation(n)
    return rows[held_out:], rows[:held_out]


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_part(validation: object) -> bool:
    """Whether it says how many rows to hold out."""
    if not isinstance(validation, numbers.Real):
        return False
    value = float(validation)
    return 0 <= value < 1 or (value >= 1 and value.is_integer())


def _readable(value: object) -> str:
    """A fraction with three digits, unless that makes it another kind of number: 0.0833, but 0.9999."""
    if not isinstance(value, numbers.Real):
        return _described(value)
    number = float(value)
    if number.is_integer():
        return str(int(number))
    short = f"{number:.3g}"
    return str(number) if float(short).is_integer() else short


def _generator(rng: object) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, numbers.Integral) and int(rng) >= 0:
        return np.random.default_rng(int(rng))
    raise InputError(f"rng is a NumPy generator, np.random.default_rng(seed), or a seed ≥ 0; got {_described(rng)}.")


def one_hot(labels: NDArray[np.integer[Any]], classes: int, dtype: DTypeLike = np.float32) -> Floats:
    """Labels as targets: a row is 1 at its label and 0 elsewhere.

        targets[i, c] = 1 if c = labels[i] else 0

    Parameters
    ----------
    labels : integer array, shape (N,), 0 ≤ label < C
    classes : C
    dtype : float dtype of the targets

    Returns
    -------
    float array, shape (N, C)

    Raises
    ------
    DtypeError
        If the labels are no array of integers, or the targets to be neither float32 nor float64.
    ShapeError
        If they are not (N,).
    ValueRangeError
        If `classes` is no whole number from 1, or a label is out of range; names the image, counted from 0.
    """
    if not is_array(labels):
        raise DtypeError(f"Labels are a NumPy array of integers, and this is {_described(labels)}: use np.asarray.")
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"Labels are integers, and these are {labels.dtype}: use labels.astype(int).")
    if labels.ndim != 1:
        raise ShapeError(f"Labels are (N,), and these are {labels.shape}.")
    if not _is_whole(classes) or classes < 1:
        raise ValueRangeError(f"classes is {_described(classes)}; expected a whole number, at least 1.")
    if fault := label_fault(labels, classes):
        raise ValueRangeError(f"labels: {fault}")
    targets = np.zeros((len(labels), classes), check_dtype(dtype))
    targets[np.arange(len(labels)), labels] = 1
    return targets


def label_fault(labels: NDArray[np.integer[Any]], classes: int) -> str | None:
    """What is wrong with the first label out of range.

    Parameters
    ----------
    labels : integer array, shape (N,)
    classes : C

    Returns
    -------
    a sentence that names the image, counted from 0, and its label; None if all are from 0 to C − 1
    """
    wrong = (labels < 0) | (labels >= classes)
    if not wrong.any():
        return None
    number = int(np.argmax(wrong))
    return f"image {number} (counted from 0) has the label {labels[number]}; expected 0 to {classes - 1}."


def is_array(value: object) -> bool:
    """Whether that is a NumPy array as the mathematics takes it: in a masked one, what is masked would count."""
    return hasattr(value, "dtype") and hasattr(value, "strides") and not hasattr(value, "filled")


def check_array(name: str, value: object) -> None:
    """Refuse what is no plain NumPy array."""
    if not is_array(value):
        raise DtypeError(f"{name} is {_described(value)}; expected a NumPy array of float32 or float64.")


def check_out(out: NDArray[Any], shape: tuple[int, ...], name: str = "out") -> None:
    """Refuse room for a result that is no array, of another shape, or read-only."""
    check_array(name, out)
    if out.shape != shape:
        raise ShapeError(f"{name} has the shape {out.shape}; expected {shape}.")
    if not getattr(out.flags, "writeable", True):
        raise InputError(f"{name} is read-only; expected an array that the result can be written to.")


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64, refused where it is neither."""
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise DtypeError(f"dtype is {dtype!r}; expected float32 or float64.") from error
    if found not in (np.float32, np.float64):
        raise DtypeError(f"dtype is {found}; expected float32 or float64.")
    return found


def check_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """A picture's (height, width), refused where it is not two whole numbers from 1."""
    try:
        height, width = map(operator.index, shape)
    except (TypeError, ValueError):
        height = width = 0
    if height < 1 or width < 1:
        raise ShapeError(f"The shape of a picture is (height, width), such as (28, 28), and this one is {shape!r}.")
    return height, width


def _described(value: object) -> str:
    """A value in a message: numbers and words as they are, others by their type."""
    if value is None or isinstance(value, (str, numbers.Number)):
        return repr(value)
    return f"a {type(value).__name__}"


def check_images(images: NDArray[Any]) -> None:
    """Refuse anything but a uint8 array, shape (N, height, width), with a DtypeError or ShapeError."""
    if not is_array(images):
        raise DtypeError(
            f"Images are a NumPy array of uint8 (N, height, width), and this is {_described(images)}: use "
            + ("images.filled(0)." if hasattr(images, "filled") else "np.asarray(images, np.uint8).")
        )
    if images.dtype != np.uint8:
        raise DtypeError(
            f"Images are uint8 with pixels 0 to 255, and these are {images.dtype}. Values in [0, 1] are converted "
            "with np.rint(255 * images).astype(np.uint8), values from 0 to 255 with images.astype(np.uint8)."
        )
    if images.ndim != 3:
        one = "; one image is images[None]" if images.ndim == 2 else ""
        raise ShapeError(f"Images are (N, height, width), and these are {images.shape}{one}.")
