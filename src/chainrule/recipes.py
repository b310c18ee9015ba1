"""Named settings, each with its source and the result it must reach.

A recipe is data. `start` turns one, a data set and a seed into a `Training`; nothing else in the project decides how
a recipe trains.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, get_type_hints

import numpy as np

from chainrule.data.datasets import Dataset
from chainrule.data.deformations import Deformation
from chainrule.data.preparation import Preparation, check_images, split
from chainrule.devices import CPU, Processor
from chainrule.errors import DataFileError, InputError, UnknownNameError, ValueRangeError
from chainrule.nn.arrays import is_whole, require_count
from chainrule.nn.initializers import Initializer, he_normal, lecun_normal, uniform, zeros
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.objective import Adversary
from chainrule.nn.optimizers import SGD, AdamW, ExponentialAverage, Optimizer
from chainrule.nn.schedules import Constant, Schedule, WarmupCosine
from chainrule.parallel import ALONE, Ranks
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


#: The settings that have settings of their own.
PARTS: dict[str, Callable[..., Any]] = {"deformation": Deformation, "adversary": Adversary}

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
    seeds : int
        How many.
    """

    data: str
    part: str
    accuracy: float
    seeds: int = 5

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
    optimizer : {"sgd", "adam"}
        With momentum; or AdamW, which is Adam where weight_decay is 0.
    momentum, weight_decay : float
    schedule : {"constant", "warmup-cosine"}
    average : float
        Decay of the exponential average of θ, which is then the network that is kept; 0 for none.
    label_smoothing : float
    input_dropout, hidden_dropout : float
    max_norm : float or None
        Greatest length of the weights into a unit.
    deformation : Deformation or None
    adversary : Adversary or None
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
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    average: float = 0.0
    label_smoothing: float = 0.0
    input_dropout: float = 0.0
    hidden_dropout: float = 0.0
    max_norm: float | None = None
    deformation: Deformation | None = None
    adversary: Adversary | None = None
    validation: float | int = 1 / 12
    least_steps: int = 0
    evaluate_every: int = 1

    def settings(self) -> dict[str, Any]:
        """The recipe as JSON gives it back: lists for tuples."""
        return _plain(self)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Recipe:
        """The recipe that has these settings, as `settings` gives them.

        Raises
        ------
        InputError
            If one is missing, unknown, or of another kind than a recipe's; names it.
        """
        kinds = get_type_hints(cls)
        if unlike := sorted(kinds.keys() ^ settings.keys()):
            raise InputError(f"a recipe has the settings {', '.join(kinds)}; missing or unknown: {', '.join(unlike)}.")
        return cls(**{name: _read_setting(name, value, kinds[name]) for name, value in settings.items()})


def _read_setting(name: str, value: Any, kind: Any) -> Any:
    """A setting as a recipe holds it, from JSON."""
    try:
        if name == "goals":
            return tuple(Goal(**goal) for goal in value)
        if name == "hidden":
            if not all(type(units) is int and units > 0 for units in value):
                raise TypeError("expected whole numbers above 0")
            return tuple(value)
        if name in PARTS and value is not None:
            return PARTS[name](**value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {value!r}: {error}") from error
    expected = kind | int if kind is float else kind
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, expected):
        raise InputError(f"{name} is {value!r}; expected {getattr(kind, '__name__', kind)}.")
    return value


@dataclass(frozen=True)
class CommitteeRecipe:
    """Several networks, asked together.

    Attributes
    ----------
    name, summary, source : str
    goals : tuple of Goal
    members : tuple of (str, int)
        The recipe of each, and what is added to the seed for it.
    """

    name: str
    summary: str
    source: str
    goals: tuple[Goal, ...]
    members: tuple[tuple[str, int], ...]

    def settings(self) -> dict[str, Any]:
        """The recipe as JSON gives it back: lists for tuples."""
        return _plain(self)


def _plain(recipe: Recipe | CommitteeRecipe) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain


#: Deformations that leave every digit what it is.
GENTLE = Deformation(scaling=0.15, shear=10.0, rotation=10.0, shift=1.0, alpha=24.0, sigma=5.0)

#: The optimizer of each name, as a recipe sets it.
OPTIMIZERS: dict[str, Callable[[Recipe], Optimizer]] = {
    "sgd": lambda recipe: SGD(recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay),
    "adam": lambda recipe: AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
}

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

