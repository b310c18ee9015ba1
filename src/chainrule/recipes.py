"""Named settings, each with its source and the result it must reach.

A recipe is data. `start` turns one, a data set and a seed into a `Training`; nothing else in the project decides how
a recipe trains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chainrule.data.datasets import Dataset
from chainrule.data.preparation import Preparation, split
from chainrule.errors import DataFileError, UnknownNameError, ValueRangeError
from chainrule.nn.arrays import require_count
from chainrule.nn.initializers import Initializer, he_normal, lecun_normal, uniform, zeros
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import SGD
from chainrule.nn.schedules import Constant, Schedule, WarmupCosine
from chainrule.training.training import Training

#: Weights and biases of each initialisation that a recipe can name.
INITIALIZATIONS: dict[str, tuple[Initializer, Initializer]] = {
    "uniform": (uniform, uniform),
    "xavier": (lecun_normal, zeros),
    "he": (he_normal, zeros),
}

#: The schedule of each name, from learning rate and number of steps.
SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda rate, _: Constant(rate),
    "warmup-cosine": lambda rate, total: WarmupCosine(rate, total, warmup=total // 10),
}


#: What a goal's data is where its name alone would mislead.
DATA_IN_WORDS = {"kaggle": "42,000 rows of MNIST as a Kaggle csv"}


@dataclass(frozen=True)
class Goal:
    """What a recipe must reach: an accuracy on a part of a data set, as the median over seeds.

    Attributes
    ----------
    data : {"mnist", "digits", "kaggle"}
    part : {"train", "validation", "test"}
    accuracy : float, 0 to 1
    """

    data: str
    part: str
    accuracy: float

    @property
    def data_in_words(self) -> str:
        """The data as a reader is told of it."""
        return DATA_IN_WORDS.get(self.data, self.data)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is built and trained, but for the data and the seed.

    Attributes
    ----------
    name, summary, source : str
        What it goes by, what it is, and where it is from.
    goals : tuple of Goal
    hidden : tuple of int
        Units in each hidden layer.
    activation : str
        As `multilayer_perceptron` names it.
    initialization : {"uniform", "xavier", "he"}
        U(−½, ½) for weights and biases; or N(0, 1/n_in), which is LeCun's and what the tutorials call Xavier's; or
        N(0, 2/n_in), He's.
    standardise : bool
    batch_size : int or None
        None for the full batch.
    epochs : int
    learning_rate : float
        The peak, where the schedule varies it.
    momentum, weight_decay : float
    schedule : {"constant", "warmup-cosine"}
    validation : float or int
        Fraction or count of the training pictures held out.
    least_steps : int
        A small data set is gone through more often than `epochs` times, until it has had this many steps.
    evaluate_every : int
        Epochs between two reports with accuracies.
    """

    name: str
    summary: str
    source: str
    goals: tuple[Goal, ...]
    hidden: tuple[int, ...]
    activation: str
    initialization: str
    standardise: bool
    batch_size: int | None
    epochs: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    validation: float | int = 1 / 12
    least_steps: int = 0
    evaluate_every: int = 1

    def settings(self) -> dict[str, Any]:
        """The recipe as JSON."""
        return asdict(self)


STANDARD = Recipe(
    name="standard",
    summary="One hidden layer of 128, small batches, momentum: 98 % in seconds. The default.",
    source="Nielsen, Neural Networks and Deep Learning (2015), chapter 3; weights from He et al., Delving Deep into "
    "Rectifiers (2015), momentum from Sutskever et al., On the importance of initialization and momentum in deep "
    "learning (2013), the cosine from Loshchilov & Hutter, SGDR (2017)",
    goals=(Goal("mnist", "test", 0.978), Goal("digits", "test", 0.96)),
    hidden=(128,),
    activation="relu",
    initialization="he",
    standardise=False,
    batch_size=128,
    epochs=10,
    learning_rate=0.15,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="warmup-cosine",
    least_steps=1_000,
)

UNIFORM_10 = Recipe(
    name="uniform-10",
    summary="The first tutorial: ten hidden units, everything drawn from −½ to ½, 500 full-batch steps.",
    source="the tutorial «Neural-Network-using-Math», about 85 % on held-out pictures",
    goals=(Goal("kaggle", "validation", 0.83),),
    hidden=(10,),
    activation="relu",
    initialization="uniform",
    standardise=False,
    batch_size=None,
    epochs=500,
    learning_rate=0.10,
    validation=1_000,
    evaluate_every=10,
)

