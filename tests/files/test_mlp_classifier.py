import warnings

import numpy as np
import pytest

from chainrule.data.datasets import load_dataset
from chainrule.errors import InputError, ShapeError, ValueRangeError
from chainrule.files.mlp_classifier import from_mlp_classifier

neural_network = pytest.importorskip("sklearn.neural_network")


@pytest.fixture(scope="module")
def digits():
    """Pictures, rows as scikit-learn takes them, and labels."""
    data = load_dataset("digits")
    images = data.train_images[:300]
    return images, images.reshape(-1, 784) / 255, data.train_labels[:300]


def fitted(rows, labels, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, and need not
        options = {"hidden_layer_sizes": (8, 6), "max_iter": 6, "random_state": 0} | options
        return neural_network.MLPClassifier(**options).fit(rows, labels)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_predicts_what_the_classifier_predicts(digits, activation, dtype):
    images, rows, labels = digits
    classifier = fitted(rows.astype(dtype), labels, activation=activation)
    model = from_mlp_classifier(classifier)
    assert model.network.dtype == dtype
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    assert np.abs(model.probabilities(images) - classifier.predict_proba(rows.astype(dtype))).max() < tolerance
    assert np.array_equal(model.predict(images), classifier.predict(rows.astype(dtype)))


def test_two_classes_have_the_probabilities_of_its_one_output(digits):
    images, rows, labels = digits
    two = labels < 2
    words = np.where(labels[two] == 0, "zero", "one")
    classifier = fitted(rows[two], words)
    model = from_mlp_classifier(classifier)
    assert model.class_names == ("one", "zero")
    assert np.abs(model.probabilities(images) - classifier.predict_proba(rows)).max() < 1e-12


def test_the_class_names_are_its_classes_in_their_order(digits):
    _, rows, labels = digits
    assert from_mlp_classifier(fitted(rows, labels * 10)).class_names == tuple(str(10 * c) for c in range(10))
    assert from_mlp_classifier(fitted(rows, labels)).facts == {"imported_from": "MLPClassifier"}


@pytest.mark.parametrize(
    ("options", "scaled"),
    [
        ({"largest_pixel": 255}, lambda rows: rows * 255),
        ({"largest_pixel": 16}, lambda rows: rows * 16),
        ({"mean": 0.13, "deviation": 0.31}, lambda rows: (rows - 0.13) / 0.31),
    ],
    ids=["255", "16", "standardised"],
)
def test_what_its_rows_were_is_told(digits, options, scaled):
    images, rows, labels = digits
    classifier = fitted(scaled(rows), labels)
    model = from_mlp_classifier(classifier, **options)
    assert np.abs(model.probabilities(images) - classifier.predict_proba(scaled(rows))).max() < 1e-9


def test_no_hidden_layer_and_other_pictures(digits):
    images, _, labels = digits
    small = images[:, ::4, ::7].copy()
    classifier = fitted(small.reshape(-1, 28) / 255, labels, hidden_layer_sizes=())
    model = from_mlp_classifier(classifier, image_shape=(7, 4))
    assert np.abs(model.probabilities(small) - classifier.predict_proba(small.reshape(-1, 28) / 255)).max() < 1e-12
    with pytest.raises(ShapeError, match="28 pixels, which make no square"):
        from_mlp_classifier(classifier)


def test_what_cannot_become_a_model_is_refused(digits):
    _, rows, labels = digits
    several = np.stack([labels > 3, labels > 6], axis=1)
    with pytest.raises(InputError, match="several labels; a model gives one"):
        from_mlp_classifier(fitted(rows, several))
    with pytest.raises(InputError, match=r"MLPClassifier is no fitted MLPClassifier; call its fit"):
        from_mlp_classifier(neural_network.MLPClassifier())
    with pytest.raises(InputError, match="dict is no fitted MLPClassifier"):
        from_mlp_classifier({})
    with pytest.raises(ValueRangeError, match="largest_pixel is 0"):
        from_mlp_classifier(fitted(rows, labels), largest_pixel=0)
