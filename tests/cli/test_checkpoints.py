"""`chainrule train --checkpoint` and `--resume`: whatever stops a training, resumed it ends with the same bits."""

import dataclasses
import json
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

from chainrule.cli.stopping import stopping
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_kaggle_csv
from chainrule.files.model_file import load_model
from chainrule.recipes import find_recipe, start
from chainrule.training.checkpoint import load_checkpoint, read_settings, save_checkpoint
from chainrule.training.training import Training

COMMAND = ("train", "--data", "digits", "--epochs", "4", "--hidden", "8")
SAVED = (*COMMAND, "--checkpoint", "run.ckpt")
BOTH_SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)


@pytest.fixture
def signal_at(monkeypatch):
    """Send this process signals in the middle of a step: `signal_at(signal.SIGINT, 5)`."""

    def send_at(number, step, times=1):
        take_step = Training._take_step

        def interrupted_step(training, rows):
            if training.step + 1 == step:
                for _ in range(times):
                    signal.raise_signal(number)
            take_step(training, rows)

        monkeypatch.setattr(Training, "_take_step", interrupted_step)

    return send_at


def parameters(path):
    return load_model(path).network.parameters


def seconds_less(settings_of_model):
    return {name: values for name, values in settings_of_model["history"].items() if name != "seconds"}


@BOTH_SIGNALS
@pytest.mark.parametrize("step", [1, 5, 11, 12, 43, 44])  # an epoch has 11
def test_a_signal_ends_it_after_the_step_and_the_command_it_names_goes_on_with_the_same_bits(
    run, tmp_path, monkeypatch, signal_at, number, code, step
):
    run(*COMMAND, "--model", "straight.safetensors")
    with monkeypatch.context():
        signal_at(number, step)
        stopped = run(*SAVED, "--model", "m y.safetensors", "--curve", "c.png")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert stopped.code == code
    assert f"Stopped after step {step} of 44. Saved to run.ckpt." in stopped.err
    assert "Error" not in stopped.err
    assert not (tmp_path / "m y.safetensors").exists()
    command = shlex.split(stopped.err.split("Go on with: chainrule ")[1])
    assert run(*command).code == 0
    assert np.array_equal(parameters("straight.safetensors"), parameters("m y.safetensors"))
    histories = [seconds_less(load_model(name).facts) for name in ("straight.safetensors", "m y.safetensors")]
    assert histories[0] == histories[1]
    assert (tmp_path / "c.png").exists()


def test_stopped_and_resumed_again_and_again_it_ends_with_the_same_bits(run, monkeypatch, signal_at):
    run(*COMMAND, "--model", "straight.safetensors")
    for step in (3, 10, 11, 20, 33, 40):
        signal_at(signal.SIGTERM, step)
        assert run(*(SAVED if step == 3 else ("train", "--resume", "run.ckpt"))).code == 143
    assert run("train", "--resume", "run.ckpt").code == 0
    assert np.array_equal(parameters("straight.safetensors"), parameters("chainrule-model.safetensors"))


def test_without_a_checkpoint_it_says_that_nothing_was_saved(run, tmp_path, signal_at):
    signal_at(signal.SIGINT, 2)
    stopped = run(*COMMAND)
    assert stopped.code == 130
    assert "Stopped after step 2 of 44. No model was saved. With --checkpoint FILE" in stopped.err
    assert list(tmp_path.iterdir()) == []


def test_a_second_ctrl_c_does_not_wait_and_the_last_checkpoint_stays_whole(run, signal_at, tmp_path):
    signal_at(signal.SIGINT, 25, times=2)
    stopped = run(*SAVED)
    assert stopped.code == 130
    assert "Interrupted." in stopped.err
    training = start(dataclasses.replace(find_recipe("standard"), hidden=(8,), epochs=4, least_steps=0), digits())
    load_checkpoint(training, tmp_path / "run.ckpt", read_settings(tmp_path / "run.ckpt"))
    assert training.epoch == 2


def test_afterwards_signals_act_as_before(run, signal_at):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signal_at(signal.SIGINT, 2)
    run(*COMMAND)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_who_had_a_signal_ignored_still_has(monkeypatch):
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping(None) as received:
            signal.raise_signal(signal.SIGINT)
        assert received == []
    finally:
        signal.signal(signal.SIGINT, old)


def digits():
    return load_dataset("digits")


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3, 4]), (9, [4])])
def test_every_says_how_often_it_is_saved_and_the_end_always_is(run, monkeypatch, every, epochs):
    saved = []

    def note_epoch(training, *arguments):
        saved.append(training.epoch)
        save_checkpoint(training, *arguments)

    monkeypatch.setattr("chainrule.training.checkpoint.save_checkpoint", note_epoch)
    assert run(*SAVED, "--every", every).code == 0
    assert saved == epochs


def test_it_is_saved_under_full_batches_too_whose_accuracies_are_rare(run, tmp_path, signal_at):
    signal_at(signal.SIGINT, 7)
    full_batch = ("--recipe", "xavier-10", "--epochs", 20, "--checkpoint", "run.ckpt")
    assert run("train", "--data", "digits", *full_batch).code == 130
    assert run("train", "--resume", "run.ckpt").code == 0
    monkey = load_model("chainrule-model.safetensors")
    assert monkey.facts["history"]["epoch"][-1] == 20


def test_resuming_needs_no_option_and_goes_on_writing_to_the_checkpoint(run, signal_at, tmp_path):
    signal_at(signal.SIGINT, 13)
    run(*SAVED, "--seed", 5, "--learning-rate", 0.05)
    before = (tmp_path / "run.ckpt").read_bytes()
    assert run("train", "--resume", "run.ckpt").code == 0
    assert (tmp_path / "run.ckpt").read_bytes() != before
    facts = load_model("chainrule-model.safetensors").facts
    assert (facts["seed"], facts["recipe"]["learning_rate"], facts["recipe"]["hidden"]) == (5, 0.05, [8])


