"""The connected parts of a mask, found run by run, and which of them are one digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Integers = NDArray[np.integer[Any]]

#: Two pieces belong together if their columns overlap by the first part of the narrower's width, or by the second where
#: their rows do not overlap by more than the third of the lower's height: then one stands over the other.
_WITHIN, _OVER, _ABREAST = 0.7, 0.2, 0.4
#: How far apart they then may be, in a digit's height, and how high they may be together.
_HANGS, _HIGHEST = 0.35, 1.4
#: How far away and how small a piece may be that belongs to the digit beside it.
_BESIDE, _SMALL = 0.12, 0.65


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


def digit_groups(pieces: list[Box], height: int) -> list[list[int]]:
    """Which pieces make up one digit: the bar of a 5 that hangs over its body, and a stroke that broke.

    Two pieces belong together where one lies over the other, if the two make no more than a digit's height, or where
    a small one is next to a large one.

    Parameters
    ----------
    pieces : list of Box
    height : int
        Of a digit, about.

    Returns
    -------
    list of lists of int
        Numbers of pieces, by digit.
    """
    groups = [([i], box) for i, box in enumerate(pieces)]
    merged = True
    while merged:
        merged = False
        for i, (members, box) in enumerate(groups):
            for j in range(i + 1, len(groups)):
                others, other = groups[j]
                if _belong_together(box, other, height):
                    groups[i] = (members + others, box | other)
                    del groups[j]
                    merged = True
                    break
            if merged:
                break
    return [members for members, _ in groups]


def _belong_together(one: Box, other: Box, height: int) -> bool:
    across = max(one.left, other.left) - min(one.right, other.right)  # how far apart; below 0 where they overlap
    down = max(one.top, other.top) - min(one.bottom, other.bottom)
    narrower, lower = min(one.width, other.width), min(one.height, other.height)
    stacked = -across > _OVER * narrower and -down < _ABREAST * lower
    over = (stacked or -across > _WITHIN * narrower) and down < _HANGS * height
    smaller = min(max(box.height, box.width) for box in (one, other))
    beside = max(across, down) < _BESIDE * height and smaller < _SMALL * height
    return (over or beside) and (one | other).height < _HIGHEST * height


def reading_order(digits: list[Box]) -> list[int]:
    """The order in which digits are read: rows from the top, and each from the left.

    A digit belongs to the row whose last one it has half of its height in common with, so that a row may slope.

    Parameters
    ----------
    digits : list of Box

    Returns
    -------
    list of int
        Their numbers, in that order.
    """
    rows: list[list[int]] = []
    for i in sorted(range(len(digits)), key=lambda i: digits[i].left):
        box = digits[i]
        for row in rows:
            last = digits[row[-1]]
            common = min(box.bottom, last.bottom) - max(box.top, last.top)
            if common > min(box.height, last.height) / 2:
                row.append(i)
                break
        else:
            rows.append([i])
    rows.sort(key=lambda row: sum(digits[i].top + digits[i].bottom for i in row) / len(row))
    return [i for row in rows for i in row]
