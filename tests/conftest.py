"""What all tests share: no network, MNIST where it is at hand, and pages that are followed to the letter."""

import os
import re
import shlex
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chainrule.cli import main
from chainrule.data.datasets import load_dataset, mnist_at_hand

# A shell that runs the tests in the background has Ctrl-C ignored, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Let sockets reach this machine only. An AssertionError is caught by nothing on the way."""

    def check(host):
        if host is not None and not str(host).startswith(LOOPBACK):
            raise AssertionError(f"a test reached for the network: {host}")

    def guarded_connection(connect):
        def guarded(self, address):
            check(address[0] if isinstance(address, tuple) else None)
            return connect(self, address)

        return guarded

    def guarded_lookup(host, *arguments, **options):
        check(host)
        return look_up(host, *arguments, **options)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded_connection(getattr(socket.socket, name)))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def mnist():
    """The real MNIST."""
    if mnist_at_hand() is None:
        pytest.skip("MNIST is not at hand: set CHAINRULE_DATA to the folder that has mnist/ with its four files")
    return load_dataset("mnist")


@pytest.fixture(scope="session")
def at_once():
    """Call functions at the same moment, the first in this thread and each other in one of its own: what they gave."""

    def call(*functions):
        barrier = threading.Barrier(len(functions))

        def start(function):
            barrier.wait()
            return function()

        with ThreadPoolExecutor(len(functions)) as pool:
            others = [pool.submit(start, function) for function in functions[1:]]
            return [start(functions[0]), *(other.result() for other in others)]

    return call


@pytest.fixture
def follow(tmp_path, monkeypatch, capsys):
    """Do what a page of docs/ says, in an empty folder: `follow("onnx.md")` gives what each line and block printed.

    Lines that install or start something else than chainrule are left to the reader. `~` is $HOME.
    """
    monkeypatch.chdir(tmp_path)

    def run(page):
        text = (Path(__file__).parent.parent / "docs" / page).read_text(encoding="utf-8")
        names, printed = {"__name__": "__main__"}, {}
        for language, block in re.findall(r"```(sh|python)\n(.*?)```", text, flags=re.DOTALL):
            if language == "python":
                exec(compile(block, page, "exec"), names)
                printed[block] = capsys.readouterr().out
            for line in block.splitlines() if language == "sh" else ():
                command, *words = map(os.path.expanduser, shlex.split(line, comments=True))
                if command == "chainrule":
                    assert main(words) == 0, f"{line}: {capsys.readouterr().err}"
                    printed[line] = capsys.readouterr().out
        return printed

    return run
