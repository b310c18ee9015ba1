import errno
import json
import math
import os

import pytest

from chainrule.errors import InputError, OutputError
from chainrule.training.history import History, Report

REPORTS = [
    Report(0, 5, 2.302585092994046, None, None, 0.1, 0.1),
    Report(1, 10, 0.1 + 0.2, 0.5, 0.25, 1.5, 0.05),
    Report(2, 20, 1e-300, 1.0, None, 3.0, 0.0),
]
COLUMNS = {
    "epoch": [0, 1, 2],
    "step": [5, 10, 20],
    "loss": [2.302585092994046, 0.1 + 0.2, 1e-300],
    "train_accuracy": [None, 0.5, 1.0],
    "validation_accuracy": [None, 0.25, None],
    "seconds": [0.1, 1.5, 3.0],
    "learning_rate": [0.1, 0.05, 0.0],
}


def test_reports_are_columns():
    history = History(REPORTS)
    assert history.columns() == COLUMNS
    assert all(history[name] == column for name, column in COLUMNS.items())
    assert len(history) == 3
    assert list(history) == REPORTS


def test_a_history_grows_by_a_report():
    history = History()
    assert history.columns() == {name: [] for name in COLUMNS}
    for report in REPORTS:
        history.append(report)
    assert history.columns() == COLUMNS


def test_the_list_that_a_history_came_from_stays_as_it_was():
    reports = REPORTS[:1]
    History(reports).append(REPORTS[1])
    assert reports == REPORTS[:1]


def test_an_unknown_column_is_no_column():
    with pytest.raises(AttributeError, match="accuracy"):
        History(REPORTS)["accuracy"]


def test_columns_make_the_history_they_came_from():
    assert list(History.from_columns(COLUMNS)) == REPORTS
    assert all(isinstance(report, Report) for report in History.from_columns(COLUMNS))


@pytest.mark.parametrize("reports", [REPORTS, []], ids=["three", "none"])
def test_a_file_gives_back_every_bit(tmp_path, reports):
    History(reports).save(tmp_path / "history.json")
    assert list(History.load(str(tmp_path / "history.json"))) == reports


def test_anybody_can_read_the_file(tmp_path):
    History(REPORTS).save(tmp_path / "history.json")
    assert json.loads((tmp_path / "history.json").read_text()) == COLUMNS


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    History(REPORTS).save(tmp_path / "history.json")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError):
            History().save(tmp_path / "history.json")
    assert len(History.load(tmp_path / "history.json")) == 3
    assert len(list(tmp_path.iterdir())) == 1


BAD = {
    "nothing": "",
    "no JSON": "epoch,loss",
    "a cut file": json.dumps(COLUMNS)[:-1],
    "a number": "5",
    "null": "null",
    "a list of numbers": "[1, 2]",
    "the names alone": json.dumps(list(COLUMNS)),
    "a column too few": json.dumps({name: column for name, column in COLUMNS.items() if name != "loss"}),
    "a column too many": json.dumps({**COLUMNS, "lr": [1, 2, 3]}),
    "columns of two lengths": json.dumps({**COLUMNS, "loss": [1.0]}),
    "numbers for columns": json.dumps(dict.fromkeys(COLUMNS, 1)),
    "text in a column": json.dumps({**COLUMNS, "loss": ["a", "b", "c"]}),
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_no_history_is_refused(tmp_path, text):
    (tmp_path / "history.json").write_text(text)
    with pytest.raises(InputError, match="is not a saved history") as caught:
        History.load(tmp_path / "history.json")
    assert str(tmp_path / "history.json") in str(caught.value)


def test_bytes_and_folders_and_nothing_are_no_history(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes", "missing", "."):
        with pytest.raises(InputError, match="is not a saved history"):
            History.load(tmp_path / name)


def test_missing_columns_are_named():
    with pytest.raises(InputError, match=r"has the columns epoch, step, loss, .*, not epoch, steps"):
        History.from_columns({"epoch": [], "steps": []})


WRONG = {
    "text": ("loss", "123", "loss is of type str"),
    "an object": ("epoch", {"0": 1}, "epoch is of type dict"),
    "a tuple": ("step", (1, 2, 3), "step is of type tuple"),
    "a list of texts": ("loss", [0.1, "0.2", 0.3], "loss holds '0.2' in place 1"),
    "a list of lists": ("seconds", [[1.0]] * 3, r"seconds holds \[1.0\] in place 0"),
    "truths": ("train_accuracy", [True, False, True], "train_accuracy holds True"),
    "None for a loss": ("loss", [0.1, None, 0.3], "loss holds None in place 1"),
    "NaN": ("loss", [0.1, 0.2, math.nan], "loss holds nan in place 2"),
    "infinity": ("learning_rate", [math.inf, 0, 0], "learning_rate holds inf"),
    "too large for a float": ("seconds", [10**400, 0, 0], "seconds holds 1000"),
    "half an epoch": ("epoch", [0.5, 1, 2], "epoch holds 0.5"),
    "too short": ("loss", [0.1], "columns are of one length, and these are not: .*'loss': 1"),
}


@pytest.mark.parametrize(("name", "column", "message"), WRONG.values(), ids=WRONG)
def test_columns_that_hold_anything_but_numbers_are_refused(name, column, message):
    with pytest.raises(InputError, match=message):
        History.from_columns({**COLUMNS, name: column})


@pytest.mark.parametrize("columns", [None, [1, 2], "epoch", {3: []}])
def test_what_is_no_dict_of_columns_is_refused(columns):
    with pytest.raises(InputError, match="A history has the columns"):
        History.from_columns(columns)
