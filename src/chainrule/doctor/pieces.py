"""Small pieces of a file on their own: activations and their derivatives, softmax, one_hot, layers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.names import DERIVATIVE, ONE_HOT, plain
from chainrule.doctor.source import Source

Array = NDArray[Any]

_ACTIVATION = re.compile(
    r"^(leaky_?relu|relu|sigmoid|sigm|tanh|logistic|softplus|elu|swish|gelu|activation|act|sig)$", re.I
)
_SOFTMAX = re.compile(r"^_?(stable_?)?soft_?max$", re.I)
#: Where derivatives are tried: no kink, and both signs.
_POINTS = np.array([[-2.3, -0.7, 0.4], [1.1, 2.6, -1.4]])
_STEP = 1e-6


@dataclass
class Pieces:
    """What was examined, what is wrong, and what is fragile."""

    examined: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    fragile: list[str] = field(default_factory=list)


def examine_pieces(source: Source) -> Pieces:
    """Examine every activation, softmax and one_hot of a file."""
    pieces = Pieces()
    functions: dict[str, Callable[..., Any]] = dict(source.functions)
    for cls in source.classes.values():
        functions |= {n: f.__func__ for n, f in vars(cls).items() if isinstance(f, staticmethod)}
        functions |= {
            n: _bound(f)
            for n, f in vars(cls).items()
            if inspect.isfunction(f) and next(iter(inspect.signature(f).parameters), "") == "self"
            and (_ACTIVATION.match(n) or _SOFTMAX.match(n) or ONE_HOT.search(n)) and n not in functions
        }  # fmt: skip
    for name, function in functions.items():
        for examine in (_softmax, _one_hot):
            try:
                examine(name, function, pieces)
            except Exception:
                continue
    _activations(functions, pieces)
    return pieces


def _bound(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: method(None, *arguments)


# ------------------------------------------------------------------------------------------- softmax


def _softmax(name: str, function: Callable[..., Any], pieces: Pieces) -> None:
    """Overflow, shift invariance, and the axis it normalises."""
    if not _SOFTMAX.match(name):
        return
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4, 4))
    probabilities = np.asarray(function(logits.copy()))
    by_columns, by_rows = (np.allclose(probabilities.sum(axis=axis), 1) for axis in (0, 1))
    pieces.examined.append(name)
    if np.allclose(probabilities.sum(), 1):
        pieces.wrong.append(
            f"`{name}` normalises the whole batch to 1, and not each example: sum over the classes' axis, with "
            "keepdims=True."
        )
        return
    if not (by_columns or by_rows):
        vector = np.asarray(function(logits[0].copy()))
        if vector.shape == (4,) and np.allclose(vector.sum(), 1):
            pieces.fragile.append(f"`{name}` takes one example; for a batch its probabilities do not sum to 1.")
            return
        pieces.wrong.append(f"`{name}` gives probabilities that do not sum to 1.")
        return
    axis = 0 if by_columns else 1
    exact = np.exp(logits) / np.exp(logits).sum(axis=axis, keepdims=True)
    if not np.allclose(probabilities, exact):
        pieces.wrong.append(f"`{name}` is not exp(z) / Σ exp(z).")
        return
    large = np.asarray(function(1000 + logits))
    if not np.isfinite(large).all():
        pieces.fragile.append(
            f"`{name}` overflows: logits of 1,000 give NaN. Subtract each example's largest logit before exp: "
            f"z − np.max(z, axis={axis}, keepdims=True)."
        )
        return
    outlier = np.zeros((4, 4))
    outlier[0 if axis == 1 else slice(None), 0] = 1000.0
    outlier[1 if axis == 1 else slice(None), slice(None) if axis == 1 else 1] = np.arange(4) * -1.0
    with np.errstate(all="ignore"):
        given = np.asarray(function(outlier.copy()))
    if not (np.isfinite(given).all() and np.allclose(given.sum(axis=axis), 1)):
        pieces.fragile.append(
            f"`{name}` subtracts the largest logit of the whole batch: beside one example with a logit of 1,000 the "
            f"others become 0/0. Take each example's own: np.max(z, axis={axis}, keepdims=True)."
        )


# ------------------------------------------------------------------------------------------- one_hot


def _one_hot(name: str, function: Callable[..., Any], pieces: Pieces) -> None:
    """A batch that lacks the last class."""
    if not ONE_HOT.search(name):
        return
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if len(required) != 1:
        return
    shapes = [np.asarray(function(np.array(labels))).shape for labels in ([0, 1, 2, 3], [0, 1, 1, 0])]
    pieces.examined.append(name)
    if shapes[0] != shapes[1]:
        pieces.fragile.append(
            f"`{name}` makes as many classes as the largest label in the batch: a batch without the last class gets "
            "the wrong shape. Give it the number of classes."
        )


# ------------------------------------------------------------------------------------------- activations


def _activations(functions: dict[str, Callable[..., Any]], pieces: Pieces) -> None:
    """Each activation against its derivative."""
    for name, function in functions.items():
        if not _ACTIVATION.match(name):
            continue
        try:
            values = np.asarray(function(_POINTS.copy()), float)
            slope = (np.asarray(function(_POINTS + _STEP), float) - np.asarray(function(_POINTS - _STEP), float)) / (
                2 * _STEP
            )
        except Exception:
            continue
        if values.shape != _POINTS.shape:
            continue
        pieces.examined.append(name)
        _overflow(name, function, pieces)
        for other, derivative in _derivatives(name, functions):
            _against(name, other, derivative, values, slope, pieces)


def _overflow(name: str, function: Callable[..., Any], pieces: Pieces) -> None:
    with np.errstate(all="ignore"):
        far = np.asarray(function(np.array([[-1000.0, 1000.0, 0.0]])), float)
    if not np.isfinite(far).all():
        pieces.fragile.append(f"`{name}` gives NaN or infinity at ±1,000.")


def _derivatives(name: str, functions: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for other, function in functions.items():
        rest = plain(DERIVATIVE.sub("", other))
        if other != name and DERIVATIVE.search(other) and (rest == plain(name) or rest == plain(name)[:1] == "a"):
            yield other, function


def _against(
    name: str, other: str, derivative: Callable[..., Any], values: Array, slope: Array, pieces: Pieces
) -> None:
    """A derivative may be a formula of z or of a = f(z); either is right where the code uses it so."""
    required = [p for p in inspect.signature(derivative).parameters.values() if p.default is p.empty]
    if len(required) != 1:
        return
    try:
        of_z = np.asarray(derivative(_POINTS.copy()), float)
        of_a = np.asarray(derivative(values.copy()), float)
    except Exception:
        return
    if of_z.shape != slope.shape or np.allclose(of_z, slope, atol=1e-4) or np.allclose(of_a, slope, atol=1e-4):
        return
    pieces.wrong.append(
        f"`{other}` is not the derivative of `{name}`, neither as a formula of z nor of a: at z = {_POINTS[0, 2]} it "
        f"gives {of_z[0, 2]:.4g} and {of_a[0, 2]:.4g}, and the slope is {slope[0, 2]:.4g}."
    )
