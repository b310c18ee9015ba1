"""A classifier with scikit-learn's manners, in place of its `MLPClassifier`: this engine, and the same names.

    from chainrule import NetworkClassifier

    classifier = NetworkClassifier((128,), early_stopping=True, random_state=0).fit(X, y)
    classifier.predict_proba(X)

It asks `Training` for epochs, and is the body of that loop: scores, patience, and the best weights.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.deformations import Deformation
from chainrule.data.preparation import NoPreparation
from chainrule.errors import InputError, MissingPackageError, ShapeError, UnknownNameError, ValueRangeError
from chainrule.model import Model
from chainrule.nn import network as engine
from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid
from chainrule.nn.arrays import Array, is_number, require_count, require_rate
from chainrule.nn.initializers import glorot_uniform, he_normal
from chainrule.nn.layers import Dense, Dropout, Layer
from chainrule.nn.network import Network
from chainrule.nn.optimizers import SGD, Adam, AdamW, Optimizer
from chainrule.nn.schedules import InverseScaling, Schedule, WarmupCosine
from chainrule.training.history import Report
from chainrule.training.training import Training

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise MissingPackageError(
        "NetworkClassifier needs scikit-learn, 1.6 or newer: pip install 'chainrule[sklearn]'"
    ) from error

SOLVERS = ("adam", "adamw", "sgd")
LEARNING_RATES = ("constant", "adaptive", "invscaling", "cosine")
#: Names for activations; scikit-learn calls the sigmoid logistic.
ACTIVATIONS = {**engine.ACTIVATIONS, "logistic": Sigmoid}
#: Where an adaptive learning rate is not divided any further.
LEAST_RATE = 1e-6


class NetworkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A dense network that classifies rows of numbers, or pictures of any size.

    Parameters up to `n_iter_no_change` have the names, meanings and defaults of scikit-learn's `MLPClassifier`;
    docs/scikit-learn.md lists what differs.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer.
    activation : {"relu", "leaky_relu", "tanh", "logistic", "sigmoid", "identity"}, Layer, or a sequence of these
        One for all hidden layers, or one for each.
    solver : {"adam", "adamw", "sgd"}
    alpha : float
        With "adam" and "sgd" the penalty ½·alpha·‖W‖², divided by the batch's size; with "adamw" the decoupled weight
        decay λ.
    batch_size : int or "auto"
        "auto" is 200, or all rows where they are fewer.
    learning_rate : {"constant", "adaptive", "invscaling", "cosine"}, or callable
        "adaptive" divides the rate by 5 where training would stop, "cosine" falls to 0 at `max_iter`. A callable gives
        the rate of each step, as the schedules of this package do.
    learning_rate_init : float
    power_t : float; of "invscaling"
    max_iter : int; epochs
    shuffle : bool
    random_state : int, RandomState or None
    tol : float
        By how much the loss, or the validation score, has to improve.
    verbose : bool
    warm_start : bool
        Whether `fit` goes on from the weights that are there.
    momentum, nesterovs_momentum : of "sgd"
    early_stopping : bool
        Keep a part of the rows for validation, stop by the score on it, and keep the best weights.
    validation_fraction : float, above 0 and below 1
    beta_1, beta_2, epsilon : of "adam" and "adamw"
    n_iter_no_change : int
        Epochs without improvement that are waited for.
    class_weight : dict, "balanced" or None
        How much each class counts, times `sample_weight`.
    dropout : float or sequence of float, 0 ≤ rate < 1
        Behind all hidden layers, or each.
    input_dropout : float, 0 ≤ rate < 1
    deformation : Deformation or None
        Every picture is deformed anew each time it is learned from. Its background has to be 0.
    image_shape : (height, width), or None
        What a row is a picture of, for `deformation`; not needed where X is (N, height, width).

    Attributes
    ----------
    classes_ : array, shape (C,), sorted
    network_ : Network; its outputs are logits, in the order of `classes_`
    loss_curve_ : list of float; mean training loss of each epoch, without the penalty, nats per example
    validation_scores_, validation_loss_curve_ : lists of float, or None
        Accuracy and loss on the validation rows after each epoch, with `early_stopping`.
    best_validation_score_ : float, or None
    loss_, best_loss_ : float; the last of `loss_curve_`, and the least
    n_iter_ : int; epochs of the last `fit`
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn
    coefs_, intercepts_ : lists of arrays; weights (n_in, n_out) and biases, views into `network_.parameters`

    Raises
    ------
    InputError
        From `fit`, if a parameter is out of range; a ValueError. scikit-learn refuses X and y in its own words.
    DivergenceError
        From `fit`, if the loss stops being finite. What was fitted before is then kept.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> NetworkClassifier(max_iter=30, random_state=0).fit(X / 16, y).score(X / 16, y) > 0.98
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Layer | Sequence[str | Layer] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        class_weight: Any = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        deformation: Deformation | None = None,
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.deformation = deformation
        self.image_shape = image_shape

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags

    @classmethod
    def from_network(cls, network: Network, classes: ArrayLike | None = None, **parameters: Any) -> NetworkClassifier:
        """A fitted classifier from a network, ready to predict, and to learn on by `partial_fit` or `warm_start`.

        Parameters
        ----------
        network : Network
            Dense layers with an activation, and dropout behind it, between them; its outputs are logits. It is copied.
        classes : array, shape (C,), optional
            The class of each output; 0, 1, … where not given. Outputs are put in the order of the sorted classes.
        **parameters
            Of the classifier, but for those that the network says.

        Raises
        ------
        InputError
            If the layers are no such network, or the classes not one for each output.
        """
        classifier = cls(**{**_describe(network), **parameters})
        names = np.arange(network.outputs) if classes is None else np.asarray(classes)
        sorted_names, order = np.unique(names, return_index=True)
        if names.shape != (network.outputs,) or len(order) != len(names):
            raise ShapeError(f"classes are {names}; expected {network.outputs} different ones, one for each output.")
        classifier.network_ = network.with_parameters(network.parameters.copy())
        last = classifier.network_.layers[-1]
        assert isinstance(last, Dense)  # `_describe` has seen to that
        last.weight[...], last.bias[...] = last.weight[:, order], last.bias[order]
        classifier.classes_, classifier.n_features_in_ = sorted_names, network.inputs
        classifier._begin()
        return classifier

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> NetworkClassifier:
        """Learn from rows and their classes.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (N, D); or array of pictures, shape (N, height, width)
            float32 and float64 stay what they are, and are what the network computes in; all else becomes float64. A
            sparse matrix is written out in full.
        y : array, shape (N,); classes of any kind
        sample_weight : array, shape (N,), optional
            How much each row counts; a weight of 2 as the row given twice.

        Returns
        -------
        self
        """
        goes_on = self.warm_start and hasattr(self, "network_")
        self._check_parameters()
        X, y, picture = self._take_in(X, y, goes_on)
        if not goes_on:
            self.classes_ = np.unique(y)
        labels, weights = self._labels(y), self._weights(X, y, sample_weight)
        rng = _generator(self.random_state)
        rows, validation = self._choose_rows(labels, weights, rng)
        network = self._copy() if goes_on else self._new_network(X, len(self.classes_), rng)
        training = self._training(network, X, labels, weights, rows, picture, self._new_optimizer(), rng, self.max_iter)
        curves = self._curves() if goes_on else _Curves()
        stopped = self._go_through(training, curves, _Patience(self.tol, self.n_iter_no_change), validation)
        if not stopped and self.learning_rate in ("constant", "adaptive", "invscaling"):
            warnings.warn(
                f"The network still improves after {self.max_iter} epochs; raise max_iter.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self._keep(training, curves)
        self._patience = _Patience(self.tol, self.n_iter_no_change)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> NetworkClassifier:
        """Learn one epoch of these rows, going on from what is there. There is nothing to stop early.

        Parameters
        ----------
        X, y, sample_weight : as for `fit`
        classes : array, shape (C,); every class there will be, in the first call

        Returns
        -------
        self
        """
        goes_on = hasattr(self, "network_")
        self._check_parameters()
        if self.class_weight == "balanced":
            raise ValueRangeError("partial_fit does not know how often each class will come; give class_weight a dict.")
        X, y, picture = self._take_in(X, y, goes_on)
        self._take_classes(classes)
        labels, weights = self._labels(y), self._weights(X, y, sample_weight)
        if not goes_on:
            self._begin()
            self.network_ = self._new_network(X, len(self.classes_), self._rng)
        rows = _rows_that_count(labels, weights)
        training = self._training(
            self.network_, X, labels, weights, rows, picture, self._optimizer, self._rng, epochs=1
        )
        curves = self._curves()
        self._go_through(training, curves, self._patience, None)
        self._keep(training, curves)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, shape (N,)."""
        X = self._rows(X)
        return self.classes_[self._model.predict(X)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class for each row, shape (N, C), in the order of `classes_`."""
        X = self._rows(X)
        return self._model.probabilities(X)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`, finite also where a probability is as good as 0."""
        X = self._rows(X)
        return self._model.log_probabilities(X)

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, shape (n_in, n_out)."""
        return [layer.weight for layer in self.network_.layers if isinstance(layer, Dense)]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, shape (n_out,)."""
        return [layer.bias for layer in self.network_.layers if isinstance(layer, Dense)]

    @property
    def _model(self) -> Model:
        return Model(self.network_, NoPreparation((1, self.network_.inputs)), tuple(map(str, self.classes_)))

    # ----------------------------------------------------------------------------------------- what goes in

    def _take_in(self, X: Any, y: Any, goes_on: bool) -> tuple[Array, NDArray[Any], tuple[int, int]]:
        """X as rows of floats, y as it is, and the (height, width) of a row."""
        shape = X.shape[1:] if _are_pictures(X) else None
        dtype = self.network_.dtype if goes_on else (np.float64, np.float32)
        X, y = validate_data(self, _flat(X), y, reset=not goes_on, dtype=dtype, order="C", accept_sparse="csr")
        check_classification_targets(y)
        return _dense(X), y, self._picture(shape, X.shape[1])

    def _rows(self, X: Any) -> Array:
        """X as the network reads it."""
        check_is_fitted(self)
        return _dense(
            validate_data(self, _flat(X), reset=False, dtype=self.network_.dtype, order="C", accept_sparse="csr")
        )

    def _picture(self, given: tuple[int, ...] | None, width: int) -> tuple[int, int]:
        """The (height, width) of the picture that a row is; (1, D) where nobody asks."""
        if self.deformation is None:
            return 1, width
        shape = tuple(self.image_shape or given or ())
        if len(shape) != 2 or shape[0] * shape[1] != width:
            raise ShapeError(
                f"deformation needs to know the height and width of a picture with {width} pixels, and image_shape is "
                f"{self.image_shape}; expected one as (28, 28), or X as (N, height, width)."
            )
        return shape[0], shape[1]

    def _take_classes(self, classes: ArrayLike | None) -> None:
        """The classes of a first `partial_fit`; later they are the same, or not given."""
        if hasattr(self, "network_"):
            if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
                raise ValueRangeError(f"classes are {classes}; expected {self.classes_}, as in the first call.")
        elif classes is None:
            raise ValueRangeError("classes must be given in the first call of partial_fit: np.unique of all y.")
        else:
            self.classes_ = np.unique(classes)

    def _labels(self, y: NDArray[Any]) -> Array:
        """y as numbers of classes."""
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueRangeError(f"y has the classes {unknown}; expected those known before, {self.classes_}.")
        return np.searchsorted(self.classes_, y)

    def _weights(self, X: Array, y: NDArray[Any], sample_weight: ArrayLike | None) -> Array | None:
        """How much each row counts, shape (N,); None where all count the same."""
        if sample_weight is None and self.class_weight is None:
            return None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weights = weights * compute_sample_weight(self.class_weight, y)
        if not weights.any():
            raise ValueRangeError("Every weight is zero; expected a row that counts.")
        return weights

    def _choose_rows(
        self, labels: Array, weights: Array | None, rng: np.random.Generator
    ) -> tuple[Array, Validation | None]:
        """Which rows to learn from, and what to validate on where that is asked for."""
        rows = _rows_that_count(labels, weights)
        if not self.early_stopping:
            return rows, None
        rows, held_out = _split(rows, labels[rows], self.validation_fraction, rng)
        return rows, Validation(held_out, labels[held_out], None if weights is None else weights[held_out])

    # ------------------------------------------------------------------------------------------ what is made

    def _layers(self, inputs: int, outputs: int) -> list[Layer]:
        """The layers that the parameters describe."""
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, (Sequence, np.ndarray)) else [sizes]
        layers, width = _dropout(self.input_dropout), inputs
        activations, rates = _each("activation", self.activation, sizes), _each("dropout", self.dropout, sizes)
        for size, activation, rate in zip(sizes, activations, rates, strict=True):
            between = _activation(activation)
            initializer = he_normal if isinstance(between, (ReLU, LeakyReLU)) else glorot_uniform
            layers += [Dense(width, size, initializer=initializer), *([] if between is None else [between])]
            layers += _dropout(rate)
            width = size
        return [*layers, Dense(width, outputs, initializer=glorot_uniform)]

    def _new_network(self, X: Array, outputs: int, rng: np.random.Generator) -> Network:
        return Network(self._layers(X.shape[1], outputs), rng=rng, dtype=X.dtype)

    def _copy(self) -> Network:
        """The network again, so that the fitted one stays whole whatever happens."""
        return self.network_.with_parameters(self.network_.parameters.copy())

    def _new_optimizer(self) -> Optimizer:
        rate = self.learning_rate_init
        if self.solver == "sgd":
            return SGD(rate, momentum=self.momentum, nesterov=bool(self.nesterovs_momentum and self.momentum))
        make = AdamW if self.solver == "adamw" else Adam
        return make(rate, betas=(self.beta_1, self.beta_2), epsilon=self.epsilon)

    def _training(
        self,
        network: Network,
        X: Array,
        labels: Array,
        weights: Array | None,
        rows: Array,
        picture: tuple[int, int],
        optimizer: Optimizer,
        rng: np.random.Generator,
        epochs: int,
    ) -> Training:
        count = len(rows)
        batch = min(200 if self.batch_size == "auto" else int(self.batch_size), count)
        weight = 1.0 if weights is None else float(weights[rows].mean())  # a row counts as so many
        optimizer.weight_decay = self.alpha if self.solver == "adamw" else self.alpha / (weight * batch)
        return Training(
            network,
            X,
            labels,
            optimizer=optimizer,
            preparation=NoPreparation(picture),
            rows=rows,
            sample_weight=weights,
            batch_size=None if batch == count else batch,
            shuffle=self.shuffle,
            epochs=epochs,
            schedule=self._schedule(count, math.ceil(count / batch), optimizer.steps),
            deformation=self.deformation,
            train_sample=0,
            rng=rng,
        )

    def _schedule(self, examples: int, steps: int, taken: int) -> Schedule | None:
        """The rate of each step of this training, where `taken` were taken before."""
        rate, schedule = self.learning_rate_init, self.learning_rate
        if schedule == "cosine":
            schedule = WarmupCosine(rate, total=self.max_iter * steps)
        elif schedule == "invscaling":
            schedule = InverseScaling(rate, examples, steps, self.power_t)
        return None if isinstance(schedule, str) else lambda step: schedule(taken + step)

    def _check_parameters(self) -> None:
        """Refuse under their own names what the engine would refuse under others."""
        if self.solver not in SOLVERS:
            hint = "Methods for whole batches are not built here." if self.solver == "lbfgs" else ""
            raise UnknownNameError("solver", str(self.solver), SOLVERS, hint=hint)
        if not callable(self.learning_rate) and self.learning_rate not in LEARNING_RATES:
            raise UnknownNameError("learning_rate", str(self.learning_rate), LEARNING_RATES)
        require_rate(alpha=self.alpha, learning_rate_init=self.learning_rate_init, tol=self.tol)
        require_count(max_iter=self.max_iter)
        if self.batch_size != "auto":
            require_count(batch_size=self.batch_size)  # type: ignore[arg-type]  # which looks itself
        if not is_number(self.n_iter_no_change) or not self.n_iter_no_change > 0:
            raise ValueRangeError(f"n_iter_no_change is {self.n_iter_no_change!r}; expected a number above 0.")
        if not is_number(self.validation_fraction) or not 0 < self.validation_fraction < 1:
            raise ValueRangeError(f"validation_fraction is {self.validation_fraction!r}; expected above 0 and below 1.")

    # -------------------------------------------------------------------------------------- how it is learned

    def _go_through(
        self, training: Training, curves: _Curves, patience: _Patience, validation: Validation | None
    ) -> bool:
        """Train until nothing improves, or to the end; whether it was the former. The best weights are kept."""
        best = None
        stopped = False
        for report in training:
            curves.loss.append(report.loss)
            score = -report.loss
            if validation is not None:
                score, loss = validation.measure(training)
                curves.scores.append(score)
                curves.validation_loss.append(loss)
            if patience.is_best(score) and validation is not None:
                best = training.network.parameters.copy()
            if self.verbose:
                print(curves.line(report))
            if patience.is_over and not self._slow_down(training.optimizer, patience):
                stopped = True
                break
        if best is not None:
            training.network.parameters[...] = best
        return stopped

    def _slow_down(self, optimizer: Optimizer, patience: _Patience) -> bool:
        """Where the learning rate is adaptive and not too small yet, divide it instead of stopping."""
        if self.learning_rate != "adaptive" or optimizer.learning_rate <= LEAST_RATE:
            return False
        optimizer.learning_rate /= 5
        patience.begin_again()
        return True

    def _begin(self) -> None:
        """What `partial_fit` goes on from where there was no `fit`."""
        self._rng, self._optimizer = _generator(self.random_state), self._new_optimizer()
        self._patience = _Patience(self.tol, self.n_iter_no_change)
        self._show(_Curves())
        self.n_iter_ = 0

    def _keep(self, training: Training, curves: _Curves) -> None:
        """A training that has come to its end is what was learned."""
        self.network_, self._optimizer, self._rng = training.network, training.optimizer, training.rng
        self.n_iter_ = training.epoch
        self._show(curves)

    def _show(self, curves: _Curves) -> None:
        self.loss_curve_ = curves.loss
        self.loss_, self.best_loss_ = (curves.loss[-1], min(curves.loss)) if curves.loss else (math.inf, math.inf)
        self.validation_scores_ = curves.scores or None
        self.validation_loss_curve_ = curves.validation_loss or None
        self.best_validation_score_ = max(curves.scores, default=None)

    def _curves(self) -> _Curves:
        """The curves so far, to be gone on with."""
        given = (self.loss_curve_, self.validation_scores_, self.validation_loss_curve_)
        return _Curves(*(list(curve or ()) for curve in given))


