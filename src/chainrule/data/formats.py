"""Files of digits: IDX, Keras npz and Kaggle csv. One format a function.

An IDX file, as MNIST has it, is a header and the bytes of one array in row-major order:

    byte 0, 1   0
    byte 2      the type of a value; 0x08 is an unsigned byte
    byte 3      the number of dimensions: 1 for labels, 3 for images
    4 bytes     the length of each dimension, big-endian
    the rest    the values

Whatever a file claims about its size is compared with what is there before memory is taken for it. A small packed file
can hold any number of gigabytes, so no more than `LARGEST` bytes are unpacked; a plain file may be of any size.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import reprlib
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.atomic import replacing
from chainrule.data.preparation import label_fault
from chainrule.errors import DataFileError, DtypeError, ShapeError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK"
NPY_MAGIC = b"\x93NUMPY"
CLASSES = 10
LARGEST = 1 << 30
"""How many bytes a packed file may hold, twenty times what MNIST has."""

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 20
_LONGEST_NPY_HEADER = 1 << 17  # NumPy itself reads 10,000 bytes
_VALUES = tuple(str(value) for value in range(256))
_PIXEL_VALUES = frozenset(_VALUES)
_LABEL_VALUES = frozenset(_VALUES[:CLASSES])
_BROKEN_ARCHIVE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError)


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


def map_idx(path: str | Path) -> Bytes:
    """Labels or images of a plain IDX file, mapped to memory: read-only, and read where they lie when asked for.

    Parameters
    ----------
    path : path of the file, not gzipped

    Returns
    -------
    uint8 array, shape (N,) or (N, height, width)

    Raises
    ------
    DataFileError
        As from `read_idx`; and if the file is gzipped, as nothing can be read in the middle of one.
    """
    path = Path(path)
    with _opened(path) as file:
        if _magic(file) == GZIP_MAGIC:
            _fail(path, "is gzipped, and cannot be read in pieces. Unpack it: gunzip FILE.")
        shape = _read_idx_header(file, path)
        size, offset = math.prod(shape), file.tell()
        held = os.fstat(file.fileno()).st_size - offset
    if held != size:
        _wrong_length(path, shape, f"{held:,} bytes")
    return _mapped(path, np.uint8, shape, offset)


def map_npy(path: str | Path) -> NDArray[Any]:
    """The array in an .npy file of whole numbers, mapped to memory: read-only, and read where it lies when asked for.

    Parameters
    ----------
    path : path of the file

    Returns
    -------
    integer array of any shape

    Raises
    ------
    DataFileError
        If the file is missing, no .npy file, cut short or too long, or holds other than whole numbers.
    """
    path = Path(path)
    with _opened(path) as file:
        shape, columns_first, dtype = _npy_header(file, "", path)
        size, offset = math.prod(shape) * dtype.itemsize, file.tell()
        held = os.fstat(file.fileno()).st_size - offset
    if dtype.hasobject:
        _fail(path, "holds pickled objects, and chainrule reads none.")
    if dtype.kind not in "iu" or columns_first:
        _fail(path, f"holds {dtype!s:.40}{', column by column' * columns_first}; expected whole numbers, row by row.")
    if held != size:
        _fail(path, f"declares {size:,} bytes of values, and {held:,} follow. Fetch the file again.")
    return _mapped(path, dtype, shape, offset)


def _mapped(path: Path, dtype: Any, shape: tuple[int, ...], offset: int) -> NDArray[Any]:
    if not math.prod(shape):  # nothing to map
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def write_idx(path: str | Path, array: Bytes) -> None:
    """Write labels or images as a plain IDX file.

    Parameters
    ----------
    path : where to
    array : uint8 array, shape (N,) for labels or (N, height, width) for images

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
    with replacing(path) as file:
        file.write(_idx_header(array.shape))
        file.write(np.ascontiguousarray(array).data)


