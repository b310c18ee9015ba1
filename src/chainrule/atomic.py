"""Replace a file in one step: whoever looks sees the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from chainrule.errors import OutputError


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, flush it to disk, then rename it over `path`.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, or the disk is full; `path` is then as it was.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}. Choose a file in a folder that exists and is writable."
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_usual_permissions(temporary)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OutputError(
                f"Cannot write {path}: {error.strerror or error}. What was there before is untouched."
            ) from error
        raise
    _flush_folder(path.parent)


def require_writable(path: Path) -> None:
    """Refuse now, and not after an hour of training, a path that nothing can be written to."""
    if path.is_dir():
        raise OutputError(f"Cannot write {path}: it is a folder. Give the name of a file in it.")
    if not path.parent.is_dir():
        raise OutputError(f"Cannot write {path}: there is no folder {path.parent}. Create it, or choose another.")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}. Choose a folder that is writable."
        ) from error


def _give_usual_permissions(path: Path) -> None:
    """mkstemp makes files private; a saved file is as readable as the user's other files."""
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)


def _flush_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system lets a folder be flushed (Windows does not)."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
