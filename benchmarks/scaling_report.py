"""docs/scaling.md from the figures in docs/scaling.json and docs/gpu.json, with a model of more ranks."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from gpu import LIBRARIES, table

from chainrule import plots

DOCS = Path(__file__).parent.parent / "docs"
REPORT, PICTURE = DOCS / "scaling.md", DOCS / "pictures" / "scaling.png"
RANKS = (4, 8, 16, 32, 64, 128, 256)
GLOBAL_BATCHES = (512, 4096)
#: Latency in seconds and bandwidth in bytes a second; assumed, as such networks are commonly measured.
ASSUMED = {
    "Ethernet, 1 Gbit/s": (50e-6, 0.117e9),
    "Ethernet, 25 Gbit/s": (10e-6, 2.9e9),
    "InfiniBand, 100 Gbit/s": (2e-6, 12e9),
}
HEAD = """\
# Beyond one core and one memory: MPI, graphics cards and large data

Written by `python benchmarks/scaling.py`. Start several processes with `mpiexec -n 4 chainrule train …`; one graphics
card with `chainrule train --device gpu`. Both learn what one process learns, to rounding.
"""
STREAMS = """\
## Data larger than memory

A folder of more than a gigabyte of training pictures stays on disk. An epoch takes its blocks of 128 pictures in random
order, fills a window of 64 MB with them and takes the window's pictures in random order, while a thread reads the next
window. `tests/large.py` trains on 16 GB of pictures (in files that are holes, which take no room) and prints the most
memory that was resident, pages of mapped files included; a test holds it below 400 MB, and flat.

Sorted by class is the worst that can be. *Blocks and windows* has a tenth of MNIST in a window and 668 blocks in it, as
many as a large data set has; *windows of two blocks* shows what becomes of it where they are too few. The recipe is
`standard`; each network is tested once, at its end.
"""
MODEL = """\
## A model of more ranks

**Modelled, not measured.** A step on *p* ranks takes

    t(p) = a + b · N/p + 2 ⌈log₂ p⌉ α + 2 (p − 1)/p · bytes · β

where N is the batch of all ranks together, *a* what every rank does whatever its share (the update of θ, and Python)
and *b* what an example costs: a straight line through the measured steps on one core. α and 1/β are latency and
bandwidth of the network; an Allreduce by halving and doubling takes that long (Rabenseifner 2004). *Shared memory* is
fitted to the Allreduce measured here between two ranks, and says nothing of how many ranks share one memory's
bandwidth. The others are assumed. Cores are assumed to be as fast as here, and one rank to have one.
"""


def write(results: dict[str, Any]) -> None:
    """Write docs/scaling.md and its picture from whatever parts there are."""
    parts = [HEAD]
    for name, tell in (("ranks", tell_ranks), ("allreduce", tell_allreduce), ("overlap", tell_overlap)):
        if name in results:
            parts.append(f"{tell(results[name]['figures'])}\n\nMeasured on {results[name]['machine']}.\n")
    if {"steps", "allreduce", "ranks"} <= set(results):
        parts.append(tell_model(*(results[name]["figures"] for name in ("steps", "allreduce", "ranks"))))
    if {"shuffling", "reading"} <= set(results):
        parts.append(tell_streams(results["shuffling"], results["reading"]))
    if (path := DOCS / "gpu.json").exists():
        parts.append(tell_gpu(json.loads(path.read_text(encoding="utf-8"))))
    REPORT.write_text("\n".join(parts), encoding="utf-8")
    print(REPORT)


def tell_ranks(figures: list[dict[str, Any]]) -> str:
    """Microseconds a step of each set-up, and the gain of two ranks, taken round by round."""
    names = list(figures[0]["microseconds"])
    first, two = names[0], names[-1]
    lines = [
        "## Two ranks on two cores\n",
        "Microseconds a step, medians; the gain is two ranks' over the first column.\n",
    ]
    lines += [row(["work", *names, "gain"]), row(["---"] * (len(names) + 2))]
    for figure in figures:
        by_name = figure["microseconds"]
        gains = [a / b for a, b in zip(by_name[first], by_name[two], strict=True)]
        cells = [f"{statistics.median(by_name[name]):,.0f}" for name in names]
        gain = f"{statistics.median(gains):.2f} × ({min(gains):.2f} to {max(gains):.2f})"
        lines.append(row([figure["work"], *cells, gain]))
    return "\n".join(lines)


def tell_allreduce(figures: dict[str, Any]) -> str:
    """Some of the sizes, and the line through all."""
    latency, bandwidth = fit(figures)
    lines = ["## One Allreduce between two ranks\n", row(["bytes", "µs", "GB/s"]), row(["---"] * 3)]
    for size, microseconds in list(zip(figures["bytes"], figures["microseconds"], strict=True))[::3]:
        lines.append(row([f"{size:,}", f"{microseconds:,.1f}", f"{size / microseconds / 1e3:.2f}"]))
    lines.append(f"\nFitted: 2 × {1e6 * latency:.1f} µs, and then {bandwidth / 1e9:.2f} GB/s.")
    return "\n".join(lines)


def tell_overlap(figures: list[dict[str, Any]]) -> str:
    """Whether it pays to sum a layer's gradient while the way back goes on."""
    lines = ["## Summing a layer's gradient while the way back goes on\n"]
    lines += [row(["network, batch 512", "one sum at the end, µs", "layer by layer, µs", "gain"]), row(["---"] * 4)]
    for figure in figures:
        end, apart = (statistics.median(figure[way]) for way in ("at the end", "layer by layer"))
        lines.append(row([figure["network"], f"{end:,.0f}", f"{apart:,.0f}", f"{end / apart:.2f} ×"]))
    lines.append(
        "\nOne sum at the end is what chainrule does. A sum goes on by itself only where a core or a network card is "
        "free to carry it; between ranks that use every core there is none."
    )
    return "\n".join(lines)


