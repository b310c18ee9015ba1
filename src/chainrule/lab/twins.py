"""A mistake of the museum beside its healthy twin: same start, same order, two curves, and what the doctor says.

Both are the text in `program.py`; of the sick one some lines are changed. That text is what is shown, what is trained
and what the doctor reads.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.datasets import Dataset
from chainrule.doctor.child import examine
from chainrule.errors import InputError, UnknownNameError
from chainrule.lab.answers import pictures_of
from chainrule.machine import ONE_BLAS_THREAD

Array = NDArray[Any]
Json = dict[str, Any]

#: Of so many training images the last quarter is kept from both; a loss is noted every so many steps.
IMAGES, BATCH, STEPS, EVERY = 4000, 50, 180, 6
HEALTHY = (Path(__file__).parent / "program.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Bug:
    """Something that can be switched in.

    Attributes
    ----------
    words : str
    changes : tuple of (str, str)
        Text of the program, and what stands there instead.
    rate, healthy_rate : float
        The learning rates.
    scale : float
        What both divide the pixels by.
    common : tuple of (str, str)
        Changes of both.
    """

    words: str
    changes: tuple[tuple[str, str], ...] = ()
    rate: float = 0.1
    healthy_rate: float = 0.1
    scale: float = 255.0
    common: tuple[tuple[str, str], ...] = ()

    @property
    def healthy(self) -> str:
        """The healthy program's text."""
        return _changed(HEALTHY, self.common)

    @property
    def program(self) -> str:
        """The sick program's text."""
        return _changed(self.healthy, self.changes)


def _changed(text: str, changes: tuple[tuple[str, str], ...]) -> str:
    return functools.reduce(lambda so_far, change: so_far.replace(*change), changes, text)


BUGS = {
    "missing axis": Bug(
        "each bias gradient is summed over everything",
        (("np.sum(dZ1, axis=0, keepdims=True)", "np.sum(dZ1)"), ("np.sum(dZ2, axis=0, keepdims=True)", "np.sum(dZ2)")),
    ),
    "factor of 2": Bug("a stray 2", (("(A2 - Y) / m", "2 * (A2 - Y) / m"),)),
    "wrong mask": Bug("ReLU's mask is taken of what comes back", (("(Z1 > 0)", "(dA1 > 0)"),)),
    "no mask": Bug("ReLU's derivative is forgotten", ((" * (Z1 > 0)", ""),)),
    "transposed input": Bug("Z1 stands where A1 should", (("A1.T @ dZ2", "Z1.T @ dZ2"),)),
    "unstable softmax": Bug(
        "softmax without subtracting the largest score, on pixels from 0 to 255 and with a large start",
        ((" - np.max(Z, axis=1, keepdims=True)", ""),),
        rate=1e-4,
        healthy_rate=1e-4,
        scale=1.0,
        common=((" * np.sqrt(2 / 784)", " * 0.3"),),
    ),
    "all-zero weights": Bug(
        "every weight starts at 0",
        (
            ("rng.standard_normal((784, 32)) * np.sqrt(2 / 784)", "np.zeros((784, 32))"),
            ("rng.standard_normal((32, 10)) * np.sqrt(2 / 32)", "np.zeros((32, 10))"),
        ),
    ),
    "rate too large": Bug("a learning rate of 3", rate=3.0),
}


def run_twins(data: Dataset, name: str, seed: int) -> Json:
    """Train both, and say what the doctor says.

    Raises
    ------
    UnknownNameError
        If there is no such bug.
    InputError
        If the data is unlike MNIST: not 28 × 28, or of more than ten classes.
    """
    if name not in BUGS:
        raise UnknownNameError("bug", name, BUGS)
    images, labels = pictures_of(data)
    if images.shape[1:] != (28, 28) or labels.max() > 9:
        raise InputError("The twins learn ten classes, from 28 × 28 pixels. Start the lab with --data mnist.")
    bug = BUGS[name]
    with ONE_BLAS_THREAD:
        healthy = _train(data, bug.healthy, bug.healthy_rate, bug.scale, seed)
        sick = _train(data, bug.program, bug.rate, bug.scale, seed)
    lines = [{"before": a.strip(), "after": b.strip()} for a, b in _changed_lines(bug)]
    return {
        "bug": bug.words,
        "every": EVERY,
        "healthy": healthy,
        "sick": sick,
        "lines": lines,
        "doctor": _doctor(name),
    }


def _changed_lines(bug: Bug) -> list[tuple[str, str]]:
    pairs = zip(bug.healthy.splitlines(), bug.program.splitlines(), strict=True)
    return [(before, after) for before, after in pairs if before != after]


def _train(data: Dataset, program: str, rate: float, scale: float, seed: int) -> Json:
    """Gradient descent with the functions of a program; a loss that is no number is None."""
    names: dict[str, Any] = {}
    exec(compile(program, "program.py", "exec"), names)
    images, known = (part[:IMAGES] for part in pictures_of(data))
    x, labels = images.reshape(-1, 784) / scale, known.astype(int)
    learned = 3 * len(x) // 4
    rng = np.random.default_rng(seed)
    theta = names["init_params"](rng)
    losses: list[float | None] = []
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            rows = rng.integers(0, learned, BATCH)
            z1, a1, z2, a2 = names["forward"](x[rows], *theta)
            if step % EVERY == 0:
                loss = float(-np.log(a2[np.arange(BATCH), labels[rows]] + 1e-300).mean())
                losses.append(loss if np.isfinite(loss) else None)
            y = np.eye(10)[labels[rows]]
            gradients = names["backward"](x[rows], y, z1, a1, z2, a2, theta[0], theta[2])
            theta = tuple(p - rate * d for p, d in zip(theta, gradients, strict=True))
        said = names["forward"](x[learned:], *theta)[-1].argmax(axis=1)
    return {"losses": losses, "accuracy": float(np.mean(said == labels[learned:])), "unseen": len(said)}


@functools.cache
def _doctor(name: str) -> list[str]:
    """What `chainrule doctor` says of the sick program, in sentences."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(BUGS[name].program, encoding="utf-8")
        found = examine(path)
    diagnoses = [f"{d.sentence} Change: {d.line}" for d in found.diagnoses]
    said = diagnoses + found.wrong + found.fragile
    gradients = [f"{f.name}: {f.verdict}, relative error {f.relative_error:.1e}" for f in found.findings]
    if found.right:
        said.insert(0, "Every gradient is right.")
    if name == "rate too large":
        said.append("The step is what is wrong, and no gradient shows it: divide the learning rate by ten.")
    return said + gradients
