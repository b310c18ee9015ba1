"""Worked solutions to chapter 7."""

import numpy as np


def mended(X, Y, Z1, A1, A2, W2):
    """7.1: no stray 2, a sum for each unit, and the mask of Z1."""
    dZ2 = (A2 - Y) / X.shape[1]
    dZ1 = W2.T @ dZ2 * (Z1 > 0)
    return dZ1 @ X.T, dZ1.sum(axis=1, keepdims=True), dZ2 @ A1.T, dZ2.sum(axis=1, keepdims=True)


def dropout_back(dA, mask, keep):
    """7.2: forward it was A · mask / keep, which is linear; so the way back has the same factors."""
    return dA * mask / keep


#: 7.3, in the order of the pictures.
curves = ["rate too large", "rate too small", "over-fitting", "unshuffled", "dead units"]


def find_wrong(loss, gradients, parameters):
    """7.4: hold each against central differences; right ones agree to nine digits, wrong ones don't to three."""
    given, wrong = gradients(parameters), set()
    for name, array in parameters.items():
        slope = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            sides = []
            for h in (1e-5, -1e-5):
                moved = {**parameters, name: array.copy()}
                moved[name][i] += h
                sides.append(loss(moved))
            slope[i] = (sides[0] - sides[1]) / 2e-5
        error = np.linalg.norm(given[name] - slope) / (np.linalg.norm(given[name]) + np.linalg.norm(slope))
        if error > 1e-4:
            wrong.add(name)
    return wrong
