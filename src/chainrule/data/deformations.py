"""Random deformations: pictures moved, turned, scaled, slanted and bent, as another hand might have written them.

Every pixel of a deformed picture reads the original at another place, bilinearly, and 0 outside of it:

    out[i, j] = image(row[i, j], column[i, j])

A field of places is a sum of fixed fields with random coefficients, so that those of a whole batch are one matrix
product, coefficients (2N, K) times fields (K, H·W). The fixed fields are 1, i and j, which give every affine map, and
the elastic modes: smoothed noise has far fewer degrees of freedom than pixels, see `elastic_modes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.preparation import check_dtype, check_images, check_out, check_shape, is_array
from chainrule.devices import CPU, Processor
from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]

#: Pictures that are deformed at a time: their places and neighbours then stay in cache.
_BLOCK = 32
#: Modes of smoothed noise weaker than this, beside the strongest, are left out.
_FAINT = 1e-3


@dataclass(frozen=True)
class Deformation:
    """How far pictures may be deformed. Whatever is drawn is uniform between minus and plus its range.

    In this order: scale, slant and turn about the centre, move, then bend.

    Parameters
    ----------
    scaling : float, 0 ≤ scaling < 1
        Height and width, each on its own, times 1 ± scaling.
    shear : float, 0 ≤ shear < 90, in degrees
        How far verticals lean, to the right if positive.
    rotation : float, at least 0, in degrees
        Counterclockwise if positive.
    shift : float, at least 0, in pixels
        Down and to the right, each on its own, if positive.
    alpha : float, at least 0, in pixels
        α, by which the smoothed noise of an elastic displacement is multiplied; 0 for none.
    sigma : float, above 0, in pixels
        σ of the Gaussian that smooths it.

    Raises
    ------
    ValueRangeError
        If one of them is out of range.

    References
    ----------
    Simard, Steinkraus & Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis
    (2003), section 2; Cireşan, Meier, Gambardella & Schmidhuber, Deep, Big, Simple Neural Nets for Handwritten Digit
    Recognition (2010), section 2.
    """

    scaling: float = 0.0
    shear: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    alpha: float = 0.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        below = {"scaling": 1.0, "shear": 90.0}
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value < below.get(field.name, math.inf):
                limit = below.get(field.name)
                expected = "a finite number, at least 0" if limit is None else f"at least 0 and below {limit:g}"
                raise ValueRangeError(f"{field.name} is {value!r}; expected {expected}.")
        if self.sigma == 0:
            raise ValueRangeError("sigma is 0; expected above 0. For no elastic displacement set alpha to 0.")


#: Ranges of the literature. Cireşan's angles were half as large for 1 and 7, which would need the label; his α and σ
#: ran from 36 to 38 and from 5 to 6.
PRESETS = {
    "simard-2003": Deformation(alpha=34.0, sigma=4.0),
    "ciresan-2010": Deformation(scaling=0.175, shear=15.0, rotation=15.0, alpha=37.0, sigma=5.5),
}


class Deformer:
    """Deforms batches of pictures of one shape. It owns its room: a warm batch allocates nothing of a batch's size.

    Parameters
    ----------
    deformation : Deformation
    shape : (height, width) of a picture
    dtype : float32 or float64, of what comes out
    device : where the pictures are, and the work is done

    Raises
    ------
    ShapeError, DtypeError
        If the shape is not two whole numbers from 1, or the dtype neither of the two.

    Attributes
    ----------
    numbers : int
        How many numbers from [0, 1) are drawn for a picture.
    """

    def __init__(
        self,
        deformation: Deformation,
        shape: tuple[int, int],
        dtype: DTypeLike = np.float32,
        device: Processor = CPU,
    ) -> None:
        self.deformation, self.shape = deformation, check_shape(shape)
        height, width = self.shape
        dtype = check_dtype(dtype)
        self.device, self._block = device, device.block(_BLOCK)
        self._fields = like = device.put(_fields(deformation, self.shape).astype(dtype))
        self._padded = np.zeros_like(like, shape=(self._block, height + 2, width + 2))
        self._coefficients = np.empty((self._block, 2, len(self._fields)), dtype)
        self.numbers = 2 * len(self._fields)
        self._places = np.empty_like(like, shape=(2, self._block, height * width))
        self._corners = np.empty_like(self._places)
        self._starts = device.put((height + 2) * (width + 2) * np.arange(self._block)[:, np.newaxis])
        self._index = np.empty_like(self._starts, shape=(self._block, height * width))
        self._neighbours = np.empty_like(like, shape=(4, self._block, height * width))

    def deform(self, images: Bytes, rng: np.random.Generator, out: Floats | None = None) -> Floats:
        """Each picture deformed in a way of its own.

        Parameters
        ----------
        images : uint8 array, shape (N, height, width); or floats of the deformer's dtype, whose background is 0
        rng : numpy.random.Generator
            Gives every picture the same number of draws, one picture after the other.
        out : float array, shape (N, height · width), of the deformer's dtype, optional
            Receives the pictures.

        Returns
        -------
        float array, shape (N, height · width); pixels in their own unit, flattened; `out` if given

        Raises
        ------
        ShapeError, DtypeError
            If the pictures or `out` are of another shape or dtype.
        InputError
            If `rng` is no generator, or `out` read-only.
        """
        if not is_array(images) or images.dtype != self._fields.dtype:
            check_images(images)
        if images.shape[1:] != self.shape:
            raise ShapeError(f"This deformer is for images {self.shape}, and these are {images.shape[1:]}.")
        if not isinstance(rng, np.random.Generator):
            raise InputError(f"rng is {rng!r}; expected a generator, numpy.random.default_rng(0), made once.")
        shape = (len(images), self.shape[0] * self.shape[1])
        if out is None:
            out = np.empty_like(self._fields, shape=shape)
        else:
            check_out(out, shape)
            if out.dtype != self._fields.dtype:
                raise DtypeError(f"out is {out.dtype}; expected {self._fields.dtype}.")
        for start in range(0, len(images), self._block):
            block = images[start : start + self._block]
            self._draw_places(len(block), rng)
            self._read(block, out[start : start + self._block])
        return out

    def _draw_places(self, n: int, rng: np.random.Generator) -> None:
        """Where each pixel of n pictures reads, rows in places[0] and columns in places[1]."""
        drawn = self._coefficients[:n]
        rng.random(out=drawn, dtype=drawn.dtype.type)
        np.multiply(drawn, 2.0, out=drawn)
        np.subtract(drawn, 1.0, out=drawn)
        _affine_coefficients(self.deformation, drawn[:, :, :3])
        drawn = self.device.put(drawn)
        for axis in (0, 1):
            np.matmul(drawn[:, axis], self._fields, out=self._places[axis, :n])

    def _read(self, images: Bytes, out: Floats) -> None:
        """Bilinear interpolation: of the four neighbours, first along the rows and then between them."""
        n, width = len(images), self.shape[1]
        self._padded[:n, 1:-1, 1:-1] = images  # in a frame of zeros, so that every place has four neighbours
        places, corners = self._places[:, :n], self._corners[:, :n]
        for axis, size in enumerate(self.shape):
            np.add(places[axis], (size - 1) / 2 + 1, out=places[axis])  # fields are measured from the centre
            np.maximum(places[axis], 0.0, out=places[axis])
            np.minimum(places[axis], np.nextafter(places.dtype.type(size + 1), 0), out=places[axis])
        np.floor(places, out=corners)
        down, right = np.subtract(places, corners, out=places)
        flat = self._padded.reshape(-1)
        np.multiply(corners[0], width + 2, out=corners[0])
        np.add(corners[0], corners[1], out=corners[0])
        np.copyto(self._index[:n], corners[0], casting="unsafe")
        np.add(self._index[:n], self._starts[:n], out=self._index[:n])
        a, b, c, d = self._neighbours[:, :n]
        for neighbour, offset in ((a, 0), (b, 1), (c, width + 2), (d, width + 3)):
            self.device.take(flat[offset:], self._index[:n], out=neighbour)
        _blend(a, b, right)
        _blend(c, d, right)
        _blend(a, c, down)
        out[...] = a


def side_by_side(images: Bytes, deformation: Deformation, copies: int, rng: np.random.Generator) -> Bytes:
    """Each picture as it is, followed by deformed copies of it, for looking at.

    Parameters
    ----------
    images : uint8 array, shape (N, height, width)
    deformation : Deformation
    copies : int; deformed copies of each picture
    rng : numpy.random.Generator

    Returns
    -------
    uint8 array, shape (N · (copies + 1), height, width)
    """
    check_images(images)
    if not isinstance(copies, int) or copies < 0:
        raise ValueRangeError(f"copies is {copies!r}; expected a whole number, at least 0.")
    shape = (images.shape[1], images.shape[2])
    result = np.repeat(images, copies + 1, axis=0)
    copied = np.arange(len(result)) % (copies + 1) > 0
    deformed = Deformer(deformation, shape).deform(result[copied], rng)
    result[copied] = np.rint(deformed).reshape(-1, *shape)
    return result


def elastic_modes(size: int, sigma: float) -> Floats:
    """The patterns of which noise along one axis consists once a Gaussian has smoothed it.

    Smoothing n pixels is a symmetric matrix, G[i, j] = exp(−(i − j)²/2σ²) / (σ √2π), and G = U S Uᵀ with orthonormal U.
    A smoothed field is G F Gᵀ = U S (Uᵀ F U) S Uᵀ. White noise F is white in any orthonormal basis, so that Uᵀ F U may
    be drawn at once; and where S is next to nothing it need not be drawn. For 28 pixels and σ = 4 ten modes are left
    of 28, and 100 numbers of 784.

    Parameters
    ----------
    size : int, pixels along the axis
    sigma : float; σ, in pixels

    Returns
    -------
    float64 array, shape (modes, size); the rows of S Uᵀ, strongest first, without those below 0.001 of the strongest
    """
    pixel = np.arange(size)
    smoothing = np.exp(-((pixel[:, np.newaxis] - pixel) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    strength, patterns = np.linalg.eigh(smoothing)  # weakest first
    strong = strength > _FAINT * strength[-1]
    return (patterns[:, strong] * strength[strong]).T[::-1]


def _fields(deformation: Deformation, shape: tuple[int, int]) -> Floats:
    """The fixed fields, shape (K, H·W): 1, rows and columns from the centre, and products of elastic modes times α."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    affine = np.stack([np.ones(shape), rows - (height - 1) / 2, columns - (width - 1) / 2])
    if not deformation.alpha:
        return affine.reshape(3, -1)
    down, across = elastic_modes(height, deformation.sigma), elastic_modes(width, deformation.sigma)
    elastic = deformation.alpha * np.einsum("ai,bj->abij", down, across)
    return np.concatenate([affine.reshape(3, -1), elastic.reshape(-1, height * width)])


