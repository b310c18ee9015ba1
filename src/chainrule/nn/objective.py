"""What training minimises: from a batch to ℓ and ∂ℓ/∂θ, with an adversary or without.

An adversary moves every input a little, to where the network does worst, and asks for the right answer there as well.
The direction is ∂ℓ/∂x, which the chain rule gives as it gives ∂ℓ/∂θ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from chainrule.errors import ValueRangeError
from chainrule.nn.activations import softmax
from chainrule.nn.arrays import Array, number, require_rate
from chainrule.nn.losses import Loss, cross_entropy
from chainrule.nn.network import Network


@dataclass(frozen=True)
class Adversary:
    """Moves each input x by r, ‖r‖ = ε, and adds the loss there to the loss at x.

        adversarial:           r = ε u(∂ℓ/∂x)                      + ℓ(x + r, label)
        virtual adversarial:   r = ε u(∂KL(p(x) ‖ p(x + ξ u(n)))/∂n)    + KL(p(x) ‖ p(x + r))

    u(v) = v/‖v‖; n is normal noise, and p(x) the probabilities at x, which count as constants. The virtual one needs
    no label: it asks that nothing near x be read otherwise than x.

    Parameters
    ----------
    epsilon : float, above 0; ε, in units of the prepared input
    virtual : bool
    xi : float, above 0; ξ, how far the virtual adversary feels its way

    Raises
    ------
    ValueRangeError
        If ε or ξ is not above 0.

    References
    ----------
    Goodfellow, Shlens & Szegedy, Explaining and Harnessing Adversarial Examples (2015), section 6, with the norm ‖·‖₂;
    Miyato, Maeda, Koyama & Ishii, Virtual Adversarial Training (2018), equations 5, 6 and 12, one power iteration.
    """

    epsilon: float
    virtual: bool = True
    xi: float = 0.1

    def __post_init__(self) -> None:
        require_rate(epsilon=self.epsilon, xi=self.xi)
        if not (self.epsilon and self.xi):
            raise ValueRangeError(f"epsilon is {self.epsilon} and xi {self.xi}; expected both above 0.")


class Objective:
    """Computes ℓ and ∂ℓ/∂θ of batches, or of parts of them, in room of its own.

    Parameters
    ----------
    network : Network
    capacity : int; the most examples in a part
    loss : callable, see losses.py
    adversary : Adversary, optional

    Attributes
    ----------
    trace : Trace of the last part, as it went through without an adversary
    d : float array, shape (capacity, C); ∂ℓ/∂output of that part
    """

    def __init__(
        self, network: Network, capacity: int, loss: Loss = cross_entropy, adversary: Adversary | None = None
    ) -> None:
        self.loss, self.adversary = loss, adversary
        self.trace = network.trace(capacity)
        self.d = _room_by_columns(network, capacity)
        if adversary is not None:
            self._moved = _Moved(network, capacity)

    def gradient(
        self,
        network: Network,
        x: Array,
        targets: Array,
        *,
        rng: np.random.Generator,
        total: float,
        into: Array,
        add: bool = False,
        sample_weight: Array | None = None,
    ) -> float:
        """ℓ of a part of a batch, and its ∂ℓ/∂θ.

        Parameters
        ----------
        network : Network; the one there is room for, or one like it
        x : float array, shape (N, D)
        targets : as the loss takes them
        rng : numpy.random.Generator; draws dropout's masks and the virtual adversary's noise
        total : float; examples in the whole batch
        into : float array, shape (P,); receives ∂ℓ/∂θ
        add : bool; add to `into` instead of replacing it
        sample_weight : float array, shape (N,), optional; as the loss takes it, and not with an adversary

        Returns
        -------
        loss : float, in nats per example where the loss is; with an adversary the sum of both losses
        """
        trace = network.forward(x, rng=rng, into=self.trace)
        # A loss need not know of weights where there are none.
        mean_loss = self.loss if sample_weight is None else partial(self.loss, sample_weight=sample_weight)
        loss, d = mean_loss(trace.output, targets, out=self.d[: len(x)], total=total)
        adversary = self.adversary
        if adversary is None:
            network.backward(trace, d, into=into, add=add)
            return loss
        moved = self._moved
        if adversary.virtual:
            network.backward(trace, d, into=into, add=add)
            p = softmax(trace.output, out=moved.probabilities[: len(x)])
            there = moved.where_probabilities_change(network, x, p, adversary, rng)
            divergence = moved.gradient(network, there, p, cross_entropy, rng, total, into) - moved.entropy(p) / total
            return loss + divergence
        network.backward(trace, d, into=into, add=add, input_gradient=True)
        assert trace.d_input is not None  # it was asked for
        there = moved.step(x, trace.d_input, adversary.epsilon)
        return loss + moved.gradient(network, there, targets, self.loss, rng, total, into)


class _Moved:
    """The inputs where an adversary put them, and a trace for them."""

    def __init__(self, network: Network, capacity: int) -> None:
        self.trace = network.trace(capacity)
        self.probabilities = _room_by_columns(network, capacity)
        self._d = _room_by_columns(network, capacity)
        self._x = np.empty_like(network.parameters, shape=(capacity, network.inputs))

    def gradient(
        self, network: Network, there: Array, targets: Array, loss: Loss, rng: Any, total: float, into: Array
    ) -> float:
        """The loss where the inputs are now; its gradient is added to `into`."""
        trace = network.forward(there, rng=rng, into=self.trace)
        value, d = loss(trace.output, targets, out=self._d[: len(there)], total=total)
        network.backward(trace, d, into=into, add=True)
        return value

    def where_probabilities_change(
        self, network: Network, x: Array, p: Array, adversary: Adversary, rng: np.random.Generator
    ) -> Array:
        """x + r of the virtual adversary; dropout takes no part in finding r."""
        noise = self._x[: len(x)]
        rng.standard_normal(out=noise, dtype=noise.dtype.type)
        trace = network.forward(self.step(x, noise, adversary.xi), into=self.trace)
        d = np.subtract(softmax(trace.output, out=self._d[: len(x)]), p, out=self._d[: len(x)])
        _restore_greatest(d, p)
        return self.step(x, network.input_gradient(trace, d), adversary.epsilon)

    def entropy(self, p: Array) -> float:
        """Σᵢ −Σ_c p log p: what is left of cross-entropy where it is least, so that the rest is KL's."""
        logarithms = np.maximum(p, np.finfo(p.dtype).tiny, out=self._d[: len(p)])
        np.log(logarithms, out=logarithms)
        return -number(np.multiply(p, logarithms, out=logarithms).sum())

    def step(self, x: Array, direction: Array, length: float) -> Array:
        """x + length · direction/‖direction‖, row by row; a row without direction stays where it is."""
        there = self._x[: len(x)]
        # Divided by their greatest number first: squares of a gradient of 1e-20 would vanish in float32.
        greatest = np.maximum(direction.max(axis=1), -direction.min(axis=1))
        greatest[greatest == 0.0] = 1.0
        np.divide(direction, greatest[:, np.newaxis], out=there)
        norm = np.sqrt(np.einsum("nd,nd->n", there, there))
        norm[norm == 0.0] = 1.0
        np.multiply(there, (length / norm)[:, np.newaxis], out=there)
        return np.add(x, there, out=there)


def _room_by_columns(network: Network, capacity: int) -> Array:
    """Room for ∂ℓ/∂output of a batch, shape (capacity, C), each column together: see losses.py."""
    return np.empty_like(network.parameters, shape=(network.outputs, capacity)).T


def _restore_greatest(d: Array, p: Array) -> None:
    """Differences of probabilities sum to 0; that of the greatest, where rounding left only noise, is made from it."""
    rows, greatest = np.arange(len(p), like=p), p.argmax(axis=1)
    d[rows, greatest] = 0.0
    d[rows, greatest] = -d.sum(axis=1)
