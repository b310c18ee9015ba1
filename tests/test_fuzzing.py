"""Inputs that are nearly right, for every reader: a few here, a million and more by scripts/fuzz.py."""

import json
import os
import random
import subprocess
import sys
import warnings
from dataclasses import replace

import fuzz
import pytest
from fuzz_readers import READERS, draw_input, try_input
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.errors import DataFileError

EVERY = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


def inputs(reader):
    """A strategy: contents of a file, and what it holds where it is whole."""
    return st.randoms(use_true_random=False).map(lambda chance: draw_input(reader, chance))


@EVERY
def test_an_input_is_what_the_reader_promises_or_refused_in_words(reader, tmp_path):
    @settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(inputs(reader))
    def holds(drawn):
        try_input(reader, tmp_path / "input", *drawn)

    holds()


@EVERY
def test_the_inputs_of_the_long_run_are_both_accepted_and_refused(reader, tmp_path):
    path = tmp_path / "input"
    outcomes = [
        try_input(reader, path, *draw_input(reader, random.Random(f"0 {reader.name} {number}")))
        for number in range(300)
    ]
    assert any(message is None for message in outcomes)
    assert len({fuzz.kind_of(message, path) for message in outcomes if message}) >= 5


@EVERY
def test_whole_files_give_back_what_they_hold(reader, tmp_path):
    for number in range(40):
        content, expected = reader.whole(random.Random(number))
        assert try_input(reader, tmp_path / "input", content, expected) is None


# ---------------------------------------------------------------------------------------- the long run itself


def ran(monkeypatch, tmp_path, *arguments):
    """The exit code, the record and the page of a run that is kept from setting this process's limits."""
    monkeypatch.setattr(fuzz, "limit_memory", lambda: None)
    page = tmp_path / "page.md"
    page.write_text(f"# Reliability\n\nabove\n\n{fuzz.START}\nold\n{fuzz.END}\n\nbelow\n")
    places = ["--json", tmp_path / "fuzzing.json", "--page", page, "--findings", tmp_path / "findings"]
    monkeypatch.setattr("sys.argv", ["fuzz.py", *map(str, arguments), *map(str, places)])
    with warnings.catch_warnings():
        code = fuzz.main()
    return code, json.loads((tmp_path / "fuzzing.json").read_text())["readers"], page.read_text()


def test_a_run_records_what_came_of_its_inputs_and_writes_the_table(monkeypatch, tmp_path, capsys):
    code, record, page = ran(monkeypatch, tmp_path, "--inputs", 30, "IDX", "csv")
    assert code == 0
    assert list(record) == ["IDX", "csv"]
    for counts in record.values():
        assert counts["tried"] == counts["accepted"] + counts["refused"] == 30
        assert counts["findings"] == []
    assert "30 of 30" in capsys.readouterr().out
    assert "old" not in page
    assert page.index("above") < page.index("| IDX | 30 |") < page.index("| **all** | **60** |") < page.index("below")


def test_a_reader_tried_again_leaves_the_others_counts(monkeypatch, tmp_path):
    ran(monkeypatch, tmp_path, "--inputs", 30, "IDX", "csv")
    _, record, page = ran(monkeypatch, tmp_path, "--inputs", 20, "csv")
    assert [(name, counts["tried"]) for name, counts in record.items()] == [("IDX", 30), ("csv", 20)]
    assert "| **all** | **50** |" in page


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda path: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda path: warnings.warn("odd", stacklevel=1), "UserWarning: odd"),
        (lambda path: "no array", "AttributeError"),
        (lambda path: fuzz.too_slow(), "TooSlowError: more than 5 s"),
    ],
    ids=["exception", "warning", "result", "time"],
)
def test_whatever_is_not_promised_is_a_finding_and_its_input_is_kept(monkeypatch, tmp_path, fault, words):
    monkeypatch.setitem(READERS, "IDX", replace(READERS["IDX"], read=fault))
    code, record, _ = ran(monkeypatch, tmp_path, "--inputs", 2, "IDX")
    assert code == 1
    assert [words in finding["error"] for finding in record["IDX"]["findings"]] == [True, True]
    assert len(list((tmp_path / "findings").iterdir())) == 2


def refusal(message, cause=None):
    def read(path):
        raise DataFileError(message.format(path=path)) from cause

    return read


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (refusal("something is wrong"), "does not name the file"),
        (refusal("{path}" + "x" * 1000), "characters"),
        (refusal("{path}: too large", MemoryError()), "all memory"),
    ],
    ids=["nameless", "long", "memory"],
)
def test_a_refusal_is_short_names_the_file_and_took_no_memory(tmp_path, read, words):
    reader = replace(READERS["IDX"], read=read)
    with pytest.raises(AssertionError, match=words):
        try_input(reader, tmp_path / "input", b"", None)


def test_it_runs_where_there_are_neither_alarms_nor_limits(tmp_path):
    """As on Windows."""
    (tmp_path / "page.md").write_text(f"{fuzz.START}\n{fuzz.END}\n")
    program = (
        "import signal, sys\n"
        "del signal.SIGALRM, signal.setitimer, signal.ITIMER_REAL\n"
        "sys.modules['resource'] = None\n"
        "import fuzz\n"
        "sys.exit(fuzz.main())\n"
    )
    options = ["--inputs", "2", "IDX", "--json", "f.json", "--page", "page.md"]
    run = subprocess.run(
        [sys.executable, "-c", program, *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "IDX" in run.stdout
    assert "2 of 2" in run.stdout


def test_a_stopped_run_keeps_its_counts(monkeypatch, tmp_path, capsys):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setitem(READERS, "csv", replace(READERS["csv"], read=interrupt))
    code, record, _ = ran(monkeypatch, tmp_path, "--inputs", 20, "IDX", "csv")
    assert (code, record["IDX"]["tried"], record["csv"]["tried"]) == (0, 20, 0)
    assert "Stopped" in capsys.readouterr().out
