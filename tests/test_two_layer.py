import inspect
import re
import runpy
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

from chainrule import two_layer
from chainrule.two_layer import (
    LeakyReLU,
    ReLU,
    backward_propagation,
    cost,
    derivative_LeakyReLU,
    derivative_ReLU,
    forward_propagation,
    get_accuracy,
    get_predictions,
    gradient_descent,
    init_params,
    make_predictions,
    one_hot,
    show_prediction,
    softmax,
    update_params,
)

RNG = np.random.default_rng(0)
X = RNG.random((12, 7))
Y = np.array([0, 1, 2, 2, 1, 0, 2])
SMALL = {"hidden": 5, "inputs": 12, "classes": 3}


def numerical_gradient(params, k, activation):
    """Central differences of the cost in every entry of params[k]."""
    gradient = np.zeros_like(params[k])
    for index in np.ndindex(params[k].shape):
        costs = []
        for step in (1e-6, -1e-6):
            moved = [p.copy() for p in params]
            moved[k][index] += step
            costs.append(cost(forward_propagation(X, *moved, activation=activation)[3], Y))
        gradient[index] = (costs[0] - costs[1]) / 2e-6
    return gradient


def gradients(params, activation="relu", labels=Y):
    Z1, A1, _, A2 = forward_propagation(X, *params, activation=activation)
    return backward_propagation(X, labels, A1, A2, params[2], Z1, X.shape[1], activation=activation)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("initialization", ["uniform", "xavier", "he"])
def test_the_gradient_is_exactly_that_of_the_mean_cross_entropy(activation, initialization):
    params = init_params(**SMALL, initialization=initialization, seed=1)
    for k, gradient in enumerate(gradients(params, activation)):
        numeric = numerical_gradient(list(params), k, activation)
        assert gradient.shape == params[k].shape
        error = np.linalg.norm(gradient - numeric) / (np.linalg.norm(gradient) + np.linalg.norm(numeric))
        assert error < 1e-7


def test_bias_gradients_are_summed_per_unit_and_not_over_everything():
    params = init_params(**SMALL, seed=1)
    _, db1, _, db2 = gradients(params)
    assert db1.shape == (5, 1)
    assert db2.shape == (3, 1)
    assert len(np.unique(db2)) == 3
    np.testing.assert_allclose(db2.sum(), 0, atol=1e-15)  # each column of A2 − onehot(Y) sums to 0


def test_there_is_no_stray_factor_in_the_gradient():
    params = [np.zeros((5, 12)), np.zeros((5, 1)), np.zeros((3, 5)), np.zeros((3, 1))]
    db2 = gradients(params)[3]
    # Without weights every class has probability 1/3; of 7 labels 2 are 0, 2 are 1 and 3 are 2.
    np.testing.assert_allclose(db2[:, 0], [1 / 3 - 2 / 7, 1 / 3 - 2 / 7, 1 / 3 - 3 / 7], rtol=1e-14)


def test_softmax_is_stabilised_per_example():
    Z = np.array([[1e4, 0.0, -1e4], [1e4 - 1, 1.0, -1e4 + 2]])
    A = softmax(Z)
    assert np.isfinite(A).all()
    np.testing.assert_allclose(A.sum(axis=0), 1)
    np.testing.assert_allclose(A[0], 1 / (1 + np.exp([-1.0, 1.0, 2.0])))


def test_one_example_does_not_change_another_ones_softmax():
    Z = RNG.standard_normal((3, 4))
    outlier = np.hstack([Z, [[800.0], [0.0], [0.0]]])
    assert np.array_equal(softmax(outlier)[:, :4], softmax(Z))


def test_the_batch_m_divides_the_gradient_and_another_m_is_refused():
    params = init_params(**SMALL, seed=1)
    Z1, A1, _, A2 = forward_propagation(X, *params)
    with pytest.raises(ValueError, match="m is 60000, but X has 7 columns"):
        backward_propagation(X, Y, A1, A2, params[2], Z1, 60_000)


def test_one_hot_has_ten_rows_whatever_the_labels():
    assert one_hot(np.array([0, 3])).shape == (10, 2)
    assert np.array_equal(one_hot(np.array([2, 0]), classes=3), [[0, 1], [0, 0], [1, 0]])


def test_one_hot_refuses_a_label_beyond_the_classes():
    with pytest.raises(ValueError, match="expected 0 to 2"):
        one_hot(np.array([0, 3]), classes=3)
    with pytest.raises(ValueError, match="expected 0 to 9"):
        one_hot(np.array([-1]))