class Validation:
    """The rows that are kept for validation: how good a network is on them.

    Parameters
    ----------
    rows : integer array, shape (M,)
    labels : integer array, shape (M,)
    weights : float array, shape (M,), or None
    """

    def __init__(self, rows: Array, labels: Array, weights: Array | None) -> None:
        self.rows, self.labels, self.weights = rows, labels, weights

    def measure(self, training: Training) -> tuple[float, float]:
        """Accuracy, and mean cross-entropy in nats per example."""
        log_p = training.model.log_probabilities(training.images, self.rows)
        right = log_p.argmax(axis=1) == self.labels
        losses = -log_p[np.arange(len(log_p)), self.labels]
        return float(np.average(right, weights=self.weights)), float(np.average(losses, weights=self.weights))


class _Patience:
    """How long a score has not improved by `tol`."""

    def __init__(self, tol: float, epochs: float) -> None:
        self.tol, self.epochs = tol, epochs
        self.best = -math.inf
        self.waited = 0

    def is_best(self, score: float) -> bool:
        """Take in the score of an epoch; whether there was none so good."""
        self.waited = 0 if score >= self.best + self.tol else self.waited + 1
        better = score > self.best
        self.best = max(score, self.best)
        return better

    @property
    def is_over(self) -> bool:
        return self.waited > self.epochs

    def begin_again(self) -> None:
        self.waited = 0


