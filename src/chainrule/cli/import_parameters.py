"""`chainrule import`: a tutorial's pickled parameters become a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import DEFAULT_MODEL, require_distinct, require_model_name


def import_parameters(
    file: Annotated[Path, Parameter(help="A pickle of W1, b1, W2, b2, as a tutorial saves them.")],
    /,
    *,
    activation: Annotated[str, Parameter(help="Of the hidden layer: relu, leaky_relu, tanh or sigmoid.")] = "relu",
    model: Annotated[Path, Parameter(help="Where to save the model.")] = DEFAULT_MODEL,
) -> None:
    """Turn pickled parameters (W1, b1, W2, b2) into a model file. Nothing in the pickle is run."""
    from chainrule.atomic import require_writable
    from chainrule.cli.console import say
    from chainrule.files.legacy import read_pickled_parameters
    from chainrule.files.model_file import save_model

    require_model_name(model)
    require_distinct({"the pickle": file, "--model": model})
    require_writable(model)
    imported = read_pickled_parameters(file, activation=activation)
    save_model(imported, model)
    widths = "-".join(str(width) for width in (imported.network.inputs, *imported.network.widths[::2]))
    say(f"A {widths} network, {activation}: {model}")
