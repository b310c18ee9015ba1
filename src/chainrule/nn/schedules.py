"""Learning rates over time: `schedule(step)` is the rate of the update numbered `step`, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """η(s) = rate."""

    rate: float

    def __call__(self, step: int) -> float:
        return self.rate


@dataclass(frozen=True)
class StepDecay:
    """η(s) = rate · factor^⌊s / every⌋: a drop every so many steps."""

    rate: float
    every: int
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        return self.rate * self.factor ** (step // self.every)


@dataclass(frozen=True)
class ExponentialDecay:
    """η(s) = rate · factor^s: the same fraction lost at every step."""

    rate: float
    factor: float

    def __call__(self, step: int) -> float:
        return float(self.rate * self.factor**step)


@dataclass(frozen=True)
class WarmupCosine:
    """Rise in a line for `warmup` steps, then fall along half a cosine to 0 at step `total`.

        η(s) = rate · (s + 1) / warmup                                         s < warmup
        η(s) = rate · ½ (1 + cos(π (s − warmup) / (total − warmup)))           afterwards, 0 from s = total on

    References
    ----------
    Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), eq. 5, with one cycle;
    warm-up: Goyal et al., Accurate, Large Minibatch SGD (2017), section 2.2.
    """

    rate: float
    total: int
    warmup: int = 0

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))
        return self.rate * 0.5 * (1.0 + math.cos(math.pi * progress))
