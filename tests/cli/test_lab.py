"""`chainrule lab` from the terminal: what it refuses, and that Ctrl-C ends it."""

import http.client
import json
import signal
import socket
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

SETTINGS = {
    "width": 16, "depth": 1, "activation": "relu", "initialization": "he", "optimizer": "sgd", "rate": 0.1,
    "batch": 16, "epochs": 100, "momentum": True, "deform": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "70000"), "--port is 70000; expected 0 to 65535"),
        (("--port", "many"), "many"),
        (("nobody.safetensors",), "There is no model file nobody.safetensors"),
        (("--data", "nowhere/"), "There is no file or folder nowhere/"),
    ],
)
def test_a_mistake_is_named(run, arguments, message):
    finished = run("lab", "--no-browser", *arguments)
    assert finished.code == 2
    assert message in finished.err


def test_a_port_in_use_is_said_with_another_to_take(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run("lab", "--no-browser", "--data", "digits", "--port", port)
    assert finished.code == 1
    assert f"127.0.0.1:{port} cannot be used" in finished.err
    assert "Take another" in finished.err


def test_without_the_extra_it_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    finished = run("lab", "--no-browser", "--data", "digits")
    assert finished.code == 1
    assert "pip install 'chainrule[lab]'" in finished.err


@pytest.fixture
def started():
    """Start a lab on a free port: its process, where it answers, the address's query, and what it said before."""
    running = []

    def start(*options):
        command = [
            sys.executable,
            "-m",
            "chainrule",
            "lab",
            "--no-browser",
            "--data",
            "digits",
            "--port",
            "0",
            *options,
        ]
        lab = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        running.append(lab)
        said = []
        for line in lab.stderr:
            said.append(line)
            if line.startswith("The lab: "):
                break
        place, _, query = said[-1].split()[2].removeprefix("http://").partition("/")
        return lab, place, query, said

    yield start
    for lab in running:
        lab.kill()
        lab.wait()
        lab.stderr.close()


def test_ctrl_c_ends_it_in_the_middle_of_a_training_that_somebody_watches(started):
    lab, place, _, _ = started()
    connection = http.client.HTTPConnection(place, timeout=30)
    for path, body in (("begin", SETTINGS), ("go", {"steps": "all"})):
        connection.request("POST", f"/api/train/{path}", json.dumps(body), {"x-session": "somebody"})
        assert connection.getresponse().read()
    connection.request("GET", "/api/train/events?session=somebody")
    with connection.getresponse() as stream:
        assert stream.readline().startswith(b"data: ")
        lab.send_signal(signal.SIGINT)
        assert lab.stderr.read() == ""
        assert lab.wait(timeout=30) == 0
    connection.close()


def test_others_need_the_token_that_the_address_carries(started):
    _, place, query, said = started("--host", "0.0.0.0")
    for path, status in ((f"/{query}", 200), ("/", 401), ("/api/model", 401), ("/?token=guessed", 401)):
        connection = http.client.HTTPConnection(place, timeout=30)
        connection.request("GET", path)
        with connection.getresponse() as response:
            assert response.status == status
            response.read()
        connection.close()
    assert any("Others can reach this" in line for line in said)
