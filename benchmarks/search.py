"""Time one grid search in one process, in two of joblib's and on a Dask cluster of two workers: docs/dask.md.

    python benchmarks/search.py              a few minutes; run nothing else meanwhile
    python benchmarks/search.py --report     measure nothing; write the table of docs/dask.md again, from docs/dask.json

The search is over 12 settings of a network on 6,000 of MNIST's images, each in three folds. Every way takes its turn in
each round. The cluster's start is timed apart, since a cluster is started once.
"""

import argparse
import json
import statistics
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from run import machine
from sklearn.model_selection import GridSearchCV

from chainrule import NetworkClassifier
from chainrule.data.datasets import load_dataset

DOCS = Path(__file__).parent.parent / "docs"
RESULTS, PAGE = DOCS / "dask.json", DOCS / "dask.md"
GRID = {"hidden_layer_sizes": [(64,), (128,)], "dropout": [0.0, 0.2, 0.4], "learning_rate_init": [0.001, 0.003]}
ROWS, FOLDS, EPOCHS = 6_000, 3, 10
ONE, TWO, DASK = "one process", "joblib, two processes", "Dask, two workers"
BEGIN, END = "<!-- written by benchmarks/search.py -->\n", "<!-- end -->\n"


def main() -> None:
    """Measure, keep the figures, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.report:
        RESULTS.write_text(json.dumps(measure(options.rounds), indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(before + BEGIN + table(found) + END + after, encoding="utf-8")


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of each way, round by round, after one that does not count."""
    warnings.simplefilter("ignore")  # ten epochs need not be enough
    data = load_dataset("mnist")
    X, y = (data.train_images[:ROWS].reshape(ROWS, -1) / 255).astype(np.float32), data.train_labels[:ROWS]
    seconds: dict[str, list[float]] = {ONE: [], TWO: [], DASK: []}
    begin = time.perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        start = time.perf_counter() - begin
        for turn in range(rounds + 1):
            for way, settings in ((ONE, {"n_jobs": 1}), (TWO, {"n_jobs": 2}), (DASK, {"backend": "dask"})):
                spent, best = search(X, y, settings)
                print(way, round(spent, 2), best, flush=True)
                if turn:
                    seconds[way].append(spent)
    versions = ", ".join(f"{package} {version(package)}" for package in ("dask", "joblib"))
    fits = FOLDS * int(np.prod([len(values) for values in GRID.values()])) + 1
    return {"machine": f"{machine()}; {versions}", "start": start, "fits": fits, "rows": ROWS, "seconds": seconds}


def search(X: np.ndarray, y: np.ndarray, settings: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds of one search, and what it found."""
    classifier = NetworkClassifier(learning_rate="cosine", max_iter=EPOCHS, random_state=0)
    begin = time.perf_counter()
    with parallel_config(**{"backend": "loky", **settings}):
        found = GridSearchCV(classifier, GRID, cv=FOLDS, error_score="raise").fit(X, y)
    return time.perf_counter() - begin, found.best_params_


def table(found: dict[str, Any]) -> str:
    """The part of docs/dask.md that is measured."""
    lines = [
        f"{found['fits']} trainings on {found['rows']:,} of MNIST's images, in three folds:",
        "",
        "| | seconds | gain |",
        "| --- | --- | --- |",
    ]
    one = found["seconds"][ONE]
    for way, seconds in found["seconds"].items():
        gains = [a / b for a, b in zip(one, seconds, strict=True)]
        gain = "" if way == ONE else f"{statistics.median(gains):.2f} × ({min(gains):.2f} to {max(gains):.2f})"
        lines.append(f"| {way} | {statistics.median(seconds):.1f} | {gain} |")
    lines += ["", f"The cluster starts once, in {found['start']:.1f} s. Medians of {len(one)} rounds.", ""]
    return "\n".join([*lines, f"Measured on {found['machine']}.", ""])


if __name__ == "__main__":
    main()
