"""Learning rates over time: `schedule(step)` is the rate of the update numbered `step`, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from chainrule.errors import ValueRangeError
from chainrule.nn.arrays import is_whole, require_count, require_rate

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """η(s) = rate.

    Parameters
    ----------
    rate : float, finite, at least 0

    Raises
    ------
    ValueRangeError
        If the rate is not such a number; when asked for a step below 0.
    """

    rate: float

    def __post_init__(self) -> None:
        require_rate(rate=self.rate)

    def __call__(self, step: int) -> float:
        _require_step(step)
        return self.rate


@dataclass(frozen=True)
class StepDecay:
    """η(s) = rate · factor^⌊s / every⌋: a drop every so many steps.

    Parameters
    ----------
    rate : float, finite, at least 0
    every : int, at least 1
    factor : float, 0 ≤ factor ≤ 1

    Raises
    ------
    ValueRangeError
        If one of them is out of range; when asked for a step below 0.
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        require_rate(rate=self.rate)
        require_count(every=self.every)
        _require_factor(self.factor)

    def __call__(self, step: int) -> float:
        _require_step(step)
        return self.rate * self.factor ** (step // self.every)


@dataclass(frozen=True)
class ExponentialDecay:
    """η(s) = rate · factor^s: the same fraction lost at every step.

    Parameters
    ----------
    rate : float, finite, at least 0
    factor : float, 0 ≤ factor ≤ 1

    Raises
    ------
    ValueRangeError
        If one of them is out of range; when asked for a step below 0.
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        require_rate(rate=self.rate)
        _require_factor(self.factor)

    def __call__(self, step: int) -> float:
        _require_step(step)
        return float(self.rate * self.factor**step)


@dataclass(frozen=True)
class WarmupCosine:
    """Rise in a line for `warmup` steps, then fall along half a cosine to 0 at step `total`.

        η(s) = rate · (s + 1) / warmup                                         s < warmup
        η(s) = rate · ½ (1 + cos(π (s − warmup) / (total − warmup)))           afterwards, 0 from s = total on

    Parameters
    ----------
    rate : float, finite, at least 0
        The peak.
    total : int, at least 1
        How many steps the training takes.
    warmup : int, 0 ≤ warmup ≤ total

    Raises
    ------
    ValueRangeError
        If one of them is out of range; when asked for a step below 0.

    References
    ----------
    Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), eq. 5, with one cycle;
    warm-up: Goyal et al., Accurate, Large Minibatch SGD (2017), section 2.2.
    """

    rate: float
    total: int
    warmup: int = 0

    def __post_init__(self) -> None:
        require_rate(rate=self.rate)
        require_count(total=self.total)
        require_count(0, warmup=self.warmup)
        if self.warmup > self.total:
            raise ValueRangeError(f"warmup is {self.warmup} of {self.total} steps; expected at most all of them.")

    def __call__(self, step: int) -> float:
        _require_step(step)
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.total - self.warmup))
        return self.rate * 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class InverseScaling:
    """η(s) = rate / (1 + examples · ⌊s / every⌋)^power: slower and slower with every pass over the examples.

    Parameters
    ----------
    rate : float, finite, at least 0
    examples : int, at least 1; in a pass
    every : int, at least 1; steps in a pass
    power : float, finite, at least 0

    Raises
    ------
    ValueRangeError
        If one of them is out of range; when asked for a step below 0.

    References
    ----------
    scikit-learn's MLPClassifier with learning_rate="invscaling".
    """

    rate: float
    examples: int
    every: int
    power: float = 0.5

    def __post_init__(self) -> None:
        require_rate(rate=self.rate, power=self.power)
        require_count(examples=self.examples, every=self.every)

    def __call__(self, step: int) -> float:
        _require_step(step)
        return float(self.rate / (1 + self.examples * (step // self.every)) ** self.power)


def _require_factor(factor: float) -> None:
    """Refuse a factor that does not decay: above 1 the rate would grow without end."""
    require_rate(factor=factor)
    if factor > 1:
        raise ValueRangeError(f"factor is {factor}; expected at most 1, since a rate is to fall.")


def _require_step(step: int) -> None:
    if not is_whole(step) or step < 0:
        raise ValueRangeError(f"There is no step {step!r}; steps are counted from 0.")
