"""The lab on a free port of this machine, and Debian's Chromium where it is installed."""

import shutil
import threading
import time

import pytest
import uvicorn

from chainrule.data.datasets import load_dataset
from chainrule.files.model_file import SHIPPED_MODEL, load_model
from chainrule.lab.answers import Lab
from chainrule.lab.app import make_app
from chainrule.lab.serve import _listen
from chainrule.lab.trainings import Trainings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def lab():
    return Lab(load_model(SHIPPED_MODEL), load_dataset("digits"), "the one that comes with chainrule")


@pytest.fixture(scope="module")  # no longer, for its threads would be there while other tests count what is allocated
def address(lab):
    """Where the lab answers, "127.0.0.1:port"."""
    listener = _listen("127.0.0.1", 0)
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    trainings = Trainings(lab.data)
    app = make_app(lab, {place}, trainings=trainings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        thread.join(0.02)
    yield place
    trainings.end_all()
    server.should_exit = True
    thread.join(5)
    listener.close()


@pytest.fixture(scope="session")
def browser_type_launch_args():
    return {"executable_path": CHROMIUM, "args": ["--no-sandbox"], "headless": True}
