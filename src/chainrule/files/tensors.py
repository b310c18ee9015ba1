"""Named arrays and words about them in one file: safetensors, so that reading it runs nothing."""

from __future__ import annotations

from pathlib import Path

from chainrule.errors import InputError
from chainrule.nn.arrays import Array


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and the arrays of a safetensors file.

    Raises
    ------
    InputError
        If it is none; says what is wrong, without the path.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(str(error)) from error
