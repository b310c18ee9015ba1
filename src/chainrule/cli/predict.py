"""`chainrule predict`: what digits are these?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import DEFAULT_MODEL, MODEL_ENDING, JsonOption, require_distinct
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.data.photo import Page
    from chainrule.model import Predictor
    from chainrule.nn.arrays import Array

TABLES = (".csv", ".csv.gz", ".zip")


def predict(
    *files: Annotated[
        Path,
        Parameter(
            name="FILE",
            help="PNG or JPEG pictures of one digit each, or a Kaggle csv; a .safetensors file is the model, "
            f"several are a committee. Where none is given, {DEFAULT_MODEL} is, and where there is no such file, the "
            "model that comes with chainrule.",
        ),
    ],
    many: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Find all digits of a picture, and read them left to right."),
    ] = False,
    explain: Annotated[Path | None, Parameter(help="Draw every stage from one picture to the answer here.")] = None,
    submission: Annotated[Path | None, Parameter(help="Write ImageId,Label for a csv's rows to this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Say which digit each picture shows, and how sure the model is.

    Pictures may be photos, drawings or scans of any size, dark on light or light on dark: the digit is searched for,
    and fitted and centred as MNIST's were. A picture of the model's own size, 28 × 28 for MNIST, is taken as it is.
    """
    from chainrule.cli.arguments import load_together
    from chainrule.cli.console import note, print_json
    from chainrule.cli.submission import require_digits, write_submission

    models = [file for file in files if file.suffix == MODEL_ENDING]
    pictures = [file for file in files if file.suffix != MODEL_ENDING]
    _check(pictures, many=many, explain=explain, submission=submission)
    if not models:
        models = [_default_model(shipped=submission is None)]
    model = load_together(models)
    if submission is not None:
        require_digits(model.class_names)
    answers = [_ask(file, model, models[0], many=many, to_submit=submission is not None) for file in pictures]
    if explain is not None:
        _draw(answers[0], explain)
        note(f"Stages: {explain}")
    if submission is not None:
        write_submission(submission, [name for answer in answers for name in answer.class_names])
    if json:
        print_json([described for answer in answers for described in answer.described()])
    elif submission is None:
        _tell(answers, many=many)


def is_table(path: Path) -> bool:
    """Whether a file is a csv, plain or packed, by its name."""
    return path.name.lower().endswith(TABLES)


def _check(pictures: list[Path], *, many: bool, explain: Path | None, submission: Path | None) -> None:
    """Refuse what does not go together before any work."""
    from chainrule.atomic import require_writable
    from chainrule.plots import require_drawable

    if not pictures:
        raise InputError("There is nothing to predict. Give a picture: chainrule predict photo.png")
    tables = [file for file in pictures if is_table(file)]
    if many and tables:
        raise InputError(f"--many finds the digits of a picture, and {tables[0]} is a table. Leave --many out.")
    if explain is not None:
        require_distinct({"the picture": pictures[0], "--explain": explain})
        require_drawable(explain)
        if len(pictures) > 1 or tables:
            raise InputError("--explain draws the stages of one picture: chainrule predict photo.jpg --explain a.png")
    if submission is not None:
        require_distinct({"the data": pictures[0], "--submission": submission})
        require_writable(submission)
        if len(pictures) > 1 or not tables:
            raise InputError(
                "--submission needs exactly one csv: chainrule predict test.csv --submission submission.csv"
            )


def _default_model(*, shipped: bool) -> Path:
    """The model of this folder; where there is none and `shipped` may be asked, the one that comes with chainrule."""
    from chainrule.cli.console import note
    from chainrule.files.model_file import SHIPPED_MODEL

    if DEFAULT_MODEL.exists() or not shipped:
        return DEFAULT_MODEL
    note("Model: the one that comes with chainrule. For one of your own: chainrule train")
    return SHIPPED_MODEL


@dataclass(frozen=True, eq=False)
class _Answer:
    """What a model says of one file's pictures: names and probabilities, (N, C), and the page where it is a photo."""

    file: str
    names: list[str]
    probabilities: Array
    model: Predictor
    page: Page | None = None

    @property
    def labels(self) -> list[int]:
        """The likeliest class of each."""
        return [int(row.argmax()) for row in self.probabilities]

    @property
    def class_names(self) -> list[str]:
        """Its name."""
        return [self.model.class_names[label] for label in self.labels]

    @property
    def sure(self) -> list[str]:
        """How likely it is."""
        return [f"{100 * row.max():.1f} %" for row in self.probabilities]

    def described(self) -> list[dict[str, Any]]:
        """Each as JSON."""
        described: list[dict[str, Any]] = [
            {"file": name, "label": label, "probability": float(row.max())}
            for name, label, row in zip(self.names, self.labels, self.probabilities, strict=True)
        ]
        if self.page is not None:
            for one, box in zip(described, self.page.boxes, strict=True):
                corners = (box.left, box.top, box.right, box.bottom)
                one["box"] = [round(self.page.scale * corner) for corner in corners]
        return described


def _ask(file: Path, model: Predictor, model_path: Path, *, many: bool, to_submit: bool) -> _Answer:
    """Read a file and predict what is in it."""
    from chainrule.cli.arguments import require_fit
    from chainrule.cli.submission import require_unlabelled
    from chainrule.data.formats import read_csv
    from chainrule.data.photo import read_page

    page = None
    if is_table(file):
        images, labels = read_csv(file)
        if to_submit:
            require_unlabelled(file, labels)
        names = [f"{file} row {i + 1}" for i in range(len(images))]
    else:
        page = read_page(file, model.preparation.shape, many=many)
        images, names = page.digits, [str(file)] * len(page.digits)
    require_fit(model, model_path, images, None)
    return _Answer(str(file), names, model.probabilities(images), model, page)


def _tell(answers: list[_Answer], *, many: bool) -> None:
    """A line for each picture; with --many, all of a picture's digits in one, and below them how sure each is."""
    from chainrule.cli.console import say

    width = max(len(name) for answer in answers for name in answer.names)
    for answer in answers:
        if many:
            say(f"{answer.file.ljust(width)}  {' '.join(answer.class_names)}")
        for name, label, sure in zip(answer.names, answer.class_names, answer.sure, strict=True):
            say(f"{(' ' * width) if many else name.ljust(width)}  {label}  {sure}")


def _draw(answer: _Answer, path: Path) -> None:
    from chainrule import plots

    assert answer.page is not None  # `_check` has refused tables
    plots.save(plots.explanation(answer.page, answer.probabilities, answer.model.class_names), path)
