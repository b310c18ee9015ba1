import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.gradient_check import gradient_check
from chainrule.nn.losses import cross_entropy, mean_squared_error
from chainrule.nn.network import multilayer_perceptron

N, C = 6, 4
rng = np.random.default_rng(11)
LOGITS = rng.normal(size=(N, C))
LABELS = np.array([0, 3, 1, 1, 2, 0])
ONE_HOT = np.eye(C)[LABELS]
PROBABILITIES = rng.dirichlet(np.ones(C), N)
FLOATS = rng.normal(size=(N, C))
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.0, 3.0, 0.25])

BOTH = pytest.mark.parametrize("loss", [cross_entropy, mean_squared_error])
SETTINGS = {
    "labels": (cross_entropy, LABELS, {}),
    "probabilities": (cross_entropy, PROBABILITIES, {}),
    "smoothed labels": (cross_entropy, LABELS, {"label_smoothing": 0.1}),
    "smoothed probabilities": (cross_entropy, PROBABILITIES, {"label_smoothing": 0.3}),
    "weighted": (cross_entropy, LABELS, {"sample_weight": WEIGHTS}),
    "total": (cross_entropy, LABELS, {"total": 17}),
    "everything": (
        cross_entropy,
        PROBABILITIES,
        {"label_smoothing": 0.2, "sample_weight": WEIGHTS, "total": 9.5},
    ),
    "squares of labels": (mean_squared_error, LABELS, {}),
    "squares of floats": (mean_squared_error, FLOATS, {}),
    "weighted squares": (mean_squared_error, FLOATS, {"sample_weight": WEIGHTS}),
    "squares with a total": (mean_squared_error, LABELS, {"sample_weight": WEIGHTS, "total": 11}),
}
EVERY = pytest.mark.parametrize(("loss", "targets", "options"), SETTINGS.values(), ids=SETTINGS)


def by_definition(loss, outputs, targets, label_smoothing=0.0, sample_weight=None, total=None):
    """The formula of the docstring with nothing clever."""
    t = np.eye(outputs.shape[1])[targets] if targets.ndim == 1 else targets
    w = np.ones(len(outputs)) if sample_weight is None else sample_weight
    if loss is cross_entropy:
        t = (1 - label_smoothing) * t + label_smoothing / outputs.shape[1]
        p = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        each = -(t * np.log(p)).sum(axis=1)
    else:
        each = ((outputs - t) ** 2).mean(axis=1)
    return (w * each).sum() / (w.sum() if total is None else total)


@EVERY
def test_a_loss_is_its_formula(loss, targets, options):
    assert loss(LOGITS, targets, **options)[0] == pytest.approx(
        by_definition(loss, LOGITS, targets, **options), rel=1e-13
    )


@EVERY
def test_the_gradient_of_a_loss_is_its_slope(loss, targets, options):
    _, d = loss(LOGITS, targets, **options)
    h = 1e-5
    for i in range(N):
        for c in range(C):
            up, down = LOGITS.copy(), LOGITS.copy()
            up[i, c] += h
            down[i, c] -= h
            slope = (loss(up, targets, **options)[0] - loss(down, targets, **options)[0]) / (2 * h)
            assert d[i, c] == pytest.approx(slope, rel=1e-7, abs=1e-9)


@EVERY
def test_the_gradient_of_a_loss_is_right_through_a_network(loss, targets, options):
    network = multilayer_perceptron((3, 5, C), activation="tanh", rng=3, dtype=np.float64)
    x = np.random.default_rng(4).normal(size=(N, 3))
    errors = gradient_check(network, lambda y, t: loss(y, t, **options), x, targets)
    assert max(errors.values()) < 1e-7, errors


def test_squared_error_is_the_number_on_paper():
    # y − t = [[0, 2], [0, 0]]; mean over two outputs 2 and 0; over two examples 1.  ∂ℓ/∂y = 2 · 2 / (2 · 2) = 1
    loss, d = mean_squared_error(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([0, 1]))
    assert loss == 1.0
    assert_array_equal(d, [[0.0, 1.0], [0.0, 0.0]])


def test_smoothing_is_the_number_on_paper():
    # C = 2, ε = ½: t = (¾, ¼).  p = (¾, ¼) too, so the gradient is 0 and ℓ the entropy of t.
    loss, d = cross_entropy(np.log([[3.0, 1.0]]), np.array([0]), label_smoothing=0.5)
    assert loss == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)), rel=1e-14)
    assert_allclose(d, 0.0, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 7.0, -1e4])
