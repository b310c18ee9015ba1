import pickle

import numpy as np

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
