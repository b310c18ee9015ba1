"""Pictures that are too many for memory: in files that stay on disk, or out of a generator that never ends.

Both are read by the window, some ten thousand pictures at a time. `Shards` shuffles in two steps: an epoch takes the
blocks of all files in a random order, and the pictures of a window, a few hundred blocks, in a random order again. So
the disk is read in pieces of some hundred kilobytes, and a batch still holds pictures from all over the data.

What is drawn for an epoch follows from its number and a seed. So a training that is resumed reads on where it was.
"""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.deformations import Deformation, Deformer
from chainrule.data.preparation import check_images, label_fault
from chainrule.errors import DataFileError, DtypeError, FailureError, InputError, ShapeError, ValueRangeError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.integer[Any]]
Part = tuple[Bytes, Labels]

#: Pictures that are read in one piece, and that stay together until they are in a window.
BLOCK = 128
#: The most bytes of pictures in a window. There are two: one is learned from while the next is read.
WINDOW_BYTES = 1 << 26
#: Pictures that accuracy is measured on while a training runs.
SAMPLE = 5_000
#: Labels that are looked at in one piece.
_LABELS = 1 << 20


class Room:
    """What a window is read into.

    Parameters
    ----------
    rows : int
    shape : (height, width)

    Attributes
    ----------
    images : uint8 array, shape (rows, height, width)
    labels : int64 array, shape (rows,)
    order : int64 array; in which order to take what was read last
    """

    def __init__(self, rows: int, shape: tuple[int, ...]) -> None:
        self.images = np.zeros((rows, *shape), np.uint8)
        self.labels = np.zeros(rows, np.int64)
        self.order = np.arange(0)


class Stream:
    """Where windows come from.

    Attributes
    ----------
    shape : (height, width) of a picture
    rows : int, pictures in an epoch
    """

    shape: tuple[int, ...]
    rows: int

    def window_rows(self, batch_size: int) -> int:
        """Pictures in a window: whole batches."""
        raise NotImplementedError

    def read(self, epoch: int, index: int, seed: int, room: Room) -> None:
        """Fill a room with a window of an epoch, both counted from 0."""
        raise NotImplementedError

    def sample(self) -> list[Part]:
        """Some of the pictures, the same ones always."""
        raise NotImplementedError

    def parts(self) -> Iterable[Part]:
        """All pictures in pieces, in no particular order; of an endless stream, the sample."""
        return self.sample()


