"""`chainrule check`: hand-ins of one exercise, tried all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import JsonOption
from chainrule.errors import InputError


def check(
    number: Annotated[str, Parameter(name="EXERCISE", help="Which exercise: 5.2. `list` shows them all.")],
    *files: Annotated[Path, Parameter(name="FILE", help="Scripts or notebooks, each with the exercise's function.")],
    json: JsonOption = False,
) -> int:
    """Try hand-ins of a course's exercise, and say who passed and which hint each one got.

    Each file is run in a process of its own, its definitions only, with limits on time and memory. Exit code 0: all are
    right; 1: some are not.
    """
    from chainrule.cli.console import print_json
    from chainrule.exercises.grading import exercise_named
    from chainrule.exercises.hand_ins import try_file

    if number == "list":
        _list(json=json)
        return 0
    task = exercise_named(number)
    if not files:
        raise InputError(f"There is no hand-in. Give files: chainrule check {number} homework.py")
    verdicts = [(file, try_file(task, file)) for file in files]
    if json:
        print_json([{"file": str(file), "right": v.right, "hint": v.hint} for file, v in verdicts])
    else:
        _tell(verdicts)
    return 0 if all(verdict.right for _, verdict in verdicts) else 1


def _list(*, json: bool) -> None:
    from chainrule.cli.console import out, print_json
    from chainrule.exercises.grading import exercises

    if json:
        facts = ("number", "name", "title", "minutes")
        print_json([{fact: getattr(one, fact) for fact in facts} for one in exercises().values()])
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("exercise", "function", "what it does", "minutes"):
        table.add_column(heading)
    for one in exercises().values():
        table.add_row(one.number, one.name, one.title, str(one.minutes))
    out.print(table)


def _tell(verdicts: list[tuple[Path, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from chainrule.cli.console import out, say

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("hand-in", overflow="fold")
    table.add_column("")
    table.add_column("hint", overflow="fold")
    for file, verdict in verdicts:
        mark = Text("right", "green") if verdict.right else Text("not yet", "red")
        table.add_row(Text(str(file)), mark, Text(verdict.hint))
    out.print(table)
    say(f"\n{sum(v.right for _, v in verdicts)} of {len(verdicts)} passed")
