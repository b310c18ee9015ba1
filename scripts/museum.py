"""The museum of wrong gradients, and how well the doctor finds them: docs/museum.md and docs/museum.json.

    python scripts/museum.py            all of it, about five minutes on two cores
    python scripts/museum.py --sample   every 25th program of the corpus, printed and not written

Exhibits are mistakes of published code, each reduced to a program of our own writing. What a mistake does to accuracy
is measured: 784-32-10 on 10,000 of MNIST's training images, three epochs, five seeds, beside the healthy twin that
starts and shuffles alike.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from doctor_corpus import Shape, corpus, program
from numpy.typing import NDArray

from chainrule.data.datasets import load_dataset
from chainrule.doctor.examination import examine_here
from chainrule.doctor.reference import Layer, Mistake, Reference

DOCS = Path(__file__).parent.parent / "docs"
SEEDS, EPOCHS, BATCH, IMAGES = range(5), 3, 50, 10_000
#: Every so manieth program in continuous integration.
SAMPLE = 25
Array = NDArray[np.floating]


@dataclass(frozen=True)
class Exhibit:
    """A mistake of published code.

    Attributes
    ----------
    title, told : str
        What it is called, and what happens.
    found : str
        Where.
    source : str
        A program of our own with this mistake.
    mistakes : tuple of Mistake
        The same in the reference, which is trained.
    settings : dict
        Of the training: activation, output, loss, rate.
    """

    title: str
    told: str
    found: str
    source: str
    mistakes: tuple[Mistake, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()


def issue(repository: str, number: int, kind: str = "issues") -> str:
    """A link to where it was reported."""
    return f"[{repository} #{number}](https://github.com/{repository}/{kind}/{number})"


_RELU = Shape("arguments", True, (32,), "relu", "softmax")
_COMPUTED = Shape("dict", False, (32,), "relu", "softmax", "cross-entropy")
_SIGMOIDS = Shape("class", False, (32,), "sigmoid", "sigmoid")
_SQUARES = Shape("class", False, (32,), "sigmoid", "sigmoid", "squares")
_DROPPED = Shape("dict", False, (32,), "relu", "softmax", "cross-entropy", dropout=True)
_TUTORIAL = "the first of the tutorials that this project grew from, and the most copied of its kind"
_OF_SIGMOIDS = (("activation", "sigmoid"), ("output", "sigmoid"), ("loss", "half the squares"), ("rate", 1.0))


def edited(shape: Shape, *changes: tuple[str, str]) -> str:
    """A correct program with some lines changed."""
    text = program(shape)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def exhibits() -> list[Exhibit]:
    """All of them, in the order of the rooms."""
    softmax = "    E = np.exp(Z - Z.max(axis=0, keepdims=True))\n"
    return [
        Exhibit("One number for all biases", "The bias gradient is summed over units and examples alike.",
                f"{_TUTORIAL}; also {issue('rasbt/stat453-deep-learning-ss21', 5)}",
                program(_RELU, "bias over everything"), (Mistake("bias over everything"),)),
        Exhibit("Softmax without a net", "exp of the logits as they are: with pixels from 0 to 255 it is soon infinity "
                "over infinity.", _TUTORIAL, edited(_RELU, (softmax, "    E = np.exp(Z)\n")), (),
                (("softmax", "bare"), ("pixels", 255.0), ("scale", 1.5), ("rate", 1e-5))),
        Exhibit("As many classes as the largest label", "`one_hot` counts its classes in the batch, and one day a "
                "batch has no nine.", _TUTORIAL, edited(Shape("arguments", True, (32,), "relu", "softmax", labels=True),
                ("np.eye(classes)[Y].T", "np.eye(Y.max() + 1)[Y].T"), ("def one_hot(Y, classes)", "def one_hot(Y)"),
                ("one_hot(Y, A2.shape[0])", "one_hot(Y)")), (), (("one_hot", "batch"),)),
        Exhibit("A stray 2", "The derivative of a square, before cross-entropy's A − Y: a learning rate that is twice "
                "what it says.", "the second of the tutorials that this project grew from",
                program(_RELU, "factor 2 in the output's error"), (Mistake("factor of delta", 1, 2.0),)),
        Exhibit("The loudest example sets the volume", "Softmax subtracts the largest logit of the whole batch; beside "
                "one loud example all others vanish.", "the second of the tutorials that this project grew from",
                edited(_RELU, ("Z.max(axis=0, keepdims=True)", "np.max(Z)")), (),
                (("softmax", "batch"), ("pixels", 255.0), ("scale", 1.5), ("rate", 1e-5))),
        Exhibit("The mean of a sum", "The weights' gradient is a sum over the batch, the bias's a mean.",
                issue("kvfrans/notes", 5), edited(_COMPUTED, ("db2 = np.sum(dZ2, axis=0, keepdims=True) / m",
                "db2 = np.sum(dZ2, axis=0, keepdims=True) / m / m")), (Mistake("factor of bias", 1, 1 / BATCH),)),
        Exhibit("A bias with an input", "The bias gradient is multiplied by the layer's input.",
                issue("rust0258/Deeplearning.ai-Natural-Language-Processing-Specialization", 64),
                edited(_COMPUTED, ("db2 = np.sum(dZ2, axis=0, keepdims=True) / m",
                                   "db2 = np.sum(dW2, axis=0, keepdims=True)"),
                       ("db1 = np.sum(dZ1, axis=0, keepdims=True) / m", "db1 = np.sum(dW1, axis=0, keepdims=True)")),
                (Mistake("bias through the input"),)),
        Exhibit("Errors walk back, gradients don't", "What goes back to the hidden layer is the error, without the "
                "derivative of the output's sigmoid.",
                issue("makeyourownneuralnetwork/makeyourownneuralnetwork", 88),
                edited(_SQUARES, ("dA1 = dZ2 @ self.W2.T", "dA1 = (self.A2 - Y) @ self.W2.T")),
                (Mistake("error passed on", 1),), _OF_SIGMOIDS),
        Exhibit("No derivative at the output", "With squares as the loss, A − Y is not yet the gradient.",
                f"{issue('jiexunsee/Neural-Network-with-Python', 1)}; "
                f"{issue('Bot-Academy/NeuralNetworkFromScratch', 3, 'pull')}",
                program(_SQUARES, "gradient of another loss"), (Mistake("difference"),), _OF_SIGMOIDS),
        Exhibit("Updated too early", "The output's weights are changed before the gradient goes back through them.",
                f"{issue('joelgrus/data-science-from-scratch', 31)}; {issue('VikParuchuri/zero_to_gpt', 12)}; "
                f"{issue('CodingTrain/Toy-Neural-Network-JS', 72)}",
                program(_SIGMOIDS, "weights updated too early"), (Mistake("updated weight", 1, 0.1),),
                (("rate", 0.1),)),
        Exhibit("Dropped forward, not back", "Dropout's mask is missing on the way back.",
                issue("ddbourgin/numpy-ml", 94), program(_DROPPED, "mask missing"), (Mistake("mask missing"),),
                (("dropout", 0.2),)),
        Exhibit("The forgotten 1/(1 − p)", "The mask comes back, its scale does not.",
                f"reported beside a missing mask in {issue('rohitg00/ai-engineering-from-scratch', 17, 'pull')}",
                program(_DROPPED, "mask's scale missing"), (Mistake("mask scale missing"),), (("dropout", 0.2),)),
        Exhibit("Larger batch, larger step", "The gradient of a weight is not divided by m, that of its bias is.",
                issue("hunkim/DeepLearningZeroToAll", 173), program(_RELU, "1/m forgotten in a weight"),
                (Mistake("factor of weight", 1, float(BATCH)),), (("rate", 0.1),)),
        Exhibit("Softmax taken for a sigmoid", "Softmax is taken back as p (1 − p), as if each output knew its own "
                "logit alone.", f"{issue('neuroph/neuroph', 37)}; "
                f"{issue('SebLague/Neural-Network-Experiments', 5, 'pull')}; "
                f"{issue('RoboticsClubIITJ/ML-DL-implementation', 153, 'pull')}",
                edited(_COMPUTED, ("dZ2 = A2 - Y", "dZ2 = (-Y / A2) * A2 * (1 - A2)")), (Mistake("softmax diagonal"),)),
        Exhibit("One derivative fits all", "Every layer goes back with the sigmoid's derivative, whatever it was "
                "forward.",
                issue("ttezel/nn", 8), program(Shape("dict", False, (32,), "tanh", "softmax", "cross-entropy"),
                "another activation's derivative"), (Mistake("other derivative", 0, "sigmoid"),),
                (("activation", "tanh"),)),
        Exhibit("No derivative at all", "The hidden layer's activation has no part in the way back.",
                f"reported of the output's sigmoid in {issue('Bot-Academy/NeuralNetworkFromScratch', 3, 'pull')}, here "
                "in the hidden layer", program(_RELU, "derivative missing"), (Mistake("derivative missing", 0),)),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------- what it does to accuracy


@dataclass(frozen=True)
class Settings:
    """Of a training of the reference."""

    activation: str = "ReLU"
    output: str = "softmax"
    loss: str = "cross-entropy"
    rate: float = 0.2
    pixels: float = 1.0
    scale: float = 1.0
    dropout: float = 0.0
    softmax: str = "stable"
    one_hot: str = "fixed"


def train(settings: Settings, mistakes: tuple[Mistake, ...], seed: int) -> float:
    """Test accuracy after some epochs of plain gradient descent; a training that stops keeps what it has."""
    data = load_dataset("mnist")
    x = data.train_images[:IMAGES].reshape(IMAGES, -1) / (255 / settings.pixels)
    x_test = data.test_images.reshape(len(data.test_images), -1) / (255 / settings.pixels)
    labels = data.train_labels[:IMAGES]
    rng = np.random.default_rng(seed)
    layers = [rng.standard_normal((n, k)) * np.sqrt(2 / n) * settings.scale for n, k in ((784, 32), (32, 10))]
    weights, biases = layers, [np.zeros(32), np.zeros(10)]
    gradients = _gradients_of(settings, mistakes)
    for _ in range(EPOCHS):
        order = rng.permutation(IMAGES)
        for start in range(0, IMAGES, BATCH):
            rows = order[start : start + BATCH]
            if settings.one_hot == "batch" and labels[rows].max() < 9:
                return _accuracy(settings, weights, biases, x_test, data.test_labels)  # shapes no longer fit
            step = gradients(weights, biases, x[rows], np.eye(10)[labels[rows]], rng)
            for i, (d_weight, d_bias) in enumerate(step):
                weights[i] = weights[i] - settings.rate / BATCH * d_weight
                biases[i] = biases[i] - settings.rate / BATCH * d_bias
    return _accuracy(settings, weights, biases, x_test, data.test_labels)


def _gradients_of(settings: Settings, mistakes: tuple[Mistake, ...]) -> Callable[..., list[tuple[Array, Array]]]:
    def gradients(w: list[Array], b: list[Array], x: Array, y: Array, rng: np.random.Generator) -> list:
        masks = ()
        if settings.dropout:
            masks = ((rng.random((len(x), 32)) >= settings.dropout) / (1 - settings.dropout),)
        if settings.softmax != "stable":
            return _by_hand(settings, w, b, x, y)
        layers = (Layer(w[0], b[0], settings.activation), Layer(w[1], b[1], settings.output))
        return Reference(layers, x, y, settings.loss, masks=masks).gradients(*mistakes)

    return gradients


def _by_hand(settings: Settings, w: list[Array], b: list[Array], x: Array, y: Array) -> list[tuple[Array, Array]]:
    """The right gradient, of a softmax that is not stable."""
    z1 = x @ w[0] + b[0]
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w[1] + b[1]
    e = np.exp(z2 - (z2.max() if settings.softmax == "batch" else 0))
    d2 = e / e.sum(axis=1, keepdims=True) - y
    d1 = (d2 @ w[1].T) * (z1 > 0)
    return [(x.T @ d1, d1.sum(axis=0)), (a1.T @ d2, d2.sum(axis=0))]


def _accuracy(settings: Settings, w: list[Array], b: list[Array], x: Array, labels: NDArray[np.integer]) -> float:
    layers = (Layer(w[0], b[0], settings.activation), Layer(w[1], b[1], settings.output))
    output = Reference(layers, x, np.zeros((len(x), 10))).forward()[1][-1]
    return float(np.mean(output.argmax(axis=1) == labels))  # of NaN it is 0, which everybody then reads


def measure(exhibit: Exhibit) -> dict:
    """What the doctor says, and both accuracies over five seeds."""
    settings = dict(exhibit.settings)
    healthy = {k: v for k, v in settings.items() if k not in ("softmax", "one_hot")}
    with np.errstate(all="ignore"):
        sick = [train(Settings(**settings), exhibit.mistakes, seed) for seed in SEEDS]
        well = [train(Settings(**healthy), (), seed) for seed in SEEDS]
    examination = _examine(exhibit.source)
    says = [d.sentence for d in examination["diagnoses"]] + examination["wrong"] + examination["fragile"]
    return {
        "title": exhibit.title,
        "sick": 100 * statistics.median(sick),
        "well": 100 * statistics.median(well),
        "differences": [round(100 * (a - b), 2) for a, b in zip(sick, well, strict=True)],
        "says": says[0] if says else "",
        "code": examination["diagnoses"][0].code if examination["diagnoses"] else "",
        "right": examination["right"],
    }


# ------------------------------------------------------------------------------------------- the corpus


def _examine(source: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.py"
        path.write_text(source, encoding="utf-8")
        examination = examine_here(path)
    return {
        "right": examination.right,
        "diagnoses": examination.diagnoses,
        "wrong": examination.wrong,
        "fragile": examination.fragile,
    }


def judge(item: tuple[int, str, str, tuple[str, ...], str]) -> dict:
    """One program of the corpus: whether the doctor calls it wrong, and what it names first."""
    number, shape, fault, codes, source = item
    try:
        examination = _examine(source)
    except Exception as error:
        return {"number": number, "shape": shape, "fault": fault, "verdict": f"{type(error).__name__}: {error}"}
    first = examination["diagnoses"][0].code if examination["diagnoses"] else ""
    return {
        "number": number,
        "shape": shape,
        "fault": fault,
        "verdict": "right" if examination["right"] else "wrong",
        "first": first,
        "named": first in codes,
    }


def judge_corpus(every: int = 1) -> list[dict]:
    """The corpus, or every so manieth of its programs."""
    items = [
        (i, shape.name, fault.name if fault else "", fault.codes if fault else (), source)
        for i, (shape, fault, source) in enumerate(corpus())
    ]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        return pool.map(judge, items[::every], chunksize=4)


def figures(judged: list[dict]) -> dict[str, int]:
    """How many were right, wrong, found and named."""
    broken = [one for one in judged if one["fault"]]
    return {
        "correct": len(judged) - len(broken),
        "false_alarms": sum(one["verdict"] != "right" for one in judged if not one["fault"]),
        "broken": len(broken),
        "found": sum(one["verdict"] == "wrong" for one in broken),
        "named": sum(bool(one.get("named")) for one in broken),
    }


PAGE = """# The museum of wrong gradients

