"""Whatever array is given: it works as the plain one does, or is refused in words. Never a wrong number."""

import copy
import dataclasses
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import chainrule as cr
from chainrule.data.deformations import side_by_side
from chainrule.data.photo import find_digit, fit_and_centre
from chainrule.errors import ChainruleError, DtypeError
from chainrule.nn.optimizers import limit_norms

N, SHAPE, D, CLASSES = 12, (4, 3), 12, 3
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (N, *SHAPE), dtype=np.uint8)
LABELS = RNG.integers(0, CLASSES, N)
OTHERS = RNG.integers(0, CLASSES, N)
ROWS = RNG.permutation(N)[:8]
X = RNG.random((N, D)).astype(np.float32)
LOGITS = RNG.standard_normal((N, CLASSES)).astype(np.float32)
TARGETS = np.eye(CLASSES, dtype=np.float32)[LABELS]
WEIGHTS = RNG.random(N).astype(np.float32) + 0.5
MEAN = RNG.random(D)
GREY = np.pad(RNG.integers(60, 120, (9, 5), dtype=np.uint8), 4)
NETWORK = cr.multilayer_perceptron((D, 5, CLASSES), rng=0)
THETA = NETWORK.parameters.copy()
GRADIENT = RNG.standard_normal(NETWORK.size).astype(np.float32)
PREPARATION = cr.Preparation.fit(PICTURES, standardise=True)
MODEL = cr.Model(NETWORK, PREPARATION, ("ant", "bee", "cat"))
COMMITTEE = cr.Committee((MODEL, cr.Model(NETWORK.with_parameters(-THETA), PREPARATION, MODEL.class_names)))
DEFORMATION = cr.Deformation(rotation=10.0, alpha=2.0)


def seen(evaluation):
    return evaluation.labels, evaluation.predictions, evaluation.confidence, evaluation.accuracy, evaluation.mistakes()


def trained(images=PICTURES, labels=LABELS, **settings):
    network = cr.multilayer_perceptron((D, 5, CLASSES), rng=0)
    training = cr.Training(network, images, labels, optimizer=cr.SGD(0.1), batch_size=5, epochs=2, rng=0, **settings)
    return [(report.loss, report.train_accuracy) for report in training], network.parameters


def started(images=PICTURES, labels=LABELS):
    recipe = dataclasses.replace(cr.find_recipe("standard"), hidden=(4,), epochs=1, least_steps=0, validation=0.25)
    training = cr.start(recipe, cr.Dataset(images, labels, None, None, ("a", "b", "c"), "", "made up"))
    return [report.loss for report in training], training.network.parameters


def stepped(optimizer, gradient):
    network = NETWORK.with_parameters(THETA.copy())
    optimizer.step(network, gradient)
    return network.parameters


def averaged(parameters):
    average = cr.ExponentialAverage(0.9)
    average.update(THETA)
    average.update(parameters)
    return average.parameters


def there_and_back(x=X, d=LOGITS, theta=THETA):
    network = NETWORK.with_parameters(theta)
    trace = network.forward(x)
    output = trace.output.copy()
    return output, network.backward(trace, d, input_gradient=True), trace.d_input


def sideways(d):
    trace = NETWORK.forward(X)
    return NETWORK.input_gradient(trace, d)


def evaluated(images=PICTURES, labels=LABELS):
    return seen(MODEL.evaluate(images, labels))


def checked(x=X, targets=LABELS):
    errors = cr.gradient_check(NETWORK, cr.cross_entropy, x, targets, entries=3)
    return max(errors.values()) < 1e-6


