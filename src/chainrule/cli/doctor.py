"""`chainrule doctor`: what is wrong with my backpropagation?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import JsonOption
from chainrule.errors import ValueRangeError

if TYPE_CHECKING:
    from chainrule.doctor.examination import Examination


def doctor(
    file: Annotated[Path, Parameter(help="A script (.py) or a notebook (.ipynb) with a network written by hand.")],
    *,
    init: Annotated[str | None, Parameter(help="The function that makes the parameters.")] = None,
    forward: Annotated[str | None, Parameter(help="The function or method that goes forward.")] = None,
    backward: Annotated[str | None, Parameter(help="The function or method that goes back.")] = None,
    seconds: Annotated[float, Parameter(help="How long it may take.")] = 60,
    json: JsonOption = False,
) -> int:
    """Find out which gradients in your own code are wrong, by how much, and most likely why.

    It runs the code: definitions and functions, not the training, on small made-up data, in a child process in an empty
    folder with limits on time, memory and files. Every gradient is held against finite differences of your own forward
    pass. Exit code 0: nothing is wrong; 1: something is; 2: it could not be examined.
    """
    from chainrule.cli.console import print_json
    from chainrule.doctor.child import examine
    from chainrule.doctor.programs import Chosen

    if not seconds > 0:
        raise ValueRangeError(f"--seconds is {seconds:g}; expected more than 0.")
    examination = examine(file, Chosen(init, forward, backward), seconds=seconds)
    if json:
        print_json(_described(file, examination))
    else:
        _tell(file, examination)
    return 0 if examination.right else 1


def _verdict(examination: Examination) -> str:
    wrong = [finding.name for finding in examination.findings if finding.verdict == "wrong"]
    if wrong:
        return f"{len(wrong)} of {len(examination.findings)} gradients wrong: {', '.join(wrong)}"
    if examination.wrong:
        return f"{len(examination.wrong)} {'thing is' if len(examination.wrong) == 1 else 'things are'} wrong"
    return "the gradients are right" if examination.findings else "nothing wrong was found"


def _described(file: Path, examination: Examination) -> dict[str, Any]:
    import math

    return {
        "file": str(file),
        "network": examination.network,
        "right": examination.right,
        "verdict": _verdict(examination),
        "gradients": [
            {
                "name": f.name,
                "verdict": f.verdict,
                "relative_error": f.relative_error if math.isfinite(f.relative_error) else None,
                "compared": f.compared,
            }
            for f in examination.findings
        ],
        "diagnoses": [vars(d) for d in examination.diagnoses],
        "wrong": examination.wrong,
        "fragile": examination.fragile,
    }


def _tell(file: Path, examination: Examination) -> None:
    """The report, for a terminal of 80 columns."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from chainrule.cli.console import out, say

    say(f"{file}: {_verdict(examination)}", "bold green" if examination.right else "bold red")
    if examination.network:
        out.print(Padding(Text(examination.network, "dim"), (0, 0, 1, 0)))
    if examination.findings:
        table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
        for name, justify in (("gradient of", "left"), ("relative error", "right"), ("verdict", "left")):
            table.add_column(name, justify="right" if justify == "right" else "left")
        for f in examination.findings:
            style = "red" if f.verdict == "wrong" else ""
            table.add_row(Text(f.name), f"{f.relative_error:.1e}", Text(f.verdict, style))
        out.print(table)
    for diagnosis in examination.diagnoses:
        say()
        out.print(Text(diagnosis.sentence, "bold"))
        for title, text in (
            ("evidence", diagnosis.evidence),
            ("change", diagnosis.line),
            ("read", f"{diagnosis.chapter}, {diagnosis.notebook}"),
        ):
            if text:
                row = Table.grid(padding=(0, 2))
                row.add_column(width=8, style="dim")
                row.add_column(overflow="fold")
                row.add_row(title, Text(text))
                out.print(Padding(row, (0, 0, 0, 2)))
    unexplained = any(f.verdict == "wrong" for f in examination.findings) and not examination.diagnoses
    if unexplained:
        say("\nNone of the usual mistakes gives these numbers. Start at the wrong gradient nearest the output.")
    for title, items, style in (("Wrong", examination.wrong, "red"), ("Fragile", examination.fragile, "yellow")):
        for item in items:
            say()
            out.print(Text.assemble((f"{title}: ", style), item))
