import copy
import gc
import math
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from chainrule.data.deformations import PRESETS
from chainrule.data.preparation import NoPreparation, Preparation
from chainrule.errors import (
    ChainruleError,
    DivergenceError,
    DtypeError,
    FailureError,
    InputError,
    ShapeError,
    ValueRangeError,
)
from chainrule.model import LARGE
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.metrics import accuracy
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.objective import Adversary
from chainrule.nn.optimizers import SGD, Adam, ExponentialAverage
from chainrule.nn.schedules import Constant, WarmupCosine
from chainrule.training import training as module
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint
from chainrule.training.training import Training, fit, quiet

N, SIDE, CLASSES = 60, 8, 3


def task(seed=0, count=N):
    """Pictures of three kinds, each bright in another place, under noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    images = rng.integers(0, 120, (count, SIDE, SIDE), dtype=np.uint8)
    for i, label in enumerate(labels):
        images[i, 2 * label : 2 * label + 3] += 100
    return images, labels


def network_of(dtype=np.float32, seed=0, hidden=(7,), **settings):
    return multilayer_perceptron((SIDE * SIDE, *hidden, CLASSES), rng=seed, dtype=dtype, **settings)


def training_of(network=None, **settings):
    settings = {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 16, "epochs": 3, "rng": 0, **settings}
    return Training(network_of() if network is None else network, *task(), **settings)


def finished(training):
    for _ in training:
        pass
    return training


def bits(training):
    return training.network.parameters.tobytes(), training.result.parameters.tobytes()


class Recorded(Training):
    """A training that notes which rows each step learns from."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.batches = []

    def _next_rows(self):
        rows = super()._next_rows()
        self.batches.append(rows.copy())
        return rows


# ---------------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "rows",
    [[7, 8, 9, 10], [7], [7, 9, 8, 10], [7, 9, 11, 13], [10, 9, 8, 7], [7, 7, 10, 10], [59, 0, 59]],
    ids=str,
)
def test_a_batch_is_the_prepared_pictures_of_its_rows_neighbours_or_not(rows):
    images, labels = task()
    training = training_of()
    x, y = training.batch.gatherer.gather(np.array(rows), training.rng)
    assert_array_equal(x, training.preparation.transform(images[rows]))
    assert_array_equal(y, labels[rows])


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda training: pickle.loads(pickle.dumps(training))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9, weight_decay=0.01), Adam(0.01)], ids=["sgd", "adam"])
def test_a_copy_goes_on_as_the_original_does(optimizer, duplicate):
    original = training_of(optimizer=copy.deepcopy(optimizer), average=ExponentialAverage(0.9))
    next(iter(original))
    copied = duplicate(original)
    before = bits(copied)
    assert bits(finished(copied)) == bits(finished(original)) != before


# ------------------------------------------------------------------------------------------------- reports


def test_a_training_learns():
    reports = list(training_of(epochs=10))
    assert reports[-1].loss < 0.1 * reports[0].loss
    assert reports[-1].train_accuracy == 1


def test_there_is_a_report_at_the_end_of_each_epoch():
    training = training_of()
    reports = list(training)
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert [report.step for report in reports] == [4, 8, 12]
    assert list(training.history) == reports
    assert (training.epoch, training.step) == (3, 12)
    assert training.steps_per_epoch == 4


def test_reports_are_plain_numbers():
    for report in training_of(validation_rows=np.arange(50, 60), report_every=3):
        assert {type(value) for value in report} <= {int, float, type(None)}


def test_seconds_never_fall():
    training = training_of(report_every=1)
    seconds = [report.seconds for report in training]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert training.seconds == seconds[-1]


def test_evaluate_every_spares_epochs_and_never_the_last():
    reports = list(training_of(epochs=8, evaluate_every=3))
    assert [report.epoch for report in reports] == [3, 6, 8]
    assert all(report.train_accuracy is not None for report in reports)


def test_light_reports_come_between_and_have_no_accuracies():
    training = training_of(report_every=3, validation_rows=np.arange(10))
    reports = list(training)
    assert [report.step for report in reports] == [3, 4, 6, 8, 9, 12]
    assert [report.epoch for report in reports] == [0, 1, 1, 2, 2, 3]
    for report in reports:
        light = report.step % 4 != 0
        assert (report.train_accuracy is None) == (report.validation_accuracy is None) == light
    assert [report.step for report in training.history] == [4, 8, 12]


def test_light_reports_change_no_bit():
    assert bits(finished(training_of(report_every=1))) == bits(finished(training_of()))


def test_a_loss_is_the_mean_over_the_steps_since_the_last_full_report():
    losses = []

    def noting(logits, labels, out=None, **options):
        loss, d = cross_entropy(logits, labels, out, **options)
        losses.append(loss)
        return loss, d

    reports = list(training_of(epochs=4, evaluate_every=2, report_every=3, loss=noting))
    assert len(losses) == 16
    expected = {3: losses[:3], 6: losses[:6], 8: losses[:8], 9: losses[8:9], 12: None, 15: losses[8:15]}
    for report in reports:
        since = expected.get(report.step) or losses[8 if report.step > 8 else 0 : report.step]
        assert report.loss == pytest.approx(math.fsum(since) / len(since), rel=1e-12)


def test_there_is_no_validation_accuracy_without_validation_rows():
    for rows in (None, np.arange(0)):
        assert {report.validation_accuracy for report in training_of(validation_rows=rows)} == {None}


def test_validation_accuracy_is_that_of_the_validation_rows():
    images, labels = task()
    training = training_of(rows=np.arange(40), validation_rows=np.arange(40, 60), epochs=1)
    (report,) = training
    assert report.validation_accuracy == accuracy(training.model.predict(images[40:]), labels[40:])


def test_the_last_reports_training_accuracy_is_on_all_rows_and_the_others_on_a_sample():
    images, labels = task()
    rows = np.random.default_rng(3).permutation(N)[:45]
    training = training_of(rows=rows, epochs=4, optimizer=SGD(0.01), train_sample=10)
    sample, told_apart = rows[::5], 0
    for report in training:
        on_sample = accuracy(training.model.predict(images, sample), labels[sample])
        on_all = accuracy(training.model.predict(images, rows), labels[rows])
        assert report.train_accuracy == (on_all if report.epoch == 4 else on_sample)
        told_apart += on_all != on_sample
    assert on_all != on_sample
    assert told_apart > 1


