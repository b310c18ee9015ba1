import pickle

import numpy as np
import pytest

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import load_model
from chainrule.two_layer import init_params, make_predictions


class Attack:
    def __reduce__(self):
        return (print, ("it ran",))


def test_pickled_parameters_become_a_model_that_predicts_the_same(run, tmp_path):
    params = init_params(seed=4)
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(params))
    finished = run("import", "params.pkl")
    assert finished.code == 0
    assert "784-10-10" in finished.out
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    expected = make_predictions(images.reshape(20, 784).T / 255, *params)
    assert np.array_equal(load_model("chainrule-model.safetensors").predict(images), expected)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(run, tmp_path):
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(Attack()))
    finished = run("import", "params.pkl")
    assert finished.code == 2
    assert "builtins.print" in finished.err
    assert "it ran" not in finished.out
    assert not (tmp_path / "chainrule-model.safetensors").exists()


def test_the_pickle_itself_is_not_replaced(run, tmp_path):
    (tmp_path / "p.safetensors").write_bytes(pickle.dumps(init_params(seed=4)))
    finished = run("import", "p.safetensors", "--model", "p.safetensors")
    assert finished.code == 2
    assert "would be both the file to import and --model" in finished.err


def test_an_unknown_activation_is_named(run, tmp_path):
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(init_params(seed=4)))
    finished = run("import", "params.pkl", "--activation", "rulu")
    assert finished.code == 2
    assert "Did you mean 'relu'?" in finished.err


# -------------------------------------------------------------------------------------------------------- ONNX


@pytest.fixture
def exported(run, trained):
    """A model as ONNX in the test's folder."""
    pytest.importorskip("onnx")
    assert run("export", trained, "model.onnx").code == 0
    return trained


def test_an_onnx_file_becomes_a_model_that_predicts_the_same(run, exported, tmp_path):
    finished = run("import", "model.onnx", "--model", "back.safetensors")
    assert finished.out == "A 784-128-10, relu network for pictures of 28 × 28 pixels: back.safetensors\n"
    images = load_dataset("digits").test_images
    expected, back = load_model(exported), load_model(tmp_path / "back.safetensors")
    assert np.array_equal(back.probabilities(images), expected.probabilities(images))
    assert back.facts == expected.facts


def test_an_onnx_file_of_somebody_elses_is_told_what_pixels_were(run, tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "graph",
        [onnx.helper.make_tensor_value_info("x", 1, ["N", 6])],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "theirs.onnx")
    options = ("--largest-pixel", 255, "--mean", 30, "--deviation", 80, "--image-shape", 2, 3)
    finished = run("import", "theirs.onnx", *options)
    assert "A 6-3 network for pictures of 2 × 3 pixels" in finished.out
    images = np.random.default_rng(1).integers(0, 256, (9, 2, 3), dtype=np.uint8)
    expected = ((images.reshape(9, 6) - 30) / 80 @ weight).argmax(axis=1)
    assert np.array_equal(load_model("chainrule-model.safetensors").predict(images), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.onnx", "--activation", "tanh"), "an ONNX file says what its layers are"),
        (("model.onnx", "--mean", 0.1), "says itself how to scale them"),
        (("model.onnx", "--image-shape", 14, 56), "says (28, 28): leave it out"),
        (("model.onnx", "--image-shape", 14.5, 56), "14.5 is not a whole number"),
        (("params.pkl", "--mean", 0.1, "--deviation", 2), "--mean, --deviation: only an ONNX file"),
        (("missing.onnx",), "Cannot import missing.onnx: there is no such file."),
        (("text.onnx",), "Cannot import text.onnx: it is no ONNX file"),
    ],
)
def test_what_cannot_be_imported_is_named(run, exported, tmp_path, arguments, message):
    (tmp_path / "text.onnx").write_text("not a network")
    (tmp_path / "params.pkl").write_bytes(pickle.dumps(init_params(seed=4)))
    finished = run("import", *arguments, "--model", "new.safetensors")
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert not (tmp_path / "new.safetensors").exists()
