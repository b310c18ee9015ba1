"""Programs for the doctor to examine: correct ones in many shapes, and each broken in every way that applies.

    python scripts/doctor_corpus.py FOLDER      write them all, to look at

`scripts/museum.py` examines them and writes docs/museum.md.
"""

import argparse
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """How a program is written.

    Attributes
    ----------
    style : "arguments", "dict", "list" or "class": how parameters are passed
    columns : bool
        Whether examples are columns.
    hidden : tuple of int
        Units of each hidden layer.
    activation, output : names
    loss : "", "cross-entropy", "binary cross-entropy" or "squares": the one that the file computes, if it does
    l2, dropout, single : bool
        A penalty in loss and gradient; a fixed mask after the first hidden layer; float32.
    labels : bool
        Whether labels are numbers, which the program makes one-hot.
    """

    style: str
    columns: bool
    hidden: tuple[int, ...]
    activation: str
    output: str
    loss: str = ""
    l2: bool = False
    dropout: bool = False
    single: bool = False
    labels: bool = False

    @property
    def name(self) -> str:
        """In a few words."""
        parts = [self.style, "columns" if self.columns else "rows", f"{len(self.hidden) + 1} layers", self.activation]
        parts += [self.output, f"{self.loss} computed" if self.loss else "no loss"]
        parts += [name for name in ("l2", "dropout", "labels") if getattr(self, name)] + ["float32"] * self.single
        return ", ".join(parts)


@dataclass(frozen=True)
class Fault:
    """A mistake, and what the doctor may call it: the codes of its diagnoses."""

    name: str
    codes: tuple[str, ...]


FAULTS = (
    Fault("bias over everything", ("bias over everything",)),
    Fault("bias over units", ("bias over units",)),
    Fault("bias not summed", ("bias not summed",)),
    Fault("factor 2 in the output's error", ("factor",)),
    Fault("factor ½ in the first weights", ("factor",)),
    Fault("sign", ("factor",)),
    Fault("1/m forgotten in a weight", ("factor",)),
    Fault("1/m twice in a bias", ("factor",)),
    Fault("learning rate left in", ("factor",)),
    Fault("derivative missing", ("derivative missing",)),
    Fault("derivative of a for z", ("derivative after", "derivative not from value")),
    Fault("derivative of another layer", ("derivative of other layer",)),
    Fault("another activation's derivative", ("other derivative",)),
    Fault("derivative of the gradient", ("derivative from gradient",)),
    Fault("weights updated too early", ("updated weight",)),
    Fault("gradient of another loss", ("loss", "difference", "output derivative missing", "output derivative extra")),
    Fault("L2 not in the gradient", ("l2 forgotten",)),
    Fault("L2 on the biases", ("l2 not in loss",)),
    Fault("L2 not in the loss", ("l2 not in loss",)),
    Fault("mask missing", ("mask missing",)),
    Fault("mask's scale missing", ("mask scale missing",)),
    Fault("z for a in a weight's gradient", ("unactivated input",)),
    Fault("weights not transposed", ("untransposed",)),
    Fault("gradient transposed", ("transposed",)),
    Fault("zero", ("zero",)),
)

_FUNCTIONS = {
    "relu": ("np.maximum(Z, 0)", "(Z > 0).astype(float)"),
    "leaky_relu": ("np.where(Z > 0, Z, 0.01 * Z)", "np.where(Z > 0, 1.0, 0.01)"),
    "tanh": ("np.tanh(Z)", "1 - np.tanh(Z) ** 2"),
    "sigmoid": ("1 / (1 + np.exp(-Z))", "sigmoid(Z) * (1 - sigmoid(Z))"),
}


