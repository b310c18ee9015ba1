"""Files of digits: IDX, Keras npz and Kaggle csv. One format a function.

An IDX file, as MNIST has it, is a header and the bytes of one array in row-major order:

    byte 0, 1   0
    byte 2      the type of a value; 0x08 is an unsigned byte
    byte 3      the number of dimensions: 1 for labels, 3 for images
    4 bytes     the length of each dimension, big-endian
    the rest    the values

Whatever a file claims about its size is compared with what is there before memory is taken for it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataFileError, DtypeError, OutputError, ShapeError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK"
CLASSES = 10
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 20
_PIXEL_VALUES = frozenset(str(value) for value in range(256))
_BROKEN_ARCHIVE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)


# ---------------------------------------------------------------------------------------------------- IDX


def read_idx(path: str | Path) -> Bytes:
    """Labels or images from an IDX file, plain or gzipped.

    Parameters
    ----------
    path : path of the file; gzip is recognised by its first two bytes, whatever the name

    Returns
    -------
    uint8 array, shape (N,) for labels or (N, height, width) for images

    Raises
    ------
    DataFileError
        If the file is missing, is no IDX file of unsigned bytes, or holds fewer or more bytes than its header
        says.

    References
    ----------
    LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998), "File formats".
    """
    path = Path(path)
    with _opened(path) as file:
        if _magic(file) == GZIP_MAGIC:
            return _read_gzipped_idx(file, path)
        shape = _read_idx_header(file, path)
        size = math.prod(shape)
        held = os.fstat(file.fileno()).st_size - file.tell()
        if held != size:
            _wrong_length(path, shape, f"{held:,} bytes")
        array = np.empty(shape, np.uint8)
        if file.readinto(array.reshape(-1).data) != size:
            _wrong_length(path, shape, "fewer bytes: the file shrank while it was read")
        return array


def write_idx(path: str | Path, array: Bytes) -> None:
    """Write labels (N,) or images (N, height, width), uint8, as a plain IDX file.

    Raises
    ------
    DtypeError
        If the array is not uint8.
    ShapeError
        If it has neither one nor three dimensions.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    if array.dtype != np.uint8:
        raise DtypeError(f"An IDX file of digits holds uint8, and the array is {array.dtype}: convert it first.")
    if array.ndim not in (1, 3):
        raise ShapeError(f"An IDX file of digits holds (N,) or (N, height, width), and the array is {array.shape}.")
    with _replacing(path) as file:
        file.write(_idx_header(array.shape))
        file.write(np.ascontiguousarray(array).data)


