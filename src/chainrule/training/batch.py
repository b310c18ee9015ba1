"""From rows to ℓ and ∂ℓ/∂θ of a batch: gather the pictures, deform and prepare them, ask the objective.

A large batch passes in blocks that stay in cache, and their gradients add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.data.deformations import Deformation, Deformer
from chainrule.data.preparation import Preparation
from chainrule.nn.arrays import Array
from chainrule.nn.losses import Loss
from chainrule.nn.network import Network
from chainrule.nn.objective import Adversary, Objective


class BatchGradient:
    """Computes ℓ and ∂ℓ/∂θ of batches in room of its own: two of them can work at once on one network.

    Parameters
    ----------
    images, labels, preparation, network : as `Training` has them
    capacity : int; rows in a block
    loss, deformation, adversary : as `Training` takes them

    Attributes
    ----------
    gradient : float array, shape (P,); ∂ℓ/∂θ of the last batch
    gatherer, objective : what brings the rows, and what is asked for their gradient
    """

    def __init__(
        self,
        images: Array,
        labels: Array,
        preparation: Preparation,
        network: Network,
        capacity: int,
        loss: Loss,
        deformation: Deformation | None,
        adversary: Adversary | None,
    ) -> None:
        self.capacity = capacity
        self.gatherer = Gatherer(images, labels, preparation, network.dtype, capacity, deformation)
        self.objective = Objective(network, capacity, loss, adversary)
        self.gradient = np.empty_like(network.parameters)

    def compute(self, network: Network, rows: Array, rng: np.random.Generator, total: float) -> float:
        """ℓ of those rows, of a batch of `total`; leaves its gradient in `gradient`."""
        loss = 0.0
        for start in range(0, len(rows), self.capacity):
            x, y = self.gatherer.gather(rows[start : start + self.capacity], rng)
            loss += self.objective.gradient(network, x, y, rng=rng, total=total, into=self.gradient, add=start > 0)
        return loss


class Gatherer:
    """Brings chosen pictures to the network's rows: gather as bytes, then prepare. Allocates nothing of their size."""

    def __init__(
        self,
        images: Array,
        labels: Array,
        preparation: Preparation,
        dtype: np.dtype[Any],
        capacity: int,
        deformation: Deformation | None,
    ) -> None:
        self._images = np.ascontiguousarray(images).reshape(len(images), -1)
        self._labels = labels
        self._preparation = preparation
        self._deformer = None if deformation is None else Deformer(deformation, preparation.shape, dtype)
        self._bytes = np.empty((capacity, *images.shape[1:]), np.uint8)
        self._x = np.empty((capacity, preparation.width), dtype)
        self._chosen_labels = np.empty(capacity, np.int64)

    def gather(self, rows: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Those rows, deformed if asked for and prepared, shape (n, D), and their labels, shape (n,)."""
        n = len(rows)
        if _are_neighbours(rows):  # as in a full batch: a slice, and nothing to gather
            chosen = self._images[rows[0] : rows[0] + n].reshape(n, *self._bytes.shape[1:])
        else:
            chosen = self._bytes[:n]
            # mode="clip" spares a second copy; the rows were checked when training began.
            self._images.take(rows, axis=0, out=chosen.reshape(n, -1), mode="clip")
        y = self._labels.take(rows, out=self._chosen_labels[:n], mode="clip")
        x = self._x[:n]
        if self._deformer is None:
            return self._preparation.transform(chosen, out=x), y
        return self._preparation.scale(self._deformer.deform(chosen, rng, out=x)), y


def _are_neighbours(rows: Array) -> bool:
    """Whether each row is the one after the row before; shuffled rows nearly always show at their ends that not."""
    return bool(rows[-1] - rows[0] == len(rows) - 1 and (rows[1:] - rows[:-1] == 1).all())
