"""From the brightness of a page to the ink on it, whatever the light, the paper and the pen.

    grey    what the camera saw, light × reflectance
    ground  what it would have seen without ink: every pit that is walled in by brighter paper is filled up to the
            lowest place of its wall, as rain would fill it, and whatever runs off at the border stays as it is
    ink     |ground − grey| / (ground + c), so that a stroke in a shadow is as dark as one in the light
    strokes where there is ink enough to be a stroke, without ruled lines and specks

A shadow's edge reaches the border of the picture, so that rain runs off there: shadows, gradients and the edge of a
table are ground, be they soft or sharp, and strokes of any width are not.

References
----------
Vincent, Morphological grayscale reconstruction in image analysis, IEEE Trans. Image Processing 2 (1993).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataFileError

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]

#: How often the ground under the ink is smoothed.
_ROUNDS = 120
#: The light changes slowly; so many pixels of the longer side show it.
_COARSE = 128
#: c, which keeps the noise of the darkest places small.
_DARK = 30.0
#: How far along the border the ground is looked for: width and height together, divided by this, to either side.
_REACH = 6
#: Ink this much fainter than black on white is none, and so is what stands out less than so many times the noise, which
#: is what a quarter of the pixels stay below.
_FAINTEST, _NOISES = 0.06, 20.0
#: A stroke has this part of the ink that strokes have in the middle.
_ENOUGH = 0.45


def find_ground(grey: Bytes) -> tuple[Floats, bool]:
    """How bright the page is under the ink, and whether the ink is the brighter of the two.

    Parameters
    ----------
    grey : uint8 array, shape (height, width)

    Returns
    -------
    ground : float32 array, shape (height, width), 0 to 255
    bright_on_dark : bool
    """
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    for level, bright_on_dark in ((grey.max(), False), (grey.min(), True)):
        if (edge == level).all():  # drawn on a screen: rain stands as high as the border everywhere
            return np.full(grey.shape, level, np.float32), bright_on_dark
    coarse = _resized(grey.astype(np.float32), _coarse_shape(grey.shape))
    flat = _bridge(_fill_peaks(_fill_pits(coarse)), coarse)  # without dark ink, bright ink, and what they enclose
    departure = coarse - flat
    strong = np.abs(departure) > np.abs(departure).max() / 2
    bright_on_dark = bool(departure[strong].sum() > 0)
    filled = _fill_peaks(coarse) if bright_on_dark else _fill_pits(coarse)
    return _resized(_bridge(filled, coarse), grey.shape), bright_on_dark


def measure_ink(grey: Bytes, ground: Floats, bright_on_dark: bool) -> Floats:
    """How much ink there is, 0 for none.

        ink = (ground − grey) / (ground + c),   and grey − ground where the ink is bright

    Parameters
    ----------
    grey : uint8 array, shape (height, width)
    ground : float32 array, shape (height, width)
    bright_on_dark : bool

    Returns
    -------
    float32 array, shape (height, width)
    """
    difference = grey - ground if bright_on_dark else ground - grey
    return np.maximum(difference, 0) / (ground + _DARK)


def find_strokes(ink: Floats) -> tuple[Mask, float]:
    """Where there is a stroke, and how much ink a stroke has.

    Parameters
    ----------
    ink : float array, shape (height, width)

    Returns
    -------
    strokes : bool array, shape (height, width)
    full : float
        What the middle of a stroke has, as a median.

    Raises
    ------
    DataFileError
        If nothing stands out: "no digit found".
    """
    smooth = smoothed(ink)
    most = float(smooth.max())
    if most < max(_FAINTEST, _NOISES * float(np.quantile(smooth, 0.25))):  # at least a quarter of a picture is ground
        raise DataFileError("no digit found: nothing stands out against the ground.")
    full = float(np.median(smooth[smooth > most / 2]))
    return smooth > _ENOUGH * full, full


# ------------------------------------------------------------------------------------------- rain


def _fill_pits(grey: Floats) -> Floats:
    """The picture with every pit filled up to the lowest place of the wall around it.

        filled(p) = min over all paths from p to the border of max over the path of grey

    The last pixel of a path is the border's own, smoothed along the border: ink that touches it does not drain there.
    """
    grey = _without_thin_pits(grey)
    filled = np.full_like(grey, np.inf)
    border = _smooth_border(grey)
    filled[0], filled[-1], filled[:, 0], filled[:, -1] = border[0], border[-1], border[:, 0], border[:, -1]
    np.maximum(filled, grey, out=filled)
    while True:
        before = filled.copy()
        for level, floor in ((filled, grey), (filled.T, grey.T)):
            _sweep(level, floor)
            _sweep(level[::-1], floor[::-1])
        if np.array_equal(before, filled):
            return filled


def _fill_peaks(grey: Floats) -> Floats:
    """The same upside down: every peak is cut off."""
    return 255 - _fill_pits(255 - grey)


def _without_thin_pits(grey: Floats) -> Floats:
    """What is thinner than five pixels is filled at once: a ruled line would be a ditch that drains what it crosses."""
    from PIL import Image, ImageFilter

    calm = np.asarray(Image.fromarray(grey).filter(ImageFilter.MedianFilter(3)))
    return -_greatest_near(-_greatest_near(calm))


def _greatest_near(grey: Floats) -> Floats:
    """Each pixel's greatest neighbour, itself and two pixels to each side included."""
    for _ in range(2):  # along the columns, then, turned over, along the rows
        padded = np.pad(grey, ((2, 2), (0, 0)), mode="edge")
        greatest = padded[2:-2].copy()
        for offset in (0, 1, 3, 4):
            np.maximum(greatest, padded[offset : offset + len(grey)], out=greatest)
        grey = greatest.T
    return grey


