import subprocess
import sys

from chainrule import cli
from chainrule.errors import FailureError


def test_help_lists_every_command_with_what_it_does(run):
    finished = run("--help")
    assert finished.code == 0
    for name in ("train", "evaluate", "predict", "show", "data", "recipes", "import"):
        assert f"│ {name} " in finished.out
    assert "Start with" in finished.out


def test_the_version_is_the_packages(run):
    from importlib.metadata import version

    assert run("--version").out.strip() == version("chainrule")


def test_an_unknown_command_is_named_with_the_nearest(run):
    finished = run("trian")
    assert finished.code == 2
    assert 'Did you mean "train"?' in finished.err


def test_leftover_words_are_named(run):
    finished = run("recipes", "please")
    assert finished.code == 2
    assert "Unexpected: please. Try: chainrule recipes --help" in finished.err


def test_a_failure_ends_with_1(run, monkeypatch):
    def fail(*_, **__):
        raise FailureError("the disk is on fire")

    monkeypatch.setattr(cli, "app", fail)
    finished = run("train")
    assert finished.code == 1
    assert finished.err == "Error: the disk is on fire\n"


def test_brackets_in_a_message_are_not_markup(run):
    finished = run("evaluate", "[red].safetensors")
    assert "[red].safetensors" in finished.err


def test_python_dash_m_is_the_command_line():
    run = subprocess.run([sys.executable, "-m", "chainrule", "trian"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert 'Did you mean "train"?' in run.stderr
