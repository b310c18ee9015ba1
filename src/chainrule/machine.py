"""What this computer brings to matrix products: cores, BLAS library, kernel and threads, and how fast they are.

Nearly all of a network's time goes into matrix products, and NumPy leaves those to a BLAS library. Which kernel that
library picks for the processor, and how many threads it starts, decides the speed more than anything in this package.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

#: OpenBLAS kernels that use AVX-512, and the one to ask for by hand.
AVX512_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
AVX512_KERNEL = "SkylakeX"
#: A gain below this is not worth an environment variable.
WORTHWHILE = 1.1
#: What a person sets to say how many threads BLAS may start.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_share: int | None = None  # of the cores, where processes share them


def describe() -> dict[str, Any]:
    """Versions, cores, BLAS and measured speeds, as JSON can hold them."""
    return {
        "chainrule": _version("chainrule"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": _processor(),
        "cores": cores(),
        "blas": blas(),
        "gigaflops": {name: round(matrix_product_speed(name), 1) for name in ("float32", "float64")},
    }


def cores() -> int:
    """How many cores this process may use: its share, of what it is pinned to, and what its container allows."""
    pinned = len(pinned_cores())
    return min(pinned, _container_limit() or pinned, _share or pinned)


def pinned_cores() -> frozenset[int]:
    """The numbers of the cores that this process is pinned to; all there are, where it is pinned to none."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def use_cores(count: int) -> None:
    """Take that many cores from now on, as other processes have the rest."""
    global _share  # noqa: PLW0603 - the cores are the process's, and so is how many of them it takes
    _share = count
    _blas_library().limit(limits=cores(), user_api="blas")


def blas() -> dict[str, Any]:
    """The BLAS library that NumPy calls: name, version, the kernel it chose, threads."""
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))  # loads the library
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])  # SciPy brings one of its own
    if pools:
        return {
            "library": pools[0]["internal_api"],
            "version": pools[0].get("version"),
            "kernel": pools[0].get("architecture"),
            "threads": pools[0]["num_threads"],
        }
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    return {"library": str(name), "version": None, "kernel": None, "threads": None}


class OneBlasThread:
    """Holds BLAS to one thread while anybody is inside: work that Python threads share, that is too small, or whose
    bits must not depend on who else computes.

    BLAS's number of threads is one setting of the whole process: whoever comes first sets it, the last to leave sets
    it back, and neither need be the main thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                _let_any_thread_set()
                self._limit = _blas_library().limit(limits=1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _let_any_thread_set()
                self._limit.restore_original_limits()
                _let_any_thread_set()


#: Where everybody goes inside.
ONE_BLAS_THREAD = OneBlasThread()


def _let_any_thread_set() -> None:
    """Make threadpoolctl forget which thread set BLAS's number of threads last: newer ones ignore all others."""
    for library in _blas_library().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@functools.cache
def _blas_library() -> Any:
    """NumPy's BLAS library, looked for once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def matrix_product_speed(dtype: DTypeLike, *, size: int = 768, seconds: float = 0.25) -> float:
    """Billions of additions and multiplications a second, in products of (size, size) matrices; the best of many."""
    a = np.random.default_rng(0).random((size, size)).astype(dtype)
    out = np.empty_like(a)
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9


def advice(facts: dict[str, Any]) -> list[str]:
    """What would make matrix products faster here, each measured before it is recommended."""
    found = []
    threads, kernel = facts["blas"]["threads"], facts["blas"]["kernel"]
    if threads is not None and threads > facts["cores"]:
        found.append(
            f"{facts['blas']['library']} starts {threads} threads for {facts['cores']} cores; they get in each "
            f"other's way. Set {_threads_variable(facts['blas']['library'])}={facts['cores']}."
        )
    if facts["blas"]["library"] == "openblas" and has_avx512() and kernel not in AVX512_KERNELS:
        gain = _speed_with(AVX512_KERNEL) / facts["gigaflops"]["float32"]
        if gain >= WORTHWHILE:
            found.append(
                f"OpenBLAS uses its {kernel} kernels, older than this processor, which has AVX-512. "
                f"OPENBLAS_CORETYPE={AVX512_KERNEL} makes float32 products {gain:.1f} times as fast here."
            )
    return found


def has_avx512() -> bool:
    """Whether the processor has AVX-512, by NumPy's own look at it."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return any(name.startswith(("AVX512", "X86_V4")) for name in extensions)


def _speed_with(kernel: str) -> float:
    """float32 speed of a new process that asks OpenBLAS for another kernel; 0 if it does not start."""
    program = "from chainrule.machine import matrix_product_speed; print(matrix_product_speed('float32'))"
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    return float(run.stdout) if run.returncode == 0 else 0.0


def _threads_variable(library: str) -> str:
    return {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS"}.get(library, "OMP_NUM_THREADS")


def _container_limit(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """Whole cores that a Linux container may use; None where there is no limit."""
    try:
        quota, period = path.read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
