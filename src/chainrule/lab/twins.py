"""A mistake of the museum beside its healthy twin: same start, same order, two curves, and what the doctor says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.datasets import Dataset
from chainrule.doctor.hypotheses import factor_names, in_words
from chainrule.doctor.reference import Layer, Mistake, Reference
from chainrule.errors import UnknownNameError
from chainrule.lab.answers import pictures_of

Array = NDArray[Any]
Json = dict[str, Any]

IMAGES, TEST, BATCH, STEPS, EVERY = 3000, 1000, 50, 180, 6
_HIDDEN, _RATE, _TOO_LARGE = 32, 0.1, 3.0

#: What can be switched in: words, and the mistake; None where the start or the rate is wrong.
BUGS: dict[str, tuple[str, Mistake | None]] = {
    "missing axis": ("biases summed over everything", Mistake("bias over everything")),
    "factor of 2": ("a stray 2 in the output's error", Mistake("factor of delta", 1, 2.0)),
    "wrong mask": ("ReLU's mask taken of what comes back", Mistake("derivative from gradient", 0)),
    "no mask": ("ReLU's derivative forgotten", Mistake("derivative missing", 0)),
    "transposed input": ("z in place of a in the second layer's gradient", Mistake("unactivated input", 1)),
    "unstable softmax": ("softmax without subtracting the largest score, on pixels from 0 to 255", None),
    "all-zero weights": ("every weight starts at 0", None),
    "rate too large": (f"a learning rate of {_TOO_LARGE:g}", None),
}


def run_twins(data: Dataset, bug: str, seed: int) -> Json:
    """Train both, and say what the doctor says.

    Raises
    ------
    UnknownNameError
        If there is no such bug.
    """
    if bug not in BUGS:
        raise UnknownNameError("bug", bug, BUGS)
    words, mistake = BUGS[bug]
    healthy, sick = _train(data, "", None, seed, loud=bug == "unstable softmax"), _train(data, bug, mistake, seed)
    return {"bug": words, "healthy": healthy, "sick": sick, "doctor": _doctor(bug, mistake)}


def _train(data: Dataset, bug: str, mistake: Mistake | None, seed: int, *, loud: bool = False) -> Json:
    loud = loud or bug == "unstable softmax"
    scale = 1.0 if loud else 255.0
    images, known, test, truth = pictures_of(data)
    x, labels = images[:IMAGES].reshape(min(IMAGES, len(images)), -1) / scale, known[:IMAGES].astype(int)
    x_test = test[:TEST].reshape(-1, x.shape[1]) / scale
    rng = np.random.default_rng(seed)
    w = [rng.standard_normal((n, k)) * np.sqrt(2 / n) for n, k in ((x.shape[1], _HIDDEN), (_HIDDEN, 10))]
    if bug == "all-zero weights":
        w = [np.zeros_like(a) for a in w]
    b = [np.zeros(_HIDDEN), np.zeros(10)]
    rate = _TOO_LARGE if bug == "rate too large" else 1e-5 if loud else _RATE
    losses: list[float | None] = []
    mistakes = () if mistake is None else (mistake,)
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            rows = rng.integers(0, len(x), BATCH)
            reference = _reference(w, b, x[rows], np.eye(10)[labels[rows]])
            p = _bare(reference) if bug == "unstable softmax" else reference.forward()[1][-1]
            if step % EVERY == 0:
                loss = float(-np.log(p[np.arange(BATCH), labels[rows]] + 1e-300).mean())
                losses.append(loss if np.isfinite(loss) else None)
            gradients = reference.gradients(*mistakes)
            if bug == "unstable softmax" and not np.isfinite(p).all():
                gradients = [(a * np.nan, c * np.nan) for a, c in gradients]
            for i, (dw, db) in enumerate(gradients):
                w[i] = w[i] - rate / BATCH * dw
                b[i] = b[i] - rate / BATCH * db
        output = _reference(w, b, x_test, np.zeros((len(x_test), 10))).forward()[1][-1]
    return {"losses": losses, "accuracy": float(np.mean(output.argmax(axis=1) == truth[:TEST]))}


def _reference(w: list[Array], b: list[Array], x: Array, y: Array) -> Reference:
    return Reference((Layer(w[0], b[0], "ReLU"), Layer(w[1], b[1], "softmax")), x, y)


def _bare(reference: Reference) -> Array:
    """Softmax as it should not be."""
    e = np.exp(reference.forward()[0][-1])
    return e / e.sum(axis=1, keepdims=True)


def _doctor(bug: str, mistake: Mistake | None) -> str:
    if mistake is not None:
        layers = tuple(Layer(np.zeros((3, 3)), np.zeros(3), a) for a in ("ReLU", "softmax"))
        reference = Reference(layers, np.zeros((1, 3)), np.zeros((1, 3)))
        diagnosis = in_words(mistake, reference, factor_names(BATCH, None), False)
        return f"{diagnosis.sentence} Change: {diagnosis.line}"
    return {
        "unstable softmax": "Softmax overflows: logits of 1,000 give NaN. Subtract each one's largest before exp.",
        "all-zero weights": "All weights start equal, so all hidden units stay alike. Draw them at random.",
        "rate too large": "The gradients are right. The step is too long: divide the learning rate by ten.",
    }[bug]
