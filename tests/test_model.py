import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from chainrule import model as module
from chainrule.data.preparation import Preparation
from chainrule.errors import ChainruleError, DtypeError, ShapeError, ValueRangeError
from chainrule.machine import blas
from chainrule.model import BLOCK, LARGE, Committee, Evaluation, Model
from chainrule.nn.network import multilayer_perceptron

COUNT = BLOCK + 1
NAMES = ("ant", "bee", "cat")
#: Pictures that the cores share out, and not in equal parts.
MANY = LARGE + 900


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 4, 3), dtype=np.uint8)


def model_of(dtype=np.float32, standardise=False, **settings):
    network = multilayer_perceptron((12, 9, 3), rng=1, dtype=dtype, **settings)
    sample = np.random.default_rng(2).integers(0, 256, (50, 4, 3), dtype=np.uint8)
    return Model(network, Preparation.fit(sample, standardise=standardise), NAMES)


def by_hand(model, images):
    """softmax(relu(x W1 + b1) W2 + b2), written out in float64."""
    first, _, second = model.network.layers
    x = images.reshape(len(images), -1) / 255
    if model.preparation.mean is not None:
        x = (x - model.preparation.mean) / model.preparation.deviation
    z = np.maximum(x @ first.weight + first.bias, 0) @ second.weight + second.bias
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------------------------------------- predicting


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_are_the_networks_softmax_of_the_prepared_pictures(images, dtype, standardise):
    model = model_of(dtype, standardise)
    probabilities = model.probabilities(images)
    assert probabilities.dtype == dtype
    assert_allclose(probabilities, by_hand(model, images), rtol=1e-4 if dtype is np.float32 else 1e-12)


def test_log_probabilities_are_the_logarithms(images):
    model = model_of(np.float64)
    assert_allclose(model.log_probabilities(images), np.log(model.probabilities(images)), rtol=1e-12)
    rows = np.array([3, 1, 1])
    assert_allclose(model.log_probabilities(images, rows), model.log_probabilities(images)[rows], rtol=1e-12)


def test_probabilities_sum_to_1(images):
    probabilities = model_of(np.float64).probabilities(images)
    assert probabilities.shape == (COUNT, 3)
    assert (probabilities >= 0).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)


def test_the_prediction_is_the_most_probable_class(images):
    model = model_of()
    predictions = model.predict(images)
    assert predictions.dtype == np.int64
    assert_array_equal(predictions, model.probabilities(images).argmax(axis=1))
    assert len(set(predictions)) > 1


@pytest.mark.parametrize("count", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1])
def test_the_borders_of_blocks_do_not_matter(images, count, monkeypatch):
    model = model_of(np.float64)
    probabilities, predictions = model.probabilities(images[:count]), model.predict(images[:count])
    assert len(probabilities) == len(predictions) == count
    assert_allclose(probabilities, by_hand(model, images[:count]), rtol=1e-12)
    for block in (1, 7, 10_000):
        monkeypatch.setattr(module, "BLOCK", block)
        assert_allclose(model.probabilities(images[:count]), probabilities, rtol=1e-13)
        assert_array_equal(model.predict(images[:count]), predictions)


def test_rows_select(images):
    model = model_of(np.float64)
    rows = np.random.default_rng(3).integers(0, COUNT, BLOCK + 100)
    assert_allclose(model.probabilities(images, rows), model.probabilities(images)[rows], rtol=1e-13)
    assert_array_equal(model.predict(images, rows), model.predict(images)[rows])
    assert_array_equal(model.predict(images, rows[:1]), model.predict(images)[rows[:1]])


def test_no_pictures_have_no_predictions(images):
    model = model_of()
    assert model.probabilities(images[:0]).shape == (0, 3)
    assert model.predict(images[:0]).shape == (0,)
    assert model.predict(images, np.arange(0)).shape == (0,)


def test_predicting_drops_nothing_and_changes_nothing(images):
    model = model_of(input_dropout=0.5, hidden_dropout=0.5)
    plain = Model(
        multilayer_perceptron((12, 9, 3), rng=1), model.preparation, NAMES
    )  # the same weights, and no dropout
    before, pictures = model.network.parameters.copy(), images.copy()
    assert_array_equal(model.probabilities(pictures), plain.probabilities(pictures))
    assert_array_equal(model.network.parameters, before)
    assert_array_equal(pictures, images)


def test_pictures_may_be_read_only_or_lie_apart(images):
    model = model_of()
    spread = np.zeros((2 * COUNT, 4, 3), np.uint8)
    spread[::2] = images
    view = spread[::2]
    view.flags.writeable = False
    assert_array_equal(model.probabilities(view), model.probabilities(images))


