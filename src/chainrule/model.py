"""A model: a network, and the preparation that its pictures go through first. What is trained, saved and asked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.data.preparation import Preparation
from chainrule.errors import ShapeError, ValueRangeError
from chainrule.machine import ONE_BLAS_THREAD, cores
from chainrule.nn.activations import log_softmax, softmax
from chainrule.nn.arrays import Array, require_array, require_labels, require_row_numbers
from chainrule.nn.metrics import accuracy, confusion_matrix, wilson_interval
from chainrule.nn.network import Network

#: Pictures that go through the network at once: enough for fast matrix products, few enough to stay in cache.
BLOCK = 512
#: Pictures from which on the cores share them out.
LARGE = 4096


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model did on N labelled pictures.

    Attributes
    ----------
    labels, predictions : integer arrays, shape (N,)
    confidence : float array, shape (N,)
        The probability that the model gave to each prediction.
    classes : int, C
    """

    labels: Array
    predictions: Array
    confidence: Array
    classes: int

    @property
    def examples(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def errors(self) -> int:
        """How many predictions are wrong."""
        return int(np.count_nonzero(self.predictions != self.labels))

    @property
    def accuracy(self) -> float:
        """The fraction that is right, 0 to 1."""
        return accuracy(self.predictions, self.labels)

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % interval (Wilson)."""
        return wilson_interval(self.examples - self.errors, self.examples)

    @property
    def confusion(self) -> Array:
        """Counts, shape (C, C): label by prediction."""
        return confusion_matrix(self.predictions, self.labels, self.classes)

    def mistakes(self) -> Array:
        """Which pictures were predicted wrong, the most confident first."""
        wrong = np.flatnonzero(self.predictions != self.labels)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")]


class Predictor:
    """Whatever gives probabilities for pictures: one model, or several together."""

    preparation: Preparation
    class_names: tuple[str, ...]
    facts: dict[str, Any]

    def probabilities(self, images: Array) -> Array:
        """The probability of each class for each picture, shape (N, C)."""
        raise NotImplementedError

    def evaluate(self, images: Array, labels: Array) -> Evaluation:
        """Predict labelled pictures, shape (N, height, width) and (N,), and say how it went.

        Raises
        ------
        ShapeError, DtypeError, ValueRangeError
            As in `probabilities`; if there is no picture, or not one label of the model's classes for each.
        """
        require_array("images", images)
        if images.ndim == 0 or len(images) == 0:
            raise ShapeError("There is nothing to evaluate: no pictures were given.")
        classes = len(self.class_names)
        require_labels(labels, len(images), classes)
        probabilities = self.probabilities(images)
        return Evaluation(labels, probabilities.argmax(axis=1), probabilities.max(axis=1), classes)


@dataclass(frozen=True)
class Model(Predictor):
    """A network, the preparation of its pictures, and what is known about both.

    Parameters
    ----------
    network : Network
        Its outputs are logits, shape (N, C).
    preparation : Preparation
    class_names : tuple of str, length C
    facts : dict
        Whatever should be remembered, as JSON: recipe, history, which accuracy was measured on what.

    Raises
    ------
    ShapeError
        If the three do not fit together.
    """

    network: Network
    preparation: Preparation
    class_names: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.network.inputs != self.preparation.width:
            raise ShapeError(
                f"The network reads {self.network.inputs} numbers; pictures of {self.preparation.shape} pixels have "
                f"{self.preparation.width}; expected as many."
            )
        if self.network.outputs != len(self.class_names):
            raise ShapeError(f"The network has {self.network.outputs} outputs for {len(self.class_names)} class names.")

    def probabilities(self, images: Array, rows: Array | None = None) -> Array:
        """The probability of each class for each picture.

        Parameters
        ----------
        images : uint8 array, shape (N, height, width)
        rows : integer array, shape (M,), optional
            Which of the pictures; all where not given.

        Returns
        -------
        probabilities : float array, shape (N, C), or (M, C)

        Raises
        ------
        ShapeError, DtypeError
            If the pictures are no array, not of the model's size, or not uint8; if the rows are not integers, (M,).
        ValueRangeError
            If there is no picture with one of the rows' numbers; if the network's parameters are not finite, or so
            large that its outputs are not: such a network cannot predict.
        """
        count = self._count(images, rows)
        result = np.empty((count, self.network.outputs), self.network.dtype)
        self._send_through(images, rows, count, lambda logits, part: softmax(logits, out=result[part]))
        return result

    def log_probabilities(self, images: Array, rows: Array | None = None) -> Array:
        """The logarithms of `probabilities`, finite also where a probability is as good as 0; arguments as there."""
        count = self._count(images, rows)
        result = np.empty((count, self.network.outputs), self.network.dtype)
        self._send_through(images, rows, count, lambda logits, part: log_softmax(logits, out=result[part]))
        return result

    def predict(self, images: Array, rows: Array | None = None) -> Array:
        """The most probable class of each picture, shape (N,); arguments and errors as in `probabilities`."""
        count = self._count(images, rows)
        result = np.empty(count, np.int64)
        self._send_through(images, rows, count, lambda logits, part: np.argmax(logits, axis=1, out=result[part]))
        return result

    def _count(self, images: Array, rows: Array | None) -> int:
        """How many pictures to predict, once it is clear that they can be."""
        require_array("images", images)
        if images.ndim == 0:
            raise ShapeError("images have shape (); expected (N, height, width).")
        require_finite_parameters(self.network)
        if rows is None:
            return len(images)
        return len(require_row_numbers("rows", rows, len(images)))

    def _send_through(self, images: Array, rows: Array | None, count: int, take: Callable[[Array, slice], Any]) -> None:
        """Give `take` the logits of each block of pictures; where there are many, the cores share them out."""
        starts = range(0, count, BLOCK)
        parts = cores() if count >= LARGE else 1

        def send(first: int) -> None:
            trace = self.network.trace(min(BLOCK, max(1, count)))
            room = np.empty((trace.capacity, self.network.inputs), self.network.dtype)
            for start in starts[first::parts]:
                part = slice(start, min(start + BLOCK, count))
                block = images[part] if rows is None else images[rows[part]]
                with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at
                    x = self.preparation.transform(block, out=room[: len(block)])
                    logits = self.network.forward(x, into=trace).output
                    self._require_finite_outputs(logits, part, rows)
                    take(logits, part)

        with ONE_BLAS_THREAD:  # with two, a product may have other last bits, and they are not always to be had
            if parts == 1:
                send(0)
                return
            with ThreadPoolExecutor(parts) as pool:
                list(pool.map(send, range(parts)))  # raises what a thread raised

    def _require_finite_outputs(self, logits: Array, part: slice, rows: Array | None) -> None:
        """Refuse what parameters came to that are finite, and yet too large to be multiplied and added up."""
        finite = np.isfinite(logits).all(axis=1)
        if finite.all():
            return
        picture = part.start + int(finite.argmin())
        picture = picture if rows is None else int(rows[picture])
        sizes = np.abs(self.network.parameters)
        largest = max(self.network.layout, key=lambda block: sizes[block.slice].max())
        raise ValueRangeError(
            f"The network's outputs for picture {picture} are beyond what {self.network.dtype} can hold: numbers in "
            f"{largest.name} go up to {sizes.max():.3g}. Train it again, with a smaller learning rate."
        )


@dataclass(frozen=True)
class Committee(Predictor):
    """Several models asked together: the mean of their probabilities. It errs less, the less they err alike.

    Parameters
    ----------
    models : tuple of Model, at least one

    Raises
    ------
    ShapeError
        If there is no model, or they do not all read pictures of one size and know the same classes.

    References
    ----------
    Meier, Cireşan, Gambardella & Schmidhuber, Better Digit Recognition with a Committee of Simple Neural Nets (2011).
    """

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        if not self.models:
            raise ShapeError("A committee needs at least one model.")
        first = self.models[0]
        for number, model in enumerate(self.models[1:], start=2):
            if model.preparation.shape != first.preparation.shape or model.class_names != first.class_names:
                raise ShapeError(
                    f"Models 1 and {number} do not fit together: pictures {first.preparation.shape} and "
                    f"{model.preparation.shape}, classes {', '.join(first.class_names)} and "
                    f"{', '.join(model.class_names)}; expected the same."
                )
        for name in ("preparation", "class_names", "facts"):  # the first speaks for all
            object.__setattr__(self, name, getattr(first, name))

    def probabilities(self, images: Array) -> Array:
        """The models' mean probability of each class for each picture, shape (N, C); errors as from a model."""
        total = self.models[0].probabilities(images)
        for model in self.models[1:]:
            total += model.probabilities(images)
        return total / len(self.models)


def require_finite_parameters(network: Network) -> None:
    """Refuse a network that cannot predict, naming the first array of θ that is not finite."""
    if not np.isfinite(network.parameters).all():
        name = next(b.name for b in network.layout if not np.isfinite(network.parameters[b.slice]).all())
        raise ValueRangeError(
            f"{name} contains NaN or infinity, so this network cannot predict. Train it again, with a smaller "
            f"learning rate."
        )