#: Every argument that takes an array: the plain one, and what is called with it.
CASES = {
    "Preparation.fit images": (PICTURES, lambda a: cr.Preparation.fit(a, standardise=True).mean),
    "Preparation.transform images": (PICTURES, PREPARATION.transform),
    "Preparation mean": (MEAN, lambda a: cr.Preparation(SHAPE, a, MEAN).transform(PICTURES)),
    "Preparation deviation": (MEAN, lambda a: cr.Preparation(SHAPE, MEAN, a).transform(PICTURES)),
    "Preparation.scale rows": (X, lambda a: PREPARATION.scale(copy.copy(a))),
    "Deformer.deform images": (PICTURES, lambda a: cr.Deformer(DEFORMATION, SHAPE).deform(a, np.random.default_rng(0))),
    "side_by_side images": (PICTURES, lambda a: side_by_side(a, DEFORMATION, 1, np.random.default_rng(0))),
    "one_hot labels": (LABELS, lambda a: cr.one_hot(a, CLASSES)),
    "find_digit grey": (GREY, find_digit),
    "fit_and_centre ink": (GREY, fit_and_centre),
    "Model.predict images": (PICTURES, MODEL.predict),
    "Model.predict rows": (ROWS, lambda a: MODEL.predict(PICTURES, a)),
    "Model.probabilities images": (PICTURES, MODEL.probabilities),
    "Model.probabilities rows": (ROWS, lambda a: MODEL.probabilities(PICTURES, a)),
    "Model.evaluate images": (PICTURES, evaluated),
    "Model.evaluate labels": (LABELS, lambda a: evaluated(labels=a)),
    "Committee.probabilities images": (PICTURES, COMMITTEE.probabilities),
    "Committee.evaluate labels": (LABELS, lambda a: seen(COMMITTEE.evaluate(PICTURES, a))),
    "Training images": (PICTURES, trained),
    "Training labels": (LABELS, lambda a: trained(labels=a)),
    "Training rows": (ROWS, lambda a: trained(rows=a)),
    "Training validation_rows": (ROWS, lambda a: trained(validation_rows=a)),
    "start images": (PICTURES, started),
    "start labels": (LABELS, lambda a: started(labels=a)),
    "softmax logits": (LOGITS, cr.softmax),
    "cross_entropy logits": (LOGITS, lambda a: cr.cross_entropy(a, LABELS)),
    "cross_entropy labels": (LABELS, lambda a: cr.cross_entropy(LOGITS, a)),
    "cross_entropy targets": (TARGETS, lambda a: cr.cross_entropy(LOGITS, a, label_smoothing=0.1)),
    "cross_entropy weights": (WEIGHTS, lambda a: cr.cross_entropy(LOGITS, LABELS, sample_weight=a)),
    "mean_squared_error outputs": (LOGITS, lambda a: cr.mean_squared_error(a, LABELS)),
    "mean_squared_error labels": (LABELS, lambda a: cr.mean_squared_error(LOGITS, a)),
    "mean_squared_error targets": (TARGETS, lambda a: cr.mean_squared_error(LOGITS, a)),
    "mean_squared_error weights": (WEIGHTS, lambda a: cr.mean_squared_error(LOGITS, LABELS, sample_weight=a)),
    "accuracy predictions": (OTHERS, lambda a: cr.accuracy(a, LABELS)),
    "accuracy labels": (LABELS, lambda a: cr.accuracy(OTHERS, a)),
    "confusion_matrix predictions": (OTHERS, lambda a: cr.confusion_matrix(a, LABELS, CLASSES)),
    "confusion_matrix labels": (LABELS, lambda a: cr.confusion_matrix(OTHERS, a, CLASSES)),
    "Network.forward x": (X, there_and_back),
    "Network.backward d": (LOGITS, lambda a: there_and_back(d=copy.copy(a))),
    "Network.input_gradient d": (LOGITS, lambda a: sideways(copy.copy(a))),
    "Network parameters": (THETA, lambda a: there_and_back(theta=a)),
    "gradient_check x": (X, checked),
    "gradient_check labels": (LABELS, lambda a: checked(targets=a)),
    "SGD.step gradient": (GRADIENT, lambda a: stepped(cr.SGD(0.1, momentum=0.9), a)),
    "AdamW.step gradient": (GRADIENT, lambda a: stepped(cr.AdamW(0.1), a)),
    "ExponentialAverage.update parameters": (THETA, averaged),
}

EVERY_CASE = pytest.mark.parametrize(("plain", "call"), CASES.values(), ids=CASES)
#: What may be of any size, or has none to compare with; what takes lists as well; what may be left out.
OF_ANY_SIZE = re.compile(
    "Preparation.fit|side_by_side|start images|find_digit|fit_and_centre|rows$|softmax|one_hot|"
    "(entropy logits|error outputs)$"
)
OPTIONAL = re.compile("rows$|weights$|Network parameters|Preparation (mean|deviation)")
#: Numbers that are looked at by whoever asks for a loss, or steps: see their docstrings.
NOT_LOOKED_AT = re.compile("softmax|cross_entropy|mean_squared|Network|step|update|scale")


