"""Files from end to end. The programs come from scripts/doctor_corpus.py, and others are written here."""

import json
import textwrap
from collections import Counter

import numpy as np
import pytest
from doctor_corpus import Shape, applicable, program, shapes
from museum import exhibits

from chainrule.doctor.examination import examine_here
from chainrule.errors import InputError


@pytest.fixture
def examined(tmp_path):
    """Examine a text as a file."""

    def examine(source, name="network.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return examine_here(path)

    return examine


@pytest.mark.parametrize("shape", shapes()[::5], ids=lambda shape: shape.name)
def test_correct_programs_are_right(examined, shape):
    examination = examined(program(shape))
    assert examination.right, examination.diagnoses
    assert len(examination.findings) == 2 * (len(shape.hidden) + 1)


SHAPES = (
    Shape("arguments", True, (6, 6), "tanh", "softmax"),
    Shape("class", False, (5,), "sigmoid", "sigmoid", "squares"),
    Shape("dict", False, (6, 6), "relu", "softmax", "cross-entropy", dropout=True),
    Shape("list", True, (6, 6), "sigmoid", "softmax", "cross-entropy", l2=True),
)


@pytest.mark.parametrize(
    ("shape", "fault"),
    [(shape, fault) for shape in SHAPES for fault in applicable(shape)],
    ids=lambda value: value.name if not isinstance(value, Shape) else value.style,
)
def test_a_mistake_is_found_and_named(examined, shape, fault):
    examination = examined(program(shape, fault.name))
    assert not examination.right
    assert examination.diagnoses[0].code in fault.codes


@pytest.mark.parametrize("exhibit", exhibits(), ids=lambda exhibit: exhibit.title)
def test_every_exhibit_of_the_museum_is_noticed(examined, exhibit):
    examination = examined(exhibit.source)
    if exhibit.mistakes:
        assert not examination.right
        assert examination.diagnoses[0].code == exhibit.mistakes[0].kind.replace("factor of ", "factor ").split(" ")[
            0
        ] or (examination.diagnoses[0].code in exhibit.mistakes[0].kind)
    else:
        assert examination.right
        assert examination.fragile


def test_a_network_in_a_notebook_is_found(examined):
    code = program(SHAPES[0], "bias over everything")
    cells = [
        {"cell_type": "markdown", "source": ["# A network"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install pandas\n", "import pandas as pd\n"]},
        {"cell_type": "code", "source": code.splitlines(keepends=True)},
        {"cell_type": "code", "source": ["data = pd.read_csv('train.csv')\n", "m, n = data.shape\n"]},
    ]
    examination = examined(json.dumps({"cells": cells}), "network.ipynb")
    assert examination.diagnoses[0].code == "bias over everything"


def test_the_number_of_examples_may_be_a_name_that_only_the_training_sets(examined):
    code = program(SHAPES[0]).replace("    m = X.shape[1]\n", "")
    assert "m" not in code.split("def backward_prop")[0].split()
    assert examined(code).right


def test_one_example_at_a_time_is_no_forgotten_sum(examined):
    examination = examined("""
        import numpy as np

        def squash(z):
            return 1 / (1 + np.exp(-z))

        class Net:
            def __init__(self, sizes):
                self.b = [np.zeros((n, 1)) for n in sizes[1:]]
                self.w = [np.random.randn(n, k) for k, n in zip(sizes, sizes[1:])]

            def feedforward(self, a):
                for b, w in zip(self.b, self.w):
                    a = squash(w @ a + b)
                return a

            def learn(self, examples, eta):
                for x, y in examples:
                    grad_b, grad_w = self.backprop(x, y)

            def backprop(self, x, y):
                outs = [x]
                for b, w in zip(self.b, self.w):
                    outs.append(squash(w @ outs[-1] + b))
                grad_b, grad_w = [None] * len(self.w), [None] * len(self.w)
                d = (outs[-1] - y) * outs[-1] * (1 - outs[-1])
                for k in range(len(self.w) - 1, -1, -1):
                    grad_b[k], grad_w[k] = d, d @ outs[k].T
                    if k > 0:
                        d = (self.w[k].T @ d) * outs[k] * (1 - outs[k])
                return grad_b, grad_w
    """)
    assert examination.right
    assert "one example at a time" in examination.network
    assert Counter(f.verdict for f in examination.findings)["right"] == 4


def test_parameters_may_be_the_files_own_arrays(examined):
    examination = examined("""
        import numpy as np
        W = np.random.randn(20, 10) * 0.1
        c = np.zeros(10)

        def forward(inputs):
            e = np.exp(inputs @ W + c)
            return e / e.sum(axis=1, keepdims=True)

        def backward(inputs, targets, probabilities):
            d = (probabilities - targets) / len(inputs)
            return inputs.T @ d, d.sum(axis=0)
    """)
    assert examination.right
    assert [f.name for f in examination.findings] == ["W", "c"]


def test_layers_as_classes_are_examined_one_by_one(examined):
    examination = examined("""
        import numpy as np

        class Linear:
            def __init__(self, n_in, n_out):
                self.W = np.random.randn(n_in, n_out)
                self.b = np.zeros(n_out)

            def forward(self, x):
                self.x = x
                return x @ self.W + self.b

            def backward(self, grad_output):
                self.dW = self.x.T @ grad_output
                self.db = grad_output.sum(axis=0)
                return grad_output @ self.W.T

        class Tanh:
            def forward(self, x):
                self.out = np.tanh(x)
                return self.out

            def backward(self, grad_output):
                return grad_output * (1 - self.out)
    """)
    assert len(examination.wrong) == 1
    assert "class `Tanh`" in examination.wrong[0]


def test_an_update_that_climbs_is_wrong(examined):
    code = program(SHAPES[0]).replace("W1 - alpha * dW1", "W1 + alpha * dW1")
    for i in (2, 3):
        code = code.replace(f"W{i} - alpha", f"W{i} + alpha")
    examination = examined(code)
    assert not examination.right
    assert "climbs" in examination.wrong[0]


def test_a_derivative_that_belongs_to_another_function_is_wrong(examined):
    examination = examined("""
        import numpy as np

        def sigmoid(z):
            return 1 / (1 + np.exp(-z))

        def sigmoid_derivative(z):
            return z * (z - 1)
    """)
    assert "`sigmoid_derivative` is not the derivative of `sigmoid`" in examination.wrong[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)", "overflows"),
        ("np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis=1, keepdims=True)", "largest logit of the whole batch"),
    ],
)
def test_a_fragile_softmax_is_listed_and_not_counted(examined, body, said):
    examination = examined(f"import numpy as np\ndef softmax(z):\n    return {body}\n")
    assert examination.right
    assert said in examination.fragile[0]


def test_a_softmax_over_the_whole_batch_is_wrong(examined):
    examination = examined("import numpy as np\ndef softmax(z):\n    return np.exp(z) / np.exp(z).sum()\n")
    assert not examination.right
    assert "whole batch" in examination.wrong[0]


def test_equal_weights_are_fragile(examined):
    code = program(SHAPES[0]).replace("np.random.randn(6, n_x) * 0.1", "np.zeros((6, n_x))")
    code = code.replace("np.random.randn(6, 6) * 0.1", "np.zeros((6, 6))")
    code = code.replace("np.random.randn(n_y, 6) * 0.1", "np.zeros((n_y, 6))")
    examination = examined(code)
    assert examination.right
    assert any("start equal" in one for one in examination.fragile)


def test_what_the_code_prints_and_draws_stays_out(examined, capsys):
    code = "import matplotlib.pyplot as plt\n" + program(SHAPES[0]).replace(
        "    m = X.shape[1]\n", "    m = X.shape[1]\n    print('hello')\n    plt.plot([1, 2]); plt.show()\n"
    )
    assert examined(code).right
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def forward(x)\n    return x\n", r"line 1: not Python 3.*\n +def forward\(x\)"),
        ("x = 1\n", "Found: no functions"),
        ("def area(r):\n    return 3.14 * r * r\n", "Found: area.*--forward NAME"),
    ],
)
def test_what_cannot_be_examined_is_explained(examined, source, message):
    with pytest.raises(InputError, match=message):
        examined(source)


def test_the_weights_of_the_seeds_tutorials_are_found_right_in_our_own_page():
    from chainrule import two_layer

    examination = examine_here(__import__("pathlib").Path(two_layer.__file__))
    assert examination.right
    assert len(examination.findings) == 4
    assert all(f.relative_error < 1e-7 for f in examination.findings)
    assert np.isfinite([f.relative_error for f in examination.findings]).all()
