import inspect
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from chainrule import estimator as module
from chainrule.data.deformations import Deformation
from chainrule.data.preparation import Preparation
from chainrule.errors import (
    DivergenceError,
    InputError,
    MissingPackageError,
    ShapeError,
    UnknownNameError,
    ValueRangeError,
)
from chainrule.estimator import NetworkClassifier
from chainrule.model import Model
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from chainrule.nn.layers import Dense, Dropout
from chainrule.nn.network import Network, multilayer_perceptron
from chainrule.nn.schedules import ExponentialDecay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)[::-1].copy()
Y = Y[::-1].copy()
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def quick(**settings):
    """A classifier that is done in a few milliseconds."""
    return NetworkClassifier(
        **{"hidden_layer_sizes": 8, "max_iter": 20, "learning_rate_init": 0.02, "random_state": 0, **settings}
    )


def same(one, other):
    assert_array_equal(one.network_.parameters, other.network_.parameters)


# --------------------------------------------------------------------------------------- scikit-learn's own checks

FAST = {"learning_rate_init": 0.01, "max_iter": 60}
WHOLE = [
    NetworkClassifier(),
    NetworkClassifier(20, solver="sgd", learning_rate_init=0.1, max_iter=60),
    NetworkClassifier((16, 8), ("tanh", "leaky_relu"), solver="adamw", alpha=0.01, learning_rate="cosine", **FAST),
    NetworkClassifier((), solver="sgd", learning_rate_init=1.0, max_iter=60),
]
#: A weight of 2 is a row given twice where every step takes all rows, as above. These draw for each row by itself which
#: are kept for validation, what drops, and which come together, or slow down with the number of rows; all other checks
#: hold for them too.
DRAWING = [
    NetworkClassifier(early_stopping=True, **FAST),
    NetworkClassifier(dropout=0.2, input_dropout=0.05, **FAST),
    NetworkClassifier(16, batch_size=16, learning_rate="adaptive", learning_rate_init=0.01, max_iter=15),
    NetworkClassifier(16, solver="sgd", learning_rate="invscaling", learning_rate_init=1.0, max_iter=60),
]


@parametrize_with_checks(WHOLE)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{estimator}-{getattr(check, 'func', check).__name__}")
        for classifier in DRAWING
        for estimator, check in estimator_checks_generator(classifier)
        if "sample_weight_equivalence" not in getattr(check, "func", check).__name__
    ],
)
def test_scikit_learns_checks_pass_where_rows_are_drawn(estimator, check):
    check(estimator)


# ------------------------------------------------------------------------------- in the place of an MLPClassifier


def test_every_parameter_of_an_mlp_classifier_is_here_with_its_default():
    theirs, ours = (inspect.signature(kind).parameters for kind in (MLPClassifier, NetworkClassifier))
    assert set(theirs) - set(ours) == {"max_fun"}  # of lbfgs
    for name in set(theirs) & set(ours):
        assert ours[name].default == theirs[name].default, name


