"""What an exercise is, how an answer is tried, and what is said of it.

An exercise's grader calls the answer on random cases and raises `WrongError` with a hint. `expect` compares a result
with the right one, and with wrong ones that are often given: each of those has its own hint.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import UnknownNameError

Array = NDArray[Any]
Grader = Callable[[Any, np.random.Generator], None]

CHAPTERS = 12
#: How many random cases an answer has to get right.
CASES = 5


class WrongError(Exception):
    """An answer is wrong; the message is the hint."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course.

    Attributes
    ----------
    number : str
        "5.2": chapter 5, exercise 2.
    name : str
        What the function is called in the course.
    title : str
        What it does, in a line.
    minutes : int
        About how long it takes.
    grade : function of (answer, rng)
        Raises `WrongError`.
    """

    number: str
    name: str
    title: str
    minutes: int
    grade: Grader


@dataclass(frozen=True)
class Verdict:
    """What a check says; true where the answer is right.

    Attributes
    ----------
    number : str
    right : bool
    hint : str
        Empty where it is right.
    """

    number: str
    right: bool
    hint: str = ""

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return f"{self.number}: right." if self.right else f"{self.number}: not yet. {self.hint}"

    __repr__ = __str__


_FOUND: dict[str, Exercise] = {}


def exercise(number: str, name: str, title: str, *, minutes: int) -> Callable[[Grader], Grader]:
    """Register the function below as the grader of an exercise."""

    def register(grade: Grader) -> Grader:
        _FOUND[number] = Exercise(number, name, title, minutes, grade)
        return grade

    return register


def exercises() -> dict[str, Exercise]:
    """All of them by number, in the course's order."""
    for chapter in range(1, CHAPTERS + 1):
        importlib.import_module(f"chainrule.exercises.chapters.chapter_{chapter:02d}")
    return dict(sorted(_FOUND.items(), key=lambda pair: tuple(map(int, pair[0].split(".")))))


def exercise_named(number: str) -> Exercise:
    """The exercise of that number.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    known = exercises()
    if number not in known:
        raise UnknownNameError("exercise", number, known)
    return known[number]


def check(number: str, answer: Any, *, seed: int | None = None) -> Verdict:
    """Try an answer on fresh random cases, and say whether it is right.

    Parameters
    ----------
    number : str
        "5.2"
    answer : usually a function
    seed : int, optional
        The same cases each time.

    Returns
    -------
    Verdict
        Prints as a sentence. It is true where the answer is right.

    Raises
    ------
    UnknownNameError
        If there is no such exercise.
    """
    task = exercise_named(number)
    rng = np.random.default_rng(seed)
    try:
        with np.errstate(all="ignore"):
            for _ in range(CASES):
                task.grade(answer, rng)
    except WrongError as wrong:
        return Verdict(number, False, str(wrong))
    except Exception as error:  # the answer's own
        return Verdict(number, False, _in_its_line(task, error))
    return Verdict(number, True)


def _in_its_line(task: Exercise, error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "chainrule" not in f.filename]
    line = f" in line {frames[-1].lineno}: {frames[-1].line}" if frames and frames[-1].line else ""
    return f"`{task.name}` stopped with {type(error).__name__}: {error}{line}"


# ------------------------------------------------------------------------------------------- for graders


def expect(
    result: Any,
    right: Any,
    wrong: Mapping[str, Any] | None = None,
    *,
    what: str = "The result",
    tolerance: float = 1e-8,
) -> None:
    """Hold a result against the right one; `wrong` has hints, each with the value that earns it.

    Raises
    ------
    WrongError
        With the hint of the value that was given, or with what can be said without giving the answer away.
    """
    right = np.asarray(right)
    if result is None:
        raise WrongError("It returns None. Is there a `return`?")
    try:
        given = np.asarray(result)
    except ValueError as error:
        raise WrongError(f"{what} is no array: {error}") from error
    if given.dtype == object or (given.dtype.kind in "US" and right.dtype.kind not in "US"):
        raise WrongError(f"{what} is a {type(result).__name__}; expected an array of the shape {right.shape}.")
    for hint, value in (wrong or {}).items():
        if _same(given, np.asarray(value), tolerance) and not _same(np.asarray(value), right, tolerance):
            raise WrongError(hint)
    if given.shape != right.shape:
        raise WrongError(f"{what} has the shape {given.shape}; expected {right.shape}.")
    if given.dtype.kind in "fc" and not np.isfinite(given).all() and np.isfinite(right).all():
        raise WrongError(f"{what} contains NaN or infinity.")
    if not _same(given, right, tolerance):
        raise WrongError(_how_far(given, right, what))


def _same(a: Array, b: Array, tolerance: float) -> bool:
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "US" or b.dtype.kind in "US":
        return bool(np.array_equal(a, b))
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))


def _how_far(given: Array, right: Array, what: str) -> str:
    wrong = ~np.isclose(given, right, rtol=1e-8, atol=1e-8)
    message = f"{what} has the right shape, and {np.count_nonzero(wrong)} of {right.size} numbers are wrong."
    if right.any() and not given.any():
        return f"{message} They are all 0."
    size = float(np.vdot(right, right))
    ratio = float(np.vdot(given, right)) / size if size else 0.0
    if size and np.allclose(given, ratio * right, rtol=1e-6, atol=1e-9) and ratio:
        return f"{message} They are {ratio:.4g} times what they should be."
    return message


class Unchanged:
    """`with Unchanged(a, b):` holds that an answer leaves its arguments as they are."""

    def __init__(self, *arrays: Array) -> None:
        self.arrays = arrays
        self.before = [array.copy() for array in arrays]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, *_: object) -> None:
        changed = any(not np.array_equal(a, b) for a, b in zip(self.arrays, self.before, strict=True))
        if kind is None and changed:
            raise WrongError("It changes its arguments. Work on a copy, or make a new array.")


def require(condition: bool, hint: str) -> None:
    """Raise `WrongError` with the hint unless the condition holds."""
    if not condition:
        raise WrongError(hint)
