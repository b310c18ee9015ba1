"""Try settings on 10,000 images held out of the training set, and keep what came out in docs/choices.jsonl.

    python scripts/choose.py deep                                     the recipe as it stands
    python scripts/choose.py deep '{"epochs": 40}' '{"epochs": 80}'   with other settings, one run each

The choices behind the recipes of accuracy were made by these errors, on the last 10,000 of the 60,000 training images;
no test image is looked at. The first tries, whose settings say "validation": 10000, held out others. Runs that stand in
the file are not repeated, and each leaves its model in runs/, so that committees can be tried out:

    python scripts/choose.py --committee runs/choose-*.safetensors

The seeds are others than those of the recorded results.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from reproduce import MODELS, settings

from chainrule.data.datasets import Dataset, load_dataset
from chainrule.devices import find_device
from chainrule.files.model_file import load_model, save_model
from chainrule.model import Committee, Model
from chainrule.recipes import RECIPES, Recipe, start

CHOICES = Path(__file__).parent.parent / "docs" / "choices.jsonl"
HELD_OUT = 10_000


def main() -> None:
    """Run what is asked for and not yet known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", choices=list(RECIPES))
    parser.add_argument("changes", nargs="*", default=["{}"], help="JSON objects of settings to change")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="both give the same to rounding")
    parser.add_argument("--committee", nargs="+", type=Path, metavar="MODEL", help="ask these models together")
    options = parser.parse_args()
    if options.committee:
        models = [load_model(path) for path in options.committee]
        print(f"{100 * validation_error(Committee(tuple(models))):.2f} % together")
        return
    for changes in map(json.loads, options.changes):
        recipe = changed(RECIPES[options.recipe], changes | {"validation": 0})
        run = {"recipe": recipe.name, "seed": options.seed, "settings": settings(recipe)}
        if all({name: old[name] for name in run} != run for old in read()):
            run |= try_out(recipe, options.seed, options.device)
            with CHOICES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
            print(changes, f"{100 * run['error']:.2f} % in {run['seconds']} s", flush=True)


def changed(recipe: Recipe, changes: dict) -> Recipe:
    """The recipe with settings as JSON has them."""
    return Recipe.from_settings(recipe.settings() | changes)


def read() -> list[dict]:
    """All runs so far."""
    return [json.loads(line) for line in CHOICES.read_text(encoding="utf-8").splitlines()] if CHOICES.exists() else []


def try_out(recipe: Recipe, seed: int, device: str) -> dict:
    """Train on 50,000 images; the error on the other 10,000, at the end and nowhere else."""
    training = start(recipe, learning_part(), seed, find_device(device))
    for report in training:
        print(f"  epoch {report.epoch}: {report.loss:.4f}", file=sys.stderr)
    MODELS.mkdir(exist_ok=True)
    name = hashlib.sha256(json.dumps([settings(recipe), seed]).encode()).hexdigest()[:8]
    save_model(training.model, MODELS / f"choose-{recipe.name}-{name}.safetensors")
    return {
        "error": round(validation_error(training.model), 6),
        "train_error": round(1 - training.history.reports[-1].train_accuracy, 6),
        "seconds": round(training.seconds, 1),
        "model": name,
        "device": device,
    }


def learning_part() -> Dataset:
    """The first 50,000 training images, and no others."""
    mnist = load_dataset("mnist")
    return Dataset(
        mnist.train_images[:-HELD_OUT], mnist.train_labels[:-HELD_OUT], None, None, mnist.class_names, "mnist"
    )


def validation_error(model: Model | Committee) -> float:
    """On the images held out."""
    dataset = load_dataset("mnist")
    return 1 - model.evaluate(dataset.train_images[-HELD_OUT:], dataset.train_labels[-HELD_OUT:]).accuracy


if __name__ == "__main__":
    main()
