"""Data sets by name or by path.

    mnist       70,000 digits, verified: from $CHAINRULE_DATA/mnist, else the user's cache, else downloaded there
    digits      1,797 digits of 8 × 8 pixels that come with chainrule
    kaggle      70,000 digits of Kaggle's competition "Digit Recognizer", of which 28,000 are to be labelled
    auto        mnist when it can be had from any of these, otherwise digits; `source` says which, and why
    a folder    four IDX files named as MNIST's are; or .npy files, train-images.npy and train-labels.npy, and likewise
                test-…; either of them in several pieces, train-images-0.npy with train-labels-0.npy, and so on
    a file      .npz as Keras has it, .csv as Kaggle has it (also .csv.gz and .zip)

Files in $CHAINRULE_DATA/mnist are the user's: if they are not MNIST's, or some of the four are missing, "mnist" is an
error and nothing is downloaded in their place; only a complete cache stands in for missing ones. "auto" goes on to
the next place. In both cases `source` says why.

A folder whose training pictures take more than a gigabyte is not read into memory: `stream` reads it while a training
goes on.

`digits` are the UCI digits (E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0), split once by scripts/make_digits.py into 1,437 for
training and 360 for testing. The package carries the original 8 × 8 pixels, 47 KB, and enlarges them to 28 × 28
while loading, which takes a tenth of a second: the enlarged pictures would take more than ten times the room.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import download, kaggle
from chainrule.data.formats import check_digits, idx_sha256, map_idx, map_npy, read_csv, read_idx, read_keras_npz
from chainrule.data.photo import fit_and_centre
from chainrule.data.streams import Shards
from chainrule.errors import DataFileError, DownloadError, InputError, OutputError, UnknownNameError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

NAMES = ("auto", "mnist", "digits", "kaggle")
CLASS_NAMES = tuple("0123456789")
FOLDER_VARIABLE = "CHAINRULE_DATA"
#: Bytes of training pictures from which on they stay on disk.
LARGEST_IN_MEMORY = 1 << 30
_CSV_SUFFIXES = (".csv", ".csv.gz", ".zip")
_READABLE = "a folder with IDX files, or an .npz, .csv, .csv.gz or .zip file"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with their labels, in a part to learn from and a part to be tested on.

    Parameters
    ----------
    train_images : uint8 array, shape (N, height, width), or None if the source holds unlabelled pictures only, or
        too many for memory
    train_labels : int64 array, shape (N,), or None with `train_images`
    test_images : uint8 array, shape (M, height, width), or None
    test_labels : int64 array, shape (M,), or None
    class_names : what the labels 0, 1, … stand for
    source : one sentence for people: what this is and where it is from
    name : "mnist", "digits", or the path as it was given
    files : the files it was read from
    stream : the training pictures where they are too many for memory, or None
    """

    train_images: Bytes | None
    train_labels: Labels | None
    test_images: Bytes | None
    test_labels: Labels | None
    class_names: tuple[str, ...]
    source: str
    name: str = ""
    files: tuple[Path, ...] = ()
    stream: Shards | None = None


def load_dataset(name_or_path: str | Path = "auto") -> Dataset:
    """A data set by its name or path.

    Parameters
    ----------
    name_or_path : "auto", "mnist", "digits", "kaggle", a folder with IDX files, or an .npz, .csv, .csv.gz or .zip
        file; a Path is never one of the names

    Returns
    -------
    Dataset
        Its `source` says in a sentence what it is, where it is from and, where that is not the first place to look,
        why.

    Raises
    ------
    DataFileError
        If a file is missing, or is not what it should be.
    UnknownNameError
        If it is neither a name nor looks like a path.
    InputError
        If it is neither a str nor a Path.
    DownloadError, OutputError
        If "mnist" or "kaggle" is not at hand and cannot be downloaded, or not be stored.
    MissingPackageError
        If "kaggle" is asked for, and kagglehub is not installed.
    """
    _check_name(name_or_path)
    if name_or_path == "auto":
        return _load_auto()
    if name_or_path == "mnist":
        return _load_mnist()
    if name_or_path == "digits":
        return _load_digits()
    if name_or_path == "kaggle":
        return _load_kaggle()
    return _load_path(name_or_path)


def mnist_at_hand() -> Path | None:
    """Where "mnist" would be read from without a network.

    Returns
    -------
    Path of the folder; None if neither $CHAINRULE_DATA/mnist nor the user's cache has all four files

    Raises
    ------
    DataFileError
        If one of the folders may not be looked at.
    """
    folders = _own_folder(), _cache_folder()
    return next((folder for folder in folders if folder is not None and not _missing(folder)), None)


