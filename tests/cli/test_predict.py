import dataclasses

import numpy as np
import pytest
from make_photos import blank_pages, photos
from measure_photos import SEED, score
from PIL import Image

from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_idx, write_kaggle_csv
from chainrule.files.model_file import SHIPPED_MODEL, load_model, save_model


@pytest.fixture
def digits():
    return load_dataset("digits")


def save(path, pixels, scale=1):
    Image.fromarray(pixels).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC).save(path)


def test_a_picture_of_28_pixels_is_taken_as_it_is(run, trained, tmp_path, digits):
    save(tmp_path / "digit.png", digits.test_images[0])
    (answer,) = run("predict", trained, "digit.png", "--json").json
    expected = load_model(trained).probabilities(digits.test_images[:1])[0]
    assert answer.pop("box") == [0, 0, 28, 28]
    assert answer == {"file": "digit.png", "label": expected.argmax(), "probability": float(expected.max())}


def test_a_large_dark_on_light_picture_gives_the_same_digit(run, trained, tmp_path, digits):
    labels = []
    for i in range(10):
        save(tmp_path / f"{i}.jpg", 255 - digits.test_images[i], scale=12)
        labels.append(load_model(trained).predict(digits.test_images[i : i + 1])[0])
    answers = run("predict", trained, *(f"{i}.jpg" for i in range(10)), "--json").json
    assert [answer["label"] for answer in answers] == labels


def test_each_picture_gets_a_line_with_label_and_probability(run, trained, tmp_path, digits):
    for name in ("a.png", "longer-name.png"):
        save(tmp_path / name, digits.test_images[1])
    lines = run("predict", trained, "a.png", "longer-name.png").out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("a.png           ")
    assert lines[0].endswith(" %")


def test_a_submission_is_in_kaggles_format(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "test.csv", digits.test_images[:40], None)
    finished = run("predict", trained, "test.csv", "--submission", "submission.csv")
    assert finished.code == 0
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    predictions = load_model(trained).predict(digits.test_images[:40])
    assert lines == ["ImageId,Label", *(f"{i},{label}" for i, label in enumerate(predictions, start=1))]


def test_a_submission_that_kaggle_would_refuse_says_so(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "test.csv", digits.test_images[:40], None)
    finished = run("predict", trained, "test.csv", "--submission", "submission.csv")
    assert "Submission: 40 rows in submission.csv" in finished.err
    assert "Kaggle's Digit Recognizer would refuse it: its test.csv has 28,000 pictures" in finished.err


def test_a_whole_submission_has_28_000_rows_numbered_from_1_and_digits_as_labels(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "test.csv", np.resize(digits.test_images, (28_000, 28, 28)), None)
    finished = run("predict", trained, "test.csv", "--submission", "submission.csv")
    assert "refuse" not in finished.err
    header, *rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert header == "ImageId,Label"
    numbers, labels = zip(*(row.split(",") for row in rows), strict=True)
    assert list(map(int, numbers)) == list(range(1, 28_001))
    assert set(labels) <= set("0123456789")


def test_pictures_whose_labels_are_known_are_not_submitted(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "train.csv", digits.test_images[:5], digits.test_labels[:5])
    finished = run("predict", trained, "train.csv", "--submission", "submission.csv")
    assert finished.code == 2
    assert "train.csv has labels" in finished.err
    assert not (tmp_path / "submission.csv").exists()


def test_a_model_of_other_classes_makes_no_submission(run, trained, tmp_path, digits):
    model = load_model(trained)
    save_model(dataclasses.replace(model, class_names=tuple("abcdefghij")), tmp_path / "letters.safetensors")
    write_kaggle_csv(tmp_path / "test.csv", digits.test_images[:5], None)
    finished = run("predict", "letters.safetensors", "test.csv", "--submission", "submission.csv")
    assert finished.code == 2
    assert "classes are a, b, c" in finished.err
    assert "Kaggle's labels are 0 to 9" in finished.err
    assert not (tmp_path / "submission.csv").exists()


def test_the_rows_of_a_csv_are_numbered_from_1(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "test.csv", digits.test_images[:3], None)
    answers = run("predict", trained, "test.csv", "--json").json
    assert [answer["file"] for answer in answers] == ["test.csv row 1", "test.csv row 2", "test.csv row 3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "There is nothing to predict"),
        (("missing.png",), "missing.png"),
        (("text.png",), "text.png is not a PNG or JPEG picture"),
        (("blank.png",), "blank.png"),
        (("other.safetensors", "blank.png"), "There is no model file other.safetensors"),
        (("blank.png", "--submission", "s.csv"), "exactly one csv"),
    ],
)
def test_what_cannot_be_predicted_is_named(run, trained, tmp_path, arguments, message):
    (tmp_path / "text.png").write_text("not a picture")
    save(tmp_path / "blank.png", np.full((28, 28), 255, np.uint8), scale=3)
    finished = run("predict", trained, *arguments)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert not (tmp_path / "s.csv").exists()


