import numpy as np
import pytest

from chainrule.doctor import diagnose
from chainrule.errors import DtypeError, InputError, ShapeError, ValueRangeError

RNG = np.random.default_rng(0)
X, Y, M = RNG.random((5, 7)), np.eye(3)[[0, 1, 2, 1, 0]], 5
THETA = {
    "W1": RNG.normal(size=(7, 6)),
    "b1": RNG.normal(size=(1, 6)),
    "W2": RNG.normal(size=(6, 3)),
    "b2": np.zeros((1, 3)),
}


def forward(p):
    z1 = X @ p["W1"] + p["b1"]
    a1 = np.tanh(z1)
    e = np.exp(a1 @ p["W2"] + p["b2"])
    return a1, e / e.sum(axis=1, keepdims=True)


def loss(p):
    return -np.mean(np.log((forward(p)[1] * Y).sum(axis=1)))


def gradients(p):
    a1, a2 = forward(p)
    d2 = (a2 - Y) / M
    d1 = d2 @ p["W2"].T * (1 - a1**2)
    return {
        "W1": X.T @ d1,
        "b1": d1.sum(axis=0, keepdims=True),
        "W2": a1.T @ d2,
        "b2": d2.sum(axis=0, keepdims=True),
    }


def with_wrong(**changes):
    """The right gradients with some arrays replaced by a function of all."""
    return lambda p: gradients(p) | {name: change(gradients(p), p) for name, change in changes.items()}


def test_right_gradients_are_right():
    report = diagnose(loss, gradients, THETA)
    assert report.right
    assert {f.verdict for f in report.findings} == {"right"}
    assert report.diagnoses == ()


@pytest.mark.parametrize(
    ("changes", "code", "evidence"),
    [
        ({"b1": lambda g, p: np.sum(g["b1"])}, "bias over everything", "is the sum of all 6 true gradients"),
        ({"b1": lambda g, p: np.full((1, 6), g["b1"].sum())}, "bias over everything", "one number"),
        ({"W2": lambda g, p: 2 * g["W2"]}, "factor", "2 ×"),
        ({"W2": lambda g, p: -g["W2"]}, "factor", "-1 ×"),
        ({"W1": lambda g, p: M * g["W1"]}, "factor", "5 ×"),
        ({"b2": lambda g, p: g["b2"] / M}, "factor", "0.2 ×"),
        ({"W1": lambda g, p: 0 * g["W1"]}, "zero", "All entries are 0"),
        ({"W1": lambda g, p: np.full((7, 6), np.nan)}, "not finite", "42 of 42"),
        ({"W1": lambda g, p: g["W1"].T}, "transposed", "dW1.T equals"),
        ({"W2": lambda g, p: g["W2"] + 0.01 * p["W2"]}, "l2 not in loss", "0.01"),
    ],
)
def test_a_wrong_array_is_named_with_its_mistake_and_the_evidence(changes, code, evidence):
    report = diagnose(loss, with_wrong(**changes), THETA, examples=M)
    assert [f.name for f in report.findings if f.verdict == "wrong"] == list(changes)
    assert report.diagnoses[0].code == code
    assert evidence in report.diagnoses[0].evidence
    assert report.diagnoses[0].line
    assert not report.right


def test_factors_have_their_names():
    doubled = diagnose(loss, with_wrong(W1=lambda g, p: M * g["W1"]), THETA, examples=M)
    assert "m, the number of examples" in doubled.diagnoses[0].sentence
    rated = diagnose(loss, with_wrong(W1=lambda g, p: 0.3 * g["W1"]), THETA, learning_rate=0.3)
    assert "the learning rate" in rated.diagnoses[0].sentence


def test_a_gradient_of_another_layer_is_recognised():
    square = {"A": RNG.normal(size=(4, 4)), "B": RNG.normal(size=(4, 4))}

    def loss_of(p):
        return float((np.tanh(p["A"] @ p["B"]) ** 2).sum())

    def swapped(p):
        t = np.tanh(p["A"] @ p["B"])
        d = 2 * t * (1 - t**2)
        return {"A": p["A"].T @ d, "B": p["A"].T @ d}

    report = diagnose(loss_of, swapped, square)
    assert report.diagnoses[0].code == "another layer's"


def test_l2_in_the_loss_and_not_in_the_gradient():
    report = diagnose(lambda p: loss(p) + 0.05 * (p["W1"] ** 2).sum(), gradients, THETA)
    assert report.diagnoses[0].code == "l2 forgotten"
    assert "0.1" in report.diagnoses[0].line


def test_a_bias_gradient_that_is_not_summed():
    def not_summed(p):
        a1, a2 = forward(p)
        d2 = (a2 - Y) / M
        return gradients(p) | {"b1": d2 @ p["W2"].T * (1 - a1**2)}

    assert diagnose(loss, not_summed, THETA).diagnoses[0].code == "bias not summed"


def test_a_list_of_arrays_is_a_layout_too():
    names = list(THETA)
    report = diagnose(
        lambda p: loss(dict(zip(names, p, strict=True))),
        lambda p: list(gradients(dict(zip(names, p, strict=True))).values()),
        list(THETA.values()),
    )
    assert report.right
    assert [f.name for f in report.findings] == ["0", "1", "2", "3"]


def test_kinks_are_nobodys_fault():
    theta = {"w": np.array([0.0, 1.0, -1.0])}
    report = diagnose(lambda p: float(np.maximum(p["w"], 0).sum()), lambda p: {"w": (p["w"] >= 0).astype(float)}, theta)
    assert report.right
    only_kinks = diagnose(lambda p: float(np.abs(p["w"]).sum()), lambda p: {"w": np.ones(2)}, {"w": np.zeros(2)})
    assert only_kinks.findings[0].verdict == "not differentiable here"


def test_large_arrays_are_sampled_and_a_wrong_one_is_found():
    theta = {"W": RNG.normal(size=(100, 80))}
    c = RNG.normal(size=(100, 80))
    calls = []

    def counted(p):
        calls.append(1)
        return float((c * p["W"]).sum())

    assert diagnose(counted, lambda p: {"W": c}, theta).right
    assert len(calls) < 300
    assert not diagnose(counted, lambda p: {"W": 1.001 * c}, theta).right


def test_parameters_are_never_changed():
    before = {name: array.copy() for name, array in THETA.items()}

    def rude(p):
        found = gradients(p)
        for array in p.values():
            array[...] = 0
        return found

    diagnose(loss, rude, THETA)
    assert all(np.array_equal(before[name], THETA[name]) for name in THETA)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((loss, gradients, {}), InputError, "no parameters"),
        ((lambda p: np.ones(3), gradients, THETA), InputError, "one real number"),
        ((lambda p: np.nan, gradients, THETA), ValueRangeError, "finite"),
        ((loss, lambda p: {"W1": p["W1"]}, THETA), ShapeError, "no gradient for 'b1'"),
        ((loss, lambda p: [1], THETA), ShapeError, "same layout"),
        ((loss, gradients, {"W1": np.array(["a"])}), DtypeError, "real numbers"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, error, message):
    with pytest.raises(error, match=message):
        diagnose(*arguments)


def test_a_report_reads_well():
    text = str(diagnose(loss, with_wrong(W2=lambda g, p: 2 * g["W2"]), THETA))
    assert "W2               wrong" in text
    assert "evidence" in text
    assert "change    leave out the factor 2" in text
