import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import two_layer
from chainrule.data.datasets import Dataset, load_dataset
from chainrule.data.deformations import Deformation, Deformer
from chainrule.data.preparation import Preparation
from chainrule.data.streams import Shards
from chainrule.errors import DataFileError, InputError, UnknownNameError, ValueRangeError
from chainrule.nn.layers import Dense
from chainrule.nn.optimizers import SGD, AdamW
from chainrule.parallel import OwnDraws
from chainrule.recipes import (
    COMMITTEES,
    INITIALIZATIONS,
    OPTIMIZERS,
    RECIPES,
    SCHEDULES,
    STANDARD,
    Goal,
    Recipe,
    find_recipe,
    start,
)
from chainrule.training.training import Training

EVERY = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
TUTORIALS = ("uniform-10", "xavier-10", "leaky-128")
COUNT = 300


@pytest.fixture(scope="module")
def digits():
    """300 of the digits that come with the package."""
    digits = load_dataset("digits")
    return replace(digits, train_images=digits.train_images[:COUNT], train_labels=digits.train_labels[:COUNT])


def shortened(recipe, **changes):
    """A recipe for a small data set and few steps."""
    return replace(recipe, **{"epochs": 3, "least_steps": 0, "validation": 50, "evaluate_every": 1, **changes})


# ------------------------------------------------------------------------------------------------- as data


@EVERY
def test_every_recipe_says_where_it_is_from_and_what_it_must_reach(recipe):
    assert len(recipe.source) > 20
    assert recipe.summary.endswith(".")
    assert recipe.goals
    for goal in recipe.goals:
        assert 0.5 < goal.accuracy < 1
        assert goal.data in ("mnist", "digits", "kaggle")
        assert goal.part in ("train", "validation", "test")


@EVERY
def test_every_recipe_is_found_by_its_name_and_is_json(recipe):
    assert find_recipe(recipe.name) is recipe
    settings = json.loads(json.dumps(recipe.settings()))
    assert settings["name"] == recipe.name
    assert settings["learning_rate"] == recipe.learning_rate
    assert settings["goals"][0]["accuracy"] == recipe.goals[0].accuracy


@EVERY
def test_every_recipe_names_what_there_is(recipe):
    assert recipe.initialization in INITIALIZATIONS
    assert recipe.schedule in SCHEDULES
    assert recipe.optimizer in OPTIMIZERS


@EVERY
def test_a_goal_on_a_part_needs_that_part_to_be_there(recipe):
    for goal in recipe.goals:
        assert goal.part != "validation" or recipe.validation > 0


@pytest.mark.parametrize(("name", "near"), [("standart", "standard"), ("Xavier_10", "xavier-10"), ("leaky", None)])
def test_an_unknown_recipe_names_the_nearest_and_all(name, near):
    with pytest.raises(UnknownNameError, match=f"There is no recipe '{name}'") as caught:
        find_recipe(name)
    assert near is None or f"Did you mean '{near}'?" in str(caught.value)
    assert all(known in str(caught.value) for known in RECIPES)


# ---------------------------------------------------------------------------------------------------- start


@EVERY
def test_every_recipe_trains_a_few_steps(recipe, digits):
    training = start(shortened(recipe, evaluate_every=3), digits, seed=0)
    before = training.network.parameters.copy()
    (report,) = training
    assert report.epoch == 3
    assert math.isfinite(report.loss)
    assert 0 <= report.validation_accuracy <= 1
    assert (training.network.parameters != before).any()
    assert training.model.predict(digits.test_images).shape == digits.test_labels.shape


