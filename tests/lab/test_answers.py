from dataclasses import replace

import numpy as np
import pytest

from chainrule.doctor.child import examine
from chainrule.errors import InputError, UnknownNameError
from chainrule.lab import answers, steps, twins
from chainrule.nn.losses import cross_entropy


@pytest.fixture
def image(lab):
    return lab.data.test_images[:1]


def test_probabilities_are_the_models(lab, image):
    found = answers.explain_digit(lab, image)
    assert found["probabilities"] == lab.model.probabilities(image)[0].tolist()
    assert found["said"] == int(np.argmax(found["probabilities"]))


def test_votes_are_slope_times_pixel(lab, image):
    votes = answers.pixel_votes(lab.model, image, 3)
    x = lab.model.preparation.transform(image).astype(np.float64)
    network = lab.model.network.with_parameters(lab.model.network.parameters.astype(np.float64))
    for i in np.argsort(-np.abs(votes))[:5]:
        nudge = np.zeros_like(x)
        nudge[0, i] = 1e-6
        slope = (network.forward(x + nudge).output[0, 3] - network.forward(x - nudge).output[0, 3]) / 2e-6
        assert votes[i] == pytest.approx(slope * x[0, i], rel=1e-3)


def test_the_nearest_are_the_nearest(lab, image):
    rows = lab.data.train_images.reshape(len(lab.data.train_images), -1).astype(float)
    best = np.argmin(((rows - image.reshape(-1).astype(float)) ** 2).sum(axis=1))
    assert answers.nearest(lab, image)[0]["pixels"] == lab.data.train_images[best].reshape(-1).tolist()


def test_look_has_every_activation_of_the_engine(lab, image):
    found = answers.look(lab, image, [])
    trace = lab.model.network.trace(1, keep_all=True)
    lab.model.network.forward(lab.model.preparation.transform(image), into=trace)
    assert found["layers"][-1]["z"] == trace.output[0].tolist()
    assert found["layers"][0]["a"] == np.maximum(found["layers"][0]["z"], 0).tolist()
    assert found["probabilities"] == pytest.approx(lab.model.probabilities(image)[0].tolist(), rel=1e-4, abs=1e-7)


def test_a_units_sum_is_exact(lab, image):
    layers = answers.look(lab, image, [])["layers"]
    for layer, number in ((0, 5), (1, 7), (2, 3)):
        found = answers.unit(lab, image, [], layer, number)
        assert found["z"] == pytest.approx(layers[layer]["z"][number], rel=1e-4, abs=1e-5)
        total = sum(term["product"] for term in found["terms"]) + found["rest"] + found["bias"]
        assert total == pytest.approx(found["z"], rel=1e-6)
        sizes = [abs(term["product"]) for term in found["terms"]]
        assert sizes == sorted(sizes, reverse=True)


def test_an_edit_moves_what_is_downstream_and_nothing_else(lab, image):
    before = answers.look(lab, image, [])
    after = answers.look(lab, image, [{"layer": 1, "input": -1, "unit": 4, "value": 50.0}])
    assert after["layers"][0] == before["layers"][0]
    changed = np.flatnonzero(np.array(after["layers"][1]["z"]) != np.array(before["layers"][1]["z"]))
    assert changed.tolist() == [4]
    assert after["probabilities"] != before["probabilities"]
    assert answers.look(lab, image, []) == before  # the model itself is as it was


@pytest.mark.parametrize(
    "edits",
    [
        "no list",
        [{"layer": 9, "input": 0, "unit": 0, "value": 1}],
        [{"layer": 0, "input": 0, "unit": -1, "value": 1}],
        [{"layer": 0, "input": 0, "unit": 0, "value": float("nan")}],
        [{"layer": 0}],
        [1],
        [{"layer": 0, "input": 0, "unit": 0, "value": 1}] * 1000,
    ],
)
def test_edits_that_name_no_weight_are_refused(lab, edits):
    with pytest.raises(InputError):
        answers.edited(lab.model, edits)


@pytest.mark.parametrize("pixels", [None, [1, 2], [0.5] * 784, [256] * 784, ["1"] * 784, [True] * 784])
def test_pixels_are_784_bytes(pixels):
    with pytest.raises(InputError):
        answers.as_image(pixels, (28, 28))


def test_mistakes_are_wrong_and_the_surest_first(lab):
    sure = [one["sure"] for one in lab.mistakes]
    assert all(one["label"] != one["said"] for one in lab.mistakes)
    assert sure == sorted(sure, reverse=True)


# ------------------------------------------------------------------------------------------- Step


@pytest.fixture
def one_pass(lab):
    return steps.Pass(lab.data.test_images[:1].reshape(1, -1) / 255, int(lab.data.test_labels[0]), 0)


