"""From uint8 pictures to the rows of numbers that a network reads: scale, standardise, flatten; split and one-hot.

    x[i, j] = (pixel[i, j] / 255 − mean[j]) / deviation[j]

This is one multiplication and one addition a value, x = pixel · gain + offset, and that is how it is computed:

    gain = 1 / (255 · deviation)        offset = −mean / deviation
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.errors import DtypeError, ShapeError, ValueRangeError

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
        If mean and deviation are not both (D,) or both None.
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
        if (self.mean is None) != (self.deviation is None):
            raise ShapeError("A preparation has both a mean and a deviation, or neither.")
        for name in ("mean", "deviation"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, self._checked(name, values))
        if self.deviation is not None and (self.deviation < 0).any():
            raise ValueRangeError("A deviation is negative; a standard deviation is 0 or more.")

    def _checked(self, name: str, values: ArrayLike) -> NDArray[np.float64]:
        array = np.array(values, np.float64)
        if array.shape != (self.width,):
            raise ShapeError(f"The {name} has the shape {array.shape}; pictures {self.shape} need ({self.width},).")
        if not np.isfinite(array).all():
            raise ValueRangeError(f"The {name} has values that are infinite or not a number.")
        array.flags.writeable = False  # the gain and offset computed from it are kept
        return array

    @property
    def width(self) -> int:
        """D, the length of a row."""
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

        Raises
        ------
        DtypeError, ShapeError
            If the images are not uint8 (N, height, width), or there are none.
        """
        _check_images(images)
        if images.size == 0:
            raise ShapeError(f"A preparation is fitted to one image or more, and their shape is {images.shape}.")
        shape = (images.shape[1], images.shape[2])
        if not standardise:
            return cls(shape)
        total = np.zeros(shape[0] * shape[1])
        squares = np.zeros_like(total)
        for start in range(0, len(images), _BLOCK):  # in blocks, so that memory stays flat
            block = flatten(images[start : start + _BLOCK]).astype(np.float64)
            total += block.sum(axis=0)
            squares += np.einsum("ij,ij->j", block, block)
        mean = total / len(images)
        variance = np.maximum(squares / len(images) - mean**2, 0)
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
            If the images are not uint8, or the rows neither float32 nor float64.
        ShapeError
            If the images or `out` have another shape; names both.
        """
        _check_images(images)
        if images.shape[1:] != self.shape:
            raise ShapeError(f"This preparation is for images {self.shape}, and these are {images.shape[1:]}.")
        if out is None:
            out = np.empty((len(images), self.width), dtype)
        elif out.shape != (len(images), self.width):
            raise ShapeError(f"out has the shape {out.shape}; {len(images)} images need {(len(images), self.width)}.")
        gain, offset = self._gain_and_offset(out.dtype)
        np.copyto(out, flatten(images))  # first: a ufunc that also converts goes through a buffer, and is slower
        np.multiply(out, gain, out=out)
        if offset is not None:
            np.add(out, offset, out=out)
        return out

    def _gain_and_offset(self, dtype: np.dtype[Any]) -> tuple[Floats, Floats | None]:
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


def flatten(images: NDArray[Any]) -> NDArray[Any]:
    """Pictures (N, height, width) as rows (N, height · width); a view where the memory allows it."""
    return images.reshape(len(images), math.prod(images.shape[1:]))


def split(n: int, validation: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Draw which of n rows are held out.

    Parameters
    ----------
    n : number of rows
    validation : how many to hold out: 0 for none, a fraction between 0 and 1, or a whole number of rows
    rng : NumPy generator; the same seed gives the same rows

    Returns
    -------
    training : int64 array; at least one row, in random order
    validation : int64 array; the other rows, in random order; at least one unless `validation` is 0

    Raises
    ------
    ValueRangeError
        If `validation` is none of the three, or leaves no row to train on.
    """
    if not (0 <= validation < 1 or (math.isfinite(validation) and validation == int(validation) and validation >= 1)):
        raise ValueRangeError(
            f"validation is {validation}; expected 0, a fraction between 0 and 1, or a whole number of rows."
        )
    held_out = int(validation) if validation >= 1 else round(n * validation)
    if validation > 0:
        held_out = max(1, held_out)
    if held_out >= n:
        raise ValueRangeError(
            f"validation of {validation} holds out {held_out} of {n} rows; at least one must be left to train on."
        )
    rows = rng.permutation(n)
    return rows[held_out:], rows[:held_out]


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
        If the labels are not integers.
    ShapeError
        If they are not (N,).
    ValueRangeError
        If one is out of range; names the row.
    """
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"Labels are integers, and these are {labels.dtype}.")
    if labels.ndim != 1:
        raise ShapeError(f"Labels are (N,), and these are {labels.shape}.")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueRangeError(f"The label of row {row} is {labels[row]}; expected 0 to {classes - 1}.")
    targets = np.zeros((len(labels), classes), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def _check_images(images: NDArray[Any]) -> None:
    if images.dtype != np.uint8:
        raise DtypeError(
            f"Images are uint8 with pixels 0 to 255, and these are {images.dtype}. Values in [0, 1] are converted "
            "with np.rint(255 * images).astype(np.uint8)."
        )
    if images.ndim != 3:
        raise ShapeError(f"Images are (N, height, width), and these are {images.shape}; one image is images[None].")
