"""`mpiexec -n 2 chainrule train …`: one voice, one checkpoint, and an end in good order whatever happens to a rank."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from chainrule.files.model_file import load_model
from chainrule.training.checkpoint import read_settings

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install mpich")
PROGRAM = Path(__file__).parents[1] / "ranks.py"
TRAIN = ("train", "--data", "digits", "--hidden", "8")
ONE = (sys.executable, str(PROGRAM))


@pytest.fixture
def run(tmp_path):
    """Run the command line on some ranks in an empty folder: `run(2, *TRAIN)`; FAULT="1 kill 25" plants a mistake."""

    def command(count, *options, fault="", **keywords):
        words = [] if count == 1 else [MPIEXEC, "-n", str(count)]
        return subprocess.run(
            [*words, *ONE, *map(str, options)],
            cwd=tmp_path, env={**os.environ, "FAULT": fault}, capture_output=True, text=True, check=False, timeout=60,
            **keywords,
        )  # fmt: skip

    return command


def parameters(path):
    return load_model(path).network.parameters


def test_one_voice_tells_what_one_process_would(run, tmp_path):
    alone, together = (
        run(count, *TRAIN, "--epochs", 3, "--json", "--model", f"{count}.safetensors") for count in (1, 2)
    )
    told, expected = json.loads(together.stdout), json.loads(alone.stdout)  # a second object would be no JSON
    for facts in (told, expected):
        del facts["seconds"], facts["model"]
    assert told == expected
    assert together.stderr.count("Data:") == 1
    assert "2 ranks train together" in together.stderr
    assert_allclose(parameters(tmp_path / "2.safetensors"), parameters(tmp_path / "1.safetensors"), atol=2e-4)


def test_a_checkpoint_of_three_ranks_goes_on_on_one_and_on_two(run, tmp_path):
    assert run(3, *TRAIN, "--epochs", 2, "--checkpoint", "run.ckpt").returncode == 0
    for count in (1, 2):
        shutil.copy(tmp_path / "run.ckpt", tmp_path / "again.ckpt")
        resumed = run(count, "train", "--resume", "again.ckpt", "--epochs", 4, "--model", f"{count}.safetensors")
        assert resumed.returncode == 0, resumed.stderr
    one, two = (parameters(tmp_path / f"{count}.safetensors") for count in (1, 2))
    assert_allclose(two, one, atol=2e-4)


@pytest.mark.parametrize("to", ["mpiexec", "one rank"])
def test_ctrl_c_ends_all_ranks_after_the_same_step_saved(run, tmp_path, to):
    options = (*TRAIN, "--epochs", "100000", "--checkpoint", "run.ckpt")
    if to == "one rank":
        stopped = run(2, *options, fault="1 interrupt 25")
        code, told = stopped.returncode, stopped.stderr
        assert "Stopped after step 25 of" in told
    else:
        command = [MPIEXEC, "-n", "2", *ONE, *options]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            told = ""
            for line in process.stderr:
                told += line
                if "ranks train together" in line:
                    process.send_signal(signal.SIGTERM)
                    break
            told += process.stderr.read()
            code = process.wait()
    assert code not in (0, 1, 2)
    assert told.count("Stopped after step") == 1
    assert "Go on with: mpiexec -n 2 chainrule train --resume run.ckpt" in told
    assert "Traceback" not in told
    assert read_settings(tmp_path / "run.ckpt")["seed"] == 0


def test_a_rank_that_is_killed_ends_all_and_leaves_the_checkpoint_whole(run, tmp_path):
    ended = run(2, *TRAIN, "--epochs", 9, "--checkpoint", "run.ckpt", fault="1 kill 25")
    assert ended.returncode != 0
    assert (
        "If one of them dies, mpiexec ends them all. Go on with: mpiexec -n 2 chainrule train --resume" in ended.stderr
    )
    assert "Killed (signal 9)" in ended.stdout + ended.stderr  # mpiexec's own words
    resumed = run(1, "train", "--resume", "run.ckpt", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["epochs"] == 9


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("1 fail 25", "Error: Rank 1 of 2, and so all of them: The disk of this rank is on fire."),
        ("1 raise 25", "RuntimeError: a planted mistake"),
    ],
)
def test_a_rank_that_cannot_go_on_says_why_and_ends_all(run, tmp_path, fault, message):
    ended = run(2, *TRAIN, "--epochs", 9, "--checkpoint", "run.ckpt", fault=fault)
    assert ended.returncode == 1
    assert ended.stderr.count(message) == 1
    assert read_settings(tmp_path / "run.ckpt")["seed"] == 0


def test_ranks_with_other_options_are_told_which(tmp_path):
    apart = [[*ONE, *TRAIN, "--learning-rate", rate] for rate in ("0.1", "0.2")]
    command = [MPIEXEC, "-n", "1", *apart[0], ":", "-n", "1", *apart[1]]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.count("its recipe.learning_rate is 0.2, and not 0.1") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_all_ranks_stumble_over_is_said_once(run):
    ended = run(3, "train", "--data", "digits", "--hidden", 8, 0)
    assert ended.returncode == 2
    assert ended.stderr.count("Error:") == 1
    assert "--hidden 8 0" in ended.stderr
