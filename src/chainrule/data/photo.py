"""A picture of digits, made to look as MNIST's pictures do.

MNIST's digits were cut out, scaled with their proportions kept to fit 20 × 20 pixels, and placed in 28 × 28 so that
their centre of mass lies in the middle: bright ink on black. A network that has seen only such digits knows no
others, so a photo is treated the same way. For a network that reads pictures of another size the rule is scaled: the
ink fills 20/28 of the frame.

The way there, each step a field of `Page`:

    file → grey → ground → ink → strokes → boxes → digits        ink.py, ruling.py, components.py, and here

References
----------
LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998).
"""

from __future__ import annotations

import functools
import io
import operator
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.components import Box, boxes, digit_groups, label_components, reading_order
from chainrule.data.ink import find_ground, find_strokes, measure_ink, smoothed
from chainrule.data.preparation import check_shape, is_array
from chainrule.data.ruling import find_lines
from chainrule.errors import DataFileError, DtypeError, ShapeError, ValueRangeError

if TYPE_CHECKING:
    from PIL import Image

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SHAPE = (28, 28)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
#: Larger pictures are averaged down: noise vanishes, and a digit needs no more pixels. Smaller ones are enlarged, so
#: that a stroke is some pixels wide.
_LONGEST, _SHORTEST = 800, 112
#: A pixel with this part of a stroke's ink may belong to a ruled line.
_HINT = 0.2
#: Pieces smaller than this part of the largest are specks; a digit is at least so high, beside the highest.
_SPECK, _LOWEST = 0.12, 0.4
_MOST_PIECES = 400
#: A digit at the edge of its picture fills this part of the height or the width, or else some of it is missing.
_CUT_OUT = 0.6
#: Digits are averaged down to so many pixels before their strokes are made thicker or thinner.
_FINE = 120
#: A stroke is at least and at most so wide, in pixels of MNIST's 20, and no digit is as broad as this everywhere.
_THIN, _THICK, _BLOB = 2.0, 4.5, 9.0
#: The thinnest line that is a pen's, as part of a digit's size; how much ink, as part of a stroke's, may lie beside the
#: strokes more than elsewhere, and how much on the paper, but for a twentieth of it.
_HAIR, _SMUDGED, _RESTLESS = 0.02, 0.05, 0.25
_ONE_COLOUR = 4
_LARGEST_FILE = 1 << 28
_MOST_PIXELS = 50 << 20
"""What telephones take; each costs up to twelve bytes of memory, however few the file has for it."""


@dataclass(frozen=True, eq=False)
class Page:
    """What was found in a picture, step by step.

    Attributes
    ----------
    grey : uint8 array, shape (height, width)
        The picture, upright, without colour, averaged down where it was large and enlarged where it was small.
    ground : uint8 array, shape (height, width)
        How bright the page is under the ink.
    ink : uint8 array, shape (height, width)
        How much ink there is, whatever the light: 0 for none, 255 for what a stroke has in its middle.
    strokes : bool array, shape (height, width)
        What was taken for part of a digit.
    boxes : list of Box
        Where the digits are in these, in the order in which they are read.
    scale : float
        How many pixels of the picture one of these is wide; a box times it lies in the picture, upright.
    digits : uint8 array, shape (N, *shape)
        Each of them as the network is shown it, bright ink on black.
    """

    grey: Bytes
    ground: Bytes
    ink: Bytes
    strokes: Mask
    boxes: list[Box]
    scale: float
    digits: Bytes


def read_photo(path: str | Path, shape: tuple[int, int] = SHAPE) -> Bytes:
    """The digit in a picture.

    A picture that has the shape already keeps its geometry. In any other the digit is searched for with `find_digits`.
    Dark ink on a light ground is turned round.

    Parameters
    ----------
    path : a PNG, JPEG, BMP, GIF or WebP file in any colour mode; its EXIF rotation is applied, and what is transparent
        is paper; of several frames the first counts
    shape : (height, width) of the pictures that the network reads

    Returns
    -------
    uint8 array, shape `shape`, bright ink on black

    Raises
    ------
    DataFileError
        If the file is missing, is no such picture, is damaged, or shows no digit or several.
    ShapeError
        If `shape` is not two whole numbers from 1.
    """
    return read_page(path, shape).digits[0]


