"""The lab on a free port of this machine, and Debian's Chromium where it is installed."""

import shutil

import pytest

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import SHIPPED_MODEL, load_model
from chainrule.lab.answers import Lab
from chainrule.lab.serve import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def lab():
    return Lab(load_model(SHIPPED_MODEL), load_dataset("digits"), "the one that comes with chainrule")


@pytest.fixture(scope="module")  # no longer, for its threads would be there while other tests count what is allocated
def address(lab):
    """Where the lab answers, "127.0.0.1:port"."""
    with serving(lab) as place:
        yield place


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": CHROMIUM, "args": ["--no-sandbox"], "headless": True}
