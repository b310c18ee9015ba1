"""The same mathematics on another library's arrays. Where there is a graphics card, on CuPy's own."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.cli.changes import Changes
from chainrule.cli.checkpoints import Keeping
from chainrule.cli.train import train
from chainrule.data.datasets import load_dataset
from chainrule.data.deformations import PRESETS, Deformer
from chainrule.devices import CPU, GraphicsCard, find_device
from chainrule.errors import DivergenceError, FailureError, MissingPackageError, UnknownNameError
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.objective import Adversary, Objective
from chainrule.nn.optimizers import SGD, Adam, AdamW, ExponentialAverage, limit_norms
from chainrule.recipes import RECIPES, find_recipe, start
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint
from chainrule.training.training import Training

# ------------------------------------------------------------------------------------------ a strict stand-in


class Card:
    """Counts what crosses between the stand-in's memory and this computer's."""

    def __init__(self):
        self.brought_there = self.brought_back = 0


card = Card()

#: What CuPy 14 knows of NumPy's functions that are no ufuncs, as far as they are needed here.
FUNCTIONS = {
    np.empty_like, np.zeros_like, np.ones_like, np.arange, np.einsum, np.copyto, np.may_share_memory, np.argwhere,
}  # fmt: skip


class StrictArray:
    """An array that lets through what CuPy's does, by its source, and turns into no NumPy array by itself."""

    def __init__(self, hidden):
        assert type(hidden) is np.ndarray
        self._hidden = hidden

    dtype = property(lambda self: self._hidden.dtype)
    shape = property(lambda self: self._hidden.shape)
    strides = property(lambda self: self._hidden.strides)
    ndim = property(lambda self: self._hidden.ndim)
    size = property(lambda self: self._hidden.size)
    T = property(lambda self: StrictArray(self._hidden.T))

    @property
    def flags(self):
        flags = self._hidden.flags
        return types.SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if method != "__call__" or ufunc.nout != 1:
            return NotImplemented
        out = keywords.pop("out", None)
        for value in (*inputs, *(out or ())):
            if type(value) is np.ndarray:
                raise TypeError(f"{ufunc.__name__}: a NumPy array among those of the card.")
            assert isinstance(value, (StrictArray, int, float, np.generic)), type(value)
        if out is not None:
            if ufunc is np.matmul:
                assert out[0].flags.c_contiguous, "matmul writes to contiguous arrays alone"
            keywords["out"] = shown(out[0])
        result = getattr(ufunc, method)(*map(shown, inputs), **keywords)
        return out[0] if out is not None else wrapped(result)

    def __array_function__(self, function, kinds, arguments, keywords):
        if function not in FUNCTIONS:
            return NotImplemented
        for value in (*arguments, *keywords.values()):
            if type(value) is np.ndarray:
                raise TypeError(f"{function.__name__}: a NumPy array among those of the card.")
        if function is np.arange:  # only asked for with like=
            return wrapped(np.arange(*arguments, **keywords))
        result = function(*map(shown, arguments), **{name: shown(value) for name, value in keywords.items()})
        return result if isinstance(result, (bool, type(None))) else wrapped(result)

    def __len__(self):
        return len(self._hidden)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return wrapped(self._hidden[shown_index(index)])

    def __setitem__(self, index, value):
        if type(value) is np.ndarray:
            raise TypeError("An assignment of a NumPy array to one of the card.")
        self._hidden[shown_index(index)] = shown(value)

    def take(self, index, axis=None, out=None):
        assert isinstance(index, StrictArray)
        self._hidden.take(index._hidden, axis=axis, out=out._hidden)
        return out

    def set(self, array):
        assert type(array) is np.ndarray
        assert (array.dtype, array.shape) == (self.dtype, self.shape)
        card.brought_there += 1
        self._hidden[...] = array

    def get(self):
        card.brought_back += 1
        return self._hidden.copy()

    def __bool__(self):
        return bool(self.get())

    def __int__(self):
        return int(self.get())

    def __float__(self):
        return float(self.get())

    def __index__(self):
        raise TypeError("An array of the card is no index.")


def shown(value):
    return value._hidden if isinstance(value, StrictArray) else value


