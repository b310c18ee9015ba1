"""Time training on a graphics card beside PyTorch and JAX on the same card, and the `deep` recipe to its end.

    python benchmarks/gpu.py steps            microseconds a step, for each network, batch and library
    python benchmarks/gpu.py deep             seconds that the `deep` recipe takes, and what it reaches
    python benchmarks/gpu.py --report         measure nothing; print the table of docs/gpu.json

Figures go to docs/gpu.json. All libraries learn from the same images, weights and batches, with momentum, and must come
to the same loss. They take turns in one process; the median of the rounds counts, and a first round that does not.
"""

import argparse
import functools
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from work import MOMENTUM

from chainrule.data.datasets import load_dataset
from chainrule.devices import CPU, find_device
from chainrule.nn.initializers import he_normal
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import SGD
from chainrule.recipes import find_recipe, start
from chainrule.training.training import Training

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

RESULTS = Path(__file__).parent.parent / "docs" / "gpu.json"
NETWORKS = ((784, 128, 10), (784, 800, 10), (784, 2500, 2000, 1500, 1000, 500, 10))
BATCHES = (128, 512, 2048, 8192)
RATE = 0.01
STEPS, ROUNDS = 40, 3

Steps = Callable[[int], float]


def main() -> None:
    """Measure the parts asked for and keep them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--device", default="gpu", choices=("gpu", "cpu"), help="cpu: only to try this program out")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in [] if options.report else options.parts or list(PARTS):
        results[name] = {"machine": machine(options.device), "figures": PARTS[name](options.device)}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results.get("steps", {}).get("figures", [])))


def time_steps(device: str) -> list[dict[str, Any]]:
    """Every library in turns, on each network and batch."""
    figures = []
    for widths, batch in itertools.product(NETWORKS, BATCHES):
        work = Work(widths, batch)
        few = batch == BATCHES[0]  # to compile takes PyTorch long, and is worth most where a step is short
        steps = {name: prepare(work, device) for name, prepare in LIBRARIES.items() if few or "compiled" not in name}
        losses = {name: take(STEPS) for name, take in steps.items()}  # compiles, and checks that all do the same
        known = list(losses.values())
        if max(known) - min(known) > 0.02 * max(known):
            raise SystemExit(f"The libraries did not do the same work: {widths}, {batch}, {losses}")
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, take in steps.items():
                started = time.perf_counter()
                take(STEPS)
                seconds[name].append((time.perf_counter() - started) / STEPS)
        medians = {name: round(1e6 * statistics.median(values), 1) for name, values in seconds.items()}
        print("-".join(map(str, widths)), batch, medians, flush=True)
        figures.append({"widths": widths, "batch": batch, "microseconds": medians, "losses": losses})
        print(json.dumps(figures[-1]), flush=True)
    return figures


@functools.cache
def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MNIST's training images as bytes, their labels, and the images as rows of floats from 0 to 1."""
    mnist = load_dataset("mnist")
    rows = mnist.train_images.reshape(len(mnist.train_images), -1)
    return mnist.train_images, mnist.train_labels, rows.astype(np.float32) / 255


class Work:
    """Images, weights and batches that all libraries share."""

    def __init__(self, widths: tuple[int, ...], batch: int) -> None:
        self.widths, self.batch = widths, batch
        self.images, self.labels, self.scaled = images()
        rng = np.random.default_rng(0)
        shapes = list(itertools.pairwise(widths))
        self.weights = [he_normal(shape, rng).astype(np.float32) for shape in shapes]

    def rows(self, steps: int) -> Iterator[np.ndarray]:
        """The rows of each step, the same for all."""
        rng = np.random.default_rng(1)
        return (rng.integers(0, len(self.images), self.batch) for _ in range(steps))


def chainrule(work: Work, device: str) -> Steps:
    """`Training`, as `chainrule train` runs it."""
    network = multilayer_perceptron(work.widths)
    views = [block.view(network.parameters) for block in network.layout if block.decays]
    for view, weight in zip(views, work.weights, strict=True):
        view[...] = weight
    where = CPU if device == "cpu" else find_device(device)
    training = Training(
        network,
        work.images,
        work.labels,
        optimizer=SGD(RATE, momentum=MOMENTUM),
        batch_size=work.batch,
        epochs=10_000,
        device=where,
    )

    def take(steps: int) -> float:
        with training.at_work():
            for rows in work.rows(steps):
                training._take_step(rows)
            training._bring_losses()  # waits
            where.wait()
        return training._losses[-1]

    return take