def test_a_submission_does_not_replace_its_own_data(run, trained, tmp_path, digits):
    write_kaggle_csv(tmp_path / "test.csv", digits.test_images[:3], None)
    before = (tmp_path / "test.csv").read_bytes()
    finished = run("predict", trained, "test.csv", "--submission", "test.csv")
    assert finished.code == 2
    assert "would be both the data and --submission" in finished.err
    assert (tmp_path / "test.csv").read_bytes() == before


def test_a_submission_is_not_half_written_when_the_csv_is_bad(run, trained, tmp_path):
    (tmp_path / "test.csv").write_text(",".join(f"pixel{i}" for i in range(784)) + "\n1,2,3\n")
    finished = run("predict", trained, "test.csv", "--submission", "submission.csv")
    assert finished.code == 2
    assert "line 2" in finished.err
    assert not (tmp_path / "submission.csv").exists()


def test_a_model_of_another_size_predicts_photos_too(run, tmp_path, digits):
    folder = tmp_path / "small"
    folder.mkdir()
    small = digits.train_images[:200, 4:24:2, 4:24:2].copy()
    write_idx(folder / "train-images-idx3-ubyte", small)
    write_idx(folder / "train-labels-idx1-ubyte", digits.train_labels[:200].astype(np.uint8))
    run("train", "--data", folder, "--epochs", 2)
    save(tmp_path / "photo.png", 255 - digits.test_images[0], scale=8)
    finished = run("predict", "photo.png", "--json")
    assert finished.code == 0
    assert finished.json[0]["label"] in range(10)


# ------------------------------------------------------------------------------- photos, and no model of one's own


@pytest.fixture
def number(tmp_path, digits):
    """A picture of 7, 2 and 1 side by side, dark on light; its labels as the shipped model reads them one by one."""
    chosen = [int(np.flatnonzero(digits.test_labels == label)[1]) for label in (7, 2, 1)]
    row = np.concatenate([np.pad(digits.test_images[i], ((14, 14), (4, 4))) for i in chosen], axis=1)
    Image.fromarray(255 - row).resize((6 * row.shape[1], 6 * row.shape[0]), Image.Resampling.BICUBIC).save(
        tmp_path / "number.png"
    )
    return "number.png"


def test_where_no_model_is_named_or_lies_there_the_shipped_one_answers(run, tmp_path, digits):
    save(tmp_path / "digit.jpg", 255 - digits.test_images[0], scale=12)
    finished = run("predict", "digit.jpg")
    assert finished.code == 0
    assert finished.out.startswith(f"digit.jpg  {digits.test_labels[0]}  ")
    assert "the one that comes with chainrule" in finished.err
    assert SHIPPED_MODEL.stat().st_size <= 1_000_000


def test_all_digits_of_a_picture_are_found_boxed_and_read_left_to_right(run, number):
    assert run("predict", number, "--many").out.splitlines()[0].split() == ["number.png", "7", "2", "1"]
    answers = run("predict", number, "--many", "--json").json
    assert [answer["label"] for answer in answers] == [7, 2, 1]
    lefts = [answer["box"][0] for answer in answers]
    assert lefts == sorted(lefts)
    with Image.open(number) as image:
        assert all(0 <= box[0] < box[2] <= image.width for box in (answer["box"] for answer in answers))


def test_several_digits_are_refused_where_one_is_asked_for(run, number):
    finished = run("predict", number)
    assert finished.code == 2
    assert "--many" in finished.err


def test_explain_draws_the_stages(run, number):
    finished = run("predict", number, "--many", "--explain", "stages.png")
    assert finished.code == 0
    assert "Stages: stages.png" in finished.err
    with Image.open("stages.png") as drawn:
        assert min(drawn.size) > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "b.png", "--explain", "c.png"], "one picture"),
        (["a.png", "--explain", "a.png"], "--explain"),
        (["a.csv", "--many"], "Leave --many out"),
        (["a.csv", "--explain", "c.png"], "one picture"),
    ],
)
def test_what_cannot_be_explained_or_searched_is_said_before_any_work(run, arguments, message):
    finished = run("predict", *arguments)
    assert finished.code == 2
    assert message in finished.err


def test_a_page_with_nothing_on_it_is_refused(run, tmp_path):
    (tmp_path / "blank.jpg").write_bytes(blank_pages(1, 0)[0].content)
    finished = run("predict", "blank.jpg")
    assert finished.code == 2
    assert "blank.jpg: no digit found" in finished.err


def test_four_hundred_photos_are_read_as_the_page_says(mnist):
    result = score(photos(mnist.test_images, mnist.test_labels, 400, SEED), load_model(SHIPPED_MODEL))
    assert result.accuracy >= 0.95
