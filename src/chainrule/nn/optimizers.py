"""Optimizers: from a gradient to a step, in place. Each is a few operations on flat arrays.

All take `step(network, gradient)`, leave the gradient as it was, and read `learning_rate` anew at every step, so
that a schedule is an assignment. Weight decay applies to weights and spares biases, as the network's layout says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError
from chainrule.nn.arrays import Array, is_number, piece_length, require_array, require_fraction, require_rate
from chainrule.nn.layers import Dense
from chainrule.nn.network import Network

#: How many parameters are updated at a time. Their θ, gradient, momentum and scratch stay in cache from one operation
#: to the next, and the scratch need not be as long as θ; fewer would only cost more calls.
PIECE = 32_768

#: Steps between two sweeps that set to 0 what has almost faded from memory, see `Optimizer._sweep`.
SWEEP_EVERY = 50

#: θ, gradient, what is remembered, scratch, and weight decay, of one piece.
Piece = tuple[Array, Array, list[Array], list[Array], float]


class Optimizer:
    """What training asks of an optimizer: a learning rate, what it remembers, and `step`.

    Attributes
    ----------
    learning_rate : float; η, read anew at every step
    steps : int; steps taken so far
    state : dict of float arrays, shape (P,); what is remembered between steps, empty before the first
    """

    remembers: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, weight_decay: float = 0.0) -> None:
        require_rate(learning_rate=learning_rate, weight_decay=weight_decay)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.steps = 0
        self.state: dict[str, Array] = {}
        self._plan: tuple[tuple[Any, ...], list[Piece]] | None = None

    def step(self, network: Network, gradient: Array) -> None:
        """Take one step: θ ← θ − …, in place.

        Parameters
        ----------
        network : Network
        gradient : float array, shape (P,); ∂ℓ/∂θ, left as it is

        Raises
        ------
        ShapeError, DtypeError
            If the gradient is not laid out as θ is, or of another dtype, or no array.
        InputError
            If θ is read-only.
        """
        require_array("gradient", gradient)
        if gradient.shape != network.parameters.shape:
            raise ShapeError(f"gradient has shape {gradient.shape}, θ {network.parameters.shape}; expected the same.")
        if gradient.dtype != network.dtype:
            raise DtypeError(f"gradient is {gradient.dtype}, θ {network.dtype}; expected the same.")
        if not getattr(network.parameters.flags, "writeable", True):
            raise InputError("The network's θ is read-only; train network.with_parameters(network.parameters.copy()).")
        self.steps += 1
        pieces = self._pieces(network, gradient)
        for piece in pieces:
            self._update(*piece)
        if self.steps % SWEEP_EVERY == 0:
            self._sweep(pieces)

    @staticmethod
    def _sweep(pieces: list[Piece]) -> None:
        """Set to 0 what has almost faded: a pixel that is seldom lit leaves a momentum that shrinks and shrinks.

        Below 1e-38 float32 has its subnormal numbers, on which many a processor takes many times as long; and
        multiplied by 0.9 the smallest of them round to themselves, so that they would never go away.
        """
        for θ, _, remembered, (large, _), _ in pieces:
            for array in remembered:
                np.abs(array, out=large)
                np.greater(large, 1e8 * np.finfo(θ.dtype).tiny, out=large)
                np.multiply(array, large, out=array)

    def _pieces(self, network: Network, gradient: Array) -> list[Piece]:
        """What `_update` is given for each piece of θ; cut out once as long as nothing is another array."""
        for name in self.remembers:
            if name not in self.state:
                self.state[name] = np.zeros_like(network.parameters)
        given = (network.parameters, gradient, self.weight_decay, *(self.state[name] for name in self.remembers))
        if self._plan is None or any(a is not b for a, b in zip(self._plan[0], given, strict=True)):
            self._plan = given, list(self._cut(network, gradient))
        return self._plan[1]

    def __getstate__(self) -> dict[str, Any]:
        """Without the pieces: NumPy copies views apart from what they are views of."""
        return {**self.__dict__, "_plan": None}

    def _cut(self, network: Network, gradient: Array) -> Iterator[Piece]:
        """θ in pieces: across blocks where nothing decays."""
        θ = network.parameters
        length = piece_length(θ, PIECE)
        rooms = [np.empty_like(θ, shape=length) for _ in range(2)]
        blocks = [(block.slice, block.decays) for block in network.layout]
        for block, decays in blocks if self.weight_decay else [(slice(0, network.size), False)]:
            for start in range(block.start, block.stop, length):
                piece = slice(start, min(start + length, block.stop))
                remembered = [self.state[name][piece] for name in self.remembers]
                scratch = [room[: piece.stop - piece.start] for room in rooms]
                yield θ[piece], gradient[piece], remembered, scratch, self.weight_decay if decays else 0.0

    def _update(self, θ: Array, g: Array, remembered: list[Array], scratch: list[Array], decay: float) -> None:
        """Step one piece of θ; `decay` is λ, or 0 where the piece is spared."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

        v ← μ v + g        θ ← θ − η v        (Nesterov: θ ← θ − η (g + μ v))

    g is the gradient plus λθ, the gradient of ½λ‖θ‖², for weight decay λ.

    Parameters
    ----------
    learning_rate : float; η, at least 0
    momentum : float, 0 ≤ μ < 1
    nesterov : bool
    weight_decay : float; λ, at least 0

    Raises
    ------
    ValueRangeError
        If one of them is out of range, or Nesterov's variant is asked for without momentum.

    References
    ----------
    Polyak, Some methods of speeding up the convergence of iteration methods (1964); Sutskever, Martens, Dahl &
    Hinton, On the importance of initialization and momentum in deep learning (2013), in PyTorch's form, where η
    multiplies v when θ moves and not when v is made.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        require_fraction(momentum=momentum)
        if nesterov and not momentum:
            raise ValueRangeError("nesterov=True needs a momentum above 0.")
        self.momentum, self.nesterov = momentum, nesterov
        self.remembers = ("velocity",) if momentum else ()

    def _update(self, θ: Array, g: Array, remembered: list[Array], scratch: list[Array], decay: float) -> None:
        step, ahead = scratch
        if decay:
            np.multiply(θ, decay, out=step)
            g = np.add(step, g, out=step)
        if self.momentum:
            (v,) = remembered
            np.multiply(v, self.momentum, out=v)
            np.add(v, g, out=v)
            if self.nesterov:
                np.multiply(v, self.momentum, out=ahead)
                g = np.add(ahead, g, out=ahead)
            else:
                g = v
        np.multiply(g, self.learning_rate, out=step)
        np.subtract(θ, step, out=θ)


