"""The connected parts of a mask, found run by run, and which of them are one digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts it out of a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def __or__(self, other: Box) -> Box:
        """The least box around both."""
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )


def label_components(mask: Mask) -> tuple[Integers, int]:
    """Number the parts of a mask that hang together, corner to corner included.

    Each row is cut into runs. Two runs of neighbouring rows that touch are one part; the least number of a part spreads
    along such pairs until nothing changes, and since numbers point to numbers, every round doubles how far it has come.

    Parameters
    ----------
    mask : bool array, shape (height, width)

    Returns
    -------
    labels : int64 array, shape (height, width)
        0 where the mask is False, and from 1 on in the order of each part's first pixel.
    count : int
    """
    height, width = mask.shape
    padded = np.zeros((height + 1, width + 2), bool)  # the last column of a row touches nothing of the next
    padded[:height, 1:-1] = mask
    changes = np.flatnonzero(np.diff(padded.reshape(-1))) + 1
    starts, ends = changes[::2], changes[1::2]  # of each run, on the flattened rows; `ends` is past the last pixel
    below = width + 2
    first = np.searchsorted(ends, starts + below)
    last = np.searchsorted(starts, ends + below, side="right")
    touching = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(starts)), touching)
    under = np.arange(touching.sum()) + np.repeat(first - (touching.cumsum() - touching), touching)
    part = np.arange(len(starts))
    while np.any(part[above] != part[under]):
        least = np.minimum(part[above], part[under])
        np.minimum.at(part, part[above], least)
        np.minimum.at(part, part[under], least)
        while np.any(part != part[part]):
            part = part[part]
    roots, numbers = np.unique(part, return_inverse=True)
    labels = np.zeros(padded.size, np.int64)
    labels[padded.reshape(-1)] = np.repeat(numbers + 1, ends - starts)
    return labels.reshape(padded.shape)[:height, 1:-1], len(roots)


def boxes(labels: Integers, count: int) -> list[Box]:
    """The box around each part, in the order of their numbers."""
    rows, columns = np.nonzero(labels)
    part = labels[rows, columns] - 1
    low = np.full((2, count), np.iinfo(np.int64).max)
    high = np.full((2, count), -1)
    for axis, places in enumerate((rows, columns)):
        np.minimum.at(low[axis], part, places)
        np.maximum.at(high[axis], part, places + 1)
    return [Box(*map(int, corners)) for corners in zip(low[0], low[1], high[0], high[1], strict=True)]
