import gzip
import hashlib
import importlib.util
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.data import datasets, download
from chainrule.data.datasets import load_dataset, mnist_at_hand
from chainrule.data.formats import idx_sha256, read_csv, read_keras_npz, write_idx, write_kaggle_csv
from chainrule.errors import DataFileError, DownloadError, InputError, OutputError, UnknownNameError

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMES = [file.name for file in download.MNIST_FILES]
RNG = np.random.default_rng(0)
ARRAYS = (
    RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8),
    RNG.integers(0, 10, 30, dtype=np.uint8),
    RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8),
    RNG.integers(0, 10, 10, dtype=np.uint8),
)


def script(name):
    """A script of the repository, as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_folder(folder, spelling="{}-{}-idx{}-ubyte", pack=None, leave_out=()):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, ARRAYS, strict=True):
        if name in leave_out:
            continue
        part, kind, dimensions, _ = name.replace("idx", "").split("-")
        path = folder / spelling.format(part, kind, dimensions)
        write_idx(path, array)
        if pack:
            path.write_bytes(pack(path.read_bytes()))
    return folder


def assert_holds(dataset, train, test):
    """That it holds these pairs of images and labels, as the right dtypes."""
    held = dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels
    for array, expected, dtype in zip(held, (*train, *test), [np.uint8, np.int64] * 2, strict=True):
        if expected is None:
            assert array is None
        else:
            assert array.dtype == dtype
            assert np.array_equal(array, expected)
    assert dataset.class_names == tuple("0123456789")


TRAIN, TEST, NOTHING = ARRAYS[:2], ARRAYS[2:], (None, None)


# --------------------------------------------------------------------------------------------------- MNIST


def test_mnist_is_what_it_is_known_to_be(mnist):
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    assert mnist.train_images.dtype == mnist.test_images.dtype == np.uint8
    assert mnist.train_labels.dtype == mnist.test_labels.dtype == np.int64
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(mnist.train_labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(mnist.train_images.mean() / 255 - 0.1307) < 5e-5
    assert mnist.class_names == tuple("0123456789")
    assert mnist.name == "mnist"
    assert mnist.source.startswith("MNIST, 60,000 training and 10,000 test images, from /")
    assert len(mnist.files) == 4


def test_loading_mnist_takes_the_memory_of_its_arrays(mnist):
    tracemalloc.start()
    try:
        dataset = load_dataset("mnist")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.05 * (dataset.train_images.nbytes + dataset.test_images.nbytes)


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """A small MNIST of the registry's names with its own checksums; an empty cache, and no mirror that answers."""

    def refuse(folder, files):
        calls.append([file.name for file in files])
        raise DownloadError("MNIST is not at hand and could not be downloaded: no mirror answered.\n    mirrors\nhelp")

    calls = []
    pairs = zip(download.MNIST_FILES, ARRAYS, strict=True)
    registry = tuple(replace(file, sha256=idx_sha256(array)) for file, array in pairs)
    monkeypatch.setattr(download, "MNIST_FILES", registry)
    monkeypatch.setattr(datasets, "_cache_folder", lambda: tmp_path / "cache" / "mnist")
    monkeypatch.setattr(download, "download_mnist", refuse)
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    return calls


def restore(folder, files):
    """Stands in for a download that succeeds."""
    names = [file.name for file in files]
    write_folder(folder, leave_out=set(NAMES) - set(names))


@pytest.mark.parametrize("pack", [None, gzip.compress], ids=["plain", "gzipped"])
def test_mnist_is_read_from_ones_own_folder_first(small_mnist, monkeypatch, tmp_path, pack):
    folder = write_folder(tmp_path / "own" / "mnist", pack=pack)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "own"))
    dataset = load_dataset("mnist")
    assert_holds(dataset, TRAIN, TEST)
    assert dataset.source == f"MNIST, 30 training and 10 test images, from {folder}"
    assert [file.parent for file in dataset.files] == [folder] * 4
    assert mnist_at_hand() == folder


@pytest.mark.parametrize("empty", ["", "nowhere", "empty"])
def test_mnist_is_read_from_the_cache_if_ones_own_folder_has_none(small_mnist, monkeypatch, tmp_path, empty):
    (tmp_path / "empty" / "mnist").mkdir(parents=True)
    write_folder(tmp_path / "cache" / "mnist")
    monkeypatch.setenv("CHAINRULE_DATA", empty and str(tmp_path / empty))
    assert load_dataset("mnist").files[0].parent == tmp_path / "cache" / "mnist"
    assert mnist_at_hand() == tmp_path / "cache" / "mnist"
    assert small_mnist == []


