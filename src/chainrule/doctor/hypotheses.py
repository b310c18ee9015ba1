"""Which mistake explains the numbers, and the words for it.

Two ways lead to a diagnosis. Some mistakes show in one array: a factor, a bias that is one number, zeros, a transpose.
The others show when a reference network makes them (`reference.py`): if its gradients then equal the given ones in
every entry of every array, that is the mistake. The second explains more, and is asked first where the network is
known.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.reference import Mistake, Reference, mistakes_of

Array = NDArray[Any]

#: How alike two gradients must be to be called equal, relative to the larger.
SAME = 2e-5
#: Seconds for pairs of mistakes.
_PATIENCE = 2.0


@dataclass(frozen=True)
class Diagnosis:
    """What most likely went wrong.

    Attributes
    ----------
    code : str
        A short name, the same for every program.
    sentence : str
        What it is.
    evidence : str
        Which numbers say so.
    line : str
        What to write instead, in the usual letters.
    chapter : str
        Where it is derived.
    """

    code: str
    sentence: str
    evidence: str = ""
    line: str = ""
    chapter: str = "docs/mathematics.md#the-chain-rule-once"

    @property
    def notebook(self) -> str:
        """The chapter of the course where it is run and checked."""
        anchor = self.chapter.partition("#")[2]
        return {"dropout": "course/09_learning_the_rule.ipynb", "optimizers": "course/06_gradient_descent.ipynb"}.get(
            anchor, "course/05_the_chain_rule.ipynb"
        )


def alike(a: Array, b: Array, tolerance: float = SAME, floor: float = 0.0) -> bool:
    """Whether two arrays are equal up to rounding, relative to their sizes, or to `floor` where both are smaller."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    size = max(float(np.linalg.norm(a)), float(np.linalg.norm(b)), floor)
    return size == 0 or float(np.linalg.norm(a - b)) <= tolerance * size


def relative_error(a: Array, n: Array) -> float:
    """‖a − n‖ / (‖a‖ + ‖n‖), 0 where both vanish."""
    size = float(np.linalg.norm(a) + np.linalg.norm(n))
    return 0.0 if size == 0 else float(np.linalg.norm(a - n)) / size


def factor_names(m: int | None, rate: float | None) -> dict[str, float]:
    """The factors that people forget or count twice, by name."""
    names = {"2": 2.0, "1/2": 0.5, "−1": -1.0, "−2": -2.0}
    if m is not None and m > 1:
        names |= {"m, the number of examples": float(m), "1/m": 1 / m, "−m": -float(m), "−1/m": -1 / m}
        names |= {"2m": 2.0 * m, "2/m": 2 / m, "1/m²": 1 / m**2, "m²": float(m) ** 2, "1/2m": 0.5 / m}
    if rate is not None and rate not in names.values():
        names |= {"the learning rate": rate, "−1 times the learning rate": -rate}
    return names


def name_of_factor(factor: float, names: Mapping[str, float]) -> str:
    """The factor in words: `2`, `1/m`, or its digits."""
    for name, value in names.items():
        if math.isclose(factor, value, rel_tol=1e-4):
            return name
    return f"{factor:.4g}"


# ------------------------------------------------------------------------------------------- from one array alone


def explain_alone(
    name: str,
    given: Array,
    true: Array,
    parameters: Mapping[str, Array],
    others: Mapping[str, Array],
    names: Mapping[str, float],
) -> Diagnosis | None:
    """What one wrong gradient shows by itself, or None.

    Parameters
    ----------
    name : str
    given, true : arrays
        What was returned, in its own shape, and what it should be, in the parameter's.
    parameters : dict of arrays
    others : dict from names to the true gradients of the other arrays
    names : dict from words to factors
    """
    for explain in (_not_finite, _one_number, _not_summed, _transposed, _zero, _constant, _penalty, _misplaced):
        found = explain(name, given, true, parameters, others, names)
        if found is not None:
            return found
    return None


