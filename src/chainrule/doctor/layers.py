"""Layers as classes, each on its own: `forward(x)`, and `backward(d)` that passes ∂ℓ/∂x on.

A layer knows no loss. So it is given one: ℓ = Σ C ∘ forward(x), whose gradient by the output is the constant C. What
`backward(C)` returns must then be ∂ℓ/∂x, and what it stores or subtracts ∂ℓ/∂θ, by finite differences of its own
forward pass.
"""

from __future__ import annotations

import copy
import inspect
import types
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.binding import Calls, Environment
from chainrule.doctor.diagnosis import WRONG, compare, explain
from chainrule.doctor.differences import Parameters
from chainrule.doctor.hypotheses import factor_names
from chainrule.doctor.names import BACKWARD, FORWARD, is_gradient_name, plain
from chainrule.doctor.pieces import Pieces
from chainrule.doctor.programs import RATE, _attributes, _rate_of, _same_name, _set
from chainrule.doctor.source import Source

Array = NDArray[Any]

_UPSTREAM = {"dout", "dvalues", "gradoutput", "outputgradient", "outputerror", "error", "upstream", "dy", "da", "dz",
             "delta", "grad", "gradient", "dloss", "g", "dl", "dldy", "dlda", "outgrad", "d", "err"}  # fmt: skip


def is_layer(cls: type) -> bool:
    """Whether a class's backward takes what comes back, and no labels."""
    backward = _method(cls, BACKWARD)
    if backward is None or _method(cls, FORWARD) is None:
        return False
    names = list(inspect.signature(getattr(cls, backward)).parameters)[1:]
    return bool(names) and (plain(names[0]) in _UPSTREAM or is_gradient_name(names[0]))


def _method(cls: type, pattern: Any) -> str | None:
    methods = [n for n, f in vars(cls).items() if isinstance(f, types.FunctionType)]
    found = [n for n in methods if pattern.search(n) and not (pattern is FORWARD and BACKWARD.search(n))]
    return found[0] if found else None


def examine_layers(source: Source, calls: Calls, pieces: Pieces) -> None:
    """Every layer class of a file."""
    for cls in source.classes.values():
        if is_layer(cls):
            try:
                _examine(cls, source, calls, pieces)
            except Exception as error:
                pieces.fragile.append(
                    f"class `{cls.__name__}` could not be tried: {type(error).__name__}: {error}"[:200]
                )


def _examine(cls: type, source: Source, calls: Calls, pieces: Pieces) -> None:
    known = Environment(by_role={"inputs": 5, "outputs": 4, "hidden": 4, "sizes": [5, 4], "rate": RATE, "seed": 0,
                                 "keep": 0.8, "drop": 0.2, "l2": 0.0})  # fmt: skip
    np.random.seed(0)
    layer = calls.call(cls.__name__, cls, known, ("inputs", "outputs"))
    forward, backward = _method(cls, FORWARD) or "", _method(cls, BACKWARD) or ""
    rng = np.random.default_rng(2)
    for x in (rng.standard_normal((3, 5)), rng.standard_normal((5, 3)), rng.standard_normal((5, 1))):
        try:
            out = np.asarray(_call(layer, forward, x))
        except Exception:
            continue
        _judge(cls.__name__, layer, forward, backward, x, out, pieces)
        return
    raise ValueError("its forward takes neither rows nor columns")


def _call(layer: Any, forward: str, x: Array) -> Any:
    np.random.seed(0)
    return getattr(copy.deepcopy(layer), forward)(x.copy())


def _judge(name: str, layer: Any, forward: str, backward: str, x: Array, out: Array, pieces: Pieces) -> None:
    rng = np.random.default_rng(4)
    c = rng.standard_normal(out.shape)
    arrays = {n: a for n, a in _attributes(layer, "") if a.dtype.kind == "f"}
    theta: Parameters = {n: rng.standard_normal(a.shape) * 0.5 for n, a in arrays.items()}

    def made(values: Parameters) -> Any:
        fresh = copy.deepcopy(layer)
        for n in theta:
            _set(fresh, n, values[n].copy())
        return fresh

    def loss(values: Parameters) -> float:
        return float(np.vdot(c, np.asarray(_call(made(values), forward, values["x"]))))

    values = theta | {"x": x}
    here = loss(values)
    theta = {n: v for n, v in theta.items() if loss(values | {n: v + 1.0}) != here}
    values = theta | {"x": x}
    working = made(values)
    np.random.seed(0)
    getattr(working, forward)(x.copy())
    rate = _rate_of(working) or RATE
    arguments = [c.copy()]
    for parameter in list(inspect.signature(getattr(working, backward)).parameters.values())[1:]:
        if parameter.default is parameter.empty:
            arguments.append(np.asarray(rate) if parameter.annotation is np.ndarray else rate)  # type: ignore[arg-type]
    returned = getattr(working, backward)(*arguments)
    given = _given(theta, working, rate)
    first = returned[0] if isinstance(returned, tuple) else returned
    if first is None:
        first = next(
            (a for n, a in _attributes(working, "") if plain(n) in ("dinputs", "dx", "dinput", "gradinput")), None
        )
    judged = dict(given)
    if isinstance(first, np.ndarray) and first.shape == x.shape:
        judged["x"] = first
    if isinstance(returned, tuple) and not given:
        for n, array in theta.items():
            match = next((r for r in returned[1:] if isinstance(r, np.ndarray) and r.shape == array.shape), None)
            if match is not None:
                judged[n] = match
    chosen = {n: values[n] for n in judged}
    if not chosen:
        return
    pieces.examined.append(f"class {name}")

    def whole_loss(v: Parameters) -> float:
        return loss(values | v)

    findings = compare(whole_loss, chosen, judged, np.random.default_rng(0))
    # A layer may take the mean over its batch itself.
    m = next((k for k in (3, 1) if k in x.shape), 1)
    for scale in (1 / m, float(m)):
        if any(f.verdict == WRONG for f in findings):
            scaled = {k: (v / scale if k != "x" else v) for k, v in judged.items()}
            again = compare(whole_loss, chosen, scaled, np.random.default_rng(0))
            if sum(f.verdict == WRONG for f in again) < sum(f.verdict == WRONG for f in findings):
                findings, judged = again, scaled
    report = explain(findings, whole_loss, chosen, judged, factor_names(m, rate))
    for finding in report.findings:
        if finding.verdict == WRONG:
            why = f" {finding.diagnosis.sentence} {finding.diagnosis.line}." if finding.diagnosis else ""
            what = "input" if finding.name == "x" else finding.name
            pieces.wrong.append(
                f"class `{name}`: what `{backward}` gives for its {what} is no derivative of `{forward}`.{why}"
            )


def _given(theta: Parameters, working: Any, rate: float) -> dict[str, Array]:
    """What backward stored, or subtracted."""
    found = dict(_attributes(working, ""))
    stored = {}
    for n in theta:
        for path, array in found.items():
            if path != n and is_gradient_name(path.split("[")[0]) and _same_name(path, n):
                stored[n] = array
    if len(stored) == len(theta):
        return stored
    moved = {n: (theta[n] - found[n]) / rate for n in theta if n in found and not np.array_equal(found[n], theta[n])}
    return moved or stored
