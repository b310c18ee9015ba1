"""A file from end to end: read it, run its network on made-up examples, judge every gradient, say what is wrong.

A stranger's conventions are found out by trying: examples as rows or columns, labels as numbers or one-hot, sizes of
layers. Of all the ways in which the code can be run, the one that makes it look best counts; what is wrong even then is
wrong.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.binding import Calls
from chainrule.doctor.diagnosis import KINK, RIGHT, ROUNDING, WRONG, Finding, Report, compare, explain
from chainrule.doctor.differences import Parameters
from chainrule.doctor.hypotheses import Diagnosis, alike, explain_together, factor_names, in_words
from chainrule.doctor.layers import examine_layers, is_layer
from chainrule.doctor.names import DERIVATIVE
from chainrule.doctor.pieces import Pieces, examine_pieces
from chainrule.doctor.programs import Chosen, ClassProgram, Examples, Program, Step, find_programs
from chainrule.doctor.reference import LOSSES, USUAL, USUAL_OTHERWISE, Reference, identify
from chainrule.doctor.rehearsal import Loss, how_it_starts, learns_twenty, one_image_alone
from chainrule.doctor.source import Source, execute_definitions, read_source
from chainrule.errors import InputError

Array = NDArray[Any]

#: What a forward pass that draws, and so differs from call to call, is about.
_DRAWS = re.compile(r"dropout|keep_?prob|mask", re.IGNORECASE)

#: Sizes to try: few inputs and classes first, then what MNIST's code has written into it.
_SIZES = (
    {"inputs": 7, "hidden": 5, "hidden2": 4, "outputs": 3, "hiddens": [5], "sizes": [7, 5, 3]},
    {"inputs": 784, "hidden": 12, "hidden2": 11, "outputs": 10, "hiddens": [12], "sizes": [784, 12, 10]},
    {"inputs": 7, "hidden": 5, "hidden2": 4, "outputs": 3, "hiddens": [5, 4], "sizes": [7, 5, 4, 3]},
    {"inputs": 7, "hidden": 5, "hidden2": 4, "outputs": 1, "hiddens": [5], "sizes": [7, 5, 1]},
)
_FORMS = ("one-hot", "labels", "labels (1, N)", "labels (N, 1)")


@dataclass
class Judged:
    """One way to run a program, and what came of it."""

    program: Program
    examples: Examples
    report: Report
    loss: str
    assumed: bool
    reference: Reference | None
    fragile: list[str] = field(default_factory=list)
    certain: bool = False

    @property
    def wrong(self) -> int:
        """How many gradients are wrong."""
        return sum(finding.verdict == WRONG for finding in self.report.findings)


@dataclass
class Examination:
    """What the doctor says of a file.

    Attributes
    ----------
    file : str
    network : str
        What was recognised, in a line; empty where only pieces were examined.
    findings : tuple of Finding
    diagnoses : tuple of Diagnosis
    wrong : list of str
        Pieces that are wrong, each in a sentence.
    fragile : list of str
        What works now and will not always.
    """

    file: str
    network: str = ""
    findings: tuple[Finding, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    wrong: list[str] = field(default_factory=list)
    fragile: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong and all(finding.verdict != WRONG for finding in self.findings)


def examine_here(path: Path, chosen: Chosen | None = None) -> Examination:
    """Examine a file in this process, which runs its code.

    Parameters
    ----------
    path : a .py or .ipynb file
    chosen : Chosen, optional
        Which functions do what.

    Raises
    ------
    InputError
        If the file cannot be read, or holds nothing that can be examined; what was found is named.
    """
    source = read_source(path)
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence), np.errstate(all="ignore"):
        execute_definitions(source)
        return _examine(source, chosen or Chosen())


def _examine(source: Source, chosen: Chosen) -> Examination:
    calls = Calls(source.tree)
    result = Examination(str(source.path))
    pieces = examine_pieces(source)
    examine_layers(source, calls, pieces)
    result.wrong += pieces.wrong
    result.fragile += pieces.fragile
    best, reasons = _best_way(source, calls, chosen)
    if best is None:
        if not result.wrong and not _only_pieces(source, pieces):
            raise InputError(f"{source.path} could not be examined: {_shortest(reasons)}")
        result.network = f"only pieces: {', '.join(f'`{name}`' for name in pieces.examined)}"
        return result
    result.network = _described(best)
    result.findings, result.diagnoses = best.report.findings, best.report.diagnoses
    result.fragile += best.fragile
    wrong, fragile = _update_and_start(best)
    if not best.wrong:
        result.wrong += wrong
    result.fragile += fragile
    if not best.wrong and not wrong:
        result.fragile += _rehearse(best)
    return result


def _only_pieces(source: Source, pieces: Pieces) -> bool:
    """Whether there is nothing in a file that could be a network."""
    rest = [name for name in source.functions if name not in pieces.examined and not DERIVATIVE.search(name)]
    classes = [name for name in source.classes if f"class {name}" not in pieces.examined]
    return bool(pieces.examined) and not rest and not classes


def _shortest(reasons: Sequence[str]) -> str:
    unique = list(dict.fromkeys(reasons))
    return unique[0] if unique else "no network was found"


def _best_way(source: Source, calls: Calls, chosen: Chosen) -> tuple[Judged | None, list[str]]:
    """The way to run it that makes it look best, or why there is none."""
    best: Judged | None = None
    reasons: list[str] = []
    for sizes in _SIZES:
        try:
            for program in find_programs(source, calls, dict(sizes), chosen, is_layer):
                for judged in _ways(program, reasons):
                    if best is None or judged.wrong < best.wrong:
                        best = judged
                    if not best.wrong or (best.certain and not program.one_by_one):
                        return best, reasons
        except InputError as error:
            reasons.append(str(error))
        if best is not None:
            return best, reasons
    return best, reasons


def _ways(program: Program, reasons: list[str]) -> Iterator[Judged]:
    """Every way in which the program runs."""
    tried = 0
    for examples in _interpretations(program):
        if tried and len(examples.x) == 1 and not program.one_by_one:
            return  # a code that takes a batch is not asked about one example alone
        try:
            if isinstance(program, ClassProgram):
                program.keep_what_matters(examples)
            theta = _theta(program)
            step = program.step(theta, examples)
        except Exception as error:
            message = str(error) or type(error).__name__
            reasons.append(message if isinstance(error, InputError) else f"{type(error).__name__}: {message}")
            continue
        try:
            yield _judge(program, examples, theta, step)
            tried += 1
        except InputError as error:
            reasons.append(str(error))
        if tried >= 6:
            return


def _interpretations(program: Program) -> Iterator[Examples]:
    """Made-up examples in every convention that fits the parameters' shapes."""
    shapes = [a.shape for a in program.parameters.values() if a.ndim == 2 and min(a.shape) >= 1]
    matrices = [s for s in shapes if min(s) > 1] or shapes
    if not matrices:
        return
    first, last = matrices[0], matrices[-1]
    one = program.sizes.get("outputs") == 1
    conventions = ((True, True), (False, False), (False, True), (True, False))
    seen = set()
    for several, (columns, out_in), extra, form in itertools.product((True, False), conventions, (0, 1), _FORMS):
        d = (first[1] if out_in else first[0]) - extra  # a bias may be a column of the weights
        c = 1 if one else last[0] if out_in else last[1]
        if d < 1 or (several, columns, out_in, d, c, form) in seen:
            continue
        seen.add((several, columns, out_in, d, c, form))
        examples = _made_up(d, c, _distinct(c, shapes) if several else 1, columns, form)
        examples = replace(examples, out_in=out_in)
        yield examples
        if not several and form == "one-hot":
            yield replace(examples, flat=True)


