import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from chainrule.cli.checkpoints import settings_of
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_idx, write_kaggle_csv
from chainrule.files.model_file import load_model
from chainrule.recipes import COMMITTEES, CommitteeRecipe, find_recipe, start
from chainrule.training.checkpoint import save_checkpoint
from chainrule.training.training import Training

QUICK = ("train", "--data", "digits", "--epochs", 2)


def test_train_saves_a_model_and_says_how_good_it_is(run, tmp_path):
    finished = run("train", "--data", "digits", "--epochs", 12)
    assert finished.code == 0
    assert "Test accuracy" in finished.out
    assert "95 % interval" in finished.out
    assert "chainrule-model.safetensors" in finished.out
    assert finished.out.count("says ") == 3
    assert "chainrule evaluate" in finished.out
    assert "UCI digits" in finished.err
    assert (tmp_path / "chainrule-model.safetensors").exists()


def test_the_json_has_the_promised_fields_and_standard_output_nothing_else(run):
    finished = run(*QUICK, "--json")
    result = finished.json
    assert list(result) == [
        "dataset", "recipe", "epochs", "train_accuracy", "validation_accuracy", "test_accuracy", "seconds", "model",
    ]  # fmt: skip
    assert result["dataset"] == "digits"
    assert result["recipe"] == "standard"
    assert result["epochs"] == 2
    assert 0.5 < result["test_accuracy"] <= 1
    assert result["model"] == "chainrule-model.safetensors"


def test_the_reported_test_accuracy_is_the_saved_models(run):
    result = run(*QUICK, "--json").json
    digits = load_dataset("digits")
    saved = load_model(result["model"])
    assert saved.evaluate(digits.test_images, digits.test_labels).accuracy == result["test_accuracy"]
    measured = {entry["part"]: entry for entry in saved.facts["measured"]}
    assert measured["test"]["accuracy"] == result["test_accuracy"]
    assert measured["validation"]["examples"] == 120  # a twelfth of 1,437
    assert measured["train"]["examples"] == 1_317


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(run):
    thetas = []
    for seed in (1, 1, 2):
        run(*QUICK, "--seed", seed)
        thetas.append(load_model("chainrule-model.safetensors").network.parameters)
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


def test_options_change_what_the_recipe_says(run):
    run(*QUICK, "--hidden", 20, 15, "--batch-size", 50, "--learning-rate", 0.05, "--validation", 137)
    model = load_model("chainrule-model.safetensors")
    assert [block.shape for block in model.network.layout][::2] == [(784, 20), (20, 15), (15, 10)]
    recipe = model.facts["recipe"]
    assert (recipe["batch_size"], recipe["learning_rate"], recipe["validation"]) == (50, 0.05, 137)
    assert model.facts["history"]["step"] == [26, 52]  # 1,300 rows in batches of 50


def test_validation_0_trains_on_all_images(run):
    assert run(*QUICK, "--validation", 0, "--json").json["validation_accuracy"] is None
    assert load_model("chainrule-model.safetensors").facts["measured"][0]["examples"] == 1_437


def test_batch_size_0_is_full_batch(run):
    run(*QUICK, "--batch-size", 0)
    assert load_model("chainrule-model.safetensors").facts["history"]["step"] == [1, 2]


def test_a_tutorials_recipe_runs_from_the_shell(run):
    result = run("train", "--data", "digits", "--recipe", "xavier-10", "--epochs", 30, "--json").json
    assert result["recipe"] == "xavier-10"
    assert result["train_accuracy"] > 0.3