def test_mnist_is_downloaded_into_the_cache_otherwise(small_mnist, monkeypatch, tmp_path):
    assert mnist_at_hand() is None
    monkeypatch.setattr(download, "download_mnist", restore)
    assert_holds(load_dataset("mnist"), TRAIN, TEST)
    assert mnist_at_hand() == tmp_path / "cache" / "mnist"


def test_a_damaged_file_in_the_cache_is_fetched_again_and_no_other(small_mnist, monkeypatch, tmp_path):
    cache = write_folder(tmp_path / "cache" / "mnist")
    damaged = bytearray((cache / NAMES[0]).read_bytes())
    damaged[1000] ^= 1
    (cache / NAMES[0]).write_bytes(damaged)
    (cache / NAMES[3]).write_bytes((cache / NAMES[3]).read_bytes()[:-1])
    with pytest.raises(DownloadError):
        load_dataset("mnist")
    assert small_mnist == [[NAMES[0], NAMES[3]]]
    monkeypatch.setattr(download, "download_mnist", restore)
    assert_holds(load_dataset("mnist"), TRAIN, TEST)


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_bit_in_the_cache_is_noticed_and_without_a_network_said(small_mnist, tmp_path, name):
    cache = write_folder(tmp_path / "cache" / "mnist")
    content = bytearray((cache / name).read_bytes())
    content[-1] ^= 1
    (cache / name).write_bytes(content)
    with pytest.raises(DownloadError, match=f"^{cache / name} is damaged: its SHA-256 differs. MNIST is not at hand"):
        load_dataset("mnist")
    assert small_mnist == [[name]]
    assert f"because {cache / name} is damaged: its SHA-256 differs. MNIST is not" in load_dataset("auto").source


def test_a_cache_that_is_cut_short_is_said_to_be_and_a_missing_file_is_not(small_mnist, tmp_path):
    cache = write_folder(tmp_path / "cache" / "mnist", leave_out=NAMES[1])
    (cache / NAMES[0]).write_bytes((cache / NAMES[0]).read_bytes()[:-1])
    with pytest.raises(DownloadError, match=f"^{cache / NAMES[0]} declares .*Fetch the file again. MNIST is not at"):
        load_dataset("mnist")
    assert small_mnist == [NAMES[:2]]


def test_a_cache_that_may_not_be_written_is_read(small_mnist, monkeypatch, locked):
    folder, lock = locked
    cache = write_folder(folder / "mnist")
    monkeypatch.setattr(datasets, "_cache_folder", lambda: cache)
    lock()
    assert_holds(load_dataset("mnist"), TRAIN, TEST)
    assert small_mnist == []


def test_another_file_in_ones_own_folder_is_an_error_and_not_replaced(small_mnist, monkeypatch, tmp_path):
    folder = write_folder(tmp_path / "own" / "mnist")
    write_idx(folder / NAMES[2], ARRAYS[2] // 2)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "own"))
    with pytest.raises(DataFileError, match=f"(?s){NAMES[2]} is not MNIST's .* SHA-256 differs.* path: {folder}"):
        load_dataset("mnist")
    assert small_mnist == []
    dataset = load_dataset("auto")
    assert dataset.name == "digits"
    assert f"because {folder / NAMES[2]} is not MNIST's {NAMES[2]}: its SHA-256 differs and MNIST is" in dataset.source
    assert np.array_equal(load_dataset(folder).test_images, ARRAYS[2] // 2)


def test_a_missing_file_in_ones_own_folder_is_an_error_and_not_downloaded(small_mnist, monkeypatch, tmp_path):
    write_folder(tmp_path / "own" / "mnist", leave_out=[NAMES[1]])
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "own"))
    with pytest.raises(DataFileError, match=f"mnist lacks the file {NAMES[1]}"):
        load_dataset("mnist")
    assert small_mnist == []
    assert mnist_at_hand() is None


@pytest.fixture
def partial(small_mnist, monkeypatch, tmp_path):
    """One's own folder, which lacks the training labels and the test images."""
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "own"))
    return write_folder(tmp_path / "own" / "mnist", leave_out=[NAMES[1], NAMES[2]])


