"""Several processes that train one network together, by MPI: `mpiexec -n 4 chainrule train …`.

Each of them, a rank, takes its share of each batch; the gradients are added up by one Allreduce of the flat vector; all
take the same step. So all hold the same θ, and it is what one process comes to with the same batches, to rounding.

What is drawn at random for a batch has the example as its first axis. A rank passes over what the others' examples are
given, which costs it next to nothing, and draws its own: no example's numbers depend on how many ranks there are.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FailureError, InputError, MissingPackageError
from chainrule.launch import launched
from chainrule.machine import THREAD_VARIABLES, cores, pinned_cores, use_cores

Array = NDArray[Any]

#: Seconds that a rank which cannot go on waits for the others to come to the same.
PATIENCE = 2.0
_CHUNK = 1 << 16


class Ranks:
    """One process that shares nothing: its part is the whole, its sums are what they are.

    Attributes
    ----------
    rank, size : int
        Which of how many processes this is, counted from 0.
    local_rank : int
        Which of those on this machine.
    """

    rank, size, local_rank = 0, 1, 0

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Which of so many examples are this rank's; none, where there are fewer than ranks."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, gradient: Array, loss: float, asked: bool) -> tuple[float, bool]:
        """Add up all ranks' gradients in place; all ranks' loss, and whether one of them is asked to pause."""
        return loss, asked

    def total(self, count: float) -> float:
        """The sum of all ranks' counts."""
        return count

    def largest(self, number: int) -> int:
        """The largest of all ranks' numbers."""
        return number

    def require_equal(self, array: Array, when: str) -> None:
        """Compare all ranks' θ by a hash; a FailureError says how far they are apart."""

    def require_same(self, settings: Mapping[str, Any]) -> None:
        """Compare all ranks' settings; an InputError names the first that differs, and whose it is."""

    def meet(self) -> bool:
        """Whether all ranks come here within two seconds; for who cannot go on and asks whether it is alone in that."""
        return True

    def abort(self, exit_code: int) -> NoReturn:
        """End all ranks at once."""
        raise SystemExit(exit_code)


#: What trains alone.
ALONE = Ranks()


