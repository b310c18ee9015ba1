"""What is measured: each part is a function of the number of rounds that returns figures as JSON.

A peer is timed by `python benchmarks/measure.py PEER WORK`, in a process of its own.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from accuracy import time_to
from peers import FULL_BATCH_PEERS, PEERS, PREDICTION_PEERS
from processes import run_command
from work import Work, time_peer

SHAPES = (Work(128, 128), Work(800, 128, epochs=2), Work(128, 32, epochs=2))
FULL_BATCH = (Work(10, 0, epochs=6), Work(128, 0, epochs=4))


def epochs(rounds: int) -> Any:
    """Seconds per epoch of each shape and peer; what must be compiled for half a minute first, on one shape only."""
    quick = {name: peer for name, peer in PEERS.items() if name != "PyTorch compiled"}
    return [compare(PEERS if work is SHAPES[0] else quick, work, rounds) for work in SHAPES]


def full_batch(rounds: int) -> Any:
    """Seconds per full-batch step, beside the page's loop, which is the tutorials'."""
    return [compare(FULL_BATCH_PEERS, work, rounds) for work in FULL_BATCH]


def prediction(rounds: int) -> Any:
    """Seconds to predict 10,000 images, and one."""
    return [compare(PREDICTION_PEERS, Work(128, batch, epochs=5), rounds) for batch in (10_000, 1)]


def compare(peers: dict, work: Work, rounds: int) -> dict:
    """Every peer at hand on the same work, in turns; a first round warms up and does not count."""
    names = [name for name, (_, package) in peers.items() if package is None or importlib.util.find_spec(package)]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    losses, megabytes = {}, {}
    for turn in range(rounds + 1):
        for name in names:
            answer = in_own_process(name, work)
            losses[name], megabytes[name] = answer["loss"], answer["megabytes"]
            if turn:
                seconds[name].append(answer["seconds"])
    known = [loss for loss in losses.values() if np.isfinite(loss)]
    if known and max(known) - min(known) > 0.01 * max(known):  # of the first epoch: rounding grows with every step
        raise SystemExit(f"The peers did not do the same work: {work}, losses {losses}")
    print(work, {name: round(statistics.median(values), 4) for name, values in seconds.items()}, flush=True)
    return {"work": dataclasses.asdict(work), "seconds": seconds, "losses": losses, "megabytes": megabytes}


def in_own_process(name: str, work: Work) -> dict:
    """Time a peer in a new interpreter."""
    command = [sys.executable, __file__, name, json.dumps(dataclasses.asdict(work))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{name} failed on {work}:\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])


def profile(rounds: int) -> Any:
    """Microseconds of each stage of a warm step, 784-128-10 and 784-800-10, batches of 128."""
    return [profile_step(hidden, rounds) for hidden in (128, 800)]


def profile_step(hidden: int, rounds: int) -> dict:
    """Each stage on its own, again and again, the rest of the step running in between as it would."""
    from chainrule.nn.losses import cross_entropy
    from chainrule.nn.network import multilayer_perceptron
    from chainrule.nn.optimizers import SGD
    from chainrule.training.training import Training

    work = Work(hidden, 128)
    network = multilayer_perceptron((784, hidden, 10), rng=0)
    optimizer = SGD(0.05, momentum=0.9)
    training = Training(network, work.images.reshape(-1, 28, 28), work.labels, optimizer=optimizer, rng=0)
    order = next(work.orders())
    stages: dict[str, list[float]] = {name: [] for name in ("gather", "forward", "loss", "backward", "update", "step")}
    with training.at_work():
        for start in range(0, len(order) - 128, 128):
            marks = [time.perf_counter()]
            x, y = training.batch.gatherer.gather(order[start : start + 128], training.rng)
            marks.append(time.perf_counter())
            trace = network.forward(x, into=training.batch.objective.trace)
            marks.append(time.perf_counter())
            _, d = cross_entropy(trace.output, y, out=training.batch.objective.d)
            marks.append(time.perf_counter())
            network.backward(trace, d, into=training.batch.gradient)
            marks.append(time.perf_counter())
            optimizer.step(network, training.batch.gradient)
            marks.append(time.perf_counter())
            for name, microseconds in zip(stages, 1e6 * np.diff(marks), strict=False):
                stages[name].append(float(microseconds))
            stages["step"].append(1e6 * (marks[-1] - marks[0]))
    products = in_own_process("matrix products alone", Work(hidden, 128, epochs=rounds))["seconds"] * 1e6 / 469
    medians = {name: statistics.median(values) for name, values in stages.items()}
    return {"hidden": hidden, "microseconds": medians, "products": products}


def deforming(rounds: int) -> Any:
    """Seconds to deform MNIST's 60,000 images, by `Deformer` and, on a tenth of them, by scipy.ndimage."""
    from chainrule.data.deformations import PRESETS, Deformer

    deformation, images = PRESETS["ciresan-2010"], WORK_FOR_GROWTH.images.reshape(-1, 28, 28)
    deformer, rng = Deformer(deformation, (28, 28)), np.random.default_rng(0)
    room = np.empty((128, 784), np.float32)

    def ours() -> None:
        for start in range(0, len(images), 128):
            batch = images[start : start + 128]
            deformer.deform(batch, rng, room[: len(batch)])

    figures: dict[str, list[float]] = {"chainrule": [], "scipy.ndimage": []}
    for turn in range(rounds + 1):
        theirs = timed(lambda: by_scipy(images[::10], deformation, rng))
        seconds = {"chainrule": timed(ours), "scipy.ndimage": 10 * theirs}
        if turn:
            for name, value in seconds.items():
                figures[name].append(value)
    print("deforming", {name: round(statistics.median(values), 3) for name, values in figures.items()}, flush=True)
    return figures


