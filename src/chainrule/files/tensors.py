"""Named arrays and words about them in one file: safetensors, so that reading it runs nothing.

One of the words is a checksum over the whole file, so that a damaged one is noticed and no wrong number is used.
docs/file-format.md says how it is computed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from chainrule.errors import InputError
from chainrule.files.opening import open_file
from chainrule.nn.arrays import Array

#: Bytes of the header, metadata included. Ten thousand reports of a training's history need a third of it, and read as
#: Python's objects it can take twenty times as much memory.
LARGEST_HEADER = 1 << 22
#: Stands in the checksum's place while it is computed.
_BLANK = "0" * 64


def pack_tensors(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """What `read_tensors` reads: a safetensors file, whose metadata gain a checksum, `sha256`.

    Parameters
    ----------
    arrays : float or integer arrays by name, in any memory layout
    metadata : texts by name, `format` and `version` among them

    Raises
    ------
    InputError
        If names, shapes and metadata are too long to be read again.
    """
    from safetensors.numpy import save

    # safetensors writes the memory of an array that is not contiguous in the wrong order.
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    blank = save(contiguous, {**metadata, "sha256": _BLANK})
    (length,) = struct.unpack("<Q", blank[:8])
    if length > LARGEST_HEADER:
        raise InputError(f"The file's header would have {length:,} bytes; expected at most {LARGEST_HEADER:,}.")
    field = f'"sha256":"{_BLANK}"'.encode()
    checksum = hashlib.sha256(blank).hexdigest()
    return blank.replace(field, field.replace(_BLANK.encode(), checksum.encode()), 1)


def read_tensors(path: Path, kind: str, version: str) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and the arrays of a file by `pack_tensors`.

    Lengths are compared with the file's own before anything of that length is allocated.

    Parameters
    ----------
    path : Path
    kind, version : str
        What `format` and `version` must be.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is none, of another kind or version, or damaged; says what is wrong, as the end of a sentence, without
        the path.
    """
    try:
        with open_file(path) as file:
            content, metadata = _read(file, kind, version)
        _require_checksum(content, metadata.get("sha256", ""))
        return metadata, _arrays(content)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise InputError("it does not fit into memory") from error


def write_json(name: str, value: Any) -> str:
    """JSON that any program reads, with NumPy's numbers and arrays as plain ones; an InputError where it cannot be."""
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
        read_json(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"A file keeps {name} as JSON, and these cannot be: {error}. Nothing was saved.") from error
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no kind of value that JSON has")


def read_json(text: str) -> Any:
    """What a text in JSON says.

    Raises
    ------
    ValueError, RecursionError
        If it is no JSON, or a name stands twice in an object, or it holds what cannot be printed as UTF-8.
    """
    value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_number, parse_float=_finite)
    if "\\ud" in text.lower():  # half of a pair, alone, is no letter
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _read(file: BinaryIO, kind: str, version: str) -> tuple[bytes, dict[str, str]]:
    """The whole content, once the header says that the rest is worth reading; and the metadata."""
    whole = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if length > min(LARGEST_HEADER, whole - 8):
        raise InputError("it is no safetensors file, or cut short")
    text = file.read(length)
    header = _parse(text)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError("its metadata are not texts by name")
    if metadata.get("format") != kind:
        found = metadata.get("format")
        raise InputError(
            f"its format is {found!r:.40}; expected {kind}"
            if found
            else f"it is a safetensors file of another program, no {kind}"
        )
    if metadata.get("version") != version:
        raise InputError(
            f"it is of version {metadata.get('version', '')!r:.20}; this program reads version {version}. "
            f"Update chainrule"
        )
    size = 8 + length + _length_of_data(header.values())
    if size != whole:
        raise InputError(f"it has {whole:,} bytes, and by its header {size:,}: it is damaged or cut short")
    return start + text + file.read(size - 8 - length), metadata


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = read_json(text.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"its header is no JSON ({error}): it is no safetensors file, or damaged") from error
    if not isinstance(header, dict):
        raise InputError("its header is no JSON object: it is no safetensors file, or damaged")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands for two things; which of them is meant, each reader would decide for itself."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return result


def _finite(text: str) -> float:
    """Refuse 1e999, which Python reads as infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is too large for a number")
    return number


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number in JSON")


def _length_of_data(entries: Iterable[Any]) -> int:
    """Where the last array ends; safetensors looks at the rest."""
    try:
        return max((int(entry["data_offsets"][1]) for entry in entries), default=0)
    except (TypeError, KeyError, IndexError, ValueError, OverflowError) as error:
        raise InputError("its header does not say where the arrays lie") from error


def _require_checksum(content: bytes, checksum: str) -> None:
    """Refuse a file unless the metadata's sha256 is that of the file with 64 zeros in the checksum's place."""
    place = content.find(checksum.encode()) if len(checksum) == len(_BLANK) else -1
    if place < 0:
        raise InputError("it has no checksum (sha256 in its metadata), so nobody can tell whether it is damaged")
    view = memoryview(content)
    digest = hashlib.sha256(view[:place])
    digest.update(_BLANK.encode())
    digest.update(view[place + len(_BLANK) :])
    if digest.hexdigest() != checksum:
        raise InputError("its checksum does not fit its content: it is damaged")


def _arrays(content: bytes) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, Array] = load(content)
    except (SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"its header does not fit its content ({error})") from error
    return arrays
