"""A model from weights that somebody else trained: what other programs leave unsaid, filled in and checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.preparation import Preparation
from chainrule.errors import InputError, ShapeError, ValueRangeError
from chainrule.nn.arrays import Array, is_number, is_whole
from chainrule.nn.layers import Dense, Layer
from chainrule.nn.network import Network


class Affine(NamedTuple):
    """A dense layer with its numbers: y = x W + b; weight (D, H), bias (H,)."""

    weight: Array
    bias: Array


class Scale(NamedTuple):
    """What is done to a byte before a network reads it: gain · pixel + offset; float64, one number or D."""

    gain: Array
    offset: Array


ONE, ZERO = np.array(1.0), np.array(0.0)
UNCHANGED = Scale(ONE, ZERO)


def told_scale(largest_pixel: float | None, mean: float | None, deviation: float | None) -> Scale:
    """The scale x = (pixel / 255 · largest_pixel − mean) / deviation, None standing for 1, 0 and 1.

    Raises
    ------
    ValueRangeError
        If `largest_pixel` or `deviation` is no number above 0, or `mean` not finite.
    """
    settings = {"largest_pixel": largest_pixel, "mean": mean, "deviation": deviation}
    for name, value in settings.items():
        finite = value is None or (is_number(value) and math.isfinite(value))
        if not finite or (value is not None and name != "mean" and value <= 0):
            raise ValueRangeError(
                f"{name} is {value!r}; expected a finite number{'' if name == 'mean' else ' above 0'}."
            )
    divisor = 1.0 if deviation is None else float(deviation)
    gain = (1.0 if largest_pixel is None else float(largest_pixel)) / 255 / divisor
    return Scale(np.array(gain), np.array(-(mean or 0.0) / divisor))


def picture_shape(pixels: int, told: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of pictures of so many pixels: as told, or else a square.

    Raises
    ------
    ShapeError
        If what was told has another number of pixels, or nothing was and they make no square.
    """
    if told is not None:
        whole = isinstance(told, (tuple, list)) and len(told) == 2 and all(is_whole(n) and n > 0 for n in told)
        if not whole or told[0] * told[1] != pixels:
            raise ShapeError(f"image_shape is {told!r}; the network reads {pixels:,} pixels, height · width.")
        return told[0], told[1]
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise ShapeError(
            f"The network reads {pixels:,} pixels, which make no square. Give image_shape=(height, width)."
        )
    return side, side


def preparation_of(shape: tuple[int, int], scale: Scale, dtype: np.dtype[Any]) -> Preparation:
    """The preparation that gives, in that dtype, the same numbers as the scale.

    Raises
    ------
    InputError
        If it would turn dark and bright around, or is not finite.
    """
    gain, offset = np.asarray(scale.gain, np.float64), np.asarray(scale.offset, np.float64)
    if gain.size == 1 and not offset.any() and dtype.type(gain.item()) == dtype.type(1 / 255):
        return Preparation(shape)
    if not (np.isfinite(gain) & (gain > 0)).all() or not np.isfinite(offset).all():
        raise InputError("it multiplies pixels by 0, by less, or by what is not finite; expected a scale above 0")
    deviation = 1 / (255 * gain)
    full = (shape[0] * shape[1],)
    return Preparation(shape, np.broadcast_to(-offset * deviation, full), np.broadcast_to(deviation, full))


def network_of(layers: Sequence[Affine | Layer], dtype: np.dtype[Any]) -> Network:
    """The network of these layers."""
    empty = [Dense(*layer.weight.shape) if isinstance(layer, Affine) else layer for layer in layers]
    dense = [layer for layer in layers if isinstance(layer, Affine)]
    parameters = np.concatenate([array.astype(dtype).ravel() for layer in dense for array in layer])
    return Network(empty, parameters=parameters)


def two_classes(layer: Affine) -> Affine:
    """The layer whose softmax is 1 − σ(z) and σ(z), from the one that gives z, shape (N, 1): the logits 0 and z."""
    return Affine(*(np.concatenate([np.zeros_like(array), array], axis=-1) for array in layer))


def named_classes(names: Sequence[Any] | None, classes: int) -> tuple[str, ...]:
    """The names as texts, or 0, 1, …; an InputError if they are not as many as the classes."""
    if names is None:
        return tuple(str(number) for number in range(classes))
    if len(names) != classes:
        raise InputError(f"it names {len(names):,} classes, and its network has {classes:,} outputs")
    return tuple(str(name) for name in names)