def _missing(folder: Path) -> list[str]:
    return [file.name for file in download.MNIST_FILES if not _find(folder, file.name)]


def _check_name(value: object) -> None:
    if not isinstance(value, (str, Path)):
        raise InputError(f"A data set is named by a str or a Path, such as 'mnist', and this is {value!r:.40}.")


# ------------------------------------------------------------------------------------------------- by name


def _load_auto() -> Dataset:
    reasons: list[str] = []
    for load in (_load_own_mnist, _load_cached_mnist):
        try:
            dataset = load()
        except (DataFileError, DownloadError, OutputError) as error:
            reasons.append(str(error).splitlines()[0].rstrip("."))
            continue
        if dataset is not None:
            return _because(dataset, reasons)
    return _because(_load_digits(), reasons)


def _load_mnist() -> Dataset:
    own = _own_folder()
    if own is None or not (missing := _missing(own)):
        return _load_own_mnist() or _load_cached_mnist()
    fault = f"{own} lacks the file {' and the file '.join(missing)}"
    try:
        return _because(_verified_mnist(_cache_folder()), [fault])
    except DataFileError:
        raise DataFileError(
            f"{fault}.\nPut it there, plain or with .gz; or unset {FOLDER_VARIABLE}, and MNIST is downloaded."
        ) from None


def _because(dataset: Dataset, reasons: list[str]) -> Dataset:
    """Say in the source why it is not what was looked for first."""
    return replace(dataset, source=f"{dataset.source}, because {' and '.join(reasons)}") if reasons else dataset


def _load_own_mnist() -> Dataset | None:
    own = _own_folder()
    return None if own is None else _verified_mnist(own)


def _load_cached_mnist() -> Dataset:
    cache = _cache_folder()
    try:
        return _verified_mnist(cache)
    except DataFileError:
        _restore(cache)
        return _verified_mnist(cache)


def _restore(cache: Path) -> None:
    """Download what is missing or damaged; if that fails, say of a damaged file that it is there, and damaged."""
    faults = {file: _fault(cache, file) for file in download.MNIST_FILES}
    try:
        download.download_mnist(cache, [file for file, fault in faults.items() if fault is not None])
    except (DownloadError, OutputError) as error:
        raise type(error)(" ".join([*filter(None, faults.values()), str(error)])) from error


def _own_folder() -> Path | None:
    """$CHAINRULE_DATA/mnist, if it has one of the files; a missing one is then not downloaded there."""
    value = os.environ.get(FOLDER_VARIABLE)
    if not value:
        return None
    folder = _expanded(Path(value)) / "mnist"
    return folder if len(_missing(folder)) < len(download.MNIST_FILES) else None


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("chainrule")) / "mnist"


def _verified_mnist(folder: Path) -> Dataset:
    paths = tuple(_find_or_fail(folder, file.name) for file in download.MNIST_FILES)
    arrays = []
    for path, file in zip(paths, download.MNIST_FILES, strict=True):
        arrays.append(read_idx(path))
        if idx_sha256(arrays[-1]) != file.sha256:
            raise DataFileError(
                f"{path} is not MNIST's {file.name}: its SHA-256 differs.\nTo read other digits than MNIST's, "
                f"pass their folder by its path: {folder}"
            )
    train_images, train_labels, test_images, test_labels = arrays
    return _dataset(
        (train_images, train_labels.astype(np.int64)),
        (test_images, test_labels.astype(np.int64)),
        title="MNIST",
        place=folder,
        name="mnist",
        files=paths,
    )


def _fault(folder: Path, file: download.MnistFile) -> str | None:
    """What is wrong with a file that is there, "" if it is missing, None if it is whole."""
    path = _find(folder, file.name)
    if path is None:
        return ""
    try:
        return None if idx_sha256(read_idx(path)) == file.sha256 else f"{path} is damaged: its SHA-256 differs."
    except DataFileError as error:
        return str(error)


def _load_digits() -> Dataset:
    path = Path(__file__).with_name("digits.npz")
    train_images, train_labels, test_images, test_labels = read_keras_npz(path)
    return _dataset(
        (_enlarged(train_images), train_labels),
        (_enlarged(test_images), test_labels),
        title="UCI digits (E. Alpaydin, C. Kaynak, 1998)",
        place="chainrule itself",
        name="digits",
        files=(path,),
    )


