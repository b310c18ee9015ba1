"""Opening what somebody else names: a file, and not a pipe that never ends or never begins."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from chainrule.errors import InputError


def open_file(path: str | Path) -> BinaryIO:
    """Open a file to read it; a pipe is not waited for.

    Raises
    ------
    OSError
        If there is none, or it cannot be opened.
    InputError
        If it is a device or a pipe; says what is wrong, as the end of a sentence, without the path.
    """
    try:
        file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115 (the caller closes it)
    except ValueError as error:
        raise InputError(f"there can be no file of that name ({error})") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError("it is a device or a pipe, not a file")
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a pipe as well, which would otherwise wait for somebody who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