PLAIN_800 = Recipe(
    name="plain-800",
    summary="One hidden layer of 800, as Simard's without deformations: Adam, averaged weights, soft labels.",
    source="Simard, Steinkraus & Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document "
    "Analysis (2003), 1.6 %",
    goals=(Goal("mnist", "test", 0.984, seeds=3),),
    hidden=(800,),
    activation="relu",
    initialization="he",
    standardise=False,
    batch_size=256,
    epochs=30,
    learning_rate=3e-3,
    optimizer="adam",
    weight_decay=0.3,
    schedule="warmup-cosine",
    average=0.999,
    label_smoothing=0.1,
    validation=0,
)

DROPOUT = replace(
    PLAIN_800,
    name="dropout",
    summary="Two hidden layers of 1,200 and dropout: knows nothing of the pixels' neighbourhood.",
    source="Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014), 1.06 % with "
    "max-norm",
    goals=(Goal("mnist", "test", 0.9885, seeds=3),),
    hidden=(1200, 1200),
    batch_size=128,
    epochs=60,
    learning_rate=1e-3,
    weight_decay=0.0,
    label_smoothing=0.0,
    input_dropout=0.2,
    hidden_dropout=0.5,
)

ADVERSARIAL = replace(
    PLAIN_800,
    name="adversarial",
    summary="Two hidden layers, and every picture a second time, moved to where the network is least sure of itself.",
    source="Miyato, Maeda, Koyama & Ishii, Virtual Adversarial Training (2018), 0.64 % with four layers and batch "
    "normalisation",
    goals=(Goal("mnist", "test", 0.991, seeds=1),),
    hidden=(1200, 600),
    epochs=80,
    weight_decay=0.0,
    label_smoothing=0.0,
    adversary=Adversary(2.0),
)

SIMARD_2003 = replace(
    PLAIN_800,
    name="simard-2003",
    summary="One hidden layer of 800, and every picture deformed anew each time.",
    source="Simard, Steinkraus & Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document "
    "Analysis (2003), 0.7 %",
    goals=(Goal("mnist", "test", 0.9935, seeds=3),),
    batch_size=512,
    epochs=100,
    learning_rate=4e-3,
    weight_decay=0.0,
    deformation=GENTLE,
)

POCKET = replace(
    SIMARD_2003,
    name="pocket",
    summary="Small enough to travel with the package, which reads photos with it: two hidden layers and deformations.",
    goals=(Goal("mnist", "test", 0.992, seeds=3),),
    hidden=(256, 128),
    epochs=200,
    label_smoothing=0.0,  # so that 99 % sure is right 99 times in a hundred
)

DEEP = replace(
    SIMARD_2003,
    name="deep",
    summary="Two hidden layers and deformations.",
    source="Cireşan, Meier, Gambardella & Schmidhuber, Deep, Big, Simple Neural Nets for Handwritten Digit "
    "Recognition (2010), 0.49 % with 784-1000-500-10",
    goals=(Goal("mnist", "test", 0.995, seeds=3),),
    hidden=(1000, 500),
    epochs=150,
)

WIDE = replace(
    DEEP,
    name="wide",
    summary="Two wider hidden layers, soft labels and stronger deformations.",
    hidden=(1500, 1000),
    epochs=100,
    label_smoothing=0.1,
    deformation=Deformation(scaling=0.2, shear=15.0, rotation=12.0, shift=1.0, alpha=18.0, sigma=4.5),
)

DEEPER = replace(
    WIDE,
    name="deeper",
    summary="Three hidden layers, soft labels and stronger deformations.",
    source="Cireşan, Meier, Gambardella & Schmidhuber, Deep, Big, Simple Neural Nets for Handwritten Digit "
    "Recognition (2010), 0.46 % with 784-1500-1000-500-10",
    goals=(Goal("mnist", "test", 0.995, seeds=1),),
    hidden=(1500, 1000, 500),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        STANDARD,
        UNIFORM_10,
        XAVIER_10,
        LEAKY_128,
        PLAIN_800,
        DROPOUT,
        ADVERSARIAL,
        SIMARD_2003,
        POCKET,
        DEEP,
        WIDE,
        DEEPER,
    )
}

COMMITTEE = CommitteeRecipe(
    name="committee",
    summary="Four networks of two and three hidden layers that learned from deformed pictures, asked together.",
    source="Meier, Cireşan, Gambardella & Schmidhuber, Better Digit Recognition with a Committee of Simple Neural "
    "Nets (2011), 0.39 % with 25 networks of one hidden layer",
    goals=(Goal("mnist", "test", 0.9958, seeds=1),),
    members=(("wide", 0), ("wide", 1), ("wide", 2), ("deeper", 0)),
)

