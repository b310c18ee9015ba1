"""Time training on several ranks, model it on more, and write docs/scaling.md.

    python benchmarks/scaling.py              everything: some minutes; run nothing else meanwhile
    python benchmarks/scaling.py ranks        only these parts; the others keep their last figures
    python benchmarks/scaling.py --report     measure nothing; write docs/scaling.md again, from docs/scaling.json and
                                              the graphics card's figures in docs/gpu.json

Parts: ranks, steps, allreduce, overlap, shuffling, reading. Every figure is measured in processes of their own, in
turns; medians count.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from run import machine
from scaling_report import write

from chainrule.data import streams
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import map_npy
from chainrule.data.streams import Shards
from chainrule.nn.losses import cross_entropy
from chainrule.parallel import Ranks, find_ranks
from chainrule.recipes import find_recipe, start
from chainrule.training.training import Training

RESULTS = Path(__file__).parent.parent / "docs" / "scaling.json"
DEEP = (2500, 2000, 1500, 1000, 500)
#: What is trained: a recipe, hidden units and batch, where they are not the recipe's own.
WORKS: dict[str, tuple[str, tuple[int, ...] | None, int | None]] = {
    "standard": ("standard", None, None),
    "784-800-10, batch 512": ("standard", (800,), 512),
    "784-800-10, batch 2,048": ("standard", (800,), 2048),
    "simard-2003": ("simard-2003", None, None),
    "784-2500-2000-1500-1000-500-10, batch 512": ("standard", DEEP, 512),
}
#: Processes and BLAS threads in each.
SET_UPS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 ranks, 1 thread each": (2, 1)}
MODELLED = {"784-128-10": (128,), "784-800-10": (800,), "784-2500-2000-1500-1000-500-10": DEEP}
BATCHES = (16, 64, 256, 1024)
BYTES = tuple(2**k for k in range(3, 27))


def main() -> None:
    """Measure the parts asked for, keep them beside the others, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--child", nargs=2, metavar=("TASK", "ARGUMENT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        task, argument = options.child
        together = find_ranks()
        found = TASKS[task](together, json.loads(argument))
        if together.leads:
            print(json.dumps(found))
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; known: {', '.join(PARTS)}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in [] if options.report else [part for part in PARTS if part in (options.parts or PARTS)]:
        print(f"{name} …", flush=True)
        results[name] = {"machine": machine(), "figures": PARTS[name](options.rounds)}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write(results)


# ------------------------------------------------------------------------------------------------ the parts


def ranks(rounds: int) -> Any:
    """Microseconds a step of each work in each set-up, in turns; a first round warms up and does not count."""
    figures = []
    for work in WORKS:
        rounded: dict[str, list[float]] = {name: [] for name in SET_UPS}
        for turn in range(rounds + 1):
            for name, (processes, threads) in SET_UPS.items():
                microseconds = in_processes(processes, threads, "steps", {"work": work})
                if turn:
                    rounded[name].append(microseconds)
        print(work, {name: round(statistics.median(values)) for name, values in rounded.items()}, flush=True)
        figures.append({"work": work, "microseconds": rounded})
    return figures


def steps(rounds: int) -> Any:
    """Microseconds a step on one core, by batch: what the model's straight line is laid through."""
    figures = []
    for name, hidden in MODELLED.items():
        asked = [{"hidden": hidden, "batch": batch} for batch in BATCHES]
        found = [[in_processes(1, 1, "steps", work) for _ in range(min(rounds, 3))] for work in asked]
        figures.append({"network": name, "batches": BATCHES, "microseconds": list(map(statistics.median, found))})
        print(figures[-1], flush=True)
    return figures


def allreduce(rounds: int) -> Any:
    """Microseconds of an Allreduce between two ranks, by size."""
    found = [in_processes(2, 1, "allreduce", {}) for _ in range(rounds)]
    return {"bytes": BYTES, "microseconds": [statistics.median(values) for values in zip(*found, strict=True)]}


