import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError
from chainrule.nn.losses import cross_entropy
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import SGD, Adam, AdamW, ExponentialAverage, Optimizer, limit_norms

MAKE = {
    "sgd": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "nesterov": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "decay": lambda: SGD(0.1, momentum=0.9, weight_decay=0.01),
    "nesterov and decay": lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: Adam(0.01),
    "adam and decay": lambda: Adam(0.01, weight_decay=0.1),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
}
EVERY = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def small(dtype=np.float64):
    return multilayer_perceptron((4, 6, 3), bias_initializer=lambda s, rng: rng.normal(size=s), rng=0, dtype=dtype)


def gradients(count, size, dtype=np.float64):
    return list(np.random.default_rng(1).normal(size=(count, size)).astype(dtype))


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_is_left_as_it_was(make, dtype):
    network, optimizer = small(dtype), make()
    for gradient in gradients(3, network.size, dtype):
        before = gradient.copy()
        gradient.flags.writeable = False
        optimizer.step(network, gradient)
        assert_array_equal(gradient, before)


@EVERY
def test_theta_moves_in_place_and_keeps_its_dtype(make):
    network, optimizer = small(np.float32), make()
    θ, before = network.parameters, network.parameters.copy()
    optimizer.step(network, gradients(1, network.size, np.float32)[0])
    assert network.parameters is θ
    assert (θ != before).all()
    assert all(array.dtype == np.float32 for array in optimizer.state.values())


@EVERY
def test_float32_takes_the_steps_of_float64_up_to_rounding(make):
    short, long = small(np.float32), small(np.float64)
    one, other = make(), make()
    for gradient in gradients(5, long.size):
        one.step(short, gradient.astype(np.float32))
        other.step(long, gradient)
    assert_allclose(short.parameters, long.parameters, rtol=1e-4, atol=1e-5)


@EVERY
def test_a_learning_rate_of_zero_moves_nothing(make):
    network, optimizer = small(), make()
    before = network.parameters.copy()
    optimizer.learning_rate = 0.0
    optimizer.step(network, gradients(1, network.size)[0])
    assert_array_equal(network.parameters, before)


@EVERY
def test_steps_and_state_can_be_carried_over(make):
    # What a checkpoint does: state and count into a new optimizer, the same steps afterwards.
    network, optimizer = small(), make()
    first, second = gradients(2, network.size)
    assert optimizer.steps == 0
    assert optimizer.state == {}
    optimizer.step(network, first)
    assert optimizer.steps == 1
    assert set(optimizer.state) == set(optimizer.remembers)
    copy, again = network.with_parameters(network.parameters.copy()), make()
    again.steps = optimizer.steps
    again.state = {name: array.copy() for name, array in optimizer.state.items()}
    optimizer.step(network, second)
    again.step(copy, second)
    assert_array_equal(copy.parameters, network.parameters)


@EVERY
def test_a_descent_ends_lower_than_it_began(make):
    network, optimizer = small(), make()
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(12, 4)), rng.integers(0, 3, 12)
    losses = []
    for _ in range(60):
        trace = network.forward(x)
        loss, d = cross_entropy(trace.output, labels)
        losses.append(loss)
        optimizer.step(network, network.backward(trace, d))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("make", [lambda λ: SGD(0.1, weight_decay=λ), lambda λ: AdamW(0.1, weight_decay=λ)])
def test_decay_without_a_gradient_shrinks_weights_by_one_fraction_and_no_bias(make):
    network = small()
    before = network.parameters.copy()
    make(0.5).step(network, np.zeros(network.size))
    for block in network.layout:
        assert_allclose(
            block.view(network.parameters), block.view(before) * (0.95 if block.decays else 1.0), rtol=1e-12
        )


def test_adamw_without_decay_is_adam():
    one, other = small(), small()
    adam, adamw = Adam(0.01), AdamW(0.01, weight_decay=0.0)
    for gradient in gradients(3, one.size):
        adam.step(one, gradient)
        adamw.step(other, gradient)
    assert_array_equal(one.parameters, other.parameters)


@EVERY
@pytest.mark.parametrize("change", [-1, 1])
def test_a_gradient_of_another_size_is_refused_and_nothing_moves(make, change):
    network, optimizer = small(), make()
    before = network.parameters.copy()
    with pytest.raises(ShapeError, match="gradient has shape"):
        optimizer.step(network, np.ones(network.size + change))
    assert optimizer.steps == 0
    assert_array_equal(network.parameters, before)