def test_what_is_evaluated_has_no_dropout():
    images, labels = task()
    training = training_of(network_of(hidden_dropout=0.5))
    for report in training:
        x = training.preparation.transform(images)
        assert report.train_accuracy == accuracy(training.network.forward(x).output.argmax(axis=1), labels)


# ----------------------------------------------------------------------------------------- break and go on


def variants():
    return {
        "momentum": {},
        "adam": {"optimizer": Adam(0.01)},
        "average": {"average": ExponentialAverage(0.9)},
        "schedule": {"schedule": WarmupCosine(0.1, 12, warmup=3)},
        "full batch": {"batch_size": None, "epochs": 6},
        "dropout": {"network": network_of(input_dropout=0.1, hidden_dropout=0.5)},
    }


@pytest.mark.parametrize("kind", variants())
@pytest.mark.parametrize("report_every", [None, 1, 3])
def test_a_broken_loop_goes_on_where_it_was_to_the_same_bits(kind, report_every):
    whole = finished(training_of(report_every=report_every, **variants()[kind]))
    broken = training_of(report_every=report_every, **variants()[kind])
    reports = []
    for _ in range(1000):
        for report in broken:
            reports.append(report)
            break
        else:
            break
    assert bits(broken) == bits(whole)
    assert broken.step == whole.step == reports[-1].step
    for name in ("epoch", "step", "loss", "train_accuracy", "learning_rate"):
        assert broken.history[name] == whole.history[name]


def test_a_break_in_the_middle_of_an_epoch_is_in_the_middle():
    training = training_of(network_of(hidden_dropout=0.5), report_every=3)
    report = next(iter(training))
    assert (report.epoch, report.step, training.epoch, training.step) == (0, 3, 0, 3)
    whole = finished(training_of(network_of(hidden_dropout=0.5)))
    assert bits(finished(training)) == bits(whole)


def test_a_finished_training_is_finished():
    training = finished(training_of())
    before = bits(training)
    assert list(training) == []
    assert bits(training) == before
    assert len(training.history) == 3


def test_more_epochs_can_be_asked_for_afterwards():
    training = finished(training_of(epochs=2))
    training.epochs = 3
    assert [report.epoch for report in training] == [3]
    assert bits(training) == bits(finished(training_of(epochs=3)))


# ------------------------------------------------------------------------------------------------------ seed


@pytest.mark.parametrize("settings", variants().values(), ids=variants())
def test_the_same_seed_gives_the_same_bits(settings):
    settings = {name: value for name, value in settings.items() if name != "network"}
    drops = {"hidden_dropout": 0.5} if not settings else {}
    runs = []
    for _ in range(2):
        fresh = {name: copy.deepcopy(value) for name, value in settings.items()}
        runs.append(bits(finished(training_of(network_of(**drops), **fresh))))
    assert runs[0] == runs[1]


def test_another_seed_gives_other_bits():
    assert bits(finished(training_of(rng=0))) != bits(finished(training_of(rng=1)))


def test_a_seed_and_a_generator_of_that_seed_are_the_same():
    assert bits(finished(training_of(rng=5))) == bits(finished(training_of(rng=np.random.default_rng(5))))


def test_the_full_batch_draws_nothing_and_needs_no_seed():
    one, other = (finished(training_of(batch_size=None, rng=seed)) for seed in (0, 1))
    assert bits(one) == bits(other)


# ------------------------------------------------------------------------------------------ the mathematics


def test_the_full_batch_is_plain_gradient_descent():
    images, labels = task()
    X = images.reshape(N, -1) / 255
    T = np.eye(CLASSES)[labels]
    network = network_of(np.float64, hidden=(7,), activation="tanh")
    (W1, b1), (W2, b2) = (
        (layer.weight.copy(), layer.bias.copy()) for layer in network.layers if hasattr(layer, "weight")
    )
    costs = []
    for _ in range(20):
        A = np.tanh(X @ W1 + b1)
        Z = A @ W2 + b2
        P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
        costs.append(-np.mean(np.log(P[np.arange(N), labels])))
        dZ = (P - T) / N
        dA = dZ @ W2.T * (1 - A**2)
        W2, b2, W1, b1 = W2 - 0.3 * A.T @ dZ, b2 - 0.3 * dZ.sum(0), W1 - 0.3 * X.T @ dA, b1 - 0.3 * dA.sum(0)
    training = finished(training_of(network, optimizer=SGD(0.3), batch_size=None, epochs=20))
    expected = np.concatenate([W1.ravel(), b1, W2.ravel(), b2])
    assert_allclose(network.parameters, expected, rtol=1e-11, atol=1e-13)
    assert_allclose(training.history["loss"], costs, rtol=1e-12)


def test_a_batch_of_all_rows_is_the_full_batch_to_rounding():
    one = finished(training_of(network_of(np.float64), batch_size=N))
    other = finished(training_of(network_of(np.float64), batch_size=None))
    assert_allclose(one.network.parameters, other.network.parameters, rtol=1e-10, atol=1e-13)


def weighted(sample_weight, images=None, labels=None, **settings):
    """A training in float64 on rows that count differently."""
    images, labels = task() if images is None else (images, labels)
    settings = {"optimizer": SGD(0.1, momentum=0.9), "batch_size": None, "epochs": 5, "rng": 0, **settings}
    return finished(Training(network_of(np.float64), images, labels, sample_weight=sample_weight, **settings))


