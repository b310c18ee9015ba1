"""The pages for who comes from scikit-learn, ONNX or Dask, followed to the letter. (Kaggle's: data/test_kaggle.py.)"""

import inspect
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def numbers(printed):
    """Every number that stands alone in a line, in order."""
    return [float(line) for text in printed.values() for line in text.splitlines() if re.fullmatch(r"[\d.e+-]+", line)]


def test_the_page_on_scikit_learn_is_followed(follow):
    for package in ("sklearn", "pandas", "polars"):
        pytest.importorskip(package)
    printed = follow("scikit-learn.md")
    searched, crossed, deformed, validation_loss, model = numbers(printed)
    assert searched >= 0.97 - 0.01
    assert crossed >= 0.92
    assert deformed >= 0.95
    assert 0 < validation_loss < 0.3
    assert model >= 0.93
    text = "".join(printed.values())
    for words in ("(450, 10)", "['pixel0' 'pixel1']", "float32\n"):
        assert words in text


def test_the_page_on_scikit_learn_has_every_parameter_of_both():
    neural_network = pytest.importorskip("sklearn.neural_network")
    from chainrule.estimator import NetworkClassifier

    table = (DOCS / "scikit-learn.md").read_text(encoding="utf-8").split("| --- | --- |\n")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()]
    theirs = {name for left, _ in rows for name in re.findall(r"`(\w+)`", left)}
    assert theirs == set(inspect.signature(neural_network.MLPClassifier).parameters)
    (new,) = [right for left, right in rows if left == "none"]
    ours = set(inspect.signature(NetworkClassifier).parameters)
    assert theirs - {"max_fun"} | set(re.findall(r"`(\w+)`", new)) == ours


def test_the_page_on_onnx_is_followed(follow):
    for package in ("onnx", "onnxruntime", "skl2onnx"):
        pytest.importorskip(package)
    printed = follow("onnx.md")
    single, double, accuracy = numbers(printed)
    assert single < 5e-6
    assert double < 1e-12
    assert accuracy > 0.9
    assert "True\n" in "".join(printed.values())
    assert "A 784-128-10, relu network" in printed["chainrule import digits.onnx --model again.safetensors"]