def overlap(rounds: int) -> Any:
    """Microseconds a gradient and its sum: one sum at the end, or each layer's while the one before is on its way."""
    works = {"784-800-10": (800,), "784-2500-2000-1500-1000-500-10": DEEP}
    figures = []
    for name, hidden in works.items():
        found = [in_processes(2, 1, "overlap", {"hidden": hidden, "batch": 512}) for _ in range(rounds)]
        figures.append({"network": name, **{way: [f[way] for f in found] for way in found[0]}})
        print(figures[-1], flush=True)
    return figures


def shuffling(rounds: int) -> Any:
    """Test accuracy of `standard` on MNIST sorted by class, by how it is mixed; a window is a tenth of the pictures.

    Blocks are as many in a window as of a data set that is larger than memory, 668. The last line is what becomes of it
    where a window has too few blocks to hold all classes.
    """
    ways = {"full shuffle": 0, "blocks and windows": 9, "windows of two blocks": 3000}
    figures: dict[str, list[float]] = {}
    for name, block in ways.items():
        figures[name] = [in_processes(1, 1, "shuffling", {"block": block, "seed": seed}) for seed in range(rounds)]
        print(name, figures[name], flush=True)
    return figures


def reading(rounds: int) -> Any:
    """Seconds of an epoch of MNIST's training pictures, in memory and in files, four windows; in turns."""
    figures = []
    for hidden, batch in (((128,), 128), ((800,), 512)):
        found: dict[str, list[float]] = {"memory": [], "files": []}
        for turn in range(rounds + 1):
            for name, seconds in found.items():
                work = {"hidden": hidden, "batch": batch, "files": name == "files"}
                taken = in_processes(1, 1, "reading", work)
                if turn:
                    seconds.append(taken)
        figures.append({"network": "-".join(map(str, (784, *hidden, 10))), "batch": batch, "seconds": found})
        print(figures[-1], flush=True)
    return figures


PARTS: dict[str, Callable[[int], Any]] = {
    "ranks": ranks,
    "steps": steps,
    "allreduce": allreduce,
    "overlap": overlap,
    "shuffling": shuffling,
    "reading": reading,
}


def in_processes(count: int, threads: int, task: str, argument: Any) -> Any:
    """What rank 0 of that many new processes answers."""
    command = [sys.executable, __file__, "--child", task, json.dumps(argument)]
    if count > 1:
        command = [shutil.which("mpiexec") or "mpiexec", "-n", str(count), *command]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{task} {argument} failed on {count} processes:\n{run.stderr}")
    return json.loads(run.stdout.splitlines()[-1])


# ------------------------------------------------------------------------- what is done in processes of their own


def training_of(ranks: Ranks, work: str | None = None, hidden: tuple[int, ...] = (), batch: int = 0) -> Training:
    """A training on MNIST that never ends."""
    name, own_hidden, own_batch = WORKS[work] if work else ("standard", tuple(hidden), batch)
    recipe = find_recipe(name)
    changes: dict[str, Any] = {"epochs": 10_000}
    changes |= {"hidden": own_hidden} if own_hidden else {}
    changes |= {"batch_size": own_batch} if own_batch else {}
    recipe = dataclasses.replace(recipe, **changes)
    return start(recipe, load_dataset("mnist"), 0, ranks=ranks)


def time_steps(ranks: Ranks, work: dict[str, Any]) -> float:
    """Median microseconds of warm steps, over about two seconds."""
    training = training_of(ranks, **work)
    seconds = []
    with training.at_work():
        started = time.perf_counter()
        while not ranks.largest(int(len(seconds) > 10 and time.perf_counter() - started > 2)):
            if training._position + training.batch_size > len(training.rows):
                training._position = 0
            seconds.append(timed(lambda: training._take_step(training._next_rows())))
    return 1e6 * statistics.median(seconds[3:])


