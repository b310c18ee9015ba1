"""A training on disk: stopped at any report, resumed with the same bits as if it had not been.

    for report in training:
        save_checkpoint(training, "run.ckpt", {"recipe": "deep", "seed": 0})

    training = start(recipe, dataset, seed)                  # as before
    load_checkpoint(training, "run.ckpt", {"recipe": "deep", "seed": 0})

One safetensors file: the arrays of `Training.state`, the rest as JSON in its metadata, and a checksum over both, so
that a damaged file is noticed. Reading it runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.atomic import replace_file
from chainrule.errors import CheckpointError, InputError, ShapeError
from chainrule.files.tensors import read_tensors
from chainrule.nn.arrays import Array
from chainrule.training.training import Training

FORMAT, VERSION = "chainrule-checkpoint", "1"
#: The settings that may be more when a training is resumed.
MAY_GROW = ("epochs",)


def save_checkpoint(training: Training, path: str | Path, settings: dict[str, Any]) -> None:
    """Write where a training stands, replacing an old checkpoint in one step.

    Parameters
    ----------
    training : Training, between two reports
    path : str or Path
    settings : dict, as JSON can hold it
        What the training was made from; whoever resumes must give the same.

    Raises
    ------
    OutputError
        If it cannot be written; an old checkpoint is still there, whole.
    """
    from safetensors.numpy import save

    arrays, numbers = training.state()
    state = json.dumps({"numbers": numbers, "settings": settings})
    metadata = {"format": FORMAT, "version": VERSION, "state": state, "sha256": _checksum(arrays, state)}
    replace_file(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata))


def load_checkpoint(training: Training, path: str | Path, settings: dict[str, Any]) -> None:
    """Bring a training that has just been made to where the saved one stood.

    Parameters
    ----------
    training : Training, made with the same settings on the same data
    path : str or Path
    settings : dict, equal to the one that was saved, but that its "epochs", if it has any, may be more

    Raises
    ------
    CheckpointError
        If there is no such file, it is damaged or no checkpoint, or belongs to other settings; names the difference.
    """
    saved, arrays = _read_whole(path)
    if difference := _difference(saved["settings"], json.loads(json.dumps(settings))):
        raise CheckpointError(f"{path} belongs to another training: {difference}. Resume with the same settings.")
    try:
        training.restore(arrays, saved["numbers"])
    except (InputError, ShapeError) as error:
        raise CheckpointError(f"{path} does not fit this training: {error}") from error


def read_settings(path: str | Path) -> dict[str, Any]:
    """What a saved training was made from.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is damaged or no checkpoint.
    """
    settings: dict[str, Any] = _read_whole(path)[0]["settings"]
    return settings


def _read_whole(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Numbers and settings, and the arrays, of a checkpoint that is whole."""
    metadata, arrays = _read(Path(path))
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        raise CheckpointError(f"{path} is not a checkpoint of this version of chainrule. Start again without it.")
    state = metadata.get("state", "")
    if metadata.get("sha256") != _checksum(arrays, state):
        raise CheckpointError(f"{path} is damaged: its checksum does not fit its content. Start again without it.")
    return json.loads(state), arrays


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}. Write one: chainrule train --checkpoint {path}")
    try:
        return read_tensors(path)
    except InputError as error:
        raise CheckpointError(f"{path} is not a checkpoint: {error}. Start again without it.") from error


def _checksum(arrays: dict[str, Array], state: str) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of the arrays, and the rest."""
    digest = hashlib.sha256(state.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _is_less(old: Any, new: Any) -> bool:
    return isinstance(old, int) and isinstance(new, int) and old < new


def _difference(saved: dict[str, Any], given: dict[str, Any], prefix: str = "") -> str:
    """The first setting that is not the same, in words; "" if all are."""
    for name in sorted({*saved, *given}):
        old, new = saved.get(name), given.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := _difference(old, new, f"{prefix}{name}."):
                return inner
        elif old != new and not (f"{prefix}{name}" in MAY_GROW and _is_less(old, new)):
            return f"{prefix}{name} was {old!r} and is {new!r}"
    return ""
