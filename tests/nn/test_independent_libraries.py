"""The same sums through scikit-learn and PyTorch, in float64: they agree to rounding."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.nn.activations import LeakyReLU, ReLU, Sigmoid, Tanh, softmax
from chainrule.nn.initializers import uniform
from chainrule.nn.layers import Dense
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import Network, multilayer_perceptron
from chainrule.nn.optimizers import SGD, Adam, AdamW
from chainrule.nn.schedules import ExponentialDecay, StepDecay, WarmupCosine

N, D, C = 50, 6, 4
rng = np.random.default_rng(21)
X = rng.normal(size=(N, D))
LABELS = np.concatenate([np.arange(C), rng.integers(0, C, N - C)])
PROBABILITIES = rng.dirichlet(np.ones(C), N)
FLOATS = rng.normal(size=(N, C))
WEIGHTS = rng.uniform(0.1, 3.0, N)


def close(actual, expected, rtol=1e-10):
    assert_allclose(actual, expected, rtol=rtol, atol=1e-13)


def perceptron(activation="relu", widths=(D, 9, 7, C)):
    return multilayer_perceptron(widths, activation=activation, bias_initializer=uniform, rng=5, dtype=np.float64)


def dense(network):
    return [layer for layer in network.layers if isinstance(layer, Dense)]


# scikit-learn


def sklearn_twin(network, activation, **settings):
    """An MLPClassifier that has the network's weights and goes on from them when it is fitted."""
    from sklearn.neural_network import MLPClassifier

    twin = MLPClassifier(
        hidden_layer_sizes=[layer.outputs for layer in dense(network)[:-1]],
        activation={"sigmoid": "logistic"}.get(activation, activation),
        solver="sgd",
        alpha=0.0,
        shuffle=False,
        warm_start=True,
        tol=0.0,
        n_iter_no_change=10**6,
        max_iter=1,
        **settings,
    )
    twin.fit(X, LABELS)  # makes its arrays, and no more: a warm start takes the ones put there instead
    twin.coefs_ = [layer.weight.copy() for layer in dense(network)]
    twin.intercepts_ = [layer.bias.copy() for layer in dense(network)]
    twin.loss_curve_.clear()
    return twin


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_scikit_learn_predicts_the_same_probabilities(activation):
    network = perceptron(activation)
    twin = sklearn_twin(network, activation)
    close(softmax(network.forward(X).output), twin.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_scikit_learn_learns_the_same_weights(activation, momentum, nesterov):
    epochs, batch_size = 4, 16  # 50 rows: three batches of 16 and one of 2
    network = perceptron(activation)
    twin = sklearn_twin(
        network,
        activation,
        learning_rate_init=0.1,
        momentum=momentum,
        nesterovs_momentum=nesterov,
        batch_size=batch_size,
    )
    optimizer = SGD(0.1, momentum=momentum, nesterov=nesterov)
    losses = []
    for _ in range(epochs):
        losses.append(0.0)
        for start in range(0, N, batch_size):
            batch = slice(start, min(start + batch_size, N))
            trace = network.forward(X[batch])
            loss, d = cross_entropy(trace.output, LABELS[batch])
            losses[-1] += loss * trace.rows / N
            optimizer.step(network, network.backward(trace, d))
    twin.set_params(max_iter=epochs).fit(X, LABELS)
    close(losses, twin.loss_curve_)
    for layer, weight, bias in zip(dense(network), twin.coefs_, twin.intercepts_, strict=True):
        close(layer.weight, weight)
        close(layer.bias, bias)


def test_scikit_learn_counts_the_same_loss_and_confusions():
    from sklearn.metrics import confusion_matrix as their_matrix
    from sklearn.metrics import log_loss

    from chainrule.nn.metrics import confusion_matrix

    logits = perceptron().forward(X).output
    loss, _ = cross_entropy(logits, LABELS, sample_weight=WEIGHTS)
    close(loss, log_loss(LABELS, softmax(logits), sample_weight=WEIGHTS))
    predictions = logits.argmax(axis=1)
    assert (confusion_matrix(predictions, LABELS, C) == their_matrix(LABELS, predictions)).all()


# PyTorch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def torch_twin(torch, network):
    """The same layers in PyTorch, with copies of the network's weights."""
    make = {
        "relu": torch.nn.ReLU,
        "leaky_relu": lambda: torch.nn.LeakyReLU(0.01),
        "tanh": torch.nn.Tanh,
        "sigmoid": torch.nn.Sigmoid,
    }
    modules = []
    for layer in network.layers:
        if isinstance(layer, Dense):
            module = torch.nn.Linear(layer.inputs, layer.outputs, dtype=torch.float64)
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(layer.weight.T.copy()))
                module.bias.copy_(torch.from_numpy(layer.bias.copy()))
        else:
            module = make[layer.kind]()
        modules.append(module)
    return torch.nn.Sequential(*modules)


