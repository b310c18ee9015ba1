"""Worked solutions to chapter 5."""

import numpy as np


def output_error(A, Y):
    """5.1: p − y of each example, and 1/m from the mean."""
    return (A - Y) / A.shape[1]


def one_layer_gradients(X, A, Y):
    """5.2: dW has W's shape, db has b's."""
    dZ = output_error(A, Y)
    return dZ @ X.T, dZ.sum(axis=1, keepdims=True)


def relu_back(dA, Z):
    """5.3: what ReLU let through comes back, and nothing else."""
    return dA * (Z > 0)


def two_layer_gradients(X, Y, Z1, A1, A2, W2):
    """5.4: from the output to the input, one layer after the other."""
    dZ2 = output_error(A2, Y)
    dZ1 = relu_back(W2.T @ dZ2, Z1)
    return dZ1 @ X.T, dZ1.sum(axis=1, keepdims=True), dZ2 @ A1.T, dZ2.sum(axis=1, keepdims=True)


def relative_error(a, n):
    """5.5: 0 for two zeros, and at most 1."""
    size = np.linalg.norm(a) + np.linalg.norm(n)
    return np.linalg.norm(a - n) / size if size else 0.0