class Adam(Optimizer):
    """Adaptive moments: each parameter's step is its mean gradient over its root mean square.

        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
        θ ← θ − η · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)        t = 1, 2, … counts the steps

    g is the gradient plus λθ, the gradient of ½λ‖θ‖², for weight decay λ; `AdamW` shrinks θ itself.

    Parameters
    ----------
    learning_rate : float; η, at least 0
    betas : two floats, 0 ≤ β < 1
    epsilon : float; ε, at least 0
        With 0, a parameter whose gradient was 0 from the start would become NaN.
    weight_decay : float; λ, at least 0

    Raises
    ------
    ValueRangeError
        If one of them is out of range.

    References
    ----------
    Kingma & Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1.
    """

    remembers = ("mean", "square")

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueRangeError(f"betas are {betas!r}; expected two numbers, as (0.9, 0.999).")
        require_fraction(beta1=betas[0], beta2=betas[1])
        require_rate(epsilon=epsilon)
        self.betas, self.epsilon = betas, epsilon

    def _update(self, θ: Array, g: Array, remembered: list[Array], scratch: list[Array], decay: float) -> None:
        (step, penalized), (m, v) = scratch, remembered
        β1, β2 = self.betas
        if decay:
            np.multiply(θ, decay, out=penalized)
            g = np.add(penalized, g, out=penalized)
        np.multiply(g, 1 - β1, out=step)
        np.multiply(m, β1, out=m)
        np.add(m, step, out=m)
        np.multiply(g, g, out=step)
        np.multiply(step, 1 - β2, out=step)
        np.multiply(v, β2, out=v)
        np.add(v, step, out=v)
        np.sqrt(v, out=step)
        np.divide(step, math.sqrt(1 - β2**self.steps), out=step)
        np.add(step, self.epsilon, out=step)
        np.divide(m, step, out=step)
        np.multiply(step, self.learning_rate / (1 - β1**self.steps), out=step)
        np.subtract(θ, step, out=θ)