def _affine_coefficients(ranges: Deformation, drawn: Floats) -> None:
    """From six numbers in [−1, 1) for each picture to its affine map, written over them.

    Where a pixel p (from the centre, rows down) reads is the way back: p − shift, turned by −θ, slanted back, and
    divided by the scales. The result, for rows and for columns, is the coefficient of 1, of p's row, of its column.
    """
    scale = 1.0 + ranges.scaling * drawn[:, :, 1]  # of rows, of columns
    angle = math.radians(ranges.rotation) * drawn[:, 0, 2]
    slant = np.tan(math.radians(ranges.shear) * drawn[:, 1, 2])
    down, right = ranges.shift * drawn[:, 0, 0], ranges.shift * drawn[:, 1, 0]
    sine, cosine = np.sin(angle), np.cos(angle)
    of_row, of_column = drawn[:, 0], drawn[:, 1]
    of_row[:, 1], of_row[:, 2] = cosine, sine
    of_column[:, 1], of_column[:, 2] = slant * cosine - sine, slant * sine + cosine
    for axis, coefficients in enumerate((of_row, of_column)):
        np.divide(coefficients[:, 1:], scale[:, axis, np.newaxis], out=coefficients[:, 1:])
        coefficients[:, 0] = -(coefficients[:, 1] * down + coefficients[:, 2] * right)


def _blend(a: Floats, b: Floats, weight: Floats) -> None:
    """a ← a + weight · (b − a), and b is lost."""
    np.subtract(b, a, out=b)
    np.multiply(b, weight, out=b)
    np.add(a, b, out=a)
