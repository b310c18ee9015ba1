"""Worked solutions to chapter 11."""

import numpy as np


def dense_into(x, W, b, out):
    """11.1: the product is written where it belongs, and the bias is added there."""
    np.matmul(x, W, out=out)
    out += b


def multiplications(n, sizes):
    """11.2: one product forward and two back, but for the first layer, which passes nothing on."""
    products = [n * a * b for a, b in zip(sizes[:-1], sizes[1:])]
    return 3 * sum(products) - products[0]


def flatten(arrays):
    """11.3: cut θ into slices; a reshaped slice is a view."""
    theta = np.concatenate([array.reshape(-1) for array in arrays])
    views, start = [], 0
    for array in arrays:
        views.append(theta[start : start + array.size].reshape(array.shape))
        start += array.size
    return theta, views


def speed_up(part, factor):
    """11.4: Amdahl's law."""
    return 1 / (1 - part + part / factor)
