"""`chainrule export`: a model as ONNX, for whatever runs ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from chainrule.cli.arguments import MODEL_ENDING, require_distinct
from chainrule.errors import InputError

ONNX_ENDING = ".onnx"


def export(
    *files: Annotated[
        Path,
        Parameter(
            name="FILE", help="The model, a .safetensors file, several are a committee; then the .onnx file to write."
        ),
    ],
) -> None:
    """Write a model as an ONNX file: pictures go in as they are, a label and probabilities come out.

    The input `pixels` is uint8, N × 28 × 28 for MNIST, for any N; the preparation is inside. The outputs are `label`
    and `probabilities`. Class names and what is known of the training go into the file's metadata.
    """
    from chainrule.atomic import require_writable
    from chainrule.cli.arguments import load_together
    from chainrule.cli.console import say
    from chainrule.files.onnx import save_onnx

    models = [file for file in files if file.suffix == MODEL_ENDING]
    others = [file for file in files if file.suffix != MODEL_ENDING]
    if len(others) != 1 or others[0].suffix != ONNX_ENDING:
        raise InputError(
            f"Expected one {ONNX_ENDING} file to write, the models being {MODEL_ENDING} files: "
            f"chainrule export model{MODEL_ENDING} model{ONNX_ENDING}"
        )
    path = others[0]
    require_distinct({**{f"model {number}": model for number, model in enumerate(models, 1)}, "the ONNX file": path})
    require_writable(path)
    model = load_together(models)
    save_onnx(model, path)
    height, width = model.preparation.shape
    say(f"{path}: pixels (N × {height} × {width}, uint8) → label, probabilities of {len(model.class_names)} classes")
