"""Where commands write: results to standard output, everything else to standard error.

Names and facts come out of files that strangers wrote, so no text commands the terminal; only rich's own styles do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from chainrule.errors import printable


class CautiousConsole(Console):
    """A console that writes every text printable, wherever it comes from."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What rich would write, made printable; its own commands (move up, clear the line) pass."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


out = CautiousConsole(highlight=False)
err = CautiousConsole(stderr=True, highlight=False)


def write_utf8() -> None:
    """Let both streams take any character: a redirected one has a smaller alphabet on some systems."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def be_silent() -> None:
    """Write nothing from here on, as another process speaks for this one."""
    out.quiet = err.quiet = True


def complain(message: str, *, speak: bool = False) -> None:
    """What went wrong; `speak`: also from a process that is silent otherwise."""
    err.quiet = err.quiet and not speak
    err.print("Error: ", style="bold red", end="")
    err.print(message, markup=False, soft_wrap=True)


def note(message: str) -> None:
    """One line for the person who waits."""
    err.print(message, style="dim", markup=False, soft_wrap=True)


def say(message: str = "", style: str | None = None) -> None:
    """One line of the result, as it is: a file's name may look like markup."""
    out.print(message, style=style, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """The result as one JSON object, unadorned."""
    out.print(json.dumps(value), markup=False, soft_wrap=True)


def percent(fraction: float) -> str:
    """0.97813 as 97.81 %."""
    return f"{100 * fraction:.2f} %"