@EVERY
def test_a_training_has_the_recipes_settings(recipe, digits):
    training = start(replace(recipe, validation=50), digits)
    dense = [layer for layer in training.network.layers if isinstance(layer, Dense)]
    assert tuple(layer.outputs for layer in dense) == (*recipe.hidden, 10)
    assert dense[0].inputs == 784
    kinds = ["dense", recipe.activation, *["dropout"] * (recipe.hidden_dropout > 0)] * len(recipe.hidden) + ["dense"]
    assert [layer.kind for layer in training.network.layers] == ["dropout"] * (recipe.input_dropout > 0) + kinds
    assert training.batch_size == (recipe.batch_size or COUNT - 50)
    assert training.shuffles == (recipe.batch_size is not None)
    assert training.evaluate_every == recipe.evaluate_every
    assert isinstance(training.optimizer, {"sgd": SGD, "adam": AdamW}[recipe.optimizer])
    assert getattr(training.optimizer, "momentum", 0.0) == recipe.momentum
    assert training.optimizer.weight_decay == recipe.weight_decay
    assert (training.average.decay if training.average else 0.0) == recipe.average
    assert training.max_norm == recipe.max_norm
    assert training.batch.objective.adversary == recipe.adversary
    assert training.batch.objective.loss.keywords == {"label_smoothing": recipe.label_smoothing}
    assert (training.preparation.mean is not None) == recipe.standardise
    assert training.epochs >= recipe.epochs
    assert training.network.dtype == np.float32


@EVERY
def test_the_same_seed_starts_and_ends_with_the_same_bits(recipe, digits):
    one, other = (start(shortened(recipe), digits, seed=7) for _ in range(2))
    assert_array_equal(one.rows, other.rows)
    assert_array_equal(one.validation_rows, other.validation_rows)
    assert one.network.parameters.tobytes() == other.network.parameters.tobytes()
    assert [report._replace(seconds=0) for report in one] == [report._replace(seconds=0) for report in other]
    assert one.network.parameters.tobytes() == other.network.parameters.tobytes()


def test_a_deformation_changes_the_pictures_that_are_learned_from_and_no_others(digits):
    plain = shortened(STANDARD, epochs=1)
    recipes = [plain, replace(plain, deformation=Deformation(shift=2.0))]
    trainings = [start(recipe, digits, seed=0) for recipe in recipes]
    rows = np.arange(4)
    inputs = [training.batch.gatherer.gather(rows, OwnDraws(np.random.default_rng(0)))[0] for training in trainings]
    assert_array_equal(inputs[0], trainings[0].preparation.transform(digits.train_images[:4]))
    assert (inputs[1] != inputs[0]).any(axis=1).all()
    still = start(replace(plain, deformation=Deformation()), digits, seed=0)
    assert_array_equal(still.batch.gatherer.gather(rows, OwnDraws(np.random.default_rng(0)))[0], inputs[0])


def test_standardised_pixels_are_standardised_after_they_are_deformed(digits):
    recipe = shortened(STANDARD, standardise=True, deformation=Deformation(shift=2.0))
    training = start(recipe, digits, seed=0)
    got, _ = training.batch.gatherer.gather(np.arange(4), OwnDraws(np.random.default_rng(5)))
    moved = Deformer(recipe.deformation, (28, 28)).deform(digits.train_images[:4], np.random.default_rng(5))
    mean, deviation = training.preparation.mean, training.preparation.deviation
    expected = (moved / 255 - mean) / np.where(deviation > 0, deviation, 1)
    assert_allclose(got, expected, atol=1e-4)


def test_max_norm_holds_after_every_step(digits):
    training = start(shortened(STANDARD, max_norm=0.5), digits, seed=0)
    for _ in training:
        for layer in training.network.layers:
            if isinstance(layer, Dense):
                assert np.linalg.norm(layer.weight, axis=0).max() <= 0.5 * (1 + 1e-6)
    with pytest.raises(ValueRangeError, match="max_norm is 0"):
        start(shortened(STANDARD, max_norm=0), digits)


def test_the_average_is_what_is_kept(digits):
    training = start(shortened(STANDARD, average=0.9), digits, seed=0)
    list(training)
    assert_array_equal(training.model.network.parameters, training.average.parameters)
    assert (training.average.parameters != training.network.parameters).any()


@pytest.mark.parametrize("name", COMMITTEES)
def test_a_committees_members_are_recipes_each_with_a_seed_of_its_own(name):
    members = COMMITTEES[name].members
    assert len(members) > 1
    assert len(set(members)) == len(members)
    assert all(recipe in RECIPES for recipe, _ in members)
    assert json.loads(json.dumps(COMMITTEES[name].settings()))["name"] == name


