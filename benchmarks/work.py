"""The work that every peer does: the same data, initial weights, batches and update.

A peer is a function `epochs(work)` that trains and yields the mean loss of each epoch; `time_peer` runs it. Peers live
in peers.py, and each runs in a process of its own.
"""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

RATE, MOMENTUM = 0.05, 0.9


@dataclasses.dataclass(frozen=True)
class Work:
    """One shape of network on MNIST's 60,000 training images, for some epochs; batch 0 is full batch."""

    hidden: int
    batch: int
    epochs: int = 3

    @cached_property
    def images(self) -> np.ndarray:
        """uint8, (60000, 784)."""
        from chainrule.data.datasets import load_dataset

        return load_dataset("mnist").train_images.reshape(-1, 784)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64, (60000,)."""
        from chainrule.data.datasets import load_dataset

        return load_dataset("mnist").train_labels

    @cached_property
    def scaled(self) -> np.ndarray:
        """float32 images, 0 to 1, for peers that want them so; made before the clock starts."""
        return self.images.astype(np.float32) / 255

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """W1 (784, H), b1, W2 (H, 10), b2, float32, He's."""
        rng = np.random.default_rng(0)
        shapes = ((784, self.hidden), (self.hidden, 10))
        arrays = []
        for n_in, n_out in shapes:
            arrays += [rng.standard_normal((n_in, n_out)) * np.sqrt(2 / n_in), np.zeros(n_out)]
        return [array.astype(np.float32) for array in arrays]

    def orders(self) -> Iterator[np.ndarray]:
        """The shuffled rows of each epoch."""
        for epoch in range(self.epochs):
            yield np.random.default_rng(epoch).permutation(len(self.labels))


def time_peer(peer: Callable[[Work], Iterator[float]], work: Work) -> dict:
    """Seconds of the fastest epoch, the mean loss of the first, and the process's peak memory; setting up is free."""
    seconds, losses = [], []
    epochs = peer(work)
    next(epochs)  # set up
    for _ in range(work.epochs):
        started = time.perf_counter()
        losses.append(float(next(epochs)))
        seconds.append(time.perf_counter() - started)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": min(seconds), "loss": losses[0], "megabytes": megabytes}