def _not_finite(name: str, given: Array, *_: Any) -> Diagnosis | None:
    if np.isfinite(given).all():
        return None
    what = "NaN" if np.isnan(given).any() else "infinity"
    return Diagnosis(
        "not finite",
        f"The gradient of {name} contains {what}.",
        f"{np.count_nonzero(~np.isfinite(given))} of {given.size} entries. It comes of log(0), of exp(800), or of 0/0.",
        "subtract each example's largest logit before exp; take the gradient of loss and softmax together: A − Y",
        "docs/mathematics.md#softmax-and-cross-entropy",
    )


def _one_number(name: str, given: Array, true: Array, *rest: Any) -> Diagnosis | None:
    values = given.reshape(-1)
    if true.size < 2 or not values.size or np.ptp(values) > SAME * abs(values).max():
        return None
    total = float(true.sum())
    if values[0] == 0 or abs(values[0] - total) > 1e-4 * max(abs(total), abs(values[0]), 1e-12):
        return None
    return Diagnosis(
        "bias over everything",
        "The bias gradient is summed over all units and examples; each unit needs its own sum.",
        f"d{name} is one number, {values[0]:.6g}, and that is the sum of all {true.size} true gradients.",
        "np.sum(dZ) → np.sum(dZ, axis=1, keepdims=True), or axis=0 where examples are rows",
        "docs/mathematics.md#a-dense-layer",
    )


def _not_summed(name: str, given: Array, true: Array, *_: Any) -> Diagnosis | None:
    if given.ndim != 2 or given.size <= true.size:
        return None
    for axis in (0, 1):
        for rescaled in (given.sum(axis=axis), given.mean(axis=axis)):
            if rescaled.size == true.size and alike(rescaled.reshape(-1), true.reshape(-1)):
                return Diagnosis(
                    "bias not summed",
                    "The bias gradient is not summed over the examples.",
                    f"d{name} has the shape {given.shape}; summed over axis {axis} it is right.",
                    f"dZ → np.sum(dZ, axis={axis}, keepdims=True)",
                    "docs/mathematics.md#a-dense-layer",
                )
    return None


def _transposed(name: str, given: Array, true: Array, *_: Any) -> Diagnosis | None:
    if given.ndim != 2 or given.shape == true.shape[:1] or not alike(given.T, true) or alike(given, true):
        return None
    return Diagnosis(
        "transposed",
        f"The gradient of {name} is transposed.",
        f"d{name}.T equals the true gradient in all {true.size} entries.",
        "swap the factors of the product: (A B)ᵀ = Bᵀ Aᵀ",
        "docs/mathematics.md#a-dense-layer",
    )


def _zero(name: str, given: Array, true: Array, *_: Any) -> Diagnosis | None:
    if given.any() or not true.any():
        return None
    return Diagnosis(
        "zero",
        f"The gradient of {name} is zero, and {name} does matter.",
        f"All entries are 0; the true ones are up to {np.abs(true).max():.3g}.",
        "compute it from this layer's dZ, and do not overwrite it afterwards",
    )


def _constant(
    name: str, given: Array, true: Array, parameters: Any, others: Any, names: Mapping[str, float]
) -> Diagnosis | None:
    if given.size != true.size or not true.any():
        return None
    flat, right = given.reshape(-1), true.reshape(-1)
    factor = float(flat @ right) / float(right @ right)
    if factor == 0 or not alike(flat, factor * right):
        return None
    words = name_of_factor(factor, names)
    if words.startswith("−"):
        line = "the gradient of ℓ by Z is A − Y, and the step goes against it: W −= α dW"
    else:
        line = f"leave out the factor {words}" if factor > 1 else f"look for the factor {words} that divides it"
    return Diagnosis(
        "factor",
        f"The gradient of {name} is the true one times {words}.",
        f"d{name} = {factor:.6g} × the true gradient, in all {true.size} entries.",
        line,
        "docs/mathematics.md#softmax-and-cross-entropy",
    )