def wrapped(result):
    return StrictArray(np.asarray(result))


def shown_index(index):
    parts = index if isinstance(index, tuple) else (index,)
    assert not any(isinstance(part, np.ndarray) for part in parts), "a NumPy array as an index"
    return tuple(map(shown, parts)) if isinstance(index, tuple) else shown(index)


def method(name):
    def call(self, *arguments, **keywords):
        return wrapped(getattr(self._hidden, name)(*map(shown, arguments), **keywords))

    return call


for name in ("reshape", "max", "min", "sum", "mean", "argmax", "all", "any", "copy", "astype", "view"):
    setattr(StrictArray, name, method(name))
for operator, ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide,
    "eq": np.equal, "gt": np.greater, "ge": np.greater_equal, "lt": np.less, "and": np.logical_and, "or": np.logical_or,
}.items():  # fmt: skip
    setattr(StrictArray, f"__{operator}__", lambda self, other, ufunc=ufunc: ufunc(self, other))
    setattr(StrictArray, f"__r{operator}__", lambda self, other, ufunc=ufunc: ufunc(other, self))
    setattr(StrictArray, f"__i{operator}__", lambda self, other, ufunc=ufunc: ufunc(self, other, out=self))
StrictArray.__neg__, StrictArray.__invert__ = (
    lambda self, ufunc=ufunc: ufunc(self) for ufunc in (np.negative, np.invert)
)
StrictArray.__hash__ = object.__hash__


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    pass


def asarray(array):
    if isinstance(array, StrictArray):
        return array
    card.brought_there += 1
    return StrictArray(np.array(array))


def stack(arrays):
    assert all(isinstance(array, StrictArray) for array in arrays)
    return StrictArray(np.stack([array._hidden for array in arrays]))


def stand_in():
    """A module that looks like CuPy as far as it is used."""
    cupy = types.ModuleType("cupy")
    cupy.asarray, cupy.asnumpy, cupy.stack = asarray, StrictArray.get, stack
    cupy.cuda = types.SimpleNamespace(
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=CUDARuntimeError),
        Device=lambda number: types.SimpleNamespace(use=lambda: None),
        get_current_stream=lambda: types.SimpleNamespace(synchronize=lambda: None),
    )
    return cupy


@pytest.fixture(params=["stand-in", "card"])
def gpu(request):
    if request.param == "stand-in":
        return GraphicsCard(stand_in())
    try:
        return find_device("gpu")
    except FailureError as error:
        pytest.skip(str(error))


# -------------------------------------------------------------------------------------------- the mathematics

RNG = np.random.default_rng(0)
X = RNG.random((12, 64), np.float32)
LABELS = RNG.integers(0, 10, 12)
TARGETS = np.eye(10, dtype=np.float32)[LABELS]
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")


def network_of(activation="relu", inputs=64, **settings):
    return multilayer_perceptron((inputs, 20, 15, 10), activation=activation, rng=0, **settings)


def there(gpu, network):
    return network.with_parameters(gpu.put(network.parameters.copy()))