@EVERY
def test_a_gradient_of_another_dtype_is_refused(make):
    network = small(np.float32)
    with pytest.raises(DtypeError, match=r"float64.*float32"):
        make().step(network, np.ones(network.size))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(-0.1),
        lambda: SGD(float("nan")),
        lambda: Adam(float("inf")),
        lambda: SGD(0.1, weight_decay=-1.0),
        lambda: SGD(0.1, momentum=1.0),
        lambda: SGD(0.1, momentum=-0.1),
        lambda: SGD(0.1, nesterov=True),
        lambda: Adam(-1.0),
        lambda: Adam(betas=(1.0, 0.9)),
        lambda: Adam(betas=(0.9, -0.1)),
        lambda: Adam(betas=(0.9,)),
        lambda: Adam(betas=(0.9, 0.99, 0.999)),
        lambda: Adam(betas=0.9),
        lambda: Adam(betas=("0.9", 0.999)),
        lambda: Adam(epsilon=-1e-8),
        lambda: Adam(epsilon=float("nan")),
        lambda: AdamW(epsilon=float("inf")),
        lambda: SGD("0.1"),
        lambda: AdamW(weight_decay=-0.1),
        lambda: AdamW(weight_decay=float("nan")),
        lambda: ExponentialAverage(1.0),
        lambda: ExponentialAverage(-0.1),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ValueRangeError):
        make()


def test_a_bare_optimizer_takes_no_step():
    network = small()
    with pytest.raises(NotImplementedError):
        Optimizer(0.1).step(network, np.zeros(network.size))


def test_an_early_average_is_the_plain_mean():
    average, seen = ExponentialAverage(0.99), gradients(20, 5)
    for k, θ in enumerate(seen, start=1):
        average.update(θ)
        assert_allclose(average.parameters, np.mean(seen[:k], axis=0), rtol=1e-12, atol=1e-14)


def test_a_late_average_forgets_at_its_decay():
    average = ExponentialAverage(0.75)
    for _ in range(10):
        average.update(np.zeros(2))
    average.update(np.array([1.0, 2.0]))
    assert_array_equal(average.parameters, [0.25, 0.5])
    average.update(np.zeros(2))
    assert_array_equal(average.parameters, [0.1875, 0.375])


def test_an_average_is_its_own_array_and_leaves_theta_alone():
    network = small(np.float32)
    average, before = ExponentialAverage(0.9), network.parameters.copy()
    for _ in range(3):
        average.update(network.parameters)
    assert_array_equal(network.parameters, before)
    assert not np.shares_memory(average.parameters, network.parameters)
    assert average.parameters.dtype == np.float32
    assert_array_equal(average.parameters, before)


@EVERY
@pytest.mark.parametrize("gradient", [None, [0.0, 1.0]])
def test_a_gradient_that_is_no_array_is_refused(make, gradient):
    with pytest.raises(DtypeError, match=r"gradient is .*; expected a NumPy array"):
        make().step(small(), gradient)


@EVERY
def test_a_read_only_theta_is_refused_before_anything_moves(make):
    network, optimizer = small(), make()
    network.parameters.flags.writeable = False
    with pytest.raises(InputError, match=r"θ is read-only; train .*\.copy\(\)"):
        optimizer.step(network, np.ones(network.size))
    assert optimizer.steps == 0
    assert optimizer.state == {}


@pytest.mark.parametrize(
    ("other", "error"), [(np.zeros(4), ShapeError), (np.zeros(3, np.float32), DtypeError), ([0.0] * 3, DtypeError)]
)
def test_an_average_takes_one_kind_of_theta(other, error):
    average = ExponentialAverage(0.9)
    average.update(np.ones(3))
    with pytest.raises(error):
        average.update(other)
    assert average.updates == 1
    assert_array_equal(average.parameters, np.ones(3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda: SGD(0.1),
        lambda: Adam(0.01),
        lambda: AdamW(0.01, weight_decay=0.1),
    ],
)
def test_a_step_in_pieces_is_the_same_step_bit_for_bit(monkeypatch, make):
    results = []
    for piece in (7, 1 << 20):
        monkeypatch.setattr("chainrule.nn.optimizers.PIECE", piece)
        network, optimizer = multilayer_perceptron((5, 4, 3), rng=0, dtype=np.float64), make()
        for k in range(3):
            optimizer.step(network, np.random.default_rng(k).standard_normal(network.size))
        results.append(network.parameters)
    assert np.array_equal(*results)


@EVERY
def test_memories_put_back_from_elsewhere_are_the_ones_that_are_stepped_by(make):
    """As after loading a checkpoint: other arrays, the same numbers."""
    (one, other), kept, replaced = small_pair(), make(), make()
    room = np.empty(one.size)
    for gradient in gradients(4, one.size):
        room[:] = gradient
        kept.step(one, room)
        replaced.step(other, room)
        replaced.state = {name: array.copy() for name, array in replaced.state.items()}
    assert_array_equal(one.parameters, other.parameters)
    for name, array in kept.state.items():
        assert_array_equal(array, replaced.state[name])


