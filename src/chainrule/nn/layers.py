"""Layers: a formula forward, its derivative backward, and parameters. Nothing else is kept here.

A layer never remembers a batch. Whatever the way back needs is handed to it again: its input `x`, its output `out`
and a `workspace` of its own, all of which the `Trace` owns (see network.py). Shapes: N examples a batch, one a row.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ShapeError, ValueRangeError
from chainrule.nn.arrays import Array, is_fraction, is_whole
from chainrule.nn.initializers import Initializer, he_normal, zeros


class ParameterSpec(NamedTuple):
    """One array of parameters that a layer asks for."""

    name: str
    shape: tuple[int, ...]
    decays: bool
    initializer: Initializer


class Layer:
    """What a network asks of each of its layers. As it stands: elementwise, and without parameters."""

    kind = "layer"
    #: True where the derivative follows from the layer's own output, so that it may be written over its input.
    overwrites = False
    #: True where each output depends on one input alone, so that ∂ℓ/∂x is written over ∂ℓ/∂out.
    elementwise = True

    def output_width(self, n_in: int) -> int:
        """Width of the output for inputs of width n_in."""
        return n_in

    def parameter_specs(self) -> tuple[ParameterSpec, ...]:
        """The arrays this layer learns, in the order they take in θ."""
        return ()

    def bind(self, parameters: dict[str, Array]) -> Layer:
        """This layer again, its parameters now views into θ; the original is left as it was."""
        bound = copy.copy(self)
        for name, view in parameters.items():
            setattr(bound, name, view)
        return bound

    def configuration(self) -> dict[str, Any]:
        """What it takes to build this layer again, as JSON."""
        return {"kind": self.kind}

    def new_workspace(self, capacity: int, width: int, like: Array) -> Array:
        """Scratch for up to `capacity` examples, one a row, for layers whose output has that width."""
        return np.empty_like(like, shape=(capacity, width))

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        """Write the output to `out` and return it; `out` is `x` where the layer overwrites."""
        raise NotImplementedError

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        """From d = ∂ℓ/∂out, write the parameters' gradient (none is asked for if empty), and return ∂ℓ/∂x.

        An elementwise layer writes ∂ℓ/∂x over `d`. Any other writes it to `d_x`; where that is None nobody asks
        for ∂ℓ/∂x, and `d` comes back.
        """
        raise NotImplementedError


class Dense(Layer):
    """Every output a weighted sum of every input: y = x W + b.

        ∂ℓ/∂W = xᵀ ∂ℓ/∂y        ∂ℓ/∂b = Σᵢ ∂ℓ/∂yᵢ (over examples)        ∂ℓ/∂x = ∂ℓ/∂y Wᵀ

    Parameters
    ----------
    inputs, outputs : int
        Width of x, shape (N, inputs), and of y, shape (N, outputs).
    initializer, bias_initializer : callable, optional
        `f(shape, rng)`, see initializers.py. He's normal for the weight, zeros for the bias.

    Attributes
    ----------
    weight : float array, shape (inputs, outputs)
    bias : float array, shape (outputs,)
        Views into the network's θ; there once a `Network` has been built with this layer.

    Raises
    ------
    ShapeError
        If a width is not a whole number, at least 1; from `Network`, if the layer before gives another width.

    References
    ----------
    Rumelhart, Hinton & Williams, Learning representations by back-propagating errors (1986); derived in
    docs/mathematics.md.
    """

    kind = "dense"
    elementwise = False
    weight: Array
    bias: Array

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        initializer: Initializer = he_normal,
        bias_initializer: Initializer = zeros,
    ) -> None:
        if not (is_whole(inputs) and is_whole(outputs) and inputs >= 1 and outputs >= 1):
            raise ShapeError(f"Dense({inputs!r}, {outputs!r}): both widths must be whole numbers, at least 1.")
        self.inputs, self.outputs = int(inputs), int(outputs)
        self.initializer, self.bias_initializer = initializer, bias_initializer

    def output_width(self, n_in: int) -> int:
        if n_in != self.inputs:
            raise ShapeError(
                f"Dense({self.inputs}, {self.outputs}) is given {n_in} values by the layer before it; "
                f"its first number must be {n_in}."
            )
        return self.outputs

    def parameter_specs(self) -> tuple[ParameterSpec, ...]:
        return (
            ParameterSpec("weight", (self.inputs, self.outputs), True, self.initializer),
            ParameterSpec("bias", (self.outputs,), False, self.bias_initializer),
        )

    def configuration(self) -> dict[str, Any]:
        return {"kind": self.kind, "inputs": self.inputs, "outputs": self.outputs}

    def new_workspace(self, capacity: int, width: int, like: Array) -> Array:
        return np.ones_like(like, shape=(capacity,))

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        np.matmul(x, self.weight, out=out)
        return np.add(out, self.bias, out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        if gradient:
            np.matmul(x.T, d, out=gradient["weight"])
            # A product with a row of ones is the sum over the examples, twice as fast as np.sum(d, axis=0).
            np.matmul(workspace, d, out=gradient["bias"])
        return d if d_x is None else np.matmul(d, self.weight.T, out=d_x)


class Dropout(Layer):
    """While training, set each value to 0 with probability `rate`, and scale up the rest: y = x · mask.

        mask = 0 with probability rate, 1/(1 − rate) otherwise        ∂ℓ/∂x = ∂ℓ/∂y · mask

    The expected output equals the input, so a network that predicts (no `rng`) leaves x as it is.

    Parameters
    ----------
    rate : float, 0 ≤ rate < 1

    Raises
    ------
    ValueRangeError
        If the rate is outside [0, 1).

    References
    ----------
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014); the "inverted"
    form of section 10.
    """

    kind = "dropout"

    def __init__(self, rate: float) -> None:
        if not is_fraction(rate):
            raise ValueRangeError(f"Dropout({rate!r}): the rate must be at least 0 and below 1.")
        self.rate = float(rate)

    def configuration(self) -> dict[str, Any]:
        return {"kind": self.kind, "rate": self.rate}

    def forward(self, x: Array, out: Array, workspace: Array, rng: np.random.Generator | None) -> Array:
        if rng is None:
            return x
        mask = workspace
        rng.random(out=mask, dtype=mask.dtype.type)
        np.greater_equal(mask, self.rate, out=mask)
        np.multiply(mask, 1.0 / (1.0 - self.rate), out=mask)
        return np.multiply(x, mask, out=out)

    def backward(
        self, x: Array, out: Array, d: Array, d_x: Array | None, workspace: Array, gradient: dict[str, Array]
    ) -> Array:
        dropped = out is not x
        return np.multiply(d, workspace, out=d) if dropped else d
