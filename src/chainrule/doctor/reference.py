"""A network of dense layers in its plainest form, with every known mistake as a switch.

    a₀ = X        zₗ = aₗ₋₁ Wₗ + bₗ        aₗ = f(zₗ)        ℓ = Loss(a_L, Y)
    δ_L = ∂ℓ/∂z_L        δₗ = (δₗ₊₁ Wₗ₊₁ᵀ) ∘ f′(zₗ)        ∂ℓ/∂Wₗ = aₗ₋₁ᵀ δₗ        ∂ℓ/∂bₗ = Σᵢ δₗ

Where a stranger's network gives the outputs that this one gives, it *is* this one, and what its backward pass returns
can be held against this one's with each mistake in turn. A mistake in a late layer spoils the gradients of all before
it; as it does so here as well, one switch explains them all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _leaky(slope: float) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1.0, slope)


#: f and f′, both as functions of z.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "Leaky ReLU 0.01": _leaky(0.01),
    "Leaky ReLU 0.1": _leaky(0.1),
    "Leaky ReLU 0.2": _leaky(0.2),
    "Leaky ReLU 0.3": _leaky(0.3),
    "Leaky ReLU 0.05": _leaky(0.05),
    "Leaky ReLU 0.001": _leaky(0.001),
    "identity": (lambda z: z, np.ones_like),
    "softplus": (lambda z: np.logaddexp(0, z), _sigmoid),
    "ELU": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.where(z > 0, 1, np.exp(z))),
}
OUTPUTS = ("softmax", "sigmoid", "identity", "tanh", "ReLU", "Leaky ReLU 0.01")


@dataclass(frozen=True)
class LossForm:
    """A loss of outputs (N, C) and one-hot targets (N, C), summed over the examples, and its gradient by the output."""

    name: str
    value: Callable[[Array, Array], float]
    gradient: Callable[[Array, Array], Array]


def _log(p: Array) -> Array:
    return np.log(np.clip(p, 1e-300, None))


def _binary(p: Array, y: Array) -> float:
    return -float((y * _log(p) + (1 - y) * _log(1 - p)).sum())


LOSSES = {
    form.name: form
    for form in (
        LossForm("cross-entropy", lambda p, y: -float((y * _log(p)).sum()), lambda p, y: -y / p),
        LossForm("binary cross-entropy", _binary, lambda p, y: (p - y) / (p * (1 - p))),
        LossForm("half the squares", lambda p, y: 0.5 * float(((p - y) ** 2).sum()), lambda p, y: p - y),
        LossForm("squares", lambda p, y: float(((p - y) ** 2).sum()), lambda p, y: 2 * (p - y)),
        LossForm(
            "squares, mean over classes",
            lambda p, y: float(((p - y) ** 2).mean(axis=1).sum()),
            lambda p, y: 2 * (p - y) / y.shape[1],
        ),
        LossForm(
            "half the squares, mean over classes",
            lambda p, y: 0.5 * float(((p - y) ** 2).mean(axis=1).sum()),
            lambda p, y: (p - y) / y.shape[1],
        ),
        LossForm(
            "binary cross-entropy, mean over classes",
            lambda p, y: _binary(p, y) / y.shape[1],
            lambda p, y: (p - y) / (p * (1 - p)) / y.shape[1],
        ),
    )
}
#: What goes with an output where the code has no loss of its own: the usual first.
USUAL = {
    "softmax": ("cross-entropy", "half the squares", "squares", "squares, mean over classes"),
    "sigmoid": (
        "binary cross-entropy",
        "half the squares",
        "squares",
        "squares, mean over classes",
        "binary cross-entropy, mean over classes",
    ),
}
USUAL_OTHERWISE = (
    "half the squares",
    "squares",
    "squares, mean over classes",
    "half the squares, mean over classes",
)


@dataclass(frozen=True)
class Layer:
    """One dense layer: its weights (n_in, n_out), its bias (n_out,) or none, and its activation's name."""

    weight: Array
    bias: Array | None
    activation: str


