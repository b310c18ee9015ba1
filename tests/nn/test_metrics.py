import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.metrics import accuracy, confusion_matrix, wilson_interval

LABELS = np.array([0, 0, 1, 2, 2, 2])
PREDICTIONS = np.array([0, 1, 1, 2, 0, 0])


def test_accuracy_is_the_fraction_that_is_right():
    assert accuracy(PREDICTIONS, LABELS) == 3 / 6
    assert accuracy(LABELS, LABELS) == 1.0
    assert accuracy(LABELS.astype(np.uint8), LABELS) == 1.0


@pytest.mark.parametrize("count", [accuracy, lambda p, t: confusion_matrix(p, t, 3)])
@pytest.mark.parametrize(
    ("predictions", "labels"),
    [(PREDICTIONS[:5], LABELS), (PREDICTIONS[:0], LABELS[:0]), (np.zeros((6, 1), int), np.zeros((6, 1), int))],
)
def test_counting_needs_one_prediction_a_label(count, predictions, labels):
    with pytest.raises(ShapeError, match="predictions have shape"):
        count(predictions, labels)


def test_rows_of_the_confusion_matrix_are_labels_and_columns_predictions():
    # Of three twos one was taken for a two and two for a zero: row 2, columns 2 and 0.
    assert_array_equal(confusion_matrix(PREDICTIONS, LABELS, 3), [[1, 1, 0], [0, 1, 0], [2, 0, 1]])


def test_classes_that_never_occur_have_their_row_and_column():
    counts = confusion_matrix(PREDICTIONS, LABELS, 5)
    assert counts.shape == (5, 5)
    assert counts.dtype == np.int64
    assert counts.sum() == 6


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64, np.int64])
def test_the_confusion_matrix_counts_integers_of_any_kind(dtype):
    labels = np.full(300, 15).astype(dtype)
    assert confusion_matrix(labels, labels, 16)[15, 15] == 300


@pytest.mark.parametrize(("predictions", "labels"), [([0, 5], [0, 0]), ([0, -1], [0, 1]), ([0, 0], [0, 3])])
def test_the_confusion_matrix_refuses_a_class_it_has_no_place_for(predictions, labels):
    with pytest.raises(ValueRangeError, match=r"in row 1 is out of range; expected 0 to 2"):
        confusion_matrix(np.array(predictions), np.array(labels), 3)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (10, 100, 0.05522914, 0.17436566),
        (0, 10, 0.0, 0.27753279),  # high = z²/(n + z²)
        (10, 10, 0.72246721, 1.0),
        (1, 2, 0.09453121, 0.90546879),
    ],
)
def test_wilsons_interval_is_the_known_one(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-8)


def test_wilsons_interval_has_the_ends_that_solve_its_equation():
    # The ends are the rates q from which p is exactly z standard deviations away: (p − q)² = z² q(1 − q)/n.
    low, high = wilson_interval(179, 10_000)
    for q in (low, high):
        assert (0.0179 - q) ** 2 == pytest.approx(1.959963985**2 * q * (1 - q) / 10_000, rel=1e-8)


def test_more_confidence_takes_a_wider_interval():
    low, high = wilson_interval(10, 100, confidence=0.99)
    assert low < 0.0552
    assert high > 0.1744


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0), (0.5, 5), (1, 2.5)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(ValueRangeError, match="successes"):
        wilson_interval(successes, trials)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(ValueRangeError, match="confidence"):
        wilson_interval(1, 2, confidence)


@pytest.mark.parametrize("count", [accuracy, lambda p, t: confusion_matrix(p, t, 3)])
def test_counting_needs_arrays(count):
    with pytest.raises(DtypeError, match="predictions is a list"):
        count(PREDICTIONS.tolist(), LABELS)
    with pytest.raises(DtypeError, match="labels is None"):
        count(PREDICTIONS, None)


@pytest.mark.parametrize("classes", [0, -1, 2.5])
def test_there_is_a_whole_number_of_classes(classes):
    with pytest.raises(ValueRangeError, match="classes is"):
        confusion_matrix(PREDICTIONS, LABELS, classes)