class Shards(Stream):
    """Pictures and labels in arrays that are files mapped to memory, and are read where they lie.

    Parameters
    ----------
    shards : sequence of (images, labels)
        uint8 arrays, shape (N, height, width), and integer arrays, shape (N,), of any N: as `numpy.load(path,
        mmap_mode="r")` or `formats.map_idx` gives them.
    classes : int
    block : int
        Pictures that stay together on disk.

    Raises
    ------
    ShapeError, DtypeError
        If there is none, or they are of other kinds or sizes; names the shard, counted from 0.
    DataFileError
        If there is not one label a picture, or a label is out of range.
    """

    def __init__(self, shards: Sequence[Part], classes: int = 10, *, block: int = BLOCK) -> None:
        if not shards:
            raise ShapeError("There is nothing to learn from: no shards were given.")
        for number, (images, labels) in enumerate(shards):
            _check_shard(number, images, labels, shards[0][0].shape[1:], classes)
        self.shape = tuple(shards[0][0].shape[1:])
        self._shards = list(shards)
        pieces = [
            (number, start, min(start + block, len(labels)))
            for number, (_, labels) in enumerate(shards)
            for start in range(0, len(labels), block)
        ]
        self._use_blocks(np.array(pieces, np.int64).reshape(-1, 3))

    def _use_blocks(self, blocks: NDArray[np.int64]) -> None:
        self._blocks = blocks  # shard, start and stop of each
        self.rows = int((blocks[:, 2] - blocks[:, 1]).sum())
        self._planned: tuple[tuple[int, int], NDArray[np.int64], NDArray[np.int64]] | None = None

    def split(self, validation: float, rng: np.random.Generator) -> tuple[Shards, Shards | None]:
        """Hold out blocks at random: about that many pictures if a whole number, or that fraction of them.

        Returns
        -------
        training, validation : Shards; the second None where `validation` is 0

        Raises
        ------
        ValueRangeError
            If nothing would be left to learn from.
        """
        fraction = validation / self.rows if validation >= 1 else validation
        held_out = math.ceil(fraction * len(self._blocks))
        if held_out >= len(self._blocks):
            raise ValueRangeError(
                f"A validation of {validation:g} holds out all {self.rows:,} pictures, in blocks of up to "
                f"{int((self._blocks[:, 2] - self._blocks[:, 1]).max())}. Hold out fewer, or 0."
            )
        order = rng.permutation(len(self._blocks))
        return self._only(np.sort(order[held_out:])), self._only(np.sort(order[:held_out])) if held_out else None

    def _only(self, numbers: NDArray[np.int64]) -> Shards:
        part = object.__new__(Shards)
        part.shape, part._shards = self.shape, self._shards
        part._use_blocks(self._blocks[numbers])
        return part

    def window_rows(self, batch_size: int) -> int:
        most = WINDOW_BYTES // math.prod(self.shape)
        return min(math.ceil(self.rows / batch_size), max(1, most // batch_size)) * batch_size

    def read(self, epoch: int, index: int, seed: int, room: Room) -> None:
        order, ends = self._plan(epoch, seed)
        start = index * len(room.labels)
        stop, filled = min(start + len(room.labels), self.rows), 0
        place = int(np.searchsorted(ends, start, "right"))
        while start < stop:
            shard, first, last = self._blocks[order[place]]
            first = last - (ends[place] - start)  # where a window ends within a block, the next begins there
            count = int(min(last - first, stop - start))
            self._copy(int(shard), int(first), count, room, filled)
            filled, start, place = filled + count, start + count, place + 1
        room.order = np.random.default_rng([seed, epoch, index]).permutation(filled)

    def _plan(self, epoch: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The order of the blocks in an epoch, and how many pictures have come by the end of each."""
        if self._planned is None or self._planned[0] != (epoch, seed):
            order = np.random.default_rng([seed, epoch]).permutation(len(self._blocks))
            lengths = self._blocks[order, 2] - self._blocks[order, 1]
            self._planned = (epoch, seed), order, np.cumsum(lengths)
        return self._planned[1:]

    def _copy(self, shard: int, first: int, count: int, room: Room, to: int) -> None:
        images, labels = self._shards[shard]
        _fetch(images[first : first + count])
        room.images[to : to + count] = images[first : first + count]
        room.labels[to : to + count] = labels[first : first + count]
        _let_go(images)

    def sample(self) -> list[Part]:
        wanted = max(1, SAMPLE // BLOCK)
        chosen = self._blocks[np.linspace(0, len(self._blocks) - 1, min(wanted, len(self._blocks))).astype(int)]
        return list(self._parts_of(chosen))

    def parts(self) -> Iterator[Part]:
        return self._parts_of(self._blocks)

    def _parts_of(self, blocks: NDArray[np.int64]) -> Iterator[Part]:
        for shard, start, stop in blocks:
            images, labels = self._shards[shard]
            _fetch(images[start:stop])
            yield np.array(images[start:stop]), np.array(labels[start:stop], np.int64)
            _let_go(images)

    def digest(self) -> str:
        """Which pictures these are, by their number and size, all labels, and some of the pictures."""
        digest = hashlib.sha256(f"{self.shape} {self.rows}".encode())
        for _, labels in self._shards:
            for start in range(0, len(labels), _LABELS):
                digest.update(np.asarray(labels[start : start + _LABELS], np.int64).tobytes())
        for images, _ in self.sample():
            digest.update(images.tobytes())
        return digest.hexdigest()[:16]


class Batches(Stream):
    """Batches out of a generator, or of a function of their number, read one ahead.

    Parameters
    ----------
    batches : iterable of (images, labels), or callable
        uint8 arrays, shape (n, height, width), and integer arrays, shape (n,), each of the same n; a callable is given
        the number of the batch, from 0, and can be asked for any. An iterable must not end before the training does.
    steps : int
        How many make an epoch.
    classes : int

    Raises
    ------
    InputError
        If it is neither, or there is no first batch.
    ShapeError, DtypeError, DataFileError
        If a batch is not like the first, or no pictures with their labels; also while a training reads on.
    """

    def __init__(self, batches: Iterable[Part] | Callable[[int], Part], steps: int, classes: int = 10) -> None:
        if not callable(batches) and not isinstance(batches, Iterable):
            raise InputError(f"batches is {batches!r:.60}; expected a generator of (images, labels), or a function.")
        if not isinstance(steps, int) or steps < 1:
            raise ValueRangeError(f"steps is {steps!r}; expected how many batches make an epoch, at least 1.")
        self._make = batches if callable(batches) else None
        self._iterator = iter(()) if callable(batches) else iter(batches)
        self._steps, self._classes, self._taken = steps, classes, 0
        self._first = self._batch(0)
        self.shape, self._size = tuple(self._first[0].shape[1:]), len(self._first[0])
        self.rows = steps * self._size

    def _batch(self, number: int) -> Part:
        """The batch of that number; those before it are passed over."""
        if self._make is not None:
            found = self._make(number)
        elif number == 0 and self._taken:
            return self._first
        elif number < self._taken:
            raise InputError(
                f"Batch {number} of a generator that has come to {self._taken} cannot be had again. Make it anew."
            )
        else:
            for _ in range(number - self._taken):
                self._next()
            found = self._next()
        like = found if number == 0 else self._first
        _check_shard(number, *found, like[0].shape[1:], self._classes, "Batch")
        if len(found[0]) != len(like[0]):
            raise ShapeError(f"Batch {number} has {len(found[0])} pictures; expected {len(like[0])}, as in the first.")
        return found

    def _next(self) -> Part:
        self._taken += 1
        try:
            return next(self._iterator)
        except StopIteration:
            raise FailureError(
                f"The generator ended after {self._taken - 1} batches, before the training did. Train for fewer steps."
            ) from None

    def window_rows(self, batch_size: int) -> int:
        if self._size % batch_size:
            raise ValueRangeError(
                f"A generator's batches of {self._size} cannot be taken {batch_size} at a time. Set batch_size to "
                f"{self._size}, or to a divisor of it."
            )
        return self._size

    def read(self, epoch: int, index: int, seed: int, room: Room) -> None:
        room.images[...], room.labels[...] = self._batch(epoch * self._steps + index)
        room.order = np.arange(self._size)

    def sample(self) -> list[Part]:
        images, labels = self._first
        return [(np.array(images[:SAMPLE]), np.array(labels[:SAMPLE], np.int64))]


def endless_digits(
    images: Bytes, labels: Labels, deformation: Deformation, *, batch_size: int = 512, seed: int = 0
) -> Callable[[int], Part]:
    """Digits without end: each batch a random choice of these, each deformed in a way of its own.

    Parameters
    ----------
    images : uint8 array, shape (N, height, width)
    labels : integer array, shape (N,)
    deformation : Deformation
    batch_size, seed : int

    Returns
    -------
    function of the batch's number, for `Batches`
    """
    deformer = Deformer(deformation, (images.shape[1], images.shape[2]))

    def make(number: int) -> Part:
        rng = np.random.default_rng([seed, number])
        rows = rng.integers(0, len(images), batch_size)
        deformed = deformer.deform(images[rows], rng)
        return np.rint(deformed).astype(np.uint8).reshape(-1, *images.shape[1:]), labels[rows]

    return make


def _check_shard(
    number: int, images: Bytes, labels: Labels, shape: tuple[int, ...], classes: int, what: str = "Shard"
) -> None:
    """Refuse what is not pictures of that shape with their labels."""
    try:
        check_images(images)
        if not hasattr(labels, "dtype") or labels.dtype.kind not in "iu" or labels.shape != (len(images),):
            given = f"{labels.dtype} {labels.shape}" if hasattr(labels, "dtype") else type(labels).__name__
            raise DataFileError(f"the labels are {given}; expected integers, ({len(images)},), one an image.")
        if images.shape[1:] != shape:
            raise ShapeError(f"the images are {images.shape[1:]}; expected {shape}, as in the first.")
        for start in range(0, len(labels), _LABELS):
            if fault := label_fault(labels[start : start + _LABELS], classes):
                raise DataFileError(f"after {start:,} images, {fault}" if start else fault)
    except (ShapeError, DtypeError, DataFileError) as error:
        raise type(error)(f"{what} {number}: {error}") from error


def _fetch(part: NDArray[Any]) -> None:
    """Tell the system which part of a mapped file comes next: else it reads it page by page, as each is touched."""
    map_ = _map_of(part)
    if map_ is not None and part.nbytes:
        start = part.ctypes.data - np.frombuffer(map_, np.uint8).ctypes.data
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        map_.madvise(mmap.MADV_WILLNEED, first, start + part.nbytes - first)


def _let_go(part: NDArray[Any]) -> None:
    """Give back the memory in which a mapped file was read; without this it counts as the process's own.

    All of the map, as the system brings neighbouring pages unasked. Only where nothing can be written: from a private
    map, what was written would be lost.
    """
    map_ = _map_of(part)
    if map_ is not None and not part.flags.writeable:
        map_.madvise(mmap.MADV_DONTNEED)


def _map_of(array: Any) -> mmap.mmap | None:
    """The map in which an array lies, where the system takes advice on it."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