def test_a_weight_is_how_often_a_row_is_given():
    images, labels = task()
    times = np.random.default_rng(4).integers(0, 4, N)
    repeated = weighted(None, images.repeat(times, axis=0), labels.repeat(times))
    by_weight = weighted(times)
    assert_allclose(by_weight.network.parameters, repeated.network.parameters, rtol=1e-9, atol=1e-12)
    assert_allclose(by_weight.history["loss"], repeated.history["loss"], rtol=1e-10)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_what_counts_is_the_ratio_of_the_weights(batch_size):
    weights = np.random.default_rng(4).uniform(0.1, 3.0, N)
    one, other = weighted(weights, batch_size=batch_size), weighted(8 * weights, batch_size=batch_size)
    assert_allclose(one.network.parameters, other.network.parameters, rtol=1e-12)
    equal, none = weighted(np.full(N, 3.0), batch_size=batch_size), weighted(None, batch_size=batch_size)
    assert bits(equal) == bits(none)


def test_rows_of_weight_0_are_never_learned_from():
    weights = (np.arange(N) % 3 > 0) * 1.0
    rows = np.flatnonzero(weights)
    images, labels = task()
    alone = finished(Training(network_of(), images, labels, rows=rows, optimizer=SGD(0.1), batch_size=16, rng=0))
    beside = finished(
        Training(network_of(), images, labels, sample_weight=weights, optimizer=SGD(0.1), batch_size=16, rng=0)
    )
    assert bits(alone) == bits(beside)


def test_the_gradients_of_weighted_batches_have_the_mean_of_the_whole():
    weights = np.random.default_rng(4).uniform(0.1, 3.0, N)
    training = Training(
        network_of(np.float64), *task(), sample_weight=weights, optimizer=SGD(0.1), batch_size=15, rng=0
    )
    parts = []
    for rows in np.random.default_rng(5).permutation(N).reshape(4, 15):
        training._compute_gradient(rows)
        parts.append(training.batch.gradient.copy())
    images, labels = task()
    trace = training.network.forward(training.preparation.transform(images, dtype=np.float64))
    _, d = cross_entropy(trace.output, labels, sample_weight=weights)
    assert_allclose(np.mean(parts, axis=0), training.network.backward(trace, d), rtol=1e-9, atol=1e-13)


def test_rows_of_numbers_are_learned_from_as_they_are():
    images, labels = task()
    rows = (images.reshape(N, -1) / 255).astype(np.float32)
    settings = {"optimizer": SGD(0.1), "batch_size": 16, "epochs": 3, "rng": 0}
    of_rows = finished(Training(network_of(), rows, labels, preparation=NoPreparation((1, SIDE * SIDE)), **settings))
    of_pictures = finished(Training(network_of(), images, labels, **settings))
    assert_allclose(of_rows.network.parameters, of_pictures.network.parameters, rtol=1e-3, atol=1e-5)
    assert of_rows.history["train_accuracy"] == of_pictures.history["train_accuracy"]


def test_without_shuffling_the_rows_come_in_their_order():
    training = Recorded(network_of(), *task(), optimizer=SGD(0.1), batch_size=16, epochs=2, shuffle=False, rng=0)
    finished(training)
    assert_array_equal(np.concatenate(training.batches), np.tile(np.arange(N), 2))


def test_the_training_accuracy_can_be_left_out():
    reports = list(training_of(train_sample=0, validation_rows=np.arange(50, 60)))
    assert {report.train_accuracy for report in reports} == {None}
    assert None not in {report.validation_accuracy for report in reports}