def test_another_seed_has_another_split_other_weights_and_another_order(digits):
    one, other = (start(shortened(STANDARD), digits, seed=seed) for seed in (0, 1))
    assert set(one.validation_rows) != set(other.validation_rows)
    assert (one.network.layers[0].weight != other.network.layers[0].weight).any()
    assert one.rng.random() != other.rng.random()


@EVERY
def test_held_out_pictures_do_not_change_the_first_weights(recipe, digits):
    trainings = [start(shortened(recipe, validation=validation), digits, seed=3) for validation in (0, 1, 0.5, 200)]
    assert len({training.network.parameters.tobytes() for training in trainings}) == 1
    assert len({training.rng.random() for training in trainings}) == 1


def test_the_weights_do_not_change_the_split_or_the_order(digits):
    recipes = [
        shortened(STANDARD, hidden=hidden, initialization=i) for hidden in ((8,), (16, 4)) for i in ("he", "xavier")
    ]
    trainings = [start(recipe, digits, seed=3) for recipe in recipes]
    assert len({training.rows.tobytes() for training in trainings}) == 1
    assert len({training._next_rows().tobytes() for training in trainings}) == 1


def test_the_three_streams_are_not_one(digits):
    # The draws of each, made alike from one seed, would repeat each other if they were the same stream.
    training = start(shortened(STANDARD, initialization="uniform", validation=0), digits, seed=0)
    split_rng, weight_rng, training_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(0).spawn(3))
    assert_array_equal(training.rows, split_rng.permutation(COUNT))
    assert_array_equal(training.network.layers[0].weight, (weight_rng.random((784, 128)) - 0.5).astype(np.float32))
    assert_array_equal(training._next_rows(), training_rng.permutation(training.rows)[:128])


@EVERY
def test_every_picture_is_learned_from_or_held_out(recipe, digits):
    training = start(shortened(recipe), digits)
    assert len(training.validation_rows) == 50
    assert sorted([*training.rows, *training.validation_rows]) == list(range(COUNT))


def test_the_preparation_is_learned_from_the_training_rows_alone(digits):
    recipe = shortened(RECIPES["leaky-128"])
    training = start(recipe, digits)
    expected = Preparation.fit(digits.train_images[training.rows], standardise=True)
    assert_array_equal(training.preparation.mean, expected.mean)
    assert_array_equal(training.preparation.deviation, expected.deviation)


@pytest.mark.parametrize(("least_steps", "epochs"), [(0, 10), (1, 10), (20, 10), (21, 11), (1_000, 500), (1_001, 501)])
def test_a_small_data_set_is_gone_through_until_there_are_steps_enough(digits, least_steps, epochs):
    recipe = replace(STANDARD, least_steps=least_steps, validation=50)  # 250 rows are 2 batches
    training = start(recipe, digits)
    assert training.steps_per_epoch == 2
    assert training.epochs == epochs


def test_the_schedule_ends_with_the_training(digits):
    training = start(replace(STANDARD, least_steps=40, epochs=1, validation=50), digits)
    assert training.epochs == 20
    assert training.schedule(0) == pytest.approx(STANDARD.learning_rate / 4)
    assert training.schedule(3) == pytest.approx(STANDARD.learning_rate)
    assert 0 < training.schedule(39) < 0.01
    assert training.schedule(40) == 0


def test_the_standard_recipe_learns_the_digits(digits):
    training = start(replace(STANDARD, least_steps=100, hidden=(32,)), digits)
    assert list(training)[-1].train_accuracy > 0.98
    assert training.model.evaluate(digits.test_images, digits.test_labels).accuracy > 0.85


def test_pictures_without_labels_are_refused(digits):
    for part in ({"train_images": None, "train_labels": None}, {"train_labels": None}):
        with pytest.raises(DataFileError, match=r"pictures\.csv has no labels, so there is nothing to learn from"):
            start(STANDARD, replace(digits, name="pictures.csv", **part))


