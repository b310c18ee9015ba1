"""Train every recipe as often as its goal asks, and write what came out to docs/results.md.

    python scripts/reproduce.py                     all recipes: about three hours on two cores
    python scripts/reproduce.py standard xavier-10  only these
    python scripts/reproduce.py --report            train nothing; write docs/results.md again from docs/results.jsonl

Each run appends one line to docs/results.jsonl as it ends, and a run that already stands there with the same recipe,
seed and settings is not repeated. A run that was stopped goes on from its checkpoint in runs/, where the models are
kept as well: a committee asks those of its members that are there, and trains the others.

The data is MNIST; a goal on "kaggle" uses the 42,000 rows that scripts/write_kaggle_csv.py writes from it. The
tutorials' recipes also run through `two_layer.py`, in float64, as a reader of that page would run it.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from chainrule import plots, two_layer
from chainrule.data.datasets import Dataset, load_dataset
from chainrule.data.preparation import Preparation, split
from chainrule.files.model_file import load_model, save_model
from chainrule.machine import blas
from chainrule.model import Committee
from chainrule.nn.metrics import accuracy, wilson_interval
from chainrule.recipes import COMMITTEES, RECIPES, CommitteeRecipe, Recipe, start
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint
from chainrule.training.history import History
from chainrule.training.training import Training

DOCS = Path(__file__).parent.parent / "docs"
RUNS, REPORT, PICTURES = DOCS / "results.jsonl", DOCS / "results.md", DOCS / "pictures"
MODELS = DOCS.parent / "runs"
DEFAULTS = {f.name: f.default for f in dataclasses.fields(Recipe) if f.default is not dataclasses.MISSING}
INTRODUCTION = """\
# Results

What each recipe must reach, and what it reached. Every number comes from a run in `results.jsonl`, and
`python scripts/reproduce.py` does the runs again; `python scripts/reproduce.py standard` does those of one recipe.

Accuracies are in per cent. *Train* is measured on all rows that were learned from, *validation* on rows held out of the
training set, *test* on the whole test set, which was read once for each run, at its end. No setting was chosen for its
test accuracy; those of the recipes below 2 % were chosen by errors on 10,000 of the training images
(`scripts/choose.py`, `choices.jsonl`), and then all 60,000 were learned from. Where a recipe changed after its test
error had been read, as the committee did, or other settings were tried after it, those errors stand below its table.
The error is 100 − accuracy, and in brackets stands its 95 % interval (Wilson) for 10,000 images. The data «kaggle» is
42,000 rows of MNIST in Kaggle's format (`scripts/write_kaggle_csv.py`). The seconds are those of the training loop;
other work may have run beside it. Threads are BLAS's, where they were recorded.
"""


def main() -> None:
    """Do the runs that are missing, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = {**RECIPES, **COMMITTEES}
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", default=list(everything))
    parser.add_argument("--seeds", nargs="*", type=int, help="only these; for two processes side by side")
    parser.add_argument("--report", action="store_true", help="train nothing, write docs/results.md again")
    options = parser.parse_args()
    if not options.report:
        with tempfile.TemporaryDirectory() as folder:
            for name in options.recipes:
                if name in COMMITTEES:
                    reproduce_committee(COMMITTEES[name])
                else:
                    reproduce(RECIPES[name], Path(folder), options.seeds)
    write_report()


def reproduce(recipe: Recipe, folder: Path, only: list[int] | None) -> None:
    """Every run of a recipe, or those of some seeds only, that docs/results.jsonl does not have yet."""
    for data, seeds in {goal.data: goal.seeds for goal in recipe.goals}.items():
        plan = [("engine", seed) for seed in range(seeds)] + [("page", seed) for seed in page_seeds(recipe)]
        for by, seed in plan:
            run = {"recipe": recipe.name, "settings": settings(recipe), "data": data, "by": by, "seed": seed}
            if not done(run) and (only is None or seed in only):
                dataset = load(data, folder)
                measured = run_engine(recipe, dataset, seed) if by == "engine" else run_page(recipe, dataset, seed)
                record(run | measured)


def reproduce_committee(committee: CommitteeRecipe) -> None:
    """Ask the members together, once each of them is trained."""
    dataset = load_dataset("mnist")
    models, seconds = [], 0.0
    members = []
    for name, seed in committee.members:
        recipe = RECIPES[name]
        path = model_path(recipe, dataset, seed)
        if not path.exists():
            train(recipe, dataset, seed)
        models.append(load_model(path))
        members.append([name, settings(recipe), seed])
        seconds += models[-1].facts["seconds"]
    run = {"recipe": committee.name, "settings": {"members": members}, "data": "mnist", "by": "engine", "seed": 0}
    if not done(run):
        evaluation = Committee(tuple(models)).evaluate(dataset.test_images, dataset.test_labels)
        measured = {"train": None, "validation": None, "test": evaluation.accuracy, "epochs": None}
        measured |= {"seconds": round(seconds, 1), "wrong": evaluation.mistakes().tolist()}
        measured["predictions"] = evaluation.predictions[evaluation.mistakes()].tolist()
        record(run | measured)