def torch_steps(work: Work, device: str, *, compiled: bool = False) -> Steps:
    """PyTorch, fused SGD; eager, or the forward pass and loss through torch.compile."""
    import torch

    where = "cuda" if device == "gpu" else "cpu"
    x, y = torch.from_numpy(work.scaled).to(where), torch.from_numpy(work.labels).to(where)
    layers: list[Any] = []
    for (n_in, n_out), weight in zip(itertools.pairwise(work.widths), work.weights, strict=True):
        linear = torch.nn.Linear(n_in, n_out)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).to(where)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)

    def loss_of(images: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(images), labels)

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def take(steps: int) -> float:
        losses = []
        for rows in work.rows(steps):
            there = torch.from_numpy(rows).to(where)
            loss = loss_of(x[there], y[there])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses)[-1])  # waits

    return take


def torch_compiled(work: Work, device: str) -> Steps:
    """PyTorch through torch.compile."""
    return torch_steps(work, device, compiled=True)


def jax_steps(work: Work, device: str) -> Steps:
    """JAX, many steps compiled as one scan."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")  # float32, as the others compute
    x, y = jnp.asarray(work.scaled), jnp.asarray(work.labels)

    def loss_of(parameters: Any, images: Any, labels: Any) -> Any:
        *hidden, last = parameters
        for weight, bias in hidden:
            images = jnp.maximum(images @ weight + bias, 0)
        logits = images @ last[0] + last[1]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])

    def step(state: Any, rows: Any) -> Any:
        parameters, velocity = state
        loss, gradient = jax.value_and_grad(loss_of)(parameters, x[rows], y[rows])
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        return (jax.tree.map(lambda p, v: p - RATE * v, parameters, velocity), velocity), loss

    run = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows))
    parameters = [(jnp.asarray(weight), jnp.zeros(weight.shape[1])) for weight in work.weights]
    state = [(parameters, jax.tree.map(jnp.zeros_like, parameters))]

    def take(steps: int) -> float:
        state[0], losses = run(state[0], jnp.asarray(np.stack(list(work.rows(steps)))))
        return float(losses[-1])  # waits

    return take


LIBRARIES = {
    "chainrule": chainrule,
    "PyTorch eager": torch_steps,
    "PyTorch compiled": torch_compiled,
    "JAX": jax_steps,
}


def train_deep(device: str) -> dict[str, Any]:
    """The `deep` recipe from its start to its end; the test images are looked at once, then."""
    mnist = load_dataset("mnist")
    training = start(find_recipe("deep"), mnist, 0, CPU if device == "cpu" else find_device(device))
    for report in training:
        print(f"epoch {report.epoch}: {report.seconds:.1f} s, loss {report.loss:.4f}", flush=True)
    accuracy = training.model.evaluate(mnist.test_images, mnist.test_labels).accuracy
    return {"seconds": round(training.seconds, 1), "epochs": training.epochs, "test_accuracy": accuracy}


PARTS: dict[str, Callable[[str], Any]] = {"steps": time_steps, "deep": train_deep}


def machine(device: str) -> str:
    """What it was measured on, in one line."""
    name = platform.machine()
    if device == "gpu":
        import cupy

        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    packages = {"numpy": "numpy", "cupy": "cupy-cuda13x", "torch": "torch", "jax": "jax"}
    found = [f"{name} {version(package)}" for name, package in packages.items() if _has(package)]
    return f"{name}, Python {platform.python_version()}, {', '.join(found)}"


def _has(package: str) -> bool:
    try:
        return bool(version(package))
    except ImportError:
        return False


def table(figures: list[dict[str, Any]]) -> str:
    """Microseconds a step, as Markdown."""
    lines = ["| network | batch | " + " | ".join(LIBRARIES) + " |", "| --- " * (2 + len(LIBRARIES)) + "|"]
    for row in figures:
        measured = row["microseconds"]
        numbers = (f"{measured[name]:,.0f}" if name in measured else "–" for name in LIBRARIES)
        lines.append(f"| {'-'.join(map(str, row['widths']))} | {row['batch']:,} | {' | '.join(numbers)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
