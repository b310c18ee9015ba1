"""Ctrl-C and SIGTERM while a training runs: the step is finished, and the command can save before it goes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.training.training import Training


class Stopped(Exception):  # noqa: N818 (nothing went wrong)
    """A command was asked to stop, and did so in good order; the exit code is 128 and the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


@contextlib.contextmanager
def stopping(training: Training) -> Iterator[list[int]]:
    """Pause the training at the first signal, whose number is then in the list. A second one acts as it always does."""
    received: list[int] = []

    def pause(number: int, _: object) -> None:
        received.append(number)
        restore()
        training.pause()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if _can_be_taken(number)}
    for number in before:
        signal.signal(number, pause)
    try:
        yield received
    finally:
        restore()


def _can_be_taken(number: int) -> bool:
    """Python lets only the main thread ask; who had the signal ignored (as nohup and `&` do) wants it so."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    return in_main_thread and signal.getsignal(number) not in (signal.SIG_IGN, None)