def _distinct(classes: int, shapes: Sequence[tuple[int, ...]]) -> int:
    """How many examples: all classes among them, and as many as no layer has units."""
    taken = {n for shape in shapes for n in shape}
    count = max(classes + 1, 6)
    while count in taken or count - 1 in taken or math.gcd(count, 2 * classes) > 1:  # so that factors can be told apart
        count += 1
    return count


def _made_up(d: int, c: int, n: int, columns: bool, form: str) -> Examples:
    rng = np.random.default_rng(3)
    x = rng.uniform(0.05, 1, (n, d)) / math.sqrt(max(1, d / 16))
    if c == 1:
        y = (np.arange(n) % 2 == 0).astype(float)[:, np.newaxis]
    else:
        labels = np.concatenate([np.arange(c - 1, -1, -1), rng.integers(0, c, max(0, n - c))])[:n]
        y = np.eye(c)[labels]
    return Examples(x, y, columns, form)


def _theta(program: Program) -> Parameters:
    """Parameters as after some training: nothing zero, nothing saturated."""
    rng = np.random.default_rng(5)
    theta = {}
    for name, array in program.parameters.items():
        fan = max(array.shape) if array.ndim == 2 and min(array.shape) > 1 else 1
        scale = 1.4 / math.sqrt(min(fan, 64)) if fan > 1 else 0.3
        theta[name] = rng.standard_normal(array.shape) * scale
    return theta


