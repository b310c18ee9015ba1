"""∂ℓ/∂θ by central differences, for any function of some arrays.

    n(h) = (ℓ(θ + h·e) − ℓ(θ − h·e)) / 2h          error: h²·ℓ‴/6 from the curve, ε·|ℓ|/h from rounding

No step fits all: several are tried, from large to small, and the two neighbours that agree best give the number and how
far it may be trusted. A kink, such as ReLU's, shows as two slopes that differ from left to right however small the step
is; nobody is blamed for what an entry beside one says.

References
----------
Nocedal & Wright, Numerical Optimization (2006), section 8.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Parameters = dict[str, Array]
Loss = Callable[[Parameters], float]

#: As parts of the parameter's own scale.
_STEPS = (1e-4, 1e-5, 1e-6)
#: How far two slopes may lie apart, relative to the larger, before a kink is looked for.
_ROUGH = 1e-4


@dataclass(frozen=True)
class Slope:
    """A derivative as a difference quotient.

    Attributes
    ----------
    value : float
    error : float
        How far two step sizes disagree, and what rounding may add.
    smooth : bool
        Whether the slopes to both sides are the same.
    """

    value: float
    error: float
    smooth: bool


def directional(loss: Loss, parameters: Parameters, direction: Mapping[str, Array]) -> Slope:
    """∂ℓ/∂t of ℓ(θ + t·direction) at t = 0.

    Parameters
    ----------
    loss : function of a dict of arrays
    parameters : dict of float64 arrays
    direction : dict of arrays
        Of some of these names and their shapes; the others stay.

    Returns
    -------
    Slope
    """
    length = max(float(np.abs(d).max()) for d in direction.values())
    scale = max(1.0, *(float(np.abs(parameters[name]).max(initial=0)) for name in direction)) / length

    def at(t: float) -> float:
        moved = dict(parameters)
        for name, d in direction.items():
            moved[name] = parameters[name] + t * d
        return float(loss(moved))

    here = at(0.0)
    slopes = []
    for step in _STEPS:
        h = step * scale
        left, right = at(-h), at(h)
        rounding = 4 * np.finfo(np.float64).eps * max(abs(left), abs(right), abs(here)) / h
        slopes.append(((right - left) / (2 * h), (right - here) / h - (here - left) / h, rounding))
    pairs = [(abs(fine[0] - coarse[0]) + fine[2], fine) for coarse, fine in itertools.pairwise(slopes)]
    error, best = min(pairs, key=lambda pair: pair[0] if np.isfinite(pair[0]) else np.inf)
    size = max(abs(best[0]), max(abs(bend) for _, bend, _ in slopes) / 2, 1e-12)  # of the slope to either side
    bends = [abs(bend) for _, bend, rounding in slopes if rounding < _ROUGH * size]
    # A curve's bend shrinks with the step, a kink's stays.
    smooth = not bends or bends[-1] <= _ROUGH * size or bends[-1] < 0.2 * max(bends)
    return Slope(best[0], error, bool(smooth and np.isfinite(error) and error <= 0.01 * size + 1e-7))


def entry(loss: Loss, parameters: Parameters, name: str, index: int) -> Slope:
    """∂ℓ/∂θ of one entry, counted along the flattened array."""
    direction = np.zeros_like(parameters[name])
    direction.reshape(-1)[index] = 1.0
    return directional(loss, parameters, {name: direction})


def whole(loss: Loss, parameters: Parameters, name: str) -> Array:
    """∂ℓ/∂θ of all entries of one array; NaN beside a kink."""
    slopes = [entry(loss, parameters, name, i) for i in range(parameters[name].size)]
    values = [slope.value if slope.smooth else np.nan for slope in slopes]
    return np.array(values).reshape(parameters[name].shape)
