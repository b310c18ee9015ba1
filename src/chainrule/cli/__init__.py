"""The command line: parse, call, print. One file a command, no mathematics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError, UnusedCliTokensError

from chainrule.cli.check import check
from chainrule.cli.console import be_silent, complain, note, write_utf8
from chainrule.cli.data import data
from chainrule.cli.doctor import doctor
from chainrule.cli.evaluate import evaluate
from chainrule.cli.export import export
from chainrule.cli.import_model import import_model
from chainrule.cli.info import info
from chainrule.cli.lab import lab
from chainrule.cli.predict import predict
from chainrule.cli.recipes import recipes
from chainrule.cli.show import show
from chainrule.cli.stopping import Stopped
from chainrule.cli.train import train
from chainrule.errors import ChainruleError
from chainrule.launch import launched

app = App(
    name="chainrule",
    help="""Train a neural network to read handwritten digits, and look inside it.

Start with `chainrule train`: some seconds later there is a network of your own. Then `chainrule evaluate` says how
good it is, `chainrule predict photo.png` reads a digit, and `chainrule show mistakes` draws what it got wrong.""",
    help_format="markdown",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
_COMMANDS: dict[str, Callable[..., int | None]] = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "show": show,
    "data": data,
    "recipes": recipes,
    "doctor": doctor,
    "check": check,
    "lab": lab,
    "export": export,
    "import": import_model,
    "info": info,
}
for position, (name, command) in enumerate(_COMMANDS.items()):
    app.command(command, name, sort_key=position)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 for bad input, 1 for a failure, 130 after Ctrl-C, 143 after SIGTERM."""
    write_utf8()
    if launched()[0]:
        be_silent()
    try:
        answer = app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except ChainruleError as error:
        return _complain(str(error), error.exit_code)
    except CycloptsError as error:
        unused = isinstance(error, UnusedCliTokensError)
        message = f"Unexpected: {' '.join(error.unused_tokens or ())}." if unused else str(error)
        return _complain(f"{message} Try: {' '.join(['chainrule', *(error.command_chain or ()), '--help'])}", 2)
    except Stopped as stop:
        note(str(stop))
        return stop.exit_code
    except KeyboardInterrupt:
        return _complain("Interrupted.", 130)
    except BrokenPipeError:
        return 1
    return answer if isinstance(answer, int) else 0


def _complain(message: str, exit_code: int) -> int:
    complain(message)
    return exit_code