# ------------------------------------------------------------------------------------------ several threads


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(5).integers(0, 256, (MANY, 28, 28), dtype=np.uint8)


def digit_model(seed=0, width=128):
    """Wide enough that a product's last bits change with the number of BLAS's threads."""
    return Model(multilayer_perceptron((784, width, 10), rng=seed), Preparation((28, 28)), tuple("0123456789"))


ASKED = {
    "a model": digit_model(),
    "a committee": Committee((digit_model(), digit_model(seed=1, width=64))),
}


@pytest.mark.parametrize(
    "counts", [(1500, 1500), (LARGE + 900,) * 2, (LARGE + 900, 1500), (1500, LARGE + 900)], ids=str
)
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_predicting_from_several_threads_at_once_gives_exactly_what_one_gives(digits, at_once, asked, counts):
    """The main thread some pictures, and two others the last of them and as many from the end backwards."""
    pictures = [digits[: counts[0]], digits[-counts[1] :], digits[::-1][: counts[1]]]
    with threadpool_limits(2, "blas"):  # on one core as well
        expected = [asked.probabilities(those).copy() for those in pictures]
        for _ in range(3):
            found = at_once(*[lambda those=those: asked.probabilities(those) for those in pictures])
            assert [one.tobytes() for one in found] == [one.tobytes() for one in expected]


@pytest.mark.parametrize("count", [1500, MANY])
def test_one_model_predicts_classes_and_rows_and_evaluates_at_once(digits, at_once, count):
    model, pictures, labels = digit_model(), digits[:count], np.arange(count) % 10
    works = [
        lambda: model.predict(pictures).tobytes(),
        lambda: model.predict(digits, np.arange(count)[::-1]).tobytes(),
        lambda: model.probabilities(pictures[:3]).tobytes(),
        lambda: model.evaluate(pictures, labels).confidence.tobytes(),  # noqa: PLW0108 (evaluated in the thread)
    ]
    assert at_once(*works) == [work() for work in works]


@pytest.mark.parametrize("count", [1500, MANY])
def test_how_many_threads_blas_has_changes_no_bit(digits, at_once, count):
    model = digit_model()
    with threadpool_limits(1, "blas"):
        expected = model.probabilities(digits[:count]).tobytes()
    with threadpool_limits(2, "blas"):
        assert model.probabilities(digits[:count]).tobytes() == expected
        assert at_once(lambda: None, lambda: model.probabilities(digits[:count]).tobytes())[1] == expected


def test_predicting_from_several_threads_leaves_blas_the_threads_it_had(digits, at_once):
    works = [lambda: digit_model().predict(digits), lambda: digit_model().predict(digits[:1500])]
    with threadpool_limits(2, "blas"):
        at_once(*works, *works)
        assert blas()["threads"] == 2


# --------------------------------------------------------------------------------------- what does not fit


def test_a_preparation_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"reads 12 numbers; pictures of \(4, 4\) pixels have 16"):
        Model(multilayer_perceptron((12, 3)), Preparation((4, 4)), NAMES)


@pytest.mark.parametrize("names", [(), NAMES[:2], (*NAMES, "dog")])
def test_class_names_of_another_number_are_refused(names):
    with pytest.raises(ShapeError, match=f"3 outputs for {len(names)} class names"):
        Model(multilayer_perceptron((12, 3)), Preparation((4, 3)), names)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda images: images / 255, DtypeError),
        (lambda images: images.astype(np.int64), DtypeError),
        (lambda images: images[:, :3], ShapeError),
        (lambda images: images.transpose(0, 2, 1), ShapeError),
        (lambda images: images.reshape(COUNT, -1), ShapeError),
        (lambda images: images[0], ShapeError),
    ],
    ids=["floats", "integers", "too small", "lying", "rows", "one picture"],
)
def test_pictures_that_do_not_fit_are_refused(images, change, kind):
    for ask in (model_of().probabilities, model_of().predict):
        with pytest.raises(kind):
            ask(change(images))


