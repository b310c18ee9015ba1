"""Nothing that a file says commands the terminal."""

import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image
from rich.progress import Progress
from rich.table import Table

from chainrule.cli.console import CautiousConsole
from chainrule.data.datasets import load_dataset
from chainrule.data.preparation import Preparation
from chainrule.files.model_file import save_model
from chainrule.files.tensors import pack_tensors
from chainrule.model import Model
from chainrule.nn.network import multilayer_perceptron
from chainrule.training import checkpoint
from chainrule.training.history import Report

#: Sets the window's title, clears the screen, rings, goes back to the line's start, turns the order of letters.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\b\x7f\u202e[bold]$\\frac$"
COMMANDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
#: A name that this system lets a file have.
NAME = HOSTILE.replace("\\", "") if sys.platform != "win32" else "\x9b2J\u202e"


@pytest.fixture
def folder(tmp_path):
    """A model, a checkpoint, a table and a picture that a stranger made, under names that he chose."""
    digits = load_dataset("digits")
    network = multilayer_perceptron((784, 3, 10), rng=0)
    names = tuple(f"{HOSTILE}{number}" for number in range(10))
    column = [HOSTILE]
    for name, class_names, facts in [
        ("names", names, {"dataset": "digits"}),
        ("facts", tuple("0123456789"), {"dataset": HOSTILE, "history": {HOSTILE: column}}),
        ("history", tuple("0123456789"), {"history": dict.fromkeys(Report._fields, column)}),
        (NAME, tuple("0123456789"), {"dataset": "digits"}),
    ]:
        save_model(Model(network, Preparation((28, 28)), class_names, facts), tmp_path / f"{name}.safetensors")
    Image.fromarray(digits.test_images[0]).save(tmp_path / f"{NAME}.png")
    (tmp_path / "cells.csv").write_text(f"label,pixel0\n1,{HOSTILE}\n", newline="")
    (tmp_path / "heading.csv").write_text(f"{HOSTILE},pixel0\n1,2\n", newline="")
    (tmp_path / f"{NAME}.csv").write_text("label,pixel0\n")
    settings = {"dataset": HOSTILE, "seed": 0, "recipe": {HOSTILE: HOSTILE}, "epochs": 1}
    words = {"format": checkpoint.FORMAT, "version": checkpoint.VERSION}
    state = json.dumps({"numbers": {}, "settings": settings})
    (tmp_path / "run.ckpt").write_bytes(pack_tensors({"x": np.zeros(1)}, words | {"state": state}))
    return tmp_path


ASKED = {
    "evaluate": ("evaluate", "names.safetensors"),
    "predict": ("predict", "names.safetensors", f"{NAME}.png"),
    "predict as JSON": ("predict", "names.safetensors", f"{NAME}.png", "--json"),
    "show predictions": ("show", "predictions", "names.safetensors"),
    "show mistakes": ("show", "mistakes", "names.safetensors"),
    "draw predictions": ("show", "predictions", "names.safetensors", "--out", "p.png"),
    "draw mistakes": ("evaluate", "names.safetensors", "--mistakes", "m.svg"),
    "a committee's names": ("evaluate", "names.safetensors", "facts.safetensors"),
    "facts": ("evaluate", "facts.safetensors"),
    "data by facts": ("show", "data", "facts.safetensors"),
    "a history's name": ("show", "curve", "facts.safetensors"),
    "a history's entry": ("show", "curve", "history.safetensors"),
    "a cell": ("data", "cells.csv"),
    "a heading": ("data", "heading.csv"),
    "a table's name": ("data", f"{NAME}.csv"),
    "a model's name": ("show", "curve", f"{NAME}.safetensors"),
    "a picture's name": ("predict", "facts.safetensors", f"{NAME}.png"),
    "a checkpoint": ("train", "--resume", "run.ckpt"),
    "arguments": ("train", "--data", HOSTILE),
    "an unknown command": (HOSTILE,),
}


@pytest.mark.parametrize("arguments", ASKED.values(), ids=ASKED)
def test_what_files_say_is_written_so_that_the_terminal_shows_it_and_does_not_obey(run, folder, arguments):
    finished = run(*arguments)
    said = finished.out + finished.err
    assert said
    assert "Traceback" not in said
    assert not COMMANDS.search(said)


def test_json_stays_json(run, folder):
    (answer,) = run("predict", "names.safetensors", f"{NAME}.png", "--json").json
    assert answer["file"] == f"{NAME}.png"


def written(*arguments, **settings):
    """What a terminal in colour is sent."""
    stream = io.StringIO()
    CautiousConsole(file=stream, force_terminal=True, color_system="truecolor", width=80).print(*arguments, **settings)
    return stream.getvalue()


def test_richs_own_styles_pass_and_the_texts_commands_do_not():
    table = Table("\x9b2J", box=None)
    table.add_row("[red]\x1b[/red]")
    for sent, style in ((written("\x1b[2J", style="dim"), "\x1b[2m"), (written(table), "\x1b[31m")):
        assert style in sent
        assert not COMMANDS.search(re.sub(r"\x1b\[[0-9;]*m", "", sent))


def test_a_progress_bar_may_still_move_up_and_clear_its_line():
    stream = io.StringIO()
    console = CautiousConsole(file=stream, force_terminal=True, width=80)
    with Progress(console=console, transient=True, auto_refresh=False) as progress:
        progress.add_task("learning", total=1)
        progress.refresh()
        progress.refresh()
    assert stream.getvalue().count("\x1b[2K") >= 3
    assert "x1b" not in stream.getvalue()
