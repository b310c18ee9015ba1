"""Every solution is right, and every plausible wrong answer gets its hint."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import UnknownNameError
from chainrule.exercises import check, exercises
from chainrule.exercises.grading import WrongError, expect

SOLUTIONS = Path(__file__).parents[2] / "course" / "solutions"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


WRONG = load(Path(__file__).parent / "wrong_answers.py").WRONG
EXERCISES = exercises()


def solution(number):
    chapter = load(SOLUTIONS / f"chapter_{int(number.split('.')[0]):02d}.py")
    return getattr(chapter, EXERCISES[number].name)


def test_every_chapter_has_three_to_six_exercises():
    counts = np.bincount([int(number.split(".")[0]) for number in EXERCISES], minlength=13)[1:]
    assert len(counts) == 12
    assert counts.min() >= 3
    assert counts.max() <= 6
    assert all(1 <= one.minutes <= 60 for one in EXERCISES.values())


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_is_right(number):
    for seed in range(10):
        verdict = check(number, solution(number), seed=seed)
        assert verdict, verdict
    assert str(verdict) == f"{number}: right."


def test_every_exercise_has_three_wrong_answers():
    assert list(WRONG) == list(EXERCISES)
    assert min(len(answers) for answers in WRONG.values()) >= 3


@pytest.mark.parametrize(
    ("number", "answer", "hint"),
    [(number, answer, hint) for number, answers in WRONG.items() for answer, hint in answers],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_answer_gets_its_hint(number, answer, hint):
    for seed in range(3):
        verdict = check(number, answer, seed=seed)
        assert not verdict
        assert hint in str(verdict), verdict


def test_an_exercise_that_is_not_there_is_said():
    with pytest.raises(UnknownNameError, match=r"no exercise '5.9'"):
        check("5.9", None)


def test_what_is_no_function_is_said():
    assert "stopped with TypeError" in check("5.1", 3).hint


def test_an_error_of_the_answer_is_shown_with_its_line():
    def answer(A, Y):
        return A - undefined  # noqa: F821

    assert "NameError" in check("5.1", answer).hint
    assert "return A - undefined" in check("5.1", answer).hint


def test_a_hint_never_shows_the_right_numbers():
    with pytest.raises(WrongError) as caught:
        expect(np.array([1.0, 2.0]), np.array([1.0, 7.25]))
    assert "7.25" not in str(caught.value)
