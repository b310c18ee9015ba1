"""What every peer's script begins with: MNIST from its four files, and which part of it to be judged on."""

import argparse
import os
from pathlib import Path

import numpy as np


def arguments() -> argparse.Namespace:
    """The settings of one run; with --validate the test set stays unread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate", action="store_true", help="learn from 50,000 images, judge on the other 10,000")
    return parser.parse_args()


def load(validate: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images (N, 784) float32 in [0, 1] and labels, to learn from and to be judged on."""
    if "CHAINRULE_DATA" not in os.environ:
        raise SystemExit("The peers read MNIST's four files, uncompressed, from DIR/mnist: set CHAINRULE_DATA=DIR.")
    folder = Path(os.environ["CHAINRULE_DATA"]) / "mnist"

    def read(part: str) -> tuple[np.ndarray, np.ndarray]:
        images = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 784)
        labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8, offset=8)
        return images.astype(np.float32) / 255, labels.astype(np.int64)

    images, labels = read("train")
    if validate:
        return images[:50_000], labels[:50_000], images[50_000:], labels[50_000:]
    return images, labels, *read("t10k")