def idx_sha256(array: Bytes) -> str:
    """SHA-256 of the plain IDX file that holds `array`, in hexadecimal digits.

    The header of such a file follows from the shape alone. So what was read can be verified without reading
    the file again, and a gzipped file by the same sum as a plain one.
    """
    digest = hashlib.sha256(_idx_header(array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _idx_header(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape)


def _read_idx_header(file: BinaryIO | gzip.GzipFile, path: Path) -> tuple[int, ...]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        _fail(
            path,
            f"begins with the bytes '{start.hex(' ')}'; an IDX file begins with '00 00 08'.",
        )
    if start[2] != 0x08:
        _fail(path, f"is an IDX file of type 0x{start[2]:02x} (byte 2); digits are unsigned bytes, type 0x08.")
    if start[3] not in (1, 3):
        _fail(path, f"declares {start[3]} dimensions (byte 3); expected 1 for labels or 3 for images.")
    lengths = file.read(4 * start[3])
    if len(lengths) < 4 * start[3]:
        _fail(path, "ends inside its header. Fetch the file again.")
    return struct.unpack(f">{start[3]}I", lengths)


def _read_gzipped_idx(file: BinaryIO, path: Path) -> Bytes:
    with _archive_errors(path), gzip.GzipFile(fileobj=file) as plain:
        shape = _read_idx_header(plain, path)
        size = math.prod(shape)
        # One byte more than declared shows that there is more; memory grows only with what has arrived.
        held = bytearray()
        while len(held) <= size and (chunk := plain.read(min(_CHUNK, size + 1 - len(held)))):
            held += chunk
    if len(held) != size:
        _wrong_length(path, shape, "more" if len(held) > size else f"{len(held):,} bytes")
    return np.frombuffer(held, np.uint8).reshape(shape)


def _wrong_length(path: Path, shape: tuple[int, ...], held: str) -> NoReturn:
    sizes = " × ".join(f"{length:,}" for length in shape)
    _fail(
        path,
        f"declares {sizes} = {math.prod(shape):,} bytes of values, and {held} follow. Fetch the file again.",
    )


# ---------------------------------------------------------------------------------------------- Keras npz


def read_keras_npz(path: str | Path) -> tuple[Bytes, Labels, Bytes, Labels]:
    """Training and test digits from an npz file as Keras ships it.

    Parameters
    ----------
    path : an npz file with the members x_train, y_train, x_test and y_test

    Returns
    -------
    x_train : uint8 array, shape (N, height, width)
    y_train : int64 array, shape (N,)
    x_test, y_test : likewise

    Raises
    ------
    DataFileError
        If the file is missing or no npz file, lacks a member, or a member has another dtype or shape. Pickled
        members are refused, since reading a pickle can run code.
    """
    path = Path(path)
    with _opened(path) as file:
        if _magic(file) != ZIP_MAGIC:
            _fail(path, "is not an npz file (which is a zip archive). Is the download complete?")
        with _archive_errors(path), np.load(file, allow_pickle=False) as members:
            missing = [name for name in ("x_train", "y_train", "x_test", "y_test") if name not in members]
            if missing:
                found = ", ".join(members.files) or "nothing"
                _fail(path, f"has no member {' and no '.join(missing)}; it holds {found}.")
            train = _npz_pair(members, "train", path)
            test = _npz_pair(members, "test", path)
    return *train, *test


def _npz_pair(members: np.lib.npyio.NpzFile, part: str, path: Path) -> tuple[Bytes, Labels]:
    images = _npz_images(members, f"x_{part}", path)
    labels = _npz_labels(members, f"y_{part}", path)
    check_digits(images, labels, f"{path} (x_{part})", f"{path} (y_{part})")
    return images, labels


def _npz_member(members: np.lib.npyio.NpzFile, name: str, path: Path) -> NDArray[np.generic]:
    try:
        array = members[name]
    except (ValueError, MemoryError) as error:
        _fail(path, f"has a member {name} that cannot be read: {error}", error)
    if not isinstance(array, np.ndarray):
        _fail(path, f"has a member {name} that is not an array.")
    return array


def _npz_images(members: np.lib.npyio.NpzFile, name: str, path: Path) -> Bytes:
    array = _npz_member(members, name, path)
    if array.dtype != np.uint8 or array.ndim != 3:
        _fail(path, f"{name} is {array.dtype} {array.shape}; expected uint8 (N, height, width).")
    return array.astype(np.uint8, copy=False)


def _npz_labels(members: np.lib.npyio.NpzFile, name: str, path: Path) -> Labels:
    array = _npz_member(members, name, path)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        _fail(path, f"{name} is {array.dtype} {array.shape}; expected integers (N,).")
    return array.astype(np.int64)


# --------------------------------------------------------------------------------------------- Kaggle csv


def read_csv(path: str | Path) -> tuple[Bytes, Labels | None]:
    """Digits from a csv file as Kaggle's "Digit Recognizer" has it.

    The first line is `label,pixel0,…,pixel783`, or `pixel0,…,pixel783` for digits without labels. Every other
    line is one digit, row by row from the top.

    Parameters
    ----------
    path : a csv file, plain, gzipped, or alone in a zip archive; recognised by its first bytes

    Returns
    -------
    images : uint8 array, shape (N, 28, 28); the side is the square root of the number of pixels
    labels : int64 array, shape (N,), or None

    Raises
    ------
    DataFileError
        If the file is missing, empty or something else; if the header is another; if a value is missing, no
        whole number, or out of range. The message names the line, the column and the value.
    """
    path = Path(path)
    with _csv_lines(path) as lines:
        columns = _csv_columns(lines, path)
        table = _csv_table(lines)
    if table is None or table.shape[1] != len(columns):
        _blame_line(path, columns)
    labelled = columns[0] == "label"
    pixels = table[:, 1:] if labelled else table
    side = math.isqrt(pixels.shape[1])
    images = np.ascontiguousarray(pixels).reshape(-1, side, side)
    labels = table[:, 0].astype(np.int64) if labelled else None
    check_digits(images, labels, str(path), str(path))
    return images, labels


def write_kaggle_csv(path: str | Path, images: Bytes, labels: NDArray[np.integer] | None) -> None:
    """Write digits as Kaggle's `train.csv`, or as its `test.csv` when there are no labels.

    Parameters
    ----------
    path : where to
    images : uint8 array, shape (N, height, width)
    labels : integer array, shape (N,), or None

    Raises
    ------
    DtypeError, ShapeError
        If the images are not uint8 (N, height, width), or there is not one label an image.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    if images.dtype != np.uint8:
        raise DtypeError(f"A csv of digits holds uint8, and the images are {images.dtype}: convert them first.")
    if images.ndim != 3 or (labels is not None and labels.shape != images.shape[:1]):
        given = None if labels is None else labels.shape
        raise ShapeError(f"Expected images (N, height, width) and labels (N,), got {images.shape} and {given}.")
    rows = images.reshape(len(images), -1)
    header = [f"pixel{i}" for i in range(rows.shape[1])]
    text = [str(value) for value in range(256)]
    with _replacing(path) as file:
        file.write((",".join(["label"] * (labels is not None) + header) + "\n").encode())
        for i, row in enumerate(rows):
            label = "" if labels is None else f"{labels[i]},"
            file.write((label + ",".join(map(text.__getitem__, row.tolist())) + "\n").encode())


@contextmanager
def _csv_lines(path: Path) -> Iterator[TextIO]:
    """The text of a csv file, out of whatever it is packed in."""
    with _opened(path) as file, _archive_errors(path), _unpacked(file, path) as plain:
        try:
            # utf-8-sig: spreadsheets like to put a byte order mark first.
            yield io.TextIOWrapper(plain, encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            _fail(path, "is not a text file; expected a csv, plain, zipped or gzipped.", error)


@contextmanager
def _unpacked(file: io.BufferedReader, path: Path) -> Iterator[IO[bytes]]:
    magic = _magic(file)
    if magic == GZIP_MAGIC:
        with gzip.GzipFile(fileobj=file) as plain:
            yield cast(IO[bytes], plain)
    elif magic == ZIP_MAGIC:
        with zipfile.ZipFile(file) as archive, archive.open(_only_csv(archive, path)) as member:
            yield member
    else:
        yield file


def _only_csv(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    # macOS adds a shadow of every file under __MACOSX/.
    names = [name for name in archive.namelist() if name.endswith(".csv") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        held = ", ".join(names) or "none"
        _fail(
            path,
            f"is a zip archive with {len(names)} csv files ({held}); expected one. Unpack it and name a csv.",
        )
    member = archive.getinfo(names[0])
    if member.flag_bits & 0x1:
        _fail(path, "is an encrypted zip archive. Unpack it and name the csv.")
    return member


def _csv_columns(lines: TextIO, path: Path) -> list[str]:
    """The names in the first line, checked."""
    header = lines.readline(_LONGEST_HEADER)
    if not header.strip():
        _fail(path, "is empty, or its first line is; expected the line 'label,pixel0,…' or 'pixel0,…'.")
    names = [name.strip().strip('"') for name in header.split(",")]
    if names[0] not in ("label", "pixel0"):
        _fail(
            path,
            f"line 1, column 1 is '{names[0][:40]}'; expected 'label' or 'pixel0', the header.",
        )
    first = int(names[0] == "label")
    for number, name in enumerate(names[first:]):
        if name != f"pixel{number}":
            _fail(path, f"line 1, column {first + number + 1} is '{name[:40]}'; expected 'pixel{number}'.")
    pixels = len(names) - first
    if pixels == 0 or math.isqrt(pixels) ** 2 != pixels:
        _fail(path, f"line 1 names {pixels} pixels; expected a square number of them, such as 28 × 28 = 784.")
    return names


def _csv_table(lines: TextIO) -> Bytes | None:
    """All lines at once, or None if one of them is not numbers from 0 to 255."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an empty table, and a fraction in older NumPy, are warnings only
        try:
            return np.loadtxt(lines, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
        except (ValueError, Warning):
            return None


def _blame_line(path: Path, columns: list[str]) -> NoReturn:
    """Find what was wrong with a csv file, line by line, which is slow and needed only once."""
    with _csv_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            text = line.rstrip("\n")
            if number > 1 and text:
                _check_csv_line(text, f"line {number}", path, columns)
    _fail(path, "has a header line and no digits.")


def _check_csv_line(text: str, where: str, path: Path, columns: list[str]) -> None:
    fields = text.split(",")
    if len(fields) != len(columns):
        _fail(
            path,
            f"{where} has {len(fields)} values; expected {len(columns)}, as many as the header has names.",
        )
    if _PIXEL_VALUES.issuperset(fields):
        return
    for name, field in zip(columns, fields, strict=True):
        if fault := _csv_fault(field.strip()):
            highest = CLASSES - 1 if name == "label" else 255
            _fail(path, f"{where}, column '{name}': {fault}; expected a whole number from 0 to {highest}.")


def _csv_fault(field: str) -> str | None:
    digits = field.lstrip("+-")
    if not field:
        return "the value is missing"
    if not (digits.isascii() and digits.isdigit()):
        return f"'{field[:40]}' is not a whole number"
    if int(digits[:10]) > 255:
        return f"{field[:40]} is out of range"
    return f"{field} is negative" if field.startswith("-") else None


# -------------------------------------------------------------------------------------------- in common


def check_digits(images: Bytes, labels: NDArray[np.integer] | None, images_from: str, labels_from: str) -> None:
    """Hold that images and labels are a data set of digits.

    Parameters
    ----------
    images : uint8 array, shape (N, height, width), N ≥ 1
    labels : integer array, shape (N,), 0 ≤ label ≤ 9, or None
    images_from, labels_from : the files, for the message

    Raises
    ------
    DataFileError
        If they are not; names the files, and the counts or the row.
    """
    if images.ndim != 3:
        raise DataFileError(f"{images_from} holds an array {images.shape}; expected images (N, height, width).")
    if images.size == 0:
        raise DataFileError(f"{images_from} holds no images: its shape is {images.shape}.")
    if labels is None:
        return
    if labels.ndim != 1:
        raise DataFileError(f"{labels_from} holds an array {labels.shape}; expected labels (N,).")
    if len(labels) != len(images):
        raise DataFileError(
            f"{images_from} has {len(images):,} images and {labels_from} has {len(labels):,} labels; "
            "expected one label an image. Do the files belong together?"
        )
    if labels.max() >= CLASSES or labels.min() < 0:
        row = int(np.argmax((labels >= CLASSES) | (labels < 0)))
        raise DataFileError(f"{labels_from}: row {row + 1} has the label {labels[row]}; expected 0 to {CLASSES - 1}.")


def _fail(path: Path, fault: str, cause: BaseException | None = None) -> NoReturn:
    separator = ", " if fault.startswith("line ") else " "
    raise DataFileError(f"{path}{separator}{fault}") from cause


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise DataFileError(f"There is no file {path}.") from error
    except OSError as error:
        _fail(path, f"cannot be read: {error.strerror or error}.", error)


def _magic(file: io.BufferedReader) -> bytes:
    return file.peek(2)[:2]


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Say of a broken gzip or zip file that it is broken, and where."""
    try:
        yield
    except _BROKEN_ARCHIVE as error:
        _fail(path, f"is cut short or damaged: {error}. Fetch the file again.", error)


@contextmanager
def _replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name only when it is whole."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