def _load_kaggle() -> Dataset:
    folder = kaggle.download_kaggle()
    paths = tuple(folder / name for name in kaggle.FILES)
    try:
        (train_images, train_labels), (test_images, test_labels) = (read_csv(path) for path in paths)
    except DataFileError as error:
        raise kaggle.again_after(error, folder) from error
    kaggle.require_kaggles(paths[0], len(train_images), train_labels is not None)
    kaggle.require_kaggles(paths[1], len(test_images), test_labels is not None)
    counts = f"{len(train_images):,} training images and {len(test_images):,} to label"
    source = f"Kaggle's Digit Recognizer, {counts}, from {folder}"
    return Dataset(train_images, train_labels, test_images, None, CLASS_NAMES, source, "kaggle", paths)


def _enlarged(images: Bytes) -> Bytes:
    return np.stack([fit_and_centre(image) for image in images])


# ------------------------------------------------------------------------------------------------- by path


def _load_path(name_or_path: str | Path) -> Dataset:
    path = _expanded(Path(name_or_path))
    if name_or_path and _is(path, Path.is_dir):
        return _load_folder(path, str(name_or_path))
    if _is(path, Path.is_file):
        return _load_file(path, str(name_or_path))
    if name_or_path and _is(path, Path.exists):
        raise DataFileError(f"{name_or_path} is a device or a pipe; expected {_READABLE}.")
    if isinstance(name_or_path, Path) or path.suffix or {"/", os.sep, "~"}.intersection(name_or_path):
        raise DataFileError(f"There is no file or folder {name_or_path}.")
    raise UnknownNameError("dataset", name_or_path, NAMES, hint=f"Or pass a path: {_READABLE}.")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DataFileError(f"There is no file or folder {path}: {error}") from error


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is a file or folder; one that may not be looked at is an error, and not missing."""
    try:
        return kind(path)
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _load_folder(folder: Path, name: str) -> Dataset:
    if shards := _find_shards(folder, "train"):
        return _load_shards(folder, shards, name)
    train_files, test_files = _find_pair(folder, "train"), _find_pair(folder, "t10k")
    if train_files is None:
        raise DataFileError(_no_training_files(folder))
    test = _read_pair(test_files) if test_files else None
    return _dataset(
        _read_pair(train_files), test, title="", place=folder, name=name, files=train_files + (test_files or ())
    )


def _no_training_files(folder: Path) -> str:
    message = (
        f"{folder} has no training digits. Looked for train-images-idx3-ubyte and train-labels-idx1-ubyte, also "
        "spelled train-images.idx3-ubyte and train-labels.idx1-ubyte, plain or with .gz."
    )
    if _find(folder / "mnist", "train-images-idx3-ubyte"):
        message += f" There are such files in {folder / 'mnist'}: pass that folder."
    return message


def _find_shards(folder: Path, part: str) -> list[tuple[Path, Path]]:
    """The .npy files of a part, and its plain IDX files where they come in pieces or are large; images and labels."""
    found = sorted(folder.glob(f"{part}-images*.npy"), key=_by_number)
    if not found:
        found = sorted(folder.glob(f"{part}-images*[-.]idx3-ubyte"), key=_by_number)
        if len(found) <= 1 and sum(path.stat().st_size for path in found) <= LARGEST_IN_MEMORY:
            return []
    return [(path, _labels_beside(path)) for path in found]


def _labels_beside(images: Path) -> Path:
    labels = images.with_name(images.name.replace("-images", "-labels", 1).replace("idx3", "idx1"))
    if not _is(labels, Path.is_file):
        raise DataFileError(f"{images.parent} has {images.name} and lacks its labels, {labels.name}.")
    return labels


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Piece 10 after piece 9."""
    return [(int(text), "") if text.isdigit() else (0, text) for text in re.split(r"(\d+)", path.name)]


def _load_shards(folder: Path, train: list[tuple[Path, Path]], name: str) -> Dataset:
    """Pictures in several files, or in one that is large."""
    test = _find_shards(folder, "test") or _find_shards(folder, "t10k")
    pair = None if test else _find_pair(folder, "t10k")
    tested = _joined(_mapped_pairs(test)) if test else _read_pair(pair) if pair else None
    files = tuple(path for both in (*train, *test) for path in both) + (pair or ())
    pairs = _mapped_pairs(train)
    size = sum(images.nbytes for images, _ in pairs)
    if size <= LARGEST_IN_MEMORY:
        return _dataset(_joined(pairs), tested, title="", place=folder, name=name, files=files)
    stream = Shards(pairs, len(CLASS_NAMES))
    if tested is not None and tested[0].shape[1:] != stream.shape:
        raise DataFileError(
            f"{folder}: the training images are {stream.shape} and the test images {tested[0].shape[1:]}; "
            "expected one size."
        )
    test_images, test_labels = tested or (None, None)
    source = f"{stream.rows:,} training images, {size / 1e9:.1f} GB in {len(train)} files, read as needed from {folder}"
    return Dataset(None, None, test_images, test_labels, CLASS_NAMES, source, name, files, stream)