def idx_sha256(array: Bytes) -> str:
    """SHA-256 of the plain IDX file that holds `array`, in hexadecimal digits.

    The header of such a file follows from the shape alone. So what was read can be verified without reading
    the file again, and a gzipped file by the same sum as a plain one.

    Parameters
    ----------
    array : uint8 array, shape (N,) or (N, height, width)

    Returns
    -------
    str of 64 hexadecimal digits
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
        _check_unpacked(size, path)
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
    path : an npz file with the members x_train, y_train, x_test and y_test; pixels are integers from 0 to 255 of any
        integer dtype, labels are (N,) or (N, 1)

    Returns
    -------
    x_train : uint8 array, shape (N, height, width)
    y_train : int64 array, shape (N,)
    x_test, y_test : likewise

    Raises
    ------
    DataFileError
        If the file is missing or no npz file, lacks a member, or a member has another dtype or shape, or a value
        out of range; images are counted from 0. Pickled members are refused, since reading a pickle can run code.
    """
    path = Path(path)
    with _opened(path) as file:
        if _magic(file) != ZIP_MAGIC:
            _fail(path, "is not an npz file (which is a zip archive). Is the download complete?")
        with _archive_errors(path), zipfile.ZipFile(file) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            names = ("x_train", "y_train", "x_test", "y_test")
            if missing := [name for name in names if name not in found]:
                held = reprlib.repr(", ".join(found)).strip("'") or "nothing"
                _fail(
                    path,
                    f"has no member {' and no '.join(missing)}; it holds {held}. Expected what Keras' mnist.npz has.",
                )
            if twice := [name for name in names if found.count(name) > 1]:
                _fail(path, f"has the member {twice[0]} twice. Fetch the file again.")
            members = [info for info in archive.infolist() if info.filename.removesuffix(".npy") in names]
            for member in members:
                _check_packing(member, path)
            _check_unpacked(sum(member.file_size for member in members), path)
            train = _npz_pair(archive, "train", path)
            test = _npz_pair(archive, "test", path)
    return *train, *test


def _npz_pair(archive: zipfile.ZipFile, part: str, path: Path) -> tuple[Bytes, Labels]:
    images = _npz_images(archive, f"x_{part}", path)
    labels = _npz_labels(archive, f"y_{part}", path)
    check_digits(images, labels, f"{path} (x_{part})", f"{path} (y_{part})")
    return images, labels


def _npz_images(archive: zipfile.ZipFile, name: str, path: Path) -> Bytes:
    pixels = _npz_member(archive, name, path, "integers from 0 to 255 in (N, height, width)", lambda s: len(s) == 3)
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        wrong = (pixels < 0) | (pixels > 255)
        place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        _fail(path, f"has in {name}, image {place[0]} (counted from 0), the pixel {pixels[place]}; expected 0 to 255.")
    return pixels.astype(np.uint8, copy=False)


def _npz_labels(archive: zipfile.ZipFile, name: str, path: Path) -> Labels:
    labels = _npz_member(
        archive, name, path, "integers in (N,) or (N, 1)", lambda s: len(s) == 1 or (len(s) == 2 and s[1] == 1)
    )
    return labels.reshape(-1).astype(np.int64)


def _npz_member(
    archive: zipfile.ZipFile, name: str, path: Path, expected: str, fits: Callable[[tuple[int, ...]], bool]
) -> NDArray[np.integer[Any]]:
    """One array, once its header is known to be what is expected and to agree with the member's length."""
    member = next(info for info in archive.infolist() if info.filename.removesuffix(".npy") == name)
    with archive.open(member) as file:
        start = io.BytesIO(file.read(_LONGEST_NPY_HEADER))
        shape, columns_first, dtype = _npy_header(start, name, path)
        if dtype.hasobject:
            _fail(path, f"has a member {name} that cannot be read: it holds pickled objects, and chainrule reads none.")
        if dtype.kind not in "iu" or not fits(shape):
            rule = f" Pixels in [0, 1] are converted with np.rint(255 * {name}).astype(np.uint8)."
            rule *= dtype.kind == "f" and name.startswith("x")
            _fail(path, f"holds {name} as {dtype!s:.40} {reprlib.repr(shape)}; expected {expected}.{rule}")
        size, follow = math.prod(shape) * dtype.itemsize, member.file_size - start.tell()
        if size != follow:
            _fail(path, f"declares {size:,} bytes of values in {name}, and {follow:,} follow. Fetch the file again.")
        content = bytearray(start.read())
        while chunk := file.read(_CHUNK):  # memory grows only with what has arrived
            content += chunk
    if len(content) != size:
        _fail(path, f"declares {size:,} bytes of values in {name}, and {len(content):,} follow. Fetch the file again.")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")