def test_equal_logits_cost_the_log_of_the_number_of_classes(dtype, level):
    loss, _ = cross_entropy(np.full((3, 10), level, dtype), np.array([0, 4, 9]))
    assert loss == pytest.approx(np.log(10.0), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_stays_finite_at_huge_logits(dtype, smoothing):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss, d = cross_entropy(logits, np.array([0, 0]), label_smoothing=smoothing)
    # Row 0 is certain and right, row 1 certain and wrong by 2·10⁴; a uniform t costs 10⁴ in either.
    assert loss == pytest.approx((1 - smoothing) * 1e4 + smoothing * 1e4, rel=1e-6)
    assert np.isfinite(d).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_is_not_moved_by_a_shift_of_any_row(dtype):
    logits = LOGITS.astype(dtype)
    shift = np.array([[1e4], [-1e4], [0.0], [64.0], [-512.0], [1e3]], dtype)
    logits = np.round(logits * 64) / 64  # so that the shifted numbers are exact
    expected, moved = cross_entropy(logits, LABELS), cross_entropy(logits + shift, LABELS)
    assert moved[0] == expected[0]
    assert_array_equal(moved[1], expected[1])


def test_the_gradient_of_cross_entropy_sums_to_zero_in_each_row():
    assert_allclose(cross_entropy(LOGITS, LABELS, label_smoothing=0.1)[1].sum(axis=1), 0.0, atol=1e-16)


@BOTH
def test_labels_and_their_one_hot_rows_are_the_same_target(loss):
    by_label, by_row = loss(LOGITS, LABELS), loss(LOGITS, ONE_HOT)
    assert by_label[0] == pytest.approx(by_row[0], rel=1e-14)
    assert_allclose(by_label[1], by_row[1], rtol=1e-14, atol=1e-17)


@BOTH
def test_a_weight_of_two_counts_as_the_example_given_twice(loss):
    rows = np.array([0, 1, 1, 2])
    weighted = loss(LOGITS[:3], LABELS[:3], sample_weight=np.array([1.0, 2.0, 1.0]))
    repeated = loss(LOGITS[rows], LABELS[rows])
    assert weighted[0] == pytest.approx(repeated[0], rel=1e-14)
    assert_allclose(weighted[1][1], 2 * repeated[1][1], rtol=1e-14)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-9])
def test_a_weight_that_is_negative_or_not_finite_is_refused(loss, value):
    weights = np.ones(N)
    loss(LOGITS, LABELS, sample_weight=weights)
    weights[3] = value
    with pytest.raises(ValueRangeError, match="sample_weight has NaN, infinite or negative numbers; expected finite"):
        loss(LOGITS, LABELS, sample_weight=weights)


@BOTH
def test_equal_weights_change_nothing_whatever_their_size(loss):
    plain, weighted = loss(LOGITS, LABELS), loss(LOGITS, LABELS, sample_weight=np.full(N, 7.0))
    assert weighted[0] == pytest.approx(plain[0], rel=1e-14)
    assert_allclose(weighted[1], plain[1], rtol=1e-14)


@BOTH
@pytest.mark.parametrize("sample_weight", [None, WEIGHTS], ids=["unweighted", "weighted"])
def test_with_a_total_the_parts_add_up_to_the_batch(loss, sample_weight):
    total = N if sample_weight is None else WEIGHTS.sum()
    whole = loss(LOGITS, LABELS, sample_weight=sample_weight)
    parts = [
        loss(
            LOGITS[part],
            LABELS[part],
            sample_weight=None if sample_weight is None else sample_weight[part],
            total=total,
        )
        for part in (slice(0, 1), slice(1, 4), slice(4, N))
    ]
    assert sum(part[0] for part in parts) == pytest.approx(whole[0], rel=1e-14)
    assert_allclose(np.concatenate([part[1] for part in parts]), whole[1], rtol=1e-14)


@EVERY
def test_the_gradient_may_be_written_over_the_outputs(loss, targets, options):
    expected = loss(LOGITS, targets, **options)
    outputs = LOGITS.copy()
    value, d = loss(outputs, targets, outputs, **options)
    assert d is outputs
    assert value == expected[0]
    assert_array_equal(d, expected[1])


@EVERY
def test_a_loss_changes_nothing_it_is_given(loss, targets, options):
    weight = options.get("sample_weight")
    given = [LOGITS, targets, *([] if weight is None else [weight])]
    before = [array.copy() for array in given]
    loss(LOGITS, targets, **options)
    loss(LOGITS, targets, np.empty_like(LOGITS), **options)
    for array, copy in zip(given, before, strict=True):
        assert_array_equal(array, copy)


@BOTH
def test_a_loss_is_a_python_float_and_its_gradient_has_the_dtype_of_the_outputs(loss):
    value, d = loss(LOGITS.astype(np.float32), LABELS, sample_weight=WEIGHTS.astype(np.float32))
    assert type(value) is float
    assert d.dtype == np.float32


@BOTH
@pytest.mark.parametrize("dtype", ["u1", "i1", "i4", "i8", "u8", ">i4", ">u2"])
def test_labels_may_be_integers_of_any_kind(loss, dtype):
    expected = loss(LOGITS, LABELS)
    value, d = loss(LOGITS, LABELS.astype(dtype))
    assert value == expected[0]
    assert_array_equal(d, expected[1])


