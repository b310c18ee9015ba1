"""Reading ahead: while a training learns from one window of a stream, a thread reads the next."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor

from chainrule.data.streams import Room, Stream


class ReadAhead:
    """Windows of a stream, in two rooms that take turns.

    Parameters
    ----------
    stream : Stream
    batch_size : int
    seed : int; of the order

    Attributes
    ----------
    rows : int, pictures in a window
    room : Room; what the last window asked for is in, until the next is
    """

    def __init__(self, stream: Stream, batch_size: int, seed: int) -> None:
        self.seed = seed
        self.rows = stream.window_rows(batch_size)
        self.room, self._other = (Room(self.rows, stream.shape) for _ in range(2))
        self._stream, self._windows = stream, math.ceil(stream.rows / self.rows)
        self._thread = ThreadPoolExecutor(1, "reads ahead")
        self._ahead: tuple[tuple[int, int, int], Future[None]] | None = None

    def window(self, epoch: int, index: int) -> Room:
        """That window, which was read ahead if it follows the last; and the next is begun.

        Raises
        ------
        Whatever reading it raised.
        """
        asked = epoch, index, self.seed
        if self._ahead is None or self._ahead[0] != asked:
            if self._ahead is not None:
                self._ahead[1].exception()  # wait, for the room
            self._ahead = asked, self._read(*asked)
        self._ahead[1].result()
        self.room, self._other = self._other, self.room
        epoch, index = (epoch, index + 1) if index + 1 < self._windows else (epoch + 1, 0)
        following = epoch, index, self.seed
        self._ahead = following, self._read(*following)
        return self.room

    def _read(self, epoch: int, index: int, seed: int) -> Future[None]:
        return self._thread.submit(self._stream.read, epoch, index, seed, self._other)