def tell_model(steps: list[dict[str, Any]], allreduce: dict[str, Any], ranks: list[dict[str, Any]]) -> str:
    """Speed on more ranks by network, and where it stops paying."""
    links = {"shared memory, fitted": fit(allreduce), **ASSUMED}
    lines = [MODEL]
    for figure in steps:
        fixed, each = line_through(figure["batches"], figure["microseconds"])
        name, size = figure["network"], bytes_of(figure["network"])
        lines.append(f"### {name}\n\na = {fixed:,.0f} µs, b = {each:,.2f} µs. Times as fast as one core:\n")
        lines += [row(["batch", "network", *map(str, RANKS), "stops paying at"]), row(["---"] * (len(RANKS) + 3))]
        for batch in GLOBAL_BATCHES:
            for link, (latency, bandwidth) in links.items():
                speeds = [speed(p, batch, fixed, each, latency, bandwidth, size) for p in (1, 2, *RANKS)]
                lines.append(row([f"{batch:,}", link, *(f"{s:.1f}" for s in speeds[2:]), where_it_ends(speeds)]))
        lines.append("")
    lines.append("*Stops paying*: from there on twice as many ranks are less than 1.2 times as fast.\n")
    draw(steps, links)
    lines.append("![Modelled speed against ranks, for each network](pictures/scaling.png)\n")
    lines.append(beside_what_was_measured(steps, fit(allreduce), ranks))
    return "\n".join(lines)


def beside_what_was_measured(
    steps: list[dict[str, Any]], link: tuple[float, float], ranks: list[dict[str, Any]]
) -> str:
    """Two ranks by the model, for the works that are one of its networks."""
    lines = [
        "### The model of two ranks beside what was measured\n",
        row(["work", "model", "measured"]),
        row(["---"] * 3),
    ]
    lines_of = {figure["network"]: line_through(figure["batches"], figure["microseconds"]) for figure in steps}
    for figure in ranks:
        network, _, batch = figure["work"].replace(",", "").partition(" batch ")
        if network in lines_of:
            modelled = speed(2, int(batch), *lines_of[network], *link, bytes_of(network))
            alone, *_, two = (statistics.median(values) for values in figure["microseconds"].values())
            lines.append(row([figure["work"], f"{modelled:.2f} ×", f"{alone / two:.2f} ×"]))
    return "\n".join([*lines, ""])


def speed(ranks: int, batch: int, fixed: float, each: float, latency: float, bandwidth: float, size: int) -> float:
    """How many times as fast as one, by the model."""
    share = math.ceil(batch / ranks)
    step = 1e-6 * (fixed + each * share)
    if ranks > 1:
        step += 2 * math.ceil(math.log2(ranks)) * latency + 2 * (ranks - 1) / ranks * size / bandwidth
    return 1e-6 * (fixed + each * batch) / step


def bytes_of(network: str) -> int:
    """Of the gradient of a network like 784-128-10, float32."""
    widths = list(map(int, network.split("-")))
    return 4 * sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(widths))


