"""Replace a file in one step: whoever looks sees the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chainrule.errors import OutputError


def replace_file(path: str | Path, content: bytes) -> None:
    """Write `content` beside `path`, flush it to disk, then rename it over `path`.

    Parameters
    ----------
    path : the file; through a link, its target; an old file keeps its permissions, a new one follows the umask
    content : all of it

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, the disk is full, or `path` is a folder, a device or a
        pipe; `path` is then as it was.
    """
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """`replace_file` for what is written piece by piece: the file takes its name when the block ends well.

        with replacing("train.csv") as file:
            for row in rows:
                file.write(row)

    Parameters
    ----------
    path : as in `replace_file`

    Yields
    ------
    binary file to write, beside `path`; if the block raises, it is removed

    Raises
    ------
    OutputError
        As in `replace_file`; also in the place of an OSError in the block.
    """
    path = Path(path)
    old_mode = _mode(path)
    target = path.resolve()
    # Short, so that every name the folder allows can be written; nobody can guess it and put a link there.
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file = _create(temporary, 0o666 if old_mode is None else old_mode)
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}. Choose a file in a folder that exists and is writable."
        ) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if old_mode is not None:
            temporary.chmod(old_mode)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OutputError(
                f"Cannot write {path}: {error.strerror or error}. What was there before is untouched. Make room there, "
                f"or choose another folder."
            ) from error
        raise
    _flush_folder(target.parent)


def require_writable(path: str | Path) -> None:
    """Refuse now, and not after an hour of training, a path that nothing can be written to.

    Parameters
    ----------
    path : where a file shall be written later; nothing is left there now

    Raises
    ------
    OutputError
        If `path` is a folder, a device or a pipe, or its folder does not exist or cannot be written.
    """
    path = Path(path)
    _mode(path)
    folder = (path.resolve() if path.is_symlink() else path).parent
    if not folder.is_dir():
        raise OutputError(f"Cannot write {path}: there is no folder {folder}. Create it, or choose another.")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}. Choose a folder that is writable."
        ) from error


def _mode(path: Path) -> int | None:
    """The permissions of the file at `path`, links followed; None if there is none. Only a file can be replaced."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}. Choose another file.") from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"Cannot write {path}: it is a folder. Give the name of a file in it.")
    if not stat.S_ISREG(mode):
        raise OutputError(f"Cannot write {path}: it is a device or a pipe, not a file. Choose another name.")
    return stat.S_IMODE(mode) & 0o777


def _create(path: Path, mode: int) -> BinaryIO:
    """A new file that at no moment is open to more people than `mode` and the umask allow."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, mode), "wb")


def _flush_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system lets a folder be flushed (Windows does not)."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