def read_page(path: str | Path, shape: tuple[int, int] = SHAPE, *, many: bool = False) -> Page:
    """The digit in a picture, or all of them, with every step on the way.

    Parameters
    ----------
    path, shape : as for `read_photo`
    many : bool
        Whether to read all digits, row by row and from left to right, instead of the only one. Then a picture that has
        the shape already is searched like any other.

    Returns
    -------
    Page

    Raises
    ------
    DataFileError, ShapeError
        As `read_photo`.
    """
    shape = check_shape(shape)
    path = Path(path)
    grey = _read_grey(path)
    try:
        return _as_it_is(grey) if grey.shape == shape and not many else find_digits(grey, shape, many=many)
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}") from error


def find_digit(grey: Bytes, shape: tuple[int, int] = SHAPE) -> Bytes:
    """The only digit in a grey picture of any size, as MNIST would show it; arguments and errors of `find_digits`."""
    return find_digits(grey, shape).digits[0]


def find_digits(grey: Bytes, shape: tuple[int, int] = SHAPE, *, many: bool = False) -> Page:
    """The digits in a grey picture of any size, as MNIST would show them.

    Parameters
    ----------
    grey : uint8 array, shape (height, width), dark on light or light on dark
    shape : (height, width) of the result
    many : bool
        Whether there may be several.

    Returns
    -------
    Page

    Raises
    ------
    DtypeError, ShapeError
        If the picture is not uint8 (height, width), or `shape` not two whole numbers from 1.
    DataFileError
        If there is no digit, or there are several, unless `many`.
    """
    shape = check_shape(shape)
    _check_array("grey", grey)
    if grey.dtype != np.uint8:
        raise DtypeError(
            f"A grey picture is uint8, 0 to 255, and this one is {grey.dtype}. Values in [0, 1] are converted with "
            "np.rint(255 * grey).astype(np.uint8)."
        )
    if grey.ndim != 2 or grey.size == 0:
        raise ShapeError(f"Expected a grey picture (height, width), got the shape {grey.shape}.")
    width = grey.shape[1]
    grey = _resized(grey, max(_LONGEST, *shape))
    ground, bright_on_dark = find_ground(grey)
    ink = measure_ink(grey, ground, bright_on_dark)
    strokes, full = find_strokes(ink)
    lines = find_lines(ink > _HINT * full, strokes)
    labels, pieces = _pieces(strokes & ~lines)
    groups = _digits(pieces, _height_of_digits(pieces, many=many))
    found = [_Found.of(labels, pieces, group) for group in groups]
    scaled = np.where(lines, 0, np.clip(ink / full, 0, 1)).astype(np.float32)
    written = np.isin(labels, [number for group in groups for number in group])
    _require_writing(scaled, written, found)
    if len(found) > 1 and not many:
        raise DataFileError(f"{len(found)} digits found, expected one. To read them all: chainrule predict --many")
    return Page(
        grey,
        _as_bytes(ground),
        _as_bytes(255 * scaled),
        written,
        [digit.box for digit in found],
        width / grey.shape[1],
        np.stack([fit_and_centre(digit.drawn(scaled), shape) for digit in found]),
    )


def fit_and_centre(ink: NDArray[np.uint8] | NDArray[np.floating[Any]], shape: tuple[int, int] = SHAPE) -> Bytes:
    """Cut the ink out, fit it into 20/28 of a frame, and centre its mass there.

        top = round(height/2 − Σ y·ink(y, x) / Σ ink(y, x)),   left likewise, kept inside the frame

    MNIST's frame is 28 × 28, and its ink 20 × 20. Pixels are counted from 0, and MNIST's own centres of mass lie at
    14 ± ½. The brightest pixel becomes 255.

    Parameters
    ----------
    ink : uint8 or float array, shape (height, width), bright where there is ink and 0 where there is none
    shape : (height, width) of the frame

    Returns
    -------
    uint8 array, shape `shape`

    Raises
    ------
    DtypeError
        If `ink` is no array of real numbers.
    ShapeError
        If `ink` is not two-dimensional, or empty, or `shape` is not two whole numbers from 1.
    ValueRangeError
        If it is infinite or NaN somewhere.
    DataFileError
        If there is no ink: "no digit found".
    """
    frame_height, frame_width = check_shape(shape)
    digit = _fitted(_cut_out(ink), (frame_height * 20 / 28, frame_width * 20 / 28))
    height, width = digit.shape
    mass = digit.sum()
    centre_y = digit.sum(axis=1) @ np.arange(height) / mass
    centre_x = digit.sum(axis=0) @ np.arange(width) / mass
    top = min(max(round(frame_height / 2 - centre_y), 0), frame_height - height)
    left = min(max(round(frame_width / 2 - centre_x), 0), frame_width - width)
    frame = np.zeros((frame_height, frame_width), np.uint8)
    frame[top : top + height, left : left + width] = np.rint(digit * (255 / digit.max()))
    return frame