@pytest.mark.parametrize("block", [1, 7, 16, 60])
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("drops", [{}, {"hidden_dropout": 0.4}, {"input_dropout": 0.2}], ids=["plain", "hidden", "in"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_in_parts_is_the_undivided_one_to_rounding(monkeypatch, block, batch_size, drops, dtype):
    whole = finished(training_of(network_of(dtype, **drops), batch_size=batch_size))
    monkeypatch.setattr(module, "BLOCK", block)
    parts = finished(training_of(network_of(dtype, **drops), batch_size=batch_size))
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    assert_allclose(parts.network.parameters, whole.network.parameters, rtol=tolerance, atol=tolerance)
    assert_allclose(parts.history["loss"], whole.history["loss"], rtol=tolerance)


@pytest.mark.parametrize(("batch_size", "sizes"), [(16, [16, 16, 16, 12]), (60, [60]), (100, [60]), (59, [59, 1])])
def test_the_last_batch_of_an_epoch_may_be_smaller(batch_size, sizes):
    training = Recorded(network_of(), *task(), optimizer=SGD(0.1), batch_size=batch_size, epochs=2, rng=0)
    finished(training)
    assert [len(batch) for batch in training.batches] == sizes * 2
    assert training.steps_per_epoch == len(sizes)


def test_each_batch_is_divided_by_its_own_size():
    images, labels = task()
    training = Recorded(network_of(np.float64), images, labels, optimizer=SGD(0.1), batch_size=25, epochs=1, rng=0)
    θ = training.network.parameters.copy()
    finished(training)
    assert [len(batch) for batch in training.batches] == [25, 25, 10]
    for batch in training.batches:
        network = training.network.with_parameters(θ)
        trace = network.forward(images[batch].reshape(len(batch), -1) / 255)
        gradient = network.backward(trace, cross_entropy(trace.output, labels[batch])[1])
        θ = θ - 0.1 * gradient
    assert_allclose(training.network.parameters, θ, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [7, 16, None])
def test_every_row_is_used_exactly_once_an_epoch(batch_size):
    rows = np.random.default_rng(0).permutation(N)[:37]
    training = Recorded(network_of(), *task(), optimizer=SGD(0.1), rows=rows, batch_size=batch_size, epochs=3, rng=0)
    finished(training)
    steps = training.steps_per_epoch
    epochs = [np.concatenate(training.batches[i * steps : (i + 1) * steps]) for i in range(3)]
    assert len(training.batches) == 3 * steps
    for epoch in epochs:
        assert sorted(epoch) == sorted(rows)
    shuffled = batch_size is not None
    assert np.array_equal(epochs[0], epochs[1]) != shuffled


def test_the_schedule_sets_the_rate_of_each_step():
    schedule = WarmupCosine(0.2, 12, warmup=3)
    reports = list(training_of(schedule=schedule, report_every=1, optimizer=SGD(99.0)))
    assert [report.learning_rate for report in reports] == [schedule(step) for step in range(12)]


def test_without_a_schedule_the_optimizers_own_rate_stands():
    training = training_of(optimizer=SGD(0.01), report_every=1)
    rates = []
    for report in training:
        rates.append(report.learning_rate)
        training.optimizer.learning_rate = 0.02
    assert rates == [0.01] + [0.02] * 11


def test_a_rate_of_zero_teaches_nothing():
    network = network_of()
    before = network.parameters.copy()
    finished(training_of(network, schedule=Constant(0.0)))
    assert_array_equal(network.parameters, before)


def test_validation_rows_are_never_learned_from():
    images, labels = task()
    settings = {"optimizer": SGD(0.1), "rows": np.arange(40), "validation_rows": np.arange(40, 60), "rng": 0}
    one = finished(Training(network_of(), images, labels, epochs=3, **settings))
    other_images, other_labels = images.copy(), labels.copy()
    other_images[40:] = 255 - images[40:]
    other_labels[40:] = (labels[40:] + 1) % CLASSES
    settings["optimizer"] = SGD(0.1)
    other = finished(Training(network_of(), other_images, other_labels, epochs=3, **settings))
    assert bits(one) == bits(other)
    assert one.history["validation_accuracy"] != other.history["validation_accuracy"]
    del settings["validation_rows"]
    settings["optimizer"] = SGD(0.1)
    assert bits(finished(Training(network_of(), images, labels, epochs=3, **settings))) == bits(one)


def test_dropout_drops_what_the_trainings_generator_draws():
    images, labels = task()
    network = network_of(np.float64, input_dropout=0.1, hidden_dropout=0.5)
    plain = network.with_parameters(network.parameters.copy())
    trace = plain.forward(images.reshape(N, -1) / 255, rng=np.random.default_rng(4))
    expected = plain.parameters - 0.1 * plain.backward(trace, cross_entropy(trace.output, labels)[1])
    finished(training_of(network, optimizer=SGD(0.1), batch_size=None, epochs=1, rng=4))
    assert_allclose(network.parameters, expected, rtol=1e-12)


def test_the_preparation_is_the_one_that_was_given():
    images, labels = task()
    preparation = Preparation.fit(images, standardise=True)
    network = network_of(np.float64)
    θ = network.parameters.copy()
    finished(training_of(network, preparation=preparation, batch_size=None, optimizer=SGD(0.1), epochs=1))
    plain = network.with_parameters(θ)
    trace = plain.forward(preparation.transform(images, dtype=np.float64))
    θ = θ - 0.1 * plain.backward(trace, cross_entropy(trace.output, labels)[1])
    assert_allclose(network.parameters, θ, rtol=1e-12)


def test_the_loss_is_the_one_that_was_given():
    squared = finished(training_of(loss=mean_squared_error))
    assert squared.history["loss"][-1] < squared.history["loss"][0] < 3
    assert bits(squared) != bits(finished(training_of()))


# ---------------------------------------------------------------------------------------------- the result


def test_the_result_is_the_network_itself_where_nothing_is_averaged():
    training = training_of()
    assert training.result is training.network
    assert finished(training).result is training.network


def test_the_result_is_the_average_where_there_is_one():
    images, labels = task()
    average = ExponentialAverage(0.8)
    training = training_of(average=average, report_every=1, optimizer=SGD(0.3))
    seen = []
    for report in training:  # noqa: B007 (the last one is looked at below)
        seen.append(training.network.parameters.astype(np.float64))
    expected = seen[0]
    for t, θ in enumerate(seen[1:], start=1):
        β = min(0.8, t / (t + 1))
        expected = β * expected + (1 - β) * θ
    assert_allclose(training.result.parameters, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(training.result.parameters, training.network.parameters, rtol=1e-4, atol=1e-6)
    assert report.train_accuracy == accuracy(training.model.predict(images), labels)
    assert training.model.network.parameters.tobytes() == training.result.parameters.tobytes()


def test_before_the_first_step_the_result_is_the_network():
    training = training_of(average=ExponentialAverage(0.9))
    assert training.result is training.network


def test_what_is_evaluated_is_the_average():
    images, labels = task()
    training = training_of(average=ExponentialAverage(0.99), optimizer=SGD(0.02), epochs=6, batch_size=30)
    differed = False
    for report in training:
        kept = accuracy(training.model.predict(images), labels)
        assert report.train_accuracy == kept
        x = training.preparation.transform(images)
        differed |= kept != accuracy(training.network.forward(x).output.argmax(axis=1), labels)
    assert differed


def test_the_model_has_the_trainings_preparation_and_numbers_for_names():
    training = training_of()
    assert training.model.preparation is training.preparation
    assert training.model.class_names == ("0", "1", "2")


@pytest.mark.parametrize("settings", variants().values(), ids=variants())
def test_images_labels_and_rows_are_left_as_they_were(settings):
    images, labels = task()
    rows, validation_rows = np.arange(40), np.arange(40, 60)
    arrays = (images, labels, rows, validation_rows)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    settings = {
        "network": network_of(),
        "optimizer": SGD(0.1),
        "batch_size": 16,
        "epochs": 2,
        **copy.deepcopy(settings),
    }
    network = settings.pop("network")
    finished(Training(network, images, labels, rows=rows, validation_rows=validation_rows, **settings))
    for array, copied in zip(arrays, before, strict=True):
        assert_array_equal(array, copied)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.dtype(">i4")])
def test_labels_of_every_integer_dtype_are_the_same(dtype):
    images, labels = task()
    expected = finished(Training(network_of(), images, labels, optimizer=SGD(0.1), rng=0))
    training = finished(Training(network_of(), images, labels.astype(dtype), optimizer=SGD(0.1), rng=0))
    assert bits(training) == bits(expected)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.uint64, np.dtype(">i8")])
def test_rows_of_every_integer_dtype_are_the_same(dtype):
    rows = np.random.default_rng(0).permutation(N)[:40]
    rows, held_out = rows[:30], rows[30:]
    expected = finished(training_of(rows=rows, validation_rows=held_out))
    training = finished(training_of(rows=rows.astype(dtype), validation_rows=held_out.astype(dtype)))
    assert bits(training) == bits(expected)
    assert training.history["validation_accuracy"] == expected.history["validation_accuracy"]