def _penalty(name: str, given: Array, true: Array, parameters: Mapping[str, Array], *_: Any) -> Diagnosis | None:
    theta = parameters.get(name)
    if theta is None or given.shape != true.shape or theta.shape != true.shape or not theta.any():
        return None
    difference = given - true
    strength = float(np.vdot(difference, theta)) / float(np.vdot(theta, theta))
    if not alike(difference, strength * theta, 1e-3):
        return None
    if strength < 0:
        return Diagnosis(
            "l2 forgotten",
            "The loss has an L2 penalty, and the gradient has not.",
            f"The true gradient is d{name} + {-strength:.6g} · {name}.",
            f"d{name} += {-strength:.6g} * {name}",
            "docs/mathematics.md#optimizers",
        )
    return Diagnosis(
        "l2 not in loss",
        "The gradient has an L2 penalty, and the loss has not.",
        f"d{name} is the true gradient + {strength:.6g} · {name}.",
        "add λ/2 · Σ W² to the loss, or leave λW out of the gradient; biases are not penalised",
        "docs/mathematics.md#optimizers",
    )


def _misplaced(
    name: str, given: Array, true: Array, parameters: Any, others: Mapping[str, Array], *_: Any
) -> Diagnosis | None:
    for other, gradient in others.items():
        if other != name and given.shape == gradient.shape and gradient.any() and alike(given, gradient):
            return Diagnosis(
                "another layer's",
                f"The gradient of {name} is that of {other}.",
                f"d{name} equals the true gradient of {other} in all {given.size} entries.",
                f"use the dZ and the input of {name}'s own layer",
            )
    return None


# ------------------------------------------------------------------------------------------- with the reference


@dataclass(frozen=True)
class Explained:
    """Mistakes of the reference that reproduce the given gradients."""

    mistakes: tuple[Mistake, ...]
    scale: float


def explain_together(
    reference: Reference,
    given: Sequence[tuple[Array, Array | None]],
    scales: Sequence[float],
    names: Mapping[str, float],
    rate: float,
) -> Explained | None:
    """The fewest mistakes with which the reference returns these gradients.

    Parameters
    ----------
    reference : Reference
    given : (d_weight, d_bias) of each layer, in the reference's orientation; a bias in whatever shape it came
    scales : floats
        By which the reference's sums over examples may be multiplied without being wrong: 1/m, for a mean.
    names : dict from words to factors
    rate : float
        The learning rate of a step taken meanwhile.
    """
    right = reference.gradients()
    singles = []
    for mistake in mistakes_of(reference, rate, dict(names)):
        made = _made(reference, mistake)
        if made is None or all(
            alike(a, b) for pair in zip(made, right, strict=True) for a, b in zip(*pair, strict=True)
        ):
            continue  # a mistake that changes nothing here explains nothing
        singles.append(mistake)
        for scale in scales:
            if all(_equal(g, m, scale) for g, m in zip(given, made, strict=True)):
                return Explained((mistake,), scale)
    for pair in _pairs(singles, time.monotonic() + _PATIENCE):
        made = _made(reference, *pair)
        for scale in scales if made is not None else ():
            if all(_equal(g, m, scale) for g, m in zip(given, made or (), strict=True)):
                return Explained(pair, scale)
    return None


def _made(reference: Reference, *mistakes: Mistake) -> list[tuple[Array, Array]] | None:
    """The reference's gradients with mistakes; None where the shapes cannot have them."""
    with np.errstate(all="ignore"):
        try:
            return reference.gradients(*mistakes)
        except (ValueError, KeyError):
            return None


def _pairs(singles: list[Mistake], until: float) -> Iterator[tuple[Mistake, ...]]:
    """Every two of them, as long as there is time."""
    for pair in itertools.combinations(singles, 2):
        if time.monotonic() > until:
            return
        if pair[0].kind != pair[1].kind or pair[0].layer != pair[1].layer:
            yield pair


def _equal(given: tuple[Array, Array | None], made: tuple[Array, Array], scale: float) -> bool:
    floor = 1e-6 * float(np.linalg.norm(scale * made[0]))  # a sum over everything may be zero but for rounding
    return alike(given[0], scale * made[0]) and (
        given[1] is None or _same_bias(given[1], np.asarray(scale * made[1]), floor, made[0].shape[1])
    )