def shapes() -> list[Shape]:
    """The correct programs."""
    found = []
    outputs = (
        ("softmax", ""), ("softmax", "cross-entropy"), ("sigmoid", ""), ("sigmoid", "binary cross-entropy"),
        ("sigmoid", "squares"), ("softmax", "squares"),
    )  # fmt: skip
    layouts = ((), (5,), (5,), (6, 6), (6, 6, 6))
    activations = ("relu", "tanh", "sigmoid", "leaky_relu")
    for i, (style, columns, (output, loss)) in enumerate(
        itertools.product(("arguments", "dict", "list", "class"), (True, False), outputs)
    ):
        shape = Shape(style, columns, layouts[i % 5], activations[i % 4], output, loss, labels=i % 3 == 1)
        found.append(shape)
    for i, style in enumerate(("arguments", "dict", "list")):
        base = Shape(style, bool(i % 2), (6, 6), activations[i], "softmax", "cross-entropy")
        found += [replace(base, l2=True), replace(base, dropout=True), replace(base, single=True)]
    return found


def applicable(shape: Shape) -> list[Fault]:
    """The mistakes that can be made in a program, and that change something."""
    return [fault for fault in FAULTS if _applies(fault.name, shape)]


def _applies(name: str, shape: Shape) -> bool:
    deep, square = bool(shape.hidden), len(shape.hidden) >= 2
    smooth = shape.activation in ("tanh", "sigmoid")
    return {
        "1/m forgotten in a weight": deep,
        "learning rate left in": deep,
        "derivative missing": deep,
        "derivative of a for z": deep and smooth,
        "derivative of another layer": square,
        "another activation's derivative": deep,
        "derivative of the gradient": deep,
        "weights updated too early": deep,
        "gradient of another loss": bool(shape.loss) and not shape.l2,
        "L2 not in the gradient": shape.l2,
        "L2 on the biases": shape.l2,
        "L2 not in the loss": bool(shape.loss) and not shape.l2 and not shape.dropout,
        "mask missing": shape.dropout,
        "mask's scale missing": shape.dropout,
        "z for a in a weight's gradient": deep and not shape.dropout,
        "weights not transposed": square,
        "gradient transposed": square,
        "zero": deep,
        "factor ½ in the first weights": deep,
        "1/m twice in a bias": deep,
    }.get(name, True)


def program(shape: Shape, fault: str = "") -> str:
    """The source of one program."""
    return _Writer(shape, fault).source()


