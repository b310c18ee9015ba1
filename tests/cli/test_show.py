import pytest

from chainrule.data.datasets import load_dataset


@pytest.mark.parametrize("what", ["data", "predictions", "mistakes", "weights", "curve"])
def test_every_view_is_drawn_in_the_terminal(run, trained, what):
    finished = run("show", what, trained, "--data", "digits")
    assert finished.code == 0
    assert any(character in finished.out for character in "▀▄█⠁⠒⡇")
    assert max(len(line) for line in finished.out.splitlines()) <= 80


@pytest.mark.parametrize("what", ["data", "predictions", "mistakes", "weights", "curve"])
def test_every_view_is_drawn_to_a_picture(run, trained, tmp_path, what):
    finished = run("show", what, trained, "--data", "digits", "--out", "view.png")
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


def test_chosen_hidden_units_are_shown(run, trained):
    assert "unit 7" in run("show", "weights", trained, "--index", 7).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wieghts",), "Did you mean 'weights'?"),
        (("weights", "--index", "999"), "expected 0 to 127"),
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
