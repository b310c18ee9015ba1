"""Learning from a stream: what one learns is in memory, the rest is read ahead."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.data import streams
from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import PRESETS
from chainrule.data.streams import Batches, Shards, endless_digits
from chainrule.errors import DataFileError, InputError
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import SGD
from chainrule.recipes import find_recipe, start
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint
from chainrule.training.reading import ReadAhead
from chainrule.training.training import Training

DIGITS = load_dataset("digits")
ORDER = np.argsort(DIGITS.train_labels, kind="stable")
IMAGES, LABELS = DIGITS.train_images[ORDER], DIGITS.train_labels[ORDER]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    monkeypatch.setattr(streams, "WINDOW_BYTES", 784 * 400)


def shards(block=4):
    return Shards([(IMAGES[:600], LABELS[:600]), (IMAGES[600:], LABELS[600:])], block=block)


def training_of(images, labels=None, epochs=3, **settings):
    network = multilayer_perceptron((784, 20, 10), rng=0)
    settings = {"optimizer": SGD(0.02, momentum=0.9), "batch_size": 50, "rng": 1, **settings}
    return Training(network, images, labels, epochs=epochs, **settings)


def test_it_learns_as_much_from_sorted_shards_as_from_shuffled_memory():
    accuracies = []
    for given in ((IMAGES, LABELS), (shards(),), (shards(block=1000),)):  # the last as sorted as it lies
        training = training_of(*given, epochs=15)
        last = list(training)[-1]
        accuracies.append(training.model.evaluate(DIGITS.test_images, DIGITS.test_labels).accuracy)
    in_memory, mixed, badly = accuracies
    assert mixed == pytest.approx(in_memory, abs=0.02)
    assert badly < mixed - 0.02
    assert last.train_accuracy == pytest.approx(np.mean(training.model.predict(IMAGES) == LABELS))


def test_every_step_counts_and_every_epoch_has_all():
    learned, held_out = shards().split(0.1, np.random.default_rng(0))
    training = training_of(learned, validation=held_out, epochs=2)
    reports = list(training)
    assert training.examples == learned.rows
    assert reports[-1].step == 2 * training.steps_per_epoch == 2 * -(-learned.rows // 50)
    assert all(0.5 < report.validation_accuracy <= 1 for report in reports)
    assert training.validation_examples == held_out.rows


@pytest.mark.parametrize("step", [1, 7, 8, 9, 28, 29, 30, 57])  # a window has 8 steps, an epoch 29
@pytest.mark.parametrize(
    "make", [shards, lambda: Batches(endless_digits(IMAGES, LABELS, PRESETS["simard-2003"], batch_size=50), steps=29)]
)
def test_resumed_in_the_middle_of_a_window_it_ends_with_the_same_bits(tmp_path, make, step):
    straight = training_of(make())
    list(straight)
    stopped = training_of(make(), report_every=1)
    for report in stopped:
        if report.step == step:
            break
    save_checkpoint(stopped, tmp_path / "run.ckpt", {})
    resumed = training_of(make(), rng=2)  # which would read in another order
    load_checkpoint(resumed, tmp_path / "run.ckpt", {})
    list(resumed)
    assert_array_equal(resumed.network.parameters, straight.network.parameters)
    assert resumed.history["loss"] == straight.history["loss"]


def test_the_next_window_is_read_while_this_one_is_learned_from():
    read, begun = shards(), threading.Event()

    class Watched(Shards):
        def read(self, epoch, index, seed, room):
            super().read(epoch, index, seed, room)
            if (epoch, index) == (0, 1):
                begun.set()

    read.__class__ = Watched
    reading = ReadAhead(read, 50, seed=3)
    room = reading.window(0, 0)
    assert begun.wait(timeout=30)  # nobody has asked for it
    first = room.images.copy()
    assert_array_equal(reading.room.images, first)  # and it went to the other room
    assert reading.window(0, 1) is not room


def test_what_goes_wrong_while_reading_ahead_is_raised_when_it_is_needed():
    def make(number):
        return IMAGES[:50], LABELS[:50] + 100 * (number == 3)

    training = training_of(Batches(make, steps=10), report_every=1)
    with pytest.raises(DataFileError, match=r"Batch 3: .* has the label 100"):
        list(training)
    assert training.step == 3


def test_a_stream_is_taken_in_batches_and_with_its_own_labels():
    for settings in (
        {"batch_size": None},
        {"labels": LABELS},
        {"rows": np.arange(5)},
        {"sample_weight": np.ones(len(IMAGES))},
    ):
        with pytest.raises(InputError, match="A stream is learned from in batches"):
            Training(multilayer_perceptron((784, 10), rng=0), shards(), optimizer=SGD(0.1), **settings)


def test_recipes_learn_from_streams_and_standardise_by_all_that_is_learned_from(monkeypatch, tmp_path):
    np.save(tmp_path / "train-images.npy", IMAGES)
    np.save(tmp_path / "train-labels.npy", LABELS)
    monkeypatch.setattr("chainrule.data.datasets.LARGEST_IN_MEMORY", 1000)
    dataset = load_dataset(tmp_path)
    recipe = find_recipe("leaky-128")
    with pytest.raises(InputError, match=r"takes all pictures at once.*Set a batch size"):
        start(recipe, dataset)
    training = start(find_recipe("standard").__class__.from_settings({**recipe.settings(), "batch_size": 50}), dataset)
    learned = np.concatenate([images for images, _ in training._stream.parts()])
    assert_array_equal(training.preparation.mean, learned.reshape(len(learned), -1).mean(axis=0) / 255)