def _npy_header(file: IO[bytes], name: str, path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype as the first bytes of an npy file have them; a file alone has no name in an archive."""
    what = f"has a member {name} that" if name else "holds what"
    if file.read(6) != NPY_MAGIC:
        _fail(path, f"{what} is not an array.")
    version = file.read(2)
    readers = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}
    if version not in readers:
        _fail(path, f"{what} cannot be read: it is of npy version {version.hex(' ')}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python 2 wrote is as good
            shape, columns_first, dtype = readers[version](file)
    except Exception as error:  # NumPy parses the header as Python, and that can stumble in any way
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        _fail(path, f"{what} cannot be read: {reason:.200}.", error)
    largest, of = (LARGEST, f" for {name}") if name else (sys.maxsize, "")  # a file alone is mapped, of any size
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > largest:
        _fail(
            path,
            f"declares an impossible shape{of}, {reprlib.repr(shape)}. Fetch the file again.",
        )
    return shape, columns_first, dtype


# --------------------------------------------------------------------------------------------- Kaggle csv


def read_csv(path: str | Path) -> tuple[Bytes, Labels | None]:
    """Digits from a csv file as Kaggle has them.

    The first line names the columns: `label`, unless the digits have none, and the pixels, row by row from the top,
    in one of three ways:

        pixel0,pixel1,…,pixel783        "Digit Recognizer"
        pixel1,pixel2,…,pixel784        Fashion-MNIST
        1x1,1x2,…,28x28                 "MNIST in CSV"

    Every other line is one digit. Upper and lower case, quotation marks around values, a byte order mark and Windows'
    ends of lines make no difference.

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
        whole number, or out of range. The message names the line of the file, the column and the value.
    """
    path = Path(path)
    with _csv_lines(path) as lines:
        columns = _csv_columns(lines, path)
        table = _csv_table(lines)
    if table is None or table.shape[1] != len(columns):
        _blame_line(path, columns)
    if number := _open_number(lines.last):
        _fail(
            path,
            f"line {lines.number} ends the file with '{number}' and no newline: digits may have been cut off. Fetch "
            "the file again; or add a newline if it is whole.",
        )
    labelled = columns[0] == "label"
    if labelled and table[:, 0].max() >= CLASSES:
        _blame_line(path, columns)
    pixels = table[:, 1:] if labelled else table
    side = math.isqrt(pixels.shape[1])
    images = np.ascontiguousarray(pixels).reshape(-1, side, side)
    labels = table[:, 0].astype(np.int64) if labelled else None
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
    with replacing(path) as file:
        file.write((",".join(["label"] * (labels is not None) + header) + "\n").encode())
        for i, row in enumerate(rows):
            label = "" if labels is None else f"{labels[i]},"
            file.write((label + ",".join(map(_VALUES.__getitem__, row.tolist())) + "\n").encode())


class _Lines:
    """The lines of a text, counted; no more of it is read than is allowed, even if it is one line.

    Attributes
    ----------
    number : of the line that was read last, counted from 1
    last : that line, with its end
    """

    def __init__(self, text: TextIO, path: Path, packed: bool) -> None:
        self.number, self.last = 0, ""
        self._text, self._path, self._packed = text, path, packed
        self._characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number, self.last = self.number + 1, line
        if len(line) == _LONGEST_LINE:
            _fail(self._path, f"line {self.number} has {_LONGEST_LINE:,} characters or more. Is it a csv file?")
        self._characters += len(line)
        if self._packed:
            _check_unpacked(self._characters, self._path)
        return line


@contextmanager
def _csv_lines(path: Path) -> Iterator[_Lines]:
    """The text of a csv file, out of whatever it is packed in."""
    with _opened(path) as file, _archive_errors(path), _unpacked(file, path) as plain:
        try:
            # utf-8-sig: spreadsheets like to put a byte order mark first.
            yield _Lines(io.TextIOWrapper(plain, encoding="utf-8-sig"), path, packed=plain is not file)
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
    names = [name for name in archive.namelist() if name.lower().endswith(".csv") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        held = reprlib.repr(", ".join(names)).strip("'") or "none"
        _fail(
            path,
            f"is a zip archive with {len(names)} csv files ({held}); expected one. Unpack it and name a csv.",
        )
    member = archive.getinfo(names[0])
    _check_packing(member, path)
    return member


def _csv_columns(lines: _Lines, path: Path) -> list[str]:
    """The names in the first line, checked; the label's is 'label'."""
    header = next(lines, "")
    if not header.strip():
        _fail(path, "is empty, or its first line is; expected the line 'label,pixel0,…' or 'pixel0,…'.")
    names = [_unquoted(name.strip()).strip().lower() for name in header.split(",")]
    first = int(names[0] == "label")
    pixels = len(names) - first
    side = round(math.sqrt(pixels))
    scheme = _pixel_names(names[first], pixels, side) if pixels else []
    if scheme is None:
        known = "'pixel0', 'pixel1' or '1x1', the header."
        known = known if first else f"'label', {known}"
        _fail(path, f"line 1, column {first + 1} is '{names[first][:40]}'; expected {known}")
    for number, (name, expected) in enumerate(zip(names[first:], scheme, strict=True), start=first + 1):
        if name != expected:
            _fail(path, f"line 1, column {number} is '{name[:40]}'; expected '{expected}'.")
    if pixels == 0 or side**2 != pixels:
        _fail(path, f"line 1 names {pixels} pixels; expected a square number of them, such as 28 × 28 = 784.")
    return names


def _pixel_names(first: str, pixels: int, side: int) -> list[str] | None:
    """What the columns are called if the first has this name; None if no scheme begins with it."""
    if first in ("pixel0", "pixel1"):
        start = int(first[-1])
        return [f"pixel{number}" for number in range(start, start + pixels)]
    if first == "1x1":
        return [f"{number // side + 1}x{number % side + 1}" for number in range(pixels)]
    return None


def _csv_table(lines: _Lines) -> Bytes | None:
    """All lines at once, or None if one of them is not numbers from 0 to 255."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an empty table, and a fraction in older NumPy, are warnings only
        try:
            return np.loadtxt(lines, dtype=np.uint8, delimiter=",", comments=None, ndmin=2, quotechar='"')
        except DataFileError:
            raise
        except (ValueError, Warning):
            return None


def _open_number(line: str) -> str | None:
    """The number that ends a line without a newline, if it may have had more digits: 25 of 255; 26 and 0 are whole."""
    number = line.rpartition(",")[2].lstrip(' "+0')
    return number if number.isdecimal() and int(number) * 10 <= 255 else None


def _blame_line(path: Path, columns: list[str]) -> NoReturn:
    """Find what was wrong with a csv file, line by line, which is slow and needed only once."""
    rows = 0
    with _csv_lines(path) as lines:
        next(lines)
        for line in lines:
            if text := line.rstrip("\n"):
                rows += 1
                _check_csv_line(text, f"line {lines.number}", path, columns)
    _fail(path, "cannot be read as a table of whole numbers." if rows else "has a header line and no digits.")


def _check_csv_line(text: str, where: str, path: Path, columns: list[str]) -> None:
    fields = [_unquoted(field) for field in text.split(",")]
    if len(fields) != len(columns):
        _fail(
            path,
            f"{where} has {len(fields)} values; expected {len(columns)}, as many as the header has names.",
        )
    if _PIXEL_VALUES.issuperset(fields) and (columns[0] != "label" or fields[0] in _LABEL_VALUES):
        return
    for name, field in zip(columns, fields, strict=True):
        highest = CLASSES - 1 if name == "label" else 255
        if fault := _csv_fault(field.strip(), highest):
            _fail(path, f"{where}, column '{name}': {fault}; expected a whole number from 0 to {highest}.")


def _unquoted(field: str) -> str:
    field = field.rstrip()
    return field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field


def _csv_fault(field: str, highest: int) -> str | None:
    digits = field.lstrip("+-")
    if not field:
        return "the value is missing"
    if not (digits.isascii() and digits.isdigit()):
        return f"'{field[:40]}' is not a whole number"
    if field.startswith("-"):
        return f"{field[:40]} is negative"
    # Not the whole number: Python refuses to convert thousands of digits.
    return f"{field[:40]} is out of range" if int(digits.lstrip("0")[:10] or "0") > highest else None


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
        If they are not; names the files, and the counts or the image, counted from 0.
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
    if fault := label_fault(labels, CLASSES):
        raise DataFileError(f"{labels_from}: {fault}")


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
    except MemoryError as error:
        _fail(path, "does not fit into the memory that is left. Close other programs, or split it.", error)


def _check_unpacked(size: int, path: Path) -> None:
    if size > LARGEST:
        _fail(
            path,
            f"holds {size / 2**30:.3g} GiB or more; of a packed file, chainrule reads at most {LARGEST / 2**30:g} GiB. "
            "If you trust it, give its digits as plain IDX or csv.",
        )


def _check_packing(member: zipfile.ZipInfo, path: Path) -> None:
    if member.flag_bits & 0x1:
        _fail(path, "is an encrypted zip archive. Unpack it, and pack it again without a password.")
    # Of the others, zipfile unpacks as much at once as there is.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        _fail(path, f"is packed by method {member.compress_type} of zip; expected 8, deflate. Pack it again.")


def _magic(file: io.BufferedReader) -> bytes:
    return file.peek(2)[:2]


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    """Say of a broken gzip or zip file that it is broken, and where."""
    try:
        yield
    except _BROKEN_ARCHIVE as error:
        _fail(path, f"is cut short or damaged: {error!s:.200}. Fetch the file again.", error)