def test_pictures_that_are_not_contiguous_are_the_same():
    images, labels = task()
    spread = np.zeros((N, SIDE, 2 * SIDE), np.uint8)
    spread[:, :, ::2] = images
    expected = finished(Training(network_of(), images, labels, optimizer=SGD(0.1), rng=0))
    training = finished(Training(network_of(), spread[:, :, ::2], labels, optimizer=SGD(0.1), rng=0))
    assert bits(training) == bits(expected)


def test_fit_returns_the_network_and_the_history():
    settings = {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 16, "epochs": 3, "rng": 0}
    network, history = fit(network_of(), *task(), **settings)
    training = finished(training_of())
    assert network.parameters.tobytes() == training.result.parameters.tobytes()
    assert history["loss"] == training.history["loss"]


def test_fit_returns_the_average_where_there_is_one():
    average = ExponentialAverage(0.9)
    network, _ = fit(network_of(), *task(), optimizer=SGD(0.1), average=average, epochs=2, rng=0)
    assert_array_equal(network.parameters, average.parameters)


# ---------------------------------------------------------------------------------------------- allocation


ALLOCATING = {
    "plain": {"optimizer": SGD(0.01, momentum=0.9, weight_decay=1e-4)},
    "adam": {"optimizer": Adam(1e-3)},
    "schedule and average": {"schedule": WarmupCosine(0.01, 200), "average": ExponentialAverage(0.9)},
    "standardised": {"standardise": True},
    "dropout": {"dropout": 0.2},
    "deformed": {"deformation": PRESETS["ciresan-2010"]},
    "weights": {"sample_weight": np.linspace(0.1, 1.0, 300)},
    "adversary": {"adversary": Adversary(1.0, virtual=False)},
    "virtual adversary": {"adversary": Adversary(1.0)},
    "max-norm": {"max_norm": 0.1},
    "in parts": {"block": 32},
    "in uneven parts, with everything": {"block": 50, "dropout": 0.2, "standardise": True},
}


@pytest.mark.parametrize("settings", ALLOCATING.values(), ids=ALLOCATING)
def test_a_warm_step_allocates_nothing(settings, monkeypatch):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8), rng.integers(0, 10, 300)
    settings = {"optimizer": SGD(0.01, momentum=0.9), "block": 512, "dropout": 0.0, "standardise": False, **settings}
    monkeypatch.setattr(module, "BLOCK", settings.pop("block"))
    preparation = Preparation.fit(images, standardise=settings.pop("standardise"))
    rate = settings.pop("dropout")
    network = multilayer_perceptron((784, 128, 10), input_dropout=rate, hidden_dropout=rate, rng=0)
    training = Training(network, images, labels, preparation=preparation, batch_size=128, rng=0, **settings)
    batches = rng.permutation(300)[:256].reshape(2, 128)

    def step(i):
        with quiet():
            training._take_step(batches[i % 2])
        gc.collect()  # the interpreter keeps some of the tuples it has done with; that is not the step's

    gc.freeze()
    tracemalloc.start()
    try:
        for i in range(4):
            step(i)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for i in range(100):
            step(i)
        rise = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert rise < 16 * 1024


# ------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("rate", [1e20, 1e38])
@pytest.mark.parametrize("batch_size", [16, None])
def test_a_rate_that_is_too_large_ends_in_a_divergence_that_names_step_and_rate(rate, batch_size):
    training = training_of(optimizer=SGD(rate), batch_size=batch_size, epochs=100)
    with pytest.raises(DivergenceError) as caught:
        finished(training)
    message = str(caught.value)
    step = training.step if message.startswith("The network's outputs") else training.step + 1
    assert f" at step {step} " in message
    assert message.endswith(f"Is the learning rate of {rate:g} too large? Try {rate / 10:g}.")
    assert isinstance(caught.value, FailureError)


class Gradients(Training):
    """A training that notes the gradient of each step."""

    def _compute_gradient(self, rows):
        loss = super()._compute_gradient(rows)
        self.gradients = [*getattr(self, "gradients", []), self.batch.gradient.copy()]
        return loss


DIVERGING = {
    "plain": {"optimizer": SGD(1e20)},
    "momentum": {"optimizer": SGD(1e20, momentum=0.9)},
    "adam": {"optimizer": Adam(1e20)},
    "no epsilon": {"optimizer": Adam(1e20, epsilon=0.0)},
    "adversary": {"optimizer": SGD(1e20), "adversary": Adversary(1.0)},
    "plain adversary": {"optimizer": SGD(1e20), "adversary": Adversary(1.0, virtual=False)},
    "average": {"optimizer": SGD(1e20), "average": ExponentialAverage(0.9)},
    "max norm": {"optimizer": SGD(1e38), "max_norm": 1e30},
    "full batch": {"optimizer": SGD(1e20), "batch_size": None},
    "float64": {"optimizer": SGD(1e200), "dtype": np.float64},
    "squares": {"optimizer": SGD(1e20), "loss": mean_squared_error},
    "deformed": {"optimizer": SGD(1e20), "deformation": PRESETS["simard-2003"]},
    "shared out": {"optimizer": SGD(1e200), "batch_size": None, "dtype": np.float64, "among": 2},
}


