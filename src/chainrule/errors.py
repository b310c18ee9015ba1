"""What can go wrong, as a tree.

    ChainruleError
    ├── InputError            exit code 2: what was given cannot be used      (is a ValueError)
    │   ├── ShapeError        an array has the wrong shape
    │   ├── DtypeError        an array has the wrong dtype                    (is a TypeError)
    │   ├── ValueRangeError   a number is NaN, infinite or out of range
    │   ├── UnknownNameError  no dataset, recipe, layer … of that name; the near match is suggested
    │   ├── DataFileError     a data file or picture is not what it claims to be
    │   ├── ModelFileError    a model file is not one, or does not fit the data
    │   ├── CheckpointError   a checkpoint is damaged, or belongs to another training
    │   └── OutputError       a file or folder cannot be written
    └── FailureError          exit code 1: the input was fine, the work failed (is a RuntimeError)
        ├── DivergenceError   the loss stopped being finite
        ├── DownloadError     no mirror could be reached, or none had the right bytes
        └── MissingPackageError   an optional package is not installed        (is an ImportError)

Every message says what was wrong, where, what was expected, and what to do next. The command line prints the
message alone and exits with `exit_code`. What a message repeats from a file is made printable.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: What tells a terminal to do something, or turns the order of what it shows: control characters but for line feed and
#: tabulator, and Unicode's marks of direction. Halves of surrogate pairs could not be written at all.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with such a character's number in its place: what comes from a file must not command a terminal."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class ChainruleError(Exception):
    """Base of everything this package raises on purpose; what could steer a terminal is shown as escapes."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class InputError(ChainruleError, ValueError):
    """What was given cannot be used."""

    exit_code = 2


class ShapeError(InputError):
    """An array has the wrong shape."""


class DtypeError(InputError, TypeError):
    """An array has the wrong dtype."""


class ValueRangeError(InputError):
    """A number is NaN, infinite or out of range."""


class UnknownNameError(InputError):
    """Nothing goes by that name."""

    def __init__(self, kind: str, name: str, choices: Iterable[str], *, hint: str = "") -> None:
        choices = list(choices)
        near = difflib.get_close_matches(name.lower(), choices, n=1)
        question = f" Did you mean '{near[0]}'?" if near else ""
        known = f" Known: {', '.join(choices)}." if choices else ""
        super().__init__(f"There is no {kind} '{name}'.{question}{known}{' ' + hint if hint else ''}")


class DataFileError(InputError):
    """A data file or picture is not what it claims to be."""


class ModelFileError(InputError):
    """A model file is not one, or does not fit the data."""


class CheckpointError(InputError):
    """A checkpoint is damaged, or belongs to another training."""


class OutputError(InputError):
    """A file or folder cannot be written."""


class FailureError(ChainruleError, RuntimeError):
    """The input was fine, the work failed."""


class DivergenceError(FailureError):
    """The loss stopped being finite."""


class DownloadError(FailureError):
    """No mirror could be reached, or none had the right bytes."""


class MissingPackageError(FailureError, ImportError):
    """An optional package is not installed."""