@dataclass
class _Curves:
    """Losses and scores, an epoch each."""

    loss: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    def line(self, report: Report) -> str:
        """An epoch in words."""
        line = f"Epoch {report.epoch}, loss = {report.loss:.8f}"
        if not self.scores:
            return line
        return f"{line}, validation loss = {self.validation_loss[-1]:.8f}, validation score = {self.scores[-1]:.6f}"


def _flat(X: Any) -> Any:
    """Pictures as rows; all else as it is."""
    return np.asarray(X).reshape(len(X), -1) if _are_pictures(X) and 0 not in X.shape else X


def _are_pictures(X: Any) -> bool:
    return len(getattr(X, "shape", ())) == 3


def _dense(X: Any) -> Array:
    """A sparse matrix written out."""
    return X.toarray() if hasattr(X, "toarray") else X


def _generator(random_state: Any) -> np.random.Generator:
    """A generator of this package from scikit-learn's seed."""
    return np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _split(rows: Array, labels: Array, fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows to learn from and rows to validate on; each class in its proportion, where there are enough of it."""
    count, classes = np.unique(labels, return_counts=True)[1], len(np.unique(labels))
    held_out = math.ceil(fraction * len(rows))
    enough = count.min() >= 2 and min(held_out, len(rows) - held_out) >= classes
    seed = int(rng.integers(np.iinfo(np.int32).max))
    kept, validation = train_test_split(
        rows, test_size=fraction, stratify=labels if enough else None, random_state=seed
    )
    return kept, validation


def _rows_that_count(labels: Array, weights: Array | None) -> Array:
    return np.arange(len(labels)) if weights is None else np.flatnonzero(weights)


def _each(name: str, value: Any, sizes: list[int]) -> list[Any]:
    """A setting of each hidden layer."""
    values = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * len(sizes)
    if len(values) != len(sizes):
        raise ShapeError(f"{name} has {len(values)} entries for {len(sizes)} hidden layers; expected as many, or one.")
    return values


def _activation(given: Any) -> Layer | None:
    """The layer of that name; a layer is taken as it is, and the identity is none."""
    if isinstance(given, Layer):
        return given
    if given not in (*ACTIVATIONS, "identity"):
        raise UnknownNameError("activation", str(given), (*ACTIVATIONS, "identity"))
    return None if given == "identity" else ACTIVATIONS[given]()


def _dropout(rate: float) -> list[Layer]:
    layer = Dropout(rate)
    return [layer] if layer.rate else []


def _describe(network: Network) -> dict[str, Any]:
    """The parameters of a classifier whose network has these layers."""
    sizes: list[int] = []
    activations: list[str | Layer] = []
    rates: list[float] = []
    input_dropout = 0.0
    for layer in network.layers:
        if isinstance(layer, Dense):
            sizes, activations, rates = [*sizes, layer.outputs], [*activations, "identity"], [*rates, 0.0]
        elif isinstance(layer, Dropout) and not sizes:
            input_dropout = layer.rate
        elif isinstance(layer, Dropout):
            rates[-1] = layer.rate
        elif sizes:
            activations[-1] = _name(layer)
    found = {
        "hidden_layer_sizes": tuple(sizes[:-1]),
        "activation": _alike(activations[:-1], "relu"),
        "dropout": _alike(rates[:-1], 0.0),
        "input_dropout": input_dropout,
    }
    again = NetworkClassifier(**found)._layers(network.inputs, network.outputs)
    if [layer.configuration() for layer in again] != network.configuration():
        kinds = ", ".join(layer.kind for layer in network.layers)
        raise InputError(
            f"A classifier's layers are dense, with an activation and then dropout between two of them, and the last "
            f"is dense; these are {kinds}."
        )
    return found


def _name(layer: Layer) -> str | Layer:
    """What an activation is called, or the layer itself where it has settings of its own."""
    make = engine.ACTIVATIONS.get(layer.kind)
    return layer.kind if make is not None and make().configuration() == layer.configuration() else layer


def _alike(values: list[Any], otherwise: Any) -> Any:
    """One value where all are the same."""
    if not values:
        return otherwise
    return values[0] if all(value == values[0] for value in values) else tuple(values)
