"""Kill a training again and again, at random moments, and see that nothing is lost.

    python scripts/kill.py                 a hundred kills; the figures go to docs/kills.json
    python scripts/kill.py --kills 5 --folder /tmp/somewhere    fewer, and nothing is recorded

`chainrule train --checkpoint` saves after every epoch of a few milliseconds, so that most of its time it is saving.
It is killed (SIGKILL) after a random time, and resumed, which reads the checkpoint and verifies its checksum; at the
end the network must have the bits of one that was trained without a stop. The moments are drawn from a seed, but when
in the work they come depends on the machine.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from chainrule.files.model_file import load_model
from chainrule.training.checkpoint import read_settings

RECORD = Path(__file__).parent.parent / "docs" / "kills.json"
#: Whatever else the machine does, its threads do not wait for each other.
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
CHAINRULE = (sys.executable, "-m", "chainrule")
#: The network is large and an epoch short: most of the time goes to saving.
TRAIN = ("train", "--data", "digits", "--hidden", "400", "--batch-size", "1000", "--seed", "3")
#: How long a run may go on before it is killed, and how many epochs there are, so that it does not end before.
LONGEST_SECONDS = 0.4
EPOCHS_FOR_A_KILL = 40


def main() -> int:
    """Kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder where not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        figures = kill_and_resume(folder, options.kills or 100)
    print(json.dumps(figures))
    print(f"{figures['kills']} kills, {figures['left_unfinished']} of them while a file was being written: same bits")
    if options.kills is None:
        RECORD.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def kill_and_resume(folder: Path, kills: int) -> dict[str, int]:
    """What came of that many kills; an error if anything was lost."""
    draw = random.Random(0)
    epochs = str(EPOCHS_FOR_A_KILL * kills)
    command = [*TRAIN, "--epochs", epochs, "--checkpoint", "run.ckpt"]
    counts = {"kills": 0, "left_unfinished": 0, "epochs": int(epochs)}
    while counts["kills"] < kills:
        if not killed_while_running(command, folder, draw.uniform(0, LONGEST_SECONDS)):
            raise RuntimeError("the training came to its end before it could be killed often enough")
        counts["kills"] += 1
        for part in folder.glob(".*.part"):  # what was being written; nobody takes it for a checkpoint
            counts["left_unfinished"] += 1
            part.unlink()
        if (folder / "run.ckpt").exists():
            read_settings(folder / "run.ckpt")  # raises if it is not whole
            command = ["train", "--resume", "run.ckpt"]
    run([*command, "--every", epochs, "--model", "killed.safetensors"], folder)
    run([*TRAIN, "--epochs", epochs, "--model", "straight.safetensors"], folder)
    one, other = (load_model(folder / f"{name}.safetensors").network.parameters for name in ("killed", "straight"))
    if not np.array_equal(one, other):
        raise RuntimeError("the network that was killed has other bits than the one that was not")
    return counts


def killed_while_running(command: list[str], folder: Path, seconds: float) -> bool:
    """Start a training and kill it so long after its data are loaded; whether it was still at work."""
    with subprocess.Popen(
        [*CHAINRULE, *command], cwd=folder, env=ONE_THREAD, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            if line.startswith("Data:"):
                break
        time.sleep(seconds)
        process.kill()
        return process.wait() == -signal.SIGKILL


def run(command: list[str], folder: Path) -> None:
    """A command that must work."""
    subprocess.run([*CHAINRULE, *command], cwd=folder, env=ONE_THREAD, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
