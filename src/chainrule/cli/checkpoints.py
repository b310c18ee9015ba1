"""What `chainrule train` does with a checkpoint: read what it was made from, save on the way, stop in good order."""

from __future__ import annotations

import hashlib
import itertools
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli.arguments import DEFAULT_MODEL
from chainrule.cli.progress import watch
from chainrule.cli.stopping import Stopped, stopping
from chainrule.errors import CheckpointError, InputError, ValueRangeError

if TYPE_CHECKING:
    from chainrule.data.datasets import Dataset
    from chainrule.recipes import Recipe
    from chainrule.training.training import Training


@dataclass(frozen=True)
class Keeping:
    """Where a training is saved, and how often.

    Parameters
    ----------
    path : Path or None
        None: nowhere.
    every : int
        Epochs from one save to the next.
    resume : bool
        Whether the training goes on from what lies at `path`.
    command : str
        What goes on with it.
    unsaved : str
        What to tell who stops a training that is saved nowhere.
    """

    path: Path | None = None
    every: int = 1
    resume: bool = False
    command: str = ""
    unsaved: str = "No model was saved. With --checkpoint FILE a stopped training can be gone on with."

    @classmethod
    def asked(
        cls,
        checkpoint: Path | None,
        every: int | None,
        resume: Path | None,
        model: Path,
        curve: Path | None,
        device: str,
        ranks: int = 1,
    ) -> Keeping:
        """From the options of the command line."""
        if checkpoint is not None and resume is not None:
            raise InputError("--resume goes on writing to its checkpoint; give --checkpoint or --resume.")
        path = checkpoint or resume
        if every is not None and path is None:
            raise InputError(f"--every {every} says how often to save a checkpoint: name it with --checkpoint FILE.")
        if every is not None and every < 1:
            raise ValueRangeError(f"--every {every}: expected at least 1 epoch.")
        words = [] if ranks == 1 else ["mpiexec", "-n", str(ranks)]
        words += ["chainrule", "train", "--resume", str(path)]
        words += [] if model == DEFAULT_MODEL else ["--model", str(model)]
        words += [] if curve is None else ["--curve", str(curve)]
        words += [] if every is None else ["--every", str(every)]
        words += [] if device == "cpu" else ["--device", device]
        return cls(path, every or 1, resume is not None, shlex.join(words))


def train_to_the_end(training: Training, settings: dict[str, Any], keeping: Keeping) -> None:
    """Train under a progress bar, saving on the way; a signal ends it after the step, saved. Of ranks, the first saves.

    Raises
    ------
    Stopped
        At Ctrl-C or SIGTERM; says how to go on.
    CheckpointError, OutputError
        If the checkpoint cannot be gone on from, or not be written.
    """
    from chainrule.cli.console import note
    from chainrule.training.checkpoint import load_checkpoint, save_checkpoint

    if keeping.path is not None and keeping.resume:
        load_checkpoint(training, keeping.path, settings)
    saved, ranks = training.epoch, training.ranks
    with stopping(training) as signals:
        ranks.require_same({**settings, "step": training.step})
        if ranks.size > 1:
            then = f"Go on with: {keeping.command}" if keeping.path else "With --checkpoint FILE what was done is kept."
            note(f"{ranks.size} ranks train together. If one of them dies, mpiexec ends them all. {then}")
        for report in watch(training):
            stop = ranks.largest(signals[0] if signals else 0)  # one that was told to stop stops all
            whole = report.train_accuracy is not None
            due = whole and (report.epoch - saved >= keeping.every or report.epoch == training.epochs)
            if keeping.path is not None and ranks.leads and (due or stop):
                save_checkpoint(training, keeping.path, settings)
                saved = report.epoch
            if stop:
                raise Stopped(_last_words(training, keeping), stop)


def _last_words(training: Training, keeping: Keeping) -> str:
    done = f"Stopped after step {training.step:,} of {training.epochs * training.steps_per_epoch:,}."
    if keeping.path is None:
        return f"{done} {keeping.unsaved}"
    return f"{done} Saved to {keeping.path}. Go on with: {keeping.command}"


def settings_of(recipe: Recipe, dataset: Dataset, dataset_name: str, seed: int, epochs: int) -> dict[str, Any]:
    """What a training is made from: who resumes it must give the same, but may give more epochs."""
    rest = {name: value for name, value in recipe.settings().items() if name not in ("epochs", "least_steps")}
    return {
        "dataset": dataset_name,
        "digest of the data": _digest(dataset),
        "recipe": rest,
        "seed": seed,
        "epochs": epochs,
    }


def _digest(dataset: Dataset) -> str:
    """Which pictures and labels there are to learn from: a file may have changed under its name."""
    if dataset.stream is not None:
        return dataset.stream.digest()
    digest = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels):
        if array is not None:
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Saved:
    """What a checkpoint says it was made from."""

    path: Path
    recipe: Recipe
    dataset: str
    seed: int

    @classmethod
    def read(cls, path: Path) -> Saved:
        """Look into a checkpoint; a CheckpointError if it was not written by `chainrule train`."""
        from chainrule.recipes import Recipe
        from chainrule.training.checkpoint import read_settings

        settings = read_settings(path)
        dataset, seed, rest = settings.get("dataset"), settings.get("seed"), settings.get("recipe")
        if not isinstance(dataset, str) or type(seed) is not int or not isinstance(rest, dict):
            raise CheckpointError(f"{path} was not written by chainrule train. Go on with it where it was written.")
        try:
            recipe = Recipe.from_settings(rest | {"epochs": settings.get("epochs"), "least_steps": 0})
        except InputError as error:
            raise CheckpointError(f"{path} holds no settings of this version of chainrule: {error}") from error
        return cls(path, recipe, dataset, seed)

    def require_room(self, dataset: Dataset) -> None:
        """Refuse, before memory is taken, a network larger than the checkpoint that is said to hold it."""
        images = dataset.train_images
        shape = (0,) if images is None else images.shape[1:]
        inputs = math.prod(shape if dataset.stream is None else dataset.stream.shape)
        widths = (inputs, *self.recipe.hidden, len(dataset.class_names))
        size = 4 * sum(n_in * n_out for n_in, n_out in itertools.pairwise(widths))
        if size > self.path.stat().st_size:
            raise CheckpointError(
                f"{self.path} has {self.path.stat().st_size:,} bytes, too few for the network that it describes "
                f"({size:,}). Start again without it."
            )