def _same_bias(given: Array, made: Array, floor: float, units: int) -> bool:
    if given.size == made.size:
        return alike(given.reshape(-1), made.reshape(-1), floor=floor) or (
            given.ndim == 2 and alike(given.T, made, floor=floor)
        )
    if given.ndim == 2 and made.size > 1 and given.size == made.size * units:  # spread by the update it went through
        spread = np.repeat(made.reshape(-1)[:, np.newaxis], units, axis=1)
        return alike(given, spread) or alike(given.T, spread)
    if made.size == 1 and given.size in (1, units):  # one number, spread over the units
        return alike(given.reshape(-1), np.full(given.size, made.reshape(-1)[0]), floor=floor)
    return False


_LETTERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def in_words(mistake: Mistake, reference: Reference, names: Mapping[str, float], columns: bool) -> Diagnosis:
    """A mistake of the reference as a diagnosis, in the reader's orientation."""
    layer = mistake.layer + 1
    of = f" of layer {layer}" if mistake.layer >= 0 else ""
    axis = 1 if columns else 0
    product = f"W{layer + 1}.T @ dZ{layer + 1}" if columns else f"dZ{layer + 1} @ W{layer + 1}.T"
    activation = reference.layers[mistake.layer].activation
    value = mistake.value
    if mistake.kind.startswith("factor of"):
        words = name_of_factor(float(value), names)
        what = {"delta": f"dZ{layer}", "weight": f"dW{layer}", "bias": f"db{layer}"}[mistake.kind.split()[-1]]
        verb = "leave out" if abs(float(value)) >= 1 else "look for"
        line = "mind the sign: dZ = A − Y, W −= α dW" if float(value) < 0 else f"{verb} the factor {words} in {what}"
        return Diagnosis(
            "factor",
            f"{what} is the true one times {words}.",
            f"With this factor in {what} a network like yours has exactly your gradients, in every layer.",
            line,
            "docs/mathematics.md#softmax-and-cross-entropy",
        )
    other = int(value) + 1 if mistake.kind == "derivative of other layer" else 0
    table: dict[str, tuple[str, str, str]] = {
        "bias over everything": (
            "The bias gradient is summed over all units and examples; each unit needs its own sum.",
            f"np.sum(dZ) → np.sum(dZ, axis={axis}, keepdims=True)",
            "a-dense-layer",
        ),
        "bias over units": (
            f"The bias gradient{of} is summed over the units, where it should be over the examples.",
            f"np.sum(dZ, axis={1 - axis}) → np.sum(dZ, axis={axis}, keepdims=True)",
            "a-dense-layer",
        ),
        "bias not summed": (
            f"The bias gradient{of} is not summed over the examples.",
            f"dZ → np.sum(dZ, axis={axis}, keepdims=True)",
            "a-dense-layer",
        ),
        "derivative missing": (
            f"The derivative of {activation} is missing in layer {layer}.",
            f"dZ{layer} = {product} → dZ{layer} = ({product}) * derivative(Z{layer})",
            "activations",
        ),
        "derivative after": (
            f"The derivative of {activation} in layer {layer} is taken of its output, as if that were Z{layer}.",
            f"derivative(A{layer}) → derivative(Z{layer}); for sigmoid, A{layer} * (1 − A{layer}) is it already",
            "activations",
        ),
        "derivative not from value": (
            f"The derivative of {activation} in layer {layer} is a formula for A{layer}, and is given Z{layer}.",
            f"Z{layer} * (1 − Z{layer}) → A{layer} * (1 − A{layer})"
            if activation == "sigmoid"
            else f"1 − Z{layer}² → 1 − A{layer}²",
            "activations",
        ),
        "derivative from gradient": (
            f"The derivative of {activation} in layer {layer} is taken of what comes back, and not of Z{layer}.",
            f"derivative(dA{layer}) → derivative(Z{layer})",
            "activations",
        ),
        "derivative of other layer": (
            f"The derivative in layer {layer} is taken of another layer's Z.",
            f"derivative(Z{other}) → derivative(Z{layer})",
            "activations",
        ),
        "other derivative": (
            f"Layer {layer} is {activation}, and goes back with the derivative of {value}.",
            f"use the derivative of {activation}",
            "activations",
        ),
        "output derivative missing": (
            f"The gradient goes past the {reference.layers[-1].activation} of the output: its derivative is missing.",
            "dZ = (A − Y) is for cross-entropy; for squares multiply by the derivative of the output's activation",
            "softmax-and-cross-entropy",
        ),
        "difference": (
            f"The gradient is A − Y, which belongs to cross-entropy, and the loss is {reference.loss}.",
            "use cross-entropy as the loss, or multiply by the derivative of the output's activation",
            "softmax-and-cross-entropy",
        ),
        "output derivative extra": (
            f"A − Y already contains the derivative of the {reference.layers[-1].activation}; it is there twice.",
            "dZ = A − Y, and nothing more",
            "softmax-and-cross-entropy",
        ),
        "loss": (
            f"This is the gradient of {value}, and the loss is {reference.loss}.",
            "take loss and gradient from the same formula",
            "softmax-and-cross-entropy",
        ),
        "updated weight": (
            "The weights of a later layer are updated before the gradient goes back through them.",
            "compute all gradients first, then update",
            "the-chain-rule-once",
        ),
        "untransposed": (
            f"On the way back W{layer} is not transposed.",
            f"dZ{layer} goes back as {'W.T @ dZ' if columns else 'dZ @ W.T'}",
            "a-dense-layer",
        ),
        "transposed": (
            f"The gradient of W{layer} is transposed.",
            "swap the factors of the product: (A B)ᵀ = Bᵀ Aᵀ",
            "a-dense-layer",
        ),
        "unactivated input": (
            f"The gradient of W{layer} uses Z{layer - 1}, where the layer was given A{layer - 1}.",
            f"Z{layer - 1} → A{layer - 1} in dW{layer}",
            "a-dense-layer",
        ),
        "error passed on": (
            f"What goes back from layer {layer} is the error, without the derivative of the layer's {activation}.",
            f"dZ{layer} = error * derivative, and {'W.T @ dZ' if columns else 'dZ @ W.T'} goes back",
            "the-chain-rule-once",
        ),
        "softmax diagonal": (
            "Softmax is taken back as if each output depended on its own logit alone: p (1 − p). It depends on all.",
            "for cross-entropy: dZ = A − Y; otherwise dZ = A * (dA − Σ dA · A)",
            "softmax-and-cross-entropy",
        ),
        "bias through the input": (
            "The bias gradient is multiplied by the layer's input; a bias's input is 1.",
            f"np.sum(dW) → np.sum(dZ, axis={axis}, keepdims=True)",
            "a-dense-layer",
        ),
        "mask missing": (
            f"Dropout's mask is missing on the way back{of}.",
            "dA = dA * mask / keep_prob",
            "dropout",
        ),
        "mask scale missing": (
            f"Dropout's scale is missing on the way back{of}.",
            "dA = dA * mask → dA = dA * mask / keep_prob",
            "dropout",
        ),
        "l2 forgotten": (
            f"The loss has an L2 penalty, and the gradient{of} has not.",
            "dW += λ * W",
            "optimizers",
        ),
        "weight zero": (f"The gradient of W{layer} is zero.", f"compute it from dZ{layer}", "a-dense-layer"),
        "bias zero": (
            f"The gradient of b{layer} is zero.",
            f"np.sum(dZ{layer}, axis={axis}, keepdims=True)",
            "a-dense-layer",
        ),
    }
    sentence, line, anchor = table[mistake.kind]
    code = "zero" if mistake.kind in ("weight zero", "bias zero") else mistake.kind
    return Diagnosis(
        code,
        sentence,
        "With this mistake a network like yours has exactly your gradients, in every entry of every layer.",
        line,
        f"docs/mathematics.md#{anchor}",
    )