def with_weight(size, dtype=np.float32, hidden="relu"):
    """The model with one weight of this size behind each pixel and each hidden unit."""
    model = model_of(dtype, activation=hidden)
    for layer in model.network.layers[::2]:
        layer.weight[:, 0] = size
    return model


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e38), (np.float64, 1e308)])
@pytest.mark.parametrize("hidden", ["relu", "leaky_relu"])
@pytest.mark.parametrize("count", [COUNT, MANY], ids=["one core", "shared out"])
def test_finite_weights_that_overflow_are_refused_and_never_give_nan(images, dtype, size, hidden, count):
    model, pictures = with_weight(size, dtype, hidden), np.resize(images, (count, 4, 3))
    for ask in (model.probabilities, model.predict, lambda those: model.evaluate(those, np.zeros(count, int))):
        with pytest.raises(
            ValueRangeError,
            match=rf"^The network's outputs for picture 0 are beyond what float\d\d can hold: numbers in "
            rf"dense1\.weight go up to {size:.0e}\. Train it again".replace("+", r"\+"),
        ):
            ask(pictures)
    with pytest.raises(ValueRangeError, match="outputs for picture 0"):
        Committee((model_of(dtype), model)).probabilities(pictures)


def test_the_picture_whose_outputs_overflow_is_named(images):
    pictures = np.zeros_like(images)
    pictures[COUNT - 1, 0, 0] = 200
    model, rows = with_weight(3e38), np.arange(COUNT)[::-1]
    for arguments, number in [((pictures,), COUNT - 1), ((pictures, rows), COUNT - 1), ((pictures[-1:],), 0)]:
        with pytest.raises(ValueRangeError, match=f"outputs for picture {number} "):
            model.predict(*arguments)
    assert np.isfinite(model.probabilities(pictures[:-1])).all()


def test_weights_as_large_as_can_be_multiplied_still_predict(images):
    """Saturated, and exact: the difference of two logits may overflow, and its exponential is 0."""
    model = with_weight(1e38, hidden="tanh")
    model.network.layers[-1].weight[:, 1] = -1e38
    probabilities = model.probabilities(images)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_facts_are_each_models_own():
    one, other = model_of(), model_of()
    one.facts["recipe"] = "standard"
    assert other.facts == {}


# ---------------------------------------------------------------------------------------------- evaluation


def example():
    """Six pictures of three classes: four right, and two wrong."""
    return Evaluation(
        labels=np.array([0, 1, 2, 2, 1, 0]),
        predictions=np.array([0, 1, 2, 1, 1, 2]),
        confidence=np.array([0.9, 0.8, 0.7, 0.5, 0.4, 0.99]),
        classes=3,
    )


def test_an_evaluation_counts_as_one_does_by_hand():
    evaluation = example()
    assert evaluation.examples == 6
    assert evaluation.errors == 2
    assert evaluation.accuracy == 4 / 6
    assert evaluation.confusion.tolist() == [[1, 0, 1], [0, 2, 0], [0, 1, 1]]


def test_the_interval_is_wilsons_worked_by_hand():
    # p = 2/3, n = 6, z = 1.959964: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)
    #   = (0.666667 + 0.320122 ± 1.959964 √(0.037037 + 0.026677)) / 1.640243 = (0.986788 ± 0.494724) / 1.640243
    assert example().interval == pytest.approx((0.29999, 0.90323), abs=2e-5)


def test_mistakes_come_most_confident_first():
    assert example().mistakes().tolist() == [5, 3]


def test_mistakes_of_one_confidence_keep_their_order():
    zeros = np.zeros(4, int)
    evaluation = Evaluation(zeros, zeros + 1, np.array([0.5, 0.9, 0.5, 0.9]), 2)
    assert evaluation.mistakes().tolist() == [1, 3, 0, 2]


def test_without_mistakes_there_are_none():
    zeros = np.zeros(4, int)
    evaluation = Evaluation(zeros, zeros, np.ones(4), 2)
    assert evaluation.mistakes().tolist() == []
    assert (evaluation.errors, evaluation.accuracy) == (0, 1.0)


def test_evaluating_is_predicting_and_counting(images):
    model = model_of()
    labels = np.random.default_rng(4).integers(0, 3, COUNT)
    evaluation = model.evaluate(images, labels)
    probabilities = model.probabilities(images)
    assert_array_equal(evaluation.labels, labels)
    assert_array_equal(evaluation.predictions, model.predict(images))
    assert_array_equal(evaluation.confidence, probabilities.max(axis=1))
    assert evaluation.examples == COUNT
    assert evaluation.errors == int((model.predict(images) != labels).sum())
    assert evaluation.confusion.sum() == COUNT
    assert np.trace(evaluation.confusion) == COUNT - evaluation.errors


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.zeros(COUNT - 1, int), ShapeError),
        (np.zeros((COUNT, 1), int), ShapeError),
        (np.zeros(COUNT), DtypeError),
        (np.full(COUNT, 3), ValueRangeError),
        (np.full(COUNT, -1), ValueRangeError),
    ],
    ids=["too few", "a column", "floats", "too large", "negative"],
)
def test_labels_that_do_not_fit_are_refused(images, labels, kind):
    with pytest.raises(kind):
        model_of().evaluate(images, labels)


