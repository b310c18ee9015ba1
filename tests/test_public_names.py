import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

PUBLIC = [
    "Adam",
    "AdamW",
    "Adversary",
    "Batches",
    "ChainruleError",
    "Committee",
    "Constant",
    "Dataset",
    "Deformation",
    "Deformer",
    "Dense",
    "Dropout",
    "Evaluation",
    "ExponentialAverage",
    "ExponentialDecay",
    "History",
    "LeakyReLU",
    "Model",
    "Network",
    "Page",
    "Preparation",
    "RECIPES",
    "ReLU",
    "Recipe",
    "Report",
    "SGD",
    "SHIPPED_MODEL",
    "Shards",
    "Sigmoid",
    "StepDecay",
    "Tanh",
    "Trace",
    "Training",
    "WarmupCosine",
    "accuracy",
    "confusion_matrix",
    "cross_entropy",
    "diagnose",
    "endless_digits",
    "find_ranks",
    "find_recipe",
    "fit",
    "from_mlp_classifier",
    "gradient_check",
    "load_checkpoint",
    "load_dataset",
    "load_model",
    "load_onnx",
    "mean_squared_error",
    "multilayer_perceptron",
    "one_hot",
    "read_page",
    "read_photo",
    "save_checkpoint",
    "save_model",
    "save_onnx",
    "softmax",
    "split",
    "start",
    "two_layer",
    "wilson_interval",
]
#: What needs an optional package; no star import asks for it.
OPTIONAL = ["NetworkClassifier"]


def test_the_public_names_are_these():
    assert sorted(chainrule.__all__) == sorted(PUBLIC)
    assert set(dir(chainrule)) == {*PUBLIC, *OPTIONAL}


@pytest.mark.parametrize("name", PUBLIC + OPTIONAL)
def test_every_public_name_is_found_and_documented(name):
    value = getattr(chainrule, name)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Netwrok'"):
        _ = chainrule.Netwrok


def test_type_checkers_see_the_same_names():
    source = Path(chainrule.__file__).read_text(encoding="utf-8")
    for name in PUBLIC + OPTIONAL:
        assert f" as {name}\n" in source


def test_importing_the_package_imports_nothing_heavy():
    program = "import sys, chainrule; print([m for m in ('numpy', 'matplotlib', 'PIL', 'rich') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from chainrule.cli import main; main(['--help']); "
        "print([m for m in ('numpy', 'matplotlib', 'PIL', 'pooch') if m in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "[]"
