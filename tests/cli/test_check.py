import json

import pytest

RIGHT = "import numpy as np\ndef output_error(A, Y):\n    return (A - Y) / A.shape[1]\n"
WRONG = "import numpy as np\ndef output_error(A, Y):\n    return A - Y\n"


@pytest.fixture
def hand_ins(tmp_path):
    (tmp_path / "ada.py").write_text(RIGHT)
    (tmp_path / "bob.py").write_text(WRONG)
    cells = [{"cell_type": "code", "source": RIGHT.splitlines(keepends=True)}]
    (tmp_path / "eve.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "ivy.py").write_text("def something_else():\n    pass\n")
    (tmp_path / "max.py").write_text("def output_error(A, Y):\n    return (A - Y\n")
    return ["ada.py", "bob.py", "eve.ipynb", "ivy.py", "max.py"]


def test_a_folder_of_hand_ins_gives_a_table(run, hand_ins):
    finished = run("check", "5.1", *hand_ins)
    assert finished.code == 1
    assert "2 of 5 passed" in finished.out
    assert (
        "Did you divide by m?" in finished.out.replace("\n", " ").replace("  ", "") or "Did you divide" in finished.out
    )
    assert max(map(len, finished.out.splitlines())) <= 80


def test_json_has_a_hint_for_each(run, hand_ins):
    answers = run("check", "5.1", *hand_ins, "--json").json
    assert [answer["right"] for answer in answers] == [True, False, True, False, False]
    assert "There is no `output_error`. Functions found: something_else" in answers[3]["hint"]
    assert "line" in answers[4]["hint"]


def test_all_right_ends_with_0(run, hand_ins):
    assert run("check", "5.1", "ada.py").code == 0


def test_the_list_shows_every_exercise(run):
    assert len(run("check", "list", "--json").json) >= 36
    assert "two_layer_gradients" in run("check", "list").out


@pytest.mark.parametrize(
    ("arguments", "message"), [(["5.1"], "There is no hand-in"), (["99.1", "ada.py"], "no exercise '99.1'")]
)
def test_bad_input_is_said(run, hand_ins, arguments, message):
    finished = run("check", *arguments)
    assert finished.code == 2
    assert message in finished.err