class AdamW(Adam):
    """Adam with decoupled weight decay: before each of Adam's steps, θ ← (1 − ηλ) θ for weights, not for biases.

    Parameters
    ----------
    learning_rate, betas, epsilon
        As in `Adam`.
    weight_decay : float; λ, at least 0

    Raises
    ------
    ValueRangeError
        If one of them is out of range.

    References
    ----------
    Loshchilov & Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2, with λ multiplied by η as
    PyTorch does.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(learning_rate, betas=betas, epsilon=epsilon, weight_decay=weight_decay)

    def _update(self, θ: Array, g: Array, remembered: list[Array], scratch: list[Array], decay: float) -> None:
        if decay:
            np.multiply(θ, 1 - self.learning_rate * decay, out=θ)
        super()._update(θ, g, remembered, scratch, 0.0)


class ExponentialAverage:
    """A moving average of θ, which often predicts better than θ itself.

        average ← β average + (1 − β) θ,        β = min(decay, t/(t + 1)) after the t-th of t = 0, 1, … updates

    Early on β is smaller, so that the first, random θ is forgotten quickly: until `decay` takes over it is the
    plain mean of all θ so far.

    Parameters
    ----------
    decay : float, 0 ≤ decay < 1

    Attributes
    ----------
    parameters : float array, shape (P,), or None; the average, None before the first update
    updates : int; how many θ it has taken in

    Raises
    ------
    ValueRangeError
        If the decay is outside [0, 1).

    References
    ----------
    Polyak & Juditsky, Acceleration of stochastic approximation by averaging (1992).
    """

    def __init__(self, decay: float) -> None:
        require_fraction(decay=decay)
        self.decay = decay
        self.updates = 0
        self.parameters: Array | None = None
        self._room: Array | None = None

    def update(self, parameters: Array) -> None:
        """Take θ into the average.

        Parameters
        ----------
        parameters : float array, shape (P,); θ, left as it is

        Raises
        ------
        ShapeError, DtypeError
            If it is no array, or not like the θ before.
        """
        require_array("parameters", parameters)
        if self.parameters is None:
            self.parameters = parameters.copy()
        if parameters.shape != self.parameters.shape:
            raise ShapeError(f"θ has shape {parameters.shape}, the average {self.parameters.shape}; expected the same.")
        if parameters.dtype != self.parameters.dtype:
            raise DtypeError(f"θ is {parameters.dtype}, the average {self.parameters.dtype}; expected the same.")
        if self._room is None:
            self._room = np.empty_like(parameters, shape=piece_length(parameters, PIECE))
        β = min(self.decay, self.updates / (self.updates + 1))
        length = len(self._room)
        for start in range(0, len(parameters), length):  # in pieces that stay in cache
            average = self.parameters[start : start + length]
            change = np.subtract(parameters[start : start + length], average, out=self._room[: len(average)])
            np.multiply(change, 1 - β, out=change)
            np.add(average, change, out=average)
        self.updates += 1


def limit_norms(network: Network, greatest: float) -> None:
    """Max-norm: shrink the weights into each unit so that they are no longer than `greatest`, in place.

        w ← w · min(1, greatest/‖w‖)        w: a column of `weight`

    Parameters
    ----------
    network : Network
    greatest : float, above 0

    Raises
    ------
    ValueRangeError
        If it is no number above 0.

    References
    ----------
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014), section 5.1.
    """
    if not is_number(greatest) or not greatest > 0:
        raise ValueRangeError(f"The greatest norm is {greatest!r}; expected a number above 0.")
    for layer in network.layers:
        if isinstance(layer, Dense):
            norms = np.sqrt(np.einsum("ij,ij->j", layer.weight, layer.weight))
            if not isinstance(norms, np.ndarray) or norms.max() > greatest:  # to ask a graphics card takes longer
                np.multiply(layer.weight, greatest / np.maximum(norms, greatest), out=layer.weight)
