"""`chainrule train`: learn from a data set, save the model, say how good it is."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import (
    DEFAULT_MODEL,
    DataOption,
    JsonOption,
    require_distinct,
    require_model_name,
    whole_number,
)
from chainrule.cli.changes import Changes
from chainrule.cli.checkpoints import Keeping, Saved, settings_of, train_to_the_end
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.data.datasets import Dataset
    from chainrule.devices import Processor
    from chainrule.model import Evaluation, Model
    from chainrule.parallel import Ranks
    from chainrule.recipes import CommitteeRecipe, Recipe
    from chainrule.training.history import Report
    from chainrule.training.training import Training


def train(
    *,
    data: DataOption | None = None,
    recipe: Annotated[
        str | None, Parameter(help="Named settings; `chainrule recipes` lists them. Where not given, `standard`.")
    ] = None,
    changes: Changes | None = None,
    seed: Annotated[
        int | None, Parameter(converter=whole_number, help="The same seed gives the same network. Where not given, 0.")
    ] = None,
    model: Annotated[Path, Parameter(help="Where to save the network.")] = DEFAULT_MODEL,
    checkpoint: Annotated[
        Path | None, Parameter(help="Save where the training stands to this file, after every epoch and when stopped.")
    ] = None,
    every: Annotated[
        int | None, Parameter(converter=whole_number, help="Epochs between two saves of the checkpoint.")
    ] = None,
    resume: Annotated[
        Path | None,
        Parameter(help="Go on from this checkpoint and its settings, and go on writing to it. --epochs may be more."),
    ] = None,
    curve: Annotated[Path | None, Parameter(help="Draw accuracy against epochs to this picture.")] = None,
    device: Annotated[str, Parameter(help="Where to compute: cpu, or gpu for a graphics card.")] = "cpu",
    json: JsonOption = False,
) -> None:
    """Train a network on handwritten digits and save it.

    Without options: the `standard` recipe on MNIST, or on the small built-in data set if MNIST is not available. The
    recipe decides whatever you leave out. The test images are looked at once, when training is over.
    """
    from chainrule.cli.arguments import load_data
    from chainrule.cli.console import print_json
    from chainrule.cli.ranks import together
    from chainrule.devices import find_device
    from chainrule.parallel import find_ranks
    from chainrule.recipes import COMMITTEES, find_recipe

    changes = changes or Changes()
    ranks = find_ranks()
    with together(ranks):
        require_model_name(model)
        there = find_device(device, ranks.local_rank)
        keeping = Keeping.asked(checkpoint, every, resume, model, curve, device, ranks.size)
        require_distinct({"--data": data, "--model": model, "--curve": curve, "--checkpoint": keeping.path})
        if ranks.leads:
            _require_places(model, keeping.path, curve)
        if recipe in COMMITTEES:
            members = [
                (changes.of(find_recipe(name)), (seed or 0) + offset) for name, offset in COMMITTEES[recipe].members
            ]
            for option, path in (("--curve", curve), ("--checkpoint", keeping.path)):
                if path is not None:
                    raise InputError(
                        f"{option} {path} is for one network, and {recipe} trains {len(members)}. Each is saved as it "
                        f"is done, and the same command goes on after the last of them."
                    )
            _train_committee(COMMITTEES[recipe], members, load_data(data or "auto"), model, there, ranks, json)
            return
        saved = None if resume is None else Saved.read(resume)
        if saved is not None:
            data, seed = saved.dataset if data is None else data, saved.seed if seed is None else seed
        base = saved.recipe if saved is not None and recipe is None else find_recipe(recipe or "standard")
        changed = changes.of(base)
        dataset = load_data(data or "auto")
        if saved is not None:
            saved.require_room(dataset)
        training, trained, evaluation = _train_one(changed, dataset, seed or 0, model, keeping, there, ranks)
        if not ranks.leads:
            return
        last = training.history.reports[-1]
        if curve is not None:
            _draw_curve(training, curve)
        if json:
            print_json(_result(changed, dataset, last, evaluation, model))
        else:
            _tell(trained, dataset, training, last, evaluation, model, curve)


def _require_places(model: Path, checkpoint: Path | None, curve: Path | None) -> None:
    """Refuse before the training what could not be written after it."""
    from chainrule.atomic import require_writable
    from chainrule.plots import require_drawable

    require_writable(model)
    if checkpoint is not None:
        require_writable(checkpoint)
    if curve is not None:
        require_drawable(curve)


def _train_one(
    recipe: Recipe, dataset: Dataset, seed: int, path: Path, keeping: Keeping, device: Processor, ranks: Ranks
) -> tuple[Training, Model, Evaluation | None]:
    """Train a network, look at the test images once, and save the model. Of ranks, the first does what comes after."""
    from chainrule.files.model_file import save_model
    from chainrule.recipes import start

    training = start(recipe, dataset, seed, device, ranks)
    settings = settings_of(recipe, dataset, _dataset_name(dataset), seed, training.epochs)
    train_to_the_end(training, settings, keeping)
    last = training.history.reports[-1]
    trained = dataclasses.replace(training.model, class_names=dataset.class_names)
    if not ranks.leads:
        return training, trained, None
    evaluation = None
    if dataset.test_images is not None and dataset.test_labels is not None:
        evaluation = trained.evaluate(dataset.test_images, dataset.test_labels)
    trained = dataclasses.replace(trained, facts=_facts(recipe, dataset, seed, training, last, evaluation))
    save_model(trained, path)
    return training, trained, evaluation


def _train_committee(
    recipe: CommitteeRecipe,
    members: list[tuple[Recipe, int]],
    dataset: Dataset,
    path: Path,
    device: Processor,
    ranks: Ranks,
    json: bool,
) -> None:
    """Train the members that do not lie here yet, each to a file of its own, and ask them together."""
    from chainrule.cli.console import note, percent, print_json, say
    from chainrule.model import Committee

    keeping = Keeping(unsaved="The networks before this one are saved; the same command goes on after them.")
    models, paths = [], []
    for number, (member, seed) in enumerate(members, start=1):
        file = path.with_stem(f"{path.stem}-{number}")
        model = _finished(file, member, dataset, seed)
        note(f"{number} of {len(members)}: {member.name}, seed {seed}{'' if model is None else ', already trained'}")
        models.append(_train_one(member, dataset, seed, file, keeping, device, ranks)[1] if model is None else model)
        paths.append(file)
    if not ranks.leads:
        return
    evaluation = None
    if dataset.test_images is not None and dataset.test_labels is not None:
        evaluation = Committee(tuple(models)).evaluate(dataset.test_images, dataset.test_labels)
    if json:
        accuracy = None if evaluation is None else evaluation.accuracy
        files = [str(file) for file in paths]
        print_json({"dataset": dataset.name, "recipe": recipe.name, "test_accuracy": accuracy, "models": files})
        return
    if evaluation is not None:
        low, high = evaluation.interval
        say(f"Test accuracy    {percent(evaluation.accuracy)} together", style="bold")
        say(f"                 95 % interval {100 * low:.2f} to {100 * high:.2f} %")
        say(f"                 {evaluation.errors:,} of {evaluation.examples:,} images wrong")
    names = " ".join(shlex.quote(str(file)) for file in paths)
    say(f"\nNext:\n  chainrule evaluate {names}")


def _finished(path: Path, recipe: Recipe, dataset: Dataset, seed: int) -> Model | None:
    """The member that an earlier call left at that path, if it was to be trained in the same way."""
    from chainrule.files.model_file import load_model

    if not path.exists():
        return None
    model = load_model(path)
    asked = {"dataset": _dataset_name(dataset), "recipe": recipe.settings(), "seed": seed}
    return model if all(model.facts.get(name) == value for name, value in asked.items()) else None


def _facts(
    recipe: Recipe,
    dataset: Dataset,
    seed: int,
    training: Training,
    last: Report,
    evaluation: Evaluation | None,
) -> dict[str, Any]:
    """What the model file remembers: how the model was made, and which accuracy was measured on what."""
    from importlib.metadata import version

    measured = [{"part": "train", "examples": training.examples, "accuracy": last.train_accuracy}]
    if training.validation_examples:
        measured.append(
            {"part": "validation", "examples": training.validation_examples, "accuracy": last.validation_accuracy}
        )
    if evaluation is not None:
        measured.append({"part": "test", "examples": evaluation.examples, "accuracy": evaluation.accuracy})
    return {
        "dataset": _dataset_name(dataset),
        "source": dataset.source,
        "recipe": recipe.settings(),
        "seed": seed,
        "measured": measured,
        "history": training.history.columns(),
        "chainrule": version("chainrule"),
    }


def _dataset_name(dataset: Dataset) -> str:
    return str(Path(dataset.name).resolve()) if Path(dataset.name).exists() else dataset.name


def _result(
    recipe: Recipe, dataset: Dataset, last: Report, evaluation: Evaluation | None, model_path: Path
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "recipe": recipe.name,
        "epochs": last.epoch,
        "train_accuracy": last.train_accuracy,
        "validation_accuracy": last.validation_accuracy,
        "test_accuracy": None if evaluation is None else evaluation.accuracy,
        "seconds": round(last.seconds, 3),
        "model": str(model_path),
    }


def _draw_curve(training: Training, path: Path) -> None:
    from chainrule import plots

    figure, ax = plots.single()
    plots.curve(ax, training.history)
    plots.save(figure, path)


def _tell(
    model: Model,
    dataset: Dataset,
    training: Training,
    last: Report,
    evaluation: Evaluation | None,
    path: Path,
    curve: Path | None,
) -> None:
    """The result for a person: accuracy, time, three mistakes, what to type next."""
    from chainrule.cli.console import out, percent, say
    from chainrule.cli.terminal import grey, print_pictures, trimmed

    if evaluation is None:
        say("Test accuracy    not measured: this data has no labelled test images")
    else:
        low, high = evaluation.interval
        say(f"Test accuracy    {percent(evaluation.accuracy)}", style="bold")
        say(f"                 95 % interval {100 * low:.2f} to {100 * high:.2f} %")
        say(f"                 {evaluation.errors:,} of {evaluation.examples:,} images wrong")
    if last.validation_accuracy is not None:
        say(f"Validation       {percent(last.validation_accuracy)}")
    if last.train_accuracy is not None:
        say(f"Training         {percent(last.train_accuracy)}")
    say(f"Time             {last.epoch:,} epochs of {training.examples:,} images in {last.seconds:.1f} s")
    say(f"Model            {path}")
    if curve is not None:
        say(f"Curve            {curve}")
    if evaluation is not None and evaluation.errors and dataset.test_images is not None:
        worst = evaluation.mistakes()[:3]
        pictures = trimmed(dataset.test_images[worst])
        names = model.class_names
        titles = [f"says {names[evaluation.predictions[i]]}, is {names[evaluation.labels[i]]}" for i in worst]
        say("\nIts most confident mistakes:")
        print_pictures(out, [grey(picture) for picture in pictures], titles)
    argument = "" if path == DEFAULT_MODEL else f" {shlex.quote(str(path))}"
    say("\nNext:")
    say(f"  chainrule evaluate{argument}           accuracy, class by class")
    say(f"  chainrule show weights{argument}       what each hidden unit looks for")
    say(f"  chainrule predict{argument} photo.png  a digit of your own")