def _mapped_pairs(files: list[tuple[Path, Path]]) -> list[tuple[Bytes, NDArray[Any]]]:
    pairs: list[tuple[Bytes, NDArray[Any]]] = []
    for paths in files:
        images, labels = (map_npy(path) if path.suffix == ".npy" else map_idx(path) for path in paths)
        if images.dtype != np.uint8:
            raise DataFileError(f"{paths[0]} holds {images.dtype}; expected uint8, pixels 0 to 255.")
        check_digits(images, labels, *map(str, paths))
        pairs.append((images, labels))
    if sizes := {images.shape[1:] for images, _ in pairs if images.shape[1:] != pairs[0][0].shape[1:]}:
        raise DataFileError(f"{files[0][0].parent}: images of {pairs[0][0].shape[1:]} and of {sizes.pop()} pixels.")
    return pairs


def _joined(pairs: list[tuple[Bytes, NDArray[Any]]]) -> tuple[Bytes, Labels]:
    images, labels = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    return images, labels.astype(np.int64)


def _find_pair(folder: Path, part: str) -> tuple[Path, Path] | None:
    """The files with a part's images and labels; None if both are missing."""
    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    if not any(_find(folder, name) for name in names):
        return None
    return _find_or_fail(folder, names[0]), _find_or_fail(folder, names[1])


def _find(folder: Path, name: str) -> Path | None:
    """An IDX file in its usual spellings."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if _is(path, Path.is_file):
                return path
    return None


def _find_or_fail(folder: Path, name: str) -> Path:
    path = _find(folder, name)
    if path is None:
        raise DataFileError(f"{folder} lacks the file {name} (or {name}.gz).")
    return path


def _read_pair(files: tuple[Path, Path]) -> tuple[Bytes, Labels]:
    images, labels = read_idx(files[0]), read_idx(files[1])
    check_digits(images, labels, str(files[0]), str(files[1]))
    return images, labels.astype(np.int64)


def _load_file(path: Path, name: str) -> Dataset:
    if path.name.lower().endswith(".npz"):
        train_images, train_labels, test_images, test_labels = read_keras_npz(path)
        train, test = (train_images, train_labels), (test_images, test_labels)
        return _dataset(train, test, title="", place=path, name=name, files=(path,))
    if path.suffix == ".npy":
        raise DataFileError(
            f"{path} is one array. Put pictures and labels in a folder, as train-images.npy and train-labels.npy, and "
            f"name the folder."
        )
    if path.name.lower().endswith(_CSV_SUFFIXES):
        images, labels = read_csv(path)
        if labels is None:
            return _unlabelled(images, path, name)
        return _dataset((images, labels), None, title="", place=path, name=name, files=(path,))
    raise DataFileError(f"{path} is of no known kind; expected {_READABLE}. An IDX file is read with its folder.")


def _unlabelled(images: Bytes, path: Path, name: str) -> Dataset:
    source = f"{len(images):,} unlabelled images, from {path}"
    return Dataset(None, None, images, None, CLASS_NAMES, source, name, (path,))


def _dataset(
    train: tuple[Bytes, Labels],
    test: tuple[Bytes, Labels] | None,
    *,
    title: str,
    place: str | Path,
    name: str,
    files: tuple[Path, ...],
) -> Dataset:
    """Put the parts together and say in a sentence what they are."""
    if test is not None and train[0].shape[1:] != test[0].shape[1:]:
        raise DataFileError(
            f"{place}: the training images are {train[0].shape[1:]} and the test images {test[0].shape[1:]}; "
            "expected one size."
        )
    counts = f"{len(train[0]):,} training" + (f" and {len(test[0]):,} test" if test is not None else "")
    source = f"{title}{', ' if title else ''}{counts} images, from {place}"
    test_images, test_labels = test if test is not None else (None, None)
    return Dataset(*train, test_images, test_labels, CLASS_NAMES, source, name, files)
