"""Write MNIST as the two csv files of Kaggle's "Digit Recognizer".

    python scripts/write_kaggle_csv.py OUT_FOLDER

`train.csv` has 42,000 of the training images with their labels, drawn with a fixed seed. `test.csv` has the other
18,000 and the 10,000 test images, without labels. Kaggle's own split is another one; the format is the same.
"""

import argparse
from pathlib import Path

import numpy as np

from chainrule.data.datasets import Dataset, load_dataset
from chainrule.data.formats import write_kaggle_csv

SEED = 784
TRAINING_ROWS = 42_000


def write(dataset: Dataset, folder: Path, training_rows: int = TRAINING_ROWS) -> None:
    """Write train.csv with `training_rows` of the training images, and test.csv with all others."""
    order = np.random.default_rng(SEED).permutation(len(dataset.train_labels))
    train, rest = order[:training_rows], order[training_rows:]
    folder.mkdir(parents=True, exist_ok=True)
    write_kaggle_csv(folder / "train.csv", dataset.train_images[train], dataset.train_labels[train])
    write_kaggle_csv(folder / "test.csv", np.concatenate([dataset.train_images[rest], dataset.test_images]), None)


def main() -> None:
    """Write both files into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Write MNIST as Kaggle's train.csv and test.csv.")
    parser.add_argument("folder", type=Path, metavar="OUT_FOLDER")
    folder = parser.parse_args().folder
    write(load_dataset("mnist"), folder)
    print(f"{folder / 'train.csv'} and {folder / 'test.csv'}")


if __name__ == "__main__":
    main()
