"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


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
