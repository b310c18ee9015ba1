import hashlib
from pathlib import Path

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