@BOTH
@pytest.mark.parametrize("dtype", ["i1", "i8", ">i4"])
@pytest.mark.parametrize("label", [-1, C, 100])
def test_a_label_out_of_range_is_named_with_its_row(loss, label, dtype):
    labels = LABELS.astype(dtype)
    labels[4] = label
    with pytest.raises(ValueRangeError, match=rf"label {label} in row 4 .*expected 0 to 3"):
        loss(LOGITS, labels)


@BOTH
def test_labels_must_be_one_for_each_row(loss):
    with pytest.raises(ShapeError, match=re.escape("(5,)") + ".*" + re.escape("(6,)")):
        loss(LOGITS, LABELS[:5])


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, bool])
def test_labels_must_be_integers(loss, dtype):
    with pytest.raises(DtypeError, match="expected integers"):
        loss(LOGITS, LABELS.astype(dtype))


@BOTH
@pytest.mark.parametrize("shape", [(N, C + 1), (N - 1, C), (N, C, 1), (N, 1)])
def test_targets_must_have_the_shape_of_the_outputs(loss, shape):
    with pytest.raises(ShapeError, match=re.escape(str(shape)) + ".*" + re.escape(str((N, C)))):
        loss(LOGITS, np.zeros(shape))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_targets_must_have_the_dtype_of_the_outputs(loss, dtype):
    with pytest.raises(DtypeError, match="float64"):
        loss(LOGITS, ONE_HOT.astype(dtype))


@BOTH
def test_sample_weights_must_be_one_for_each_row(loss):
    with pytest.raises(ShapeError, match=r"sample_weight.*\(5,\).*\(6,\)"):
        loss(LOGITS, LABELS, sample_weight=np.ones(5))


@BOTH
@pytest.mark.parametrize("options", [{"sample_weight": np.zeros(N)}, {"total": 0}, {"total": float("nan")}])
def test_a_mean_over_nothing_is_refused(loss, options):
    with pytest.raises(ValueRangeError, match="above 0"):
        loss(LOGITS, LABELS, **options)


@BOTH
@pytest.mark.parametrize("targets", [np.zeros(0, int), np.zeros((0, C))], ids=["labels", "rows"])
def test_outputs_of_no_example_are_refused(loss, targets):
    with pytest.raises(ShapeError, match=r"\(0, 4\)"):
        loss(np.zeros((0, C)), targets)


@BOTH
def test_outputs_must_be_rows(loss):
    with pytest.raises(ShapeError, match=r"\(4,\)"):
        loss(LOGITS[0], LABELS)


@BOTH
def test_outputs_must_be_floats(loss):
    with pytest.raises(DtypeError, match="int64"):
        loss(np.ones((N, C), np.int64), LABELS)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_outside_zero_to_one_is_refused(smoothing):
    with pytest.raises(ValueRangeError, match="label_smoothing"):
        cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)


@BOTH
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.dtype(">f4")])
def test_outputs_are_float32_or_float64(loss, dtype):
    with pytest.raises(DtypeError, match="expected float32 or float64"):
        loss(LOGITS.astype(dtype), LABELS)


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("outputs", (LOGITS.tolist(), LABELS)),
        ("outputs", (None, LABELS)),
        ("targets", (LOGITS, LABELS.tolist())),
        ("targets", (LOGITS, None)),
        ("out", (LOGITS, LABELS, LOGITS.tolist())),
    ],
)
def test_what_is_no_array_is_refused(loss, name, arguments):
    with pytest.raises(DtypeError, match=f"{name} is .*; expected a NumPy array"):
        loss(*arguments)


@BOTH
def test_sample_weights_in_a_list_are_refused(loss):
    with pytest.raises(DtypeError, match="sample_weight is a list"):
        loss(LOGITS, LABELS, sample_weight=WEIGHTS.tolist())


@BOTH
@pytest.mark.parametrize("shape", [(N + 1, C), (1, N, C), (N, C + 1), (N * C,)])
def test_out_must_have_the_shape_of_the_outputs(loss, shape):
    with pytest.raises(ShapeError, match=re.escape(f"out has shape {shape}; expected {(N, C)}")):
        loss(LOGITS, LABELS, np.empty(shape))


@BOTH
def test_out_must_have_the_dtype_of_the_outputs(loss):
    with pytest.raises(DtypeError, match="out is float32; expected float64"):
        loss(LOGITS, LABELS, np.empty((N, C), np.float32))


@BOTH
def test_a_loss_of_what_is_not_finite_is_not_finite_and_says_so(loss):
    outputs = LOGITS.copy()
    outputs[2, 1] = np.nan
    assert np.isnan(loss(outputs, LABELS)[0])
    assert "NaN or infinite where" in loss.__doc__
