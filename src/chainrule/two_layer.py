"""A two-layer neural network for handwritten digits: NumPy, mathematics, nothing hidden.

The whole idea on one page. It stands on its own: copy it anywhere and run it.

    X  (n, m)   m images as columns, n = 784 pixels each         Y  (m,)   their labels, 0 to 9

    Z1 = W1 X + b1        A1 = g(Z1)              the hidden layer
    Z2 = W2 A1 + b2       A2 = softmax(Z2)        the output: a probability for each class, each column sums to 1

    cost = −1/m Σ_j log A2[Y_j, j]                the mean cross-entropy

Backwards, by the chain rule, with dZ short for ∂cost/∂Z:

    dZ2 = (A2 − onehot(Y)) / m          dW2 = dZ2 A1ᵀ         db2 = sum of dZ2's columns
    dZ1 = W2ᵀ dZ2 ∘ g′(Z1)              dW1 = dZ1 Xᵀ          db1 = sum of dZ1's columns

and every parameter goes a little downhill: W1 ← W1 − α dW1, and so on.
"""

import numpy as np


def ReLU(Z):
    """max(Z, 0), entry by entry."""
    return np.maximum(Z, 0)


def derivative_ReLU(Z):
    """1 where Z > 0, else 0. It asks for Z, from before the ReLU."""
    return (Z > 0).astype(float)


def LeakyReLU(Z, slope=0.01):
    """Z where Z > 0, else slope · Z."""
    return np.where(Z > 0, Z, slope * Z)


def derivative_LeakyReLU(Z, slope=0.01):
    """1 where Z > 0, else the slope."""
    return np.where(Z > 0, 1.0, slope)


ACTIVATIONS = {"relu": (ReLU, derivative_ReLU), "leaky_relu": (LeakyReLU, derivative_LeakyReLU)}