@pytest.mark.parametrize("settings", DIVERGING.values(), ids=DIVERGING)
def test_whatever_diverges_stops_where_it_is_and_names_step_rate_and_largest_gradient(settings, monkeypatch):
    settings = copy.deepcopy(settings)
    if among := settings.pop("among", 0):
        monkeypatch.setattr(module, "LARGE", 20)
        monkeypatch.setattr(module, "cores", lambda: among)
    network = network_of(settings.pop("dtype", np.float32))
    training = Gradients(network, *task(), **{"batch_size": 16, "epochs": 20, "report_every": 1, "rng": 0, **settings})
    seen = [network.parameters.copy()]
    with pytest.raises(DivergenceError) as caught:
        seen.extend(network.parameters.copy() for _ in training)
    said = re.fullmatch(
        r"The (?P<what>.+) at step (?P<step>\d+) \(epoch \d+\)\. The largest gradient, (?P<size>\S+), was in "
        r"(?P<name>dense[12]\.(weight|bias)) at step (?P<when>\d+)\. Is the learning rate of (?P<rate>\S+) too "
        r"large\? Try \S+\.",
        str(caught.value),
    )
    assert float(said["rate"]) == pytest.approx(training.optimizer.learning_rate)
    block = next(block for block in network.layout if block.name == said["name"])
    there = np.abs(training.gradients[int(said["when"]) - 1][block.slice]).max()
    assert there == pytest.approx(float(said["size"]), rel=5e-3) or not np.isfinite(there)
    if said["what"].startswith("loss"):  # that step was not taken
        assert training.step == int(said["step"]) - 1
        assert network.parameters.tobytes() == seen[-1].tobytes()


def test_an_optimizers_memory_that_overflows_is_a_divergence_though_loss_and_parameters_are_finite():
    """A square of 1e40 is infinite in float32, and what is divided by it would never move again."""
    training = training_of(optimizer=Adam(1e-3), loss=steep, epochs=2)
    with pytest.raises(DivergenceError, match=r"^The optimizer's mean of the gradients' squares stopped being finite"):
        finished(training)
    assert np.isfinite(training.network.parameters).all()


def steep(outputs, targets, out=None, *, total=None):
    loss, d = cross_entropy(outputs, targets, out, total=total)
    return loss, np.multiply(d, 1e21, out=d)


def test_an_average_that_overflows_is_a_divergence_though_the_parameters_are_finite():
    average = ExponentialAverage(0.0)
    training = training_of(average=average, batch_size=None, optimizer=SGD(0.0), epochs=1)
    average.update(training.network.parameters)
    average.parameters[0] = -np.finfo(np.float32).max
    training.network.parameters[0] = np.finfo(np.float32).max  # of pixel 0, which is seldom lit
    training.images[:, 0, 0] = 0
    with pytest.raises(DivergenceError, match=r"^The average of the parameters stopped being finite at step 1 "):
        finished(training)


def test_outputs_that_overflow_after_the_last_step_are_a_divergence_though_the_parameters_are_finite():
    training = training_of(optimizer=SGD(1e38), batch_size=None, epochs=1)
    with pytest.raises(DivergenceError, match=r"^The network's outputs stopped being finite at step 1 \(epoch 1\)"):
        finished(training)
    assert np.isfinite(training.network.parameters).all()


def test_what_was_saved_before_a_divergence_is_whole_and_goes_on_with_a_smaller_rate(tmp_path):
    def rate(step):
        return 0.1 if step < 5 else 1e12

    training = training_of(schedule=rate, epochs=10)
    path, seen = tmp_path / "run.ckpt", []

    def save():
        save_checkpoint(training, path, {})
        return path.read_bytes(), training.network.parameters.copy()

    with pytest.raises(DivergenceError) as first:
        seen.extend(save() for _ in training)
    saved, parameters = seen[-1]
    assert path.read_bytes() == saved

    again = training_of(schedule=rate, epochs=10)
    load_checkpoint(again, path, {})
    assert_array_equal(again.network.parameters, parameters)
    with pytest.raises(DivergenceError) as second:
        finished(again)
    assert str(second.value).partition(".")[0] == str(first.value).partition(".")[0]

    smaller = training_of(schedule=Constant(0.1), epochs=10)
    load_checkpoint(smaller, path, {})
    assert finished(smaller).epoch == 10


def test_the_step_that_diverges_is_not_taken():
    seen = []
    training = training_of(optimizer=SGD(1e20), report_every=1, batch_size=30, epochs=100)
    with pytest.raises(DivergenceError):
        seen.extend(training.network.parameters.copy() for _ in training)
    assert_array_equal(training.network.parameters, seen[-1])


def test_a_divergence_in_the_last_step_is_one_too():
    network = network_of()
    network.parameters *= 1e5
    training = training_of(network, optimizer=SGD(1e38), batch_size=None, epochs=1)
    with pytest.raises(DivergenceError, match=r"step 1 \(epoch 1\).*Try 1e\+37"):
        finished(training)


def test_a_loss_that_is_nan_at_once_names_the_first_step():
    network = network_of()
    network.parameters[0] = np.nan
    with pytest.raises(DivergenceError, match=r"step 1 \(epoch 1\)"):
        finished(training_of(network))