def done(run: dict) -> bool:
    """Whether that run stands in docs/results.jsonl."""
    return key(run) in {key(old) for old in read_runs()}


def record(run: dict) -> None:
    """Append a run to docs/results.jsonl."""
    run |= {
        "cores": os.cpu_count(),
        "threads": blas()["threads"],
        "numpy": np.__version__,
        "chainrule": version("chainrule"),
    }
    with RUNS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    shown = {part: run[part] for part in ("train", "validation", "test", "seconds")}
    print(run["recipe"], run["data"], run["by"], run["seed"], shown, flush=True)


def page_seeds(recipe: Recipe) -> range:
    """The page trains as the tutorials do: full batch. With ten units one seed moves by 2 %, so all seeds are run."""
    if recipe.batch_size is not None:
        return range(0)
    return range(5) if recipe.hidden == (10,) else range(1)


def settings(recipe: Recipe) -> dict:
    """What decides how a recipe trains, without its prose."""
    return {k: v for k, v in recipe.settings().items() if k not in ("name", "summary", "source", "goals")}


def key(run: dict) -> str:
    """What makes two runs the same run. Settings as they are where nobody says count for nothing: older runs, made
    before there was such a setting, are the same runs.
    """
    told = {name: value for name, value in run["settings"].items() if value != DEFAULTS.get(name, ...)}
    return json.dumps([run["recipe"], told, run["data"], run["by"], run["seed"]], sort_keys=True)


def read_runs() -> list[dict]:
    """All runs so far."""
    return [json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()] if RUNS.exists() else []


def load(data: str, folder: Path) -> Dataset:
    """A data set of a goal."""
    if data != "kaggle":
        return load_dataset(data)
    if not (folder / "train.csv").exists():
        sys.path.insert(0, str(Path(__file__).parent))
        from write_kaggle_csv import write

        write(load_dataset("mnist"), folder)
    return load_dataset(folder / "train.csv")


def run_engine(recipe: Recipe, dataset: Dataset, seed: int) -> dict:
    """Train by the engine; the test images are read once, at the end."""
    training = train(recipe, dataset, seed)
    last = training.history.reports[-1]
    test = None
    if dataset.test_images is not None:
        test = training.model.evaluate(dataset.test_images, dataset.test_labels).accuracy
    return {
        "train": last.train_accuracy,
        "validation": last.validation_accuracy,
        "test": test,
        "epochs": last.epoch,
        "seconds": round(last.seconds, 1),
        "history": training.history.columns() if seed == 0 else None,
    }


def train(recipe: Recipe, dataset: Dataset, seed: int) -> Training:
    """Train to the end, from the checkpoint where there is one, and keep the model in runs/."""
    training = start(recipe, dataset, seed)
    made_from = {"data": dataset.source, "recipe": settings(recipe), "seed": seed}
    path = model_path(recipe, dataset, seed)
    checkpoint = path.with_suffix(".ckpt")
    MODELS.mkdir(exist_ok=True)
    if checkpoint.exists():
        load_checkpoint(training, checkpoint, made_from)
    for report in training:
        if report.epoch % 5 == 0 and recipe.batch_size is not None:
            save_checkpoint(training, checkpoint, made_from)
        if report.epoch % (10 * recipe.evaluate_every) == 0:
            print(f"  {recipe.name} seed {seed}: {report}", file=sys.stderr, flush=True)
    facts = {"seconds": training.seconds, "seed": seed, "recipe": settings(recipe)}
    save_model(dataclasses.replace(training.model, facts=facts), path)
    checkpoint.unlink(missing_ok=True)
    return training


def model_path(recipe: Recipe, dataset: Dataset, seed: int) -> Path:
    """Where the model of a run is kept; other settings, another place."""
    made_from = json.dumps([settings(recipe), dataset.source])
    return MODELS / f"{recipe.name}-{seed}-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}.safetensors"


def run_page(recipe: Recipe, dataset: Dataset, seed: int) -> dict:
    """Train by two_layer.py: columns, float64, new arrays at every step."""
    train_rows, validation_rows = split(len(dataset.train_images), recipe.validation, np.random.default_rng(seed))
    images, labels = dataset.train_images, dataset.train_labels
    preparation = Preparation.fit(images[train_rows], standardise=recipe.standardise)

    def columns(pictures: np.ndarray) -> np.ndarray:
        return preparation.transform(pictures, dtype=np.float64).T

    started = time.perf_counter()
    *params, history = two_layer.gradient_descent(
        columns(images[train_rows]),
        labels[train_rows],
        recipe.learning_rate,
        recipe.epochs,
        hidden=recipe.hidden[0],
        activation=recipe.activation,
        initialization=recipe.initialization,
        seed=seed,
        X_val=columns(images[validation_rows]) if len(validation_rows) else None,
        Y_val=labels[validation_rows] if len(validation_rows) else None,
        every=recipe.evaluate_every,
    )
    seconds = time.perf_counter() - started
    test = None
    if dataset.test_images is not None:
        guesses = two_layer.make_predictions(columns(dataset.test_images), *params, activation=recipe.activation)
        test = accuracy(guesses, dataset.test_labels)
    return {
        "train": float(history["train_accuracy"][-1]),
        "validation": float(history["validation_accuracy"][-1]) if history["validation_accuracy"] else None,
        "test": test,
        "epochs": recipe.epochs,
        "seconds": round(seconds, 1),
    }