@pytest.mark.parametrize("loss", [cross_entropy, mean_squared_error])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_loss_and_backward_give_the_same_numbers(gpu, activation, loss):
    network = network_of(activation)
    trace = network.forward(X)
    value, d = loss(trace.output, TARGETS)
    gradient = network.backward(trace, d, input_gradient=True)
    on_card = there(gpu, network)
    trace_there = on_card.forward(gpu.put(X))
    value_there, d_there = loss(trace_there.output, gpu.put(TARGETS))
    gradient_there = on_card.backward(trace_there, d_there, input_gradient=True)
    assert_allclose(gpu.get(trace_there.output), trace.output, rtol=1e-4, atol=1e-5)
    assert float(value_there) == pytest.approx(value, rel=1e-5)
    assert_allclose(gpu.get(gradient_there), gradient, rtol=1e-3, atol=1e-5)
    assert_allclose(gpu.get(trace_there.d_input), trace.d_input, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_serve_as_well_as_targets(gpu, smoothing):
    logits = X[:, :10].copy()
    value, d = cross_entropy(logits, LABELS, label_smoothing=smoothing)
    value_there, d_there = cross_entropy(gpu.put(logits), gpu.put(LABELS), label_smoothing=smoothing)
    assert float(value_there) == pytest.approx(value, rel=1e-5)
    assert_allclose(gpu.get(d_there), d, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("adversary", [None, Adversary(0.5, virtual=False), Adversary(0.5)])
def test_dropout_and_adversaries_draw_the_same_numbers(gpu, adversary):
    network = network_of(input_dropout=0.2, hidden_dropout=0.5)
    on_card = there(gpu, network)
    gradients = []
    for device, of, x, targets in ((CPU, network, X, TARGETS), (gpu, on_card, gpu.put(X), gpu.put(TARGETS))):
        objective = Objective(of, 12, adversary=adversary)
        room = np.empty_like(of.parameters)
        rng = device.generator(np.random.default_rng(3))
        loss = objective.gradient(of, x, targets, rng=rng, total=12, into=room)
        gradients.append((float(loss), device.get(room)))
    assert gradients[1][0] == pytest.approx(gradients[0][0], rel=1e-4)
    assert_allclose(gradients[1][1], gradients[0][1], rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1),
        lambda: SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda: SGD(0.1, momentum=0.9, nesterov=True),
        lambda: Adam(0.01),
        lambda: AdamW(0.01, weight_decay=0.1),
    ],
)
def test_optimizers_averages_and_max_norm_take_the_same_steps(gpu, make):
    network, steps = network_of(), 120  # enough for two sweeps of what has faded
    on_card = there(gpu, network)
    for device, of in ((CPU, network), (gpu, on_card)):
        optimizer, average = make(), ExponentialAverage(0.9)
        gradient = device.put(np.sin(np.arange(network.size, dtype=np.float32)))
        for _ in range(steps):
            optimizer.step(of, gradient)
            limit_norms(of, 2.0)
            average.update(of.parameters)
        of.average = average
    assert_allclose(gpu.get(on_card.parameters), network.parameters, rtol=1e-4, atol=1e-5)
    assert_allclose(gpu.get(on_card.average.parameters), network.average.parameters, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_deformations_read_the_same_places(gpu, preset):
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    here = Deformer(PRESETS[preset], (28, 28)).deform(images, np.random.default_rng(2))
    there = Deformer(PRESETS[preset], (28, 28), device=gpu).deform(gpu.put(images), np.random.default_rng(2))
    assert_allclose(gpu.get(there), here, rtol=1e-3, atol=0.05)  # of 255


# ----------------------------------------------------------------------------------------------- the training

CHANGES = {"hidden": (20,), "epochs": 2, "least_steps": 0}


def trained(name, device, **changes):
    recipe = replace(find_recipe(name), **{**CHANGES, **changes})
    training = start(recipe, load_dataset("digits"), 0, device)
    reports = list(training)
    return training, reports


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_curve(gpu, name):
    here, reports = trained(name, CPU)
    there, reports_there = trained(name, gpu)
    for ours, theirs in zip(reports, reports_there, strict=True):
        assert theirs.loss == pytest.approx(ours.loss, rel=1e-3)
        assert theirs.train_accuracy == pytest.approx(ours.train_accuracy, abs=0.005)
        if ours.validation_accuracy is not None:
            assert theirs.validation_accuracy == pytest.approx(ours.validation_accuracy, abs=0.02)
    assert_allclose(there.model.network.parameters, here.model.network.parameters, rtol=0.05, atol=2e-3)
    assert type(there.model.network.parameters) is np.ndarray


def test_the_network_that_was_given_stays_as_it_was(gpu):
    network = network_of(inputs=784)
    before = network.parameters.copy()
    digits = load_dataset("digits")
    training = Training(network, digits.train_images, digits.train_labels, optimizer=SGD(0.1), epochs=1, device=gpu)
    next(iter(training))
    assert_array_equal(network.parameters, before)
    assert not np.array_equal(training.result.parameters, before)


def test_a_step_brings_nothing_back_and_only_rows_and_drawn_numbers_there():
    gpu = GraphicsCard(stand_in())
    recipe = replace(find_recipe("adversarial"), **CHANGES, batch_size=100, input_dropout=0.2, max_norm=2.0)
    training = start(recipe, load_dataset("digits"), 0, gpu)
    training._take_step(training._next_rows())  # makes room
    card.brought_there = card.brought_back = 0
    for _ in range(5):
        training._take_step(training._next_rows())
    assert card.brought_back == 0
    # For each step: the rows' numbers, dropout's masks of both passes, the adversary's noise.
    assert card.brought_there == 5 * (1 + 2 + 1)


def test_a_checkpoint_from_the_card_resumes_on_the_processor_and_back(gpu, tmp_path):
    recipe = replace(find_recipe("plain-800"), **{**CHANGES, "epochs": 3})
    digits = load_dataset("digits")
    whole = start(recipe, digits, 0)
    for _ in whole:
        pass
    training = start(recipe, digits, 0, gpu)
    for device in (CPU, gpu):
        next(iter(training))
        save_checkpoint(training, tmp_path / "run.ckpt", {})
        training = start(recipe, digits, 0, device)
        load_checkpoint(training, tmp_path / "run.ckpt", {})
    for _ in training:
        pass
    assert_allclose(training.result.parameters, whole.result.parameters, rtol=0.05, atol=2e-3)


def test_a_report_in_the_middle_of_an_epoch_has_the_losses_so_far(gpu):
    digits = load_dataset("digits")
    settings = {"optimizer": SGD(0.1), "epochs": 1, "report_every": 3, "rng": 0}
    losses = []
    for device in (CPU, gpu):
        network = network_of(inputs=784)
        training = Training(network, digits.train_images, digits.train_labels, device=device, **settings)
        losses.append([report.loss for report in training])
    assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_a_divergence_is_told_with_the_step_where_it_happened(gpu):
    digits = load_dataset("digits")
    messages = []
    for device in (CPU, gpu):
        training = Training(
            network_of(inputs=784),
            digits.train_images,
            digits.train_labels,
            optimizer=SGD(1e12),
            epochs=2,
            rng=0,
            device=device,
        )
        with pytest.raises(DivergenceError) as caught:
            list(training)
        messages.append(str(caught.value))
    assert messages[0].partition(" at step ")[2].split()[0] == messages[1].partition(" at step ")[2].split()[0]
    assert "Try 1e+11" in messages[1]


# -------------------------------------------------------------------------------------------- what is refused


def test_an_unknown_device_is_named():
    with pytest.raises(UnknownNameError, match="There is no device 'tpu'"):
        find_device("tpu")


def test_without_cupy_the_two_commands_that_bring_it_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'chainrule\[gpu-cuda12\]'.*gpu-cuda13"):
        find_device("gpu")


def test_each_process_on_a_machine_takes_another_card(monkeypatch):
    cupy, used = stand_in(), []
    cupy.cuda.runtime.getDeviceCount = lambda: 2
    cupy.cuda.Device = lambda number: types.SimpleNamespace(use=lambda: used.append(number))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for local_rank in range(4):
        find_device("gpu", local_rank)
    assert used == [0, 1, 0, 1]


@pytest.mark.parametrize("count", [lambda: 0, lambda: (_ for _ in ()).throw(CUDARuntimeError("no driver"))])
def test_without_a_card_it_says_so(monkeypatch, count):
    cupy = stand_in()
    cupy.cuda.runtime.getDeviceCount = count
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(FailureError, match=r"CuPy finds no graphics card.*--device cpu"):
        find_device("gpu")


def test_a_full_card_is_told_with_what_to_do():
    gpu = GraphicsCard(stand_in())
    with pytest.raises(FailureError, match=r"memory is full.*smaller batch"), gpu.at_work():
        raise OutOfMemoryError("out of memory: 1,024 bytes")


def test_the_command_line_trains_on_the_card_and_goes_on_there(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", stand_in())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    card.brought_there = 0
    train(data="digits", changes=Changes(epochs=1), device="gpu", json=True)
    assert card.brought_there > 0
    assert (tmp_path / "chainrule-model.safetensors").exists()
    kept = Keeping.asked(tmp_path / "run.ckpt", None, None, tmp_path / "m.safetensors", None, "gpu")
    assert kept.command.endswith("--device gpu")
