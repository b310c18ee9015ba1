import sys

import numpy as np
import pytest

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import load_model

onnxruntime = pytest.importorskip("onnxruntime")


def answers(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"pixels": images})


def test_an_exported_model_reads_pictures_as_they_are(run, trained, tmp_path):
    finished = run("export", trained, "model.onnx")
    assert finished.code == 0
    assert finished.out == "model.onnx: pixels (N × 28 × 28, uint8) → label, probabilities of 10 classes\n"
    images = load_dataset("digits").test_images
    label, probabilities = answers(tmp_path / "model.onnx", images)
    model = load_model(trained)
    assert np.array_equal(label, model.predict(images))
    assert np.abs(probabilities - model.probabilities(images)).max() < 5e-6


def test_several_models_become_one_file(run, trained, tmp_path):
    run("train", "--data", "digits", "--epochs", 1, "--seed", 1, "--model", "b.safetensors")
    assert run("export", trained, "b.safetensors", "both.onnx").code == 0
    images = load_dataset("digits").test_images[:20]
    mean = (
        load_model(trained).probabilities(images) + load_model(tmp_path / "b.safetensors").probabilities(images)
    ) / 2
    assert np.abs(answers(tmp_path / "both.onnx", images)[1] - mean).max() < 5e-6


@pytest.mark.parametrize("arguments", [(), ("x.safetensors",), ("a.onnx", "b.onnx"), ("x.safetensors", "y.pb")])
def test_one_onnx_file_is_written(run, arguments):
    finished = run("export", *arguments)
    assert finished.code == 2
    assert "Expected one .onnx file to write" in finished.err


def test_a_model_that_is_not_there_is_named_and_nothing_is_written(run, tmp_path):
    finished = run("export", "x.safetensors", "model.onnx")
    assert finished.code == 2
    assert "There is no model file x.safetensors" in finished.err
    assert not (tmp_path / "model.onnx").exists()


def test_without_onnx_the_message_says_what_to_install(run, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    finished = run("export", trained, "model.onnx")
    assert finished.code == 1
    assert "pip install 'chainrule[onnx]'" in finished.err
    assert "Traceback" not in finished.err