def test_the_steps_are_the_engines_pass(one_pass):
    network, label = one_pass.network, np.array([one_pass.label])
    loss, d = cross_entropy(network.forward(one_pass.x).output, label)
    assert one_pass.loss == pytest.approx(float(loss), rel=1e-12)
    trace = network.forward(one_pass.x)
    gradient = network.backward(trace, d)
    for name, block in zip(("dW1", "db1", "dW2", "db2"), network.layout, strict=True):
        assert np.allclose(one_pass.arrays[name].reshape(block.shape), block.view(gradient), rtol=1e-12)
    assert [step["name"] for step in one_pass.steps()] == [name for name, _, _ in steps.STEPS]


@pytest.mark.parametrize("name", ["dW1", "db1", "dW2", "db2", "dZ2", "dA1", "dZ1"])
def test_a_gradients_entry_stands_beside_its_finite_difference(one_pass, name):
    array = one_pass.arrays[name]
    row, column = np.unravel_index(np.abs(array).argmax(), array.shape)
    found = one_pass.entry(name, int(row), int(column))
    assert found["difference"] == pytest.approx(found["value"], rel=1e-6)
    assert found["digits"] >= 6


@pytest.mark.parametrize("name", [name for name, _, _ in steps.STEPS])
def test_every_entry_has_a_formula_that_ends_with_its_value(one_pass, name):
    found = one_pass.entry(name, 0, 0)
    assert f"{found['value']:.6g}" in found["formula"]


def test_the_quiz_knows_right_wrong_and_which_term_was_forgotten(one_pass):
    column = int(np.abs(one_pass.arrays["dZ2"][0]).argmax())
    right = float(one_pass.arrays["dZ2"][0, column])
    assert one_pass.judge("dZ2", 0, column, right)["right"]
    assert one_pass.judge("dZ2", 0, column, -right) == {"right": False, "hint": "The sign is wrong."}
    label = one_pass.label
    missing = one_pass.judge("dZ2", 0, label, float(one_pass.arrays["P"][0, label]))
    assert "one-hot target is missing" in missing["hint"]
    assert not one_pass.judge("dZ2", 0, column, right + 1)["right"]


def test_an_entry_that_is_not_there_is_refused(one_pass):
    for name, row, column in (("dW9", 0, 0), ("dW2", 8, 0), ("dW2", 0, -1)):
        with pytest.raises(InputError, match="no"):
            one_pass.entry(name, row, column)


# ------------------------------------------------------------------------------------------- Break it


DOCTOR = {
    "missing axis": "The bias gradient is summed over all units and examples",
    "factor of 2": "dZ2 is the true one times 2",
    "wrong mask": "The derivative of ReLU in layer 1 is taken of what comes back",
    "no mask": "The derivative of ReLU is missing in layer 1",
    "transposed input": "The gradient of W2 uses Z1",
    "unstable softmax": "`softmax` overflows",
    "all-zero weights": "All of W1, W2 start equal",
    "rate too large": "Every gradient is right.",
}


def test_the_healthy_program_has_right_gradients(tmp_path):
    (tmp_path / "healthy.py").write_text(twins.HEALTHY, encoding="utf-8")
    found = examine(tmp_path / "healthy.py")
    assert found.right
    assert found.fragile == []
    assert len(found.findings) == 4


@pytest.mark.parametrize("bug", twins.BUGS)
def test_twins_start_alike_and_the_doctor_has_a_word(lab, bug):
    found = twins.run_twins(lab.data, bug, 0)
    assert found["healthy"]["accuracy"] > 0.4
    if bug not in ("all-zero weights", "unstable softmax"):
        assert found["healthy"]["losses"][0] == found["sick"]["losses"][0]
    assert bool(found["lines"]) == (bug != "rate too large")
    assert DOCTOR[bug] in " ".join(found["doctor"])
    if bug in ("all-zero weights", "rate too large"):
        assert found["sick"]["accuracy"] < found["healthy"]["accuracy"]


def test_twins_are_judged_by_images_that_neither_learned_from(lab):
    found = twins.run_twins(lab.data, "factor of 2", 0)
    count = min(twins.IMAGES, len(lab.data.train_images))
    assert found["healthy"]["unseen"] == found["sick"]["unseen"] == count - 3 * count // 4
    less = replace(lab.data, test_images=None, test_labels=None)  # as Kaggle's train.csv
    assert twins.run_twins(less, "factor of 2", 0) == found


def test_twins_refuse_what_is_unlike_mnist(lab):
    small = replace(lab.data, train_images=lab.data.train_images[:, :8, :8])
    letters = replace(lab.data, train_labels=lab.data.train_labels + 1)
    for data in (small, letters):
        with pytest.raises(InputError, match=r"ten classes, from 28 × 28 pixels.*--data mnist"):
            twins.run_twins(data, "factor of 2", 0)


def test_a_bug_that_is_not_there_is_refused(lab):
    with pytest.raises(UnknownNameError, match="missing axis"):
        twins.run_twins(lab.data, "typo", 0)