def test_all_files_missing_in_ones_own_folder_are_named_with_what_to_do(partial):
    with pytest.raises(DataFileError, match=f"{partial} lacks the file {NAMES[1]} and the file {NAMES[2]}") as caught:
        load_dataset("mnist")
    assert "Put it there, plain or with .gz; or unset CHAINRULE_DATA, and MNIST is downloaded." in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_complete_cache_stands_in_for_missing_files_and_the_source_says_so(partial, small_mnist, tmp_path, name):
    cache = write_folder(tmp_path / "cache" / "mnist")
    assert mnist_at_hand() == cache
    dataset = load_dataset(name)
    assert_holds(dataset, TRAIN, TEST)
    assert dataset.source.startswith("MNIST, 30 training and 10 test images, from ")
    assert f"from {cache}, because {partial} lacks the file {NAMES[1]}" in dataset.source
    assert "\n" not in dataset.source
    assert small_mnist == []


def test_a_damaged_cache_does_not_stand_in(partial, small_mnist, tmp_path):
    cache = write_folder(tmp_path / "cache" / "mnist")
    write_idx(cache / NAMES[0], ARRAYS[0] // 2)
    with pytest.raises(DataFileError, match=f"{partial} lacks the file"):
        load_dataset("mnist")
    assert small_mnist == []


def test_auto_downloads_what_ones_own_folder_lacks_into_the_cache(partial, monkeypatch, tmp_path):
    before = sorted(partial.iterdir())
    monkeypatch.setattr(download, "download_mnist", restore)
    dataset = load_dataset("auto")
    assert_holds(dataset, TRAIN, TEST)
    assert dataset.files[0].parent == tmp_path / "cache" / "mnist"
    assert f"because {partial} lacks the file {NAMES[1]}" in dataset.source
    assert sorted(partial.iterdir()) == before


def test_auto_is_digits_when_files_are_missing_and_no_mirror_answers(partial):
    dataset = load_dataset("auto")
    assert dataset.name == "digits"
    assert f"because {partial} lacks the file {NAMES[1]}" in dataset.source
    assert dataset.source.endswith("and MNIST is not at hand and could not be downloaded: no mirror answered")


def test_a_folder_that_may_not_be_looked_at_is_named(small_mnist, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_file", refuse)
        with pytest.raises(DataFileError, match=r"mnist.* cannot be read: Permission denied"):
            load_dataset("mnist")
        with pytest.raises(DataFileError, match="cannot be read: Permission denied"):
            load_dataset("file.csv")


def test_mnist_never_falls_back(small_mnist):
    with pytest.raises(DownloadError, match="could not be downloaded"):
        load_dataset("mnist")


def test_auto_is_mnist_when_it_can_be_had(small_mnist, tmp_path):
    write_folder(tmp_path / "cache" / "mnist")
    assert load_dataset().name == "mnist"
    assert_holds(load_dataset("auto"), TRAIN, TEST)


def test_auto_is_digits_otherwise_and_says_why(small_mnist):
    dataset = load_dataset()
    assert dataset.name == "digits"
    assert dataset.source.endswith(
        "1,437 training and 360 test images, from chainrule itself, because MNIST is not at hand and could not be "
        "downloaded: no mirror answered"
    )


def test_auto_is_digits_when_mnist_cannot_be_stored(small_mnist, monkeypatch):
    def full(folder, files):
        raise OutputError("MNIST cannot be stored in /cache: No space left on device.\nhelp")

    monkeypatch.setattr(download, "download_mnist", full)
    assert load_dataset().source.endswith("because MNIST cannot be stored in /cache: No space left on device")
    with pytest.raises(OutputError):
        load_dataset("mnist")


# -------------------------------------------------------------------------------------------------- digits


def test_digits_come_with_the_package():
    digits = load_dataset("digits")
    assert digits.train_images.shape == (1437, 28, 28)
    assert digits.test_images.shape == (360, 28, 28)
    assert digits.train_images.dtype == np.uint8
    assert digits.train_labels.dtype == np.int64
    assert digits.name == "digits"
    assert "Alpaydin" in digits.source
    assert [file.name for file in digits.files] == ["digits.npz"]


def test_digits_look_like_mnists():
    images = load_dataset("digits").train_images
    assert set(images.max(axis=(1, 2))) == {255}
    assert np.median(images) == 0
    y, x = np.indices((28, 28))
    mass = images.sum(axis=(1, 2))
    centres = np.stack([(images * y).sum(axis=(1, 2)) / mass, (images * x).sum(axis=(1, 2)) / mass])
    assert np.abs(centres - 14).max() < 0.51
    rows = images.any(axis=2).sum(axis=1)
    columns = images.any(axis=1).sum(axis=1)
    assert np.maximum(rows, columns).max() <= 20


def test_the_parts_of_digits_are_stratified():
    digits = load_dataset("digits")
    train, test = np.bincount(digits.train_labels), np.bincount(digits.test_labels)
    assert np.abs(test - 360 / 1797 * (train + test)).max() < 1


def test_the_script_reproduces_the_file_of_digits():
    pytest.importorskip("sklearn")
    made = script("make_digits").make_digits()
    kept = read_keras_npz(Path(datasets.__file__).with_name("digits.npz"))
    for array, name in zip(kept, ("x_train", "y_train", "x_test", "y_test"), strict=True):
        assert np.array_equal(array, made[name]), name


def test_the_parts_of_digits_are_scikit_learns_digits_each_once():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    x_train, y_train, x_test, y_test = read_keras_npz(Path(datasets.__file__).with_name("digits.npz"))
    ours = np.column_stack([np.concatenate([x_train, x_test]).reshape(1797, 64), np.concatenate([y_train, y_test])])
    theirs = np.column_stack([sklearn_datasets.load_digits().data, sklearn_datasets.load_digits().target])
    assert sorted(ours.tolist()) == sorted(theirs.tolist())


def test_the_script_writes_the_same_bytes_each_time(tmp_path):
    pytest.importorskip("sklearn")
    module = script("make_digits")
    module.write_npz(tmp_path / "one.npz", module.make_digits())
    module.write_npz(tmp_path / "two.npz", module.make_digits())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert (tmp_path / "one.npz").stat().st_size < 400_000


# ------------------------------------------------------------------------------------------------ by path


@pytest.mark.parametrize(
    ("spelling", "pack"),
    [
        ("{}-{}-idx{}-ubyte", None),
        ("{}-{}.idx{}-ubyte", None),
        ("{}-{}-idx{}-ubyte.gz", gzip.compress),
        ("{}-{}.idx{}-ubyte.gz", gzip.compress),
        ("{}-{}-idx{}-ubyte", gzip.compress),
    ],
)
def test_a_folder_of_idx_files_is_a_dataset_in_every_spelling(tmp_path, spelling, pack):
    folder = write_folder(tmp_path / "fashion", spelling, pack)
    dataset = load_dataset(str(folder))
    assert_holds(dataset, TRAIN, TEST)
    assert dataset.name == str(folder)
    assert dataset.source == f"30 training and 10 test images, from {folder}"
    assert set(dataset.files) == set(folder.iterdir())


def test_a_folder_without_test_files_has_no_test_part(tmp_path):
    folder = write_folder(tmp_path / "folder", leave_out=NAMES[2:])
    dataset = load_dataset(folder)
    assert_holds(dataset, TRAIN, NOTHING)
    assert dataset.source == f"30 training images, from {folder}"
    assert len(dataset.files) == 2


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_partner_is_named(tmp_path, missing):
    with pytest.raises(DataFileError, match=f"folder lacks the file {missing}"):
        load_dataset(write_folder(tmp_path / "folder", leave_out=[missing]))


def test_a_folder_without_training_files_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataFileError, match=r"Looked for train-images-idx3-ubyte and .*, plain or with \.gz\.$"):
        load_dataset(tmp_path)
    with pytest.raises(DataFileError, match="has no training digits"):
        load_dataset(write_folder(tmp_path / "test-only", leave_out=NAMES[:2]))


def test_a_folder_around_the_right_one_points_to_it(tmp_path):
    write_folder(tmp_path / "mnist")
    with pytest.raises(DataFileError, match=f"There are such files in {tmp_path / 'mnist'}: pass that folder"):
        load_dataset(tmp_path)


def test_files_that_do_not_belong_together_are_named(tmp_path):
    folder = write_folder(tmp_path / "folder")
    write_idx(folder / NAMES[1], ARRAYS[1][:7])
    with pytest.raises(DataFileError, match=f"{NAMES[0]} has 30 images and .*{NAMES[1]} has 7 labels"):
        load_dataset(folder)


def test_training_and_test_images_of_two_sizes_are_refused(tmp_path):
    folder = write_folder(tmp_path / "folder")
    write_idx(folder / NAMES[2], ARRAYS[2][:, :20])
    with pytest.raises(DataFileError, match=r"training images are \(28, 28\) and the test images \(20, 28\)"):
        load_dataset(folder)


def test_a_keras_file_is_a_dataset(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=ARRAYS[0], y_train=ARRAYS[1], x_test=ARRAYS[2], y_test=ARRAYS[3])
    dataset = load_dataset(path)
    assert_holds(dataset, TRAIN, TEST)
    assert dataset.source == f"30 training and 10 test images, from {path}"
    assert dataset.files == (path,)


def test_a_labelled_csv_file_is_a_training_part(tmp_path):
    path = tmp_path / "train.csv"
    write_kaggle_csv(path, *TRAIN)
    dataset = load_dataset(str(path))
    assert_holds(dataset, TRAIN, NOTHING)
    assert dataset.source == f"30 training images, from {path}"


def test_an_unlabelled_csv_file_is_a_test_part(tmp_path):
    write_kaggle_csv(tmp_path / "test.csv", TEST[0], None)
    path = tmp_path / "TEST.CSV.GZ"
    path.write_bytes(gzip.compress((tmp_path / "test.csv").read_bytes()))
    dataset = load_dataset(path)
    assert_holds(dataset, NOTHING, (TEST[0], None))
    assert dataset.source == f"10 unlabelled images, from {path}"
    assert dataset.files == (path,)


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "digits")
    assert load_dataset("~/digits").name == "~/digits"


