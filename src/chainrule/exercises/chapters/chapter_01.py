"""Chapter 1: a digit is 784 numbers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.exercises.grading import Unchanged, WrongError, exercise, expect, require


@exercise("1.1", "read_idx", "the pictures in the bytes of an IDX file", minutes=15)
def read_idx(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(content) → uint8 (N, height, width)."""
    shape = tuple(int(n) for n in rng.integers(2, 6, 3))
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    content = struct.pack(">IIII", 2051, *shape) + images.tobytes()
    given = answer(content)
    if isinstance(given, np.ndarray) and given.size == images.size + 8:
        raise WrongError("There are eight numbers too many at the start: the header has four numbers of four bytes.")
    expect(
        given,
        images,
        {
            "All pixels are there, in one row. Give them the shape that the header says.": images.reshape(-1),
            "Height and width are exchanged.": images.reshape(shape[0], shape[2], shape[1])
            if shape[1] != shape[2]
            else 0,
        },
        what="The array of pictures",
    )
    require(given.dtype == np.uint8, f"A pixel is one byte; your array is {given.dtype}. Read it as uint8.")


@exercise("1.2", "scale", "pixels from 0 to 255 as numbers from 0 to 1", minutes=5)
def scale(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(images) → float in [0, 1]."""
    images = rng.integers(0, 256, (3, 4, 4), dtype=np.uint8)
    images[0, 0, :2] = 0, 255
    with Unchanged(images):
        given = answer(images)
    require(
        isinstance(given, np.ndarray) and given.dtype.kind == "f",
        "The result has whole numbers, so that everything below 255 has become 0. Divide with /, and not with //.",
    )
    expect(given, images / 255, {"The brightest pixel has become 255/256, and not 1: pixels run from 0 to 255.":
                                 images / 256}, tolerance=1e-6)  # fmt: skip


@exercise("1.3", "one_hot", "labels as rows with a single 1", minutes=10)
def one_hot(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(labels, classes) → (N, classes)."""
    classes = int(rng.integers(4, 9))
    labels = rng.integers(0, classes - 1, classes + 3)  # none of the last class
    right = np.eye(classes)[labels]
    expect(
        answer(labels, classes),
        right,
        {
            "It has as many classes as the largest label, and these labels lack the last class. Use `classes`.":
                right[:, : labels.max() + 1],
            "Rows and columns are exchanged: one row for each label.": right.T,
            "The 1 is one place too far to the right; classes are counted from 0.": np.roll(right, 1, axis=1),
        },
    )  # fmt: skip


@exercise("1.4", "mean_digit", "the mean of all pictures of one digit", minutes=5)
def mean_digit(answer: Callable[..., Any], rng: np.random.Generator) -> None:
    """answer(images, labels, digit) → (height, width)."""
    images = rng.integers(0, 256, (12, 3, 4), dtype=np.uint8)
    labels = rng.permutation(np.repeat([0, 1, 2], 4))
    of = images[labels == 1]
    expect(
        answer(images, labels, 1),
        of.mean(axis=0),
        {
            "That is the mean of all pictures, whatever digit they show.": images.mean(axis=0),
            "That is the sum; a mean is divided by how many there are.": of.sum(axis=0),
            "That is one number, the mean of all pixels. Give `mean` the axis of the pictures.": of.mean(),
        },
    )
