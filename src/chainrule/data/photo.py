"""A picture of one digit, made to look as MNIST's pictures do.

MNIST's digits were cut out, scaled with their proportions kept to fit 20 × 20 pixels, and placed in 28 × 28 so that
their centre of mass lies in the middle: bright ink on black. A network that has seen only such digits knows no
others, so a photo is treated the same way. For a network that reads pictures of another size the rule is scaled: the
ink fills 20/28 of the frame.

References
----------
LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998).
Otsu, A threshold selection method from gray-level histograms, IEEE Trans. Systems, Man, and Cybernetics 9 (1979).
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.preparation import check_shape, is_array
from chainrule.errors import DataFileError, DtypeError, ShapeError, ValueRangeError

if TYPE_CHECKING:
    from PIL import Image

Bytes = NDArray[np.uint8]

SHAPE = (28, 28)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_LONGEST = 200
_FAINTEST = 24.0
_ONE_COLOUR = 4
_LARGEST_FILE = 1 << 28
_MOST_PIXELS = 50 << 20
"""What telephones take; each costs up to twelve bytes of memory, however few the file has for it."""


def read_photo(path: str | Path, shape: tuple[int, int] = SHAPE) -> Bytes:
    """The digit in a picture.

    A picture that has the shape already keeps its geometry. In any other the digit is searched for with `find_digit`.
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
        If the file is missing, is no such picture, is damaged, or shows no digit.
    ShapeError
        If `shape` is not two whole numbers from 1.
    """
    shape = check_shape(shape)
    path = Path(path)
    grey = _read_grey(path)
    try:
        if grey.shape == shape:
            return _bright_on_dark(grey)
        return find_digit(grey, shape)
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}") from error


def find_digit(grey: Bytes, shape: tuple[int, int] = SHAPE) -> Bytes:
    """The digit in a grey picture of any size, as MNIST would show it.

    Parameters
    ----------
    grey : uint8 array, shape (height, width), dark on light or light on dark; the border shows the ground
    shape : (height, width) of the result

    Returns
    -------
    uint8 array, shape `shape`, bright ink on black

    Raises
    ------
    DtypeError, ShapeError
        If the picture is not uint8 (height, width), or `shape` not two whole numbers from 1.
    DataFileError
        If there is no ink.
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
    ink = _above_ground(_shrunk(_bright_on_dark(grey), max(_LONGEST, *shape)))
    return fit_and_centre(_without_noise(ink), shape)


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


# ------------------------------------------------------------------------------------------- the ground


def _bright_on_dark(grey: Bytes) -> Bytes:
    """Turn dark on light round; what the border shows is the ground."""
    darkest, lightest = int(grey.min()), int(grey.max())
    if darkest == lightest:
        raise DataFileError("no digit found: every pixel is alike.")
    if np.median(grey[_border(grey)]) > (darkest + lightest) / 2:
        return 255 - grey
    return grey


def _border(grey: Bytes) -> NDArray[np.bool_]:
    """Where the outermost pixels are."""
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    return border


def _above_ground(ink: Bytes) -> Bytes:
    """Count ink from the brightness of the paper, which light from a side makes brighter there.

    argmin Σ (ink(y, x) − (a + b·y + c·x))² over the border is the plane to subtract
    """
    border = _border(ink)
    y, x = np.indices(ink.shape)
    plane = np.stack([np.ones(ink.shape), y, x], axis=-1)
    slopes = np.linalg.lstsq(plane[border], ink[border].astype(np.float64), rcond=None)[0]
    return np.rint(np.maximum(ink - plane @ slopes, 0)).clip(max=255).astype(np.uint8)


def _without_noise(ink: Bytes) -> Bytes:
    """Set what is ground rather than ink to 0."""
    threshold, contrast = _otsu(ink)
    if contrast < _FAINTEST:
        raise DataFileError("no digit found: nothing stands out against the ground.")
    return np.where(ink > threshold, ink, 0).astype(np.uint8)


def _otsu(grey: Bytes) -> tuple[int, float]:
    """Otsu's threshold, and how far apart the means of the two classes are that it makes.

    argmax_t  w₀(t) w₁(t) (μ₁(t) − μ₀(t))²,   class 0 being the pixels ≤ t
    """
    values = np.arange(256)
    counts = np.bincount(grey.reshape(-1), minlength=256)
    below = counts.cumsum()
    above = grey.size - below
    sum_below = (counts * values).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (sum_below[-1] - sum_below) / above - sum_below / below
    distance = np.nan_to_num(distance)
    threshold = int(np.argmax(below * above * distance**2))
    return threshold, float(distance[threshold])


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


def _shrunk(grey: Bytes, longest: int) -> Bytes:
    """Average large pictures down: noise and dust vanish, and a digit needs no more pixels."""
    from PIL import Image

    factor = -(-max(grey.shape) // longest)
    return grey if factor == 1 else np.asarray(Image.fromarray(grey).reduce(factor))
