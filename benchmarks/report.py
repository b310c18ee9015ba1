"""docs/benchmarks.md from the figures in docs/benchmarks.json."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
REPORT, PICTURE = DOCS / "benchmarks.md", DOCS / "pictures" / "growth.png"
HEAD = """\
# Benchmarks

Written by `python benchmarks/run.py`. Every figure is a median over rounds, with its range. Machines differ: quote the
ratios, which are taken round by round.
"""
EPOCHS = """\
## One epoch of MNIST's 60,000 images

SGD with momentum, float32, shuffled mini-batches. Each peer starts from the same weights, takes the same batches and
has the same loss in the first epoch. chainrule keeps the images as bytes, and gathering and scaling them is in its
time; the peers' images are scaled to float32 beforehand. *Matrix products alone* are the five products of a step and
nothing else: the floor for anything that uses this BLAS. *PyTorch compiled* takes part in the first shape only, since
each of its processes compiles for half a minute before the clock starts.
"""
FULL_BATCH = """\
## One full-batch step on 60,000 images

*The tutorial's loop* is `two_layer.py`: float64, images as columns, new arrays at every step. chainrule adds up the
gradient over blocks of rows that stay in cache, from bytes.
"""
PREDICTION = """\
## Predicting, 784-128-10

From bytes to labels.
"""
PROFILE = """\
## Where a step's time goes, batches of 128

Microseconds, medians over an epoch. *Products* is the floor: the five matrix products of forward and backward.
"""
DEFORMING = """\
## Deforming MNIST's 60,000 images

Ranges of Cireşan et al. (2010): scaled, slanted, turned, and bent by smoothed noise; bilinear. Drawing the random
numbers is in both times. scipy.ndimage deforms image by image with `gaussian_filter` and `map_coordinates`, a tenth of
them, and its seconds are times ten.
"""
GROWTH = """\
## How the time grows

Seconds per epoch, one quantity varied at a time from 784-128-10, batches of 128, 60,000 images.

![Seconds per epoch against width, depth, batch and number of images, both axes logarithmic](pictures/growth.png)
"""
SHELL = """\
## From the shell

Whole processes, interpreter start and imports included; peak is resident memory.
"""
ACCURACY = """\
## From the shell to an accuracy

