import os
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from chainrule import machine
from chainrule.machine import ONE_BLAS_THREAD, blas

FACTS = {
    "cores": 2,
    "blas": {"library": "openblas", "version": "0.3", "kernel": "Haswell", "threads": 2},
    "gigaflops": {"float32": 100.0, "float64": 50.0},
}


def with_blas(**changes):
    return {**FACTS, "blas": {**FACTS["blas"], **changes}}


@pytest.fixture
def avx512(monkeypatch):
    """A processor with AVX-512 on which its own kernels would reach 180 GFLOP/s."""
    monkeypatch.setattr(machine, "has_avx512", lambda: True)
    monkeypatch.setattr(machine, "_speed_with", lambda kernel: 180.0)


def test_the_description_has_versions_cores_blas_and_speeds():
    facts = machine.describe()
    assert facts["numpy"] == np.__version__
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)
    assert facts["blas"]["library"]
    assert set(facts["gigaflops"]) == {"float32", "float64"}
    assert min(facts["gigaflops"].values()) > 0


def test_an_old_kernel_on_a_new_processor_is_told_with_its_measured_gain(avx512):
    (recommendation,) = machine.advice(FACTS)
    assert "Haswell" in recommendation
    assert "OPENBLAS_CORETYPE=SkylakeX makes float32 products 1.8 times as fast" in recommendation


def test_a_gain_too_small_is_not_recommended(avx512, monkeypatch):
    monkeypatch.setattr(machine, "_speed_with", lambda kernel: 105.0)
    assert machine.advice(FACTS) == []


@pytest.mark.parametrize("kernel", machine.AVX512_KERNELS)
def test_a_new_kernel_needs_no_advice(avx512, kernel):
    assert machine.advice(with_blas(kernel=kernel)) == []


def test_an_old_kernel_on_an_old_processor_needs_no_advice(avx512, monkeypatch):
    monkeypatch.setattr(machine, "has_avx512", lambda: False)
    assert machine.advice(FACTS) == []


def test_more_threads_than_cores_are_told(monkeypatch):
    monkeypatch.setattr(machine, "has_avx512", lambda: False)
    (recommendation,) = machine.advice(with_blas(threads=8))
    assert "8 threads for 2 cores" in recommendation
    assert "OPENBLAS_NUM_THREADS=2" in recommendation
    assert "MKL_NUM_THREADS=2" in machine.advice(with_blas(library="mkl", threads=8))[0]


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    limit = tmp_path / "cpu.max"
    limit.write_text("150000 100000\n")
    assert machine._container_limit(limit) == 1
    limit.write_text("max 100000\n")
    assert machine._container_limit(limit) is None
    assert machine._container_limit(tmp_path / "missing") is None
    monkeypatch.setattr(machine, "_container_limit", lambda: 1)
    assert machine.cores() == 1


def test_another_kernels_speed_is_measured_in_another_process(monkeypatch):
    monkeypatch.setattr(machine.sys, "executable", "/bin/false")
    assert machine._speed_with("SkylakeX") == 0.0


# ------------------------------------------------------------------------------------------------- threads


def test_blas_has_one_thread_while_that_is_wanted():
    with threadpool_limits(2, "blas"):
        with ONE_BLAS_THREAD:
            assert blas()["threads"] == 1
            with ONE_BLAS_THREAD:
                assert blas()["threads"] == 1
            assert blas()["threads"] == 1
        assert blas()["threads"] == 2
        with pytest.raises(RuntimeError), ONE_BLAS_THREAD:
            raise RuntimeError
        assert blas()["threads"] == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in, first out", "last in, first out"])
def test_the_last_of_several_threads_to_leave_gives_blas_its_threads_back(order):
    """The main thread has set the number before, and may again afterwards, while the other threads are still there."""
    seen = []
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other, threadpool_limits(2, "blas"):
        pools = one, other
        for pool in pools:
            pool.submit(ONE_BLAS_THREAD.__enter__).result()
            seen.append(blas()["threads"])
        for number in order:
            pools[number].submit(ONE_BLAS_THREAD.__exit__).result()
            seen.append(blas()["threads"])
        with threadpool_limits(1, "blas"):
            seen.append(blas()["threads"])
    assert seen == [1, 1, 1, 2, 1]


def test_a_threadpoolctl_that_lets_any_thread_set_the_number_will_do(monkeypatch):
    """Its older releases, which have no thread to forget."""
    library = Mock(lib_controllers=[object()])
    monkeypatch.setattr(machine, "_blas_library", lambda: library)
    with ONE_BLAS_THREAD:
        library.limit.assert_called_once_with(limits=1)
        library.limit.return_value.restore_original_limits.assert_not_called()
    library.limit.return_value.restore_original_limits.assert_called_once_with()