@dataclass(frozen=True)
class Mistake:
    """A switch of the backward pass.

    Attributes
    ----------
    kind : str
        Which; the words for each stand in `hypotheses`.
    layer : int
        Where, counted from 0; −1 for everywhere.
    value : float or str
        A factor, or another activation's or loss's name.
    """

    kind: str
    layer: int = -1
    value: float | str = ""


@dataclass(frozen=True)
class Reference:
    """A network, its examples and its loss.

    Attributes
    ----------
    layers : tuple of Layer
    x : (N, D)
    y : one-hot (N, C)
    loss : str
        A name in `LOSSES`.
    l2 : float
        Of λ/2·Σ W², in the loss for each example's share: added as N·λ·W to the sums.
    masks : tuple of arrays or None
        Dropout's masks, with their scale, after each hidden layer.
    """

    layers: tuple[Layer, ...]
    x: Array
    y: Array
    loss: str = "cross-entropy"
    l2: float = 0.0
    masks: tuple[Array | None, ...] = ()

    def forward(self) -> tuple[list[Array], list[Array]]:
        """Every z and every a, a₀ first."""
        zs, activations = [], [self.x]
        for i, layer in enumerate(self.layers):
            z = activations[-1] @ layer.weight + (0 if layer.bias is None else layer.bias)
            zs.append(z)
            a = _softmax(z) if layer.activation == "softmax" else ACTIVATIONS[layer.activation][0](z)
            if i < len(self.masks) and self.masks[i] is not None:
                a = a * self.masks[i]
            activations.append(a)
        return zs, activations

    def gradients(self, *mistakes: Mistake) -> list[tuple[Array, Array]]:
        """Σᵢ ∂ℓᵢ/∂W and Σᵢ ∂ℓᵢ/∂b of every layer, with these mistakes made.

        A bias that is summed wrongly comes out in the shape that the wrong sum has.
        """
        made = {(mistake.kind, mistake.layer): mistake.value for mistake in mistakes}

        def has(kind: str, layer: int = -1) -> bool:
            return (kind, layer) in made or (kind, -1) in made

        zs, activations = self.forward()
        last = len(self.layers) - 1
        delta = self._output_delta(zs[last], activations[-1], made)
        errors = {}  # before each activation's derivative
        if any(kind == "error passed on" for kind, _ in made):
            errors[last] = LOSSES[self.loss].gradient(activations[-1], self.y)
        n = len(self.x)
        found: list[tuple[Array, Array]] = []
        weights = [layer.weight for layer in self.layers]
        for i in range(last, -1, -1):
            if ("factor of delta", i) in made:
                delta = delta * float(made["factor of delta", i])
            source = activations[i]
            if has("unactivated input", i) and i > 0:
                source = zs[i - 1]
            d_weight = source.T @ delta
            d_bias = delta.sum(axis=0)
            if ("factor of weight", i) in made:
                d_weight = d_weight * float(made["factor of weight", i])
            if has("transposed", i) and d_weight.shape[0] == d_weight.shape[1]:
                d_weight = d_weight.T
            if self.l2:
                d_weight = d_weight + self.l2 * n * self.layers[i].weight
            if has("l2 forgotten", i) and self.l2:
                d_weight = d_weight - self.l2 * n * self.layers[i].weight
            if has("bias through the input", i):
                d_bias = (source.T @ delta).sum(axis=0)
            if has("bias over everything", i):
                d_bias = np.asarray(delta.sum())
            if has("bias over units", i):
                d_bias = delta.sum(axis=1)
            if has("bias not summed", i):
                d_bias = delta
            if ("factor of bias", i) in made:
                d_bias = d_bias * float(made["factor of bias", i])
            if has("weight zero", i):
                d_weight = np.zeros_like(d_weight)
            if has("bias zero", i):
                d_bias = np.zeros_like(d_bias)
            found.append((d_weight, d_bias))
            if i > 0:
                w = weights[i]
                if ("updated weight", i) in made or ("updated weight", -1) in made:
                    rate = float(made.get(("updated weight", i), made.get(("updated weight", -1), 0)))
                    w = w - rate * (d_weight / n)
                if has("untransposed", i) and w.shape[0] == w.shape[1]:
                    w = w.T
                passed = delta
                if ("error passed on", i) in made:
                    passed = errors[i]
                back = passed @ w.T
                errors[i - 1] = back
                delta = self._through(back, i - 1, zs, activations, made)
        return found[::-1]

    def _output_delta(self, z: Array, output: Array, made: dict[tuple[str, int], Any]) -> Array:
        """∂ℓ/∂z of the last layer."""
        name = str(made.get(("loss", -1), self.loss))
        last = len(self.layers) - 1
        activation = self.layers[last].activation
        if ("output derivative missing", -1) in made:
            return LOSSES[name].gradient(output, self.y)
        if ("difference", -1) in made:  # p − y, whatever the loss
            return output - self.y
        if ("output derivative extra", -1) in made:
            delta = output - self.y
            return delta * ACTIVATIONS["sigmoid"][1](z) if activation == "sigmoid" else delta * output * (1 - output)
        fused = (activation, name) in (("softmax", "cross-entropy"), ("sigmoid", "binary cross-entropy"))
        if fused and not {kind for kind, layer in made if layer in (-1, last)} & _BY_HAND:
            return output - self.y  # the same without dividing by a p of 0
        if ("softmax diagonal", -1) in made and name == "cross-entropy":
            return -self.y * (1 - output)
        d_output = LOSSES[name].gradient(output, self.y)
        if ("softmax diagonal", -1) in made:
            return d_output * output * (1 - output)
        if activation == "softmax":
            return output * (d_output - (d_output * output).sum(axis=1, keepdims=True))
        return d_output * self._derivative(last, z, output, made)

    def _derivative(self, i: int, z: Array, a: Array, made: dict[tuple[str, int], Any]) -> Array:
        f_prime = ACTIVATIONS[self.layers[i].activation][1]
        if ("derivative after", i) in made:  # f′ of a in z's place
            return f_prime(a)
        if ("derivative not from value", i) in made:  # a(1 − a) with z in a's place
            return z * (1 - z) if self.layers[i].activation == "sigmoid" else 1 - z**2
        if ("other derivative", i) in made:
            return ACTIVATIONS[str(made["other derivative", i])][1](z)
        return f_prime(z)

    def _through(
        self, back: Array, i: int, zs: list[Array], activations: list[Array], made: dict[tuple[str, int], Any]
    ) -> Array:
        """δ of hidden layer i from what comes back to its output."""
        mask = self.masks[i] if i < len(self.masks) else None
        a = ACTIVATIONS[self.layers[i].activation][0](zs[i])
        if mask is not None:
            scale = mask.max() if mask.max() > 0 else 1.0
            if ("mask missing", i) in made or ("mask missing", -1) in made:
                mask = None
            elif ("mask scale missing", i) in made or ("mask scale missing", -1) in made:
                mask = mask / scale
        if mask is not None:
            back = back * mask
        if ("derivative missing", i) in made:
            return back
        if ("derivative of other layer", i) in made:
            j = int(made["derivative of other layer", i])
            return back * ACTIVATIONS[self.layers[i].activation][1](zs[j])
        if ("derivative from gradient", i) in made:
            return back * ACTIVATIONS[self.layers[i].activation][1](back)
        return back * self._derivative(i, zs[i], a, made)


