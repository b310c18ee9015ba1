"""Ruled and squared paper: lines from one border of the picture to the other are found, and taken out.

Every straight line y = offset + slope · x, within some degrees, is asked in how many columns it meets ink. One that
is met nearly everywhere, at both ends too, and is thin, was printed and not written. It goes, but for the columns where
a stroke crosses it.

References
----------
Duda & Hart, Use of the Hough transformation to detect lines and curves in pictures, Communications of the ACM 15
(1972).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Integers = NDArray[np.integer[Any]]

#: How far a line may lean, as rise over run.
_SLOPES = np.linspace(-0.2, 0.2, 81)
#: In what part of its columns a line has to be met, over all and in the tenth at either end.
_MET = 0.7
#: A line is thinner than this part of the picture's shorter side, or has no more pixels than that.
_THICKNESS, _PIXELS = 0.035, 8
_MOST_LINES = 80
#: Lines are searched for in every so manieth column.
_STEP = 3


def find_lines(inked: Mask, strokes: Mask) -> Mask:
    """The pixels of ruled lines, but for those where a stroke crosses.

    Parameters
    ----------
    inked : bool array, shape (height, width)
        Where there is ink, however little.
    strokes : bool array, shape (height, width)
        Where there is as much as in a stroke.

    Returns
    -------
    bool array, shape (height, width)
    """
    return _level_lines(inked, strokes) | _level_lines(inked.T, strokes.T).T


def _level_lines(inked: Mask, strokes: Mask) -> Mask:
    """The lines from left to right."""
    room = max(_PIXELS, round(_THICKNESS * min(inked.shape)))
    padding = ((3 * room, 3 * room), (0, 0))  # so that there is something above and below every line
    left, strokes = np.pad(inked, padding), np.pad(strokes, padding)
    lines = np.zeros_like(left)
    for _ in range(_MOST_LINES):
        rows, columns = _clearest_line(left)
        if not len(columns):
            break
        across = np.arange(-2 * room, 2 * room + 1)[:, np.newaxis]
        profile = left[rows + across, columns].mean(axis=1)  # of the line as if it were level
        near = across[profile > profile.max() / 3, 0]
        top, bottom = near.min() - 1, near.max() + 1
        band = rows + np.arange(top, bottom + 1)[:, np.newaxis]
        left[band, columns] = False
        if np.count_nonzero(profile > profile.max() / 2) <= room:
            crossed = strokes[rows + top - 1, columns] | strokes[rows + bottom + 1, columns]
            lines[band[:, ~crossed], columns[~crossed]] = True
    return lines[3 * room : -3 * room]


def _clearest_line(inked: Mask) -> tuple[Integers, Integers]:
    """Row and column of each pixel of the line that is met in most columns; of none where there is no line."""
    height, width = inked.shape
    thick = inked.copy()  # a line that leans a little otherwise than its slope here is met all the same
    thick[1:] |= inked[:-1]
    thick[:-1] |= inked[1:]
    rows, hits = np.nonzero(thick[:, ::_STEP])
    across = (hits * _STEP - width / 2) * _SLOPES[:, np.newaxis]
    offsets = np.rint(rows - across).astype(int).clip(0, height - 1)  # those that begin or end above or below
    counts = np.bincount((offsets + height * np.arange(len(_SLOPES))[:, np.newaxis]).reshape(-1), minlength=1)
    slope, offset = divmod(int(counts.argmax()), height)
    columns = np.arange(width)
    line = np.rint(offset + _SLOPES[slope] * (columns - width / 2)).astype(int)
    room = 2 * max(_PIXELS, round(_THICKNESS * min(inked.shape))) + 2
    inside = (line >= room) & (line < height - room)
    line, columns = line[inside], columns[inside]
    met = thick[line, columns] | inked[line - 2, columns] | inked[line + 2, columns]
    end = len(met) // 10 + 1
    if len(met) < width / 2 or min(met.mean(), met[:end].mean(), met[-end:].mean()) < _MET:
        return line[:0], columns[:0]
    return line, columns
