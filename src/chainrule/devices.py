"""Where the mathematics runs: on this computer's processor with NumPy, or on a graphics card with CuPy.

`nn` is the same on both: NumPy hands every operation on to the library whose arrays it is given. What differs is here:
bringing arrays there and back, gathering rows, drawing numbers, and how many rows go through at once.

Every random number is drawn by NumPy, on this computer, so that both learn the same curve to rounding.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FailureError, MissingPackageError, UnknownNameError

Array = NDArray[Any]

#: How many times more rows than a processor's cache has room for a graphics card is given at once.
GPU_BLOCKS = 64


class Processor:
    """This computer's processor: arrays are NumPy's and stay where they are."""

    name = "cpu"
    #: Whether a result is known as soon as it is computed. A graphics card computes while this computer goes on.
    waits = True

    def put(self, array: Array) -> Array:
        """An array of this computer, there."""
        return array

    def get(self, array: Array) -> Array:
        """An array from there, on this computer."""
        return array

    def numbers(self, scalars: Sequence[Any]) -> list[float]:
        """Single numbers from there."""
        return list(map(float, scalars))

    def take(self, array: Array, index: Array, out: Array, axis: int | None = None) -> Array:
        """Those rows, or those numbers if there is no axis; everything is there already."""
        # mode="clip" spares a second copy; the rows were checked when training began.
        return array.take(index, axis=axis, out=out, mode="clip")

    def generator(self, rng: Any) -> Any:
        """What draws numbers into arrays that are there."""
        return rng

    def block(self, rows: int) -> int:
        """How many rows go through at once, where `rows` suit a processor's cache."""
        return rows

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Says in plain words what goes wrong inside."""
        yield

    def wait(self) -> None:
        """Wait until all is done that was asked for."""


#: The one that is there anyhow.
CPU = Processor()


class GraphicsCard(Processor):
    """A graphics card, through CuPy.

    Parameters
    ----------
    cupy : the library
    """

    name = "gpu"
    waits = False

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self._draws: Draws | None = None

    def put(self, array: Array) -> Any:
        return self.cupy.asarray(array)

    def get(self, array: Any) -> Array:
        return np.asarray(self.cupy.asnumpy(array))

    def numbers(self, scalars: Sequence[Any]) -> list[float]:
        # One transfer for all of them. Those that came with a checkpoint are numbers already.
        there = [scalar for scalar in scalars if not isinstance(scalar, float)]
        brought = iter(self.get(self.cupy.stack(there)).tolist() if there else ())
        return [scalar if isinstance(scalar, float) else next(brought) for scalar in scalars]

    def take(self, array: Any, index: Any, out: Any, axis: int | None = None) -> Any:
        return array.take(index, axis=axis, out=out)

    def generator(self, rng: Any) -> Any:
        if self._draws is None or self._draws.rng is not rng:
            self._draws = Draws(rng)
        return self._draws

    def block(self, rows: int) -> int:
        return GPU_BLOCKS * rows

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        try:
            yield
        except self.cupy.cuda.memory.OutOfMemoryError as error:
            raise FailureError(
                f"The graphics card's memory is full: {error}. Take a smaller batch or narrower layers."
            ) from error

    def wait(self) -> None:
        self.cupy.cuda.get_current_stream().synchronize()


class Draws:
    """Draws numbers as its generator does, and brings them to a graphics card.

    Parameters
    ----------
    rng : numpy.random.Generator, or what stands for one
    """

    def __init__(self, rng: Any) -> None:
        self.rng = rng
        self._rooms: dict[tuple[int, Any], Array] = {}

    @property
    def bit_generator(self) -> np.random.BitGenerator:
        """NumPy's own."""
        return self.rng.bit_generator

    def random(self, *, out: Any, dtype: Any) -> Any:
        """Fill with numbers from [0, 1)."""
        out.set(self.rng.random(out=self._room(out), dtype=dtype))
        return out

    def standard_normal(self, *, out: Any, dtype: Any) -> Any:
        """Fill with numbers of mean 0 and deviation 1."""
        out.set(self.rng.standard_normal(out=self._room(out), dtype=dtype))
        return out

    def _room(self, like: Any) -> Array:
        key = (math.prod(like.shape), like.dtype)
        if key not in self._rooms:
            self._rooms[key] = np.empty(key[0], like.dtype)
        return self._rooms[key].reshape(like.shape)


def find_device(name: str, local_rank: int = 0) -> Processor:
    """The device of that name.

    Parameters
    ----------
    name : {"cpu", "gpu"}
    local_rank : int
        Which of the processes on this machine asks: with several, each takes another graphics card, in turns.

    Raises
    ------
    UnknownNameError
        If it is neither.
    MissingPackageError
        If CuPy is not installed.
    FailureError
        If there is no graphics card that CuPy can use.
    """
    if name not in ("cpu", "gpu"):
        raise UnknownNameError("device", name, ("cpu", "gpu"))
    if name == "cpu":
        return CPU
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise MissingPackageError(
            "--device gpu needs CuPy, which is not installed. With CUDA 12: pip install 'chainrule[gpu-cuda12]'; "
            "with CUDA 13: pip install 'chainrule[gpu-cuda13]'."
        ) from error
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise FailureError(f"CuPy finds no graphics card that it can use: {error}. Use --device cpu.") from error
    if not found:
        raise FailureError("CuPy finds no graphics card. Use --device cpu.")
    cupy.cuda.Device(local_rank % found).use()
    return GraphicsCard(cupy)