def test_a_batch_that_lacks_the_last_class_still_has_a_gradient_for_it():
    params = init_params(**SMALL, seed=1)
    db2 = gradients(params, labels=np.zeros(7, int))[3]
    assert db2[2, 0] > 0


def test_activations_and_their_derivatives_are_worked_by_hand():
    Z = np.array([-2.0, 0.0, 3.0])
    assert np.array_equal(ReLU(Z), [0, 0, 3])
    assert np.array_equal(derivative_ReLU(Z), [0, 0, 1])
    assert np.array_equal(LeakyReLU(Z), [-0.02, 0, 3])
    assert np.array_equal(derivative_LeakyReLU(Z), [0.01, 0.01, 1])
    assert np.array_equal(LeakyReLU(Z, 0.5), [-1, 0, 3])


def test_the_cost_of_no_idea_is_ln_10():
    A2 = np.full((10, 6), 0.1)
    assert cost(A2, np.arange(6)) == pytest.approx(np.log(10))


def test_the_cost_of_certainty_in_the_wrong_class_is_large_and_finite():
    assert 700 < cost(np.array([[1.0], [0.0]]), np.array([1])) < np.inf


def test_the_tutorials_positional_signatures_are_kept():
    expected = {
        "ReLU": ["Z"],
        "derivative_ReLU": ["Z"],
        "softmax": ["Z"],
        "init_params": [],
        "forward_propagation": ["X", "W1", "b1", "W2", "b2"],
        "one_hot": ["Y"],
        "backward_propagation": ["X", "Y", "A1", "A2", "W2", "Z1", "m"],
        "update_params": ["alpha", "W1", "b1", "W2", "b2", "dW1", "db1", "dW2", "db2"],
        "get_predictions": ["A2"],
        "get_accuracy": ["predictions", "Y"],
        "gradient_descent": ["X", "Y", "alpha", "iterations"],
        "make_predictions": ["X", "W1", "b1", "W2", "b2"],
        "show_prediction": ["index", "X", "Y", "W1", "b1", "W2", "b2"],
    }
    for name, arguments in expected.items():
        parameters = inspect.signature(getattr(two_layer, name)).parameters.values()
        required = [p.name for p in parameters if p.default is p.empty]
        assert required == arguments, name


def test_init_params_has_the_tutorials_shapes_without_arguments():
    assert [p.shape for p in init_params()] == [(10, 784), (10, 1), (10, 10), (10, 1)]


@pytest.mark.parametrize(("initialization", "variance"), [("uniform", 1 / 12), ("xavier", 1 / 784), ("he", 2 / 784)])
def test_each_initialization_has_its_variance(initialization, variance):
    W1, b1, _, _ = init_params(128, initialization=initialization, seed=3)
    assert W1.var() == pytest.approx(variance, rel=0.02)
    assert abs(W1.mean()) < 0.005
    assert np.any(b1) == (initialization == "uniform")


def test_an_unknown_initialization_is_named():
    with pytest.raises(ValueError, match="'xaver'; expected 'uniform', 'xavier' or 'he'"):
        init_params(initialization="xaver")


def test_update_params_takes_one_step_downhill():
    params = init_params(**SMALL, seed=1)
    updated = update_params(0.5, *params, *(np.ones_like(p) for p in params))
    for before, after in zip(params, updated, strict=True):
        np.testing.assert_allclose(after, before - 0.5)


def test_gradient_descent_lowers_the_cost_and_returns_the_history():
    W1, b1, W2, b2, history = gradient_descent(X, Y, 0.5, 25, hidden=5, classes=3, seed=1, every=10)
    assert history["iteration"] == [0, 10, 20, 25]
    assert history["cost"] == sorted(history["cost"], reverse=True)
    assert history["validation_accuracy"] == []
    final = get_accuracy(make_predictions(X, W1, b1, W2, b2), Y)
    assert history["train_accuracy"][-1] == final


def test_gradient_descent_watches_validation_images_and_prints_when_asked(capsys):
    options = {"hidden": 5, "classes": 3, "seed": 1, "every": 5, "X_val": X[:, :3], "Y_val": Y[:3]}
    *_, history = gradient_descent(X, Y, 0.1, 10, **options)
    assert capsys.readouterr().out == ""
    assert len(history["validation_accuracy"]) == 3
    gradient_descent(X, Y, 0.1, 10, verbose=True, **options)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "validation_accuracy" in lines[0]