# ------------------------------------------------------------------------------------------- one way


def _judge(program: Program, examples: Examples, theta: Parameters, step: Step) -> Judged:
    """A verdict on every gradient, under the loss that fits."""
    reference = _recognise(theta, examples, step)
    own = _own_losses(program, theta, examples)
    options = own or _assumed_losses(program, examples, step.output)
    if reference is not None and not own:
        options = _most_fitting(options, reference, theta, examples, step)
    judged = []
    for option in options:
        judged.append(_under(program, examples, theta, step, reference, option))
        if not judged[-1].wrong:
            return judged[-1]
    if not judged:
        raise InputError("no loss fits the outputs")
    least = min(one.wrong for one in judged)
    judged = [one for one in judged if one.wrong == least]
    if own and reference is not None:
        lenient = _lenient(judged[0], program, examples, theta, step, reference)
        if not lenient.wrong:
            return lenient
    explained = [_explained(one, theta, step) for one in judged]
    return next((one for one in explained if one.report.diagnoses), explained[0])


@dataclass(frozen=True)
class _LossOption:
    """A loss to judge by: its name, its value, and by what the gradient may be multiplied without being wrong."""

    name: str
    value: Any
    scales: tuple[float, ...]
    assumed: bool


def _own_losses(program: Program, theta: Parameters, examples: Examples) -> list[_LossOption]:
    """The file's own losses, as far as they can be called."""
    found = []
    for name in getattr(program, "loss_names", []):
        program.loss_name = name
        try:
            value = program.loss(theta, examples)
        except Exception:
            continue
        if math.isfinite(value) and value != 0:
            found.append(_LossOption(name, _LossOf(program, examples, name), (1.0,), assumed=False))
    return found


@dataclass
class _LossOf:
    """The file's own loss as a function of θ."""

    program: Program
    examples: Examples
    name: str

    def __call__(self, theta: Parameters) -> float:
        self.program.loss_name = self.name
        return self.program.loss(theta, self.examples)


def _assumed_losses(program: Program, examples: Examples, output: Array) -> list[_LossOption]:
    """What goes with such outputs, up to a factor of 1, m or 1/m."""
    n = len(examples.x)
    positive = bool((output > 0).all() and (output < 1).all())
    kind = "softmax" if positive and output.shape[1] > 1 and np.allclose(output.sum(axis=1), 1) else "sigmoid"
    names = USUAL[kind] if positive else USUAL_OTHERWISE

    def of(name: str) -> Any:
        return lambda theta: LOSSES[name].value(program.forward(theta, examples)[0], examples.y) / n

    return [_LossOption(name, of(name), (1.0, float(n), 1 / n), assumed=True) for name in names]