Each of these was published, and each still learns. That is why nobody noticed. What is shown is a program of our own
writing with the same mistake; the accuracy is that of 784-32-10 on {images:,} of MNIST's training images after three
epochs, the median of five seeds, beside a healthy twin that starts and shuffles alike. What the doctor says is what
`chainrule doctor` prints first.

{rooms}

## How well the doctor finds them

A corpus of {correct} correct programs (rows and columns, one to four layers, arguments, dicts, lists and classes, four
activations, softmax and sigmoid, cross-entropy and squares, L2, dropout, float32), and each of them broken in every way
that applies, {broken} in all.

| | measured | must be |
| --- | --- | --- |
| correct programs called wrong | {false_alarms} of {correct} | 0 |
| wrong gradients found | {found} of {broken}, {found_percent:.1f} % | 99 % |
| the right diagnosis named first | {named} of {broken}, {named_percent:.1f} % | 85 % |

| mistake | programs | found | named first |
| --- | --- | --- | --- |
{table}

Again: `python scripts/museum.py`; the programs themselves: `python scripts/doctor_corpus.py FOLDER`. The corpus is
ours, and the doctor was mended on it, so these figures say what it can do there; other people's code is more
inventive.
"""


def page(rooms: list[dict], judged: list[dict]) -> str:
    """docs/museum.md."""
    counts = figures(judged)
    faults = Counter(one["fault"] for one in judged if one["fault"])
    rows = []
    for fault, count in faults.items():
        of = [one for one in judged if one["fault"] == fault]
        found = sum(one["verdict"] == "wrong" for one in of)
        rows.append(f"| {fault} | {count} | {found} | {sum(bool(one.get('named')) for one in of)} |")
    texts = []
    for number, (exhibit, room) in enumerate(zip(exhibits(), rooms, strict=True), start=1):
        low, high = min(room["differences"]), max(room["differences"])
        texts.append(
            f"### {number}. {exhibit.title}\n\n{exhibit.told}\n\n"
            f"- Found in: {exhibit.found}\n"
            f"- Accuracy: **{room['sick']:.1f} %**, its healthy twin {room['well']:.1f} % "
            f"(differences from {low:+.1f} to {high:+.1f} points)\n"
            f"- The doctor: {room['says']}"
        )
    return PAGE.format(
        images=IMAGES,
        rooms="\n\n".join(texts),
        table="\n".join(rows),
        found_percent=100 * counts["found"] / counts["broken"],
        named_percent=100 * counts["named"] / counts["broken"],
        **counts,
    )


def main() -> None:
    """Examine, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", action="store_true", help=f"every {SAMPLE}th program, printed and not written")
    if parser.parse_args().sample:
        print(json.dumps(figures(judge_corpus(SAMPLE))))
        return
    judged = judge_corpus()
    print(json.dumps(figures(judged)))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        rooms = pool.map(measure, exhibits(), chunksize=1)
    (DOCS / "museum.json").write_text(
        json.dumps({"figures": figures(judged), "rooms": rooms, "corpus": judged}, indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    (DOCS / "museum.md").write_text(page(rooms, judged), encoding="utf-8")


if __name__ == "__main__":
    main()
