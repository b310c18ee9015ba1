"""What each ingredient contributes, from a plain network to the recipe `deep`, and what is still wrong at the end.

    python scripts/ablation.py              train what docs/ablation.jsonl lacks, write docs/accuracy.md
    python scripts/ablation.py --report     train nothing; write docs/accuracy.md again

One ingredient is added at a time, each step trained with the same three seeds on 50,000 images. The errors are on the
10,000 images held out of the training set, so that nothing here is chosen or explained by test images; only the last
picture, of the committee's mistakes, shows some of those.
"""

import argparse
import dataclasses
import json
import statistics
from pathlib import Path

import numpy as np
from choose import learning_part, validation_error
from reproduce import settings

from chainrule import plots
from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import side_by_side
from chainrule.recipes import DEEP, PLAIN_800, Recipe, start

DOCS = Path(__file__).parent.parent / "docs"
RUNS, PAGE, PICTURES = DOCS / "ablation.jsonl", DOCS / "accuracy.md", DOCS / "pictures"
SEEDS = (100, 101, 102)
EPOCHS, LONGER = 20, 60

INTRODUCTION = f"""\
# Where the accuracy comes from

From a plain network to the recipe `deep`, one ingredient at a time, {EPOCHS} epochs each, and {LONGER} in the last
step; the recipe itself has {DEEP.epochs}. Errors are on 10,000 of the 60,000 training images, held out; the other
50,000 were learned from, with the same {len(SEEDS)} seeds at each step. `python scripts/ablation.py` does all of it
again. What the finished recipes reach on the test images stands in [results](results.md).
"""


def steps() -> list[tuple[str, str, Recipe]]:
    """Name, what it does in a sentence, and the recipe so far."""
    plain = dataclasses.replace(
        PLAIN_800, validation=0, epochs=EPOCHS, schedule="constant", average=0.0, label_smoothing=0.0, weight_decay=0.0
    )
    affine = dataclasses.replace(DEEP.deformation, alpha=0.0)
    longer = {"epochs": LONGER, "batch_size": DEEP.batch_size, "learning_rate": DEEP.learning_rate}
    added = [
        ("784-800-10, Adam", "one hidden layer, a constant learning rate", {}),
        ("schedule", "the rate rises, then falls to 0 along a cosine", {"schedule": "warmup-cosine"}),
        ("averaged weights", "an exponential average of θ is what is kept", {"average": PLAIN_800.average}),
        ("label smoothing", "a tenth of the target goes to all classes alike", {"label_smoothing": 0.1}),
        ("affine deformations", "every image moved, turned, scaled and slanted anew", {"deformation": affine}),
        ("elastic deformations", "and bent", {"deformation": DEEP.deformation}),
        ("second hidden layer", "as wide as the recipe `deep` has them", {"hidden": DEEP.hidden}),
        ("more epochs", f"{LONGER} of them, in the larger batches of the recipe `deep`", longer),
    ]
    recipe, result = plain, []
    for name, words, changes in added:
        recipe = dataclasses.replace(recipe, **changes)
        result.append((name, words, recipe))
    return result


