"""`chainrule lab`: a live page on the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import DataOption, whole_number
from chainrule.errors import ValueRangeError


def lab(
    model: Annotated[
        Path | None, Parameter(name="MODEL", help="A model file; where not given, the one that comes with chainrule.")
    ] = None,
    *,
    data: DataOption = "auto",
    host: Annotated[str, Parameter(help="Let others reach it; the address then carries a token.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Where to listen; 0 takes any that is free.", converter=whole_number)] = 8000,
    browser: Annotated[bool, Parameter(help="Open a browser.")] = True,
) -> None:
    """Draw a digit and watch the network read it; look inside, train, step through a pass, break it.

    The page is served on this machine alone, and every number on it comes from the engine.
    """
    from chainrule.cli.arguments import load_data
    from chainrule.cli.console import note
    from chainrule.files.model_file import SHIPPED_MODEL, load_model
    from chainrule.lab.answers import Lab
    from chainrule.lab.serve import serve

    if not 0 <= port <= 65535:
        raise ValueRangeError(f"--port is {port}; expected 0 to 65535.")
    path = model or SHIPPED_MODEL
    shown = Lab(load_model(path), load_data(data), "the one that comes with chainrule" if model is None else path.name)
    serve(shown, host, port, browser=browser, say=note)