IMAGES, LABELS = task()
SCALING = Preparation((SIDE, SIDE))
BAD = {
    "no rows": ({"rows": np.arange(0)}, ValueRangeError, "no rows were given"),
    "no pictures": (
        {"images": IMAGES[:0], "labels": LABELS[:0]},
        ValueRangeError,
        "no pictures were given",
    ),
    "no pictures, prepared": (
        {"images": IMAGES[:0], "labels": LABELS[:0], "preparation": SCALING},
        ValueRangeError,
        "no pictures were given",
    ),
    "a row too large": ({"rows": np.array([0, 60])}, ValueRangeError, "rows runs from 0 to 60, and there are 60"),
    "a negative row": ({"rows": np.array([-1, 5])}, ValueRangeError, "rows runs from -1 to 5"),
    "rows that are floats": ({"rows": np.array([0.0, 1.0])}, ShapeError, "rows has .*float64; expected integers"),
    "rows that are truths": ({"rows": np.ones(60, bool)}, ShapeError, "rows has .*bool; expected integers"),
    "rows in two dimensions": ({"rows": np.zeros((2, 2), int)}, ShapeError, r"rows has shape \(2, 2\)"),
    "a validation row too large": (
        {"validation_rows": np.array([60])},
        ValueRangeError,
        "validation_rows runs from 60 to 60",
    ),
    "validation rows that are floats": ({"validation_rows": np.array([0.5])}, ShapeError, "validation_rows has"),
    "a label too large": ({"labels": np.full(60, 3)}, ValueRangeError, "label 3 in row 0 .*expected 0 to 2"),
    "a negative label": ({"labels": np.full(60, -1)}, ValueRangeError, "label -1 in row 0"),
    "too few labels": ({"labels": LABELS[:59]}, ShapeError, r"\(59,\); expected \(60,\)"),
    "labels that are floats": ({"labels": LABELS / 1.0}, DtypeError, "labels are float64; expected integers"),
    "no labels": ({"labels": None}, InputError, "no labels to learn from; expected one for each picture"),
    "labels one-hot": ({"labels": np.eye(3)[LABELS]}, ShapeError, r"\(60, 3\); expected \(60,\)"),
    "a batch of none": ({"batch_size": 0}, ValueRangeError, "batch_size is 0; expected a whole number"),
    "a batch of fewer": ({"batch_size": -1}, ValueRangeError, "batch_size is -1"),
    "no epochs": ({"epochs": 0}, ValueRangeError, "epochs is 0; expected a whole number, at least 1"),
    "half a batch": ({"batch_size": 2.5}, ValueRangeError, "batch_size is 2.5; expected a whole number"),
    "half an epoch": ({"epochs": 1.5}, ValueRangeError, "epochs is 1.5"),
    "epochs in words": ({"epochs": "3"}, ValueRangeError, "epochs is '3'"),
    "reports too often": ({"report_every": 0}, ValueRangeError, "report_every is 0"),
    "half a report": ({"report_every": 2.5}, ValueRangeError, "report_every is 2.5"),
    "pictures in a list": ({"images": IMAGES.tolist()}, DtypeError, "images is a list; expected a NumPy array"),
    "no pictures at all": ({"images": None}, DtypeError, "images is None"),
    "labels in a list": ({"labels": LABELS.tolist()}, DtypeError, r"labels is a list; .*np\.asarray\(labels\)"),
    "rows in a list": ({"rows": [0, 1, 2]}, DtypeError, "rows is a list"),
    "validation rows in a range": ({"validation_rows": range(5)}, DtypeError, "validation_rows is a range"),
    "rows that are learned from and validated on": (
        {"rows": np.arange(30), "validation_rows": np.array([40, 29, 3])},
        ValueRangeError,
        "2 rows are both learned from and kept for validation, picture 3 first",
    ),
    "nothing but validation": ({"validation_rows": np.arange(60)}, ValueRangeError, "no rows were given"),
    "a negative weight": ({"sample_weight": np.arange(60) - 1.0}, ValueRangeError, "sample_weight has NaN.* negative"),
    "a weight that is not a number": ({"sample_weight": np.full(60, np.nan)}, ValueRangeError, "sample_weight has NaN"),
    "no weight at all": ({"sample_weight": np.zeros(60)}, ValueRangeError, "every weight is zero"),
    "too few weights": ({"sample_weight": np.ones(59)}, ShapeError, r"float64 \(59,\); expected floats \(60,\)"),
    "weights that are truths": ({"sample_weight": np.ones(60, bool)}, ShapeError, r"bool \(60,\); expected floats"),
    "weights in a list": ({"sample_weight": [1.0] * 60}, DtypeError, "sample_weight is a list"),
    "weights and an adversary": (
        {"sample_weight": np.ones(60), "adversary": Adversary(1.0)},
        ValueRangeError,
        "adversary does not know weights",
    ),
    "accuracy of half a row": ({"train_sample": 0.5}, ValueRangeError, "train_sample is 0.5"),
    "no evaluation": ({"evaluate_every": 0}, ValueRangeError, "evaluate_every is 0"),
    "pictures that are floats": ({"images": IMAGES / 255}, DtypeError, "uint8"),
    "pictures that are floats, prepared": ({"images": IMAGES / 255, "preparation": SCALING}, DtypeError, "uint8"),
    "pictures as rows": ({"images": IMAGES.reshape(60, -1)}, ShapeError, r"\(N, height, width\)"),
    "pictures as rows, prepared": (
        {"images": IMAGES.reshape(60, -1), "preparation": SCALING},
        ShapeError,
        r"\(N, height, width\)",
    ),
    "pictures of another size": ({"images": IMAGES[:, :7]}, ShapeError, r"64.*\(7, 8\)"),
    "pictures of another size, prepared": (
        {"images": IMAGES[:, :7], "preparation": SCALING},
        ShapeError,
        r"\(8, 8\).*\(7, 8\)",
    ),
    "a preparation for others": ({"preparation": Preparation((4, 4))}, ShapeError, r"\(4, 4\)"),
}


