"""What all tests share: no network, and MNIST where it is at hand."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainrule.data.datasets import load_dataset, mnist_at_hand

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
