"""The command line, run in this process in a folder of its own."""

import json
from dataclasses import dataclass

import pytest

from chainrule.cli import main


@dataclass
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder: `run("train", "--epochs", 2)`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Finished(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A model of a few epochs on the embedded digits."""
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    assert main(["train", "--data", "digits", "--epochs", "12", "--model", str(path), "--json"]) == 0
    return path