def _check_array(name: str, value: object) -> None:
    if not is_array(value) or isinstance(value, np.matrix):
        raise DtypeError(f"{name} is a {type(value).__name__}; expected a NumPy array (height, width).")


def _cut_out(ink: NDArray[np.generic]) -> NDArray[np.float32]:
    """The ink's bounding box."""
    _check_array("ink", ink)
    if ink.dtype.kind not in "fiub":
        raise DtypeError(f"ink is {ink.dtype}; expected uint8 or floats.")
    if ink.ndim != 2 or ink.size == 0:
        raise ShapeError(f"Expected ink (height, width), got the shape {ink.shape}.")
    values = ink.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueRangeError("The ink has values that are infinite or not a number; expected finite ones.")
    rows = np.flatnonzero((values > 0).any(axis=1))
    columns = np.flatnonzero((values > 0).any(axis=0))
    if not rows.size:
        raise DataFileError("no digit found: there is no ink.")
    return np.maximum(values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 0)


def _fitted(ink: NDArray[np.float32], box: tuple[float, float]) -> NDArray[np.float32]:
    """Resized, anti-aliased, so that it just fits into the box."""
    from PIL import Image

    scale = min(box[0] / ink.shape[0], box[1] / ink.shape[1])
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    resized = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)
    return np.maximum(np.asarray(resized), 0)  # bicubic curves overshoot beside an edge


# ------------------------------------------------------------------------------------------- the digits


