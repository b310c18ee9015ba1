"""The routes from outside: right answers, and refusals that never end the server."""

import http.client
import io
import itertools
import json
import shlex
import urllib.request

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.cli import main
from chainrule.files.model_file import load_model
from chainrule.lab import guards
from chainrule.lab.trainings import LiveTraining, _histogram, command_line, recipe_of

SESSION = "a-session-of-tests"
CONFIG = {
    "width": 16, "depth": 1, "activation": "relu", "initialization": "he", "optimizer": "sgd", "rate": 0.1,
    "batch": 128, "epochs": 1, "momentum": True, "deform": False,
}  # fmt: skip


@pytest.fixture
def ask(address):
    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(address, timeout=30)
        content = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        connection.request(method, path, content, {"Host": address, "x-session": SESSION, **headers})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), answer

    return ask


def test_the_page_and_its_headers(ask):
    status, headers, body = ask("GET", "/")
    assert status == 200
    assert b"<title>chainrule lab</title>" in body
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_drawing_is_read_as_the_library_reads_it(ask, lab):
    grey = 255 - np.pad(lab.data.test_images[0].repeat(4, axis=0).repeat(4, axis=1), 14)
    status, _, body = ask("POST", f"/api/draw?width={grey.shape[1]}", grey.tobytes())
    found = json.loads(body)
    assert status == 200
    image = np.array(found["pixels"], np.uint8).reshape(1, 28, 28)
    assert found["probabilities"] == lab.model.probabilities(image)[0].tolist()
    assert [stage["name"] for stage in found["stages"]] == ["grey", "ground", "ink", "strokes"]
    with urllib.request.urlopen(found["stages"][0]["png"]) as png:
        assert_array_equal(Image.open(io.BytesIO(png.read())), grey)


def test_while_the_pen_is_down_the_answer_is_brief(ask, lab):
    grey = 255 - np.pad(lab.data.test_images[0].repeat(4, axis=0).repeat(4, axis=1), 14)
    whole, brief = (
        json.loads(ask("POST", f"/api/draw?width={grey.shape[1]}{how}", grey.tobytes())[2]) for how in ("", "&brief=1")
    )
    assert brief["probabilities"] == whole["probabilities"]
    assert set(whole) - set(brief) == {"nearest", "stages"}


def test_an_empty_paper_is_no_error(ask):
    status, _, body = ask("POST", "/api/draw?width=100", bytes([255]) * 10_000)
    assert status == 200
    assert "no digit found" in json.loads(body)["nothing"]


def test_other_hosts_and_other_pages_are_refused(ask):
    assert ask("GET", "/", Host="evil.example:80")[0] == 421
    assert ask("POST", "/api/look", {}, Origin="https://evil.example")[0] == 403
    assert ask("POST", "/api/look", {}, **{"sec-fetch-site": "cross-site"})[0] == 403
    assert ask("GET", "/static/../../app.py")[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/look", b"no json", 400),
        ("/api/look", b"[" * 100_000, 400),
        ("/api/look", {"pixels": [1]}, 400),
        ("/api/unit", {"pixels": [0] * 784, "layer": 99, "unit": 0}, 400),
        ("/api/entry", {"pixels": [0] * 784, "label": 3, "seed": 0, "name": "dW1", "row": -1, "column": 0}, 400),
        ("/api/steps", {"pixels": [0] * 784, "label": 10, "seed": 0}, 400),
        ("/api/steps", {"pixels": [0] * 784, "label": 1, "seed": -1}, 400),
        ("/api/twins", {"bug": "?", "seed": 0}, 400),
        ("/api/draw?width=7", b"1234567", 400),
        ("/api/draw?width=99999999999", b"1", 400),
        ("/api/photo", b"no picture", 400),
        ("/api/train/go", {"steps": "many"}, 400),
        ("/api/train/begin", {"width": 10**9}, 400),
        ("/nowhere", {}, 404),
    ],
)
def test_what_is_malformed_is_refused_in_a_sentence(ask, path, body, status):
    got, _, answer = ask("POST", path, body)
    assert got == status
    if status == 400:
        error = json.loads(answer)["error"]
        assert error.endswith((".", "png"))
        assert "Traceback" not in error
        assert "/tmp" not in error
    assert ask("GET", "/api/model")[0] == 200  # and the server lives


def test_too_large_a_body_is_refused(ask):
    assert ask("POST", "/api/photo", b"x" * (guards.MOST_BYTES + 1))[0] == 413


def test_too_many_requests_are_refused(ask, monkeypatch):
    for _ in range(guards.MOST_REQUESTS):
        last = ask("GET", "/static/tools.js", **{"x-session": "somebody in a hurry"})[0]
        if last == 429:
            break
    assert ask("GET", "/static/tools.js", **{"x-session": "somebody in a hurry"})[0] in (200, 429)
    assert ask("GET", "/api/model", **{"x-session": "somebody else, calm"})[0] == 200