def _most_fitting(
    options: list[_LossOption], reference: Reference, theta: Parameters, examples: Examples, step: Step
) -> list[_LossOption]:
    """The one assumed loss, and the one scale, under which the fewest gradients are wrong by the reference."""
    layout = _layout(theta, examples) or []
    n = len(examples.x)
    counts: list[tuple[int, int, _LossOption]] = []
    for option in options:
        true = replace(reference, loss=option.name).gradients()
        for scale in option.scales:
            wrong = 0
            for (w, b), (d_weight, d_bias) in zip(layout, true, strict=True):
                wrong += not alike(_oriented(step.gradients[w], examples.out_in), d_weight * scale / n, 1e-4)
                wrong += b is not None and not alike(np.ravel(step.gradients[b]), d_bias * scale / n, 1e-4)
            counts.append((wrong, len(counts), replace(option, scales=(scale,))))
    least = min(wrong for wrong, _, _ in counts)
    return [option for wrong, _, option in counts if wrong == least][:4]


def _under(
    program: Program,
    examples: Examples,
    theta: Parameters,
    step: Step,
    reference: Reference | None,
    option: _LossOption,
) -> Judged:
    """The verdict under one loss."""
    best: Judged | None = None
    for scale in option.scales:
        scaled = {name: np.asarray(g) / scale for name, g in step.gradients.items()}
        findings = compare(option.value, theta, scaled, np.random.default_rng(0))
        report = Report(tuple(findings))
        judged = Judged(program, examples, report, option.name, option.assumed, reference)
        if best is None or judged.wrong < best.wrong:
            best = judged
        if not best.wrong:
            break
    assert best is not None
    best.fragile += _shape_notes(step.gradients, theta)
    return best


def _shape_notes(gradients: dict[str, Array], theta: Parameters) -> list[str]:
    return [
        f"The gradient of {name} has the shape {g.shape}, and {name} has {theta[name].shape}: NumPy will spread it."
        for name, g in gradients.items()
        if g.size == theta[name].size and g.shape != theta[name].shape and g.ndim < theta[name].ndim
        and theta[name].shape[0] != 1
    ]  # fmt: skip


def _lenient(
    judged: Judged, program: Program, examples: Examples, theta: Parameters, step: Step, reference: Reference
) -> Judged:
    """A loss that is only printed, as the mean over examples *and* classes, may differ by that from the gradient's."""
    n, c = examples.y.shape
    squares = LOSSES["squares"].value(step.output, examples.y) / (n * c)
    program.loss_name = judged.loss
    with contextlib.suppress(Exception):
        if not math.isclose(program.loss(theta, examples), squares, rel_tol=1e-9):
            return judged
        value = _LossOf(program, examples, judged.loss)
        for ratio in (c, c / 2, n * c, n * c / 2, n / 2):
            if ratio in (2.0, 0.5, 1.0):
                continue
            scaled = {name: np.asarray(g) / ratio for name, g in step.gradients.items()}
            findings = compare(value, theta, scaled, np.random.default_rng(0))
            if all(f.verdict != WRONG for f in findings):
                note = f"`{judged.loss}` is a mean over examples and classes; the gradient is {ratio:g} times its own."
                return Judged(
                    program, examples, Report(tuple(findings)), judged.loss, False, reference, [*judged.fragile, note]
                )
    return judged


def _explained(judged: Judged, theta: Parameters, step: Step) -> Judged:
    """Diagnoses for what is wrong: from the reference where it explains everything, else from each array alone."""
    program, examples = judged.program, judged.examples
    n = len(examples.x)
    names = factor_names(n, program.rate)
    reference = judged.reference
    layout = _layout(theta, examples)
    if reference is not None and layout is not None:
        reference = _with_loss(reference, judged, program, theta)
        given = [
            (_oriented(step.gradients[w], examples.out_in), None if b is None else np.asarray(step.gradients[b], float))
            for w, b in layout
        ]
        scales = (1 / n, 1.0, 1 / n**2) if judged.assumed else (_scale(judged, program, theta, reference),)
        explained = explain_together(reference, given, scales, names, program.rate)
        if explained is not None:
            diagnoses = tuple(in_words(m, reference, names, examples.columns) for m in explained.mistakes)
            judged.report = Report(judged.report.findings, diagnoses)
            judged.certain = len(diagnoses) == 1
            return judged
    option = _LossOf(program, examples, judged.loss) if not judged.assumed else _assumed_value(judged)
    judged.report = explain(judged.report.findings, option, theta, step.gradients, names)
    return judged


