"""What several commands take: the same names, the same help, the same defaults, the same refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.errors import (
    DataFileError,
    InputError,
    ModelFileError,
    OutputError,
    UnknownNameError,
    ValueRangeError,
)

if TYPE_CHECKING:
    from chainrule.data.datasets import Dataset
    from chainrule.model import Model, Predictor
    from chainrule.nn.arrays import Array

DEFAULT_MODEL = Path("chainrule-model.safetensors")
MODEL_ENDING = ".safetensors"


def whole_number(type_: Any, tokens: Sequence[Any]) -> Any:
    """Convert to int and refuse 1.5, which would otherwise be rounded without a word."""
    numbers = []
    for token in tokens:
        try:
            numbers.append(int(token.value))
        except ValueError:
            raise ValueError(f"{token.value} is not a whole number.") from None  # cyclopts names the option
    return numbers if type_ in (list, list[int], tuple[int, int]) else numbers[0]


DataOption = Annotated[
    str,
    Parameter(
        help=(
            "mnist, digits, kaggle, auto (mnist if it can be had, else digits), a folder of IDX or .npy files, "
            ".npz or .csv."
        )
    ),
]
ModelDataOption = Annotated[
    str | None, Parameter(help="As for `train`; where not given, the data the model was trained on.")
]
SplitOption = Annotated[str | None, Parameter(help="train or test; where not given, test if there is one.")]
JsonOption = Annotated[bool, Parameter(negative="", show_default=False, help="Print the result as one JSON object.")]


def load_data(name: str) -> Dataset:
    """The data set of that name, and a note of where it came from."""
    from chainrule.cli.console import note
    from chainrule.data.datasets import load_dataset

    dataset = load_dataset(name)
    note(f"Data: {dataset.source}")
    return dataset


def load_model_and_data(model_path: Path, data: str | None) -> tuple[Model, Dataset]:
    """A model, and the data set asked for or else the one it was trained on."""
    from chainrule.files.model_file import load_model

    model = load_model(model_path)
    return model, load_data(data) if data is not None else data_of(model, model_path)


def data_of(model: Predictor, model_path: Path) -> Dataset:
    """The data set that a model was trained on."""
    trained_on = str(model.facts.get("dataset", "auto"))
    try:
        return load_data(trained_on)
    except (DataFileError, UnknownNameError) as error:
        raise DataFileError(
            f"{model_path} was trained on {trained_on}, which is not here. Name the data: --data PATH"
        ) from error


def load_together(paths: Sequence[Path]) -> Predictor:
    """The model at the only path, or the committee of the models at several; nothing stands for the default."""
    from chainrule.errors import ShapeError
    from chainrule.files.model_file import load_model
    from chainrule.model import Committee

    models = tuple(load_model(path) for path in paths or [DEFAULT_MODEL])
    if len(models) == 1:
        return models[0]
    try:
        return Committee(models)
    except ShapeError as error:
        raise ModelFileError(f"{', '.join(map(str, paths))} cannot be asked together. {error}") from error


def choose_part(dataset: Dataset, split: str | None) -> tuple[str, Array, Array | None]:
    """The part of a data set asked for: its name, pictures, and labels if it has any."""
    if split not in (None, "train", "test"):
        raise InputError(f"--split is '{split}'; expected train or test.")
    if split is None:
        split = "train" if dataset.test_images is None else "test"
    train = split == "train"
    images = dataset.train_images if train else dataset.test_images
    if images is None:
        other = "test" if train else "train"
        if train and dataset.stream is not None:
            raise DataFileError(
                f"{dataset.name} has more training pictures than fit into memory, and only chainrule train reads such. "
                f"Try --split test."
            )
        raise DataFileError(f"{dataset.name} has no {split} pictures. Try --split {other}.")
    return split, images, dataset.train_labels if train else dataset.test_labels


def require_labels(dataset: Dataset, labels: Array | None) -> Array:
    """Refuse pictures of which nobody knows what they are."""
    if labels is None and dataset.train_labels is not None:
        raise DataFileError(f"The test pictures of {dataset.name} have no labels. Try --split train.")
    if labels is None:
        raise DataFileError(f"{dataset.name} has no labels. To label its pictures: chainrule predict {dataset.name}")
    return labels


def require_fit(model: Predictor, model_path: Path, images: Array, labels: Array | None) -> None:
    """Refuse a model that was made for pictures of another size, or for fewer classes."""
    if images.shape[1:] != tuple(model.preparation.shape):
        raise ModelFileError(
            f"{model_path} does not fit the data: it reads pictures of {_size(model.preparation.shape)} pixels, these "
            f"have {_size(images.shape[1:])}. Train a model on this data, or give other data."
        )
    if labels is not None and len(labels) and int(labels.max()) >= len(model.class_names):
        raise ModelFileError(
            f"{model_path} does not fit the data: it knows {len(model.class_names)} classes, the labels go up to "
            f"{labels.max()}. Train a model on this data, or give other data."
        )


def choose_rows(index: Sequence[int] | None, count: int, what: str, default: int) -> list[int]:
    """The things asked for by number, or else the first few."""
    for i in index or ():
        if not 0 <= i < count:
            raise ValueRangeError(f"--index {i}: there are {count:,} {what}; expected 0 to {count - 1}.")
    return list(index or range(min(count, default)))


def require_model_name(path: Path) -> None:
    """Refuse a name that no other command would take for a model."""
    if path.suffix != MODEL_ENDING:
        raise OutputError(f"--model {path}: a model's name ends in {MODEL_ENDING}. Try {path.name}{MODEL_ENDING}")


def require_distinct(paths: Mapping[str, Path | str | None]) -> None:
    """Refuse to write over what is read, or two results to one file."""
    seen: dict[Path, str] = {}
    for name, path in paths.items():
        if path is not None:
            place = Path(path).resolve()
            if place in seen:
                raise OutputError(f"{path} would be both {seen[place]} and {name}. Choose another file for {name}.")
            seen[place] = name


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape)