@pytest.mark.parametrize("path", ["./nothing", "nothing.csv", "some/folder", "~nobody", Path("nothing")])
def test_a_path_with_nothing_there_is_named(path):
    with pytest.raises(DataFileError, match=f"There is no file or folder {path}"):
        load_dataset(path)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with names")
def test_a_pipe_or_a_device_is_no_data_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/null")):
        with pytest.raises(DataFileError, match=f"{path} is a device or a pipe; expected a folder with IDX files"):
            load_dataset(path)


def test_a_name_too_long_for_a_file_and_an_unknown_home_are_named():
    with pytest.raises(DataFileError, match="cannot be read: File name too long"):
        load_dataset("x" * 5000)
    with pytest.raises(DataFileError, match="There is no file or folder ~no-such-user/digits"):
        load_dataset("~no-such-user/digits")


@pytest.mark.parametrize("name", [None, 7, b"mnist", ["mnist"]], ids=repr)
def test_what_is_neither_text_nor_path_is_refused(name):
    with pytest.raises(InputError, match=r"named by a str or a Path, such as 'mnist', and this is (None|7|b'mn|\['mn)"):
        load_dataset(name)


def test_an_unknown_name_is_answered_with_the_near_one():
    with pytest.raises(UnknownNameError, match=r"no dataset 'mnits'\. Did you mean 'mnist'\? Known: auto, mnist"):
        load_dataset("mnits")
    with pytest.raises(UnknownNameError, match="no dataset ''"):
        load_dataset("")


