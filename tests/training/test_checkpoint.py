import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save_file

from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import Deformation
from chainrule.errors import CheckpointError, DivergenceError, OutputError, ValueRangeError
from chainrule.recipes import STANDARD, start
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint

SETTINGS = {"recipe": {"epochs": 4, "hidden": (16,)}, "seed": 3}


@pytest.fixture(scope="module")
def digits():
    digits = load_dataset("digits")
    return dataclasses.replace(digits, train_images=digits.train_images[:200], train_labels=digits.train_labels[:200])


#: Everything at once that has a state, besides momentum or moments, and a schedule.
STATEFUL = {"hidden": (16,), "average": 0.9, "hidden_dropout": 0.3, "deformation": Deformation(shift=1.0, alpha=10.0)}


def training_of(digits, **changes):
    recipe = dataclasses.replace(
        STANDARD,
        epochs=4,
        least_steps=0,
        batch_size=32,
        validation=20,
        **{**STATEFUL, **changes},
    )
    return start(recipe, digits, 3)


def finish(training):
    for _ in training:
        pass
    return training


def outcome(training):
    """What must not differ by a bit."""
    columns = {name: values for name, values in training.history.columns().items() if name != "seconds"}
    return training.network.parameters, training.result.parameters, columns, training.rng.bit_generator.state


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "learning_rate": 0.01}, {"average": 0.0}], ids=str)
@pytest.mark.parametrize("reports", [1, 3, 7])
def test_a_stopped_and_resumed_training_ends_with_the_bits_of_one_that_was_not(digits, tmp_path, changes, reports):
    straight = training_of(digits, **changes)
    stopped, resumed = training_of(digits, **changes), training_of(digits, **changes)
    for training in (straight, stopped, resumed):
        training.report_every = 2  # so that some reports are in the middle of an epoch
    for count, _ in enumerate(stopped, start=1):
        if count == reports:
            break
    save_checkpoint(stopped, tmp_path / "run.ckpt", SETTINGS)
    load_checkpoint(resumed, tmp_path / "run.ckpt", SETTINGS)
    assert resumed.step == stopped.step
    for one, other in zip(outcome(finish(straight)), outcome(finish(resumed)), strict=True):
        if isinstance(one, np.ndarray):
            assert_array_equal(one, other)
        else:
            assert one == other


def test_the_seconds_go_on_from_where_they_were(digits, tmp_path):
    stopped, resumed = training_of(digits), training_of(digits)
    next(iter(stopped))
    save_checkpoint(stopped, tmp_path / "run.ckpt", SETTINGS)
    load_checkpoint(resumed, tmp_path / "run.ckpt", SETTINGS)
    assert resumed.seconds == stopped.seconds > 0


def test_saving_changes_nothing_about_the_training(digits, tmp_path):
    watched, alone = training_of(digits), finish(training_of(digits))
    for _ in watched:
        save_checkpoint(watched, tmp_path / "run.ckpt", SETTINGS)
    assert_array_equal(watched.network.parameters, alone.network.parameters)


def test_another_training_is_refused_with_the_difference_named(digits, tmp_path):
    save_checkpoint(training_of(digits), tmp_path / "run.ckpt", SETTINGS)
    fresh = training_of(digits)
    before = fresh.network.parameters.copy()
    with pytest.raises(CheckpointError, match="seed was 3 and is now 4"):
        load_checkpoint(fresh, tmp_path / "run.ckpt", SETTINGS | {"seed": 4})
    with pytest.raises(CheckpointError, match=r"recipe\.epochs was 4 and is now 5"):
        load_checkpoint(fresh, tmp_path / "run.ckpt", SETTINGS | {"recipe": {"epochs": 5, "hidden": (16,)}})
    with pytest.raises(CheckpointError, match=r"run\.ckpt does not fit this training: parameters"):
        load_checkpoint(training_of(digits, hidden=(8,)), tmp_path / "run.ckpt", SETTINGS)
    assert_array_equal(fresh.network.parameters, before)


def test_other_files_are_no_checkpoints(digits, tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_checkpoint(training_of(digits), tmp_path / "none.ckpt", SETTINGS)
    save_file({"parameters": np.zeros(3)}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"not a whole checkpoint: .* no chainrule-checkpoint"):
        load_checkpoint(training_of(digits), tmp_path / "model.ckpt", SETTINGS)


def test_what_cannot_be_written_leaves_the_old_checkpoint(digits, tmp_path):
    with pytest.raises(OutputError):
        save_checkpoint(training_of(digits), tmp_path / "no folder" / "run.ckpt", SETTINGS)


def test_any_program_can_read_it(digits, tmp_path):
    save_checkpoint(training_of(digits), tmp_path / "run.ckpt", SETTINGS)
    with safe_open(tmp_path / "run.ckpt", framework="numpy") as file:
        assert {"format", "version", "state", "sha256"} == set(file.metadata())
        assert {"parameters", "order"} <= set(file.keys())


@pytest.mark.filterwarnings("error")
def test_finite_weights_too_large_to_be_multiplied_go_on_to_a_divergence_in_words(digits, tmp_path):
    """Found by fuzzing: who resumed them got NumPy's warning, and who predicted with them was told."""
    training, resumed = training_of(digits), training_of(digits)
    training.network.parameters[:] = 3e38
    save_checkpoint(training, tmp_path / "run.ckpt", SETTINGS)
    load_checkpoint(resumed, tmp_path / "run.ckpt", SETTINGS)
    with pytest.raises(ValueRangeError, match="beyond what float32 can hold"):
        resumed.model.predict(digits.train_images[:1])
    with pytest.raises(DivergenceError, match="at step 1 "):
        next(iter(resumed))
