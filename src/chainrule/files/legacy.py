"""Parameters that a tutorial pickled, `(W1, b1, W2, b2)`, read without running anything.

A pickle is a program for a small machine, and that machine can call any function there is. Here it finds four names,
all of them stand-ins of ours that only take notes of an array's shape, dtype and bytes. Whatever else a file asks
for is refused.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.preparation import Preparation
from chainrule.errors import DataFileError, InputError, UnknownNameError
from chainrule.files.opening import open_file
from chainrule.model import Model
from chainrule.nn.arrays import Array
from chainrule.nn.network import ACTIVATIONS, multilayer_perceptron

NAMES = ("W1", "b1", "W2", "b2")
LARGEST_FILE = 1 << 26


def read_pickled_parameters(path: str | Path, *, activation: str = "relu") -> Model:
    """The model of a tutorial's `pickle.dump((W1, b1, W2, b2), file)`; a dict with those keys will do.

    Parameters
    ----------
    path : str or Path
    activation : {"relu", "leaky_relu", "tanh", "sigmoid"}
        Of the hidden layer; the file does not say.

    Returns
    -------
    model : Model, float64; pictures are scaled to [0, 1]

    Raises
    ------
    DataFileError
        If the file holds anything but four arrays of shapes (H, D), (H, 1), (C, H), (C, 1), D a square.
    UnknownNameError
        If there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise UnknownNameError("activation", str(activation), ACTIVATIONS)
    W1, b1, W2, b2 = (_array(path, name, noted) for name, noted in zip(NAMES, _four_arrays(path), strict=True))
    side = math.isqrt(W1.shape[1]) if W1.ndim == 2 else 0
    hidden, classes = b1.size, b2.size
    if W1.shape != (hidden, side * side) or W2.shape != (classes, hidden) or side * hidden * classes == 0:
        raise DataFileError(
            f"{path}: the arrays have shapes {W1.shape}, {b1.shape}, {W2.shape}, {b2.shape}; expected W1 (H, 784), "
            f"b1 (H, 1), W2 (C, H), b2 (C, 1)."
        )
    network = multilayer_perceptron((side * side, hidden, classes), activation=activation, dtype=np.float64)
    for block, array in zip(network.layout, (W1.T, b1.ravel(), W2.T, b2.ravel()), strict=True):
        block.view(network.parameters)[...] = array  # converts it, without a copy
    return Model(
        network,
        Preparation((side, side)),
        tuple(str(c) for c in range(classes)),
        {"imported_from": Path(path).name, "activation": ACTIVATIONS[activation].__name__},
    )


def _four_arrays(path: str | Path) -> list[Any]:
    content = _content(path)
    try:
        found = _ArrayUnpickler(content).load()
    except DataFileError as error:
        raise DataFileError(f"{path}: {error}") from error
    except Exception as error:  # a hostile or cut pickle can make the reader stumble in any way
        raise DataFileError(f"{path} is not a whole pickle of NumPy arrays. Nothing was imported.") from error
    if isinstance(found, dict):
        found = [found.get(name) for name in NAMES]
    if not isinstance(found, (tuple, list)) or len(found) != 4:
        raise DataFileError(f"{path} holds {type(found).__name__}; expected the four arrays {', '.join(NAMES)}.")
    size = sum(noted.array.nbytes for noted in found if isinstance(noted, _NotedArray) and noted.array is not None)
    if size > len(content):
        raise DataFileError(f"{path} has {len(content):,} bytes, and its arrays {size:,}; expected four of them.")
    return list(found)


def _content(path: str | Path) -> bytes:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise DataFileError(f"{path} has {size:,} bytes; a pickle of more than {LARGEST_FILE:,} is not read.")
            return file.read(size)
    except OSError as error:
        raise DataFileError(f"Cannot read {path}: {error.strerror or error}.") from error
    except DataFileError:
        raise
    except InputError as error:
        raise DataFileError(f"Cannot read {path}: {error}.") from error


def _array(path: str | Path, name: str, noted: Any) -> Array:
    if not isinstance(noted, _NotedArray) or noted.array is None:
        raise DataFileError(f"{path}: {name} is {type(noted).__name__.lstrip('_')}; expected an array.")
    if not np.isfinite(noted.array).all():
        raise DataFileError(f"{path}: {name} contains NaN or infinity; these parameters cannot predict.")
    return noted.array