class _Writer:
    """Writes a program line by line."""

    def __init__(self, shape: Shape, fault: str) -> None:
        self.shape, self.fault = shape, fault
        self.last = len(shape.hidden) + 1
        self.layers = range(1, self.last + 1)

    def source(self) -> str:
        """The whole file."""
        parts = ["import numpy as np", self.activations(), self.init(), self.forward()]
        if self.shape.labels:
            size = "(10, Y.size)" if self.shape.columns else "(Y.size, 10)"
            del size
            parts.append(self.one_hot())
        parts += [self.loss(), self.backward(), self.update()]
        parts = [part for part in parts if part]
        if self.shape.style == "class":
            heads = [part for part in parts if not part.startswith("    ")]
            methods = [part for part in parts if part.startswith("    ")]
            return "\n\n".join([*heads, "class Network:\n" + "\n".join(methods)]) + "\n"
        return "\n\n".join(parts) + "\n"

    # Names of parameters, in each style.

    def w(self, i: int) -> str:
        return self._of("W", i)

    def b(self, i: int) -> str:
        return self._of("b", i)

    def _of(self, letter: str, i: int) -> str:
        if self.shape.style == "dict":
            return f'params["{letter}{i}"]'
        if self.shape.style == "list":
            return f"params[{2 * (i - 1) + (letter == 'b')}]"
        return f"self.{letter}{i}" if self.shape.style == "class" else f"{letter}{i}"

    def g(self, letter: str, i: int) -> str:
        return f"self.{letter}{i}" if self.shape.style == "class" else f"{letter}{i}"

    def passed(self) -> str:
        if self.shape.style == "arguments":
            return ", ".join(f"W{i}, b{i}" for i in self.layers)
        return "params"

    def define(self, head: str, arguments: str, body: list[str]) -> str:
        if self.shape.style == "class":
            text = f"def {head}(self{', ' * bool(arguments)}{arguments}):\n" + textwrap.indent("\n".join(body), "    ")
            return textwrap.indent(text, "    ")
        return f"def {head}({arguments}):\n" + textwrap.indent("\n".join(body), "    ")

    # The parts.

    def activations(self) -> str:
        names = {self.shape.activation} | ({"sigmoid"} if self.shape.output == "sigmoid" else set())
        if self.fault == "another activation's derivative":
            names.add(self.other())
        text = []
        for name in sorted(names, key=lambda n: n != "sigmoid"):
            value, slope = _FUNCTIONS[name]
            text.append(f"def {name}(Z):\n    return {value}\n\ndef {name}_derivative(Z):\n    return {slope}")
        if self.shape.output == "softmax":
            axis = 0 if self.shape.columns else 1
            text.append(
                f"def softmax(Z):\n    E = np.exp(Z - Z.max(axis={axis}, keepdims=True))\n"
                f"    return E / E.sum(axis={axis}, keepdims=True)"
            )
        return "\n\n".join(text)

    def other(self) -> str:
        return {"relu": "leaky_relu", "leaky_relu": "relu", "tanh": "sigmoid", "sigmoid": "tanh"}[self.shape.activation]

    def init(self) -> str:
        sizes = ["n_x", *(str(h) for h in self.shape.hidden), "n_y"]
        lines = []
        kind = ".astype(np.float32)" if self.shape.single else ""
        for i in self.layers:
            rows, columns = (sizes[i], sizes[i - 1]) if self.shape.columns else (sizes[i - 1], sizes[i])
            bias = f"({sizes[i]}, 1)" if self.shape.columns else f"(1, {sizes[i]})"
            lines += [f"{self.g('W', i)} = (np.random.randn({rows}, {columns}) * 0.1){kind}",
                      f"{self.g('b', i)} = np.zeros({bias}){kind}"]  # fmt: skip
        if self.shape.style == "class":
            return self.define("__init__", "n_x, n_y", lines)
        pairs = [f"{letter}{i}" for i in self.layers for letter in "Wb"]
        if self.shape.style == "dict":
            lines.append("return {" + ", ".join(f'"{p}": {p}' for p in pairs) + "}")
        else:
            lines.append(f"return {'[' if self.shape.style == 'list' else ''}{', '.join(pairs)}"
                         + ("]" if self.shape.style == "list" else ""))  # fmt: skip
        return self.define("init_params", "n_x, n_y", lines)

    def forward(self) -> str:
        s = self.shape
        lines = []
        for i in self.layers:
            before = "X" if i == 1 else self.g("A", i - 1)
            product = f"{self.w(i)} @ {before}" if s.columns else f"{before} @ {self.w(i)}"
            lines.append(f"{self.g('Z', i)} = {product} + {self.b(i)}")
            lines.append(f"{self.g('A', i)} = {s.output if i == self.last else s.activation}({self.g('Z', i)})")
            if s.dropout and i == 1 and self.last > 1:
                mask = self.g("D", 1)
                lines += [f"{mask} = (np.random.rand(*{self.g('A', 1)}.shape) < 0.8) / 0.8",
                          f"{self.g('A', 1)} = {self.g('A', 1)} * {mask}"]  # fmt: skip
        if s.style == "class":
            return self.define("forward", "X", [*lines, f"return self.A{self.last}"])
        names = [f"{letter}{i}" for i in self.layers for letter in "ZA"] + ["D1"] * s.dropout
        if s.style == "arguments":
            return self.define("forward_prop", f"{self.passed()}, X", [*lines, f"return {', '.join(names)}"])
        cache = "cache = {" + ", ".join(f'"{n}": {n}' for n in names) + "}"
        return self.define("forward_prop", "X, params", [*lines, cache, f"return A{self.last}, cache"])

    def one_hot(self) -> str:
        turned = ".T" if self.shape.columns else ""
        return f"def one_hot(Y, classes):\n    return np.eye(classes)[Y]{turned}"

    def targets(self, output: str) -> list[str]:
        if not self.shape.labels:
            return []
        return [f"Y = one_hot(Y, {output}.shape[{0 if self.shape.columns else 1}])"]

    def loss(self) -> str:
        s = self.shape
        if not s.loss:
            return ""
        axis = 1 if s.columns else 0
        value = {
            "cross-entropy": "-np.sum(Y * np.log(A)) / m",
            "binary cross-entropy": "-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m",
            "squares": "np.sum((A - Y) ** 2) / (2 * m)",
        }[s.loss]
        lines = [*self.targets("A"), f"m = Y.shape[{axis}]"]
        if s.l2:
            value += " + 0.05 * (" + " + ".join(f"np.sum({self.w(i)} ** 2)" for i in self.layers) + ")"
            arguments = "A, Y, params" if s.style != "arguments" else f"A, Y, {self.passed()}"
        else:
            arguments = "A, Y"
        return self.define("compute_loss", arguments, [*lines, f"return {value}"])

    def output_error(self) -> list[str]:
        s = self.shape
        a = self.g("A", self.last)
        difference = f"dZ{self.last} = {a} - Y"
        squares = s.loss == "squares"
        if s.output == "sigmoid":
            through = f"dZ{self.last} = ({a} - Y) * {a} * (1 - {a})"
        else:
            axis = 0 if s.columns else 1
            through = f"dZ{self.last} = {a} * (({a} - Y) - np.sum(({a} - Y) * {a}, axis={axis}, keepdims=True))"
        swapped = self.fault == "gradient of another loss"
        lines = [through if squares != swapped else difference]
        if self.fault == "factor 2 in the output's error":
            lines.append(f"dZ{self.last} = 2 * dZ{self.last}")
        if self.fault == "sign":
            lines.append(f"dZ{self.last} = -dZ{self.last}")
        return lines

    def backward(self) -> str:
        s = self.shape
        axis = 1 if s.columns else 0
        unpack = []
        if s.style in ("dict", "list"):
            names = [f"{letter}{i}" for i in self.layers for letter in "ZA"] + ["D1"] * s.dropout
            unpack = [f'{n} = cache["{n}"]' for n in names]
        lines = [*unpack, f"m = X.shape[{axis}]", *self.targets(self.g("A", self.last)), *self.output_error()]
        for i in reversed(self.layers):
            lines += self.layer(i, axis)
        names = [f"d{letter}{i}" for i in self.layers for letter in "Wb"]
        if s.style == "class":
            lines += [f"self.{letter}{i} = self.{letter}{i} - learning_rate * d{letter}{i}"
                      for i in self.layers for letter in "Wb"]  # fmt: skip
            if self.fault == "weights updated too early":
                del lines[2 * self.last - 2 - 2 * self.last]  # W of the last layer has been updated already
            return self.define("backward", "X, Y, learning_rate", lines)
        if s.style == "dict":
            lines.append("return {" + ", ".join(f'"{n}": {n}' for n in names) + "}")
        elif s.style == "list":
            lines.append(f"return [{', '.join(names)}]")
        else:
            lines.append(f"return {', '.join(names)}")
        early = ", alpha=0.1" if self.fault == "weights updated too early" else ""
        if s.style == "arguments":
            known = ", ".join([*(f"{letter}{i}" for i in self.layers for letter in "ZA"), *["D1"] * s.dropout])
            return self.define("backward_prop", f"{known}, {self.passed()}, X, Y{early}", lines)
        return self.define("backward_prop", f"X, Y, cache, params{early}", lines)

    def layer(self, i: int, axis: int) -> list[str]:
        s = self.shape
        before = "X" if i == 1 else self.g("A", i - 1)
        if self.fault == "z for a in a weight's gradient" and i == 2:
            before = self.g("Z", 1)
        delta = f"dZ{i}"
        product = f"{delta} @ {before}.T" if s.columns else f"{before}.T @ {delta}"
        lines = [f"dW{i} = {product} / m", f"db{i} = np.sum({delta}, axis={axis}, keepdims=True) / m"]
        lines = self.in_parameters(i, lines, axis)
        if (s.l2 and self.fault != "L2 not in the gradient") or self.fault == "L2 not in the loss":
            lines.append(f"dW{i} = dW{i} + 0.1 * {self.w(i)}")
        if self.fault == "L2 on the biases":
            lines.append(f"db{i} = db{i} + 0.1 * {self.b(i)}")
        if i > 1:
            lines += self.back(i)
        return lines

    def in_parameters(self, i: int, lines: list[str], axis: int) -> list[str]:
        """The mistakes that are made in dW and db."""
        fault = self.fault
        if fault == "bias over everything":
            lines[1] = f"db{i} = np.sum(dZ{i}) / m"
        if fault == "bias over units":
            lines[1] = f"db{i} = np.sum(dZ{i}, axis={1 - axis}, keepdims=True) / m"
        if fault == "bias not summed":
            lines[1] = f"db{i} = dZ{i} / m"
        if fault == "factor ½ in the first weights" and i == 1:
            lines[0] = lines[0].replace("/ m", "/ (2 * m)")
        if fault == "1/m forgotten in a weight" and i == self.last:
            lines[0] = lines[0].replace(" / m", "")
        if fault == "1/m twice in a bias" and i == 1:
            lines[1] = lines[1].replace("/ m", "/ m / m")
        if fault == "learning rate left in" and i == 1:
            lines[0] = lines[0].replace(" = ", " = 0.1 * ")
        if fault == "gradient transposed" and i == 2:
            lines[0] = lines[0].replace(" = ", " = (").replace(" / m", ").T / m")
        if fault == "zero" and i == 1:
            lines[1] = f"db1 = np.zeros_like({self.b(1)})"
        return lines

    def back(self, i: int) -> list[str]:
        """From dZ of layer i to dZ of the layer before."""
        s, fault, j = self.shape, self.fault, i - 1
        lines = []
        weight = self.w(i)
        if fault == "weights updated too early" and i == self.last:
            if s.style == "class":
                lines.append(f"self.W{i} = self.W{i} - learning_rate * dW{i}")
            else:
                lines.append(f"W_new = {weight} - alpha * dW{i}")
                weight = "W_new"
        turned = "" if fault == "weights not transposed" and i == 2 else ".T"
        lines.append(f"dA{j} = {weight}{turned} @ dZ{i}" if s.columns else f"dA{j} = dZ{i} @ {weight}{turned}")
        if s.dropout and j == 1 and fault != "mask missing":
            scale = " * 0.8" if fault == "mask's scale missing" else ""
            lines.append(f"dA1 = dA1 * {self.g('D', 1)}{scale}")
        z, name = self.g("Z", j), s.activation
        if fault == "derivative missing" and j == 1:
            return [*lines, f"dZ{j} = dA{j}"]
        if fault == "derivative of a for z" and j == 1:
            z = self.g("A", j)
        if fault == "derivative of another layer" and j == 1:
            z = self.g("Z", 2)
        if fault == "derivative of the gradient" and j == 1:
            z = f"dA{j}"
        if fault == "another activation's derivative" and j == 1:
            name = self.other()
        return [*lines, f"dZ{j} = dA{j} * {name}_derivative({z})"]

    def update(self) -> str:
        s = self.shape
        if s.style == "class":
            return ""
        pairs = [(letter, i) for i in self.layers for letter in "Wb"]
        if s.style == "arguments":
            gradients = ", ".join(f"d{letter}{i}" for letter, i in pairs)
            body = [f"{letter}{i} = {letter}{i} - alpha * d{letter}{i}" for letter, i in pairs]
            return self.define(
                "update_params", f"{self.passed()}, {gradients}, alpha", [*body, f"return {self.passed()}"]
            )
        if s.style == "dict":
            body = ["for key in params:", '    params[key] = params[key] - alpha * grads["d" + key]', "return params"]
        else:
            body = ["return [p - alpha * g for p, g in zip(params, grads)]"]
        return self.define("update_params", "params, grads, alpha", body)


def corpus() -> Iterator[tuple[Shape, Fault | None, str]]:
    """Every correct program, and each of its broken ones after it."""
    for shape in shapes():
        yield shape, None, program(shape)
        for fault in applicable(shape):
            yield shape, fault, program(shape, fault.name)


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for i, (shape, fault, source) in enumerate(corpus()):
        (folder / f"{i:04d}.py").write_text(
            f"# {shape.name}: {fault.name if fault else 'right'}\n{source}", encoding="utf-8"
        )
    print(f"{folder}: {i + 1} programs")


if __name__ == "__main__":
    main()
