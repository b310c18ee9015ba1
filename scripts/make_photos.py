"""Draw pictures that look like photographs of handwritten digits, to measure by.

    python scripts/make_photos.py FOLDER             the first 40 of the photos that are measured
    python scripts/make_photos.py FOLDER --rows 12   photos of several digits in a row

A digit of MNIST or of `digits` is taken as somebody's hand, and is written once more: with its own strokes, or along
its skeleton with a thinner or thicker pen; on white, coloured, ruled or squared paper, on a blackboard or a screen.
Then the page is photographed: from an angle, in uneven light or half in a shadow, out of focus, with noise, and stored
as JPEG. Photo i of a seed depends on the seed and on i alone, so that a part of a set is the beginning of it.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Range = tuple[float, float]
Place = tuple[float, float, float, float]

#: Pixels of a glyph for each of the 28 of a digit, and the margin that a thick pen may need.
_FINE, _MARGIN = 6, 4
WHITE, CREAM, RECYCLED, KRAFT, YELLOW = (
    (0.93, 0.93, 0.92),
    (0.93, 0.89, 0.79),
    (0.74, 0.73, 0.69),
    (0.68, 0.54, 0.39),
    (0.94, 0.87, 0.45),
)
BOARD, SLATE, SCREEN = (0.16, 0.27, 0.21), (0.19, 0.20, 0.22), (0.04, 0.04, 0.05)
BLACK, BLUE, RED, GRAPHITE, CHALK, GLOW = (
    (0.08, 0.08, 0.09),
    (0.10, 0.16, 0.48),
    (0.66, 0.10, 0.12),
    (0.33, 0.33, 0.35),
    (0.86, 0.86, 0.82),
    (0.96, 0.96, 0.93),
)


@dataclass(frozen=True)
class Style:
    """A pen and a paper.

    Attributes
    ----------
    name : str
    papers, inks : tuples of (red, green, blue), how much light each throws back, 0 to 1
    width : (least, greatest) width of the pen as a fraction of the digit's height; None for the hand's own strokes
    grain : how unevenly the pen writes, 0 to 1
    roughness : how uneven the paper is, as a fraction of its brightness
    ruling : "", "lines" or "squares"
    shadow : how likely a shadow falls over the page
    """

    name: str
    papers: tuple[tuple[float, float, float], ...]
    inks: tuple[tuple[float, float, float], ...]
    width: Range | None = None
    grain: float = 0.1
    roughness: float = 0.01
    ruling: str = ""
    shadow: float = 0.3


STYLES = (
    Style("ballpoint on white paper", (WHITE, CREAM), (BLUE, BLACK), width=(0.035, 0.07), grain=0.25),
    Style("felt-tip on white paper", (WHITE, CREAM), (BLACK, BLUE, RED), grain=0.05),
    Style("marker on coloured paper", (YELLOW, KRAFT, RECYCLED), (BLACK, BLUE), width=(0.15, 0.23), roughness=0.03),
    Style("pencil on ruled paper", (WHITE, CREAM), (GRAPHITE,), width=(0.05, 0.09), grain=0.45, ruling="lines"),
    Style("pen on squared paper", (WHITE, RECYCLED), (BLUE, BLACK), width=(0.06, 0.11), grain=0.15, ruling="squares"),
    Style("pen in a shadow", (WHITE, CREAM, RECYCLED), (BLACK, BLUE), width=(0.06, 0.14), shadow=1.0),
    Style("chalk on a board", (BOARD, SLATE), (CHALK,), grain=0.5, roughness=0.06),
    Style("finger on a screen", (SCREEN,), (GLOW,), width=(0.08, 0.18), grain=0.0, roughness=0.0, shadow=0.0),
)


@dataclass(frozen=True)
class Photo:
    """A JPEG file in memory, and what it shows.

    Attributes
    ----------
    content : bytes
    labels : tuple of int, left to right
    style : str
    """

    content: bytes = field(repr=False)
    labels: tuple[int, ...]
    style: str


def photos(images: Bytes, labels: NDArray[np.integer], count: int, seed: int) -> list[Photo]:
    """The first `count` photos of a seed, one digit each; every class and every style come equally often.

    Parameters
    ----------
    images : uint8 array, shape (N, 28, 28)
    labels : integer array, shape (N,)
    count, seed : int
    """
    rows = [np.flatnonzero(labels == label) for label in range(10)]
    made = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        label = i % 10
        style = STYLES[(i // 10 + i) % len(STYLES)]
        made.append(photograph([images[rng.choice(rows[label])]], [label], style, rng))
    return made


def rows_of_digits(images: Bytes, labels: NDArray[np.integer], count: int, seed: int) -> list[Photo]:
    """The first `count` photos of a seed, with two to six digits side by side."""
    made = []
    for i in range(count):
        rng = np.random.default_rng([seed, i, 1])
        chosen = rng.choice(len(labels), rng.integers(2, 7))
        made.append(photograph(images[chosen], labels[chosen].tolist(), STYLES[i % len(STYLES)], rng))
    return made


def blank_pages(count: int, seed: int) -> list[Photo]:
    """The first `count` photos of a seed on which nothing is written."""
    return [photograph([], [], STYLES[i % len(STYLES)], np.random.default_rng([seed, i, 2])) for i in range(count)]


def photograph(digits: Sequence[Bytes], labels: Sequence[int], style: Style, rng: np.random.Generator) -> Photo:
    """A photo of a page on which somebody wrote these digits side by side."""
    height, width = _size(len(digits), rng)
    margin = round(0.16 * max(height, width))
    page_shape = (height + 2 * margin, width + 2 * margin)
    pen = rng.uniform(*style.width) if style.width else None
    ink = np.zeros(page_shape, np.float32)
    glyphs = [glyph(digit, pen, rng) for digit in digits]
    for drawn, place in zip(glyphs, _places([g.shape for g in glyphs], height, width, rng), strict=True):
        _write(ink, drawn, (margin + place[0], margin + place[1], *place[2:]))
    unit = 1.4 * max(np.flatnonzero(ink.any(axis=1)).size, 20)
    page = _paper(style, page_shape, unit, rng)
    ink *= _pen_marks(style, page_shape, rng)
    colour = np.array(style.inks[rng.integers(len(style.inks))], np.float32)
    page += ink[:, :, np.newaxis] * (colour - page)
    seen = _through_a_lens(page, (height, width), margin, rng)
    seen *= _light(style, (height, width), rng)[:, :, np.newaxis]
    return Photo(_exposed(seen, rng), tuple(labels), style.name)


# ------------------------------------------------------------------------------------------- writing


def glyph(digit: Bytes, pen: float | None, rng: np.random.Generator) -> Floats:
    """How much ink lies where, 0 to 1, finely drawn: the hand's own strokes, or its skeleton followed by a pen."""
    padded = np.pad(digit, _MARGIN)
    side = _FINE * len(padded)
    fine = np.asarray(Image.fromarray(padded.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
    drawn = np.clip((fine - 80) / 64, 0, 1)
    body = ndimage.gaussian_filter(fine, 2) > 110
    if pen is not None and body.any():
        height = np.ptp(np.flatnonzero(body.any(axis=1))) + 1
        pressure = 1 + 0.12 * _clouds(body.shape, 25, rng)
        distance = ndimage.distance_transform_edt(~skeleton(body))
        drawn = np.clip(pen * height * pressure / 2 - distance + 0.5, 0, 1).astype(np.float32)
    rows, columns = (np.flatnonzero((drawn > 0).any(axis=axis)) for axis in (1, 0))
    return drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def skeleton(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is left of a shape when its edge is peeled off until a further peel would break it.

    References
    ----------
    Zhang & Suen, A fast parallel algorithm for thinning digital patterns, Communications of the ACM 27 (1984).
    """
    left = np.pad(body, 1)
    while True:
        before = left.sum()
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            # The eight neighbours, from the one above, clockwise.
            around = np.stack(
                [
                    np.roll(left, (-down, -right), axis=(0, 1))
                    for down, right in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
                ]
            )
            count = around.sum(axis=0)
            rises = (~around & np.roll(around, -1, axis=0)).sum(axis=0)
            edge = left & (count >= 2) & (count <= 6) & (rises == 1)
            edge &= ~around[list(first)].all(axis=0) & ~around[list(second)].all(axis=0)
            left &= ~edge
        if left.sum() == before:
            return left[1:-1, 1:-1]


def _size(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Height and width of the photo."""
    longest = np.exp(rng.uniform(np.log(180), np.log(800)))
    ratio = rng.choice([1.0, 4 / 3, 3 / 4]) if count == 1 else rng.uniform(1.4, 2.2)
    if count > 1:
        longest = max(longest, 90.0 * count)
    width, height = (longest, longest / ratio) if ratio >= 1 else (longest * ratio, longest)
    return round(height), round(width)


def _places(shapes: list[tuple[int, int]], height: int, width: int, rng: np.random.Generator) -> list[Place]:
    """Top, left, height and width of each glyph: one anywhere on the page, several side by side with gaps between."""
    if not shapes:
        return []
    if len(shapes) == 1:
        side = min(height, width) * rng.uniform(0.25, 0.8)
        gaps = [0.0]
    else:
        side = 0.6 * height * rng.uniform(0.6, 1)
        gaps = [0.0, *rng.uniform(0.12, 0.5, len(shapes) - 1)]
    sizes = np.array(shapes) / np.max(shapes, axis=1, keepdims=True)
    side = min(side, 0.84 * width / (sizes[:, 1].sum() + sum(gaps)))
    left = rng.uniform(0.08 * width, 0.92 * width - side * (sizes[:, 1].sum() + sum(gaps)) + 1e-6)
    top = rng.uniform(0.1 * height, 0.9 * height - side)
    places = []
    for (tall, wide), gap in zip(side * sizes, gaps, strict=True):
        left += side * gap
        up = rng.uniform(-0.06, 0.06) * side * (len(shapes) > 1)
        places.append((top + (side - tall) / 2 + up, left, tall, wide))
        left += wide
    return places


def _write(ink: Floats, drawn: Floats, place: Place) -> None:
    """Put a glyph onto the page."""
    y, x, height, width = (max(1, round(value)) for value in place)
    small = np.asarray(Image.fromarray(drawn).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    part = ink[y : y + height, x : x + width]
    np.maximum(part, small, out=part)


def _pen_marks(style: Style, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """How well the pen writes at each place, 0 to 1."""
    fine = rng.random(shape, dtype=np.float32)
    uneven = 0.5 + 0.35 * _clouds(shape, 12, rng) + (fine - 0.5)
    return np.clip(1 - style.grain * np.clip(uneven, 0, 1.2), 0, 1)


# ------------------------------------------------------------------------------------------- the page


def _paper(style: Style, shape: tuple[int, int], unit: float, rng: np.random.Generator) -> Floats:
    """An empty page, (height, width, 3). `unit` is about a digit's height, by which lines are spaced."""
    colour = np.array(style.papers[rng.integers(len(style.papers))], np.float32)
    grain = rng.standard_normal(shape, dtype=np.float32)
    texture = 1 + style.roughness * (_clouds(shape, 30, rng) + 0.5 * grain)
    page = texture[:, :, np.newaxis] * colour
    if style.ruling:
        line = np.array(((0.55, 0.65, 0.82), (0.62, 0.62, 0.64))[rng.integers(2)], np.float32)
        spacing = unit * (rng.uniform(0.85, 1.5) if style.ruling == "lines" else rng.uniform(0.3, 0.55))
        thickness = max(1, round(spacing * rng.uniform(0.015, 0.035)))
        strength = rng.uniform(0.4, 1.0)
        for axis in (0, 1) if style.ruling == "squares" else (0,):
            offset = rng.uniform(0, spacing)
            on = (np.arange(shape[axis]) - offset) % spacing < thickness
            lines = on[:, np.newaxis, np.newaxis] if axis == 0 else on[np.newaxis, :, np.newaxis]
            page = np.where(lines, page + strength * (line - page), page)
    return page.astype(np.float32)


def _through_a_lens(page: Floats, shape: tuple[int, int], margin: int, rng: np.random.Generator) -> Floats:
    """The middle of the page from an angle, turned by a few degrees, and a little out of focus."""
    height, width = shape
    angle = np.radians(rng.uniform(-8, 8))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    middle = np.array([width, height]) / 2
    seen = (corners - middle) @ turn.T + middle + rng.uniform(-0.05, 0.05, (4, 2)) * min(shape) + margin
    coefficients = _perspective(corners, seen)
    blur = rng.uniform(0, 0.0025) * max(shape)
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(page[:, :, i])).transform(
                (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
            )
        )
        for i in range(3)
    ]
    return np.stack([ndimage.gaussian_filter(channel, blur) for channel in channels], axis=-1)


def _perspective(corners: NDArray[np.float64], seen: NDArray[np.float64]) -> list[float]:
    """The eight numbers of the perspective that shows the place `seen[i]` of the page in `corners[i]`."""
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, seen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.linalg.solve(np.array(rows), np.array(right)).tolist()


def _light(style: Style, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """How bright the light is: a gradient, darker corners, and perhaps a shadow with a soft or a hard edge."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    light = 1 - rng.uniform(0, 0.3) * (1 + x * np.cos(direction) + y * np.sin(direction)) / 2
    light *= 1 - rng.uniform(0, 0.15) * (x**2 + y**2) / 2
    if rng.random() < style.shadow:
        direction = rng.uniform(0, 2 * np.pi)
        across = x * np.cos(direction) + y * np.sin(direction)
        along = y * np.cos(direction) - x * np.sin(direction)
        edge = rng.uniform(-0.5, 0.5) + rng.uniform(-0.4, 0.4) * along**2
        inside = 1 / (1 + np.exp(-np.clip((across - edge) / rng.uniform(0.02, 0.2), -30, 30)))
        light *= 1 - rng.uniform(0.25, 0.55) * inside
    return light.astype(np.float32)


def _exposed(seen: Floats, rng: np.random.Generator) -> bytes:
    """The JPEG file of what the lens let through: noise, white balance, and compression."""
    balance = 1 + rng.uniform(-0.06, 0.06, 3)
    noise = rng.standard_normal(seen.shape, dtype=np.float32) * rng.uniform(0.002, 0.03)
    values = 255 * (seen * balance * rng.uniform(0.8, 1.05) + noise)
    file = io.BytesIO()
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=int(rng.integers(40, 93)))
    return file.getvalue()


def _clouds(shape: tuple[int, int], size: float, rng: np.random.Generator) -> Floats:
    """Smooth noise of standard deviation 1, whose hills are about `size` pixels wide."""
    coarse = rng.standard_normal([max(2, round(n / size)) + 3 for n in shape], dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))


# ------------------------------------------------------------------------------------------- to look at


def main() -> None:
    """Write some of the photos that are measured."""
    from chainrule.data.datasets import load_dataset

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", action="store_true", help="several digits in a row")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="1 is what is measured by; its digits are the test set's")
    options = parser.parse_args()
    data = load_dataset("auto")
    make = rows_of_digits if options.rows else photos
    options.folder.mkdir(parents=True, exist_ok=True)
    for i, photo in enumerate(make(data.test_images, data.test_labels, options.count, options.seed)):
        name = f"{i:03d}-{''.join(map(str, photo.labels))}-{photo.style.replace(' ', '-')}.jpg"
        (options.folder / name).write_bytes(photo.content)
    print(f"{options.folder}: {options.count} photos")


if __name__ == "__main__":
    main()