def numbers(result):
    """All numbers of a result, array by array."""
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in numbers(part)]
    return [np.asarray(result)]


def same(found, expected):
    for one, other in zip(numbers(found), numbers(expected), strict=True):
        assert_allclose(one, other, rtol=1e-5, atol=1e-6)


TELLS = re.compile(
    r"expected|Expected|use |Use |onvert|need|such as|counted from|must be|fitted to|no digit found|nothing to|"
    r"has both|one image is|are \(N|for images|0 or more|float32 or float64|holds out"
)


def answer(call, given):
    """What it says, or None where it is refused in words that say what is expected or what to do."""
    try:
        with np.errstate(all="ignore"):
            return call(given)
    except ChainruleError as error:
        message = str(error)
    assert TELLS.search(message), message
    return None


def apart(array, axis):
    """The same numbers, every second of another array's."""
    shape = [2 * n if i == axis % array.ndim else n for i, n in enumerate(array.shape)]
    wide = np.zeros(shape, array.dtype)
    where = tuple(slice(None, None, 2) if i == axis % array.ndim else slice(None) for i in range(array.ndim))
    wide[where] = array
    return wide[where]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "read-only": read_only,
    "Fortran's order": np.asfortranarray,
    "every second row": lambda a: apart(a, 0),
    "every second column": lambda a: apart(a, -1),
    "rows backwards": lambda a: a[::-1].copy()[::-1],
    "columns backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "a subclass": lambda a: a.view(np.recarray),
}


@EVERY_CASE
@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS)
def test_however_an_array_lies_it_is_the_same(plain, call, change, request):
    given = change(plain)
    found = answer(call, given)
    if found is None:  # θ is one piece
        assert "Network parameters" in request.node.callspec.id
        assert not given.flags.c_contiguous
    else:
        same(found, call(plain))


NO_ARRAYS = {
    "a list": lambda a: a.tolist(),
    "nested tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "nothing": lambda a: None,
    "words": lambda a: "abc",
    "a number": lambda a: 3,
    "a scalar": lambda a: a.reshape(-1)[0],
    "no dimension": lambda a: np.array(a.flat[0]),
    "an object": lambda a: object(),
    "records": lambda a: np.zeros(a.shape, [("a", "f4")]),
}