def test_an_evaluation_of_nothing_is_refused_in_words(images):
    with pytest.raises(ChainruleError, match="no pictures"):
        model_of().evaluate(images[:0], np.zeros(0, int))


@pytest.mark.parametrize("images", [None, [[[0, 0, 0]] * 4], 5])
def test_pictures_that_are_no_array_are_refused(images):
    model = model_of()
    for ask in (model.predict, model.probabilities, lambda images: model.evaluate(images, np.zeros(1, int))):
        with pytest.raises(DtypeError, match=r"images is .*; expected a NumPy array"):
            ask(images)


def test_labels_and_rows_that_are_no_arrays_are_refused(images):
    with pytest.raises(DtypeError, match=r"labels is a list; expected a NumPy array, np\.asarray\(labels\)"):
        model_of().evaluate(images, [0] * COUNT)
    with pytest.raises(DtypeError, match="rows is a list"):
        model_of().predict(images, [0, 1])
    with pytest.raises(ShapeError, match=r"shape \(\)"):
        model_of().predict(np.uint8(3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_is_not_finite_predicts_nothing(images, value):
    model = model_of()
    model.network.layers[2].bias[1] = value
    for ask in (model.predict, model.probabilities, lambda images: model.evaluate(images, np.zeros(COUNT, int))):
        with pytest.raises(ValueRangeError, match=r"^dense2\.bias contains NaN or infinity, so .* cannot predict"):
            ask(images)


@pytest.mark.parametrize("among", [2, 3, 20])
def test_many_pictures_shared_out_among_the_cores_get_the_same_bits(images, monkeypatch, among):
    monkeypatch.setattr(module, "BLOCK", 50)
    model, rows = model_of(), np.arange(COUNT)[::-1]
    expected = model.probabilities(images), model.predict(images), model.predict(images, rows)
    monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(module, "cores", lambda: among)
    for shared, alone in zip(
        (model.probabilities(images), model.predict(images), model.predict(images, rows)), expected, strict=True
    ):
        assert_array_equal(shared, alone)


def test_what_goes_wrong_in_one_of_the_threads_is_raised(images, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("one block too many")

    monkeypatch.setattr(module, "LARGE", 1)
    model = model_of()
    monkeypatch.setattr(type(model.preparation), "transform", fail)
    with pytest.raises(MemoryError, match="one block too many"):
        model.predict(images)


# ---------------------------------------------------------------------------------------------- committees


def other_model(seed, **changes):
    """A model like the others, with other weights."""
    network = multilayer_perceptron((12, 5, 3), rng=seed)
    return Model(network, model_of().preparation, changes.pop("names", NAMES), **changes)


def test_a_committees_probabilities_are_the_mean_of_its_models(images):
    models = (model_of(), other_model(7), other_model(8))
    expected = np.mean([model.probabilities(images) for model in models], axis=0)
    assert_allclose(Committee(models).probabilities(images), expected, rtol=1e-6)


def test_a_committee_of_one_is_that_model(images):
    model = model_of()
    assert_array_equal(Committee((model,)).probabilities(images), model.probabilities(images))


def test_a_committee_is_evaluated_by_its_own_decisions(images):
    labels = np.random.default_rng(3).integers(0, 3, COUNT)
    committee = Committee((model_of(), other_model(7)))
    evaluation = committee.evaluate(images, labels)
    assert_array_equal(evaluation.predictions, committee.probabilities(images).argmax(axis=1))
    assert evaluation.errors == np.count_nonzero(evaluation.predictions != labels)


def test_the_first_of_a_committee_speaks_for_all():
    first = other_model(7, facts={"dataset": "mnist"})
    committee = Committee((first, model_of()))
    assert committee.facts == {"dataset": "mnist"}
    assert committee.class_names == NAMES
    assert committee.preparation is first.preparation


@pytest.mark.parametrize("case", ["none", "classes", "pictures"])
def test_models_that_cannot_be_asked_together_are_refused(case):
    wide = Model(multilayer_perceptron((20, 5, 3), rng=0), Preparation((4, 5)), NAMES)
    models = {
        "none": (),
        "classes": (model_of(), other_model(7, names=("ant", "bee", "cow"))),
        "pictures": (model_of(), wide),
    }[case]
    with pytest.raises(ShapeError, match="at least one" if case == "none" else "Models 1 and 2"):
        Committee(models)
