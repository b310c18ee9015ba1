"""chainrule: a neural network for handwritten digits, built from NumPy and mathematics alone.

    import chainrule as cr

    data = cr.load_dataset("mnist")
    training = cr.start(cr.find_recipe("standard"), data)
    for report in training:
        print(report.epoch, report.validation_accuracy)
    print(training.model.evaluate(data.test_images, data.test_labels).accuracy)

The whole idea on one page is `chainrule.two_layer`; the engine is `chainrule.nn`. Every name below is found on first
use, so that `import chainrule` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule import two_layer as two_layer
    from chainrule.data.datasets import Dataset as Dataset
    from chainrule.data.datasets import load_dataset as load_dataset
    from chainrule.data.deformations import Deformation as Deformation
    from chainrule.data.deformations import Deformer as Deformer
    from chainrule.data.photo import Page as Page
    from chainrule.data.photo import read_page as read_page
    from chainrule.data.photo import read_photo as read_photo
    from chainrule.data.preparation import Preparation as Preparation
    from chainrule.data.preparation import one_hot as one_hot
    from chainrule.data.preparation import split as split
    from chainrule.data.streams import Batches as Batches
    from chainrule.data.streams import Shards as Shards
    from chainrule.data.streams import endless_digits as endless_digits
    from chainrule.doctor.diagnosis import diagnose as diagnose
    from chainrule.errors import ChainruleError as ChainruleError
    from chainrule.estimator import NetworkClassifier as NetworkClassifier
    from chainrule.files.mlp_classifier import from_mlp_classifier as from_mlp_classifier
    from chainrule.files.model_file import SHIPPED_MODEL as SHIPPED_MODEL
    from chainrule.files.model_file import load_model as load_model
    from chainrule.files.model_file import save_model as save_model
    from chainrule.files.onnx import save_onnx as save_onnx
    from chainrule.files.onnx_import import load_onnx as load_onnx
    from chainrule.model import Committee as Committee
    from chainrule.model import Evaluation as Evaluation
    from chainrule.model import Model as Model
    from chainrule.nn.activations import LeakyReLU as LeakyReLU
    from chainrule.nn.activations import ReLU as ReLU
    from chainrule.nn.activations import Sigmoid as Sigmoid
    from chainrule.nn.activations import Tanh as Tanh
    from chainrule.nn.activations import softmax as softmax
    from chainrule.nn.gradient_check import gradient_check as gradient_check
    from chainrule.nn.layers import Dense as Dense
    from chainrule.nn.layers import Dropout as Dropout
    from chainrule.nn.losses import cross_entropy as cross_entropy
    from chainrule.nn.losses import mean_squared_error as mean_squared_error
    from chainrule.nn.metrics import accuracy as accuracy
    from chainrule.nn.metrics import confusion_matrix as confusion_matrix
    from chainrule.nn.metrics import wilson_interval as wilson_interval
    from chainrule.nn.network import Network as Network
    from chainrule.nn.network import Trace as Trace
    from chainrule.nn.network import multilayer_perceptron as multilayer_perceptron
    from chainrule.nn.objective import Adversary as Adversary
    from chainrule.nn.optimizers import SGD as SGD
    from chainrule.nn.optimizers import Adam as Adam
    from chainrule.nn.optimizers import AdamW as AdamW
    from chainrule.nn.optimizers import ExponentialAverage as ExponentialAverage
    from chainrule.nn.schedules import Constant as Constant
    from chainrule.nn.schedules import ExponentialDecay as ExponentialDecay
    from chainrule.nn.schedules import StepDecay as StepDecay
    from chainrule.nn.schedules import WarmupCosine as WarmupCosine
    from chainrule.parallel import find_ranks as find_ranks
    from chainrule.recipes import RECIPES as RECIPES
    from chainrule.recipes import Recipe as Recipe
    from chainrule.recipes import find_recipe as find_recipe
    from chainrule.recipes import start as start
    from chainrule.training.checkpoint import load_checkpoint as load_checkpoint
    from chainrule.training.checkpoint import save_checkpoint as save_checkpoint
    from chainrule.training.history import History as History
    from chainrule.training.history import Report as Report
    from chainrule.training.training import Training as Training
    from chainrule.training.training import fit as fit

_HOMES = {
    "data.datasets": ("Dataset", "load_dataset"),
    "data.deformations": ("Deformation", "Deformer"),
    "data.photo": ("Page", "read_page", "read_photo"),
    "data.preparation": ("Preparation", "one_hot", "split"),
    "data.streams": ("Batches", "Shards", "endless_digits"),
    "doctor.diagnosis": ("diagnose",),
    "errors": ("ChainruleError",),
    "files.mlp_classifier": ("from_mlp_classifier",),
    "files.model_file": ("SHIPPED_MODEL", "load_model", "save_model"),
    "files.onnx": ("save_onnx",),
    "files.onnx_import": ("load_onnx",),
    "model": ("Committee", "Evaluation", "Model"),
    "nn.activations": ("LeakyReLU", "ReLU", "Sigmoid", "Tanh", "softmax"),
    "nn.gradient_check": ("gradient_check",),
    "nn.layers": ("Dense", "Dropout"),
    "nn.losses": ("cross_entropy", "mean_squared_error"),
    "nn.metrics": ("accuracy", "confusion_matrix", "wilson_interval"),
    "nn.network": ("Network", "Trace", "multilayer_perceptron"),
    "nn.objective": ("Adversary",),
    "nn.optimizers": ("SGD", "Adam", "AdamW", "ExponentialAverage"),
    "nn.schedules": ("Constant", "ExponentialDecay", "StepDecay", "WarmupCosine"),
    "parallel": ("find_ranks",),
    "recipes": ("RECIPES", "Recipe", "find_recipe", "start"),
    "training.checkpoint": ("load_checkpoint", "save_checkpoint"),
    "training.history": ("History", "Report"),
    "training.training": ("Training", "fit"),
}
#: Names that need a package which need not be installed: a star import must not ask for them.
_OPTIONAL = {"NetworkClassifier": "estimator"}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["two_layer", *_HOME_OF]  # noqa: PLE0604 - names, each a string


def __getattr__(name: str) -> Any:
    if name == "two_layer":
        return importlib.import_module("chainrule.two_layer")
    home = _HOME_OF.get(name) or _OPTIONAL.get(name)
    if home is None:
        raise AttributeError(f"module 'chainrule' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"chainrule.{home}"), name)
    globals()[name] = value  # found once
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_OPTIONAL])
