"""One training loop a peer, each as its users would write it for speed. All do the same arithmetic.

Each is a generator: it sets up, yields once, then yields the mean training loss of each epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from work import MOMENTUM, RATE, Work


def chainrule(work: Work) -> Iterator[float]:
    """`Training`, as `chainrule train` runs it: images stay bytes until their batch."""
    from chainrule.nn.network import multilayer_perceptron
    from chainrule.nn.optimizers import SGD
    from chainrule.training.training import Training

    network = multilayer_perceptron((784, work.hidden, 10))
    network.parameters[:] = np.concatenate([array.ravel() for array in work.weights])
    training = Training(
        network,
        work.images.reshape(-1, 28, 28),
        work.labels,
        optimizer=SGD(RATE, momentum=MOMENTUM),
        batch_size=work.batch,
        epochs=work.epochs,
    )
    yield 0.0
    for order in work.orders():
        with training.at_work():
            for start in range(0, len(order), work.batch):
                training._take_step(order[start : start + work.batch])
        yield float(np.mean(training._losses[-training.steps_per_epoch :]))


def floor(work: Work) -> Iterator[float]:
    """The matrix products alone, on batches that lie ready: nobody using this BLAS can be faster."""
    W1, _, W2, _ = work.weights
    x = work.scaled[: work.batch].copy()
    h, y = np.empty((work.batch, work.hidden), np.float32), np.empty((work.batch, 10), np.float32)
    d_h, d_W1, d_W2 = np.empty_like(h), np.empty_like(W1), np.empty_like(W2)
    yield 0.0
    for order in work.orders():
        for _ in range(0, len(order), work.batch):
            np.matmul(x, W1, out=h)
            np.matmul(h, W2, out=y)
            np.matmul(h.T, y, out=d_W2)
            np.matmul(y, W2.T, out=d_h)
            np.matmul(x.T, d_h, out=d_W1)
        yield float("nan")


def torch_eager(work: Work) -> Iterator[float]:
    """PyTorch, eager, fused SGD."""
    yield from _torch(work, compiled=False)


def torch_compile(work: Work) -> Iterator[float]:
    """PyTorch, the forward pass and loss through torch.compile, fused SGD."""
    yield from _torch(work, compiled=True)


def _torch(work: Work, compiled: bool) -> Iterator[float]:
    import torch

    x, y = torch.from_numpy(work.scaled), torch.from_numpy(work.labels)
    model = torch.nn.Sequential(torch.nn.Linear(784, work.hidden), torch.nn.ReLU(), torch.nn.Linear(work.hidden, 10))
    W1, b1, W2, b2 = work.weights
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), (W1.T, b1, W2.T, b2), strict=True):
            parameter.copy_(torch.from_numpy(array.copy()))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)

    def loss_of(images: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(images), labels)

    if compiled:
        loss_of = torch.compile(loss_of)
        for rows in (work.batch, len(work.labels) % work.batch):  # compile before the clock starts
            if rows:
                loss_of(x[:rows], y[:rows]).backward()
    yield 0.0
    for order in work.orders():
        losses = []
        for rows in torch.from_numpy(order).split(work.batch):
            loss = loss_of(x[rows], y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        yield float(torch.stack(losses).mean())


def sklearn(work: Work) -> Iterator[float]:
    """scikit-learn's MLPClassifier, one `partial_fit` an epoch, on rows in the same order."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")
    model = MLPClassifier(
        (work.hidden,), solver="sgd", alpha=0.0, batch_size=work.batch, learning_rate_init=RATE, momentum=MOMENTUM,
        nesterovs_momentum=False, shuffle=False,
    )  # fmt: skip
    x, y = work.scaled, work.labels
    model.partial_fit(x[: work.batch], y[: work.batch], classes=np.arange(10))
    W1, b1, W2, b2 = work.weights
    for old, new in zip([*model.coefs_, *model.intercepts_], [W1, W2, b1, b2], strict=True):
        old[...] = new
    for velocity in model._optimizer.velocities:
        velocity[...] = 0
    orders = list(work.orders())
    yield 0.0
    for order in orders:
        model.partial_fit(x[order], y[order])
        yield model.loss_