@pytest.mark.parametrize(("changes", "kind", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_trained_on_is_refused_at_once(changes, kind, message):
    settings = {"images": IMAGES, "labels": LABELS, "optimizer": SGD(0.1), **changes}
    with pytest.raises(kind, match=message) as caught:
        Training(network_of(), settings.pop("images"), settings.pop("labels"), **settings)
    assert isinstance(caught.value, ChainruleError)


def test_what_is_kept_for_validation_is_not_learned_from_where_nobody_says_what_is():
    training = training_of(validation_rows=np.array([3, 50, 7]))
    assert sorted(training.rows) == sorted(set(range(60)) - {3, 7, 50})


class Falling:
    """A schedule that does not tell its rate."""

    def __call__(self, step):
        return 1e30 / 2**step


@pytest.mark.parametrize(
    ("optimizer", "schedule", "asked"),
    [
        (SGD(1e30), WarmupCosine(1e30, 1000, warmup=100), "1e+30"),
        (SGD(0.5), WarmupCosine(1e30, 1000, warmup=100), "1e+30"),
        (SGD(3.0), Falling(), "3"),
    ],
    ids=["as a recipe has it", "the schedule's counts", "a schedule of one's own"],
)
def test_a_divergence_under_a_schedule_names_the_rate_that_was_asked_for(optimizer, schedule, asked):
    training = training_of(optimizer=optimizer, schedule=schedule, epochs=100)
    with pytest.raises(DivergenceError) as caught:
        finished(training)
    message = str(caught.value)
    now = f"{training.optimizer.learning_rate:g}"
    assert now != asked
    assert f"where the schedule had come to {now}. The largest gradient" in message
    assert f"Is the learning rate of {asked} too large?" in message
    assert message.endswith(f"Try {float(asked) / 10:g}.")


# ------------------------------------------------------------------------------------------------- threads


def blas_threads():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@pytest.mark.parametrize(("worth", "threads"), [(10**12, 1), (0, 2)], ids=["small products", "large products"])
def test_small_products_get_one_thread_and_the_threads_come_back(monkeypatch, worth, threads):
    monkeypatch.setattr(module, "WORTH_SHARING", worth)
    with threadpool_limits(2, "blas"):
        training = training_of()
        with training.at_work():
            assert blas_threads() == threads
        assert blas_threads() == 2
        with pytest.raises(RuntimeError), training.at_work():
            raise RuntimeError
        assert blas_threads() == 2


def digit_training(**settings):
    """With products large enough that the number of BLAS's threads changes their last bits."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (1200, 28, 28), dtype=np.uint8), rng.integers(0, 10, 1200)
    network = multilayer_perceptron((784, 128, 10), rng=0)
    return Training(network, images, labels, **{"optimizer": SGD(0.1), "epochs": 2, "rng": 0, **settings})


@pytest.mark.parametrize("worth", [10**12, 0], ids=["small products", "large products"])
def test_another_thread_trains_to_the_same_bits(monkeypatch, at_once, worth):
    monkeypatch.setattr(module, "WORTH_SHARING", worth)
    with threadpool_limits(2, "blas"):
        expected = bits(finished(digit_training()))
        assert at_once(lambda: None, lambda: bits(finished(digit_training())))[1] == expected


@pytest.mark.parametrize("worth", [10**12, 0], ids=["small products", "large products"])
def test_predictions_beside_a_training_have_the_same_bits_and_so_has_a_training_of_small_products(
    monkeypatch, at_once, worth
):
    monkeypatch.setattr(module, "WORTH_SHARING", worth)
    asked = digit_training()
    images = np.random.default_rng(1).integers(0, 256, (LARGE + 300, 28, 28), dtype=np.uint8)
    works = [
        lambda: bits(finished(digit_training())),
        lambda: [asked.model.probabilities(images[:700]).tobytes() for _ in range(40)],
        lambda: [asked.model.probabilities(images).tobytes() for _ in range(5)],
    ]
    with threadpool_limits(2, "blas"):
        trained, *expected = [work() for work in works]
        for order in ((0, 1, 2), (2, 1, 0)):  # who is in the main thread
            found = dict(zip(order, at_once(*(works[number] for number in order)), strict=True))
            assert [found[1], found[2]] == expected
            assert worth == 0 or found[0] == trained


# ---------------------------------------------------------------------------- a batch shared out among the cores


def shared_out(monkeypatch, among, **settings):
    """A full-batch training whose batches are shared out among so many threads."""
    monkeypatch.setattr(module, "LARGE", 20)
    monkeypatch.setattr(module, "SHARED_BLOCK", 8)
    monkeypatch.setattr(module, "cores", lambda: among)
    return training_of(network_of(np.float64), **{"batch_size": None, "epochs": 5, **settings})


@pytest.mark.parametrize("among", [2, 3])
def test_a_batch_shared_out_has_the_gradient_of_the_whole(monkeypatch, among):
    alone, together = shared_out(monkeypatch, 1), shared_out(monkeypatch, among)
    assert_allclose([r.loss for r in together], [r.loss for r in alone], rtol=1e-12)
    assert_allclose(together.network.parameters, alone.network.parameters, atol=1e-12)
    assert len(together._batches) == among


def test_a_last_batch_with_fewer_rows_than_threads_has_its_own_gradient_and_no_older_one(monkeypatch):
    trainings = [shared_out(monkeypatch, among, batch_size=N - 2) for among in (1, 4)]  # 58 rows, then 2
    alone, together = (finished(training) for training in trainings)
    assert len(together._batches) == 4
    assert_allclose(together.network.parameters, alone.network.parameters, atol=1e-12)


def test_a_batch_shared_out_gives_the_same_bits_again(monkeypatch):
    assert bits(finished(shared_out(monkeypatch, 3))) == bits(finished(shared_out(monkeypatch, 3)))


@pytest.mark.parametrize(
    "settings",
    [{"deformation": PRESETS["simard-2003"]}, {"adversary": Adversary(1.0)}, {"batch_size": 16}],
    ids=["deformation", "adversary", "small batch"],
)
def test_what_draws_and_what_is_small_stays_in_one_thread(monkeypatch, settings):
    monkeypatch.setattr(module, "LARGE", 20)
    monkeypatch.setattr(module, "cores", lambda: 3)
    assert len(training_of(**{"batch_size": None, **settings})._batches) == 1
    dropping = network_of(hidden_dropout=0.5)
    assert len(training_of(dropping, batch_size=None)._batches) == 1


def test_a_fault_in_one_thread_reaches_the_caller(monkeypatch):
    training = shared_out(monkeypatch, 2)
    training._batches[1].objective.loss = None
    with pytest.raises(TypeError):
        next(iter(training))


def test_threads_do_not_warn_about_a_loss_that_overflows(monkeypatch):
    with pytest.raises(DivergenceError):
        finished(shared_out(monkeypatch, 2, optimizer=SGD(1e300)))


# -------------------------------------------------------------------------------------------------- pausing


def test_a_pause_gives_a_report_after_the_step_and_changes_no_bit():
    straight, paused = training_of(), training_of()
    for _ in straight:
        pass
    steps = []
    paused.pause()
    for report in paused:
        steps.append(report.step)
        if report.step < 4:
            paused.pause()
    assert steps == [1, 2, 3, 4, 8, 12]
    assert bits(paused) == bits(straight)
    assert paused.history["loss"] == straight.history["loss"]


def test_a_pause_at_an_epochs_end_without_accuracies_is_a_light_report():
    training = training_of(batch_size=None, evaluate_every=3, epochs=6)
    training.pause()
    reports = list(training)
    assert [report.epoch for report in reports] == [1, 3, 6]
    assert reports[0].train_accuracy is None
    assert len(training.history) == 2
