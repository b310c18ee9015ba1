"""A model out of scikit-learn's fitted MLPClassifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.errors import InputError
from chainrule.files.perceptron import (
    Affine,
    named_classes,
    network_of,
    picture_shape,
    preparation_of,
    told_scale,
    two_classes,
)
from chainrule.model import Model, require_finite_parameters
from chainrule.nn.activations import ReLU, Sigmoid, Tanh
from chainrule.nn.layers import Layer

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

#: What follows a hidden layer, by scikit-learn's name of the activation.
_HIDDEN: dict[str, tuple[Layer, ...]] = {"identity": (), "relu": (ReLU(),), "tanh": (Tanh(),), "logistic": (Sigmoid(),)}


def from_mlp_classifier(
    classifier: MLPClassifier,
    *,
    largest_pixel: float | None = None,
    mean: float | None = None,
    deviation: float | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Model:
    """The model that predicts what a fitted MLPClassifier predicts, with the same probabilities.

    The classifier was fitted to rows of numbers, the model reads pictures as bytes; so say what the numbers were:

        x = (pixel / 255 · largest_pixel − mean) / deviation

    Parameters
    ----------
    classifier : sklearn.neural_network.MLPClassifier, fitted, to two classes or more
    largest_pixel : float, optional
        What the brightest pixel was in its training data: 1 (where not given), 16, 255, …
    mean, deviation : float, optional
        By which the pixels were then standardised; 0 and 1 where not given.
    image_shape : (height, width), optional
        A square where not given.

    Returns
    -------
    model : Model, of the classifier's dtype; its class names are `classifier.classes_` as texts, in that order

    Raises
    ------
    InputError
        If it is not fitted, no MLPClassifier, or gives each picture several labels.
    ValueRangeError, ShapeError
        If `largest_pixel` or `deviation` is not above 0, `mean` is not finite, or `image_shape` does not fit.
    """
    scale = told_scale(largest_pixel, mean, deviation)
    if not all(hasattr(classifier, name) for name in ("coefs_", "intercepts_", "classes_", "out_activation_")):
        raise InputError(f"{type(classifier).__name__} is no fitted MLPClassifier; call its fit(X, y) first.")
    dense = [Affine(*arrays) for arrays in zip(classifier.coefs_, classifier.intercepts_, strict=True)]
    if classifier.out_activation_ == "logistic":
        if dense[-1].bias.size > 1:
            raise InputError("This MLPClassifier gives each picture several labels; a model gives one.")
        dense[-1] = two_classes(dense[-1])
    layers: list[Affine | Layer] = [dense[0]]
    for layer in dense[1:]:
        layers += [*_HIDDEN[classifier.activation], layer]
    dtype = np.dtype(dense[0].weight.dtype)
    shape = picture_shape(len(dense[0].weight), image_shape)
    network = network_of(layers, dtype)
    require_finite_parameters(network)
    names = named_classes(classifier.classes_.tolist(), network.outputs)
    return Model(network, preparation_of(shape, scale, dtype), names, {"imported_from": "MLPClassifier"})