def jax(work: Work) -> Iterator[float]:
    """JAX, the whole epoch compiled as one scan."""
    import jax
    import jax.numpy as jnp

    x, y = jnp.asarray(work.scaled), jnp.asarray(work.labels)

    def loss_of(parameters: Any, images: Any, labels: Any) -> Any:
        W1, b1, W2, b2 = parameters
        logits = jnp.maximum(images @ W1 + b1, 0) @ W2 + b2
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])

    def step(state: Any, rows: Any) -> Any:
        parameters, velocity = state
        loss, gradient = jax.value_and_grad(loss_of)(parameters, x[rows], y[rows])
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        parameters = jax.tree.map(lambda p, v: p - RATE * v, parameters, velocity)
        return (parameters, velocity), loss

    whole = len(work.labels) // work.batch * work.batch

    @jax.jit
    def run_epoch(state: Any, order: Any) -> Any:
        state, losses = jax.lax.scan(step, state, order[:whole].reshape(-1, work.batch))
        if whole < len(work.labels):
            state, last = step(state, order[whole:])
            losses = jnp.append(losses, last)
        return state, losses.mean()

    parameters = [jnp.asarray(array) for array in work.weights]
    state = (parameters, [jnp.zeros_like(p) for p in parameters])
    orders = [jnp.asarray(order) for order in work.orders()]
    jax.block_until_ready(run_epoch(state, orders[0]))  # compile before the clock starts
    yield 0.0
    for order in orders:
        state, loss = run_epoch(state, order)
        yield float(loss)


PEERS: dict[str, tuple[Callable[[Work], Iterator[float]], str | None]] = {
    "chainrule": (chainrule, None),
    "matrix products alone": (floor, None),
    "PyTorch eager": (torch_eager, "torch"),
    "PyTorch compiled": (torch_compile, "torch"),
    "scikit-learn": (sklearn, "sklearn"),
    "JAX": (jax, "jax"),
}


# ---------------------------------------------------------------------------------------------- full batch


def engine_full_batch(work: Work) -> Iterator[float]:
    """`Training` with batch_size=None: blocks of bytes, forward and backward together."""
    from chainrule.nn.network import multilayer_perceptron
    from chainrule.nn.optimizers import SGD
    from chainrule.training.training import Training

    network = multilayer_perceptron((784, work.hidden, 10))
    network.parameters[:] = np.concatenate([array.ravel() for array in work.weights])
    images = work.images.reshape(-1, 28, 28)
    training = Training(network, images, work.labels, optimizer=SGD(RATE), batch_size=None, epochs=work.epochs)
    yield 0.0
    for _ in range(work.epochs):
        with training.at_work():
            training._take_step(training._next_rows())
        training._position = 0
        yield training._losses[-1]


def tutorial_loop(work: Work) -> Iterator[float]:
    """two_layer.py's functions in the tutorials' loop: float64, columns, new arrays at every step."""
    from chainrule import two_layer as page

    X, Y = work.images.T / 255, work.labels
    W1, b1, W2, b2 = (array.astype(np.float64) for array in work.weights)
    params = (W1.T.copy(), b1[:, np.newaxis], W2.T.copy(), b2[:, np.newaxis])
    yield 0.0
    for _ in range(work.epochs):
        Z1, A1, _, A2 = page.forward_propagation(X, *params)
        gradients = page.backward_propagation(X, Y, A1, A2, params[2], Z1, X.shape[1])
        loss = page.cost(A2, Y)
        params = page.update_params(RATE, *params, *gradients)
        yield loss


# ---------------------------------------------------------------------------------------------- prediction


def engine_prediction(work: Work) -> Iterator[float]:
    """`Model.predict` on bytes, preparation included."""
    from chainrule.data.preparation import Preparation
    from chainrule.model import Model
    from chainrule.nn.network import multilayer_perceptron

    network = multilayer_perceptron((784, work.hidden, 10))
    network.parameters[:] = np.concatenate([array.ravel() for array in work.weights])
    model = Model(network, Preparation((28, 28)), tuple("0123456789"))
    images = work.images[: work.batch].reshape(-1, 28, 28)
    model.predict(images)
    yield 0.0
    for _ in range(work.epochs):
        yield float(model.predict(images).mean())


def torch_prediction(work: Work) -> Iterator[float]:
    """PyTorch from the same bytes: to float, divide, forward, argmax."""
    import torch

    W1, b1, W2, b2 = work.weights
    model = torch.nn.Sequential(torch.nn.Linear(784, work.hidden), torch.nn.ReLU(), torch.nn.Linear(work.hidden, 10))
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), (W1.T, b1, W2.T, b2), strict=True):
            parameter.copy_(torch.from_numpy(array.copy()))
    images = torch.from_numpy(work.images[: work.batch])

    def predict() -> float:
        with torch.inference_mode():
            return float(model(images.float().div_(255)).argmax(1).float().mean())

    predict()
    yield 0.0
    for _ in range(work.epochs):
        yield predict()


FULL_BATCH_PEERS: dict[str, tuple[Callable[[Work], Iterator[float]], str | None]] = {
    "chainrule, full batch": (engine_full_batch, None),
    "tutorial's loop": (tutorial_loop, None),
}
PREDICTION_PEERS: dict[str, tuple[Callable[[Work], Iterator[float]], str | None]] = {
    "chainrule, predicting": (engine_prediction, None),
    "PyTorch, predicting": (torch_prediction, "torch"),
}
