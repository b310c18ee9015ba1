"""Several processes train what one would: run under mpiexec by tests/ranks.py, with MPICH from its wheel."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits

from chainrule import launch
from chainrule.errors import FailureError, MissingPackageError, ValueRangeError
from chainrule.machine import blas, cores, pinned_cores, use_cores
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import SGD
from chainrule.parallel import ALONE, OwnDraws, Ranks, find_ranks, skip
from chainrule.training.training import Training

pytest.importorskip("mpi4py")
PROGRAM = Path(__file__).with_name("ranks.py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
needs_mpiexec = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install mpich")

CASES = (
    "plain", "full batch", "blocks", "dropout", "deformations", "adversary", "virtual adversary",
    "average and greatest norm", "validation", "cores", "float32", "shards", "card",
)  # fmt: skip


def ranks(count, *names, **environment):
    """What each case comes to on so many ranks, by name."""
    command = [MPIEXEC, "-n", str(count), sys.executable, str(PROGRAM), *names]
    finished = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=100
    )
    assert finished.returncode == 0, finished.stderr
    return {name: found for line in finished.stdout.splitlines() for name, found in json.loads(line).items()}


@pytest.fixture(scope="module")
def results():
    return {count: ranks(count, *CASES) for count in (1, 2, 3)}


# ------------------------------------------------------------------------------------------- the same as one


@needs_mpiexec
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_ranks_comes_to_what_one_process_does(results, name, count):
    alone, together = results[1][name], results[count][name]
    tolerance = 1e-6 if name in ("float32", "card") else 1e-14
    assert_allclose(together["parameters"], alone["parameters"], rtol=0, atol=tolerance)
    assert_allclose(
        [[np.nan if value is None else value for value in report] for report in together["reports"]],
        [[np.nan if value is None else value for value in report] for report in alone["reports"]],
        rtol=tolerance,
    )


@needs_mpiexec
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_every_generator_ends_where_that_of_one_process_does(results, name, count):
    assert results[count][name]["next draws"] == results[1][name]["next draws"]


@needs_mpiexec
@pytest.mark.parametrize("count", [2, 3])
def test_ranks_that_hold_another_network_after_an_epoch_are_told(count):
    found = ranks(count, "hold_another_network")["hold_another_network"]
    assert found["kind"] == "FailureError"
    assert "After epoch 2 rank 1 of" in found["error"]
    assert "differ by up to 0.5" in found["error"]


@needs_mpiexec
def test_ranks_compare_settings_pause_together_share_the_cores_and_know_who_is_alone():
    free = {"OMP_NUM_THREADS": "", "OPENBLAS_NUM_THREADS": "", "MKL_NUM_THREADS": ""}
    found = ranks(3, "differ_in_settings", "pause_one", "tell_cores", "find_out_who_is_alone", **free)
    assert found["differ_in_settings"] == {
        "kind": "InputError",
        "error": "Rank 2 of 3 was started otherwise than rank 0: its recipe.rate is 1.1, and not 0.1. "
        "Start all with the same options.",
    }
    # Asked after the first step, all report at the end of the second.
    assert found["pause_one"] == {"step": 2, "largest": 2, "total": 6}
    share = max(1, cores() // 3)
    assert found["tell_cores"] == {"cores": share, "blas": share, "local": 0, "size": 3}
    assert found["find_out_who_is_alone"] == {"together": True}
    assert found["alone"] is False


@needs_mpiexec
@pytest.mark.skipif(len(pinned_cores()) < 2, reason="needs two cores")
def test_the_number_of_threads_of_a_rank_can_be_said():
    assert ranks(2, "tell_cores", OMP_NUM_THREADS="2")["tell_cores"]["cores"] == 2


# ------------------------------------------------------------------------------------------- parts and draws


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 100])
def test_the_parts_of_all_ranks_are_all_there_is(size, count):
    shares = []
    for rank in range(size):
        one = Ranks()
        one.rank, one.size = rank, size
        shares.append(range(count)[one.part(count)])
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.MT19937, np.random.SFC64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bits", GENERATORS)
def test_skipping_leaves_a_generator_where_drawing_does(bits, dtype):
    for drawn_before in range(3):  # an odd number of float32 leaves half a step for the next
        for count in (0, 1, 2, 3, 10, 70_001):
            drawing, skipping = (np.random.Generator(bits(5)) for _ in range(2))
            for rng in (drawing, skipping):
                rng.random(drawn_before, dtype=np.float32)
            drawing.random(count, dtype=dtype)
            skip(skipping, count, dtype)
            for _ in range(3):
                assert skipping.random(dtype=np.float32) == drawing.random(dtype=np.float32), (drawn_before, count)
                assert skipping.random() == drawing.random()


@pytest.mark.parametrize("draw", ["random", "standard_normal"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_own_draws_are_a_part_of_the_whole(draw, dtype):
    whole = np.empty((7, 3), dtype)
    rng = np.random.default_rng(0)
    getattr(rng, draw)(out=whole, dtype=dtype)
    own = OwnDraws(np.random.default_rng(0))
    own.before, own.after = 2, 1
    part = np.empty((4, 3), dtype)
    getattr(own, draw)(out=part, dtype=dtype)
    assert (part == whole[2:6]).all()
    assert own.rng.random() == rng.random()


# --------------------------------------------------------------------------------------------- without mpiexec


def test_without_mpiexec_there_is_one_process_though_mpi_is_installed(monkeypatch):
    for names in launch.LAUNCHERS:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_NTASKS", "8")  # as in a script that has started nothing yet
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert find_ranks() is ALONE


@pytest.mark.parametrize("names", launch.LAUNCHERS)
def test_every_launcher_is_known(monkeypatch, names):
    monkeypatch.setenv(names[0], "4")
    assert launch.launched() == (0, 1)  # both or none
    monkeypatch.setenv(names[1], "3")
    assert launch.launched() == (3, 4)


def test_one_process_under_mpiexec_needs_no_mpi(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "1")
    monkeypatch.setenv("PMI_RANK", "0")
    assert find_ranks() is ALONE


def test_without_mpi4py_ranks_say_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingPackageError, match=r"mpiexec started 2 processes.*pip install 'chainrule\[mpi\]'"):
        find_ranks()


@needs_mpiexec
def test_an_mpiexec_of_another_mpi_is_told_from_the_right_one():
    program = "from chainrule.parallel import find_ranks; find_ranks()"
    environment = {**os.environ, "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "mpiexec started 4 processes, and mpi4py sees 1" in found.stderr
    assert FailureError.__name__ in found.stderr


def test_a_batch_smaller_than_the_ranks_is_refused():
    three = Ranks()
    three.size = 3
    images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10)
    network = multilayer_perceptron((784, 10), rng=0)
    with pytest.raises(ValueRangeError, match="A batch of 2 cannot be shared out among 3 ranks"):
        Training(network, images, labels, optimizer=SGD(0.1), batch_size=2, ranks=three)


def test_a_share_of_the_cores_is_no_more_than_there_are(monkeypatch):
    threads = blas()["threads"]
    monkeypatch.setattr("chainrule.machine._share", None)
    all_of_them = cores()
    try:
        use_cores(1)
        assert (cores(), blas()["threads"]) == (1, 1)
        use_cores(1000)
        assert cores() == all_of_them
    finally:
        threadpool_limits(threads, "blas")
