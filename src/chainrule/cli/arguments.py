"""What several commands take: the same names, the same help, the same defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from chainrule.errors import DataFileError, InputError, ModelFileError, ValueRangeError

if TYPE_CHECKING:
    from chainrule.data.datasets import Dataset
    from chainrule.model import Model
    from chainrule.nn.arrays import Array

DEFAULT_MODEL = Path("chainrule-model.safetensors")

ModelArgument = Annotated[Path, Parameter(help="A model file, as `chainrule train` writes it.")]
DataOption = Annotated[
    str,
    Parameter(help="mnist, digits, auto (mnist if it can be had, else digits), a folder of IDX files, .npz or .csv."),
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
    return model, load_data(data or str(model.facts.get("dataset", "auto")))


def choose_part(dataset: Dataset, split: str | None) -> tuple[str, Array, Array]:
    """The part of a data set asked for: its name, pictures and labels."""
    if split not in (None, "train", "test"):
        raise InputError(f"--split is '{split}'; expected train or test.")
    if split is None:
        split = "train" if dataset.test_images is None else "test"
    train = split == "train"
    images = dataset.train_images if train else dataset.test_images
    labels = dataset.train_labels if train else dataset.test_labels
    if images is None:
        other = "test" if train else "train"
        raise DataFileError(f"{dataset.name} has no {split} pictures. Try --split {other}.")
    if labels is None:
        raise DataFileError(f"{dataset.name} has no labels. To label its pictures: chainrule predict {dataset.name}")
    return split, images, labels


def require_fit(model: Model, model_path: Path, images: Array, labels: Array | None) -> None:
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


def choose_rows(index: Sequence[int] | None, count: int, default: Sequence[int]) -> list[int]:
    """The pictures asked for by number, or else the default ones."""
    for i in index or ():
        if not 0 <= i < count:
            raise ValueRangeError(f"--index {i}: there are {count:,} of them; expected 0 to {count - 1}.")
    return list(index or default)


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape)