def twins(hidden=(9, 7), activation="tanh", **settings):
    """This classifier and scikit-learn's with the same weights, both ready to go on."""
    settings = {"shuffle": False, "batch_size": 50, "max_iter": 6, "tol": 0.0, "warm_start": True, **settings}
    settings.setdefault("epsilon", 1e-30)  # theirs is not divided by √(1 − β₂ᵗ), as Kingma & Ba's and PyTorch's is
    network = multilayer_perceptron((4, *hidden, 3), activation=activation, rng=3, dtype=np.float64)
    ours = NetworkClassifier.from_network(network, **settings)
    name = {"sigmoid": "logistic"}.get(activation, activation)
    theirs = MLPClassifier(hidden, name, **{**settings, "max_iter": 1}).fit(X, Y)  # makes its arrays, and no more
    theirs.set_params(max_iter=settings["max_iter"])
    theirs.t_, theirs.best_loss_ = 0, np.inf
    theirs.loss_curve_.clear()
    theirs.coefs_ = [coefficients.copy() for coefficients in ours.coefs_]
    theirs.intercepts_ = [intercepts.copy() for intercepts in ours.intercepts_]
    return ours, theirs


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "sgd", "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False, "alpha": 3.0},
        {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
        {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "momentum": 0.0},
        {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0.0, "tol": 0.1, "n_iter_no_change": 1},
        {"solver": "adam", "alpha": 0.0},
        {"solver": "adam", "alpha": 5.0, "beta_1": 0.8, "beta_2": 0.99},
        {"activation": "sigmoid", "hidden": (5,), "solver": "adam"},
    ],
    ids=str,
)
def test_it_learns_what_an_mlp_classifier_learns(settings):
    ours, theirs = twins(**settings)
    ours.fit(X, Y)
    theirs.fit(X, Y)
    for mine, other in zip([*ours.coefs_, *ours.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        assert_allclose(mine, other, rtol=1e-8, atol=1e-11)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8, atol=1e-12)
    assert ours.n_iter_ == theirs.n_iter_


def test_its_loss_is_an_mlp_classifiers_where_there_is_no_penalty():
    ours, theirs = twins(alpha=0.0)
    assert_allclose(ours.fit(X, Y).loss_curve_, theirs.fit(X, Y).loss_curve_, rtol=1e-10)
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == min(ours.loss_curve_)


def test_it_stops_when_an_mlp_classifier_does():
    ours, theirs = twins(max_iter=500, learning_rate_init=0.05, tol=1e-3, n_iter_no_change=3, alpha=0.0)
    ours.fit(X, Y)
    theirs.fit(X, Y)
    assert ours.n_iter_ == theirs.n_iter_ < 500


def test_a_training_that_still_improves_at_its_end_is_a_warning():
    with pytest.warns(ConvergenceWarning, match="after 3 epochs; raise max_iter"):
        quick(max_iter=3).fit(X, Y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("learning_rate", ["cosine", ExponentialDecay(0.02, 0.9)])
def test_a_schedule_that_was_planned_for_that_long_is_none(learning_rate):
    quick(max_iter=3, learning_rate=learning_rate).fit(X, Y)


def test_what_it_learns_is_right():
    assert quick(max_iter=100).fit(X, NAMES).score(X, NAMES) > 0.96


# ----------------------------------------------------------------------------------------------- what goes in


def test_labels_may_be_words():
    classifier = quick().fit(X, NAMES)
    assert list(classifier.classes_) == ["setosa", "versicolor", "virginica"]
    assert_array_equal(
        classifier.predict(X), NAMES[:0].dtype.type("") + classifier.classes_[quick().fit(X, Y).predict(X)]
    )


COLUMNS = ["sepal length", "sepal width", "petal length", "petal width"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_taken_and_their_columns_remembered(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame(dict(zip(COLUMNS, X.T, strict=True)))
    classifier = quick().fit(frame, frames.Series(NAMES.tolist()))
    assert list(classifier.feature_names_in_) == COLUMNS
    same(classifier, quick().fit(X, NAMES))
    assert_array_equal(classifier.predict(frame), quick().fit(X, NAMES).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame.rename({"petal width": "width"}, **({"axis": 1} if library == "pandas" else {})))


@pytest.mark.parametrize(
    ("given", "computed"), [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64)]
)
def test_float32_stays_float32(given, computed):
    rows = X.astype(given)
    classifier = quick().fit(rows, Y)
    assert classifier.network_.dtype == computed
    for others in (rows, X):
        assert classifier.predict_proba(others).dtype == computed
        assert classifier.predict_log_proba(others).dtype == computed


def test_rows_of_float32_are_not_copied():
    rows = X.astype(np.float32)
    taken, _, _ = quick()._take_in(rows, Y, goes_on=False)
    assert np.shares_memory(taken, rows)


def test_a_sparse_matrix_is_its_rows():
    same(quick().fit(sparse.csr_array(X), Y), quick().fit(X, Y))


def test_pictures_are_their_rows():
    digits = load_digits()
    pictures = digits.images[:200] / 16
    of_pictures, of_rows = (quick().fit(given, digits.target[:200]) for given in (pictures, pictures.reshape(200, -1)))
    same(of_pictures, of_rows)
    assert of_pictures.n_features_in_ == 64
    assert_array_equal(of_pictures.predict(pictures), of_rows.predict(pictures.reshape(200, -1)))


@pytest.mark.parametrize(("shape", "classes"), [((3, 11), 26), ((40, 30), 2), ((1, 1), 5)])
def test_pictures_are_of_any_size_and_of_any_number_of_classes(shape, classes):
    rng = np.random.default_rng(0)
    pictures, labels = rng.random((60, *shape)), np.arange(60) % classes
    classifier = quick(max_iter=2, deformation=Deformation(rotation=5.0)).fit(pictures, labels)
    assert classifier.predict_proba(pictures).shape == (60, classes)


def test_log_probabilities_are_finite_where_a_probability_is_as_good_as_0():
    classifier = quick().fit(X, Y)
    classifier.network_.parameters *= 100
    assert classifier.predict_proba(X).min() == 0
    assert np.isfinite(classifier.predict_log_proba(X)).all()


# -------------------------------------------------------------------------------------------------- what counts


def test_balanced_classes_are_weights():
    rows = np.flatnonzero((Y < 2) | (np.arange(len(Y)) % 5 == 0))
    counts = np.bincount(Y[rows])
    weights = len(rows) / (3 * counts)
    balanced = quick(class_weight="balanced").fit(X[rows], Y[rows])
    same(balanced, quick(class_weight=dict(enumerate(weights))).fit(X[rows], Y[rows]))
    assert_allclose(
        balanced.network_.parameters,
        quick().fit(X[rows], Y[rows], sample_weight=weights[Y[rows]]).network_.parameters,
        rtol=1e-9,
    )
    assert (balanced.network_.parameters != quick().fit(X[rows], Y[rows]).network_.parameters).any()


def test_weights_of_rows_and_of_classes_multiply():
    both = quick(class_weight={0: 2.0, 1: 1.0, 2: 1.0}).fit(X, Y, sample_weight=1.0 + Y)
    same(both, quick().fit(X, Y, sample_weight=(1.0 + Y) * np.where(Y == 0, 2.0, 1.0)))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_penalty_is_divided_by_what_the_batch_counts_as(solver):
    times = np.random.default_rng(0).integers(0, 4, len(Y))
    settings = {"solver": solver, "alpha": 10.0, "batch_size": 10_000}
    weighted = quick(**settings).fit(X, Y, sample_weight=times)
    repeated = quick(**settings).fit(X.repeat(times, axis=0), Y.repeat(times))
    assert_allclose(weighted.network_.parameters, repeated.network_.parameters, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------------------ early stopping


class Remembered(module.Validation):
    """Validation whose rows can be looked at."""

    last = None

    def __init__(self, *given):
        super().__init__(*given)
        Remembered.last = self


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_scores_and_losses_are_those_of_the_rows_held_out(monkeypatch, weighted):
    monkeypatch.setattr(module, "Validation", Remembered)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(Y)) if weighted else None
    classifier = quick(early_stopping=True, validation_fraction=0.2).fit(X, NAMES, sample_weight=weights)
    rows, best = Remembered.last.rows, int(np.argmax(classifier.validation_scores_))
    weights = weights[rows] if weighted else None
    assert len(rows) == 30
    assert_array_equal(np.bincount(Y[rows]), [10, 10, 10])
    assert len(classifier.validation_scores_) == len(classifier.validation_loss_curve_) == classifier.n_iter_
    assert classifier.best_validation_score_ == classifier.validation_scores_[best]
    assert classifier.score(X[rows], NAMES[rows], weights) == pytest.approx(classifier.validation_scores_[best])
    loss = log_loss(NAMES[rows], classifier.predict_proba(X[rows]), sample_weight=weights)
    assert loss == pytest.approx(classifier.validation_loss_curve_[best], rel=1e-9)


def test_the_best_weights_are_kept():
    settings = {"early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.1, "n_iter_no_change": 5}
    stopped = quick(max_iter=100, **settings).fit(X, Y)
    best = int(np.argmax(stopped.validation_scores_)) + 1
    assert best < stopped.n_iter_ < 100
    same(stopped, quick(max_iter=best, **settings).fit(X, Y))


def test_without_early_stopping_nothing_is_held_out_and_the_last_weights_are_kept():
    classifier = quick().fit(X, Y)
    assert classifier.validation_scores_ is None
    assert classifier.validation_loss_curve_ is None
    assert classifier.best_validation_score_ is None


def test_a_class_with_one_row_does_not_stand_in_the_way():
    rows = np.flatnonzero((Y < 2) | (np.arange(len(Y)) == np.flatnonzero(Y == 2)[0]))
    quick(early_stopping=True).fit(X[rows], Y[rows])


# ------------------------------------------------------------------------------------------- going on from there


def test_a_warm_start_goes_on_and_a_cold_one_begins_again():
    warm, cold = quick(warm_start=True), quick()
    first = warm.fit(X, Y).loss_
    assert warm.fit(X, Y).loss_ < first
    assert len(warm.loss_curve_) == 40
    assert warm.n_iter_ == 20
    same(cold.fit(X, Y), cold.fit(X, Y))


def test_a_warm_start_knows_its_classes_and_its_dtype():
    classifier = quick(warm_start=True).fit(X.astype(np.float32), Y)
    assert classifier.fit(X[Y > 0], Y[Y > 0]).predict_proba(X).shape == (150, 3)
    assert classifier.network_.dtype == np.float32
    with pytest.raises(ValueRangeError, match=r"classes \[7\]; expected those known before, \[0 1 2\]"):
        classifier.fit(X, np.full(150, 7))


def test_a_training_that_diverges_leaves_what_was_fitted_before():
    classifier = quick(warm_start=True, solver="sgd").fit(X, Y)
    before = classifier.network_.parameters.copy()
    with pytest.raises(DivergenceError, match="learning rate"):
        classifier.set_params(learning_rate_init=1e200).fit(X, Y)
    assert_array_equal(classifier.network_.parameters, before)


@pytest.mark.parametrize("learning_rate", ["constant", "cosine", "invscaling", "adaptive"])
def test_a_partial_fit_of_all_rows_is_an_epoch(learning_rate):
    settings = {"shuffle": False, "batch_size": 40, "max_iter": 5, "learning_rate": learning_rate}
    at_once, bit_by_bit = quick(**settings).fit(X, NAMES), quick(**settings)
    for _ in range(5):
        bit_by_bit.partial_fit(X, NAMES, classes=np.unique(NAMES))
    same(at_once, bit_by_bit)
    assert_allclose(at_once.loss_curve_, bit_by_bit.loss_curve_)
    assert bit_by_bit.n_iter_ == 1


def test_a_partial_fit_goes_on_from_a_fit():
    one = quick(shuffle=False, max_iter=5).fit(X, Y).partial_fit(X, Y)
    same(one, quick(shuffle=False, max_iter=6).fit(X, Y))


def test_a_partial_fit_asks_for_every_class_in_the_first_call():
    with pytest.raises(ValueRangeError, match="classes must be given in the first call"):
        quick().partial_fit(X, Y)
    classifier = quick().partial_fit(X[Y > 0], Y[Y > 0], classes=[2, 1, 0])
    assert_array_equal(classifier.partial_fit(X, Y).classes_, [0, 1, 2])
    with pytest.raises(ValueRangeError, match=r"classes are \[0, 1\]; expected \[0 1 2\]"):
        classifier.partial_fit(X, Y, classes=[0, 1])


def test_a_partial_fit_cannot_balance():
    with pytest.raises(ValueRangeError, match="give class_weight a dict"):
        quick(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


# ------------------------------------------------------------------------------------------------ its parameters


def test_the_same_seed_gives_the_same_bits():
    settings = {"dropout": 0.2, "early_stopping": True, "batch_size": 32}
    same(quick(**settings).fit(X, Y), quick(**settings).fit(X, Y))
    other = (
        quick(**settings, random_state=np.random.RandomState(1)) if False else quick(**{**settings, "random_state": 1})
    )
    assert (other.fit(X, Y).network_.parameters != quick(**settings).fit(X, Y).network_.parameters).any()


def test_it_tells_of_each_epoch_where_it_is_asked_to(capsys):
    quick(max_iter=2, verbose=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" = ")[0] for line in lines] == ["Epoch 1, loss", "Epoch 2, loss"]
    quick(max_iter=1, verbose=True, early_stopping=True).fit(X, Y)
    assert "validation loss = " in (line := capsys.readouterr().out)
    assert "validation score = " in line


def test_each_hidden_layer_has_an_activation_and_a_dropout_of_its_own():
    classifier = quick(
        hidden_layer_sizes=(8, 7, 6, 5),
        activation=("tanh", "logistic", "identity", LeakyReLU(0.3)),
        dropout=(0.1, 0.0, 0.0, 0.5),
        input_dropout=0.2,
    ).fit(X, Y)
    kinds = [layer.configuration() for layer in classifier.network_.layers]
    assert [kind["kind"] for kind in kinds] == (
        ["dropout", "dense", "tanh", "dropout", "dense", "sigmoid", "dense", "dense", "leaky_relu", "dropout", "dense"]
    )
    assert (kinds[0]["rate"], kinds[3]["rate"], kinds[8]["slope"], kinds[9]["rate"]) == (0.2, 0.1, 0.3, 0.5)
    assert_array_equal(classifier.predict_proba(X), classifier.predict_proba(X))  # nothing drops now
    assert [weights.shape for weights in classifier.coefs_] == [(4, 8), (8, 7), (7, 6), (6, 5), (5, 3)]
    assert [biases.shape for biases in classifier.intercepts_] == [(8,), (7,), (6,), (5,), (3,)]


def test_dropout_changes_what_is_learned():
    assert (quick(dropout=0.5).fit(X, Y).network_.parameters != quick().fit(X, Y).network_.parameters).any()


def test_pictures_are_deformed_while_they_are_learned_from_and_not_when_they_are_read():
    digits = load_digits()
    pictures, labels = digits.images[:100] / 16, digits.target[:100]
    settings = {"deformation": Deformation(rotation=20.0, shift=1.0), "batch_size": 32}
    of_pictures = quick(**settings).fit(pictures, labels)
    rows = pictures.reshape(100, -1)
    same(of_pictures, quick(**settings, image_shape=(8, 8)).fit(rows, labels))
    assert (of_pictures.network_.parameters != quick(batch_size=32).fit(rows, labels).network_.parameters).any()
    assert_array_equal(of_pictures.predict_proba(rows), of_pictures.predict_proba(pictures))


@pytest.mark.parametrize("image_shape", [None, (8, 7), (64,)])
def test_deformed_rows_need_the_shape_of_their_picture(image_shape):
    digits = load_digits()
    with pytest.raises(ShapeError, match=r"64 pixels, and image_shape is .*; expected one as \(28, 28\)"):
        quick(deformation=Deformation(), image_shape=image_shape).fit(digits.data, digits.target)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"solver": "lbfgs"}, UnknownNameError, "no solver 'lbfgs'.*adam, adamw, sgd.*whole batches"),
        ({"solver": "adma"}, UnknownNameError, "Did you mean 'adam'"),
        ({"activation": "rleu"}, UnknownNameError, "Did you mean 'relu'"),
        ({"activation": ("relu", "tanh")}, ShapeError, "activation has 2 entries for 1 hidden layers"),
        ({"dropout": (0.1, 0.2)}, ShapeError, "dropout has 2 entries for 1 hidden layers"),
        ({"dropout": 1.0}, ValueRangeError, r"Dropout\(1.0\)"),
        ({"hidden_layer_sizes": (0,)}, ShapeError, "whole numbers, at least 1"),
        ({"learning_rate": "cosin"}, UnknownNameError, "Did you mean 'cosine'"),
        ({"learning_rate_init": -1.0}, ValueRangeError, "learning_rate_init is -1.0"),
        ({"alpha": -1.0}, ValueRangeError, "alpha is -1.0"),
        ({"tol": float("nan")}, ValueRangeError, "tol is nan"),
        ({"max_iter": 0}, ValueRangeError, "max_iter is 0"),
        ({"batch_size": 0}, ValueRangeError, "batch_size is 0"),
        ({"batch_size": "all"}, ValueRangeError, "batch_size is 'all'"),
        ({"n_iter_no_change": 0}, ValueRangeError, "n_iter_no_change is 0"),
        ({"validation_fraction": 1.0}, ValueRangeError, "validation_fraction is 1.0"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_under_their_own_names(settings, error, message):
    with pytest.raises(error, match=message):
        quick(**settings).fit(X, Y)


def test_before_it_is_fitted_it_predicts_nothing():
    for ask in (quick().predict, quick().predict_proba, quick().predict_log_proba):
        with pytest.raises(NotFittedError):
            ask(X)


# ------------------------------------------------------------------------------------------ among scikit-learn's


def test_it_is_a_step_of_a_pipeline_and_can_be_searched_over():
    pipeline = make_pipeline(StandardScaler(), quick())
    grid = {"networkclassifier__alpha": [1e-4, 1.0], "networkclassifier__activation": ["relu", ("tanh",)]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, NAMES)
    assert len(search.cv_results_["params"]) == 4
    assert search.score(X, NAMES) > 0.9


def test_it_is_cross_validated_and_calibrated():
    assert cross_val_score(quick(max_iter=60), X, Y, cv=3, error_score="raise").mean() > 0.9
    calibrated = CalibratedClassifierCV(quick(), cv=3).fit(X, NAMES)
    assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_a_clone_has_its_parameters_and_nothing_that_was_learned():
    classifier = quick(activation=(LeakyReLU(0.2),), deformation=Deformation(), image_shape=(2, 2)).fit(X, Y)
    cloned = clone(classifier)
    assert not hasattr(cloned, "network_")
    same(cloned.fit(X, Y), classifier)


@pytest.mark.parametrize("way", ["pickle", "joblib"])
def test_a_pickle_predicts_and_goes_on_as_the_original(way, tmp_path):
    original = quick(solver="adamw", dropout=0.1).fit(X, NAMES)
    if way == "pickle":
        copied = pickle.loads(pickle.dumps(original))
    else:
        joblib.dump(original, tmp_path / "classifier.joblib")
        copied = joblib.load(tmp_path / "classifier.joblib")
    assert_array_equal(copied.predict_proba(X), original.predict_proba(X))
    same(copied.partial_fit(X, NAMES), original.partial_fit(X, NAMES))


# --------------------------------------------------------------------------------------- from and to the library


NETWORKS = {
    "plain": lambda: multilayer_perceptron((4, 9, 3), rng=0, dtype=np.float64),
    "no hidden layer": lambda: multilayer_perceptron((4, 3), rng=0, dtype=np.float64),
    "float32 with dropout": lambda: multilayer_perceptron((4, 9, 8, 3), input_dropout=0.1, hidden_dropout=0.5, rng=0),
    "each its own": lambda: Network(
        [Dense(4, 9), LeakyReLU(0.3), Dropout(0.1), Dense(9, 8), Dense(8, 7), Tanh(), Dense(7, 3)], rng=0
    ),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_network_and_the_classifier_from_it_say_the_same(make):
    network = make()
    classifier = NetworkClassifier.from_network(network)
    assert_array_equal(classifier.network_.parameters, network.parameters)
    logits = network.forward(X.astype(network.dtype)).output
    assert_array_equal(classifier.predict(X), logits.argmax(axis=1))
    fresh = clone(classifier).fit(X, Y)  # the parameters describe the network
    assert fresh.network_.configuration() == network.configuration()


def test_the_classifier_has_a_copy_of_the_network():
    network = NETWORKS["plain"]()
    before = network.parameters.copy()
    NetworkClassifier.from_network(network).partial_fit(X, Y)
    assert_array_equal(network.parameters, before)


def test_outputs_are_put_in_the_order_of_their_classes():
    network = NETWORKS["plain"]()
    names = np.array(["virginica", "setosa", "versicolor"])
    classifier = NetworkClassifier.from_network(network, names, warm_start=True)
    assert list(classifier.classes_) == ["setosa", "versicolor", "virginica"]
    assert_array_equal(classifier.predict(X), names[network.forward(X).output.argmax(axis=1)])
    assert classifier.fit(X, NAMES).loss_curve_[-1] < classifier.loss_curve_[0]


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "b"], [["a", "b", "c"]]])
def test_classes_are_one_for_each_output(classes):
    with pytest.raises(ShapeError, match="expected 3 different ones"):
        NetworkClassifier.from_network(NETWORKS["plain"](), classes)


@pytest.mark.parametrize(
    "layers",
    [
        [ReLU(), Dense(4, 3)],
        [Dense(4, 3), Sigmoid()],
        [Dense(4, 5), Tanh(), ReLU(), Dense(5, 3)],
        [Dense(4, 5), Dropout(0.5), ReLU(), Dense(5, 3)],
        [Dense(4, 5), ReLU(), Dense(5, 3), Dropout(0.5)],
    ],
)
def test_a_network_of_another_kind_is_refused(layers):
    with pytest.raises(InputError, match="the last is dense; these are"):
        NetworkClassifier.from_network(Network(layers))


def test_what_was_fitted_becomes_a_model_of_pictures():
    pictures = np.random.default_rng(0).integers(0, 256, (60, 5, 4), dtype=np.uint8)
    labels = np.array(["bar", "foo"])[np.arange(60) % 2]
    rows = (pictures / 255).astype(np.float32).reshape(60, -1)
    classifier = quick().fit(rows, labels)
    model = Model(classifier.network_, Preparation((5, 4)), tuple(classifier.classes_))
    assert_allclose(model.probabilities(pictures), classifier.predict_proba(rows), rtol=1e-4)
    again = NetworkClassifier.from_network(model.network, model.class_names)
    assert_array_equal(again.predict(rows), classifier.predict(rows))


# ------------------------------------------------------------------------------------------- without scikit-learn


def test_without_scikit_learn_the_message_says_what_to_type():
    program = (
        "import sys; sys.modules['sklearn'] = sys.modules['sklearn.base'] = None\n"
        "from chainrule import *\n"
        "import chainrule\n"
        "try:\n    chainrule.NetworkClassifier\n"
        "except chainrule.ChainruleError as error:\n    print(type(error).__name__, error)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(MissingPackageError.__name__)
    assert "pip install 'chainrule[sklearn]'" in run.stdout