def test_a_curve_is_drawn_when_asked(run, tmp_path):
    run(*QUICK, "--curve", "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_data_without_a_test_part_gives_null(run, tmp_path):
    digits = load_dataset("digits")
    write_kaggle_csv(tmp_path / "train.csv", digits.train_images[:300], digits.train_labels[:300])
    result = run("train", "--data", tmp_path / "train.csv", "--epochs", 2, "--json").json
    assert result["test_accuracy"] is None
    assert "this data has no labelled test images" in run("train", "--data", tmp_path / "train.csv", "--epochs", 2).out


def test_every_setting_of_a_recipe_can_be_changed(run, tmp_path):
    options = ["--hidden", 0, "--initialization", "xavier", "--optimizer", "adam", "--schedule", "constant", "--deform"]
    assert run("train", "--data", "digits", "--epochs", 1, *options, "--json").code == 0
    model = load_model(tmp_path / "chainrule-model.safetensors")
    recipe = model.facts["recipe"]
    assert [type(layer).__name__ for layer in model.network.layers] == ["Dense"]
    assert (recipe["initialization"], recipe["optimizer"], recipe["schedule"]) == ("xavier", "adam", "constant")
    assert recipe["momentum"] == 0
    assert recipe["deformation"] is not None
    run("train", "--data", "digits", "--epochs", 1, "--recipe", "simard-2003", "--hidden", 8, "--no-deform", "--json")
    assert load_model(tmp_path / "chainrule-model.safetensors").facts["recipe"]["deformation"] is None


def test_a_folder_of_idx_files_is_trained_on(run, tmp_path):
    digits = load_dataset("digits")
    folder = tmp_path / "fashion"
    folder.mkdir()
    write_idx(folder / "train-images.idx3-ubyte", digits.train_images)
    write_idx(folder / "train-labels.idx1-ubyte", digits.train_labels.astype(np.uint8))
    write_idx(folder / "t10k-images.idx3-ubyte", digits.test_images)
    write_idx(folder / "t10k-labels.idx1-ubyte", digits.test_labels.astype(np.uint8))
    assert run("train", "--data", folder, "--epochs", 2, "--json").json["dataset"] == str(folder)


def test_auto_falls_back_to_digits_and_says_why(run, monkeypatch, tmp_path):
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setattr("chainrule.data.datasets._cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("chainrule.data.download.MIRRORS", ())
    finished = run("train", "--epochs", 1, "--json")
    assert finished.json["dataset"] == "digits"
    assert "because" in finished.err
    assert run("train", "--data", "mnist", "--epochs", 1).code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "mnits"), "Did you mean 'mnist'?"),
        (("--data", "nowhere/"), "There is no file or folder nowhere/"),
        (("--recipe", "standart"), "Did you mean 'standard'?"),
        (("--epohcs", "3"), "Unknown option: --epohcs. Did you mean --epochs?"),
        (("--epochs", "many"), "--epochs"),
        (("--device", "tpu"), "There is no device 'tpu'. Did you mean 'gpu'?"),
        (("--epochs", "0"), "--epochs 0: expected at least 1"),
        (("--hidden", "128", "0"), "every layer needs at least one unit"),
        (("--data", "digits", "--activation", "rellu"), "Did you mean 'relu'?"),
        (("--data", "digits", "--initialization", "hee"), "Did you mean 'he'?"),
        (("--data", "digits", "--optimizer", "adm"), "Did you mean 'adam'?"),
        (("--data", "digits", "--schedule", "constantly"), "Did you mean 'constant'?"),
        (("--data", "digits", "--momentum", "1"), "momentum is 1"),
        (("--optimizer", "adam", "--momentum", "0.9"), "--momentum 0.9 belongs to sgd"),
        (("--data", "digits", "--batch-size", "-1"), "batch_size is -1"),
        (("--data", "digits", "--learning-rate", "-1"), "learning_rate is -1"),
        (("--data", "digits", "--learning-rate", "nan"), "learning_rate is nan"),
        (("--epochs", "1.5"), "1.5 is not a whole number"),
        (("--batch-size", "0.5"), "0.5 is not a whole number"),
        (("--hidden", "20", "0.7"), "0.7 is not a whole number"),
        (("--seed", "1.5"), "1.5 is not a whole number"),
        (("--validation", "inf"), "expected a fraction below 1 or a whole number"),
        (("--validation", "1.5"), "expected a fraction below 1 or a whole number"),
        (("--data", "digits", "--validation", "2000"), "2000"),
        (("--data", "digits", "--seed", "-1"), "seed is -1"),
        (("--model", "missing/model.safetensors"), "there is no folder missing"),
        (("--model", "model"), "ends in .safetensors. Try model.safetensors"),
        (("--model", "x.png", "--curve", "x.png"), "ends in .safetensors"),
        (("--data", "x.safetensors", "--model", "x.safetensors"), "would be both --data and --model"),
        (("--curve", "curve.txt"), "expected a name that ends in .png"),
    ],
)
def test_bad_options_end_with_2_one_message_and_no_file(run, tmp_path, arguments, message):
    finished = run("train", *arguments)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert finished.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite_ends_training_and_leaves_the_old_model(run, tmp_path):
    run(*QUICK)
    before = (tmp_path / "chainrule-model.safetensors").read_bytes()
    finished = run(*QUICK, "--learning-rate", "1e9")
    assert finished.code == 1
    assert "step" in finished.err
    assert "learning rate" in finished.err
    assert (tmp_path / "chainrule-model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["chainrule-model.safetensors"]


def test_a_divergence_prints_its_message_alone_and_keeps_the_checkpoint_of_the_last_good_epoch(run, tmp_path):
    command = ("train", "--data", "digits", "--epochs", "3", "--hidden", "8")
    run(*command)
    recipe = replace(find_recipe("standard"), hidden=(8,), epochs=3, least_steps=0, learning_rate=1e9)
    training = start(recipe, load_dataset("digits"), 0)
    training.schedule = None
    training.optimizer.learning_rate = 0.1  # good for an epoch, before the recipe's own rate takes over
    next(iter(training))
    settings = settings_of(recipe, load_dataset("digits"), "digits", 0, epochs=3)
    save_checkpoint(training, tmp_path / "run.ckpt", settings)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    finished = run(*command, "--learning-rate", "1e9", "--resume", "run.ckpt")
    assert finished.code == 1
    assert finished.out == ""
    assert "Traceback" not in finished.err
    message = " ".join(finished.err.split())
    assert re.search(
        r" Error: The (loss|parameters) .+ at step \d+ \(epoch 2\), where the schedule had come to \S+\. The largest "
        r"gradient, \S+, was in dense\d\.\w+ at step \d+\. Is the learning rate of 1e\+09 too large\? Try 1e\+08\.$",
        message,
    ), message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    finished = run(*command, "--learning-rate", "1e8", "--resume", "run.ckpt")
    assert finished.code == 2
    assert "recipe.learning_rate was 1000000000.0 and is now 100000000.0" in " ".join(finished.err.split())


def test_a_damaged_csv_is_named_with_its_row(run, tmp_path):
    header = "label," + ",".join(f"pixel{i}" for i in range(784))
    good = "3," + ",".join(["0"] * 784)
    (tmp_path / "train.csv").write_text("\n".join([header, good, good.replace("3,0", "3,256", 1)]) + "\n")
    finished = run("train", "--data", "train.csv")
    assert finished.code == 2
    assert "train.csv" in finished.err
    assert "256" in finished.err
    assert "line 3" in finished.err


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
def test_ctrl_c_ends_without_a_traceback_and_without_a_file(tmp_path):
    program = [sys.executable, "-m", "chainrule", "train", "--data", "digits", "--epochs", "100000"]
    with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("Data:"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait() == 130
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [QUICK, ("recipes",), ("show", "data", "--data", "digits"), ("data", "digits")])
def test_a_redirected_stream_with_a_small_alphabet_is_written_in_utf8(tmp_path, command):
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    program = [sys.executable, "-m", "chainrule", *map(str, command)]
    finished = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()
    assert finished.stdout.decode("utf-8")


def test_the_result_is_json_on_a_narrow_terminal_too(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    assert json.loads(run(*QUICK, "--json").out)


# ----------------------------------------------------------------------------------------------- committees


@pytest.fixture
def small_committee(monkeypatch):
    """A committee of three small networks."""
    committee = CommitteeRecipe("small", "Three.", "here", (), (("standard", 0), ("standard", 1), ("plain-800", 0)))
    monkeypatch.setitem(COMMITTEES, "small", committee)
    return (
        "train",
        "--recipe",
        "small",
        "--data",
        "digits",
        "--epochs",
        "2",
        "--hidden",
        "8",
        "--model",
        "m.safetensors",
    )


def test_a_committee_is_trained_each_to_a_file_of_its_own_and_asked_together(run, small_committee, tmp_path):
    finished = run(*small_committee)
    assert finished.code == 0
    files = [f"m-{number}.safetensors" for number in (1, 2, 3)]
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == files
    assert "together" in finished.out
    assert f"chainrule evaluate {' '.join(files)}" in finished.out
    assert [load_model(tmp_path / file).facts["seed"] for file in files] == [0, 1, 0]
    result = run(*small_committee, "--json").json
    assert result["test_accuracy"] == run("evaluate", *files, "--json").json["accuracy"]
    assert result["models"] == files


def test_a_stopped_committee_goes_on_after_the_members_that_are_done(run, small_committee, tmp_path):
    run(*small_committee)
    (tmp_path / "m-2.safetensors").unlink()
    kept = (tmp_path / "m-1.safetensors").stat().st_mtime_ns
    err = run(*small_committee).err
    assert "1 of 3: standard, seed 0, already trained" in err
    assert "2 of 3: standard, seed 1\n" in err
    assert (tmp_path / "m-1.safetensors").stat().st_mtime_ns == kept
    assert "already trained" not in run(*small_committee, "--seed", "9").err


def test_a_stopped_committee_says_what_is_saved(run, small_committee, tmp_path, monkeypatch):
    take_step = Training._take_step

    def stop_in_the_second(training, rows):
        if list(tmp_path.glob("*-1.safetensors")) and training.step == 0:
            signal.raise_signal(signal.SIGINT)
        take_step(training, rows)

    monkeypatch.setattr(Training, "_take_step", stop_in_the_second)
    stopped = run(*small_committee)
    assert stopped.code == 130
    assert "The networks before this one are saved; the same command goes on after them." in stopped.err


def test_a_committee_takes_no_curve_and_no_checkpoint(run, small_committee):
    for option, file in (("--curve", "c.png"), ("--checkpoint", "c.ckpt")):
        finished = run(*small_committee, option, file)
        assert finished.code == 2
        assert f"{option} {file} is for one network" in finished.err


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder whose training pictures count as too many for memory."""
    digits = load_dataset("digits")
    folder = tmp_path / "large"
    folder.mkdir()
    for name, array in (("images", digits.train_images), ("labels", digits.train_labels)):
        for number, piece in enumerate(np.array_split(array, 3)):
            np.save(folder / f"train-{name}-{number}.npy", piece)
    np.save(folder / "test-images.npy", digits.test_images)
    np.save(folder / "test-labels.npy", digits.test_labels)
    monkeypatch.setattr("chainrule.data.datasets.LARGEST_IN_MEMORY", 1000)
    return folder


def test_data_larger_than_memory_is_trained_on_like_any_other(run, large, tmp_path):
    options = ("train", "--data", large, "--checkpoint", "run.ckpt", "--json")
    finished = run(*options, "--epochs", 6)
    assert finished.code == 0, finished.err
    assert finished.json["test_accuracy"] > 0.9
    assert finished.json["validation_accuracy"] > 0.8
    assert "0.0 GB in 3 files, read as needed" in finished.err
    resumed = run("train", "--resume", "run.ckpt", "--epochs", 8, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["epochs"] == 8
    labels = np.load(large / "train-labels-1.npy")
    np.save(large / "train-labels-1.npy", labels[::-1])
    changed = run("train", "--resume", "run.ckpt", "--epochs", 9)
    assert changed.code == 2
    assert "digest of the data was" in changed.err


def test_what_only_train_can_do_with_large_data_is_said(run, large):
    full_batch = run("train", "--data", large, "--batch-size", 0)
    assert full_batch.code == 2
    assert "Set a batch size" in full_batch.err
    assert run("train", "--data", large, "--epochs", 1).code == 0
    assert run("evaluate", "--split", "test").code == 0
    on_train = run("evaluate", "--split", "train")
    assert on_train.code == 2
    assert "only chainrule train reads such. Try --split test" in on_train.err
