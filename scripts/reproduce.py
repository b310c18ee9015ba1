"""Train every recipe as often as its goal asks, and write what came out to docs/results.md.

    python scripts/reproduce.py                     all recipes: about an hour on two cores
    python scripts/reproduce.py standard xavier-10  only these
    python scripts/reproduce.py --report            train nothing; write docs/results.md again from docs/results.jsonl

Each run appends one line to docs/results.jsonl as it ends, and a run that already stands there with the same recipe,
seed and settings is not repeated: an interrupted call goes on where it was. The data is MNIST; a goal on "kaggle" uses
the 42,000 rows that scripts/write_kaggle_csv.py writes from it. The tutorials' recipes also run through
`two_layer.py`, in float64, as a reader of that page would run it.
"""

import argparse
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
from chainrule.nn.metrics import accuracy
from chainrule.recipes import RECIPES, Recipe, start
from chainrule.training.history import History

DOCS = Path(__file__).parent.parent / "docs"
RUNS, REPORT, PICTURES = DOCS / "results.jsonl", DOCS / "results.md", DOCS / "pictures"
SEEDS = range(5)
INTRODUCTION = """\
# Results

What each recipe must reach, and what it reached. Every number comes from a run in `results.jsonl`, and
`python scripts/reproduce.py` does the runs again; `python scripts/reproduce.py standard` does those of one recipe.

Accuracies are in per cent. *Train* is measured on all rows that were learned from, *validation* on rows held out of the
training set, *test* on the whole test set, which was read once for each run, at its end. No setting was chosen by a
test accuracy. The data «kaggle» is 42,000 rows of MNIST in Kaggle's format (`scripts/write_kaggle_csv.py`). The seconds
are those of the training loop; other work may have run beside it.
"""


def main() -> None:
    """Do the runs that are missing, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", default=list(RECIPES))
    parser.add_argument("--report", action="store_true", help="train nothing, write docs/results.md again")
    options = parser.parse_args()
    if not options.report:
        with tempfile.TemporaryDirectory() as folder:
            for name in options.recipes:
                reproduce(RECIPES[name], Path(folder))
    write_report()


def reproduce(recipe: Recipe, folder: Path) -> None:
    """Every run of a recipe that docs/results.jsonl does not have yet."""
    done = {key(run) for run in read_runs()}
    for data in dict.fromkeys(goal.data for goal in recipe.goals):
        plan = [("engine", seed) for seed in SEEDS] + [("page", seed) for seed in page_seeds(recipe)]
        for by, seed in plan:
            run = {"recipe": recipe.name, "settings": settings(recipe), "data": data, "by": by, "seed": seed}
            if key(run) not in done:
                dataset = load(data, folder)
                measured = run_engine(recipe, dataset, seed) if by == "engine" else run_page(recipe, dataset, seed)
                run |= measured | {"cores": os.cpu_count(), "numpy": np.__version__, "chainrule": version("chainrule")}
                with RUNS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(run) + "\n")
                shown = {part: run[part] for part in ("train", "validation", "test", "seconds")}
                print(recipe.name, data, by, seed, shown, flush=True)


def page_seeds(recipe: Recipe) -> range:
    """The page trains as the tutorials do: full batch. With ten units one seed moves by 2 %, so all seeds are run."""
    if recipe.batch_size is not None:
        return range(0)
    return SEEDS if recipe.hidden == (10,) else range(1)


def settings(recipe: Recipe) -> dict:
    """What decides how a recipe trains, without its prose."""
    return {k: v for k, v in recipe.settings().items() if k not in ("name", "summary", "source", "goals")}


def key(run: dict) -> str:
    """What makes two runs the same run."""
    return json.dumps([run["recipe"], run["settings"], run["data"], run["by"], run["seed"]], sort_keys=True)


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
    training = start(recipe, dataset, seed)
    for report in training:
        if report.epoch % (10 * recipe.evaluate_every) == 0:
            print(f"  {recipe.name} seed {seed}: {report}", file=sys.stderr, flush=True)
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
    runs = [run for run in read_runs() if run["settings"] == json.loads(json.dumps(settings(RECIPES[run["recipe"]])))]
    lines = [*INTRODUCTION.splitlines(), ""]
    for recipe in RECIPES.values():
        mine = [run for run in runs if run["recipe"] == recipe.name]
        lines += [f"## {recipe.name}", "", recipe.summary, "", f"Source: {recipe.source}.", ""]
        lines += goal_table(recipe, mine) + run_table(mine) + curve(recipe, mine)
    REPORT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"{REPORT}: {len(runs)} runs")


def goal_table(recipe: Recipe, runs: list[dict]) -> list[str]:
    """Each goal beside the medians over the seeds."""
    lines = [
        "| data, part | must reach | engine, median | `two_layer.py`, median |",
        "| --- | --- | --- | --- |",
    ]
    for goal in recipe.goals:
        engine = [r[goal.part] for r in runs if r["by"] == "engine" and r["data"] == goal.data]
        page = [r[goal.part] for r in runs if r["by"] == "page" and r["data"] == goal.data]
        lines.append(
            f"| {goal.data_in_words}, {goal.part} | {100 * goal.accuracy:g} | {median(engine)} | {median(page)} |"
        )
    return [*lines, ""]


def median(values: list[float]) -> str:
    """The median in per cent, and of how many runs."""
    if not values:
        return "–"
    return f"{100 * statistics.median(values):.2f} (of {len(values)} run{'s' if len(values) > 1 else ''})"


def run_table(runs: list[dict]) -> list[str]:
    """Every run."""
    lines = [
        "| by | data | seed | train | validation | test | epochs | seconds | cores |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in sorted(runs, key=lambda r: (r["data"], r["by"], r["seed"])):
        parts = " | ".join("–" if run[p] is None else f"{100 * run[p]:.2f}" for p in ("train", "validation", "test"))
        lines.append(
            f"| {run['by']} | {run['data']} | {run['seed']} | {parts} | {run['epochs']} | {run['seconds']} | "
            f"{run['cores']} |"
        )
    return [*lines, ""]


def curve(recipe: Recipe, runs: list[dict]) -> list[str]:
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