def test_gradient_descent_leaves_its_arguments_as_they_were():
    params = init_params(**SMALL, seed=1)
    copies = [p.copy() for p in params]
    images, labels = X.copy(), Y.copy()
    gradient_descent(X, Y, 0.5, 3, classes=3, params=params)
    assert np.array_equal(X, images)
    assert np.array_equal(Y, labels)
    assert all(np.array_equal(p, c) for p, c in zip(params, copies, strict=True))


def test_the_page_learns_real_digits(mnist):
    images = mnist.train_images[:2_000].reshape(2_000, 784).T / 255
    *params, history = gradient_descent(
        images, mnist.train_labels[:2_000], 0.3, 100, initialization="xavier", seed=0, every=50
    )
    assert history["cost"][0] == pytest.approx(np.log(10), abs=0.2)
    assert history["train_accuracy"][-1] > 0.8
    held_out = mnist.test_images[:1_000].reshape(1_000, 784).T / 255
    assert get_accuracy(make_predictions(held_out, *params), mnist.test_labels[:1_000]) > 0.75


def test_show_prediction_draws_the_image_under_both_labels():
    from matplotlib.figure import Figure

    params = init_params(5, inputs=9, classes=3, seed=1)
    pictures = RNG.random((9, 4))
    ax = show_prediction(2, pictures, np.array([0, 1, 2, 0]), *params, ax=Figure().add_subplot())
    predicted = make_predictions(pictures, *params)[2]
    assert ax.get_title() == f"predicted {predicted}, label 2"
    assert np.array_equal(ax.images[0].get_array(), pictures[:, 2].reshape(3, 3))


def test_get_predictions_takes_each_columns_largest():
    assert np.array_equal(get_predictions(np.array([[0.1, 0.9], [0.7, 0.05], [0.2, 0.05]])), [1, 0])


def test_the_page_runs_copied_out_on_its_own(tmp_path):
    shutil.copy(two_layer.__file__, tmp_path / "page.py")
    program = "import page, sys; page.init_params(); print(sorted(m for m in sys.modules if m.startswith('chain')))"
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    assert "init_params" in runpy.run_path(str(tmp_path / "page.py"))


def test_the_page_stays_a_page():
    assert len(inspect.getsource(two_layer).splitlines()) < 250


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), ()])
def test_labels_that_are_not_one_for_each_image_are_refused(shape):
    labels = Y.reshape(shape) if shape else Y[0]
    A2 = forward_propagation(X, *init_params(**SMALL, seed=1))[3]
    predictions = get_predictions(A2)
    for ask in (lambda: one_hot(labels), lambda: cost(A2, labels), lambda: get_accuracy(predictions, labels)):
        with pytest.raises(ValueError, match=rf"Y has shape {re.escape(str(shape))}; expected \((7|m),\)"):
            ask()


WRONG_LABELS = {
    "floats": Y / 1,
    "words": Y.astype(str),
    "objects": Y.astype(object),
    "yes or no": Y > 0,
    "float16": Y.astype(np.float16),
}


@pytest.mark.parametrize("labels", WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_labels_that_are_no_integers_are_refused_and_never_compared(labels):
    params = init_params(**SMALL, seed=1)
    A2 = forward_propagation(X, *params)[3]
    asked = (
        lambda: one_hot(labels),
        lambda: cost(A2, labels),
        lambda: get_accuracy(get_predictions(A2), labels),
        lambda: gradient_descent(X, labels, 0.5, 2, classes=3, params=params),
        lambda: gradient_descent(X, Y, 0.5, 2, classes=3, params=params, X_val=X, Y_val=labels),
    )
    for ask in asked:
        with pytest.raises(ValueError, match=rf"Y holds {labels.dtype}; expected integers, as Y\.astype\(int\) are"):
            ask()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_refused_and_never_counted_from_the_end(label):
    labels = np.where(np.arange(7) == 2, label, Y)
    A2 = forward_propagation(X, *init_params(**SMALL, seed=1))[3]
    for ask in (
        lambda: one_hot(labels, classes=3),
        lambda: cost(A2, labels),
        lambda: gradient_descent(X, labels, 0.5, 0, hidden=4, classes=3),
    ):
        with pytest.raises(ValueError, match=r"labels run from -?\d to \d; expected 0 to 2"):
            ask()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_pixels_from_0_to_255_are_refused_with_how_to_scale_them(dtype):
    params, bytes_ = init_params(**SMALL, seed=1), np.rint(255 * X).astype(dtype)
    for ask in (
        lambda: forward_propagation(bytes_, *params),
        lambda: make_predictions(bytes_, *params),
        lambda: gradient_descent(bytes_, Y, 0.5, 2, classes=3, params=params),
    ):
        with pytest.raises(ValueError, match=r"expected pixels from 0 to 1, as X / 255 are"):
            ask()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_end_in_words_and_in_no_prediction(value):
    params, images = init_params(**SMALL, seed=1), X.copy()
    images[1, 3] = value
    with np.errstate(invalid="ignore"):
        with pytest.raises(ValueError, match=r"^the cost is nan at iteration 0\. Is there NaN"):
            gradient_descent(images, Y, 0.5, 5, classes=3, params=params)
        with pytest.raises(ValueError, match="A2 has NaN"):
            make_predictions(images, *params)
        with pytest.raises(ValueError, match="A2 has NaN"):
            gradient_descent(X, Y, 0.5, 2, classes=3, params=params, X_val=images, Y_val=Y)


def test_a_descent_that_diverges_ends_in_words():
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"the cost is nan .* is alpha, 1e\+300, too large"):
        gradient_descent(X, Y, 1e300, 50, hidden=4, classes=3, seed=1)