@pytest.mark.parametrize("make", [SGD, AdamW])
def test_a_weight_decay_set_between_two_steps_counts_from_the_next(make):
    network, optimizer, gradient = small(), make(0.1, weight_decay=0.0), np.zeros(small().size)
    before = network.parameters.copy()
    optimizer.step(network, gradient)
    assert_array_equal(network.parameters, before)
    optimizer.weight_decay = 0.5
    optimizer.step(network, gradient)
    for block in network.layout:
        factor = 0.95 if block.decays else 1
        assert_allclose(block.view(network.parameters), factor * block.view(before), rtol=1e-12)


@EVERY
def test_a_gradient_in_the_same_array_and_in_another_take_the_same_step(make):
    (one, other), reusing, changing = small_pair(), make(), make()
    room = np.empty(one.size)
    for gradient in gradients(3, one.size):
        room[:] = gradient
        reusing.step(one, room)
        changing.step(other, gradient)
    assert_array_equal(one.parameters, other.parameters)


def test_one_optimizer_can_step_one_network_and_then_another():
    optimizer, gradient = SGD(0.1), np.ones(small().size)
    first, second = small_pair()
    before = first.parameters.copy()
    optimizer.step(first, gradient)
    optimizer.step(second, gradient)
    assert_allclose(first.parameters, before - 0.1)
    assert_array_equal(second.parameters, first.parameters)


def small_pair():
    return small(), small()


# ------------------------------------------------------------------------------- what has faded, and max-norm


@pytest.mark.parametrize("make", [lambda: SGD(0.05, momentum=0.9), lambda: Adam(0.001)], ids=["momentum", "adam"])
def test_no_memory_stays_subnormal_once_the_gradient_is_gone(make):
    network, optimizer = small(np.float32), make()
    gradient = gradients(1, network.size, np.float32)[0]
    optimizer.step(network, gradient)
    for _ in range(1_500):  # 0.9^1,000 is far below what float32 has normal numbers for
        optimizer.step(network, np.zeros_like(gradient))
    tiny = np.finfo(np.float32).tiny
    for memory in optimizer.state.values():
        assert not ((memory != 0) & (np.abs(memory) < tiny)).any()


def test_what_counts_in_memory_is_never_swept_away(monkeypatch):
    results = []
    for every in (1, 10**9):
        monkeypatch.setattr("chainrule.nn.optimizers.SWEEP_EVERY", every)
        network, optimizer = small(np.float32), SGD(0.1, momentum=0.9)
        for gradient in gradients(60, network.size, np.float32):
            optimizer.step(network, 1e-20 * gradient)
        results.append(optimizer.state["velocity"].copy())
    assert_array_equal(*results)


def test_a_memory_that_is_not_finite_is_not_swept_under_the_carpet(monkeypatch):
    monkeypatch.setattr("chainrule.nn.optimizers.SWEEP_EVERY", 1)
    network, optimizer = small(np.float32), SGD(0.1, momentum=0.9)
    optimizer.step(network, np.full(network.size, np.nan, np.float32))
    assert np.isnan(optimizer.state["velocity"]).all()


def test_max_norm_shortens_only_the_weights_into_units_where_they_are_too_long():
    network = small()
    weights = [layer.weight.copy() for layer in network.layers if hasattr(layer, "weight")]
    before = network.parameters.copy()
    norms = np.concatenate([np.linalg.norm(weight, axis=0) for weight in weights])
    limit = float(np.median(norms))
    limit_norms(network, limit)
    after = [layer.weight for layer in network.layers if hasattr(layer, "weight")]
    for old, new in zip(weights, after, strict=True):
        lengths = np.linalg.norm(old, axis=0)
        assert_allclose(np.linalg.norm(new, axis=0), np.minimum(lengths, limit))
        assert_allclose(new / np.linalg.norm(new, axis=0), old / lengths)
        assert_array_equal(new[:, lengths < limit], old[:, lengths < limit])
    for block in network.layout:
        if not block.decays:
            assert_array_equal(network.parameters[block.slice], before[block.slice])


def test_max_norm_leaves_short_weights_alone_bit_for_bit():
    network = small()
    before = network.parameters.copy()
    limit_norms(network, 1e3)
    assert_array_equal(network.parameters, before)


@pytest.mark.parametrize("greatest", [0, -1.0, float("nan"), "3", None, True])
def test_a_greatest_norm_is_a_number_above_0(greatest):
    network = multilayer_perceptron((4, 3), rng=0)
    before = network.parameters.copy()
    with pytest.raises(ValueRangeError, match=f"The greatest norm is {greatest!r}; expected a number above 0"):
        limit_norms(network, greatest)
    assert_array_equal(network.parameters, before)
