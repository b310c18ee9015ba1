"""What is in an ONNX file: nodes, and arrays by name. A stranger's file takes no more memory than its length allows.

ONNX is written in protobuf, where two bytes can ask for an object of two hundred. So the objects are counted first, by
a walk over the bytes along onnx's own description of the format, and protobuf reads the file only if they are few.
Arrays may lie in a second file beside it (PyTorch's `.onnx.data`), and nowhere else.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import InputError
from chainrule.files.onnx import require_onnx
from chainrule.files.opening import open_file
from chainrule.nn.arrays import Array

LARGEST_FILE = 1 << 28
#: Of all arrays together, unpacked and worked out.
MOST_BYTES = 1 << 29
#: Messages, texts and whole numbers in lists. A network of a thousand layers has a tenth of it.
MOST_OBJECTS = 100_000
#: protobuf itself goes no deeper.
DEEPEST = 100
#: onnx's numbers for the kinds of values that are read.
FLOAT, UINT8, INT32, INT64, STRING, DOUBLE = 1, 2, 6, 7, 8, 11
DTYPES: dict[int, np.dtype[Any]] = {
    FLOAT: np.dtype("<f4"),
    DOUBLE: np.dtype("<f8"),
    INT32: np.dtype("<i4"),
    INT64: np.dtype("<i8"),
}
_LISTS = {FLOAT: "float_data", DOUBLE: "double_data", INT32: "int32_data", INT64: "int64_data"}


def read_content(path: Path) -> Any:
    """An ONNX file as onnx's ModelProto, its arrays still packed.

    Raises
    ------
    MissingPackageError
        If the package onnx is not installed.
    InputError
        If there is no such file, or it is no ONNX file, or damaged, or larger than what is read; says what is wrong,
        as the end of a sentence, without the path.
    """
    onnx = require_onnx()
    from google.protobuf.message import DecodeError

    content = _bytes(path)
    _count_objects(memoryview(content), onnx.ModelProto.DESCRIPTOR)
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise InputError("it is no ONNX file, or damaged or cut short") from error
    if not model.HasField("graph") or not model.opset_import:
        raise InputError("it is no ONNX file: it has no graph, or does not say which operators")
    return model


def _bytes(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise InputError(f"it has {size:,} bytes; an ONNX file of more than {LARGEST_FILE:,} is not read")
            return file.read(size)
    except FileNotFoundError as error:
        raise InputError("there is no such file") from error
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror or error})") from error


# ----------------------------------------------------------------------------------------- counting, before reading

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def _count_objects(message: memoryview, descriptor: Any, count: int = 0, depth: int = 0) -> int:
    """How many objects protobuf would make, `count` included; an InputError where they are too many."""
    if depth > DEEPEST:
        raise InputError("it has parts in parts without end")
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        field = descriptor.fields_by_number.get(key >> 3)
        count += 1
        if key & 7 == _LENGTH:
            size, place = _varint(message, place)
            inner, place = message[place : place + size], place + size
            if field is not None and field.message_type is not None:
                count = _count_objects(inner, field.message_type, count, depth + 1)
            elif field is not None and field.type == field.TYPE_STRING:
                _require_text(inner)
            elif field is not None and field.cpp_type in (field.CPPTYPE_INT32, field.CPPTYPE_INT64):
                count += size  # numbers in a row, of a byte or more each
        else:
            place = _after(message, place, key & 7)
        if count > MOST_OBJECTS:
            raise InputError(f"it has more than {MOST_OBJECTS:,} parts")
    if place > len(message):
        raise InputError("it is no ONNX file, or damaged or cut short")
    return count


def _require_text(content: memoryview) -> None:
    """Refuse what is no UTF-8, and would come out of protobuf as bytes among the texts."""
    try:
        str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError("it is no ONNX file, or damaged: a name in it is no UTF-8") from error


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, the lowest first; and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise InputError("it is no ONNX file, or damaged or cut short")


def _after(message: memoryview, place: int, wire: int) -> int:
    """The place after a number."""
    if wire == _VARINT:
        return _varint(message, place)[1]
    if wire == _FOUR_BYTES:
        return place + 4
    if wire == _EIGHT_BYTES:
        return place + 8
    raise InputError("it is no ONNX file, or damaged or cut short")


# ------------------------------------------------------------------------------------------------------- arrays


class Arrays:
    """Unpacks arrays, and counts their bytes. Errors are ends of sentences.

    Parameters
    ----------
    folder : Path
        Of the ONNX file. A second file with arrays lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.room = MOST_BYTES

    def take_room(self, size: int) -> None:
        """Count what is about to be allocated; an InputError where all of it is too much."""
        self.room -= size
        if self.room < 0:
            raise InputError(f"asks for more than {MOST_BYTES:,} bytes of arrays, together with those before it")

    def unpack(self, tensor: Any) -> Array:
        """The array of onnx's TensorProto; of strings, an array of objects.

        Raises
        ------
        InputError
            If it is not of real numbers or texts, or its shape does not fit its values; names the array.
        """
        name = f"the array {tensor.name!r:.60}"
        shape = tuple(tensor.dims)
        if len(shape) > 4 or any(length < 0 for length in shape):
            raise InputError(f"{name} has the shape {str(shape)[:60]}; expected at most four dimensions, from 0 up.")
        if tensor.data_type == STRING:
            return self._texts(tensor, name, shape)
        if tensor.data_type not in DTYPES:
            raise InputError(
                f"{name} is of {_type_name(tensor.data_type)}; expected float32 or float64. Write the network in one "
                f"of these."
            )
        dtype = DTYPES[tensor.data_type]
        size = math.prod(shape) * dtype.itemsize
        self.take_room(size)
        array = self._values(tensor, name, size, dtype)
        if array.nbytes != size:
            raise InputError(f"{name} of shape {shape} needs {size:,} bytes, and its values have {array.nbytes:,}.")
        return array.reshape(shape).astype(dtype.newbyteorder("="), copy=False)

    def _values(self, tensor: Any, name: str, size: int, dtype: np.dtype[Any]) -> Array:
        if tensor.external_data or tensor.data_location:
            content = self._outside(tensor, name, size)
        elif tensor.HasField("raw_data"):
            content = tensor.raw_data
        else:
            return np.array(getattr(tensor, _LISTS[tensor.data_type]), dtype)
        if len(content) != size:
            raise InputError(f"{name} needs {size:,} bytes, and its values have {len(content):,}.")
        return np.frombuffer(content, dtype)

    def _outside(self, tensor: Any, name: str, size: int) -> bytes:
        """The bytes of an array that lies in a second file, in the same folder."""
        told = {entry.key: entry.value for entry in tensor.external_data}
        location = told.get("location", "")
        path = self.folder / location
        if location != Path(location).name or "\\" in location or path.is_symlink():
            raise InputError(f"{name} lies in {location!r:.60}; only a file in the same folder is read.")
        start, length = (
            _whole(told.get(key, default), name) for key, default in (("offset", "0"), ("length", str(size)))
        )
        try:
            with open_file(path) as file:
                if length != size or start + size > os.fstat(file.fileno()).st_size:
                    raise InputError(f"{name} needs {size:,} bytes from {start:,} on in {location}; there are fewer.")
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise InputError(
                f"{name} lies in a second file, {location!r:.60}, which cannot be read ({error.strerror or error}). "
                f"Put it beside the ONNX file, or write both as one."
            ) from error

    def _texts(self, tensor: Any, name: str, shape: tuple[int, ...]) -> Array:
        if math.prod(shape) != len(tensor.string_data):
            raise InputError(f"{name} of shape {shape} has {len(tensor.string_data):,} texts.")
        array = np.empty(len(tensor.string_data), object)
        array[:] = [text.decode("utf-8", "replace") for text in tensor.string_data]
        return array.reshape(shape)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InputError(f"{name} lies at {text!r:.40} in another file; expected a whole number.")
    return int(text)


def _type_name(number: int) -> str:
    names = require_onnx().TensorProto.DataType
    return names.Name(number).lower() if number in names.values() else f"type {number}"