class _NotedDtype:
    """Stands in for numpy.dtype: a kind and a byte order, and only numbers."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
            raise DataFileError(f"an array has dtype {reprlib.repr(code)}; only numbers are read.")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _NotedArray:
    """Stands in for numpy.ndarray: shape, dtype and bytes, checked against each other."""

    array: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, noted, fortran, content = state
        self.array = _from_bytes(content, noted, shape, "F" if fortran else "C")


def _reconstruct(*_: Any) -> _NotedArray:
    return _NotedArray()


def _frombuffer(content: Any, noted: Any, shape: Any, order: Any, *_: Any) -> _NotedArray:
    result = _NotedArray()
    result.array = _from_bytes(content, noted, shape, order)
    return result


def _from_bytes(content: Any, noted: Any, shape: Any, order: Any) -> Array:
    if isinstance(content, str):
        content = content.encode("latin-1")  # how protocol 2 and older write bytes
    if not isinstance(content, bytes) or not isinstance(noted, _NotedDtype) or order not in ("C", "F"):
        raise DataFileError("an array's description is not NumPy's; only arrays of numbers are read.")
    # Not larger than a file, as to multiply numbers of millions of digits can take for ever.
    if not all(type(n) is int and 0 <= n <= LARGEST_FILE for n in shape) or len(shape) > 2:
        raise DataFileError(f"an array has shape {reprlib.repr(shape)}; expected at most two dimensions.")
    if math.prod(shape) * noted.dtype.itemsize != len(content):
        raise DataFileError(f"an array of shape {reprlib.repr(shape)} does not fit its {len(content)} bytes.")
    return np.frombuffer(content, noted.dtype).reshape(shape, order=order)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataFileError("asks for a text encoding; only arrays of numbers are read.")
    return text.encode("latin-1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NotedArray,
    ("numpy", "dtype"): _NotedDtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


def _refuse(reader: Any) -> None:
    raise DataFileError("does more than arrays need; only NumPy arrays are read.")


#: The instructions of pickle's machine that arrays in a tuple, list or dict are written with.
_INSTRUCTIONS: list[str] = """
    PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT
    BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES
    BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT PUT BINPUT LONG_BINPUT
    MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL
""".split()  # noqa: SIM905 (easier to read than fifty words in quotes)

MOST_INSTRUCTIONS = 100_000  # four arrays need a hundred or two; an instruction of one byte can make an object of 64


# The reader written in Python keeps its memo in a dict; the one in C can be told to reserve gigabytes for it.
_Unpickler: Any = pickle._Unpickler  # whose methods the type checker does not know


def _counted(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """An instruction that the reader carries out only so many times."""

    def counted(reader: Any) -> None:
        reader.instructions -= 1
        if reader.instructions < 0:
            _refuse(reader)
        method(reader)

    return counted


class _ArrayUnpickler(_Unpickler):  # type: ignore[misc]
    """Finds the stand-ins and nothing else, changes nothing outside, and needs little more room than the file."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.instructions = MOST_INSTRUCTIONS
        self.letters = 2 * len(content)  # that may still be copied

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            asked = f"{module}.{name}"[:100]
            raise DataFileError(f"asks for {asked}, which could run code; only NumPy arrays are read.")
        return _STAND_INS[module, name]

    def load_reduce(self) -> None:
        self._charge(self.stack[-1])
        super().load_reduce()

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], (_NotedArray, _NotedDtype)):  # it would set a stand-in's own attributes
            _refuse(self)
        self._charge(self.stack[-1])
        super().load_build()

    def _charge(self, arguments: Any) -> None:
        """Refuse to copy the same text again and again; each is in the file once."""
        self.letters -= sum(len(text) for text in arguments if isinstance(text, str))
        if self.letters < 0:
            _refuse(self)

    def load_setitem(self) -> None:
        self._require_names(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._require_names(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        self._require_names(self.stack[::2])
        super().load_dict()

    def _require_names(self, keys: list[Any]) -> None:
        """Refuse other keys: to hash a tuple of tuples of tuples can take for ever."""
        if not all(type(key) is str for key in keys):
            _refuse(self)

    methods = {  # noqa: RUF012 (never changed)
        **dict.fromkeys(range(256), _refuse),
        **{code: _Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _INSTRUCTIONS)},
        pickle.BYTEARRAY8[0]: _Unpickler.load_binbytes8,  # its own would make room for any size it is told
        pickle.REDUCE[0]: load_reduce,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
    }
    dispatch = {code: _counted(method) for code, method in methods.items()}  # noqa: RUF012 (pickle's own table)