ROUTES = (
    "/api/image",
    "/api/look",
    "/api/unit",
    "/api/steps",
    "/api/entry",
    "/api/judge",
    "/api/twins",
    "/api/train/begin",
    "/api/train/go",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
NAMES = (
    "pixels",
    "edits",
    "layer",
    "unit",
    "label",
    "seed",
    "name",
    "row",
    "column",
    "answer",
    "steps",
    "test",
    "bug",
    *CONFIG,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ROUTES), st.dictionaries(st.sampled_from(NAMES), VALUES) | VALUES)
def test_no_body_ends_the_server(ask, route, body):
    content = json.dumps(body).encode()
    status, _, _ = ask("POST", route, content, **{"x-session": f"fuzz {abs(hash(content)) % 997:04d}"})
    assert status in (200, 400, 429, 503)


def test_a_training_runs_pauses_and_is_saved_and_its_command_gives_the_same_network(ask, address, lab, tmp_path):
    assert ask("POST", "/api/train/begin", CONFIG)[0] == 200
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", f"/api/train/events?session={SESSION}", headers={"Host": address})
    stream = connection.getresponse()
    assert ask("POST", "/api/train/go", {"steps": "one"})[0] == 200
    snapshot = next_event(stream, lambda s: s["step"] == 1)
    assert snapshot["state"] == "paused"
    assert ask("POST", "/api/train/go", {"steps": "all"})[0] == 200
    finished = next_event(stream, lambda s: s["state"] == "finished")
    assert len(finished["weights"]) == 16
    assert {name: len(layers) for name, layers in finished["histograms"].items()} == {
        "weights": 2, "activations": 2, "gradients": 2,
    }  # fmt: skip
    connection.close()
    status, headers, content = ask("GET", f"/api/train/save?session={SESSION}")
    assert status == 200
    assert "lab.safetensors" in headers["content-disposition"]
    (tmp_path / "lab.safetensors").write_bytes(content)
    parameters = load_model(tmp_path / "lab.safetensors").network.parameters
    again = tmp_path / "again.safetensors"
    assert main([*shlex.split(finished["command"])[1:], "--model", str(again), "--json"]) == 0
    assert_array_equal(load_model(again).network.parameters, parameters)


def test_a_pause_that_comes_while_the_last_steps_are_told_is_told_too(lab, monkeypatch):
    live = LiveTraining(lab.data, CONFIG | {"epochs": 100, "batch": 16})
    publish = live._publish

    def publish_and_pause(found):
        publish(found)
        if found is not None and live.state == "training":
            live.pause()

    monkeypatch.setattr(live, "_publish", publish_and_pause)
    live.go()
    told = (json.loads(line[6:]) for line in itertools.islice(live.events(), 6) if line.startswith("data: "))
    assert any(snapshot["state"] == "paused" and snapshot["step"] > 0 for snapshot in told)
    live.end()


def next_event(stream, wanted):
    for _ in range(400):
        line = stream.readline().decode()
        if line.startswith("data: "):
            snapshot = json.loads(line[6:])
            if wanted(snapshot):
                return snapshot
    raise AssertionError("the event did not come")


def test_without_a_training_there_is_nothing_to_save(ask):
    status, _, body = ask("GET", "/api/train/save?session=nobody-at-all", **{"x-session": ""})
    assert status == 400
    assert "no training" in json.loads(body)["error"]


def test_a_histogram_has_the_ends_of_all_values_and_none_where_they_are_no_numbers():
    values = np.linspace(-1, 2, 30_001)
    found = _histogram(values)
    assert (found["from"], found["to"]) == (-1, 2)
    assert 9_000 < sum(found["counts"]) < 11_000
    assert max(found["counts"]) - min(found["counts"]) <= 1
    assert _histogram(np.array([0.0, np.nan]))["from"] is None


def test_settings_become_a_recipe():
    recipe = recipe_of({**CONFIG, "depth": 2, "deform": True})
    assert recipe.hidden == (16, 16)
    assert recipe.deformation is not None
    assert recipe.momentum == 0.9


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"depth": 0}, "--hidden 0 "),
        ({"depth": 2, "activation": "tanh"}, "--hidden 16 16 --activation tanh"),
        ({"optimizer": "adam"}, "--optimizer adam --schedule constant --learning-rate 0.1"),
        ({"deform": True}, "--epochs 1 --deform"),
    ],
)
def test_the_command_line_says_every_setting(changes, expected):
    assert expected in command_line(recipe_of(CONFIG | changes), "mnist")


def test_a_test_image_has_an_address_and_without_one_it_is_the_surest_mistake(ask, lab):
    found = json.loads(ask("POST", "/api/image", {"test": 7})[2])
    assert found["pixels"] == lab.data.test_images[7].reshape(-1).tolist()
    assert json.loads(ask("POST", "/api/image", {})[2])["test"] == lab.mistakes[0]["index"]
    assert ask("POST", "/api/image", {"test": -1})[0] == 400
    assert ask("POST", "/api/image", {"test": 10_000_000})[0] == 400