def flat(twin, of):
    """One flat array in θ's order, of PyTorch's parameters or their gradients."""
    return np.concatenate([of(p).detach().numpy().T.reshape(-1) for p in twin.parameters()])


def steps_of_both(torch, network, optimizer, make_twin_optimizer, count=6):
    twin = torch_twin(torch, network)
    twin_optimizer = make_twin_optimizer(twin)
    for step in range(count):
        rows = slice(7 * step, 7 * step + 8)
        trace = network.forward(X[rows])
        loss, d = cross_entropy(trace.output, LABELS[rows])
        optimizer.step(network, network.backward(trace, d))
        twin_optimizer.zero_grad()
        twin_loss = torch.nn.functional.cross_entropy(twin(torch.from_numpy(X[rows])), torch.from_numpy(LABELS[rows]))
        twin_loss.backward()
        twin_optimizer.step()
        close(loss, twin_loss.item())
        close(network.parameters, flat(twin, lambda p: p), rtol=1e-9)


def weights_and_biases(twin, weight_decay):
    """PyTorch decays whatever it is given; two groups spare the biases."""
    return [
        {"params": [p for p in twin.parameters() if p.ndim == 2], "weight_decay": weight_decay},
        {"params": [p for p in twin.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]


LOSSES = {
    "labels": (cross_entropy, LABELS, {}),
    "smoothed labels": (cross_entropy, LABELS, {"label_smoothing": 0.1}),
    "probabilities": (cross_entropy, PROBABILITIES, {}),
    "smoothed probabilities": (cross_entropy, PROBABILITIES, {"label_smoothing": 0.3}),
    "squares": (mean_squared_error, FLOATS, {}),
    "squares of labels": (mean_squared_error, LABELS, {}),
}


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(("loss", "targets", "options"), LOSSES.values(), ids=LOSSES)
def test_pytorch_gives_the_same_output_loss_and_gradients(torch, activation, loss, targets, options):
    network = perceptron(activation)
    twin = torch_twin(torch, network)
    x = torch.tensor(X, requires_grad=True)
    output = twin(x)
    if loss is mean_squared_error:
        rows = np.eye(C)[targets] if targets.ndim == 1 else targets
        twin_loss = torch.nn.functional.mse_loss(output, torch.from_numpy(rows))
    else:
        twin_loss = torch.nn.functional.cross_entropy(output, torch.from_numpy(targets), **options)
    twin_loss.backward()

    trace = network.forward(X)
    close(trace.output, output.detach().numpy())
    value, d = loss(trace.output, targets, **options)
    close(value, twin_loss.item())
    close(network.backward(trace, d, input_gradient=True), flat(twin, lambda p: p.grad))
    close(trace.d_input, x.grad.numpy())


def test_pytorch_weighs_examples_the_same(torch):
    network = perceptron()
    twin = torch_twin(torch, network)
    each = torch.nn.functional.cross_entropy(twin(torch.from_numpy(X)), torch.from_numpy(LABELS), reduction="none")
    twin_loss = (each * torch.from_numpy(WEIGHTS)).sum() / WEIGHTS.sum()
    twin_loss.backward()
    trace = network.forward(X)
    value, d = cross_entropy(trace.output, LABELS, sample_weight=WEIGHTS)
    close(value, twin_loss.item())
    close(network.backward(trace, d), flat(twin, lambda p: p.grad))


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU(0.01), Tanh(), Sigmoid()], ids=lambda layer: layer.kind)
def test_pytorch_has_the_same_activation_near_and_far(torch, layer):
    z = np.concatenate([np.linspace(-5, 5, 41), [-700.0, -40.0, 40.0, 700.0]])[:, np.newaxis]
    network = Network([Dense(1, 1), layer], parameters=np.array([1.0, 0.0]))
    trace = network.forward(z)
    network.backward(trace, np.ones_like(z), input_gradient=True)
    twin_z = torch.tensor(z, requires_grad=True)
    a = torch_twin(torch, network)[1](twin_z)
    a.sum().backward()
    assert_allclose(trace.output, a.detach().numpy(), rtol=1e-13)
    # Where a function is flat its slope is what is left of 1 − 1: equal to the last bits of 1, not of itself.
    assert_allclose(trace.d_input, twin_z.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_pytorch_takes_the_same_steps_of_sgd(torch, momentum, nesterov, weight_decay):
    steps_of_both(
        torch,
        perceptron(),
        SGD(0.1, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay),
        lambda twin: torch.optim.SGD(
            weights_and_biases(twin, weight_decay), lr=0.1, momentum=momentum, nesterov=nesterov
        ),
    )


@pytest.mark.parametrize("settings", [{}, {"betas": (0.8, 0.95), "epsilon": 1e-3}])
def test_pytorch_takes_the_same_steps_of_adam(torch, settings):
    theirs = {{"epsilon": "eps"}.get(name, name): value for name, value in settings.items()}
    steps_of_both(
        torch,
        perceptron("tanh"),
        Adam(0.01, **settings),
        lambda twin: torch.optim.Adam(twin.parameters(), lr=0.01, **theirs),
    )


def test_pytorch_takes_the_same_steps_of_adam_with_a_penalty(torch):
    steps_of_both(
        torch,
        perceptron("tanh"),
        Adam(0.01, weight_decay=0.1),
        lambda twin: torch.optim.Adam(weights_and_biases(twin, 0.1), lr=0.01),
    )


def test_pytorch_takes_the_same_steps_of_adamw(torch):
    steps_of_both(
        torch,
        perceptron("tanh"),
        AdamW(0.01, weight_decay=0.1),
        lambda twin: torch.optim.AdamW(weights_and_biases(twin, 0.1), lr=0.01),
    )


def test_pytorch_takes_the_same_steps_when_the_rate_changes(torch):
    network = perceptron("tanh")
    twin = torch_twin(torch, network)
    ours = SGD(0.2, momentum=0.9)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.2, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=8)
    schedule = WarmupCosine(0.2, total=8)
    for step in range(8):
        ours.learning_rate = schedule(step)
        trace = network.forward(X)
        ours.step(network, network.backward(trace, cross_entropy(trace.output, LABELS)[1]))
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(twin(torch.from_numpy(X)), torch.from_numpy(LABELS)).backward()
        theirs.step()
        scheduler.step()
    close(network.parameters, flat(twin, lambda p: p), rtol=1e-9)


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (StepDecay(0.5, every=3, factor=0.2), lambda s, o: s.StepLR(o, step_size=3, gamma=0.2)),
        (ExponentialDecay(0.5, 0.9), lambda s, o: s.ExponentialLR(o, gamma=0.9)),
        (WarmupCosine(0.5, total=12), lambda s, o: s.CosineAnnealingLR(o, T_max=12)),
    ],
    ids=["step", "exponential", "cosine"],
)
def test_pytorch_schedules_the_same_rates(torch, schedule, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    theirs = []
    for _ in range(13):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert_allclose([schedule(step) for step in range(13)], theirs, rtol=1e-12, atol=1e-15)