def get_activation(name):
    """The activation g of that name, and its derivative g′."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation is {name!r}; expected 'relu' or 'leaky_relu'.")
    return ACTIVATIONS[name]


def softmax(Z):
    """Probabilities exp(Z) / Σ exp(Z), each column on its own.

    Each column's own maximum is taken away first: no probability changes by that, and no exponential overflows.
    """
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


def init_params(hidden=10, *, inputs=784, classes=10, initialization="uniform", seed=None):
    """Random W1 (hidden, inputs), b1 (hidden, 1), W2 (classes, hidden), b2 (classes, 1).

    "uniform" draws everything from −½ to ½; "xavier" draws weights from N(0, 1/n_in) and "he" from N(0, 2/n_in),
    with biases 0, where n_in is how many numbers a unit adds up.
    """
    if initialization not in ("uniform", "xavier", "he"):
        raise ValueError(f"initialization is {initialization!r}; expected 'uniform', 'xavier' or 'he'.")
    rng = np.random.default_rng(seed)
    params = []
    for n_out, n_in in ((hidden, inputs), (classes, hidden)):
        if initialization == "uniform":
            params += [rng.random((n_out, n_in)) - 0.5, rng.random((n_out, 1)) - 0.5]
        else:
            variance = (1 if initialization == "xavier" else 2) / n_in
            params += [rng.standard_normal((n_out, n_in)) * np.sqrt(variance), np.zeros((n_out, 1))]
    return tuple(params)


def forward_propagation(X, W1, b1, W2, b2, *, activation="relu"):
    """From images (n, m) to Z1, A1 (hidden, m) and Z2, A2 (classes, m)."""
    g, _ = get_activation(activation)
    if np.asarray(X).dtype.kind in "iu":
        raise ValueError(f"X holds {np.asarray(X).dtype}; expected pixels from 0 to 1, as X / 255 are.")
    Z1 = W1 @ X + b1
    A1 = g(Z1)
    Z2 = W2 @ A1 + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2


def check_labels(Y, shape):
    """Refuse labels that are no whole numbers, or not one for each image: NumPy might make something of them."""
    if np.shape(Y) != shape:
        raise ValueError(f"Y has shape {np.shape(Y)}; expected {shape}, one label for each image.")
    if np.asarray(Y).dtype.kind not in "iu":
        raise ValueError(f"Y holds {np.asarray(Y).dtype}; expected integers, as Y.astype(int) are.")


def one_hot(Y, *, classes=10):
    """A column for each label, 1 in the label's row and 0 elsewhere, (classes, m).

    The number of classes is given, not read off the labels: a batch may lack the last one.
    """
    Y = np.asarray(Y)
    check_labels(Y, Y.shape if Y.ndim == 1 else "(m,)")
    if Y.size and not 0 <= Y.min() <= Y.max() < classes:
        raise ValueError(f"labels run from {Y.min()} to {Y.max()}; expected 0 to {classes - 1}.")
    return np.eye(classes)[:, Y]


def cost(A2, Y):
    """Mean cross-entropy, −1/m Σ_j log A2[Y_j, j]: ln 10 = 2.30 for ten classes and no idea.

    A probability of 0 counts as the smallest number there is, so that its logarithm, −708, is one too.
    """
    check_labels(Y, A2.shape[1:])
    p = (one_hot(Y, classes=len(A2)) * A2).sum(axis=0)
    return -np.mean(np.log(np.maximum(p, np.finfo(float).tiny)))


def backward_propagation(X, Y, A1, A2, W2, Z1, m, *, activation="relu"):
    """The gradient of `cost`: dW1, db1, dW2, db2, each in its parameter's shape.

    There is no stray factor: A2 − onehot(Y) is the derivative of the cross-entropy, not of a square.
    Each bias gradient is summed over the m examples for each unit, not over everything.
    m is this batch's number of columns, so that a small batch is not divided by the whole data's.
    """
    if m != X.shape[1]:
        raise ValueError(f"m is {m}, but X has {X.shape[1]} columns; divide by the number of images in this batch.")
    _, g_prime = get_activation(activation)
    dZ2 = (A2 - one_hot(Y, classes=len(A2))) / m
    dW2 = dZ2 @ A1.T
    db2 = dZ2.sum(axis=1, keepdims=True)
    dZ1 = W2.T @ dZ2 * g_prime(Z1)
    dW1 = dZ1 @ X.T
    db1 = dZ1.sum(axis=1, keepdims=True)
    return dW1, db1, dW2, db2


def update_params(alpha, W1, b1, W2, b2, dW1, db1, dW2, db2):
    """One step downhill, of size alpha: the four parameters, new."""
    return W1 - alpha * dW1, b1 - alpha * db1, W2 - alpha * dW2, b2 - alpha * db2


def get_predictions(A2):
    """The most probable class of each column, (m,)."""
    if np.isnan(A2).any():
        raise ValueError("A2 has NaN, so nothing is most probable. Is there NaN in X, or in the parameters?")
    return A2.argmax(axis=0)


def get_accuracy(predictions, Y):
    """The fraction of predictions that are right, 0 to 1."""
    check_labels(Y, np.shape(predictions))
    return np.mean(predictions == Y)


def gradient_descent(
    X, Y, alpha, iterations, *, hidden=10, classes=10, activation="relu", initialization="uniform", seed=None,
    params=None, X_val=None, Y_val=None, every=10, verbose=False,
):  # fmt: skip
    """Full-batch gradient descent from random parameters, or from `params`.

    At the start, every `every` iterations and after the last, it notes the iteration, the cost, the training accuracy
    and, given validation images, theirs. Returns W1, b1, W2, b2 and that history, a dict of lists. A cost that is no
    finite number is an error: nothing good comes after it.
    """
    if params is None:
        params = init_params(hidden, inputs=len(X), classes=classes, initialization=initialization, seed=seed)
    W1, b1, W2, b2 = params
    m = X.shape[1]
    history = {"iteration": [], "cost": [], "train_accuracy": [], "validation_accuracy": []}
    for i in range(iterations + 1):
        Z1, A1, _, A2 = forward_propagation(X, W1, b1, W2, b2, activation=activation)
        if i % every == 0 or i == iterations:
            history["iteration"].append(i)
            history["cost"].append(cost(A2, Y))
            if not np.isfinite(history["cost"][-1]):
                raise ValueError(
                    f"the cost is {history['cost'][-1]} at iteration {i}. Is there NaN, or no image, in X? "
                    f"Or is alpha, {alpha}, too large?"
                )
            history["train_accuracy"].append(get_accuracy(get_predictions(A2), Y))
            if X_val is not None:
                guesses = make_predictions(X_val, W1, b1, W2, b2, activation=activation)
                history["validation_accuracy"].append(get_accuracy(guesses, Y_val))
            if verbose:
                print("  ".join(f"{name} {values[-1]:.4g}" for name, values in history.items() if values))
        if i < iterations:
            dW1, db1, dW2, db2 = backward_propagation(X, Y, A1, A2, W2, Z1, m, activation=activation)
            W1, b1, W2, b2 = update_params(alpha, W1, b1, W2, b2, dW1, db1, dW2, db2)
    return W1, b1, W2, b2, history


def make_predictions(X, W1, b1, W2, b2, *, activation="relu"):
    """The predicted label of each image (column) of X."""
    _, _, _, A2 = forward_propagation(X, W1, b1, W2, b2, activation=activation)
    return get_predictions(A2)


def show_prediction(index, X, Y, W1, b1, W2, b2, *, activation="relu", ax=None):
    """Draw image number `index` with its predicted and its true label, into `ax` or a window of its own."""
    image = X[:, index, np.newaxis]
    side = int(np.sqrt(len(X)))
    prediction = make_predictions(image, W1, b1, W2, b2, activation=activation)[0]
    own_window = ax is None
    if own_window:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    ax.imshow(image.reshape(side, side), cmap="gray", interpolation="nearest")
    ax.set_title(f"predicted {prediction}, label {Y[index]}")
    ax.axis("off")
    if own_window:
        plt.show()
    return ax