def where_it_ends(speeds: list[float]) -> str:
    """The first number of ranks that doubling gains little from."""
    counts = (1, 2, *RANKS)
    ends = [count for count, now, then in zip(counts, speeds, speeds[1:], strict=False) if then < 1.2 * now]
    return str(ends[0]) if ends else f"more than {counts[-1]}"


def fit(allreduce: dict[str, Any]) -> tuple[float, float]:
    """Latency in seconds and bandwidth in bytes a second of the measured sums, each counting alike: 2 α + bytes · β."""
    fixed, each = line_through(allreduce["bytes"], allreduce["microseconds"])
    return 1e-6 * fixed / 2, 1e6 / each


def line_through(x: list[float], microseconds: list[float]) -> tuple[float, float]:
    """Height at 0 and slope of the line whose relative errors are least; neither below 0."""
    y = np.asarray(microseconds, float)
    terms = np.stack([np.ones_like(y), np.asarray(x, float)], axis=1) / y[:, np.newaxis]
    fixed, each = np.linalg.lstsq(terms, np.ones_like(y))[0]
    return max(float(fixed), 1e-3), float(each)


def draw(steps: list[dict[str, Any]], links: dict[str, tuple[float, float]]) -> None:
    """One Axes a network, batch 4,096: a line a network of computers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    for axes, found in zip(figure.subplots(1, len(steps), sharey=True), steps, strict=True):
        fixed, each = line_through(found["batches"], found["microseconds"])
        for link, (latency, bandwidth) in links.items():
            size = bytes_of(found["network"])
            speeds = [speed(p, GLOBAL_BATCHES[-1], fixed, each, latency, bandwidth, size) for p in (1, 2, *RANKS)]
            axes.loglog((1, 2, *RANKS), speeds, marker=".", label=link)
        axes.loglog((1, 256), (1, 256), color="#9a9a9a", linestyle=":")
        axes.set(title=found["network"].replace("-2000-1500-1000-500", "-…"), xlabel="ranks", ylim=(0.1, 300))
    figure.axes[0].set_ylabel(f"modelled speed, batch {GLOBAL_BATCHES[-1]:,}")
    figure.axes[0].legend(fontsize=7)
    plots.save(figure, PICTURE)


def tell_streams(shuffling: dict[str, Any], reading: dict[str, Any]) -> str:
    """What mixing by blocks costs in accuracy, and reading in time."""
    lines = [STREAMS, row(["MNIST sorted by class", "test accuracy, mean", "seeds", "least to most"]), row(["---"] * 4)]
    for name, accuracies in shuffling["figures"].items():
        least, mean, most = (f"{100 * of(accuracies):.2f}" for of in (min, statistics.mean, max))
        lines.append(row([name, f"{mean} %", str(len(accuracies)), f"{least} to {most}"]))
    lines += ["", row(["network", "batch", "epoch from memory, s", "from files, s", "longer by"]), row(["---"] * 5)]
    for figure in reading["figures"]:
        seconds = figure["seconds"]
        memory, files = (statistics.median(seconds[name]) for name in ("memory", "files"))
        ratio = statistics.median(f / m for m, f in zip(seconds["memory"], seconds["files"], strict=True))
        cells = [
            figure["network"],
            f"{figure['batch']:,}",
            f"{memory:.2f}",
            f"{files:.2f}",
            f"{100 * (ratio - 1):.1f} %",
        ]
        lines.append(row(cells))
    lines.append(f"\nMeasured on {reading['machine']}; the files were in the system's cache, as they fit there.\n")
    return "\n".join(lines)


def tell_gpu(results: dict[str, Any]) -> str:
    """The graphics card's figures, from benchmarks/gpu.py."""
    lines = ["## One graphics card\n"]
    if "steps" in results:
        lines.append("Microseconds a step, SGD with momentum, float32, medians. All libraries come to the same loss.\n")
        lines.append(f"{table(results['steps']['figures'])}\n\nMeasured on {results['steps']['machine']}.")
        lines.append(f"\n{', '.join(LIBRARIES)} take turns in one process; `benchmarks/gpu.py` says how.\n")
    if "deep" in results:
        deep = results["deep"]["figures"]
        lines.append(
            f"The `deep` recipe, {deep['epochs']} epochs of deformed digits, takes {deep['seconds']:.1f} s there and "
            f"reaches {100 * deep['test_accuracy']:.2f} % on the test images.\n"
        )
    return "\n".join(lines)


def row(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