XAVIER_10 = Recipe(
    name="xavier-10",
    summary="The second tutorial: ten hidden units, Xavier's weights in LeCun's variant, N(0, 1/n_in), "
    "500 full-batch steps.",
    source="the tutorial «Building-Neural-Network-using-only-NumPy-and-Mathematics», 92.0 % on its training pictures; "
    "its rate of 0.15 multiplied twice the gradient",
    goals=(Goal("mnist", "train", 0.918), Goal("mnist", "test", 0.918)),
    hidden=(10,),
    activation="relu",
    initialization="xavier",
    standardise=False,
    batch_size=None,
    epochs=500,
    learning_rate=0.30,
    validation=0,
    evaluate_every=10,
)

LEAKY_128 = Recipe(
    name="leaky-128",
    summary="The third tutorial: 128 hidden units, Leaky ReLU, standardised pixels, 2,000 full-batch steps.",
    source="the tutorial «MNIST Digit Recognition with a Neural Network (NumPy & Pure Math)», 91.8 % on training and "
    "90.5 % on held-out pictures",
    goals=(Goal("kaggle", "train", 0.915), Goal("kaggle", "validation", 0.90)),
    hidden=(128,),
    activation="leaky_relu",
    initialization="he",
    standardise=True,
    batch_size=None,
    epochs=2_000,
    learning_rate=0.005,
    validation=1_000,
    evaluate_every=20,
)

RECIPES = {recipe.name: recipe for recipe in (STANDARD, UNIFORM_10, XAVIER_10, LEAKY_128)}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]


def start(recipe: Recipe, dataset: Dataset, seed: int = 0) -> Training:
    """A training of that recipe on a data set's training pictures, ready to be iterated.

    The split, the weights and the shuffling have generators of their own, so that one does not depend on another.

    Parameters
    ----------
    recipe : Recipe
    dataset : Dataset
    seed : int

    Returns
    -------
    training : Training

    Raises
    ------
    DataFileError
        If the data set has no labels to learn from.
    UnknownNameError
        If the recipe names an activation, initialisation or schedule that does not exist.
    ValueRangeError
        If the recipe holds out all pictures, or a setting is out of range.
    """
    if dataset.train_images is None or dataset.train_labels is None:
        raise DataFileError(
            f"{dataset.name} has no labels, so there is nothing to learn from. Give a labelled data set."
        )
    for kind, name, known in (
        ("initialization", recipe.initialization, INITIALIZATIONS),
        ("schedule", recipe.schedule, SCHEDULES),
    ):
        if name not in known:
            raise UnknownNameError(kind, name, known)
    require_count(epochs=recipe.epochs)
    if recipe.batch_size is not None:
        require_count(batch_size=recipe.batch_size)
    if seed < 0:
        raise ValueRangeError(f"The seed is {seed}; expected 0 or above.")
    split_rng, weight_rng, training_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    images = dataset.train_images
    rows, validation_rows = split(len(images), recipe.validation, split_rng)
    preparation = Preparation.fit(images[rows] if recipe.standardise else images, standardise=recipe.standardise)
    weights, biases = INITIALIZATIONS[recipe.initialization]
    network = multilayer_perceptron(
        (preparation.width, *recipe.hidden, len(dataset.class_names)),
        activation=recipe.activation,
        initializer=weights,
        bias_initializer=biases,
        rng=weight_rng,
    )
    steps = math.ceil(len(rows) / (recipe.batch_size or len(rows)))
    epochs = max(recipe.epochs, math.ceil(recipe.least_steps / steps))
    return Training(
        network,
        images,
        dataset.train_labels,
        optimizer=SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
        preparation=preparation,
        rows=rows,
        validation_rows=validation_rows,
        batch_size=recipe.batch_size,
        epochs=epochs,
        schedule=SCHEDULES[recipe.schedule](recipe.learning_rate, epochs * steps),
        evaluate_every=recipe.evaluate_every,
        rng=training_rng,
    )