def time_allreduce(ranks: Ranks, _: Any) -> list[float]:
    """Median microseconds of a sum of each size."""
    found, world, in_place = [], ranks._world, ranks._mpi.IN_PLACE
    for size in BYTES:
        array = np.zeros(size // 4, np.float32)
        found.append(1e6 * median_seconds(ranks, lambda array=array: world.Allreduce(in_place, array)))
    return found


def time_overlap(ranks: Ranks, work: dict[str, Any]) -> dict[str, float]:
    """Both ways to come to the sum of all ranks' gradients, of the same batch."""
    training = training_of(ranks, **work)
    batch, network = training.batch, training.network
    x, labels = batch.gatherer.gather(np.arange(batch.capacity))
    objective, mpi, world = batch.objective, ranks._mpi, ranks._world

    def forward() -> np.ndarray:
        trace = network.forward(x, into=objective.trace)
        return cross_entropy(trace.output, labels, out=objective.d[: len(x)])[1]

    def at_the_end() -> None:
        network.backward(objective.trace, forward(), into=batch.gradient)
        world.Allreduce(mpi.IN_PLACE, batch.gradient)

    def layer_by_layer() -> None:
        d, views = forward(), objective.trace.views_of(batch.gradient, network)
        requests = []
        for i in range(len(network.layers) - 1, -1, -1):
            d = network._through(i, objective.trace, d, views[i], wanted=i > 0)
            requests += [world.Iallreduce(mpi.IN_PLACE, view) for view in views[i].values()]
        mpi.Request.Waitall(requests)

    with training.at_work():
        ways = {"at the end": at_the_end, "layer by layer": layer_by_layer}
        sums = {}
        for name, way in ways.items():
            way()
            sums[name] = batch.gradient.copy()
        np.testing.assert_allclose(sums["layer by layer"], sums["at the end"], rtol=1e-5, atol=1e-7)
        return {name: 1e6 * median_seconds(ranks, way) for name, way in ways.items()}


def train_sorted(_: Ranks, work: dict[str, int]) -> float:
    """The accuracy on the test images, once at the end, after learning from sorted ones; block 0: all shuffled."""
    mnist = load_dataset("mnist")
    order = np.argsort(mnist.train_labels, kind="stable")
    images, labels = mnist.train_images[order], mnist.train_labels[order]
    if work["block"]:
        streams.WINDOW_BYTES = 6016 * 784
        sorted_ = dataclasses.replace(mnist, stream=Shards([(images, labels)], block=work["block"]))
    else:
        sorted_ = dataclasses.replace(mnist, train_images=images, train_labels=labels)
    training = start(find_recipe("standard"), sorted_, work["seed"])
    for _report in training:
        pass
    return training.model.evaluate(mnist.test_images, mnist.test_labels).accuracy


def time_reading(_: Ranks, work: dict[str, Any]) -> float:
    """Median seconds of five epochs, reports aside, after one that does not count."""
    mnist = load_dataset("mnist")
    recipe = dataclasses.replace(
        find_recipe("standard"), hidden=tuple(work["hidden"]), batch_size=work["batch"], validation=0, epochs=100
    )
    with tempfile.TemporaryDirectory() as folder:
        if work["files"]:
            streams.WINDOW_BYTES = mnist.train_images.nbytes // 4
            arrays = {"images": mnist.train_images, "labels": mnist.train_labels.astype(np.uint8)}
            for name, array in arrays.items():
                np.save(Path(folder) / f"{name}.npy", array)
            stream = Shards([(map_npy(Path(folder) / "images.npy"), map_npy(Path(folder) / "labels.npy"))])
            mnist = dataclasses.replace(mnist, stream=stream)
        training = start(recipe, mnist)

        def epoch() -> None:
            for _step in range(training.steps_per_epoch):
                training._take_step(training._next_rows())
            training._position, training.epoch = 0, training.epoch + 1

        with training.at_work():
            return statistics.median([timed(epoch) for _turn in range(6)][1:])


TASKS: dict[str, Callable[[Ranks, Any], Any]] = {
    "steps": time_steps,
    "allreduce": time_allreduce,
    "overlap": time_overlap,
    "shuffling": train_sorted,
    "reading": time_reading,
}


def median_seconds(ranks: Ranks, work: Callable[[], Any]) -> float:
    """Of half a second's repetitions; all ranks do as many as the slowest thinks that is."""
    for _ in range(3):
        work()
    first = timed(work)
    count = ranks.largest(int(0.5 / first))
    return statistics.median(timed(work) for _ in range(max(10, min(2000, count))))


def timed(work: Callable[[], Any]) -> float:
    """Seconds it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
