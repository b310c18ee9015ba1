"""A training on disk: stopped at any report, resumed with the same bits as if it had not been.

    for report in training:
        save_checkpoint(training, "run.ckpt", {"recipe": "deep", "seed": 0})

    training = start(recipe, dataset, seed)                  # as before
    load_checkpoint(training, "run.ckpt", {"recipe": "deep", "seed": 0})

One safetensors file: the arrays of `Training.state`, and the rest as JSON in its metadata. Reading it runs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.atomic import replace_file
from chainrule.errors import CheckpointError, InputError
from chainrule.files.tensors import pack_tensors, read_json, read_tensors, write_json
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
        If it cannot be written.
    InputError
        If the settings hold what JSON cannot.

    After either of them an old checkpoint is still there, whole.
    """
    arrays, numbers = training.state()
    state = write_json("settings and numbers", {"numbers": numbers, "settings": settings})
    replace_file(path, pack_tensors(arrays, {"format": FORMAT, "version": VERSION, "state": state}))


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
        The training is then as it was.
    """
    given = read_json(write_json("settings", settings))
    saved, arrays = _read(Path(path))
    if difference := _difference(saved["settings"], given):
        raise CheckpointError(
            f"{path} belongs to another training: {difference}. Resume with the same settings; only epochs may be more."
        )
    try:
        training.restore(arrays, saved["numbers"])
    except InputError as error:
        raise CheckpointError(f"{path} does not fit this training: {error} Start again without it.") from error


def read_settings(path: str | Path) -> dict[str, Any]:
    """What a saved training was made from.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is damaged or no checkpoint.
    """
    settings: dict[str, Any] = _read(Path(path))[0]["settings"]
    return settings


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Numbers and settings, and the arrays, of a checkpoint that is whole."""
    try:
        metadata, arrays = read_tensors(path, FORMAT, VERSION)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no checkpoint {path}. Write one: chainrule train --checkpoint {path}"
        ) from error
    except InputError as error:
        raise CheckpointError(
            f"{path} is not a whole checkpoint: {error}. Go on from another one, or start again without it."
        ) from error
    try:
        saved = read_json(metadata["state"])
        if not isinstance(saved["settings"], dict) or not isinstance(saved["numbers"], dict):
            raise TypeError("expected settings and numbers by name")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} holds no state of a training: {error!r:.100}. Start again without it."
        ) from error
    return saved, arrays


def _is_less(old: Any, new: Any) -> bool:
    return isinstance(old, int) and isinstance(new, int) and old < new


def _difference(saved: dict[str, Any], given: dict[str, Any], prefix: str = "") -> str:
    """The first setting that is not the same, in words; "" if all are."""
    for name in sorted({*saved, *given}, key=lambda name: (name != "name", name)):  # another recipe has another name
        old, new = saved.get(name), given.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := _difference(old, new, f"{prefix}{name}."):
                return inner
        elif old != new and not (f"{prefix}{name}" in MAY_GROW and _is_less(old, new)):
            return f"{prefix}{name} was {old!r:.100} and is now {new!r:.100}"
    return ""
