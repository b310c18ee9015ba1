import hashlib
import shlex
from pathlib import Path

import pytest

from chainrule.data import kaggle
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_kaggle_csv


def test_data_says_what_there_is_to_choose_from(run):
    finished = run("data")
    assert finished.code == 0
    assert [line.split()[0] for line in finished.out.splitlines()] == ["mnist", "digits", "kaggle", "a"]


def test_a_data_set_is_described_by_counts_shape_source_and_checksums(run):
    facts = run("data", "digits", "--json").json
    digits = load_dataset("digits")
    assert facts["parts"]["train"]["images"] == 1_437
    assert facts["parts"]["test"]["shape"] == [28, 28]
    assert facts["parts"]["train"]["counts"] == [int((digits.train_labels == c).sum()) for c in range(10)]
    ((path, checksum),) = facts["files"].items()
    assert checksum == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert "UCI" in facts["source"]


def test_the_description_reads_well_in_80_columns(run):
    lines = run("data", "digits").out.splitlines()
    assert lines[0] == "digits"
    assert lines[1].startswith("UCI digits")
    assert "train   1,437  28×28" in lines[4]


def test_a_path_may_look_like_markup(run, tmp_path):
    digits = load_dataset("digits")
    (tmp_path / "[old]").mkdir()
    write_kaggle_csv(tmp_path / "[old]" / "some.csv", digits.test_images[:20], digits.test_labels[:20])
    assert run("data", "[old]/some.csv").out.startswith("[old]/some.csv\n")


def test_mnist_is_the_mnist(run, mnist):
    facts = run("data", "mnist", "--json").json
    assert facts["parts"]["train"]["counts"] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert len(facts["files"]) == 4


def test_an_unknown_data_set_is_named(run):
    finished = run("data", "mnits")
    assert finished.code == 2
    assert "Did you mean 'mnist'?" in finished.err


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Kaggle's files as kagglehub leaves them: sixty labelled digits and ten to label."""
    digits, folder = load_dataset("digits"), tmp_path / "the cache"
    folder.mkdir()
    write_kaggle_csv(folder / "train.csv", digits.train_images[:60], digits.train_labels[:60])
    write_kaggle_csv(folder / "test.csv", digits.test_images[:10], None)
    monkeypatch.setattr(kaggle, "TRAINING_ROWS", 60)
    monkeypatch.setattr(kaggle, "TEST_ROWS", 10)
    monkeypatch.setattr(kaggle, "download_kaggle", lambda: folder)
    return folder


def test_kaggles_files_are_described_and_the_next_two_steps_said(run, fetched, tmp_path):
    finished = run("data", "kaggle")
    assert finished.code == 0
    assert "train      60  28×28" in finished.out
    assert "test       10  28×28" in finished.out
    *_, train, predict = finished.out.splitlines()
    assert train.strip() == f"chainrule train --data '{fetched}/train.csv'"
    assert predict.strip() == f"chainrule predict '{fetched}/test.csv' --submission submission.csv"
    assert run(*shlex.split(train)[1:], "--epochs", 1).code == 0
    assert run(*shlex.split(predict)[1:]).code == 0
    assert len((tmp_path / "submission.csv").read_text().splitlines()) == 11


def test_kaggle_is_a_name_to_train_on_and_its_test_pictures_cannot_be_evaluated(run, fetched):
    finished = run("train", "--data", "kaggle", "--epochs", 1)
    assert "no labelled test images" in finished.out
    assert "have no labels. Try --split train." in run("evaluate").err
    assert run("evaluate", "--split", "train").code == 0


def test_without_credentials_the_message_is_read_as_it_was_written(run, monkeypatch, tmp_path):
    pytest.importorskip("kagglehub")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "KAGGLE_CONFIG_DIR", "KAGGLEHUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    finished = run("data", "kaggle")
    assert finished.code == 1
    assert finished.out == ""
    assert f"Error: {kaggle.NO_CREDENTIALS}\n{kaggle.BY_HAND}\n" == finished.err
