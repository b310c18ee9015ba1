"""Somebody's file as an answer to an exercise, tried in a process of its own.

python -m chainrule.exercises.hand_ins 5.2 FILE      prints the verdict as one line of JSON
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from chainrule.doctor.child import limit
from chainrule.doctor.source import execute_definitions, read_source
from chainrule.errors import InputError
from chainrule.exercises.grading import Exercise, Verdict, check, exercise_named

SECONDS = 30


def try_file(task: Exercise, path: Path, *, seconds: float = SECONDS) -> Verdict:
    """The verdict on the function of that exercise in a script or notebook.

    Parameters
    ----------
    task : Exercise
    path : Path
    seconds : float

    Returns
    -------
    Verdict
        Not right where there is no such function, or the file cannot be run; the hint says so.
    """
    package = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": package, "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    arguments = [sys.executable, "-m", "chainrule.exercises.hand_ins", task.number, str(path.resolve())]
    with tempfile.TemporaryDirectory(prefix="chainrule-check-") as folder:
        try:
            finished = subprocess.run(
                arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verdict(task.number, False, f"It was stopped after {seconds:g} seconds. Is there an endless loop?")
    lines = [line for line in finished.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"verdict"')]
    if not lines:
        return Verdict(task.number, False, "It ended the process that tried it: too much memory or time.")
    answer = json.loads(lines[-1])
    return Verdict(task.number, answer["verdict"], answer["hint"])


def _here(number: str, path: Path) -> Verdict:
    task = exercise_named(number)
    try:
        source = read_source(path)
        execute_definitions(source)
    except InputError as error:
        return Verdict(number, False, str(error))
    if task.name not in source.namespace:
        found = ", ".join(source.functions) or "none"
        return Verdict(number, False, f"There is no `{task.name}`. Functions found: {found}.")
    return check(number, source.namespace[task.name])


def main() -> None:
    """The child."""
    limit(SECONDS + 1)
    verdict = _here(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"verdict": verdict.right, "hint": verdict.hint}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