def test_to_hold_out_everything_is_refused(digits):
    with pytest.raises(ValueRangeError, match="at least one must be left to train on"):
        start(replace(STANDARD, validation=COUNT), digits)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_a_seed_that_is_no_whole_number_from_0_is_refused(digits, seed):
    with pytest.raises(ValueRangeError, match=rf"seed is {seed!r}; expected a whole number, 0 or above"):
        start(STANDARD, digits, seed=seed)


def test_pictures_from_a_stream_are_trained_on_but_not_all_at_once(digits):
    stream = Shards([(digits.train_images, digits.train_labels)])
    streamed = replace(digits, train_images=None, train_labels=None, stream=stream)
    training = start(shortened(STANDARD), streamed)
    assert list(training)[-1].step == training.step > 0
    with pytest.raises(ValueRangeError, match=r"standard takes all pictures at once, and these are too many"):
        start(shortened(STANDARD, batch_size=None), streamed)


def test_the_least_number_of_steps_is_a_whole_number(digits):
    for value in (-1, 2.5):
        with pytest.raises(ValueRangeError, match=f"least_steps is {value}; expected a whole number"):
            start(replace(STANDARD, least_steps=value), digits)


@pytest.mark.parametrize("labels", [np.zeros(COUNT - 1, int), np.full(COUNT, 10)], ids=["too few", "too large"])
def test_labels_that_do_not_fit_are_refused(digits, labels):
    with pytest.raises(ValueError, match="label"):
        start(shortened(STANDARD), replace(digits, train_labels=labels))


def test_other_pictures_and_classes_than_mnists_are_trained_on():
    rng = np.random.default_rng(0)
    dataset = Dataset(
        rng.integers(0, 256, (30, 5, 4), dtype=np.uint8), rng.integers(0, 3, 30), None, None, ("a", "b", "c"), "made up"
    )
    training = start(shortened(STANDARD, validation=5), dataset)
    assert (training.network.inputs, training.network.outputs) == (20, 3)
    assert len(list(training)) == 3


# ------------------------------------------------------------------------------------- the page and the engine


def as_columns(network):
    """A network's parameters as the page has them: W1, b1, W2, b2, with biases as columns."""
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    return [array for layer in dense for array in (layer.weight.T.copy(), layer.bias[:, np.newaxis].copy())]


def engine_of(training, dtype, epochs):
    """The same training in another dtype: full batch, the same first weights, rate, rows and preparation."""
    assert not training.shuffles
    optimizer = training.optimizer
    return Training(
        training.network.with_parameters(training.network.parameters.astype(dtype)),
        training.images,
        training.labels,
        optimizer=SGD(optimizer.learning_rate, momentum=optimizer.momentum, weight_decay=optimizer.weight_decay),
        preparation=training.preparation,
        rows=training.rows,
        batch_size=None,
        epochs=epochs,
        schedule=training.schedule,
    )


@pytest.mark.parametrize("name", TUTORIALS)
def test_page_and_engine_are_the_same_mathematics(name, digits):
    recipe = replace(find_recipe(name), validation=0, epochs=20)
    started = start(recipe, digits, seed=1)
    engine = engine_of(started, np.float64, 20)
    # The page takes columns, and its own preparation is written out here.
    rows = digits.train_images[started.rows].reshape(COUNT, -1) / 255
    if recipe.standardise:
        deviation = rows.std(axis=0)
        deviation[np.ptp(rows, axis=0) == 0] = 1
        rows = (rows - rows.mean(axis=0)) / deviation
    X, Y = rows.T, digits.train_labels[started.rows]
    first = as_columns(engine.network)
    *last, history = two_layer.gradient_descent(
        X, Y, recipe.learning_rate, 20, activation=recipe.activation, params=first, every=1
    )
    losses = [report.loss for report in engine]
    assert_allclose(losses, history["cost"][:20], rtol=1e-12)
    for ours, page in zip(as_columns(engine.network), last, strict=True):
        assert_allclose(ours, page, rtol=0, atol=1e-12)
    for before, after in zip(first, last, strict=True):  # and it has moved, by more than that
        assert np.abs(after - before).max() > 1e-4
    predictions = two_layer.make_predictions(X, *last, activation=recipe.activation)
    assert_array_equal(engine.model.predict(digits.train_images, started.rows), predictions)
    assert engine.history["train_accuracy"][-1] == two_layer.get_accuracy(predictions, Y)


