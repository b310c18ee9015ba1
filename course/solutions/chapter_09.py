"""Worked solutions to chapter 9."""

import numpy as np


def with_penalty(dW, W, strength):
    """9.1: the derivative of λ/2 · w² is λw."""
    return dW + strength * W


def dropout(A, keep, rng):
    """9.2: what stays is divided by `keep`, so that the mean stays too."""
    mask = rng.random(A.shape) < keep
    return A * mask / keep, mask


def best_epoch(losses, patience):
    """9.3: remember the best, and stop after `patience` epochs that were no better."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(losses) - 1


def shifted(image, down, right):
    """9.4: copy the part that stays inside."""
    moved = np.zeros_like(image)
    height, width = image.shape
    rows, columns = slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0))
    from_rows = slice(max(-down, 0), height + min(-down, 0))
    from_columns = slice(max(-right, 0), width + min(-right, 0))
    moved[rows, columns] = image[from_rows, from_columns]
    return moved