class MpiRanks(Ranks):
    """One of several processes that mpiexec started.

    Parameters
    ----------
    mpi : the module mpi4py.MPI

    Attributes
    ----------
    cores : int
        This rank's share of those that the ranks on this machine have together.
    """

    def __init__(self, mpi: Any) -> None:
        self._mpi, self._world = mpi, mpi.COMM_WORLD
        self._apart = self._world.Dup()  # `meet` waits here while others may wait for a sum
        self.rank, self.size = self._world.rank, self._world.size
        here = self._world.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank = here.rank
        sharing = here.allgather(pinned_cores()).count(pinned_cores())  # whom mpiexec pinned apart shares nothing
        self.cores = max(1, cores() // sharing)
        self._numbers = np.zeros(2)

    def sum(self, gradient: Array, loss: float, asked: bool) -> tuple[float, bool]:
        self._numbers[:] = loss, asked
        try:
            self._world.Allreduce(self._mpi.IN_PLACE, gradient)
            self._world.Allreduce(self._mpi.IN_PLACE, self._numbers)
        except self._mpi.Exception as error:
            raise FailureError(
                f"The ranks have lost each other: {error}. Start again, or go on from a checkpoint with --resume."
            ) from error
        return float(self._numbers[0]), bool(self._numbers[1])

    def total(self, count: float) -> float:
        return float(self._world.allreduce(count))

    def largest(self, number: int) -> int:
        return int(self._world.allreduce(number, self._mpi.MAX))

    def require_equal(self, array: Array, when: str) -> None:
        hashes = self._world.allgather(hashlib.blake2b(array.data).digest())
        if len(set(hashes)) == 1:
            return
        first = array.copy()
        self._world.Bcast(first)
        apart = self._world.allgather(float(np.abs(array - first).max()))
        rank = int(np.argmax(apart))
        raise FailureError(
            f"{when} rank {rank} of {self.size} holds another network than rank 0: its parameters differ by up to "
            f"{apart[rank]:.3g}. They must be the same to the last bit. Is MPI or NumPy another on its machine?"
        )

    def require_same(self, settings: Mapping[str, Any]) -> None:
        first, *others = self._world.allgather(_flat(settings))
        for rank, other in enumerate(others, start=1):
            for name in sorted({*first, *other}):
                if first.get(name) != other.get(name):
                    raise InputError(
                        f"Rank {rank} of {self.size} was started otherwise than rank 0: its {name} is "
                        f"{other.get(name)!r:.100}, and not {first.get(name)!r:.100}. Start all with the same options."
                    )

    def meet(self) -> bool:
        try:
            request, until = self._apart.Ibarrier(), time.monotonic() + PATIENCE
            while not request.Test():
                if time.monotonic() > until:
                    return False
                time.sleep(0.01)
        except self._mpi.Exception:
            return False
        return True

    def abort(self, exit_code: int) -> NoReturn:
        time.sleep(0.5)  # mpiexec drops what this process has just said if it is to end at once
        self._world.Abort(exit_code)
        os._exit(exit_code)  # Abort may come back before it has ended this process


class OwnDraws:
    """Draws one rank's part of what is drawn for a block of examples, and passes over the others'.

    Stands for a generator where arrays are filled whose first axis is the example.

    Parameters
    ----------
    rng : numpy.random.Generator; in the same state on all ranks, before and after

    Attributes
    ----------
    before, after : int
        The block's examples that come before this rank's own, and after them.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.before = self.after = 0

    @property
    def bit_generator(self) -> np.random.BitGenerator:
        """NumPy's own."""
        return self.rng.bit_generator

    def random(self, *, out: Array, dtype: Any) -> Array:
        """Fill with numbers from [0, 1)."""
        width = math.prod(out.shape[1:])
        skip(self.rng, self.before * width, dtype)
        self.rng.random(out=out, dtype=dtype)
        skip(self.rng, self.after * width, dtype)
        return out

    def standard_normal(self, *, out: Array, dtype: Any) -> Array:
        """Fill with numbers of mean 0 and deviation 1; how far each moves the generator, only drawing it tells."""
        width = math.prod(out.shape[1:])
        for _ in range(self.before):
            self.rng.standard_normal(width, dtype=dtype)
        self.rng.standard_normal(out=out, dtype=dtype)
        for _ in range(self.after):
            self.rng.standard_normal(width, dtype=dtype)
        return out


def skip(rng: np.random.Generator, count: int, dtype: Any) -> None:
    """Bring a generator to where it is after drawing that many numbers from [0, 1).

    PCG64, NumPy's own choice, can jump: a float64 takes one of its steps, a float32 half of one, and the other half is
    kept for the next. Any other kind draws them.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    dtype : float32 or float64
    """
    bits = rng.bit_generator
    if count and isinstance(bits, (np.random.PCG64, np.random.PCG64DXSM)):
        before = bits.state
        if dtype == np.float64:
            bits.advance(count)
            after: Any = bits.state
            after["has_uint32"], after["uinteger"] = before["has_uint32"], before["uinteger"]
            bits.state = after
            return
        half = before["has_uint32"]
        bits.advance((count - half) // 2)  # forgets the half
        count = (count - half) % 2
    for start in range(0, count, _CHUNK):
        rng.random(min(_CHUNK, count - start), dtype=dtype)


def find_ranks() -> Ranks:
    """The ranks that mpiexec started, and a fair share of this machine's cores taken; `ALONE` without mpiexec.

    OMP_NUM_THREADS, OPENBLAS_NUM_THREADS or MKL_NUM_THREADS, where set, say how many cores a rank takes.

    Raises
    ------
    MissingPackageError
        If mpiexec started several processes and mpi4py is not installed, or finds no MPI library.
    FailureError
        If mpi4py's library is another than mpiexec's, so that each process would be alone.
    """
    started = launched()[1]
    if started < 2:
        return ALONE
    try:
        from mpi4py import MPI  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"mpiexec started {started} processes, and mpi4py, by which they would work together, cannot be used: "
            f"{error}. Install it together with an MPI library: pip install 'chainrule[mpi]' mpich"
        ) from error
    if MPI.COMM_WORLD.size != started:
        raise FailureError(
            f"mpiexec started {started} processes, and mpi4py sees {MPI.COMM_WORLD.size}: they are of two MPI "
            f"libraries. mpi4py uses {MPI.Get_library_version().splitlines()[0].strip()}; take the mpiexec of that one."
        )
    ranks = MpiRanks(MPI)
    asked = [value for name in THREAD_VARIABLES if (value := os.environ.get(name, "")).isdigit() and int(value)]
    use_cores(int(asked[0]) if asked else ranks.cores)
    return ranks


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
