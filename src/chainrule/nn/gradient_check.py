"""Is this gradient right? Ask the loss itself, which knows nothing of the chain rule."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.errors import DtypeError, ValueRangeError
from chainrule.nn.arrays import Array, generator, require_array, require_count, require_rate
from chainrule.nn.network import Network


def gradient_check(
    network: Network,
    loss: Callable[[Array, Array], tuple[float, Array]],
    x: Array,
    targets: Array,
    *,
    seed: int | None = None,
    entries: int = 200,
    step: float = 1e-5,
) -> dict[str, float]:
    """Compare backpropagation with central differences, in float64.

        n_k = (ℓ(θ + h e_k) − ℓ(θ − h e_k)) / 2h        relative error = ‖a − n‖ / (‖a‖ + ‖n‖)

    About 1e-9 means right, above 1e-6 wrong, unless a kink (of a ReLU, say) lies within h of where it was asked.

    Parameters
    ----------
    network : Network
        Any; it is checked on a float64 copy of its θ and left as it is.
    loss : callable
        `loss(output, targets)` gives (ℓ, ∂ℓ/∂output).
    x : float array, shape (N, D)
    targets : array, whatever the loss takes
    seed : int, optional
        Trains instead of predicting: dropout drops, by the same masks in every evaluation.
    entries : int
        How many entries of each array are tried, drawn at random where it has more.
    step : float
        h, for entries of size 1 or below; in proportion above.

    Returns
    -------
    errors : dict, from each parameter array's name, and "input", to its relative error; 0 where both vanish, and
        infinite where a gradient is not finite, so that no comparison lets it pass

    Raises
    ------
    ValueRangeError
        If x is not finite, no entry is to be tried, or the step is not above 0: such a check could not fail.
    DtypeError
        If x or the targets are no arrays, or x is not of floats.

    References
    ----------
    Baydin et al., Automatic Differentiation in Machine Learning: a Survey (2018), section 2.1.
    """
    require_array("x", x)
    require_array("targets", targets)
    require_count(entries=entries)
    require_rate(step=step)
    if step == 0:
        raise ValueRangeError("step is 0; expected a number above 0, as 1e-5.")
    if x.dtype.kind != "f":
        raise DtypeError(f"x is {x.dtype}; expected floats, x.astype(float).")
    x = x.astype(np.float64, order="C")  # in rows, so that its flat view is a view
    if targets.dtype.kind == "f":
        targets = targets.astype(np.float64)
    exact = network.with_parameters(network.parameters.astype(np.float64))

    def loss_now() -> float:
        return loss(exact.forward(x, rng=_generator(seed)).output, targets)[0]

    trace = exact.forward(x, rng=_generator(seed))
    _, d = loss(trace.output, targets)
    gradient = exact.backward(trace, d, input_gradient=True)
    assert trace.d_input is not None
    arrays = {block.name: (exact.parameters[block.slice], gradient[block.slice]) for block in exact.layout}
    arrays["input"] = (x.reshape(-1), trace.d_input.reshape(-1))
    choose = np.random.default_rng(0)
    errors = {}
    for name, (values, analytic) in arrays.items():
        chosen = choose.permutation(len(values))[:entries]
        numeric = np.array([_central_difference(loss_now, values, k, step) for k in chosen])
        errors[name] = relative_error(analytic[chosen], numeric)
    return errors


def relative_error(a: Array, n: Array) -> float:
    """‖a − n‖ / (‖a‖ + ‖n‖), 0 where both vanish, ∞ where one of them is not finite."""
    scale = float(np.linalg.norm(a) + np.linalg.norm(n))
    if not math.isfinite(scale):
        return math.inf
    return float(np.linalg.norm(a - n)) / scale if scale else 0.0


def _central_difference(loss_now: Callable[[], float], values: Array, k: int, step: float) -> float:
    """Move entry k a little up and down, put it back, and return the slope."""
    original = values[k]
    h = step * max(1.0, abs(original))
    values[k] = original + h
    above = loss_now()
    values[k] = original - h
    below = loss_now()
    values[k] = original
    return (above - below) / (2 * h)


def _generator(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else generator(seed)