@EVERY_CASE
@pytest.mark.parametrize("change", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_is_no_array_is_refused_in_words(plain, call, change, request):
    given = change(plain)
    found = answer(call, given)
    if found is not None:
        name = request.node.callspec.id
        assert OPTIONAL.search(name)
        if given is not None:
            same(found, call(plain))


@EVERY_CASE
@pytest.mark.parametrize("mask", [False, True])
def test_a_masked_array_is_refused_whatever_is_masked(plain, call, mask):
    with pytest.raises(DtypeError):
        call(np.ma.array(plain, mask=np.full(plain.shape, mask)))


DTYPES = [
    "f2",
    "f4",
    "f8",
    "g",
    ">f4",
    ">f8",
    "?",
    "O",
    "c8",
    "U9",
    "S9",
    "i1",
    "u1",
    ">i4",
    "i8",
    "u8",
    ">u2",
    "M8[s]",
]


@EVERY_CASE
@pytest.mark.parametrize("dtype", DTYPES)
def test_another_dtype_is_the_same_or_refused_and_text_and_objects_always(plain, call, dtype):
    given = plain.astype(dtype)
    found = answer(call, given)
    if found is not None:
        assert given.dtype.kind in "fiub"
        same(found, call(given.astype(plain.dtype)))


@EVERY_CASE
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_or_show(plain, call, value, request):
    given = plain.copy() if plain.dtype.kind == "f" else plain.astype(float)
    given.flat[1] = value
    found = answer(call, given)
    if found is not None:
        assert NOT_LOOKED_AT.search(request.node.callspec.id)
        assert not all(np.isfinite(array).all() for array in numbers(found))


@pytest.mark.parametrize(
    "name", [name for name in CASES if re.search("labels|rows$|matrix", name) and "acc" not in name]
)
@pytest.mark.parametrize("value", [-1, N, 10**9])
def test_a_label_or_row_that_there_is_not_is_refused(name, value):
    plain, call = CASES[name]
    if plain.dtype.kind == "f":
        pytest.skip("rows of numbers")
    given = plain.copy()
    given[1] = value
    assert answer(call, given) is None


SHAPES = {
    "an axis more": lambda a: a[np.newaxis],
    "an axis more at the end": lambda a: a[..., np.newaxis],
    "an axis less": lambda a: a[0],
    "too narrow": lambda a: a[..., :-1],
    "too wide": lambda a: np.concatenate([a, a], axis=-1),
    "without width": lambda a: a[..., :0],
}


@EVERY_CASE
@pytest.mark.parametrize("change", SHAPES.values(), ids=SHAPES)
def test_another_shape_is_refused(plain, call, change, request):
    found = answer(call, change(plain))
    assert found is None or OF_ANY_SIZE.search(request.node.callspec.id)


@EVERY_CASE
def test_none_at_all_gives_nothing_or_is_refused(plain, call, request):
    found = answer(call, plain[:0])
    if found is not None and "validation_rows" not in request.node.callspec.id:
        assert all(array.size == 0 for array in numbers(found))


@EVERY_CASE
def test_one_alone_gives_what_it_gives_among_others_or_is_refused(plain, call, request):
    found = answer(call, plain[:1])
    if found is not None and re.search(
        "transform|softmax|one_hot|predict|Model.prob|Committee.prob|deform|scale", request.node.callspec.id
    ):
        same(found, [array[:1] for array in numbers(call(plain))])


@EVERY_CASE
def test_a_single_value_throughout_is_as_good_as_any(plain, call):
    """One class, one shade, no weight: a number or a word, never NaN."""
    found = answer(call, np.zeros_like(plain))
    assert found is None or all(np.isfinite(array).all() for array in numbers(found))


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith("images")])
def test_pictures_as_floats_are_refused_with_how_to_convert_them(name):
    call = CASES[name][1]
    for given in (PICTURES / 255, PICTURES.astype(np.float32), (PICTURES / 255).astype(np.float16)):
        if name == "Deformer.deform images" and given.dtype == np.float32:
            continue  # its own dtype, in whatever unit
        with pytest.raises(DtypeError, match=r"\[0, 1\] .* np\.rint\(255 \* images\).*0 to 255 with images\.astype"):
            call(given)


def test_bytes_where_prepared_rows_were_expected_are_refused_with_how_to_scale_them():
    with pytest.raises(DtypeError, match=r"x\.astype\('float32'\) / 255, or a Preparation's transform"):
        NETWORK.forward(PICTURES.reshape(N, -1))


# -------------------------------------------------------------------------------------------------- settings

