import pytest

from chainrule.cli.terminal import trimmed
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_kaggle_csv
from chainrule.files.model_file import load_model, save_model
from chainrule.model import Model


@pytest.mark.parametrize("what", ["data", "deformed", "predictions", "mistakes", "weights", "curve"])
def test_every_view_is_drawn_in_the_terminal(run, trained, what):
    finished = run("show", what, trained)
    assert finished.code == 0
    assert any(character in finished.out for character in "▀▄█⠁⠒⡇")
    assert max(len(line) for line in finished.out.splitlines()) <= 80


@pytest.mark.parametrize("what", ["data", "deformed", "predictions", "mistakes", "weights", "curve"])
def test_every_view_is_drawn_to_a_picture(run, trained, tmp_path, what):
    finished = run("show", what, trained, "--out", "view.png")
    assert finished.code == 0
    assert finished.out == ""
    assert (tmp_path / "view.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("split", ["train", "test"])
def test_chosen_images_are_shown_with_predicted_and_true_labels(run, trained, split):
    finished = run("show", "predictions", trained, "--split", split, "--index", 0, 3, 5, 120, 198)
    digits = load_dataset("digits")
    labels = digits.train_labels if split == "train" else digits.test_labels
    titles = [word for word in finished.out.replace(",", "").split() if word.isdigit()]
    assert titles[1::2] == [str(labels[i]) for i in (0, 3, 5, 120, 198)]


def test_data_needs_no_model(run):
    assert run("show", "data", "--data", "digits", "--index", 0).code == 0


def test_data_are_those_that_the_model_was_trained_on(run, trained):
    assert "UCI digits" in run("show", "data", trained).err


def test_unlabelled_pictures_can_be_looked_at_and_predicted(run, trained, tmp_path):
    write_kaggle_csv(tmp_path / "test.csv", load_dataset("digits").test_images[:3], None)
    assert "image 0" in run("show", "data", "--data", "test.csv").out
    out = run("show", "predictions", trained, "--data", "test.csv").out
    assert out.count("says ") == 3
    assert "is " not in out
    assert run("show", "mistakes", trained, "--data", "test.csv").code == 2


def test_a_drawn_digit_is_the_digit(run, tmp_path):
    lines = run("show", "data", "--data", "digits", "--split", "train", "--index", 4).out.splitlines()[1:]
    picture = trimmed(load_dataset("digits").train_images[4:5])[0]
    assert len(lines) == (len(picture) + 1) // 2
    inked = [line[: picture.shape[1]].ljust(picture.shape[1]) for line in lines]
    for line, above, below in zip(inked, picture[::2], [*picture[1::2], picture[0] * 0], strict=False):
        assert [c != " " for c in line] == [max(a, b) > 127 for a, b in zip(above, below, strict=True)]


@pytest.mark.parametrize("history", [None, {}, [1], 5, {"epoch": [1]}, {"epoch": "x"}])
def test_a_model_without_a_usable_history_has_no_curve(run, trained, tmp_path, history):
    model = load_model(trained)
    facts = {**model.facts, "history": history}
    save_model(Model(model.network, model.preparation, model.class_names, facts), tmp_path / "m.safetensors")
    finished = run("show", "curve", "m.safetensors")
    assert finished.code == 2
    assert "Traceback" not in finished.err


def test_a_word_that_is_no_model_is_taken_for_forgotten_data(run):
    finished = run("show", "data", "digits")
    assert finished.code == 2
    assert "Did you mean --data digits?" in finished.err


def test_chosen_hidden_units_are_shown(run, trained):
    assert "unit 7" in run("show", "weights", trained, "--index", 7).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wieghts",), "Did you mean 'weights'?"),
        (("weights", "--index", "999"), "there are 128 hidden units; expected 0 to 127"),
        (("weights", "--split", "test"), "takes no --split"),
        (("curve", "--index", "1"), "takes no --index"),
        (("mistakes", "--index", "400"), "mistakes; expected 0 to"),
        (("data", "--data", "digits", "--index", "-1"), "--index -1"),
        (("curve", "--out", "view.doc"), "expected a name that ends in .png"),
        (("curve", "--out", "missing/view.png"), "there is no folder missing"),
    ],
)
def test_what_cannot_be_shown_is_named(run, trained, tmp_path, arguments, message):
    what, *options = arguments
    finished = run("show", what, trained, *options)
    assert finished.code == 2
    assert message in finished.err
    assert list(tmp_path.iterdir()) == []
