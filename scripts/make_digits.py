"""Make src/chainrule/data/digits.npz, the data set that chainrule carries with it.

    python scripts/make_digits.py [FILE]

These are the 1,797 digits of scikit-learn's `load_digits`, the test part of

    E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, licensed CC BY 4.0

in their own 8 × 8 pixels with values from 0 to 16. They are shuffled and split once, here, so that everybody's test
digits are the same.
"""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

FILE = Path(__file__).parents[1] / "src" / "chainrule" / "data" / "digits.npz"
SEED = 1998
TEST = 360
LONG_AGO = (1998, 7, 1, 0, 0, 0)


def make_digits() -> dict[str, np.ndarray]:
    """The members of the file: x_train (1437, 8, 8), y_train (1437,), x_test (360, 8, 8), y_test (360,), uint8."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    order = np.random.default_rng(SEED).permutation(len(labels))
    test = np.sort(_stratified(labels[order], TEST))
    train = np.setdiff1d(np.arange(len(labels)), test)
    return {
        "x_train": images[order][train],
        "y_train": labels[order][train],
        "x_test": images[order][test],
        "y_test": labels[order][test],
    }


def _stratified(labels: np.ndarray, wanted: int) -> np.ndarray:
    """Rows with every class in its proportion: the first of each class, the remainders going to the largest."""
    counts = np.bincount(labels)
    shares = counts * wanted / len(labels)
    quotas = shares.astype(int)
    for label in np.argsort(quotas - shares, kind="stable")[: wanted - quotas.sum()]:
        quotas[label] += 1
    return np.concatenate([np.flatnonzero(labels == label)[:quota] for label, quota in enumerate(quotas)])


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Like `np.savez_compressed`, but the same arrays always give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            info = zipfile.ZipInfo(f"{name}.npy", LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make chainrule's own data set from scikit-learn's digits.")
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    file = parser.parse_args().file
    write_npz(file, make_digits())
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