def identify(weights: list[Array], biases: list[Array | None], x: Array, y: Array, output: Array) -> Reference | None:
    """The network of these layers whose outputs are these, or None if no activations give them."""
    names = list(ACTIVATIONS)
    for last in OUTPUTS:
        for hidden in _hidden_choices(names, len(weights) - 1):
            layers = tuple(Layer(w, b, a) for w, b, a in zip(weights, biases, (*hidden, last), strict=True))
            reference = Reference(layers, x, y)
            with np.errstate(all="ignore"):
                given = reference.forward()[1][-1]
            if given.shape == output.shape and np.allclose(given, output, rtol=1e-5, atol=1e-7):
                return reference
    return None


def _hidden_choices(names: list[str], count: int) -> Iterator[tuple[str, ...]]:
    """The same activation in all hidden layers first, then, of a few layers, every mixture."""
    if count == 0:
        yield ()
        return
    for name in names:
        yield (name,) * count
    if 1 < count <= 3:
        common = names[:4]
        yield from (mixed for mixed in itertools.product(common, repeat=count) if len(set(mixed)) > 1)


def with_loss(reference: Reference, loss: str) -> Reference:
    """The same network under another loss."""
    return replace(reference, loss=loss)


#: Mistakes that are made in the derivative of the output itself.
_BY_HAND = {"softmax diagonal", "other derivative", "derivative after", "derivative not from value"}


