"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def note(message: str) -> None:
    """One line for the person who waits."""
    err.print(message, style="dim", markup=False, soft_wrap=True)


def say(message: str = "") -> None:
    """One line of the result, with rich's markup."""
    out.print(message, soft_wrap=True)


def print_json(value: Any) -> None:
    """The result as one JSON object, unadorned."""
    out.print(json.dumps(value, ensure_ascii=False), markup=False, soft_wrap=True)


def percent(fraction: float) -> str:
    """0.97813 as 97.81 %."""
    return f"{100 * fraction:.2f} %"
