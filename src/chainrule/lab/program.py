"""A network as people write it, for the room where it is broken. Read, trained and examined as the text it is."""

import numpy as np


def init_params(rng):
    """A start for 784-32-10."""
    W1 = rng.standard_normal((784, 32)) * np.sqrt(2 / 784)
    b1 = np.zeros((1, 32))
    W2 = rng.standard_normal((32, 10)) * np.sqrt(2 / 32)
    b2 = np.zeros((1, 10))
    return W1, b1, W2, b2


def softmax(Z):
    """Probabilities, one row for each image."""
    e = np.exp(Z - np.max(Z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def forward(X, W1, b1, W2, b2):
    """From images to probabilities."""
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0)
    Z2 = A1 @ W2 + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2


def backward(X, Y, Z1, A1, Z2, A2, W1, W2):
    """The gradients, by the chain rule."""
    m = len(X)
    dZ2 = (A2 - Y) / m
    dW2 = A1.T @ dZ2
    db2 = np.sum(dZ2, axis=0, keepdims=True)
    dA1 = dZ2 @ W2.T
    dZ1 = dA1 * (Z1 > 0)
    dW1 = X.T @ dZ1
    db1 = np.sum(dZ1, axis=0, keepdims=True)
    return dW1, db1, dW2, db2
