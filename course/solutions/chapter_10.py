"""Worked solutions to chapter 10."""

import numpy as np


def confusion(labels, predictions, classes):
    """10.1: add 1 for every pair, however often it comes."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def confident_mistakes(P, labels, k):
    """10.2: sort by confidence, and leave out who is right."""
    order = np.argsort(-P.max(axis=1))
    wrong = P.argmax(axis=1) != labels
    return order[wrong[order]][:k]


def calibration(sure, right, edges):
    """10.3: of all that lie between two edges, the part that is right."""
    parts = []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (sure >= low) & (sure < high)
        parts.append(right[inside].mean() if inside.any() else np.nan)
    return np.array(parts)


def input_gradient(W1, b1, W2, x, c):
    """10.4: from the class's score back through ReLU to the pixels."""
    return (W2[c] * (W1 @ x + b1 > 0)) @ W1
