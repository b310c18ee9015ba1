"""Pictures that are too many for memory: every one of them once an epoch, mixed, and memory flat."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.data import streams
from chainrule.data.deformations import PRESETS
from chainrule.data.streams import Batches, Room, Shards, endless_digits
from chainrule.errors import DataFileError, DtypeError, FailureError, InputError, ShapeError, ValueRangeError

COUNTS = (130, 1, 299, 70)
ROWS = sum(COUNTS)


def numbered():
    """Shards of pictures of which each holds its number in its two first pixels; sorted by class."""
    images = np.zeros((ROWS, 4, 5), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(ROWS), 256)
    labels = (np.arange(ROWS) * 10 // ROWS).astype(np.uint8)
    edges = np.cumsum((0, *COUNTS))
    return [(images[a:b], labels[a:b]) for a, b in itertools.pairwise(edges)]


def numbers_of(images):
    return images[:, 0, 0].astype(int) * 256 + images[:, 0, 1]


def read_epoch(shards, epoch=0, seed=0, window=96):
    """The numbers of the pictures in the order in which an epoch takes them, window by window, and their labels."""
    room = Room(window, shards.shape)
    found = []
    for index in range(-(-shards.rows // window)):
        shards.read(epoch, index, seed, room)
        found.append((numbers_of(room.images[room.order]), room.labels[room.order].copy()))
    return found


@pytest.mark.parametrize("block", [1, 7, 32, 1000])
@pytest.mark.parametrize("window", [1, 50, 96, 1000])
def test_an_epoch_has_every_picture_once_with_its_label(block, window):
    found = read_epoch(Shards(numbered(), block=block), window=window)
    numbers, labels = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    assert_array_equal(np.sort(numbers), np.arange(ROWS))
    assert_array_equal(labels, numbers * 10 // ROWS)
    assert all(len(part) == window for part, _ in found[:-1])


def test_an_order_follows_from_epoch_and_seed_and_from_nothing_else():
    shards = Shards(numbered(), block=8)
    orders = {(epoch, seed): np.concatenate([n for n, _ in read_epoch(shards, epoch, seed)]).tolist()
              for epoch in (0, 1) for seed in (0, 1)}  # fmt: skip
    assert len({tuple(order) for order in orders.values()}) == 4
    room = Room(96, shards.shape)
    Shards(numbered(), block=8).read(1, 2, 0, room)  # without what comes before it
    assert numbers_of(room.images[room.order]).tolist() == orders[1, 0][192:288]


def test_a_window_of_many_blocks_has_all_classes_though_the_data_is_sorted():
    for _, labels in read_epoch(Shards(numbered(), block=4))[:-1]:
        assert len(set(labels)) >= 8
    assert len(set(read_epoch(Shards(numbered(), block=1000))[0][1])) < 8  # which takes many blocks


def test_within_a_window_blocks_are_taken_apart():
    for numbers, _ in read_epoch(Shards(numbered(), block=32)):
        assert np.mean(np.diff(numbers) == 1) < 0.1  # as it lies on disk it would be nearly all


def test_what_is_held_out_is_not_learned_from():
    for validation in (0.2, 100):
        learned, held_out = Shards(numbered(), block=8).split(validation, np.random.default_rng(0))
        there, apart = (
            np.concatenate([numbers_of(images) for images, _ in part.parts()]) for part in (learned, held_out)
        )
        assert sorted([*there, *apart]) == list(range(ROWS))
        assert len(apart) == held_out.rows == pytest.approx(100, abs=20)
    assert Shards(numbered()).split(0, np.random.default_rng(0))[1] is None


def test_holding_out_everything_is_refused():
    with pytest.raises(ValueRangeError, match=r"holds out all 500 pictures, in blocks of up to 128"):
        Shards(numbered()).split(0.99, np.random.default_rng(0))


def test_windows_are_of_whole_batches_and_no_larger_than_need_be(monkeypatch):
    shards = Shards(numbered())
    assert shards.window_rows(64) == 512
    monkeypatch.setattr(streams, "WINDOW_BYTES", 20 * 100)
    assert shards.window_rows(32) == 96
    assert shards.window_rows(128) == 128


def test_a_digest_tells_other_labels_and_other_pictures():
    first = Shards(numbered()).digest()
    assert first == Shards(numbered()).digest()
    labels, images = numbered(), numbered()
    labels[2][1][5] = 9
    images[0][0][0, 0, 0] = 255
    assert len({first, Shards(labels).digest(), Shards(images).digest()}) == 3


@pytest.mark.parametrize(
    ("plant", "kind", "message"),
    [
        (lambda s: s.clear(), ShapeError, "no shards were given"),
        (lambda s: s.append((s[0][0].astype(float), s[0][1])), DtypeError, "Shard 4: Images are uint8"),
        (lambda s: s.append((s[0][0][:, :3], s[0][1])), ShapeError, r"Shard 4: the images are \(3, 5\)"),
        (lambda s: s.append((s[0][0], s[0][1][:-1])), DataFileError, r"Shard 4: the labels are uint8 \(129,\)"),
        (lambda s: s.append((s[0][0], s[0][1] * 1.0)), DataFileError, "Shard 4: the labels are float64"),
        (lambda s: s.append((s[0][0], s[0][1] + 10)), DataFileError, "Shard 4: image 0 .* has the label 10"),
    ],
)  # fmt: skip
def test_shards_of_other_things_are_refused(plant, kind, message):
    shards = numbered()
    plant(shards)
    with pytest.raises(kind, match=message):
        Shards(shards)


# --------------------------------------------------------------------------------------------------- generators


def batches(n=20, end=1000):
    for number in range(end):
        yield np.full((n, 4, 5), number % 256, np.uint8), np.full(n, number % 10)


def first_pixel(stream, epoch, index):
    room = Room(20, stream.shape)
    stream.read(epoch, index, 0, room)
    assert (room.labels == room.images[0, 0, 0] % 10).all()
    return room.images[0, 0, 0]


@pytest.mark.parametrize("make", [batches, lambda: lambda number: next(itertools.islice(batches(), number, None))])
def test_a_generator_is_read_in_its_own_order_through_all_epochs(make):
    stream = Batches(make(), steps=3)
    assert (stream.rows, stream.shape) == (60, (4, 5))
    assert [first_pixel(stream, epoch, index) for epoch in range(2) for index in range(3)] == [0, 1, 2, 3, 4, 5]
    assert first_pixel(Batches(make(), steps=3), 2, 1) == 7  # as when a training is resumed


def test_a_generator_cannot_go_back_and_says_so():
    stream = Batches(batches(), steps=3)
    first_pixel(stream, 1, 0)
    with pytest.raises(InputError, match="Batch 1 of a generator that has come to 4"):
        first_pixel(stream, 0, 1)


def test_a_generator_that_ends_early_is_told_of():
    stream = Batches(batches(end=2), steps=3)
    with pytest.raises(FailureError, match="ended after 2 batches, before the training did"):
        first_pixel(stream, 0, 2)
    with pytest.raises(FailureError, match="ended after 0 batches"):
        Batches(iter(()), steps=3)


def test_batches_of_other_things_are_refused():
    with pytest.raises(InputError, match="batches is 5; expected a generator"):
        Batches(5, steps=1)
    for steps in (0, 2.5, None):
        with pytest.raises(ValueRangeError, match=f"steps is {steps}"):
            Batches(batches(), steps=steps)
    with pytest.raises(DataFileError, match="the labels are list; expected integers"):
        Batches(iter([(np.zeros((1, 2, 2), np.uint8), [1])]), steps=1)
    with pytest.raises(DataFileError, match=r"Batch 0: .* has the label 10"):
        Batches(iter([(np.zeros((1, 2, 2), np.uint8), np.array([10]))]), steps=1)
    smaller = Batches(itertools.chain(itertools.islice(batches(), 1), batches(n=19)), steps=2)
    with pytest.raises(ShapeError, match="Batch 1 has 19 pictures; expected 20"):
        first_pixel(smaller, 0, 1)
    with pytest.raises(ValueRangeError, match="batches of 20 cannot be taken 8 at a time"):
        Batches(batches(), steps=1).window_rows(8)


def test_endless_digits_are_others_each_time_and_the_same_again():
    images, labels = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8), np.arange(10)
    make, again = (endless_digits(images, labels, PRESETS["simard-2003"], batch_size=6, seed=1) for _ in range(2))
    first, second = make(0), make(1)
    assert first[0].shape == (6, 28, 28)
    assert first[0].dtype == np.uint8
    assert not (first[0] == second[0]).all()
    assert_array_equal(again(1)[0], second[0])
    assert_array_equal(again(1)[1], second[1])


# ------------------------------------------------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform != "linux", reason="holes in files, and memory by Linux' own count")
def test_sixteen_gigabytes_are_learned_from_within_400_megabytes_and_memory_stays_flat(tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "large.py"), str(tmp_path)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["gigabytes"] > 16
    assert found["rows"] > 600_000  # eight windows, half a gigabyte
    assert max(found["peaks"]) < 400
    assert found["peaks"][-1] - found["peaks"][1] < 20  # a window has 64


def test_a_private_map_keeps_what_was_written_to_it(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((50, 4, 4), np.uint8))
    images = np.load(path, mmap_mode="c")
    images[...] = 7
    shards = Shards([(images, np.zeros(50, np.uint8))])
    room = Room(50, shards.shape)
    for _ in range(2):
        shards.read(0, 0, 0, room)
        assert (room.images == 7).all()