def _assumed_value(judged: Judged) -> Any:
    n = len(judged.examples.x)
    form = LOSSES[judged.loss]
    return lambda theta: form.value(judged.program.forward(theta, judged.examples)[0], judged.examples.y) / n


def _with_loss(reference: Reference, judged: Judged, program: Program, theta: Parameters) -> Reference:
    """The reference under the loss that the verdict was made by, with its penalty."""
    if judged.assumed:
        return replace(reference, loss=judged.loss)
    program.loss_name = judged.loss
    value = program.loss(theta, judged.examples)
    n, output, y = len(reference.x), reference.forward()[1][-1], judged.examples.y
    squares = sum(float((layer.weight**2).sum()) for layer in reference.layers)
    for scale in (1 / n, 1.0):
        for name, form in LOSSES.items():
            plain = form.value(output, y) * scale
            if math.isclose(value, plain, rel_tol=1e-7):
                return replace(reference, loss=name)
    for scale in (1 / n, 1.0):
        for name in ("cross-entropy", "binary cross-entropy", "half the squares"):
            rest = value - LOSSES[name].value(output, y) * scale
            strength = 2 * rest / squares
            for nice in (
                0.1,
                0.1 / n,
                0.2,
                0.2 / n,
                0.01,
                0.001,
                0.05,
                0.5,
                0.02,
                0.002,
                0.01 / n,
                0.001 / n,
                1e-4,
                0.7,
            ):
                if math.isclose(strength, nice, rel_tol=1e-6):
                    return replace(reference, loss=name, l2=strength / (scale * n))
    return reference


def _scale(judged: Judged, program: Program, theta: Parameters, reference: Reference) -> float:
    """By what the reference's sums are multiplied in the file's own loss."""
    program.loss_name = judged.loss
    value = program.loss(theta, judged.examples)
    n = len(reference.x)
    total = LOSSES[reference.loss].value(reference.forward()[1][-1], judged.examples.y)
    penalty = 0.5 * reference.l2 * n * sum(float((layer.weight**2).sum()) for layer in reference.layers)
    ratio = value / (total + penalty) if total + penalty else 1 / n
    return min((1 / n, 1.0), key=lambda s: abs(math.log(max(ratio, 1e-12) / s)))


# ------------------------------------------------------------------------------------------- recognising the layers


def _layout(theta: Parameters, examples: Examples) -> list[tuple[str, str | None]] | None:
    """Names of weight and bias of each layer in order, or None if the shapes make no chain."""
    d, c = examples.x.shape[1], examples.y.shape[1]
    weights = [n for n, a in theta.items() if a.ndim == 2 and (min(a.shape) > 1 or c == 1 or d == 1)]
    biases = [n for n, a in theta.items() if n not in weights or 1 in a.shape]
    chain: list[tuple[str, str | None]] = []
    width, left = d, list(weights)
    while left:
        for name in left:
            n_in, n_out = theta[name].shape[::-1] if examples.out_in else theta[name].shape
            if n_in == width and (name not in biases or len(left) <= 1 or theta[name].size > 1):
                bias = next(
                    (b for b in biases if b != name and theta[b].size == n_out and b not in [x for _, x in chain]), None
                )
                chain.append((name, bias))
                left.remove(name)
                left = [x for x in left if x != bias]
                width = n_out
                break
        else:
            return None
    return chain if chain and width == c and all(a in {x for p in chain for x in p} for a in theta) else None