def _family(loss: str) -> str:
    return "squares" if "squares" in loss else loss.partition(",")[0]


def mistakes_of(reference: Reference, rate: float, factors: dict[str, float]) -> Iterator[Mistake]:
    """Every single mistake that this network can have, the likely ones first.

    Parameters
    ----------
    reference : Reference
    rate : float
        The learning rate of a step that the backward pass may have taken already.
    factors : dict from words to numbers
    """
    last = len(reference.layers) - 1
    hidden = range(last)
    yield Mistake("bias over everything")
    yield Mistake("bias over units")
    yield Mistake("bias not summed")
    for i in hidden:
        yield Mistake("derivative missing", i)
        activation = reference.layers[i].activation
        yield Mistake("derivative after", i)
        if activation in ("sigmoid", "tanh"):
            yield Mistake("derivative not from value", i)
        yield Mistake("derivative from gradient", i)
        for j in range(last + 1):
            if j != i and reference.layers[j].weight.shape[1] in (reference.layers[i].weight.shape[1], 1):
                yield Mistake("derivative of other layer", i, j)
        for other in ACTIVATIONS:
            if other != activation:
                yield Mistake("other derivative", i, other)
    activation = reference.layers[last].activation
    yield Mistake("difference")
    yield Mistake("output derivative missing")
    yield Mistake("output derivative extra")
    if activation == "softmax":
        yield Mistake("softmax diagonal")
    if activation not in ("softmax", "identity"):
        yield Mistake("derivative after", last)
        yield Mistake("derivative not from value", last)
        for other in ACTIVATIONS:
            if other != activation:
                yield Mistake("other derivative", last, other)
    for name in LOSSES:
        if _family(name) != _family(reference.loss):  # within one they differ by a factor
            yield Mistake("loss", -1, name)
    yield Mistake("updated weight", -1, rate)
    for i in range(1, last + 1):
        yield Mistake("updated weight", i, rate)
        yield Mistake("untransposed", i)
        yield Mistake("transposed", i)
        yield Mistake("unactivated input", i)
        yield Mistake("error passed on", i)
    if any(mask is not None for mask in reference.masks):
        yield Mistake("mask missing")
        yield Mistake("mask scale missing")
        for i in hidden:
            yield Mistake("mask missing", i)
            yield Mistake("mask scale missing", i)
    if reference.l2:
        yield Mistake("l2 forgotten")
        for i in range(last + 1):
            yield Mistake("l2 forgotten", i)
    yield Mistake("bias through the input")
    for i in range(last + 1):
        yield Mistake("bias over everything", i)
        yield Mistake("bias over units", i)
        yield Mistake("bias not summed", i)
        yield Mistake("bias zero", i)
        yield Mistake("weight zero", i)
        for factor in factors.values():
            yield Mistake("factor of delta", i, factor)
            yield Mistake("factor of weight", i, factor)
            yield Mistake("factor of bias", i, factor)