@dataclass(frozen=True, eq=False)
class _Found:
    """A digit's place, and which of the pixels there are its own."""

    box: Box
    mask: Mask

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]], pieces: dict[int, Box], group: list[int]) -> _Found:
        """The digit that these pieces make up."""
        box = functools.reduce(operator.or_, (pieces[number] for number in group))
        return cls(box, np.isin(labels[box.slices], group))

    def drawn(self, ink: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its ink and no other's, with strokes as wide as MNIST's."""
        from PIL import Image, ImageFilter, ImageOps

        width, size = self.stroke_width(), max(self.mask.shape)
        if 20 * width / size > _BLOB and min(self.mask.shape) > size / 2:
            raise DataFileError("no digit found: what stands out has the form of a blob, and not of strokes.")
        near = np.asarray(Image.fromarray(np.pad(self.mask, 2)).filter(ImageFilter.MaxFilter(3)))
        own = np.where(near, np.pad(ink[self.box.slices], 2), 0)
        scale = min(_FINE / size, 1)
        change = (min(max(width, _THIN * size / 20), _THICK * size / 20) - width) * scale
        rank = 2 * round(abs(change) / 2) + 1
        small = [max(1, round(n * scale)) for n in reversed(own.shape)]
        picture = Image.fromarray(own).resize((small[0], small[1]), Image.Resampling.BOX)
        picture = ImageOps.expand(picture, rank)
        return np.asarray(picture.filter((ImageFilter.MaxFilter if change > 0 else ImageFilter.MinFilter)(rank)))

    def stroke_width(self) -> float:
        """In pixels: a long stroke has twice as much edge as length, so that its width is 2 · area / edge."""
        padded = np.pad(self.mask, 1)
        inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return 2 * np.count_nonzero(self.mask) / np.count_nonzero(self.mask & ~inside)


def _require_writing(ink: NDArray[np.float32], written: Mask, found: list[_Found]) -> None:
    """Refuse clouds, shadows and scratches: a pen leaves an edge, and clean paper around it.

    Light that fades, or rough paper, has nearly as much "ink" beside what stands out as in it.
    """
    width = float(np.median([digit.stroke_width() for digit in found]))
    size = max(_size(digit.box) for digit in found)
    if width < _HAIR * size:
        raise DataFileError("no digit found: what stands out is a line, far too thin for its length.")
    calm = smoothed(ink)
    around = _grown(written, max(3, round(0.8 * width)))
    paper, beside = calm[~around], calm[around & ~_grown(written, max(2, round(0.4 * width)))]
    if not paper.size or not beside.size:  # cut out so tightly that there is nothing to compare with
        return
    smudged = float(beside.mean() - np.median(paper)) > _SMUDGED * float(ink[written].mean())
    if smudged or float(np.quantile(paper, 0.95)) > _RESTLESS:
        raise DataFileError("no digit found: what stands out has no edges, as shadows and rough paper have none.")


def _grown(mask: Mask, reach: int) -> Mask:
    """The mask with everything within `reach` pixels, up, down and to the sides."""
    for _ in range(2):  # along the columns, then, turned over, along the rows
        counts = np.cumsum(np.pad(mask, ((reach + 1, reach), (0, 0))), axis=0)
        mask = (counts[2 * reach + 1 :] > counts[: -2 * reach - 1]).T
    return mask


def _pieces(strokes: Mask) -> tuple[NDArray[np.integer[Any]], dict[int, Box]]:
    """The strokes' connected parts, numbered, and the box of each that is no speck and not cut off by the edge."""
    labels, count = label_components(strokes)
    if count == 0:
        raise DataFileError("no digit found: there are lines, and nothing is written.")
    pieces = dict(enumerate(boxes(labels, count), start=1))
    inner = {number: box for number, box in pieces.items() if not _is_at_edge(box, strokes.shape)}
    if any(_size(box) > _largest(pieces) / 4 for box in inner.values()):
        pieces = inner
    else:  # somebody has cut the digit out
        pieces = {n: box for n, box in pieces.items() if n in inner or _fills(box, strokes.shape)}
    if not pieces:
        raise DataFileError(
            "no digit found: what stands out lies at the edge of the picture. Leave some paper around the digit."
        )
    pieces = {number: box for number, box in pieces.items() if _size(box) > _SPECK * _largest(pieces)}
    if len(pieces) > _MOST_PIECES:
        raise DataFileError(f"no digit found: the picture falls into {len(pieces)} pieces.")
    return labels, pieces


def _size(box: Box) -> int:
    return max(box.height, box.width)


def _largest(pieces: dict[int, Box]) -> int:
    return max(_size(box) for box in pieces.values())


def _is_at_edge(box: Box, shape: tuple[int, ...]) -> bool:
    return box.top == 0 or box.left == 0 or box.bottom == shape[0] or box.right == shape[1]


def _fills(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether something is as large as a digit that was cut out of a picture, and not something that was cut off."""
    return box.height >= _CUT_OUT * shape[0] or box.width >= _CUT_OUT * shape[1]


def _digits(pieces: dict[int, Box], height: int) -> list[list[int]]:
    """The pieces of each digit, in the order in which they are read; `height` is a digit's, about."""
    numbers = list(pieces)
    groups = [[numbers[i] for i in group] for group in digit_groups(list(pieces.values()), height)]
    around = [functools.reduce(operator.or_, (pieces[number] for number in group)) for group in groups]
    tallest = max(box.height for box in around)
    high = [i for i, box in enumerate(around) if _size(box) >= _LOWEST * tallest]
    return [groups[high[i]] for i in reading_order([around[i] for i in high])]


def _height_of_digits(pieces: dict[int, Box], *, many: bool) -> int:
    """About how high a digit is: as the highest piece, or, where there is one digit, as all pieces together."""
    if many:
        return max(box.height for box in pieces.values())
    return functools.reduce(operator.or_, pieces.values()).height


def _as_it_is(grey: Bytes) -> Page:
    """A picture that has been prepared by somebody else."""
    ink = _bright_on_dark(grey)
    ground = np.full_like(grey, np.median(grey[_border(grey)]))
    box = Box(0, 0, *grey.shape)
    return Page(grey, ground, ink, ink > 127, [box], 1.0, ink[np.newaxis])


def _as_bytes(values: NDArray[np.floating[Any]]) -> Bytes:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _bright_on_dark(grey: Bytes) -> Bytes:
    """Turn dark on light round; what the border shows is the ground."""
    darkest, lightest = int(grey.min()), int(grey.max())
    if darkest == lightest:
        raise DataFileError("no digit found: every pixel is alike.")
    if np.median(grey[_border(grey)]) > (darkest + lightest) / 2:
        return 255 - grey
    return grey


def _border(grey: Bytes) -> Mask:
    """Where the outermost pixels are."""
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    return border


# ------------------------------------------------------------------------------------------- the picture


def _read_grey(path: Path) -> Bytes:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if path.is_dir():
            raise DataFileError(f"{path} is a folder; expected a picture. Name a file in it.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damage beside the pixels, such as in the EXIF
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            content = _content(path)
            with Image.open(content, formats=FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise Image.DecompressionBombError
                image.verify()  # the checksums of a PNG, which reading its pixels passes over
            content.seek(0)
            with Image.open(content, formats=FORMATS) as image:
                ImageOps.exif_transpose(image, in_place=True)
                return _grey(image)
    except FileNotFoundError as error:
        raise DataFileError(f"There is no file {path}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataFileError(f"{path} has too many pixels for a picture of one digit. Make it smaller.") from error
    except UnidentifiedImageError as error:
        raise DataFileError(f"{path} is not a PNG or JPEG picture, nor BMP, GIF or WebP. Save it as PNG.") from error
    except DataFileError:
        raise
    except Exception as error:  # a damaged file can make Pillow stumble in any way
        reason = getattr(error, "strerror", None) or f"{str(error) or type(error).__name__:.200}"
        raise DataFileError(f"{path} cannot be read as a picture: {reason}.") from error


def _content(path: Path) -> io.BytesIO:
    """The file, in memory: from a file Pillow would make room for as many bytes as a damaged length says."""
    content, size = io.BytesIO(), path.stat().st_size
    with path.open("rb") as file:
        while size <= _LARGEST_FILE and (chunk := file.read(1 << 20)):  # a device may have more than it says
            content.write(chunk)
            size = max(size, content.tell())
    if size > _LARGEST_FILE:
        raise DataFileError(f"{path} has {size:,} bytes or more, too many for a picture of one digit. Make it smaller.")
    content.seek(0)
    return content


def _grey(image: Image.Image) -> Bytes:
    """Grey values 0 to 255; what is transparent is white.

    Where all ink has one colour, be it white, how opaque it is draws the digit: that is taken as black ink.
    """
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel; converting would clip instead of scaling
        return (np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = image.getchannel("A")
        if _is_of_one_colour(image, alpha):
            return 255 - np.asarray(alpha)
        return np.asarray(Image.composite(image.convert("L"), Image.new("L", image.size, 255), alpha))
    return np.asarray(image.convert("L"))


def _is_of_one_colour(image: Image.Image, alpha: Image.Image) -> bool:
    """Whether nothing but its opacity draws what is in an RGBA picture."""
    opacities = np.flatnonzero(alpha.histogram())
    # Faint pixels come in rounded colours, and invisible ones in any.
    seen = alpha.point([255 * (opacity >= max(opacities[-1] // 2, 1)) for opacity in range(256)])
    shades = [np.flatnonzero(counts) for counts in np.reshape(image.histogram(seen), (4, 256))[:3]]
    return len(opacities) > 1 and all(np.ptp(shade) <= _ONE_COLOUR for shade in shades)


def _resized(grey: Bytes, longest: int) -> Bytes:
    """Average a large picture down, and enlarge a small one, by a whole factor; others stay as they are."""
    from PIL import Image

    if (factor := -(-max(grey.shape) // longest)) > 1:
        return np.asarray(Image.fromarray(grey).reduce(factor))
    if (factor := _SHORTEST // max(grey.shape)) > 1:
        height, width = grey.shape
        return np.asarray(Image.fromarray(grey).resize((factor * width, factor * height), Image.Resampling.BICUBIC))
    return grey
