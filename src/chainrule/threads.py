"""Who computes with one BLAS thread and who with all, and work shared out among Python threads.

BLAS's number of threads is one setting of the whole process, and the last bits of a matrix product depend on it. So
whoever computes says what it needs: it joins those who need the same, and waits for those who need the other.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any


def one_blas_thread() -> AbstractContextManager[None]:
    """Hold BLAS to one thread, from whichever thread this is called.

    For predictions, which then have the same bits whatever else computes, and for work that Python threads share or
    that is too small to be shared. Who is in `all_blas_threads` is waited for.
    """
    return _Need(_ONE)


def all_blas_threads() -> AbstractContextManager[None]:
    """Leave BLAS the threads it has, for large products; who is in `one_blas_thread` is waited for."""
    return _Need(_ALL)


def share_out(work: Callable[..., Any], *parts: Sequence[Any]) -> list[Any]:
    """What `work` gives for each part, all at once, in threads with one BLAS thread each; raises what one of them does.

    Parameters
    ----------
    work : callable
        Takes one of each of the sequences, as for `map`.
    parts : sequences of one length
    """
    with one_blas_thread(), ThreadPoolExecutor(len(parts[0]), initializer=_ROOM.come_with_another) as pool:
        return list(pool.map(work, *parts))


_ONE, _ALL = "one", "all"


class _Room:
    """Where those are who compute, all with the same need.

    (OpenBLAS built with OpenMP has a setting for each thread; there, the one that asks has what it needs.)
    """

    def __init__(self) -> None:
        self._door = threading.Lock()  # who waits stands in it and nobody passes, so nobody waits for ever
        self._changed = threading.Condition()
        self._inside, self._need = 0, _ALL
        self._limit: Any = None
        self._here = threading.local()

    def change(self, need: str | None) -> str | None:
        """Let this thread in with what it needs, out of what it was in; None is outside. Returns what it was in."""
        before: str | None = getattr(self._here, "need", None)
        if need != before:
            if before is not None:
                self._leave()
            if need is not None:
                self._enter(need)
        return before

    def come_with_another(self) -> None:
        """Let in a thread that works for one which is in, and which stays until the work is done."""
        self._here.need = _ONE

    def _enter(self, need: str) -> None:
        with self._door, self._changed:
            self._changed.wait_for(lambda: self._inside == 0 or self._need == need)
            if self._inside == 0 and need == _ONE:
                _allow_any_thread()
                self._limit = _blas_library().limit(limits=1)
            self._inside, self._need = self._inside + 1, need
        self._here.need = need

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            if self._inside == 0 and self._need == _ONE:
                _allow_any_thread()
                self._limit.restore_original_limits()
                _allow_any_thread()
            self._changed.notify_all()
        self._here.need = None


_ROOM = _Room()


class _Need:
    """Be in with this need, and then with the one from before, as work may be done inside of other work."""

    __slots__ = ("_before", "_need")  # a training's step allocates next to nothing

    def __init__(self, need: str) -> None:
        self._need = need

    def __enter__(self) -> None:
        self._before = _ROOM.change(self._need)

    def __exit__(self, *_: object) -> None:
        _ROOM.change(self._before)


def _allow_any_thread() -> None:
    """Make threadpoolctl forget which thread set BLAS's number of threads; it would ignore all others."""
    for library in _blas_library().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@functools.cache
def _blas_library() -> Any:
    """NumPy's BLAS library, looked for once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
