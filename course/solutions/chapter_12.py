"""Worked solutions to chapter 12."""

import numpy as np


def convolve(image, kernel):
    """12.1: shift the picture instead of the kernel: one product for each of the kernel's weights."""
    height, width = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((height, width))
    for a, b in np.ndindex(kernel.shape):
        out += kernel[a, b] * image[a : a + height, b : b + width]
    return out


def product_back(A, B, dC):
    """12.2: only one order of the factors has the right shape."""
    return dC @ B.T, A.T @ dC


def reverse(steps, x):
    """12.3: forward once to know the values, back once to add up the gradients."""
    values = [x]
    for kind, i, j in steps:
        values.append(values[i] + values[j] if kind == "add" else values[i] * values[j])
    gradient = np.zeros(len(values))
    gradient[-1] = 1
    for k in range(len(steps), 0, -1):
        kind, i, j = steps[k - 1]
        gradient[i] += gradient[k] * (1 if kind == "add" else values[j])
        gradient[j] += gradient[k] * (1 if kind == "add" else values[i])
    return gradient[0]
