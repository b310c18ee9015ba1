"""From rows to ℓ and ∂ℓ/∂θ of a batch: gather the pictures, deform and prepare them, ask the objective.

A large batch passes in blocks that stay in cache, and their gradients add up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.data.deformations import Deformation, Deformer
from chainrule.data.preparation import Preparation, one_hot, scale
from chainrule.devices import CPU, Processor
from chainrule.nn.arrays import Array
from chainrule.nn.losses import Loss
from chainrule.nn.network import Network
from chainrule.nn.objective import Adversary, Objective
from chainrule.parallel import ALONE, OwnDraws, Ranks, skip


class BatchGradient:
    """Computes ℓ and ∂ℓ/∂θ of batches in room of its own: two of them can work at once on one network.

    Parameters
    ----------
    images, labels, preparation, network : as `Training` has them
    block : int; rows that go through at once, those of all ranks together
    loss, deformation, adversary, device, ranks : as `Training` takes them
    sample_weight : float array, shape (N,), optional; their mean over the rows that are learned from is 1

    Attributes
    ----------
    capacity : int; rows of a block that are this rank's
    gradient : float array, shape (P,); ∂ℓ/∂θ of the last batch, of this rank's part of it
    gatherer, objective : what brings the rows, and what is asked for their gradient
    """

    def __init__(
        self,
        images: Array,
        labels: Array,
        preparation: Preparation,
        network: Network,
        block: int,
        loss: Loss,
        deformation: Deformation | None,
        adversary: Adversary | None,
        device: Processor = CPU,
        ranks: Ranks = ALONE,
        sample_weight: Array | None = None,
    ) -> None:
        self.capacity = capacity = max(math.ceil(block / ranks.size), min(block, ranks.size - 1))
        self.gatherer = Gatherer(
            images, labels, preparation, network.dtype, network.outputs, capacity, deformation, device, sample_weight
        )
        self.objective = Objective(network, capacity, loss, adversary)
        self.gradient = np.empty_like(network.parameters)
        self._block, self._device, self._ranks = block, device, ranks
        self._own_draws: OwnDraws | None = None

    def compute(self, network: Network, rows: Array, rng: np.random.Generator, total: float) -> float:
        """ℓ of this rank's part of those rows, of a batch of `total`; leaves its gradient in `gradient`."""
        own = self._draws(rng)
        loss, draws = 0.0, self._device.generator(rng if self._ranks.size == 1 else own)
        for start in range(0, len(rows), self._block):
            block, add = rows[start : start + self._block], start > 0
            few = len(block) < self._ranks.size  # then each takes all of them, and counts for less
            part = slice(0, len(block)) if few else self._ranks.part(len(block))
            of = total * self._ranks.size if few else total
            own.before, own.after = part.start, len(block) - part.stop
            x, y = self.gatherer.gather(block[part], own)
            weights = self.gatherer.gather_weights(block[part])
            loss += self.objective.gradient(
                network, x, y, rng=draws, total=of, into=self.gradient, add=add, sample_weight=weights
            )
        return loss

    def _draws(self, rng: np.random.Generator) -> OwnDraws:
        if self._own_draws is None or self._own_draws.rng is not rng:
            self._own_draws = OwnDraws(rng)
        return self._own_draws

    def count_right(self, network: Network, rows: Array) -> int:
        """How many of those pictures, as they are, the network reads right; for targets that are rows."""
        right: Any = 0
        for start in range(0, len(rows), self.capacity):
            x, targets = self.gatherer.gather(rows[start : start + self.capacity])
            output = network.forward(x, into=self.objective.trace).output
            right = right + (output.argmax(axis=1) == targets.argmax(axis=1)).sum()
        return int(right)


class Gatherer:
    """Brings chosen pictures to the network's rows: gather as bytes, then prepare. Allocates nothing of their size.

    Parameters
    ----------
    images : uint8 array, shape (N, height, width); or what the preparation takes in their place
    labels : integer array, shape (N,), from 0 to `classes` − 1
    preparation, deformation, device : as `Training` has them
    dtype, classes : of the network
    capacity : int; the most rows that are gathered at once
    sample_weight : float array, shape (N,), optional
    """

    def __init__(
        self,
        images: Array,
        labels: Array,
        preparation: Preparation,
        dtype: np.dtype[Any],
        classes: int,
        capacity: int,
        deformation: Deformation | None = None,
        device: Processor = CPU,
        sample_weight: Array | None = None,
    ) -> None:
        self._device, self._shape, self._classes = device, preparation.shape, classes
        self._weights = None if sample_weight is None else device.put(sample_weight.astype(dtype))
        gain, offset = preparation.gain_and_offset(dtype)
        self._gain, self._offset = device.put(gain), None if offset is None else device.put(offset)
        self.use(images, labels)
        self._deformer = None if deformation is None else Deformer(deformation, preparation.shape, dtype, device)
        self._bytes = np.empty_like(self._images, shape=(capacity, preparation.width))
        self._x = np.empty_like(self._gain, shape=(capacity, preparation.width))
        self._chosen = np.empty_like(self._targets, shape=(capacity, *self._targets.shape[1:]))

    def use(self, images: Array, labels: Array) -> None:
        """Bring rows of these from now on."""
        self._images = self._device.put(np.ascontiguousarray(images).reshape(len(images), -1))
        # A loss looks at labels, and would wait for a graphics card to do so; rows of targets it takes as they are.
        targets = labels if self._device.waits else one_hot(labels, self._classes, self._gain.dtype)
        self._targets = self._device.put(targets)

    def gather(self, rows: Array, draws: OwnDraws | None = None) -> tuple[Array, Array]:
        """Those rows, prepared, shape (n, D), and their targets, labels or shape (n, C); with draws, deformed."""
        n, index = len(rows), self._device.put(rows)
        if _are_neighbours(rows):  # as in a full batch: a slice, and nothing to gather
            chosen = self._images[rows[0] : rows[0] + n]
        else:
            chosen = self._device.take(self._images, index, out=self._bytes[:n], axis=0)
        x = self._x[:n]
        if self._deformer is None or draws is None:
            x[...] = chosen  # first: a ufunc that also converts goes through a buffer, and is slower
        else:
            numbers, dtype = self._deformer.numbers, x.dtype
            skip(draws.rng, draws.before * numbers, dtype)
            self._deformer.deform(chosen.reshape(n, *self._shape), draws.rng, out=x)
            skip(draws.rng, draws.after * numbers, dtype)
        targets = self._device.take(self._targets, index, out=self._chosen[:n], axis=0)
        return scale(x, self._gain, self._offset), targets

    def gather_weights(self, rows: Array) -> Array | None:
        """Those rows' weights, shape (n,), where there are weights."""
        return None if self._weights is None else self._weights[self._device.put(rows)]


def _are_neighbours(rows: Array) -> bool:
    """Whether each row is the one after the row before; shuffled rows nearly always show at their ends that not."""
    return bool(rows[-1] - rows[0] == len(rows) - 1 and (rows[1:] - rows[:-1] == 1).all())
