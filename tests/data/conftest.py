"""What the tests of data share: a folder that may be read and not written, and a limit to memory."""

import importlib
import os
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def locked():
    """A folder, and what takes away the right to write there; root, who may everything, is nobody from then on."""

    def lock():
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        for name in ("pooch", "requests", "tqdm"):  # imported on first use, from where nobody may not look
            importlib.import_module(name)
        if root:
            os.seteuid(NOBODY)

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder, lock
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def little_memory():
    """`with little_memory(most):` holds that at no moment within it more bytes are taken."""

    @contextmanager
    def held(most):
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()

    return held
