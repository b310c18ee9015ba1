"""`chainrule data`: what is in a data set, and where it came from."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import JsonOption

if TYPE_CHECKING:
    from chainrule.data.datasets import Dataset
    from chainrule.nn.arrays import Array


def data(
    name: Annotated[
        str | None,
        Parameter(help="mnist, digits, kaggle, a folder or a file. Where not given: what there is to choose from."),
    ] = None,
    /,
    *,
    json: JsonOption = False,
) -> None:
    """Describe a data set: images, classes, source, checksums. `chainrule data mnist` downloads it if need be.

    `chainrule data kaggle` fetches the files of Kaggle's competition Digit Recognizer, with your Kaggle credentials.
    """
    from chainrule.cli.console import print_json

    if name is None:
        _tell_choices(json)
        return
    from chainrule.data.datasets import load_dataset

    dataset = load_dataset(name)
    facts = _facts(dataset)
    if json:
        print_json(facts)
    else:
        _tell(facts)
        if name == "kaggle":
            _tell_what_next(dataset)


def _facts(dataset: Dataset) -> dict[str, Any]:
    parts = {"train": (dataset.train_images, dataset.train_labels), "test": (dataset.test_images, dataset.test_labels)}
    return {
        "name": dataset.name,
        "source": dataset.source,
        "class_names": list(dataset.class_names),
        "parts": {
            part: _part(images, labels, len(dataset.class_names))
            for part, (images, labels) in parts.items()
            if images is not None
        },
        "files": {str(path): _sha256(path) for path in dataset.files},
    }


def _part(images: Array, labels: Array | None, classes: int) -> dict[str, Any]:
    import numpy as np

    counts = None if labels is None else np.bincount(labels, minlength=classes).tolist()
    return {"images": len(images), "shape": list(images.shape[1:]), "counts": counts}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from chainrule.cli.console import out, say

    say(facts["name"], style="bold")
    say(f"{facts['source']}\n")
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "images", "size", *facts["class_names"]):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for part, about in facts["parts"].items():
        counts = ["–"] * len(facts["class_names"]) if about["counts"] is None else map(str, about["counts"])
        table.add_row(part, f"{about['images']:,}", "×".join(map(str, about["shape"])), *counts)
    out.print(table)
    say()
    for path, checksum in facts["files"].items():
        say(path)
        say(f"  sha256 {checksum}", style="dim")


def _tell_what_next(dataset: Dataset) -> None:
    """The competition's two steps, the files as they lie here."""
    from chainrule.cli.console import say

    train, test = (shlex.quote(str(path)) for path in dataset.files)
    say(f"\nNext:\n  chainrule train --data {train}\n  chainrule predict {test} --submission submission.csv")


def _tell_choices(json: bool) -> None:
    from chainrule.cli.console import print_json, say
    from chainrule.data.datasets import mnist_at_hand

    folder = mnist_at_hand()
    if json:
        print_json({"mnist": None if folder is None else str(folder), "digits": "included", "kaggle": "fetched"})
        return
    here = f"at hand, in {folder}" if folder else "not at hand; chainrule data mnist downloads it (11 MB)"
    say(f"mnist     70,000 digits of 28 × 28 pixels: {here}")
    say("digits    1,797 digits of 8 × 8 pixels, enlarged: included")
    say("kaggle    70,000 digits of Kaggle's Digit Recognizer, 28,000 to label: fetched with your Kaggle credentials")
    say("a path    a folder of IDX or .npy files, a Keras mnist.npz, a Kaggle train.csv or test.csv")