def by_scipy(images: np.ndarray, ranges: Any, rng: np.random.Generator) -> None:
    """The same deformations as one would write them with scipy.ndimage, image by image."""
    from scipy import ndimage

    places = np.mgrid[:28, :28] - 13.5
    for image in images:
        scale, (down, right) = 1 + ranges.scaling * rng.uniform(-1, 1, 2), ranges.shift * rng.uniform(-1, 1, 2)
        angle, lean = np.radians(rng.uniform(-1, 1, 2) * (ranges.rotation, ranges.shear))
        turn_back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        back = np.diag(1 / scale) @ np.array([[1, 0], [np.tan(lean), 1]]) @ turn_back
        there = np.einsum("ab,bij->aij", back, places - np.array([down, right])[:, None, None]) + 13.5
        noise = rng.uniform(-1, 1, (2, 28, 28))
        there += ranges.alpha * ndimage.gaussian_filter(noise, ranges.sigma, mode="constant", axes=(1, 2))
        ndimage.map_coordinates(image.astype(np.float32), there, order=1)


def timed(work: Callable[[], None]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def growth(rounds: int) -> Any:
    """Seconds per epoch against width, depth, batch and number of examples, one varied at a time."""
    return {
        "hidden units": [(h, epoch_seconds((h,), 128, 60_000, rounds)) for h in (32, 64, 128, 256, 512, 1024, 2048)],
        "hidden layers of 128": [(k, epoch_seconds((128,) * k, 128, 60_000, rounds)) for k in (1, 2, 4, 8)],
        "batch": [(b, epoch_seconds((128,), b, 60_000, rounds)) for b in (8, 32, 128, 512, 2048, 8192)],
        "examples": [(n, epoch_seconds((128,), 128, n, rounds)) for n in (1_875, 7_500, 30_000, 60_000)],
    }


def epoch_seconds(hidden: tuple[int, ...], batch: int, examples: int, rounds: int) -> float:
    """The fastest of some epochs of `Training`, evaluation left out."""
    from chainrule.nn.network import multilayer_perceptron
    from chainrule.nn.optimizers import SGD
    from chainrule.training.training import Training

    work = WORK_FOR_GROWTH
    training = Training(
        multilayer_perceptron((784, *hidden, 10), rng=0),
        work.images.reshape(-1, 28, 28),
        work.labels,
        optimizer=SGD(0.01, momentum=0.9),
        rows=np.arange(examples),
        batch_size=batch,
        rng=0,
    )
    best = np.inf
    for _ in range(max(2, rounds // 2)):
        started = time.perf_counter()
        with training.at_work():
            for _ in range(training.steps_per_epoch):
                training._take_step(training._next_rows())
        training._position = 0
        best = min(best, time.perf_counter() - started)
    print("  ", hidden, batch, examples, round(best, 4), flush=True)
    return float(best)


WORK_FOR_GROWTH = Work(128, 128)


def shell(rounds: int) -> Any:
    """CPU seconds, wall seconds and peak memory of whole commands."""
    commands = (["--help"], ["train", "--data", "digits"], ["train", "--data", "mnist"])
    return {f"chainrule {' '.join(c)}": [measure_command(c) for _ in range(rounds)] for c in commands}


def measure_command(arguments: list[str]) -> dict:
    """One run of the command line; what it printed is nobody's."""
    ended = run_command([sys.executable, "-m", "chainrule", *arguments])
    return {name: ended[name] for name in ("wall", "cpu", "megabytes")}


#: Whole commands first: Linux counts what this process holds when it starts a command to that command's peak.
PARTS: dict[str, Callable[[int], Any]] = {
    "shell": shell,
    "accuracy": time_to,
    "epochs": epochs,
    "full-batch": full_batch,
    "prediction": prediction,
    "profile": profile,
    "deforming": deforming,
    "growth": growth,
}


if __name__ == "__main__":
    everyone = {**PEERS, **FULL_BATCH_PEERS, **PREDICTION_PEERS}
    print(json.dumps(time_peer(everyone[sys.argv[1]][0], Work(**json.loads(sys.argv[2])))))
