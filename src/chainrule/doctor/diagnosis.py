"""`diagnose`: which gradients of any NumPy code are wrong, by how much, and most likely why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.differences import Parameters, Slope, directional, entry, whole
from chainrule.doctor.hypotheses import Diagnosis, explain_alone, factor_names, relative_error
from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

Array = NDArray[Any]
Given = Mapping[str, Any] | Sequence[Any]

RIGHT, ROUNDING, WRONG, KINK = "right", "right up to rounding", "wrong", "not differentiable here"
#: Entries of an array that are compared one by one; an array with no more is compared whole.
_ENTRIES, _DIRECTIONS = 16, 2
#: A wrong array with no more entries is differentiated whole, so that its mistake can be found.
_WHOLE = 4096
_RIGHT, _WRONG = 1e-6, 1e-4


@dataclass(frozen=True)
class Finding:
    """What is said of one array.

    Attributes
    ----------
    name : str
    verdict : str
        "right", "right up to rounding" (relative error above 1e-6), "wrong", or "not differentiable here".
    relative_error : float
        ‖a − n‖ / (‖a‖ + ‖n‖) over what was compared; NaN where nothing could be.
    compared : int
        How many entries and directions.
    diagnosis : Diagnosis or None
        Of a wrong one, where a hypothesis explains it.
    """

    name: str
    verdict: str
    relative_error: float
    compared: int
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True)
class Report:
    """What the doctor says.

    Attributes
    ----------
    findings : tuple of Finding
        One for each array, in their order.
    diagnoses : tuple of Diagnosis
        The different ones among them, the likeliest first.
    """

    findings: tuple[Finding, ...]
    diagnoses: tuple[Diagnosis, ...] = field(default=())

    @property
    def right(self) -> bool:
        """Whether no gradient is wrong."""
        return all(finding.verdict != WRONG for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{f.name:<16} {f.verdict:<24} {f.relative_error:.1e}" for f in self.findings]
        for diagnosis in self.diagnoses:
            lines += ["", diagnosis.sentence, f"  evidence  {diagnosis.evidence}"]
            lines += [f"  change    {diagnosis.line}", f"  read      {diagnosis.chapter}"]
        return "\n".join(lines)


def diagnose(
    loss: Callable[[Any], float],
    gradients: Callable[[Any], Given],
    parameters: Given,
    *,
    examples: int | None = None,
    learning_rate: float | None = None,
    rng: np.random.Generator | int = 0,
) -> Report:
    """Hold somebody's gradients against finite differences, and find what is wrong with the wrong ones.

        n = (ℓ(θ + h·e) − ℓ(θ − h·e)) / 2h

    Small arrays are compared entry by entry, of large ones some entries and some random directions. The step is chosen
    for each, and beside a kink nothing is compared.

    Parameters
    ----------
    loss : function of `parameters` that returns a number
    gradients : function of `parameters` that returns arrays in the same layout: ∂ℓ/∂θ
    parameters : dict or list of arrays
        They are converted to float64, and never changed.
    examples : int, optional
        m, so that a factor of m can be named.
    learning_rate : float, optional
        So that it can be named where it was left in.
    rng : generator or seed
        Which entries and directions are compared.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there are no parameters, or the loss is not a number.
    DtypeError, ShapeError
        If `parameters` are not arrays of real numbers, or a gradient is missing.
    ValueRangeError
        If the loss is not finite at `parameters`.

    Examples
    --------
    >>> import numpy as np
    >>> report = diagnose(lambda p: float((p["w"] ** 2).sum()), lambda p: {"w": p["w"]}, {"w": np.arange(3.0)})
    >>> report.right, report.diagnoses[0].line
    (False, 'look for the factor 1/2 that divides it')
    """
    theta, back = _as_dict(parameters)
    as_given = _restored(parameters, back)

    def loss_of(named: Parameters) -> float:
        return _number(loss(as_given({name: value.copy() for name, value in named.items()})))

    value = loss_of(theta)
    if not np.isfinite(value):
        raise ValueRangeError(f"The loss is {value} at these parameters; expected a finite number. Try smaller ones.")
    given = _named(gradients(as_given({name: array.copy() for name, array in theta.items()})), back, parameters)
    names = factor_names(examples, learning_rate)
    generator = np.random.default_rng(rng)
    findings = compare(loss_of, theta, given, generator)
    return explain(findings, loss_of, theta, given, names)


def compare(
    loss: Callable[[Parameters], float], theta: Parameters, given: Mapping[str, Array], rng: np.random.Generator
) -> list[Finding]:
    """A verdict on each array, without diagnoses."""
    return [_judge(loss, theta, name, np.asarray(given[name]), rng) for name in theta]


def explain(
    findings: Sequence[Finding],
    loss: Callable[[Parameters], float],
    theta: Parameters,
    given: Mapping[str, Array],
    names: Mapping[str, float],
) -> Report:
    """A diagnosis for each wrong array, from the array alone."""
    wrong = [finding.name for finding in findings if finding.verdict == WRONG]
    true = {name: whole(loss, theta, name) for name in theta if theta[name].size <= _WHOLE} if wrong else {}
    explained = []
    for finding in findings:
        diagnosis = None
        if finding.name in wrong and finding.name in true and np.isfinite(true[finding.name]).all():
            diagnosis = explain_alone(
                finding.name, np.asarray(given[finding.name], float), true[finding.name], theta, true, names
            )
        explained.append(Finding(finding.name, finding.verdict, finding.relative_error, finding.compared, diagnosis))
    return Report(tuple(explained), tuple(dict.fromkeys(f.diagnosis for f in explained if f.diagnosis is not None)))


def _judge(
    loss: Callable[[Parameters], float], theta: Parameters, name: str, given: Array, rng: np.random.Generator
) -> Finding:
    """Compare one array's gradient."""
    array = theta[name]
    if not np.isfinite(given).all():
        return Finding(name, WRONG, 1.0, given.size)
    if given.shape != array.shape:
        if given.size != array.size or (given.ndim == array.ndim == 2 and 1 not in array.shape):
            return Finding(name, WRONG, 1.0, 0)
        given = given.reshape(array.shape)
    chosen = (
        range(array.size) if array.size <= 2 * _ENTRIES else rng.choice(array.size, _ENTRIES, replace=False).tolist()
    )
    pairs: list[tuple[float, Slope]] = [(float(given.reshape(-1)[i]), entry(loss, theta, name, i)) for i in chosen]
    if array.size > 2 * _ENTRIES:
        for _ in range(_DIRECTIONS):
            direction = rng.standard_normal(array.shape) / np.sqrt(array.size)
            pairs.append((float(np.vdot(given, direction)), directional(loss, theta, {name: direction})))
    return _verdict(name, pairs)