SETTINGS = {
    "Dense": lambda v: cr.Dense(v, 3),
    "Dropout": cr.Dropout,
    "LeakyReLU": cr.LeakyReLU,
    "Network rng": lambda v: cr.multilayer_perceptron((4, 3), rng=v),
    "Network dtype": lambda v: cr.multilayer_perceptron((4, 3), dtype=v),
    "input_dropout": lambda v: cr.multilayer_perceptron((4, 3), input_dropout=v),
    "hidden_dropout": lambda v: cr.multilayer_perceptron((4, 3, 2), hidden_dropout=v),
    "width": lambda v: cr.multilayer_perceptron((4, v)),
    "widths": cr.multilayer_perceptron,
    "Trace capacity": NETWORK.trace,
    "forward rng": lambda v: NETWORK.forward(X, rng=v),
    "SGD": cr.SGD,
    "momentum": lambda v: cr.SGD(0.1, momentum=v),
    "Adam": cr.Adam,
    "betas": lambda v: cr.Adam(betas=v),
    "weight_decay": lambda v: cr.AdamW(weight_decay=v),
    "average": cr.ExponentialAverage,
    "limit_norms": lambda v: limit_norms(NETWORK.with_parameters(THETA.copy()), v),
    "step": cr.Constant(0.1),
    "WarmupCosine": lambda v: cr.WarmupCosine(0.1, v),
    "Adversary": cr.Adversary,
    "Deformation": lambda v: cr.Deformation(sigma=v),
    "Deformer shape": lambda v: cr.Deformer(DEFORMATION, v),
    "Deformer height": lambda v: cr.Deformer(DEFORMATION, (v, 3)),
    "Deformer dtype": lambda v: cr.Deformer(DEFORMATION, SHAPE, v),
    "deform rng": lambda v: cr.Deformer(DEFORMATION, SHAPE).deform(PICTURES, v),
    "Preparation shape": cr.Preparation,
    "Preparation height": lambda v: cr.Preparation((v, 3)),
    "transform dtype": lambda v: PREPARATION.transform(PICTURES, dtype=v),
    "fit_and_centre shape": lambda v: fit_and_centre(GREY, v),
    "copies": lambda v: side_by_side(PICTURES, DEFORMATION, v, np.random.default_rng(0)),
    "one_hot classes": lambda v: cr.one_hot(LABELS, v),
    "one_hot dtype": lambda v: cr.one_hot(LABELS, 3, v),
    "split n": lambda v: cr.split(v, 0.1, 0),
    "split validation": lambda v: cr.split(10, v, 0),
    "label_smoothing": lambda v: cr.cross_entropy(LOGITS, LABELS, label_smoothing=v),
    "total": lambda v: cr.cross_entropy(LOGITS, LABELS, total=v),
    "classes": lambda v: cr.confusion_matrix(LABELS, LABELS, v),
    "successes": lambda v: cr.wilson_interval(v, 10),
    "confidence": lambda v: cr.wilson_interval(1, 10, v),
    "entries": lambda v: cr.gradient_check(NETWORK, cr.cross_entropy, X, LABELS, entries=v),
    "seed": lambda v: cr.gradient_check(NETWORK, cr.cross_entropy, X, LABELS, entries=1, seed=v),
    "Training rng": lambda v: cr.Training(NETWORK, PICTURES, LABELS, optimizer=cr.SGD(0.1), rng=v),
    "max_norm": lambda v: cr.Training(NETWORK, PICTURES, LABELS, optimizer=cr.SGD(0.1), max_norm=v),
    "epochs": lambda v: cr.Training(NETWORK, PICTURES, LABELS, optimizer=cr.SGD(0.1), epochs=v),
    "start seed": lambda v: cr.start(cr.find_recipe("standard"), cr.load_dataset("digits"), v),
    "transform out": lambda v: PREPARATION.transform(PICTURES, v),
    "deform out": lambda v: cr.Deformer(DEFORMATION, SHAPE).deform(PICTURES, np.random.default_rng(0), v),
    "softmax out": lambda v: cr.softmax(LOGITS, v),
    "loss out": lambda v: cr.cross_entropy(LOGITS, LABELS, v),
    "backward into": lambda v: NETWORK.backward(NETWORK.forward(X), LOGITS.copy(), into=v),
}
NO_SETTINGS = ["3x", -1, np.nan, -0.5, 1j, object(), {"a": 1}, np.zeros((2, 2)), [0.5]]


@pytest.mark.parametrize("call", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("value", NO_SETTINGS, ids=lambda value: type(value).__name__)
def test_a_setting_that_is_none_is_refused_in_words(call, value):
    assert answer(call, value) is None


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.endswith((" out", "into"))])
def test_room_that_is_read_only_is_refused(name):
    room = {"transform out": X, "deform out": X, "backward into": THETA}.get(name, LOGITS)
    with pytest.raises(ChainruleError, match="is read-only"):
        SETTINGS[name](read_only(room))


# --------------------------------------------------------------------------------- arguments stay as they were


@EVERY_CASE
def test_arguments_are_left_as_they_were(plain, call):
    """The call's other arguments as well: they are this module's, and read-only here."""
    given = plain.copy()
    others = (PICTURES, LABELS, OTHERS, ROWS, X, LOGITS, TARGETS, WEIGHTS, MEAN, GREY, THETA, GRADIENT)
    before = given.tobytes(), [array.tobytes() for array in others], NETWORK.parameters.tobytes()
    call(given)
    assert given.tobytes() == before[0]
    assert [array.tobytes() for array in others] == before[1]
    assert NETWORK.parameters.tobytes() == before[2]
