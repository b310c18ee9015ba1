"""The lab's server: a free port, a token where strangers can reach it, a browser."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from chainrule.errors import FailureError, MissingPackageError
from chainrule.lab.answers import Lab

if TYPE_CHECKING:
    import uvicorn

    from chainrule.lab.trainings import Trainings

LOOPBACK = "127.0.0.1"


def serve(lab: Lab, host: str, port: int, *, browser: bool, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    lab : Lab
    host, port : str, int
        Port 0 takes any that is free.
    browser : bool
        Whether to open one.
    say : function of a line

    Raises
    ------
    MissingPackageError
        If Starlette or uvicorn is not installed.
    FailureError
        If the port is in use, or the host not one of this machine's.
    """
    try:
        import uvicorn

        from chainrule.lab.app import make_app
        from chainrule.lab.trainings import Trainings
    except ImportError as error:
        raise MissingPackageError(f"The lab needs {error.name}. Install it: pip install 'chainrule[lab]'") from error
    listener = _listen(host, port)
    lab.gallery  # noqa: B018  made now, so that the first stroke doesn't wait for it
    port = listener.getsockname()[1]
    open_to_others = host not in (LOOPBACK, "localhost")
    token = secrets.token_urlsafe(18) if open_to_others else None
    names = {host, LOOPBACK, "localhost"} | ({socket.gethostname()} if open_to_others else set())
    if host == "0.0.0.0":
        names |= {str(address[4][0]) for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    trainings = Trainings(lab.data)
    app = make_app(lab, {f"{name.lower()}:{port}" for name in names}, token, trainings)
    shown = f"http://{LOOPBACK if host == '0.0.0.0' else host}:{port}/" + (f"?token={token}" if token else "")
    if open_to_others:
        say(
            "Others can reach this. The address carries a token; whoever has it can use the lab, and see what you draw."
        )
    if host == "0.0.0.0":
        say(f"From another machine: http://{socket.gethostname()}:{port}/?token={token}")
    say(f"The lab: {shown}   (Ctrl-C ends it)")
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = _server(config, trainings)
    if browser:
        threading.Timer(0.6, _open, (shown, say)).start()
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        server.run(sockets=[listener])


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[str]:
    """Serve from a thread on a free port of this machine, for tests, benchmarks and pictures; "host:port" it is."""
    import uvicorn

    from chainrule.lab.app import make_app
    from chainrule.lab.trainings import Trainings

    listener = _listen(LOOPBACK, 0)
    place = f"{LOOPBACK}:{listener.getsockname()[1]}"
    trainings = Trainings(lab.data)
    app = make_app(lab, {place}, trainings=trainings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        trainings.end_all()
        server.should_exit = True
        thread.join(5)
        listener.close()


def _server(config: uvicorn.Config, trainings: Trainings) -> uvicorn.Server:
    """A server that ends the trainings first: it waits for those who listen to them."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            trainings.end_all()
            super().handle_exit(sig, frame)

    return Server(config)


def _open(address: str, say: Callable[[str], None]) -> None:
    if not webbrowser.open(address):
        say("No browser was found. Open the address yourself.")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio holds answers back 40 ms
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # who comes before the server is up waits
    except OSError as error:
        listener.close()
        raise FailureError(
            f"{host}:{port} cannot be used: {error.strerror or error}. Take another: chainrule lab --port {port + 1}"
        ) from error
    return listener