def _oriented(array: Array, out_in: bool) -> Array:
    array = np.asarray(array, float)
    return array.T if out_in else array


def _recognise(theta: Parameters, examples: Examples, step: Step) -> Reference | None:
    """The reference network that gives the same outputs, with dropout's masks where there are any."""
    layout = _layout(theta, examples)
    if layout is None:
        return None
    weights = [_oriented(theta[w], examples.out_in) for w, _ in layout]
    biases = [None if b is None else theta[b].reshape(-1) for _, b in layout]
    found = identify(weights, biases, examples.x, examples.y, step.output)
    return found if found is not None else _with_masks(weights, biases, examples, step)


def _with_masks(weights: list[Array], biases: list[Array | None], examples: Examples, step: Step) -> Reference | None:
    """The same with masks that the forward pass left behind."""
    n = len(examples.x)
    masks: list[list[Array]] = []
    for w in weights[:-1]:
        shape = (w.shape[1], n) if examples.columns else (n, w.shape[1])
        candidates = [np.asarray(v, float) for v in _arrays(step.known.named.values()) if np.shape(v) == shape]
        candidates = [m for m in candidates if (m == 0).any() and len(np.unique(m)) == 2]
        masks.append([m.T if examples.columns else m for m in candidates[:2]])
    choices = [chosen for chosen in itertools.product(*([*of_layer, None] for of_layer in masks)) if _any_mask(chosen)]
    from chainrule.doctor.reference import ACTIVATIONS, OUTPUTS, Layer

    hidden = len(weights) - 1
    for scale, unscaled in itertools.product((1.0, 1 / 0.8, 2.0, 1 / 0.9, 1 / 0.7, 0.8, 0.5), choices):
        chosen = tuple(None if mask is None else mask * scale for mask in unscaled)
        for last in OUTPUTS:
            for name in list(ACTIVATIONS)[:6]:
                layers = tuple(
                    Layer(w, b, a) for w, b, a in zip(weights, biases, (name,) * hidden + (last,), strict=True)
                )
                reference = Reference(layers, examples.x, examples.y, masks=chosen)
                if alike(reference.forward()[1][-1], step.output):
                    return reference
    return None


def _any_mask(masks: Sequence[Array | None]) -> bool:
    """Whether there is one at all."""
    return any(mask is not None for mask in masks)


def _arrays(values: Any) -> Iterator[Array]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _arrays(value)
        elif isinstance(value, dict):
            yield from _arrays(value.values())


# ------------------------------------------------------------------------------------------- around the gradients


def _update_and_start(judged: Judged) -> tuple[list[str], list[str]]:
    """What is wrong with the update, and fragile in the initialisation."""
    program, examples = judged.program, judged.examples
    wrong: list[str] = []
    fragile: list[str] = []
    theta = _theta(program)
    with contextlib.suppress(Exception):
        step = program.step(theta, examples)
        if step.updated:
            moves = {
                n: np.asarray(step.updated[n]) - theta[n] for n in theta if step.updated[n].shape == theta[n].shape
            }
            spread = [n for n in theta if step.updated[n].shape != theta[n].shape]
            wrong += [
                f"`{program.update_name}` changes the shape of {n} from {theta[n].shape} to {step.updated[n].shape}: "
                "its gradient is spread. Sum with keepdims=True."
                for n in spread
            ]
            slope = sum(float(np.vdot(moves[n], step.gradients[n].reshape(theta[n].shape))) for n in moves)
            if slope > 0:
                wrong.append(f"`{program.update_name}` climbs: it adds the gradient. θ ← θ − α·∂ℓ/∂θ.")
            stuck = [n for n in moves if not moves[n].any() and np.any(step.gradients[n])]
            wrong += [f"`{program.update_name}` leaves {n} as it is." for n in stuck]
    fragile += _initialisation(program, examples)
    return wrong, fragile


