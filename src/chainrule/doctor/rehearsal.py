"""What right gradients do not show: one image alone, units that start dead, twenty examples that cannot be learned.

All of it is *fragile*, never wrong: the code may have its reasons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.differences import Parameters
from chainrule.doctor.programs import Examples, Program
from chainrule.doctor.reference import Reference

Array = NDArray[Any]
Loss = Callable[[Parameters, Examples], float]

_IMAGES, _LEARNED = 64, 20
_STEPS, _FALLS_TO, _PATIENCE = 300, 0.9, 2.0
#: A unit's z beyond which sigmoid and tanh are flat, and how much activations may shrink or grow on their way.
_FLAT, _SHRUNK = 6.0, 10.0


def one_image_alone(program: Program, examples: Examples, theta: Parameters, batch: Array) -> Iterator[str]:
    """A batch of one: does it run, and does it come to what the image gets among others?

    Parameters
    ----------
    program : Program
    examples : Examples
        A batch.
    theta : dict of arrays
    batch : array, shape (N, C)
        The batch's outputs; each a function of its own image where nothing is drawn.
    """
    k = int(examples.y.argmax(axis=1).argmax())  # the last class: an image alone lacks all others
    try:
        alone = program.step(theta, replace(examples, x=examples.x[k : k + 1], y=examples.y[k : k + 1])).output
    except Exception as error:
        yield f"One image alone fails: {type(error).__name__}: {error}. Keep its second axis: x[i:i+1], not x[i]."
        return
    if alone.shape != batch[k : k + 1].shape or not np.allclose(alone[0], batch[k], atol=1e-6):
        yield "An image gets other outputs alone than in a batch: something is normalised over the examples."


def how_it_starts(started: Reference) -> Iterator[str]:
    """Dead and saturated units, and activations that fade or explode, with the code's own first weights.

    Parameters
    ----------
    started : Reference
        The network that was recognised, with those weights.
    """
    rng = np.random.default_rng(0)
    width = started.layers[0].weight.shape[0]
    x = rng.random((_IMAGES, width)) * (rng.random((_IMAGES, width)) < 0.2)  # as sparse as digits are
    z, a = replace(started, x=x, y=np.zeros((_IMAGES, started.layers[-1].weight.shape[1])), masks=()).forward()
    hidden = list(zip(started.layers[:-1], z, a[1:], strict=False))
    for number, (layer, scores, outputs) in enumerate(hidden, start=1):
        units = outputs.shape[1]
        dead = int((outputs == 0).all(axis=0).sum()) if layer.activation == "ReLU" else 0
        flat = float((np.abs(scores) > _FLAT).mean()) if layer.activation in ("sigmoid", "tanh") else 0.0
        if 2 * dead > units:
            yield f"{dead} of {units} units of layer {number} start dead: they are 0 for {_IMAGES} images of {_IMAGES}."
        if flat > 0.5:
            share = f"{100 * flat:.0f} % of its values"
            yield f"Layer {number} starts saturated: {share} lie where {layer.activation} is flat."
    spread = [float(outputs.std()) for _, _, outputs in hidden]
    if len(spread) > 1 and spread[0] > 0 and not 1 / _SHRUNK < spread[-1] / spread[0] < _SHRUNK:
        way = "fade" if spread[-1] < spread[0] else "grow"
        yield (
            f"Activations {way} from layer to layer, from a standard deviation of {spread[0]:.2g} to {spread[-1]:.2g}: "
            "scale the initial weights by √(2 / inputs)."
        )


def learns_twenty(program: Program, examples: Examples, loss: Loss) -> Iterator[str]:
    """Whether descent along its own gradients can learn twenty examples from its own start.

    The rate is ours: it grows while the loss falls, and shrinks where it does not.
    """
    rng = np.random.default_rng(1)
    c = examples.y.shape[1]
    labels = np.arange(_LEARNED) % max(c, 2)
    x = rng.uniform(0, 1, (max(c, 2), examples.x.shape[1]))[labels]  # classes that are easily told apart
    x = x + rng.uniform(0, 0.1, x.shape)
    few = replace(examples, x=x, y=np.eye(c)[labels] if c > 1 else labels[:, np.newaxis].astype(float))
    program.l2 = 0.0  # a penalty as strong as the doctor's would be all there is to learn
    theta = {name: np.asarray(array, float).copy() for name, array in program.parameters.items()}
    first = now = loss(theta, few)
    rate = 0.1
    until = time.monotonic() + _PATIENCE
    for _ in range(_STEPS):
        if now < _FALLS_TO * first or time.monotonic() > until:
            return
        gradients = program.step(theta, few).gradients
        moved = {n: p - rate * np.asarray(gradients[n], float).reshape(p.shape) for n, p in theta.items()}
        there = loss(moved, few)
        better = np.isfinite(there) and there < now
        theta, now, rate = (moved, there, 1.5 * rate) if better else (theta, now, rate / 3)
    if np.isfinite(first):
        yield (
            f"From its own start it does not learn {_LEARNED} examples by heart: after {_STEPS} steps the loss is "
            f"{now:.3g}, and was {first:.3g}. Look at the initial weights, and at a penalty that leaves nothing else."
        )