def test_a_file_of_another_kind_is_refused_with_what_is_read(tmp_path):
    (tmp_path / "data.parquet").write_bytes(b"")
    with pytest.raises(DataFileError, match=r"data.parquet is of no known kind; expected a folder .*\.npz, \.csv"):
        load_dataset(tmp_path / "data.parquet")


# ---------------------------------------------------------------------------------------- scripts, imports


def test_the_kaggle_script_writes_every_image_once(tmp_path):
    dataset = load_dataset(write_folder(tmp_path / "folder"))
    script("write_kaggle_csv").write(dataset, tmp_path / "kaggle", training_rows=20)
    images, labels = read_csv(tmp_path / "kaggle" / "train.csv")
    rest, none = read_csv(tmp_path / "kaggle" / "test.csv")
    assert none is None
    known = {image.tobytes(): label for image, label in zip(*TRAIN, strict=True)}
    assert [known[image.tobytes()] for image in images] == labels.tolist()
    everything = sorted(image.tobytes() for image in [*images, *rest])
    assert everything == sorted(image.tobytes() for image in [*ARRAYS[0], *ARRAYS[2]])
    assert np.array_equal(rest[-10:], ARRAYS[2])


def test_importing_brings_in_nothing_slow():
    slow = ["requests", "pooch", "PIL", "tqdm", "sklearn", "matplotlib"]
    code = f"import sys, chainrule.data.datasets; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_a_checksum_of_a_file_that_was_read_is_that_of_the_file(tmp_path):
    folder = write_folder(tmp_path / "folder")
    for file in load_dataset(folder).files:
        array = dict(zip(NAMES, ARRAYS, strict=True))[file.name]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == idx_sha256(array)


