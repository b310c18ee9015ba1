import numpy as np
import pytest
from PIL import Image

from chainrule.cli import main
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_idx, write_kaggle_csv
from chainrule.data.photo import read_photo
from chainrule.files.model_file import load_model, save_model
from chainrule.model import Committee, Model


def test_evaluate_gives_accuracy_interval_and_confusion(run, trained):
    finished = run("evaluate", trained)
    assert finished.code == 0
    assert "Accuracy" in finished.out
    assert "95 % interval" in finished.out
    assert "of each class" in finished.out


def test_the_json_has_the_promised_fields(run, trained):
    result = run("evaluate", trained, "--json").json
    assert list(result) == ["accuracy", "interval", "errors", "examples", "confusion"]
    assert result["examples"] == 360
    assert result["accuracy"] == 1 - result["errors"] / 360
    low, high = result["interval"]
    assert low < result["accuracy"] < high
    confusion = np.array(result["confusion"])
    assert confusion.trace() == 360 - result["errors"]
    assert np.array_equal(confusion.sum(axis=1), np.bincount(load_dataset("digits").test_labels))


def test_evaluate_takes_the_data_that_the_model_was_trained_on(run, trained):
    assert "UCI digits" in run("evaluate", trained).err


def test_the_model_in_this_folder_is_the_default(run, trained, tmp_path):
    (tmp_path / "chainrule-model.safetensors").write_bytes(trained.read_bytes())
    assert run("evaluate", "--json").json == run("evaluate", trained, "--json").json


def test_the_training_part_is_measured_when_asked(run, trained):
    assert run("evaluate", trained, "--split", "train", "--json").json["examples"] == 1_437


def test_mistakes_are_drawn_to_a_picture(run, trained, tmp_path):
    assert run("evaluate", trained, "--mistakes", "mistakes.png", "--json").json["errors"] > 0
    assert (tmp_path / "mistakes.png").read_bytes().startswith(b"\x89PNG")


def test_a_labelled_csv_is_measured(run, trained, tmp_path):
    digits = load_dataset("digits")
    write_kaggle_csv(tmp_path / "some.csv", digits.test_images[:50], digits.test_labels[:50])
    expected = load_model(trained).evaluate(digits.test_images[:50], digits.test_labels[:50]).accuracy
    assert run("evaluate", trained, "--data", "some.csv", "--json").json["accuracy"] == expected


def test_an_unlabelled_csv_cannot_be_measured(run, trained, tmp_path):
    write_kaggle_csv(tmp_path / "test.csv", load_dataset("digits").test_images[:5], None)
    finished = run("evaluate", trained, "--data", "test.csv")
    assert finished.code == 2
    assert "chainrule predict test.csv" in finished.err


def test_a_missing_model_says_how_to_make_one(run):
    finished = run("evaluate", "--data", "digits")
    assert finished.code == 2
    assert "chainrule train" in finished.err


def test_a_model_that_does_not_fit_the_data_is_refused(run, trained, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte", np.zeros((3, 8, 8), np.uint8))
    write_idx(folder / "train-labels-idx1-ubyte", np.array([0, 1, 2], np.uint8))
    finished = run("evaluate", trained, "--data", folder)
    assert finished.code == 2
    assert "reads pictures of 28 × 28 pixels, these have 8 × 8" in finished.err


def test_data_that_is_gone_is_asked_for(run, tmp_path):
    digits = load_dataset("digits")
    write_kaggle_csv(tmp_path / "train.csv", digits.train_images[:100], digits.train_labels[:100])
    run("train", "--data", "train.csv", "--epochs", 1)
    assert "may be the ones the model learned from" in run("evaluate").err
    (tmp_path / "train.csv").unlink()
    finished = run("evaluate")
    assert finished.code == 2
    assert "which is not here. Name the data: --data PATH" in finished.err


def test_class_names_may_look_like_markup(run, trained, tmp_path):
    model = load_model(trained)
    names = ("[/x]", "[bold]", *model.class_names[2:])
    save_model(Model(model.network, model.preparation, names, model.facts), tmp_path / "m.safetensors")
    finished = run("evaluate", "m.safetensors")
    assert finished.code == 0
    assert "[/x]" in finished.out


def test_a_wrong_split_is_named(run, trained):
    finished = run("evaluate", trained, "--split", "tset")
    assert finished.code == 2
    assert "expected train or test" in finished.err


# ---------------------------------------------------------------------------------------------- committees


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Another model of the embedded digits."""
    path = tmp_path_factory.mktemp("second") / "second.safetensors"
    assert main(["train", "--data", "digits", "--epochs", "3", "--seed", "5", "--model", str(path), "--json"]) == 0
    return path


def test_several_models_are_measured_together(run, trained, second):
    finished = run("evaluate", trained, second)
    assert "A committee of 2 models" in finished.err
    digits = load_dataset("digits")
    together = Committee((load_model(trained), load_model(second))).evaluate(digits.test_images, digits.test_labels)
    assert run("evaluate", trained, second, "--json").json["errors"] == together.errors
    assert f"{together.errors} wrong" in finished.out


def test_models_that_do_not_fit_together_are_named(run, trained, tmp_path):
    digits = load_model(trained)
    save_model(Model(digits.network, digits.preparation, tuple("abcdefghij")), tmp_path / "letters.safetensors")
    finished = run("evaluate", trained, "letters.safetensors")
    assert finished.code == 2
    assert "letters.safetensors cannot be asked together" in finished.err
    assert "classes" in finished.err


def test_predict_asks_several_models_together(run, trained, second, tmp_path):
    digits = load_dataset("digits")
    Image.fromarray(255 - digits.test_images[3]).resize((280, 280)).save(tmp_path / "digit.png")
    picture = read_photo(tmp_path / "digit.png", shape=(28, 28))[np.newaxis]
    expected = Committee((load_model(trained), load_model(second))).probabilities(picture)[0]
    (answer,) = run("predict", trained, second, "digit.png", "--json").json
    assert answer["label"] == expected.argmax()
    assert answer["probability"] == pytest.approx(expected.max(), abs=1e-6)
