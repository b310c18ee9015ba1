import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import model as module
from chainrule.data.preparation import Preparation
from chainrule.errors import ChainruleError, DtypeError, ShapeError, ValueRangeError
from chainrule.model import BLOCK, Committee, Evaluation, Model
from chainrule.nn.network import multilayer_perceptron

COUNT = BLOCK + 1
NAMES = ("ant", "bee", "cat")


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


def test_two_threads_predict_with_one_model_as_one_does(images):
    model = model_of(standardise=True)
    halves = [images, images[::-1].copy()]
    expected = [model.probabilities(half) for half in halves]
    found, barrier = [[], []], threading.Barrier(2)

    def predict(which):
        barrier.wait()
        for _ in range(20):
            found[which].append(model.probabilities(halves[which]))

    threads = [threading.Thread(target=predict, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for which in (0, 1):
        assert len(found[which]) == 20
        assert all(np.array_equal(probabilities, expected[which]) for probabilities in found[which])


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
    monkeypatch.setattr(module, "shares", lambda: among)
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