COMMITTEES = {recipe.name: recipe for recipe in (COMMITTEE,)}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, for one network.

    Raises
    ------
    UnknownNameError
        If there is none; names the nearest.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, {**RECIPES, **COMMITTEES})
    return RECIPES[name]


def start(recipe: Recipe, dataset: Dataset, seed: int = 0, device: Processor = CPU, ranks: Ranks = ALONE) -> Training:
    """A training of that recipe on a data set's training pictures, ready to be iterated.

    The split, the weights and the shuffling have generators of their own, so that one does not depend on another.

    Parameters
    ----------
    recipe : Recipe
    dataset : Dataset
    seed : int
    device : Processor, optional
        Where to compute, see devices.py.
    ranks : Ranks, optional
        The processes that train it together, see parallel.py.

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
    if dataset.stream is None and (dataset.train_images is None or dataset.train_labels is None):
        raise DataFileError(
            f"{dataset.name} has no labels, so there is nothing to learn from. Give a labelled data set."
        )
    for kind, name, known in (
        ("initialization", recipe.initialization, INITIALIZATIONS),
        ("schedule", recipe.schedule, SCHEDULES),
        ("optimizer", recipe.optimizer, OPTIMIZERS),
    ):
        if name not in known:
            raise UnknownNameError(kind, name, known)
    require_count(epochs=recipe.epochs)
    require_count(0, least_steps=recipe.least_steps)
    if recipe.batch_size is not None:
        require_count(batch_size=recipe.batch_size)
    if not is_whole(seed) or seed < 0:
        raise ValueRangeError(f"The seed is {seed!r}; expected a whole number, 0 or above.")
    split_rng, weight_rng, training_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    pictures, preparation, examples = _pictures(recipe, dataset, split_rng)
    weights, biases = INITIALIZATIONS[recipe.initialization]
    network = multilayer_perceptron(
        (preparation.width, *recipe.hidden, len(dataset.class_names)),
        activation=recipe.activation,
        initializer=weights,
        bias_initializer=biases,
        input_dropout=recipe.input_dropout,
        hidden_dropout=recipe.hidden_dropout,
        rng=weight_rng,
    )
    steps = math.ceil(examples / (recipe.batch_size or examples))
    epochs = max(recipe.epochs, math.ceil(recipe.least_steps / steps))
    return Training(
        network,
        **pictures,
        optimizer=OPTIMIZERS[recipe.optimizer](recipe),
        preparation=preparation,
        loss=functools.partial(cross_entropy, label_smoothing=recipe.label_smoothing),
        deformation=recipe.deformation,
        adversary=recipe.adversary,
        max_norm=recipe.max_norm,
        average=ExponentialAverage(recipe.average) if recipe.average else None,
        batch_size=recipe.batch_size,
        epochs=epochs,
        schedule=SCHEDULES[recipe.schedule](recipe.learning_rate, epochs * steps),
        evaluate_every=recipe.evaluate_every,
        rng=training_rng,
        device=device,
        ranks=ranks,
    )


def _pictures(
    recipe: Recipe, dataset: Dataset, split_rng: np.random.Generator
) -> tuple[dict[str, Any], Preparation, int]:
    """What a `Training` is given to learn from and to validate on, how to prepare it, and how many pictures it is."""
    if dataset.stream is not None:
        if recipe.batch_size is None:
            raise ValueRangeError(
                f"The recipe {recipe.name} takes all pictures at once, and these are too many for memory. Set a batch "
                f"size."
            )
        learned, held_out = dataset.stream.split(recipe.validation, split_rng)
        preparation = Preparation.fit_parts((part for part, _ in learned.parts()), standardise=recipe.standardise)
        return {"images": learned, "validation": held_out}, preparation, learned.rows
    images = dataset.train_images
    assert images is not None  # else `start` has refused it
    check_images(images)
    rows, validation_rows = split(len(images), recipe.validation, split_rng)
    preparation = Preparation.fit(images[rows] if recipe.standardise else images, standardise=recipe.standardise)
    given = {"images": images, "labels": dataset.train_labels, "rows": rows, "validation_rows": validation_rows}
    return given, preparation, len(rows)