def test_no_labels_are_no_columns():
    assert one_hot(np.zeros(0, int), classes=3).shape == (3, 0)


def test_no_image_at_all_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="no image"):
            gradient_descent(X[:, :0], Y[:0], 0.5, 2, hidden=4, classes=3, seed=1)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


HOWEVER = {
    "read-only": read_only,
    "Fortran's order": np.asfortranarray,
    "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "wider": lambda a: a.astype(np.longdouble if a.dtype.kind == "f" else np.int32),
}


@pytest.mark.parametrize("change", HOWEVER.values(), ids=HOWEVER)
def test_however_the_images_and_labels_lie_the_descent_is_the_same(change):
    expected = gradient_descent(X, Y, 0.5, 3, hidden=4, classes=3, seed=1, X_val=X, Y_val=Y)
    images, labels = change(X), change(Y)
    found = gradient_descent(images, labels, 0.5, 3, hidden=4, classes=3, seed=1, X_val=images, Y_val=labels)
    for one, other in zip(found[:4], expected[:4], strict=True):
        np.testing.assert_allclose(one.astype(float), other, rtol=1e-12)
    assert found[4]["train_accuracy"] == expected[4]["train_accuracy"]


def test_one_image_and_a_single_class_are_enough():
    *_, history = gradient_descent(X[:, :1], Y[:1], 0.5, 3, hidden=4, classes=3, seed=1)
    assert history["cost"][-1] < history["cost"][0]
    *_, history = gradient_descent(X, np.zeros(7, int), 0.5, 3, hidden=4, classes=1, seed=1)
    assert history["cost"][-1] == 0


@pytest.mark.parametrize("images", [X[:-1], X.T, X[:, 0]], ids=["too few pixels", "rows", "one image"])
def test_images_of_another_shape_are_refused_by_numpy_or_by_name(images):
    with pytest.raises((ValueError, IndexError)):
        gradient_descent(images, Y, 0.5, 2, params=init_params(**SMALL, seed=1), classes=3)


def test_labels_of_another_number_are_refused():
    A2 = forward_propagation(X, *init_params(**SMALL, seed=1))[3]
    with pytest.raises(ValueError, match=r"shape \(6,\); expected \(7,\)"):
        cost(A2, Y[:6])
    with pytest.raises(ValueError, match=r"shape \(6,\); expected \(7,\)"):
        get_accuracy(get_predictions(A2), Y[:6])


def test_an_unknown_activation_is_named():
    params = init_params(**SMALL, seed=1)
    Z1, A1, _, A2 = forward_propagation(X, *params)
    for ask in (
        lambda: forward_propagation(X, *params, activation="tanh"),
        lambda: backward_propagation(X, Y, A1, A2, params[2], Z1, 7, activation="tanh"),
    ):
        with pytest.raises(ValueError, match="activation is 'tanh'; expected 'relu' or 'leaky_relu'"):
            ask()


def test_show_prediction_into_axes_of_ones_own_needs_no_window(monkeypatch):
    from matplotlib.figure import Figure

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would fail
    params = init_params(5, inputs=9, classes=3, seed=1)
    ax = Figure().add_subplot()
    assert show_prediction(0, RNG.random((9, 4)), np.array([0, 1, 2, 0]), *params, ax=ax) is ax
