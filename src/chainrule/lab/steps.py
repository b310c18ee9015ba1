"""One image, one forward and backward pass and one update, as named steps: every matrix, and any entry's formula.

The network is small and new, 784-8-10, in float64 and drawn from a seed, so that a finite difference agrees to many
digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import InputError
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import Network, multilayer_perceptron

Array = NDArray[Any]
Json = dict[str, Any]

HIDDEN, RATE = 8, 0.5
_H = 1e-5
_TERMS = 6

#: Name, what it is, and where its formula is derived.
STEPS = (
    ("x", "the pixels, scaled", "x = pixel / 255"),
    ("Z1", "hidden scores", "Z1 = x W1 + b1"),
    ("A1", "hidden activations", "A1 = max(Z1, 0)"),
    ("Z2", "output scores", "Z2 = A1 W2 + b2"),
    ("P", "probabilities", "P = softmax(Z2)"),
    ("loss", "cross-entropy", "ℓ = −ln P[label]"),
    ("dZ2", "gradient of the scores", "dZ2 = P − onehot(label)"),
    ("dW2", "gradient of W2", "dW2 = A1ᵀ dZ2"),
    ("db2", "gradient of b2", "db2 = Σ dZ2"),
    ("dA1", "gradient of the activations", "dA1 = dZ2 W2ᵀ"),
    ("dZ1", "gradient of the hidden scores", "dZ1 = dA1 ∘ [Z1 > 0]"),
    ("dW1", "gradient of W1", "dW1 = xᵀ dZ1"),
    ("db1", "gradient of b1", "db1 = Σ dZ1"),
    ("W1", "new weights", "W1 ← W1 − α dW1"),
    ("b1", "new biases", "b1 ← b1 − α db1"),
    ("W2", "new weights", "W2 ← W2 − α dW2"),
    ("b2", "new biases", "b2 ← b2 − α db2"),
)
_PARAMETER = {"dW1": "W1", "db1": "b1", "dW2": "W2", "db2": "b2"}


class Pass:
    """Everything that one image makes of one network.

    Parameters
    ----------
    x : float64 (1, D)
    label : int
    seed : int
    """

    def __init__(self, x: Array, label: int, seed: int) -> None:
        self.network = multilayer_perceptron((x.shape[1], HIDDEN, 10), rng=seed, dtype=np.float64)
        self.x, self.label = x, label
        w1, b1, w2, b2 = (block.view(self.network.parameters) for block in self.network.layout)
        trace = self.network.trace(1, keep_all=True)
        self.network.forward(x, into=trace)
        z1, a1, z2 = trace.input_of(1).copy(), trace.input_of(2).copy(), trace.output.copy()
        self.loss, d = cross_entropy(z2.copy(), np.array([label]))
        dz2 = d.copy()
        gradient = self.network.backward(trace, d)
        dw1, db1, dw2, db2 = (block.view(gradient).copy() for block in self.network.layout)
        da1 = dz2 @ w2.T
        p = dz2.copy()
        p[0, label] += 1
        self.old = {"W1": w1, "b1": b1[np.newaxis], "W2": w2, "b2": b2[np.newaxis]}
        self.arrays: dict[str, Array] = {
            "x": x, "Z1": z1, "A1": a1, "Z2": z2, "P": p, "loss": np.array([[self.loss]]), "dZ2": dz2, "dW2": dw2,
            "db2": db2[np.newaxis], "dA1": da1, "dZ1": da1 * (z1 > 0), "dW1": dw1, "db1": db1[np.newaxis],
            "W1": w1 - RATE * dw1, "b1": (b1 - RATE * db1)[np.newaxis], "W2": w2 - RATE * dw2,
            "b2": (b2 - RATE * db2)[np.newaxis],
        }  # fmt: skip

    def steps(self) -> list[Json]:
        """All of them, in their order."""
        return [
            {"name": name, "what": what, "formula": formula, "shape": list(self.arrays[name].shape),
             "values": self.arrays[name].reshape(-1).tolist()}
            for name, what, formula in STEPS
        ]  # fmt: skip

    def entry(self, name: str, row: int, column: int) -> Json:
        """One entry's value, its formula with the numbers in it, and beside a gradient its finite difference.

        Raises
        ------
        InputError
            If there is no such entry.
        """
        if name not in self.arrays:
            raise InputError(f"There is no array {name!r}. Known: {', '.join(self.arrays)}.")
        array = self.arrays[name]
        if not (0 <= row < array.shape[0] and 0 <= column < array.shape[1]):
            raise InputError(f"{name} is {array.shape[0]} × {array.shape[1]}; there is no entry {row}, {column}.")
        value = float(array[row, column])
        found: Json = {"value": value, "formula": self._formula(name, row, column)}
        if name in _PARAMETER or name in ("dZ2", "dA1", "dZ1"):
            difference = self._difference(name[1:], row, column)
            size = max(abs(value), abs(difference))
            off = abs(value - difference) / size if size > 1e-12 else 0.0
            found["difference"] = difference
            found["digits"] = 12 if off == 0 else int(min(12, max(0, np.floor(-np.log10(off)))))
        return found

    def _difference(self, of: str, row: int, column: int) -> float:
        """(ℓ(θ + h) − ℓ(θ − h)) / 2h, computed at this moment."""
        losses = []
        for h in (_H, -_H):
            if of in ("Z1", "A1", "Z2"):
                changed = self.arrays[of].copy()
                changed[row, column] += h
                losses.append(self._loss_after(of, changed))
                continue
            block = self.network.layout[("W1", "b1", "W2", "b2").index(of)]
            theta = self.network.parameters.copy()
            view = block.view(theta)
            view[(row, column) if view.ndim == 2 else column] += h
            losses.append(self._loss(self.network.with_parameters(theta)))
        return (losses[0] - losses[1]) / (2 * _H)

    def _loss_after(self, name: str, value: Array) -> float:
        """The loss if an array in the middle were another."""
        if name == "Z1":
            name, value = "A1", np.maximum(value, 0)
        if name == "A1":
            value = value @ self.old["W2"] + self.old["b2"]
        return float(cross_entropy(value.copy(), np.array([self.label]))[0])

    def _loss(self, network: Network) -> float:
        return float(cross_entropy(network.forward(self.x).output, np.array([self.label]))[0])

    def _formula(self, name: str, row: int, column: int) -> str:
        a, old = self.arrays, self.old
        if name == "Z1":
            return _sum(a["x"][0], old["W1"][:, column], old["b1"][0, column], a["Z1"][0, column])
        if name == "Z2":
            return _sum(a["A1"][0], old["W2"][:, column], old["b2"][0, column], a["Z2"][0, column])
        if name == "dA1":
            return _sum(a["dZ2"][0], old["W2"][column], None, a["dA1"][0, column])
        if name == "A1":
            return f"max({a['Z1'][0, column]:.6g}, 0) = {a['A1'][0, column]:.6g}"
        if name == "P":
            total = float(np.exp(a["Z2"]).sum())
            return f"e^{a['Z2'][0, column]:.6g} / {total:.6g} = {a['P'][0, column]:.6g}"
        if name == "loss":
            return f"−ln {a['P'][0, self.label]:.6g} = {self.loss:.6g}"
        if name == "dZ2":
            return f"{a['P'][0, column]:.6g} − {int(column == self.label)} = {a['dZ2'][0, column]:.6g}"
        if name == "dZ1":
            gate = int(a["Z1"][0, column] > 0)
            return f"{a['dA1'][0, column]:.6g} · {gate} = {a['dZ1'][0, column]:.6g}"
        if name in ("dW1", "dW2"):
            source, delta = ("x", "dZ1") if name == "dW1" else ("A1", "dZ2")
            return f"{a[source][0, row]:.6g} · {a[delta][0, column]:.6g} = {a[name][row, column]:.6g}"
        if name in ("db1", "db2"):
            return f"{a['dZ' + name[2]][0, column]:.6g}, as there is one example"
        if name in old:
            return (
                f"{old[name][row, column]:.6g} − {RATE} · {a['d' + name][row, column]:.6g} = {a[name][row, column]:.6g}"
            )
        return f"{round(255 * float(a['x'][row, column]))} / 255 = {a['x'][row, column]:.6g}"

    def judge(self, name: str, row: int, column: int, answer: float) -> Json:
        """The quiz: whether a number is an entry's value, or which term was forgotten."""
        right = float(self.entry(name, row, column)["value"])
        tolerance = 0.005 * abs(right) + 5e-4
        if abs(answer - right) <= tolerance:
            return {"right": True, "hint": "Right."}
        for hint, value in self._usual_slips(name, row, column, right):
            if abs(answer - value) <= tolerance:
                return {"right": False, "hint": hint}
        return {"right": False, "hint": "Not yet. Put the numbers into the formula, one by one."}

    def _usual_slips(self, name: str, row: int, column: int, right: float) -> list[tuple[str, float]]:
        a, old = self.arrays, self.old
        slips = [("The sign is wrong.", -right), ("There is a factor of 2 too many.", 2 * right)]
        if name in ("Z1", "Z2"):
            slips.append(("The bias is missing.", right - float(old[f"b{name[1]}"][0, column])))
        if name == "A1":
            slips.append(("That is Z1: what is below 0 becomes 0.", float(a["Z1"][0, column])))
        if name == "dZ1":
            slips.append(("The derivative of ReLU is missing: [Z1 > 0].", float(a["dA1"][0, column])))
        if name == "dZ2":
            slips.append(("The one-hot target is missing.", float(a["P"][0, column])))
        if name in old:
            slips.append(("The learning rate is missing.", float(old[name][row, column] - a["d" + name][row, column])))
            slips.append(("It climbs: subtract.", 2 * float(old[name][row, column]) - right))
        return slips


def _sum(x: Array, w: Array, bias: Any, value: float) -> str:
    """A weighted sum with its largest terms."""
    terms = x * w
    order = np.argsort(-np.abs(terms))[:_TERMS]
    shown = " + ".join(f"{x[i]:.4g}·({w[i]:.4g})" for i in order)
    rest = float(terms.sum() - terms[order].sum())
    others = len(terms) - len(order)
    tail = f" + {rest:.4g} from {others} others" if others > 0 else ""
    return f"{shown}{tail}{'' if bias is None else f' + {float(bias):.4g}'} = {float(value):.6g}"