def write_report() -> None:
    """docs/results.md, and a curve for each recipe, from docs/results.jsonl alone."""
    runs = read_runs()
    lines = [*INTRODUCTION.splitlines(), ""]
    for recipe in {**RECIPES, **COMMITTEES}.values():
        mine = [run for run in runs if run["recipe"] == recipe.name and is_current(run, recipe)]
        lines += [f"## {recipe.name}", "", recipe.summary, "", f"Source: {recipe.source}.", ""]
        lines += [f"Again: `python scripts/reproduce.py {recipe.name}`", ""]
        lines += goal_table(recipe, mine) + run_table(mine) + earlier(recipe, runs) + curve(recipe, mine)
    REPORT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"{REPORT}: {len(runs)} runs")


def is_current(run: dict, recipe: Recipe | CommitteeRecipe) -> bool:
    """Whether a run was made with the settings that the recipe has now."""
    if isinstance(recipe, CommitteeRecipe):
        members = [[name, settings(RECIPES[name]), seed] for name, seed in recipe.members]
        return run["settings"] == {"members": members}
    return key(run) == key(run | {"settings": settings(recipe)})


def goal_table(recipe: Recipe | CommitteeRecipe, runs: list[dict]) -> list[str]:
    """Each goal beside the medians over the seeds."""
    lines = [
        "| data, part | must reach | engine, median | verdict | `two_layer.py`, median |",
        "| --- | --- | --- | --- | --- |",
    ]
    for goal in recipe.goals:
        engine = [r[goal.part] for r in runs if r["by"] == "engine" and r["data"] == goal.data]
        page = [r[goal.part] for r in runs if r["by"] == "page" and r["data"] == goal.data]
        verdict = "" if not engine else "reached" if statistics.median(engine) >= goal.accuracy else "**missed**"
        lines.append(
            f"| {goal.data_in_words}, {goal.part} | {100 * goal.accuracy:g} | {median(engine)} | {verdict} | "
            f"{median(page)} |"
        )
    return [*lines, ""]


def earlier(recipe: Recipe | CommitteeRecipe, runs: list[dict]) -> list[str]:
    """The runs that read the test set with settings that the recipe no longer has."""
    others = [run for run in runs if run["recipe"] == recipe.name and not is_current(run, recipe)]
    if not others:
        return []
    errors = ", ".join(f"{100 * (1 - run['test']):.2f}" for run in others)
    return [f"With other settings, test error in per cent: {errors}.", ""]


def median(values: list[float]) -> str:
    """The median in per cent, and of how many runs."""
    if not values:
        return "–"
    return f"{100 * statistics.median(values):.2f} (of {len(values)} run{'s' if len(values) > 1 else ''})"


def run_table(runs: list[dict]) -> list[str]:
    """Every run."""
    lines = [
        "| by | data | seed | train | validation | test | test error | epochs | seconds | cores, threads |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in sorted(runs, key=lambda r: (r["data"], r["by"], r["seed"])):
        parts = " | ".join("–" if run[p] is None else f"{100 * run[p]:.2f}" for p in ("train", "validation", "test"))
        threads = f", {run['threads']}" if "threads" in run else ""
        lines.append(
            f"| {run['by']} | {run['data']} | {run['seed']} | {parts} | {error(run)} | {run['epochs'] or '–'} | "
            f"{run['seconds']} | {run['cores']}{threads} |"
        )
    return [*lines, ""]


def error(run: dict) -> str:
    """The test error in per cent, with its interval where the test set is MNIST's."""
    if run["test"] is None:
        return "–"
    shown = f"{100 * (1 - run['test']):.2f}"
    if run["data"] != "mnist":
        return shown
    low, high = wilson_interval(round(10_000 * run["test"]), 10_000)
    return f"{shown} ({100 * (1 - high):.2f} to {100 * (1 - low):.2f})"


def curve(recipe: Recipe | CommitteeRecipe, runs: list[dict]) -> list[str]:
    """Seed 0's accuracies against epochs, as a picture."""
    first = next((r for r in runs if r.get("history") and r["data"] != "digits"), None)
    if first is None:
        return []
    PICTURES.mkdir(exist_ok=True)
    figure, ax = plots.single()
    plots.curve(ax, History.from_columns(first["history"]))
    ax.set_title(f"{recipe.name}, seed {first['seed']}", fontsize=10)
    plots.save(figure, PICTURES / f"{recipe.name}.png")
    return [f"![Accuracy against epochs](pictures/{recipe.name}.png)", ""]


if __name__ == "__main__":
    main()