def _bridge(ground: Floats, grey: Floats) -> Floats:
    """Under the ink, let the ground go over smoothly from one side of a stroke to the other.

        each pixel there ← the mean of its four neighbours, again and again

    Rain fills a stroke that runs from light into shadow to the level of the shadow, where it runs off.
    """
    inked = np.abs(ground - grey) > _FAINTEST * (ground + _DARK)
    around = _greatest_near(inked.astype(np.float32)) > 0
    level = np.pad(ground, 1, mode="edge")
    middle = level[1:-1, 1:-1]
    for _ in range(_ROUNDS):
        mean = level[:-2, 1:-1] + level[2:, 1:-1]
        mean += level[1:-1, :-2]
        mean += level[1:-1, 2:]
        mean *= 0.25
        np.copyto(middle, mean, where=around)
    return middle


def _sweep(level: Floats, floor: Floats) -> None:
    """Let water run off from each row to the one before it, from the first to the last."""
    for row in range(1, len(level)):
        np.minimum(level[row], np.maximum(level[row - 1], floor[row]), out=level[row])


def _smooth_border(grey: Floats) -> Floats:
    """A running upper quartile along the border, as a picture whose inside counts for nothing.

    A digit that was cut out tightly may cover three quarters of a side; a shadow that covers more is ground.
    """
    height, width = grey.shape
    rows = np.concatenate([np.zeros(width), np.arange(height), np.full(width, height - 1), np.arange(height)[::-1]])
    columns = np.concatenate([np.arange(width), np.full(height, width - 1), np.arange(width)[::-1], np.zeros(height)])
    places = rows.astype(int), columns.astype(int)
    reach = max(1, (height + width) // _REACH)
    around = np.pad(grey[places], reach, mode="wrap")
    smooth = np.zeros_like(grey)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * reach + 1)
    smooth[places] = np.quantile(windows, 0.75, axis=1)
    return smooth


# ------------------------------------------------------------------------------------------- helpers of Pillow's


def _coarse_shape(shape: tuple[int, int]) -> tuple[int, int]:
    factor = max(1.0, max(shape) / _COARSE)
    return max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))


def _resized(picture: Floats, shape: tuple[int, int]) -> Floats:
    from PIL import Image

    if picture.shape == shape:
        return picture
    return np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BILINEAR))


def smoothed(picture: Floats) -> Floats:
    """Each pixel's mean with its neighbours, weighted 1 2 1 both ways."""
    padded = np.pad(picture, 1, mode="edge")
    across = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return (across[:-2] + 2 * across[1:-1] + across[2:]) / 4
