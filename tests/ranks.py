"""What the tests run under mpiexec.

python tests/ranks.py CASE …             rank 0 prints what came out, a line of JSON for each case
python tests/ranks.py train OPTION …     the command line; FAULT="1 kill 25": rank 1 is killed in step 25
"""

import functools
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from chainrule import cli
from chainrule.data import streams
from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import PRESETS
from chainrule.data.streams import Shards
from chainrule.devices import CPU, GraphicsCard
from chainrule.errors import ChainruleError, FailureError
from chainrule.machine import blas, cores
from chainrule.nn.activations import ReLU
from chainrule.nn.layers import Dense, Dropout
from chainrule.nn.network import Network
from chainrule.nn.objective import Adversary
from chainrule.nn.optimizers import SGD, Adam, ExponentialAverage
from chainrule.parallel import find_ranks
from chainrule.training.training import Training

DROPPING = (Dropout(0.2), Dense(784, 15), ReLU(), Dropout(0.5), Dense(15, 11), ReLU(), Dropout(0.5), Dense(11, 10))
PLAIN = (Dense(784, 15), ReLU(), Dense(15, 10))
#: 301 rows in batches of 100 leave a last batch of one, where there is nothing for the other ranks.
CASES = {
    "plain": {},
    "full batch": {"batch_size": None, "rows": 1200},
    "blocks": {"batch_size": 1200, "rows": 1300, "layers": DROPPING, "deformation": PRESETS["simard-2003"]},
    "dropout": {"layers": DROPPING},
    "deformations": {"deformation": PRESETS["ciresan-2010"]},
    "adversary": {"adversary": Adversary(0.5, virtual=False), "layers": DROPPING},
    "virtual adversary": {"adversary": Adversary(0.5), "layers": DROPPING},
    "average and greatest norm": {"average": 0.9, "max_norm": 1.0, "adam": True},
    "validation": {"validation": True, "rows": 500},
    "float32": {"dtype": np.float32, "layers": DROPPING, "deformation": PRESETS["ciresan-2010"]},
    "cores": {"batch_size": 12_000, "rows": 12_001},
    "shards": {"shards": True, "layers": DROPPING, "rows": 601},
    "card": {"dtype": np.float32, "layers": DROPPING, "card": True},
}


@functools.cache
def digits_once():
    return load_dataset("digits")


def training_of(
    ranks,
    *,
    layers=PLAIN,
    rows=301,
    batch_size=100,
    dtype=np.float64,
    adam=False,
    average=0.0,
    card=False,
    validation=False,
    shards=False,
    epochs=2,
    **settings,
):
    """A training of a case; ReLU's kinks aside, float64 shows whether the sums are the same."""
    digits = digits_once()
    images, labels = (np.resize(a, (rows, *a.shape[1:])) for a in (digits.train_images, digits.train_labels))
    if shards:
        streams.WINDOW_BYTES = 200 * 784
        images, labels = Shards([(images[:350], labels[:350]), (images[350:], labels[350:])], block=8), None
        settings["validation"] = images
    return Training(
        Network(layers, rng=0, dtype=dtype),
        images,
        labels,
        optimizer=Adam(1e-3) if adam else SGD(0.01, momentum=0.9),
        average=ExponentialAverage(average) if average else None,
        validation_rows=np.arange(0, rows, 7) if validation else None,
        batch_size=batch_size,
        epochs=epochs,
        rng=1,
        device=stand_in() if card else CPU,
        ranks=ranks,
        **settings,
    )


def stand_in():
    """The graphics card that tests/test_devices.py has."""
    spec = importlib.util.spec_from_file_location("test_devices", Path(__file__).with_name("test_devices.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return GraphicsCard(module.stand_in())


def run_case(ranks, name):
    """Train to the end: reports but for the time, and the network."""
    training = training_of(ranks, **CASES[name])
    reports = [report._replace(seconds=0.0) for report in training]
    draw = float(training.rng.random(dtype=np.float32)), training.rng.random()
    return {"reports": reports, "parameters": training.result.parameters.tolist(), "next draws": draw}


def say(found):
    """A line in one write: several ranks write to one pipe."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


# ---------------------------------------------------------------------------------- what goes wrong with one alone


def hold_another_network(ranks):
    training = training_of(ranks)
    next(iter(training))
    if ranks.rank == 1:
        training.network.parameters[17] += 0.5
    return list(training)


def differ_in_settings(ranks):
    ranks.require_same({"epochs": 3, "recipe": {"hidden": [128], "rate": 0.1 + (ranks.rank == ranks.size - 1)}})


def find_out_who_is_alone(ranks):
    together = ranks.meet()  # all of them do
    alone = None if ranks.rank == 0 else ranks.meet()
    if ranks.rank == 0:
        ranks.total(0)
        return {"together": together}
    say({"alone": alone})
    ranks.total(0)
    return None


def pause_one(ranks):
    """Of all ranks only the last is asked for a report, in the middle of an epoch."""
    training = training_of(ranks, batch_size=10)
    training._take_step(training._next_rows())
    if ranks.rank == ranks.size - 1:
        training.pause()
    report = next(iter(training))
    return {"step": report.step, "largest": ranks.largest(ranks.rank), "total": ranks.total(ranks.rank + 1)}


def tell_cores(ranks):
    return {"cores": cores(), "blas": blas()["threads"], "local": ranks.local_rank, "size": ranks.size}


FAULTS = {
    f.__name__: f for f in (hold_another_network, differ_in_settings, find_out_who_is_alone, pause_one, tell_cores)
}


# -------------------------------------------------------------------------------------------- the command line


def raise_runtime_error():
    raise RuntimeError("a planted mistake")


def raise_failure():
    raise FailureError("The disk of this rank is on fire.")


WAYS_TO_GO = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interrupt": lambda: signal.raise_signal(signal.SIGINT),
    "raise": raise_runtime_error,
    "fail": raise_failure,
}


def run_command(fault):
    """The command line, where one rank goes in a certain step."""
    rank, way, step = fault.split() if fault else ("-1", "", "0")
    take_step = Training._take_step

    def faulty_step(training, rows):
        if training.step + 1 == int(step) and training.ranks.rank == int(rank):
            WAYS_TO_GO[way]()
        take_step(training, rows)

    Training._take_step = faulty_step
    return cli.main(sys.argv[1:])


def main():
    if sys.argv[1] == "train":
        sys.exit(run_command(os.environ.get("FAULT")))
    ranks = find_ranks()
    for name in sys.argv[1:]:
        try:
            found = FAULTS[name](ranks) if name in FAULTS else run_case(ranks, name)
        except ChainruleError as error:
            found = {"error": str(error), "kind": type(error).__name__}
        if ranks.leads:
            say({name: found})


if __name__ == "__main__":
    main()