def _verdict(name: str, pairs: list[tuple[float, Slope]]) -> Finding:
    smooth = [(a, slope) for a, slope in pairs if slope.smooth]
    if not smooth:
        return Finding(name, KINK, float("nan"), 0)
    a = np.array([a for a, _ in smooth])
    n = np.array([slope.value for _, slope in smooth])
    error = np.array([slope.error for _, slope in smooth])
    size = max(float(np.abs(a).max()), float(np.abs(n).max()))
    off = np.abs(a - n) > _WRONG * np.maximum(np.abs(a), np.abs(n)) + 10 * error + 1e-7 * size + 1e-12
    relative = relative_error(a, n)
    if off.any():
        return Finding(name, WRONG, relative, len(smooth))
    return Finding(name, RIGHT if relative < _RIGHT else ROUNDING, relative, len(smooth))


# ------------------------------------------------------------------------------------------- layouts


def _as_dict(parameters: Given) -> tuple[Parameters, list[Any]]:
    keys: list[Any] = list(parameters) if isinstance(parameters, Mapping) else list(range(len(parameters)))
    if not keys:
        raise InputError("There are no parameters; expected a dict or a list of arrays.")
    theta = {}
    for key in keys:
        value = np.asarray(parameters[key])
        if value.dtype.kind not in "fiu":
            raise DtypeError(f"The parameter {key!r} is {value.dtype}; expected an array of real numbers.")
        theta[str(key)] = value.astype(np.float64)
    return theta, keys


def _restored(parameters: Given, keys: list[Any]) -> Callable[[Parameters], Any]:
    """What turns named arrays back into the layout that was given."""
    if isinstance(parameters, Mapping):
        return lambda named: {key: named[str(key)] for key in keys}
    return lambda named: [named[str(key)] for key in keys]


def _named(given: Given, keys: list[Any], parameters: Given) -> dict[str, Array]:
    if isinstance(parameters, Mapping) != isinstance(given, Mapping):
        raise ShapeError(
            f"The gradients are a {type(given).__name__} and the parameters a {type(parameters).__name__}; expected "
            "the same layout."
        )
    missing = [key for key in keys if (key not in given if isinstance(given, Mapping) else key >= len(given))]
    if missing:
        raise ShapeError(f"There is no gradient for {', '.join(map(repr, missing))}; expected one for each parameter.")
    return {str(key): np.asarray(given[key]) for key in keys}


def _number(value: Any) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise InputError(f"The loss is of shape {array.shape} and dtype {array.dtype}; expected one real number.")
    return float(array.reshape(-1)[0])
