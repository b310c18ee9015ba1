"""From the shell prompt to an accuracy: process start to model on disk, one fixed command a peer and mark.

`choose` looks for the fastest setting of each peer that clears the mark on validation images, the same candidates for
all; `time_to` then runs the chosen commands on all 60,000 images, and reads the test set once a run.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
CHOSEN = HERE / "shell" / "chosen.json"
SEEDS = range(5)
#: What a validation accuracy must be, in per cent, for a setting to stand for a mark: room for the luck of a seed.
MARKS = {"97": 97.2, "98": 98.1}
#: Candidates, the same for all: hidden units, batches, epochs. Each peer has its own rate for a batch of 128, which is
#: scaled with the batch.
CANDIDATES = {"97": ((128,), (128, 256), (2, 3, 4)), "98": ((256,), (128, 256), (4, 6, 8, 10))}
PEERS = {
    "chainrule": ("numpy", [sys.executable, "-m", "chainrule", "train", "--data", "mnist", "--json"], 0.15),
    "PyTorch": ("torch", [sys.executable, str(HERE / "shell" / "train_torch.py")], 0.15),
    "Keras on JAX": ("keras", [sys.executable, str(HERE / "shell" / "train_keras.py")], 0.15),
    "scikit-learn": ("sklearn", [sys.executable, str(HERE / "shell" / "train_sklearn.py")], 0.002),
}


def installed() -> list[str]:
    """The peers at hand."""
    return [name for name, (package, _, _) in PEERS.items() if importlib.util.find_spec(package)]


def run(peer: str, setting: dict, seed: int, *, validate: bool) -> dict:
    """One process in a folder of its own: wall seconds, peak memory, accuracy in per cent."""
    command = [*PEERS[peer][1], "--seed", str(seed)]
    for name, value in setting.items():
        command += [f"--{name}", str(value)]
    if peer == "chainrule":
        command += ["--validation", "10000" if validate else "0"]
    elif validate:
        command.append("--validate")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "out").open("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{error}")
        out.seek(0)
        printed = out.read()
    if peer == "chainrule":
        accuracy = json.loads(printed)["validation_accuracy" if validate else "test_accuracy"]
    else:
        accuracy = float(printed.split()[-1])
    return {"seconds": seconds, "megabytes": usage.ru_maxrss * 1024 / 1e6, "accuracy": 100 * accuracy}


def choose(rounds: int) -> dict:
    """For each mark and peer, the fastest candidate whose median of three seeds clears it on validation images."""
    chosen: dict[str, dict[str, dict]] = {}
    for mark, least in MARKS.items():
        chosen[mark] = {}
        for peer in installed():
            rate = PEERS[peer][2]
            best = None
            widths, batches, lengths = CANDIDATES[mark]
            for hidden, batch in itertools.product(widths, batches):
                for epochs in lengths:
                    setting = {
                        "hidden": hidden, "epochs": epochs, "batch-size": batch, "learning-rate": rate * batch / 128,
                    }  # fmt: skip
                    first = run(peer, setting, 0, validate=True)
                    if first["accuracy"] < least - 0.15:
                        continue
                    if best is not None and first["seconds"] > 1.1 * best[0]:
                        break  # more epochs only take longer
                    runs = [first, *(run(peer, setting, seed, validate=True) for seed in (1, 2))]
                    seconds = statistics.median(r["seconds"] for r in runs)
                    accuracy = statistics.median(r["accuracy"] for r in runs)
                    if accuracy >= least:
                        if best is None or seconds < best[0]:
                            best = seconds, setting, accuracy
                        break
            print(mark, peer, best, flush=True)
            if best is not None:
                chosen[mark][peer] = {"setting": best[1], "validation": best[2]}
    CHOSEN.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    return chosen


def time_to(rounds: int) -> dict:
    """The chosen commands in turns, five seeds each, on all 60,000 images."""
    chosen = json.loads(CHOSEN.read_text(encoding="utf-8"))
    results: dict[str, dict] = {}
    for mark, by_peer in chosen.items():
        peers = [peer for peer in by_peer if peer in installed()]
        results[mark] = {peer: {**by_peer[peer], "runs": []} for peer in peers}
        for seed in SEEDS:
            for peer in peers:
                results[mark][peer]["runs"].append(run(peer, by_peer[peer]["setting"], seed, validate=False))
                print(mark, peer, seed, results[mark][peer]["runs"][-1], flush=True)
    return results


if __name__ == "__main__":
    choose(0)