def main() -> None:
    """Do the runs that are missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS, help="only these; for processes side by side")
    parser.add_argument("--report", action="store_true", help="train nothing, write docs/accuracy.md again")
    options = parser.parse_args()
    if not options.report:
        for name, _, recipe in steps():
            for seed in options.seeds:
                if find(recipe, seed) is None:
                    run = {"step": name, "settings": settings(recipe), "seed": seed} | train(recipe, seed)
                    with RUNS.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(run) + "\n")
                    print(name, seed, f"{100 * run['error']:.2f} %", flush=True)
    write_page()


def train(recipe: Recipe, seed: int) -> dict:
    """The error on the images held out, after each tenth of the training."""
    training = start(recipe, learning_part(), seed)
    curve = []
    for report in training:
        if report.epoch % max(1, training.epochs // 10) == 0:
            curve.append([report.epoch, round(validation_error(training.model), 6)])
    return {"error": curve[-1][1], "curve": curve, "seconds": round(training.seconds, 1)}


def find(recipe: Recipe, seed: int) -> dict | None:
    """The run of that recipe and seed, if there is one."""
    runs = [json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()] if RUNS.exists() else []
    wanted = (settings(recipe), seed)
    return next((run for run in runs if (run["settings"], run["seed"]) == wanted), None)


def write_page() -> None:
    """docs/accuracy.md with its pictures."""
    lines = [*INTRODUCTION.splitlines(), ""]
    lines += ["| step | what it adds | error, median | each seed | seconds |", "| --- | --- | --- | --- | --- |"]
    medians = []
    for name, words, recipe in steps():
        runs = [run for seed in SEEDS if (run := find(recipe, seed))]
        if not runs:
            continue
        errors = [100 * run["error"] for run in runs]
        medians.append((name, errors, [run["curve"] for run in runs]))
        seconds = statistics.median(run["seconds"] for run in runs)
        each = ", ".join(f"{error:.2f}" for error in errors)
        lines.append(f"| {name} | {words} | **{statistics.median(errors):.2f} %** | {each} | {seconds:.0f} |")
    draw(medians)
    lines += ["", "On 10,000 images an error of 1 % is known to ± 0.2: a step smaller than that may be chance.", ""]
    lines += ["![Error of each step, and while it trains](pictures/ablation.png)", "", *deformations(), *mistakes()]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def draw(medians: list[tuple[str, list[float], list]]) -> None:
    """Bars of the steps, and their errors while they train."""
    figure, (bars, curves) = plots.grid(2, size=6.0)
    names = [name for name, *_ in medians]
    for i, (_, errors, _) in enumerate(medians):
        bars.barh(i, statistics.median(errors), color="#4878a8")
        bars.plot(errors, [i] * len(errors), "|", color="black", markersize=10)
    bars.set_yticks(range(len(names)), [("+ " if i else "") + name for i, name in enumerate(names)])
    bars.invert_yaxis()
    bars.set_xlabel("error on images held out, %; a line for each seed")
    for name, _, runs in medians:
        epochs = [epoch for epoch, _ in runs[0]]
        middle = [100 * statistics.median(run[i][1] for run in runs) for i in range(len(epochs))]
        curves.plot([epoch / epochs[-1] for epoch in epochs], middle, marker=".", label=name)
    curves.set_yscale("log")
    curves.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    curves.minorticks_off()
    curves.set_xlabel("part of the training")
    curves.set_ylabel("error, %, median of the seeds")
    curves.legend(frameon=False, fontsize=8)
    for ax in (bars, curves):
        ax.spines[["top", "right"]].set_visible(False)
    PICTURES.mkdir(exist_ok=True)
    plots.save(figure, PICTURES / "ablation.png")


def deformations() -> list[str]:
    """Some digits, and how the recipe `deep` sees them."""
    images = load_dataset("mnist").train_images[:4]
    figure, axes = plots.grid(40)
    shown = side_by_side(images, DEEP.deformation, 9, np.random.default_rng(0))
    plots.images(axes, shown, ["as it is", *["deformed"] * 9] * 4)
    plots.save(figure, PICTURES / "deformed.png")
    return [
        "## What deformed images look like",
        "",
        "![Four digits, each followed by nine deformed copies](pictures/deformed.png)",
        "",
    ]


def mistakes() -> list[str]:
    """The test images that the recorded committee gets wrong."""
    lines = (DOCS / "results.jsonl").read_text(encoding="utf-8").splitlines()
    run = next((run for run in map(json.loads, reversed(lines)) if run["recipe"] == "committee"), None)
    if run is None:
        return []
    dataset = load_dataset("mnist")
    wrong = np.array(run["wrong"])
    figure, axes = plots.grid(len(wrong))
    labels = [str(dataset.test_labels[i]) for i in wrong]
    plots.predictions(axes, dataset.test_images[wrong], [str(p) for p in run["predictions"]], labels)
    plots.save(figure, PICTURES / "committee-mistakes.png")
    return [
        "## What is still wrong",
        "",
        f"The {len(wrong)} of 10,000 test images that the recipe `committee` gets wrong, the most confident first. In",
        "some of them people do not agree with the label either.",
        "",
        "![Every test image that the committee reads wrong](pictures/committee-mistakes.png)",
    ]


if __name__ == "__main__":
    main()
