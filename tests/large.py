"""What tests/data/test_streams.py runs in a process of its own: a 16 GB folder, and the most memory it took to learn.

python tests/large.py FOLDER     writes sparse files there, which take no room on most disks; prints JSON
"""

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np

from chainrule.data.datasets import load_dataset
from chainrule.recipes import find_recipe, start

ROWS, PIECES = 20_500_000, 4


def write(folder):
    """Pieces of pictures that are nothing but holes; labels likewise."""
    for piece in range(PIECES):
        for name, shape in (("images", (ROWS // PIECES, 28, 28)), ("labels", (ROWS // PIECES,))):
            with (folder / f"train-{name}-{piece}.npy").open("wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.truncate(file.tell() + int(np.prod(shape)))


def megabytes():
    """The most that was resident so far, mapped pages included; `ru_maxrss` would count the parent's as well."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def main():
    folder = Path(sys.argv[1])
    write(folder)
    dataset = load_dataset(folder)
    recipe = dataclasses.replace(find_recipe("standard"), hidden=(4,), batch_size=2048, epochs=1, validation=1000)
    training = start(recipe, dataset)
    peaks = []
    windows = 8
    for _ in range(windows):
        for _ in range(training._reading.rows // training.batch_size):
            training._take_step(training._next_rows())
        peaks.append(megabytes())
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(json.dumps({"gigabytes": size / 1e9, "peaks": peaks, "rows": training.step * training.batch_size}))


if __name__ == "__main__":
    main()
