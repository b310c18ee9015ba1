"""Time chainrule beside PyTorch, and from the shell; write docs/benchmarks.md.

    python benchmarks/run.py            three minutes; run nothing else meanwhile

Peers run in processes of their own, in turns, on the same data, initial weights and batches, and must end at the same
loss. Machines differ, so the ratios are what to quote; each is the median over the rounds, with its range.
PyTorch is left out where it is not installed.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

HIDDEN, BATCH, RATE, MOMENTUM, DECAY = 128, 128, 0.1, 0.9, 1e-4
INTRODUCTION = """\
# Benchmarks

Written by `python benchmarks/run.py`. Every figure is a median over rounds, with its range. Machines differ; quote the
ratios.

Measured on {machine}, {versions}, BLAS: {blas}.

## One epoch of MNIST, 784-{hidden}-10, batches of {batch}, SGD with momentum, float32

Each peer starts from the same weights, takes the same batches and ends at the same loss. Gathering and scaling the
images is included for chainrule, which keeps them as bytes; PyTorch's are scaled beforehand.

| | seconds per epoch | ÷ chainrule | mean loss of the last epoch |
| --- | --- | --- | --- |
"""
SHELL = """
## From the shell

Whole processes, interpreter start and imports included; peak is resident memory.

| command | wall seconds | CPU seconds | peak MB |
| --- | --- | --- | --- |
"""
REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    """Measure everything, or (internally) one peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(PEERS[options.peer]()))
        return
    peers = [peer for peer in PEERS if importlib.util.find_spec(peer)]
    epochs = measure_epochs(peers, options.rounds)
    shell = measure_shell(options.rounds)
    REPORT.write_text(report(epochs, shell))
    print(REPORT.read_text())


# ------------------------------------------------------------------------------------------ one epoch, by each peer


def start_values():
    """The same images, labels, weights and batches for every peer."""
    from chainrule.data.datasets import load_dataset
    from chainrule.nn.network import multilayer_perceptron

    mnist = load_dataset("mnist")
    network = multilayer_perceptron((784, HIDDEN, 10), rng=0)
    orders = [np.random.default_rng(epoch).permutation(len(mnist.train_labels)) for epoch in range(3)]
    return mnist.train_images, mnist.train_labels, network, orders


def run_chainrule() -> dict:
    """Seconds of each epoch, and the last epoch's mean loss, by `Training`."""
    from chainrule.nn.optimizers import SGD
    from chainrule.training.training import Training

    images, labels, network, orders = start_values()
    optimizer = SGD(RATE, momentum=MOMENTUM, weight_decay=DECAY)
    training = Training(network, images, labels, optimizer=optimizer, batch_size=BATCH, epochs=len(orders) + 1)
    seconds, losses = [], []
    for order in orders:
        started = time.perf_counter()
        losses = []
        for first in range(0, len(order), BATCH):
            training._take_step(order[first : first + BATCH])
            losses.append(training._losses[-1])
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "loss": statistics.fmean(losses)}


def run_torch() -> dict:
    """The same in PyTorch, eager, fused SGD, images scaled beforehand."""
    import torch

    images, labels, network, orders = start_values()
    x = torch.from_numpy(images.reshape(len(images), -1)).float() / 255
    y = torch.from_numpy(labels)
    model = torch.nn.Sequential(torch.nn.Linear(784, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10))
    with torch.no_grad():
        for linear, dense in ((model[0], network.layers[0]), (model[2], network.layers[2])):
            linear.weight.copy_(torch.from_numpy(dense.weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(dense.bias.copy()))
    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, fused=True)
    seconds, losses = [], []
    for order in orders:
        started = time.perf_counter()
        losses = []
        for rows in torch.from_numpy(order).split(BATCH):
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "loss": float(torch.stack(losses).mean())}


PEERS = {"chainrule": run_chainrule, "torch": run_torch}


def measure_epochs(peers: list[str], rounds: int) -> dict:
    """The fastest epoch of each round and peer, in turns; the first round warms up and does not count."""
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    losses = {}
    for turn in range(rounds + 1):
        for peer in peers:
            command = [sys.executable, __file__, "--peer", peer]
            answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            losses[peer] = answer["loss"]
            if turn:
                seconds[peer].append(min(answer["seconds"]))
    if max(losses.values()) - min(losses.values()) > 1e-3:
        raise SystemExit(f"The peers did not do the same work; their losses are {losses}.")
    return {"seconds": seconds, "losses": losses}


# ------------------------------------------------------------------------------------------------- from the shell


def measure_shell(rounds: int) -> dict:
    """CPU seconds, wall seconds and peak memory of whole commands."""
    commands = {
        "chainrule --help": ["--help"],
        "chainrule train --data digits": ["train", "--data", "digits"],
        "chainrule train --data mnist": ["train", "--data", "mnist"],
    }
    return {name: [measure_command(arguments) for _ in range(rounds)] for name, arguments in commands.items()}


def measure_command(arguments: list[str]) -> dict:
    """One run of the command line in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "chainrule", *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"chainrule {' '.join(arguments)} ended with {process.returncode}.")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1000}


# ------------------------------------------------------------------------------------------------------- the report


def spread(values: list[float], digits: int = 2) -> str:
    """Median (minimum to maximum)."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def report(epochs: dict, shell: dict) -> str:
    """docs/benchmarks.md."""
    seconds = epochs["seconds"]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("chainrule", "numpy", *(["torch"] * ("torch" in seconds)))
    )
    machine = f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}"
    lines = INTRODUCTION.format(
        machine=machine, versions=versions, blas=blas(), hidden=HIDDEN, batch=BATCH
    ).splitlines()
    for peer, values in seconds.items():
        ratios = [value / own for value, own in zip(values, seconds["chainrule"], strict=True)]
        lines.append(f"| {peer} | {spread(values, 3)} | {spread(ratios)} | {epochs['losses'][peer]:.4f} |")
    lines += SHELL.splitlines()
    for name, runs in shell.items():
        columns = (
            spread([run[key] for run in runs], digits) for key, digits in (("wall", 2), ("cpu", 2), ("megabytes", 0))
        )
        lines.append(f"| `{name}` | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def blas() -> str:
    """The BLAS library that NumPy calls, and its kernel where threadpoolctl can tell."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"])  # type: ignore[call-overload]
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return "; ".join(
        f"{p['internal_api']} {p['version']}, {p.get('architecture')} kernels, {p['num_threads']} threads"
        for p in pools
    )


if __name__ == "__main__":
    main()