@pytest.mark.parametrize("name", TUTORIALS)
def test_what_a_recipe_trains_in_float32_is_that_to_rounding(name, digits):
    recipe = replace(find_recipe(name), validation=0, epochs=20, evaluate_every=1)
    short, started = start(recipe, digits, seed=1), start(recipe, digits, seed=1)
    long = engine_of(started, np.float64, 20)
    losses = [[report.loss for report in training] for training in (short, long)]
    assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert_allclose(short.network.parameters, long.network.parameters, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", TUTORIALS)
def test_page_and_engine_begin_with_weights_of_the_same_kind(name, digits):
    recipe = find_recipe(name)
    ours = as_columns(start(replace(recipe, validation=0), digits).network)
    page = two_layer.init_params(recipe.hidden[0], initialization=recipe.initialization, seed=0)
    for mine, theirs in zip(ours, page, strict=True):
        assert mine.shape == theirs.shape
        if mine.size > 1_000:
            assert mine.std() == pytest.approx(theirs.std(), rel=0.05)
            assert mine.mean() == pytest.approx(theirs.mean(), abs=0.02)
        if recipe.initialization == "uniform":
            assert 0 < np.abs(mine).max() <= 0.5
        elif mine.shape[1] == 1:
            assert not mine.any()
            assert not theirs.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initialization": "xaver"}, "no initialization 'xaver'. Did you mean 'xavier'?"),
        ({"schedule": "warmup_cosine"}, "no schedule 'warmup_cosine'. Did you mean 'warmup-cosine'?"),
        ({"optimizer": "adamw"}, "no optimizer 'adamw'. Did you mean 'adam'?"),
        ({"activation": "rellu"}, "no activation 'rellu'. Did you mean 'relu'?"),
    ],
)
def test_a_recipe_that_names_what_there_is_not_is_refused(digits, changes, message):
    with pytest.raises(UnknownNameError) as caught:
        start(shortened(STANDARD, **changes), digits)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_a_recipe_counts_in_whole_numbers(digits, name, value):
    with pytest.raises(ValueRangeError, match=f"{name} is {value}; expected a whole number, at least 1"):
        start(shortened(STANDARD, **{name: value}), digits)


def test_a_goal_says_what_its_data_is():
    assert Goal("mnist", "test", 0.9).data_in_words == "mnist"
    assert Goal("kaggle", "train", 0.9).data_in_words == "42,000 rows of MNIST as a Kaggle csv"


def test_a_recipe_names_what_it_is_made_of():
    for author in ("Nielsen", "He et al.", "Sutskever", "Loshchilov"):
        assert author in STANDARD.source
    for recipe in RECIPES.values():
        assert (recipe.initialization == "xavier") == ("LeCun's variant, N(0, 1/n_in)" in recipe.summary)


# ------------------------------------------------------------------------------------- settings as JSON and back


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_comes_back_from_its_settings(recipe):
    assert Recipe.from_settings(json.loads(json.dumps(recipe.settings()))) == recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 2.5}, "epochs is 2.5; expected int"),
        ({"epochs": True}, "epochs is True; expected int"),
        ({"standardise": 1}, "standardise is 1; expected bool"),
        ({"name": None}, "name is None; expected str"),
        ({"batch_size": "all"}, "batch_size is 'all'"),
        ({"hidden": [0]}, "whole numbers above 0"),
        ({"adversary": {"epsilon": 1.0, "delta": 2}}, "adversary is"),
        ({"depth": 3}, "missing or unknown: depth"),
    ],
    ids=str,
)
def test_settings_of_another_kind_are_named(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Recipe.from_settings(RECIPES["deep"].settings() | changes)


def test_a_whole_number_will_do_where_a_fraction_may_stand():
    assert Recipe.from_settings(RECIPES["deep"].settings() | {"learning_rate": 1}).learning_rate == 1