# ------------------------------------------------------------------------------------------ pieces, and what is large


def write_pieces(folder, pieces=3, test=True, kind="npy"):
    folder.mkdir(exist_ok=True)
    parts = [("train", ARRAYS[0], ARRAYS[1])] + [("test" if kind == "npy" else "t10k", ARRAYS[2], ARRAYS[3])] * test
    for part, images, labels in parts:
        count = pieces if part == "train" else 1
        for number, (some, theirs) in enumerate(
            zip(np.array_split(images, count), np.array_split(labels, count), strict=True)
        ):
            piece = f"-{number + 8}" if count > 1 else ""  # 8, 9, 10: 10 after 9
            if kind == "npy":
                np.save(folder / f"{part}-images{piece}.npy", some)
                np.save(folder / f"{part}-labels{piece}.npy", theirs)
            else:
                write_idx(folder / f"{part}-images{piece}-idx3-ubyte", some)
                write_idx(folder / f"{part}-labels{piece}-idx1-ubyte", theirs)
    return folder


@pytest.mark.parametrize("kind", ["npy", "idx"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_pieces_are_joined_in_order_where_memory_has_room(tmp_path, pieces, kind):
    dataset = load_dataset(write_pieces(tmp_path, pieces, kind=kind))
    for found, expected in zip(parts(dataset), ARRAYS, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert dataset.train_labels.dtype == np.int64
    assert dataset.stream is None


def parts(dataset):
    return dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels


@pytest.mark.parametrize("kind", ["npy", "idx"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_is_too_large_for_memory_stays_on_disk(tmp_path, monkeypatch, pieces, kind):
    monkeypatch.setattr("chainrule.data.datasets.LARGEST_IN_MEMORY", 1000)
    dataset = load_dataset(write_pieces(tmp_path, pieces, kind=kind))
    assert dataset.train_images is None
    learned = list(dataset.stream.parts())
    np.testing.assert_array_equal(np.concatenate([images for images, _ in learned]), ARRAYS[0])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in learned]), ARRAYS[1])
    np.testing.assert_array_equal(dataset.test_images, ARRAYS[2])
    assert "30 training images, 0.0 GB in" in dataset.source
    assert "read as needed from" in dataset.source


def test_what_is_too_large_for_memory_needs_no_test_part(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.data.datasets.LARGEST_IN_MEMORY", 1000)
    folder = write_pieces(tmp_path)
    for path in folder.glob("test-*"):
        path.unlink()
    assert load_dataset(folder).test_images is None


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-9", None, "has train-images-9.npy and lacks its labels"),
        ("train-images-9", np.zeros((10, 28, 28)), "holds float64"),
        ("train-images-9", np.zeros((10, 28, 28), int), "holds int64; expected uint8"),
        ("train-images-9", np.zeros((9, 28, 28), np.uint8), r"9 images and .* 10 labels"),
        ("train-images-9", np.zeros((10, 9, 9), np.uint8), r"\(28, 28\) and of \(9, 9\)"),
        ("train-labels-9", np.full(10, 11), "has the label 11"),
        ("test-images", np.zeros((10, 9, 9), np.uint8), "expected one size"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("large", [False, True])
def test_pieces_that_do_not_belong_together_are_refused(tmp_path, monkeypatch, name, array, message, large):
    if large:
        monkeypatch.setattr("chainrule.data.datasets.LARGEST_IN_MEMORY", 1000)
    path = write_pieces(tmp_path) / f"{name}.npy"
    path.unlink()
    if array is not None:
        np.save(path, array)
    with pytest.raises(DataFileError, match=message):
        load_dataset(tmp_path)


def test_one_npy_file_is_no_data_set_and_says_what_would_be(tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS[0])
    with pytest.raises(DataFileError, match=r"is one array\. Put pictures and labels in a folder"):
        load_dataset(tmp_path / "x.npy")
