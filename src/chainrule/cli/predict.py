"""`chainrule predict`: what digits are these?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import DEFAULT_MODEL, MODEL_ENDING, JsonOption, require_distinct
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.model import Predictor
    from chainrule.nn.arrays import Array

TABLES = (".csv", ".csv.gz", ".zip")


def predict(
    *files: Annotated[
        Path,
        Parameter(
            name="FILE",
            help="PNG or JPEG pictures of one digit each, or a Kaggle csv; a .safetensors file is the model, "
            "several are a committee.",
        ),
    ],
    submission: Annotated[Path | None, Parameter(help="Write ImageId,Label for a csv's rows to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Say which digit each picture shows, and how sure the model is.

    Pictures may be dark on light or light on dark, and of any size: what is not of the model's own size, 28 × 28 for
    MNIST, is fitted and centred as MNIST's digits were.
    """
    from chainrule.atomic import require_writable
    from chainrule.cli.arguments import load_together
    from chainrule.cli.console import print_json, say
    from chainrule.cli.submission import require_digits, write_submission

    models = [file for file in files if file.suffix == MODEL_ENDING]
    pictures = [file for file in files if file.suffix != MODEL_ENDING]
    if not pictures:
        raise InputError("There is nothing to predict. Give a picture: chainrule predict photo.png")
    if submission is not None:
        require_distinct({"the data": pictures[0], "--submission": submission})
        require_writable(submission)
        if len(pictures) > 1 or not is_table(pictures[0]):
            raise InputError(
                "--submission needs exactly one csv: chainrule predict test.csv --submission submission.csv"
            )
    path = models[0] if models else DEFAULT_MODEL
    model = load_together(models)
    if submission is not None:
        require_digits(model.class_names)
    answers = [answer for file in pictures for answer in _answers(file, model, path, to_submit=submission is not None)]
    if submission is not None:
        write_submission(submission, [model.class_names[answer["label"]] for answer in answers])
    if json:
        print_json(answers)
    elif submission is None:
        width = max(len(answer["file"]) for answer in answers)
        for answer in answers:
            name, probability = model.class_names[answer["label"]], 100 * answer["probability"]
            say(f"{answer['file'].ljust(width)}  {name}  {probability:.1f} %")


def is_table(path: Path) -> bool:
    """Whether a file is a csv, plain or packed, by its name."""
    return path.name.lower().endswith(TABLES)


def _answers(file: Path, model: Predictor, model_path: Path, *, to_submit: bool) -> Iterator[dict[str, Any]]:
    """File, label and probability of each picture in a file."""
    names, images = _read(file, model, model_path, to_submit=to_submit)
    for name, row in zip(names, model.probabilities(images), strict=True):
        best = int(row.argmax())
        yield {"file": name, "label": best, "probability": float(row[best])}


def _read(file: Path, model: Predictor, model_path: Path, *, to_submit: bool) -> tuple[list[str], Array]:
    """A name and a picture for each prediction to make."""
    import numpy as np

    from chainrule.cli.arguments import require_fit
    from chainrule.cli.submission import require_unlabelled
    from chainrule.data.formats import read_csv
    from chainrule.data.photo import read_photo

    if is_table(file):
        images, labels = read_csv(file)
        if to_submit:
            require_unlabelled(file, labels)
        names = [f"{file} row {i + 1}" for i in range(len(images))]
    else:
        images, names = read_photo(file, shape=model.preparation.shape)[np.newaxis], [str(file)]
    require_fit(model, model_path, images, None)
    return names, images