def test_a_finished_training_may_go_on_for_more_epochs(run):
    run(*SAVED)
    assert run("train", "--resume", "run.ckpt", "--epochs", 6, "--json").json["epochs"] == 6
    history = load_model("chainrule-model.safetensors").facts["history"]
    assert history["epoch"] == [1, 2, 3, 4, 5, 6]
    fewer = run("train", "--resume", "run.ckpt", "--epochs", 5)
    assert fewer.code == 2
    assert "epochs was 6 and is now 5" in fewer.err


def test_data_that_changed_under_its_name_are_noticed(run, tmp_path, signal_at):
    images, labels = digits().train_images[:300], digits().train_labels[:300]
    write_kaggle_csv(tmp_path / "train.csv", images, labels)
    signal_at(signal.SIGINT, 2)
    run("train", "--data", "train.csv", "--epochs", 2, "--hidden", 8, "--checkpoint", "run.ckpt")
    write_kaggle_csv(tmp_path / "train.csv", images[::-1], labels[::-1])
    resumed = run("train", "--resume", "run.ckpt")
    assert resumed.code == 2
    assert "digest of the data was" in resumed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "none.ckpt"), "There is no checkpoint none.ckpt"),
        (("--resume", "chainrule-model.safetensors", "--model", "m.safetensors"), "its format is 'chainrule-model'"),
        (("--resume", "run.ckpt", "--seed", "1"), "seed was 0 and is now 1"),
        (("--resume", "run.ckpt", "--learning-rate", "0.5"), "recipe.learning_rate was 0.15 and is now 0.5"),
        (("--resume", "run.ckpt", "--hidden", "9"), "recipe.hidden was [8] and is now [9]"),
        (("--resume", "run.ckpt", "--recipe", "xavier-10"), "recipe.name was 'standard' and is now 'xavier-10'"),
        (("--resume", "run.ckpt", "--epochs", "3"), "epochs was 4 and is now 3"),
        (("--resume", "run.ckpt", "--checkpoint", "other.ckpt"), "give --checkpoint or --resume"),
        (("--every", "2"), "name it with --checkpoint"),
        (("--checkpoint", "run.ckpt", "--every", "0"), "expected at least 1 epoch"),
        (("--checkpoint", "m.safetensors", "--model", "m.safetensors"), "would be both"),
        (("--checkpoint", "no/run.ckpt"), "no/run.ckpt"),
    ],
    ids=str,
)
def test_what_cannot_be_done_says_why_and_leaves_the_checkpoint(run, tmp_path, arguments, message):
    run(*SAVED)
    before = (tmp_path / "run.ckpt").read_bytes()
    finished = run("train", *arguments)
    assert finished.code == 2
    assert message in finished.err
    assert (tmp_path / "run.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "0"}, "was not written by chainrule train"),
        ({"dataset": 3}, "was not written by chainrule train"),
        ({"recipe": []}, "was not written by chainrule train"),
        ({"epochs": None}, "epochs is None; expected int"),
        ({"epochs": True}, "epochs is True"),
        ({"recipe.hidden": [10**9]}, "too few for the network"),
        ({"recipe.hidden": [2**70, 2**70]}, "too few for the network"),
        ({"recipe.hidden": ["8"]}, "expected whole numbers"),
        ({"recipe.hidden": 8}, "hidden is 8"),
        ({"recipe.learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"recipe.optimizer": "sdg"}, "no optimizer 'sdg'"),
        ({"recipe.deformation": {"alpha": 1, "reach": 2}}, "deformation is"),
        ({"recipe.deformation": [1]}, "deformation is"),
        ({"recipe.goals": [{"data": "mnist"}]}, "goals is"),
        ({"recipe.surprise": 1}, "missing or unknown: surprise"),
    ],
    ids=str,
)
def test_a_checkpoint_of_strange_settings_is_refused(run, tmp_path, changes, message):
    run(*SAVED)
    settings = json.loads(json.dumps(read_settings(tmp_path / "run.ckpt")))
    for name, value in changes.items():
        inner, _, last = name.rpartition(".")
        (settings[inner] if inner else settings)[last] = value
    recipe = dataclasses.replace(find_recipe("standard"), hidden=(8,), epochs=4, least_steps=0)
    save_checkpoint(start(recipe, digits()), tmp_path / "strange.ckpt", settings)
    finished = run("train", "--resume", "strange.ckpt")
    assert finished.code == 2
    assert message in finished.err


# ------------------------------------------------------------------------------------------ real processes

KILLS = 3


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL does not exist there")
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(tmp_path):
    """Some of what `scripts/kill.py` does at length."""
    script = [sys.executable, "scripts/kill.py", "--kills", str(KILLS), "--folder", str(tmp_path)]
    finished = subprocess.run(script, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert f"{KILLS} kills" in finished.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on a file's size there")
@pytest.mark.parametrize("limit", [0, 1, 4096, 20_000])
def test_a_full_disk_ends_it_with_a_message_and_the_old_checkpoint_whole(run, tmp_path, limit):
    import resource

    run(*SAVED)
    before = (tmp_path / "run.ckpt").read_bytes()
    program = [sys.executable, "-m", "chainrule", "train", "--resume", "run.ckpt", "--epochs", "5"]
    finished = subprocess.run(
        program,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert finished.returncode == 2
    assert "Error: Cannot write run.ckpt: File too large. What was there before is untouched." in finished.stderr
    assert "Traceback" not in finished.stderr
    assert (tmp_path / "run.ckpt").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chainrule-model.safetensors", "run.ckpt"]