def _initialisation(program: Program, examples: Examples) -> list[str]:
    """All equal, far too large, or a first loss far from ln C."""
    found = []
    matrices = {n: a for n, a in program.parameters.items() if a.ndim == 2 and min(a.shape) > 1}
    equal = [n for n, a in matrices.items() if np.ptp(a) == 0]
    if len(equal) == len(matrices) and len(matrices) > 1:
        return [f"All of {', '.join(equal)} start equal, so all hidden units stay alike. Draw them at random."]
    last_classes = examples.y.shape[1]
    with contextlib.suppress(Exception):
        program.reseed()
        x = np.random.default_rng(0).random(examples.x.shape)
        output, _ = program.forward(program.parameters, replace(examples, x=x))
        if not np.isfinite(output).all():
            found.append("With its own initial weights the network gives NaN or infinity for pixels in [0, 1].")
        elif output.min() >= 0 and last_classes > 1 and np.allclose(output.sum(axis=1), 1):
            loss = LOSSES["cross-entropy"].value(output, examples.y) / len(x)
            if loss > 3 * math.log(last_classes):
                found.append(
                    f"The first loss is {loss:.3g}, and ln {last_classes} = {math.log(last_classes):.3g} is what "
                    "knowing nothing costs: the initial weights are too large. Scale them by √(2 / inputs)."
                )
    return found


def _rehearse(judged: Judged) -> list[str]:
    """What a code with right gradients may still stumble over."""
    program, examples, reference = judged.program, judged.examples, judged.reference
    found: list[str] = []
    theta = _theta(program)
    drawn = bool(_DRAWS.search(ast.unparse(program.source.tree))) if reference is None else _any_mask(reference.masks)
    with contextlib.suppress(Exception):
        if len(examples.x) > 1 and not program.one_by_one and not drawn:
            found += one_image_alone(program, examples, theta, program.step(theta, examples).output)
    with contextlib.suppress(Exception):
        layout = _layout(theta, examples)
        if reference is not None and layout is not None:
            own = program.parameters
            layers = tuple(
                replace(
                    layer,
                    weight=_oriented(own[w], examples.out_in),
                    bias=None if b is None else np.asarray(own[b], float).reshape(-1),
                )
                for layer, (w, b) in zip(reference.layers, layout, strict=True)
            )
            found += how_it_starts(replace(reference, layers=layers))
    with contextlib.suppress(Exception):
        if len(examples.x) > 1 and not drawn and not found:
            found += learns_twenty(program, examples, _loss_of(judged))
    return found


def _loss_of(judged: Judged) -> Loss:
    """The loss that a program was judged by, for any examples."""
    if judged.assumed:
        value = LOSSES[judged.loss].value
        return lambda theta, examples: value(judged.program.forward(theta, examples)[0], examples.y) / len(examples.x)

    def own(theta: Parameters, examples: Examples) -> float:
        judged.program.loss_name = judged.loss
        return judged.program.loss(theta, examples)

    return own


def _described(judged: Judged) -> str:
    """What was recognised, in a line."""
    program, examples = judged.program, judged.examples
    layout = _layout(program.parameters, examples)
    parts = []
    if judged.reference is not None and layout is not None:
        sizes = [examples.x.shape[1], *(layer.weight.shape[1] for layer in judged.reference.layers)]
        parts.append("-".join(map(str, sizes)))
        parts.append(", ".join(layer.activation for layer in judged.reference.layers))
    else:
        parts.append(f"{len(program.parameters)} arrays of parameters")
    parts.append("examples are columns" if examples.columns else "examples are rows")
    if len(examples.x) == 1:
        parts.append("one example at a time")
    loss = judged.loss if judged.assumed else f"`{judged.loss}`"
    parts.append(f"loss: {loss}{', assumed' if judged.assumed else ''}")
    functions = ", ".join(f"`{name}`" for name in program.names.values())
    return f"{functions}: {'; '.join(parts)}"


__all__ = ["KINK", "RIGHT", "ROUNDING", "WRONG", "Diagnosis", "Examination", "examine_here"]