From process start to a model on disk, evaluation of the test set included: `chainrule train` beside the shortest
honest script of each peer (`benchmarks/shell/`). The candidates were the same for all: hidden units, epochs, batch, at
most 10 epochs for 98 %. Learning rates were set beforehand, 0.15 with momentum and 0.002 for scikit-learn's Adam, and
grew with the batch. Of each peer the fastest candidate was taken that cleared the mark on 10,000 validation images
(`python benchmarks/accuracy.py`), and ran once for each seed on all 60,000 images. A peer that a table lacks was not
installed, or had no candidate that cleared the mark on validation images.
"""


def write(results: dict) -> None:
    """Every part that has figures, in order."""
    lines = [HEAD]
    for name, section in SECTIONS.items():
        if name in results:
            lines += [section(results[name]["figures"]), f"Measured on {results[name]['machine']}.\n"]
    REPORT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


def epochs(figures: Any) -> str:
    """A table for each shape."""
    return EPOCHS + "".join(comparison(f, f"784-{f['work']['hidden']}-10, batch {f['work']['batch']}") for f in figures)


def full_batch(figures: Any) -> str:
    """A table for each shape."""
    return FULL_BATCH + "".join(comparison(figure, f"784-{figure['work']['hidden']}-10") for figure in figures)


def prediction(figures: Any) -> str:
    """A table for many images and for one."""
    counts = {10_000: "10,000 images", 1: "one image"}
    return PREDICTION + "".join(comparison(figure, counts[figure["work"]["batch"]]) for figure in figures)


def comparison(figure: dict, title: str) -> str:
    """Seconds of each peer and its ratio to the first."""
    own = next(iter(figure["seconds"].values()))
    title = f"{title}, {len(own)} rounds"
    lines = ["", f"| {title} | seconds | ÷ chainrule | peak MB |", "| --- | --- | --- | --- |"]
    for name, seconds in figure["seconds"].items():
        ratios = [theirs / ours for theirs, ours in zip(seconds, own, strict=True)]
        peak = f"{figure['megabytes'][name]:.0f}"
        lines.append(f"| {name} | {spread(seconds)} | {spread(ratios, 2)} | {peak} |")
    return "\n".join(lines) + "\n"


def profile(figures: Any) -> str:
    """One row a shape."""
    stages = list(figures[0]["microseconds"])
    lines = [f"| | {' | '.join(stages)} | of which products |", "| --- " * (len(stages) + 2) + "|"]
    for figure in figures:
        cells = " | ".join(f"{figure['microseconds'][stage]:.0f}" for stage in stages)
        lines.append(f"| 784-{figure['hidden']}-10 | {cells} | {figure['products']:.0f} |")
    return PROFILE + "\n" + "\n".join(lines) + "\n"


def deforming(figures: Any) -> str:
    """One row a library."""
    own = figures["chainrule"]
    lines = ["", "| | seconds | ÷ chainrule |", "| --- | --- | --- |"]
    for name, seconds in figures.items():
        ratios = [theirs / ours for theirs, ours in zip(seconds, own, strict=True)]
        lines.append(f"| {name} | {spread(seconds, 2)} | {spread(ratios, 1)} |")
    return DEFORMING + "\n".join(lines) + "\n"


def growth(figures: Any) -> str:
    """A picture, and its numbers."""
    draw_growth(figures)
    lines = []
    for name, points in figures.items():
        lines += ["", f"| {name} | {' | '.join(f'{x:,}' for x, _ in points)} |", "| --- " * (len(points) + 1) + "|"]
        lines.append(f"| seconds | {' | '.join(f'{y:.3f}' for _, y in points)} |")
    return GROWTH + "\n".join(lines) + "\n"


def draw_growth(figures: Any) -> None:
    """Four log-log panels."""
    from matplotlib.figure import Figure

    from chainrule.plots import save

    figure = Figure(figsize=(10, 2.8), layout="constrained")
    for ax, (name, points) in zip(figure.subplots(1, 4, sharey=True), figures.items(), strict=True):
        ax.loglog(*zip(*points, strict=True), marker="o", markersize=4, color="#1f5fa8")
        ax.set_xlabel(name)
        ax.minorticks_off()
        ax.set_xticks([x for x, _ in points], [f"{x:,}" for x, _ in points], rotation=45)
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("seconds per epoch")
    figure.axes[0].set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    PICTURE.parent.mkdir(exist_ok=True)
    save(figure, PICTURE)


def shell(figures: Any) -> str:
    """One row a command."""
    lines = ["", "| command | wall seconds | CPU seconds | peak MB |", "| --- | --- | --- | --- |"]
    for name, runs in figures.items():
        columns = [spread([run[key] for run in runs], digits) for key, digits in (("wall", 2), ("cpu", 2))]
        lines.append(f"| `{name}` | {' | '.join(columns)} | {spread([r['megabytes'] for r in runs], 0)} |")
    return SHELL + "\n".join(lines) + "\n"


def accuracy(figures: Any) -> str:
    """A table for each mark."""
    lines = []
    for mark, peers in figures.items():
        own = [run["seconds"] for run in peers["chainrule"]["runs"]]
        lines += [
            "",
            f"| to {mark} %, {len(own)} seeds | setting | seconds | ÷ chainrule | test accuracy | peak MB |",
            "| --- " * 6 + "|",
        ]
        for name, peer in peers.items():
            runs, setting = peer["runs"], peer["setting"]
            seconds = [run["seconds"] for run in runs]
            ratios = [theirs / ours for theirs, ours in zip(seconds, own, strict=True)]
            rate = f"{setting['learning-rate']:g}"
            words = f"{setting['hidden']} units, {setting['epochs']} epochs, batch {setting['batch-size']}, rate {rate}"
            reached = spread([run["accuracy"] for run in runs], 2)
            peak = max(run["megabytes"] for run in runs)
            lines.append(f"| {name} | {words} | {spread(seconds, 2)} | {spread(ratios, 2)} | {reached} | {peak:.0f} |")
    return ACCURACY + "\n".join(lines) + "\n"


def spread(values: list[float], digits: int | None = None) -> str:
    """Median (minimum to maximum); small values in a unit that reads."""
    if digits is None and statistics.median(values) < 0.01:
        return f"{1e3 * statistics.median(values):.3f} ms ({1e3 * min(values):.3f} to {1e3 * max(values):.3f})"
    digits = 3 if digits is None else digits
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


SECTIONS: dict[str, Callable[[Any], str]] = {
    "epochs": epochs,
    "full-batch": full_batch,
    "prediction": prediction,
    "profile": profile,
    "deforming": deforming,
    "growth": growth,
    "shell": shell,
    "accuracy": accuracy,
}
