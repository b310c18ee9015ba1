import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest

from chainrule import atomic
from chainrule.data import formats
from chainrule.data.formats import (
    check_digits,
    idx_sha256,
    map_idx,
    map_npy,
    read_csv,
    read_idx,
    read_keras_npz,
    write_idx,
    write_kaggle_csv,
)
from chainrule.errors import DataFileError, DtypeError, OutputError, ShapeError

IMAGES = np.arange(5 * 28 * 28, dtype=np.uint8).reshape(5, 28, 28)
LABELS = np.array([3, 1, 4, 1, 9], np.uint8)


def idx_header(*shape, dtype=0x08):
    return struct.pack(f">HBB{len(shape)}I", 0, dtype, len(shape), *shape)


# ---------------------------------------------------------------------------------------------------- IDX


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
def test_an_idx_file_gives_back_what_was_written(tmp_path, array):
    write_idx(tmp_path / "file", array)
    back = read_idx(tmp_path / "file")
    assert back.dtype == np.uint8
    assert np.array_equal(back, array)


def test_an_idx_file_written_by_hand_is_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 13, 14, 15]))
    assert read_idx(tmp_path / "file").tolist() == [[[10, 11, 12], [13, 14, 15]]]


def test_gzip_is_recognised_by_content_and_not_by_name(tmp_path):
    write_idx(tmp_path / "plain.gz", IMAGES)
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "plain.gz").read_bytes()))
    assert np.array_equal(read_idx(tmp_path / "plain.gz"), IMAGES)
    assert np.array_equal(read_idx(tmp_path / "packed"), IMAGES)


def test_what_is_read_can_be_written_to_whether_packed_or_not(tmp_path):
    write_idx(tmp_path / "plain", LABELS)
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    assert read_idx(tmp_path / "plain").flags.writeable
    assert read_idx(tmp_path / "packed").flags.writeable


def test_the_checksum_of_an_array_is_that_of_its_plain_file(tmp_path):
    import hashlib

    write_idx(tmp_path / "file", IMAGES)
    assert idx_sha256(IMAGES) == hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()


WHOLE = idx_header(5) + LABELS.tobytes()

BAD_IDX = {
    "empty": (b"", "begins with the bytes ''"),
    "text": (b"label,pixel0", "begins with the bytes '6c 61 62 65'"),
    "floats": (idx_header(5, dtype=0x0D) + bytes(20), r"type 0x0d \(byte 2\).*0x08"),
    "two dimensions": (idx_header(5, 5) + bytes(25), r"2 dimensions \(byte 3\); expected 1 .* or 3"),
    "cut in the header": (idx_header(5, 28, 28)[:9], "ends inside its header"),
    "short": (WHOLE[:-1], "declares 5 = 5 bytes of values, and 4 bytes follow"),
    "long": (WHOLE + b"\0", "declares 5 = 5 bytes of values, and 6 bytes follow"),
    "packed and short": (gzip.compress(WHOLE[:-1]), "declares 5 = 5 bytes of values, and 4 bytes follow"),
    "packed and long": (gzip.compress(WHOLE + bytes(9)), "declares 5 = 5 bytes of values, and more follow"),
    "gzip cut short": (gzip.compress(WHOLE)[:-6], "cut short or damaged"),
    "gzip cut in the header": (gzip.compress(WHOLE)[:11], "cut short or damaged"),
    "gzip with a wrong checksum": (gzip.compress(WHOLE)[:-8] + bytes(8), "cut short or damaged"),
    "gzip with wrong bytes": (gzip.compress(WHOLE)[:10] + b"\xff" * 20, "cut short or damaged"),
    "gzip with garbage after it": (gzip.compress(WHOLE) + b"garbage", "cut short or damaged"),
}


@pytest.mark.parametrize(("content", "message"), BAD_IDX.values(), ids=BAD_IDX)
def test_a_bad_idx_file_is_refused_and_named(tmp_path, content, message):
    (tmp_path / "bad-file").write_bytes(content)
    with pytest.raises(DataFileError, match=f"bad-file.*{message}"):
        read_idx(tmp_path / "bad-file")


FORGED_IDX = {
    "32 GiB in a file of 80 bytes": (idx_header(1 << 15, 1 << 10, 1 << 10) + bytes(64), "and 64 bytes follow"),
    "more than there is memory": (idx_header(*[2**32 - 1] * 3) + bytes(100), "and 100 bytes follow"),
    "packed, 1 GiB": (gzip.compress(idx_header(1 << 10, 1 << 10, 1 << 10) + bytes(64)), "and 64 bytes follow"),
    "packed, 32 GiB": (gzip.compress(idx_header(1 << 15, 1 << 10, 1 << 10)), "holds 32 GiB or more.* at most 1 GiB"),
    "packed, more than there is memory": (gzip.compress(idx_header(*[2**32 - 1] * 3)), r"holds 7.38e\+19 GiB or more"),
    "packed, and unpacks to more than it declares": (
        gzip.compress(idx_header(5) + bytes(64 << 20), 1),
        "declares 5 = 5 bytes of values, and more follow",
    ),
}


@pytest.mark.parametrize(("content", "message"), FORGED_IDX.values(), ids=FORGED_IDX)
def test_no_memory_is_taken_for_what_an_idx_file_only_declares(tmp_path, content, message, little_memory):
    (tmp_path / "bomb").write_bytes(content)
    with little_memory(4 << 20), pytest.raises(DataFileError, match=f"bomb .*{message}"):
        read_idx(tmp_path / "bomb")


def test_a_packed_idx_file_may_hold_as_much_as_is_allowed_and_a_plain_one_more(tmp_path, monkeypatch):
    write_idx(tmp_path / "plain", IMAGES)
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    monkeypatch.setattr(formats, "LARGEST", IMAGES.size)
    assert np.array_equal(read_idx(tmp_path / "packed"), IMAGES)
    monkeypatch.setattr(formats, "LARGEST", IMAGES.size - 1)
    assert np.array_equal(read_idx(tmp_path / "plain"), IMAGES)
    with pytest.raises(DataFileError, match=r"packed holds .*If you trust it, give its digits as plain IDX or csv\.$"):
        read_idx(tmp_path / "packed")


def test_a_file_larger_than_the_memory_that_is_left_is_refused_in_words(tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError

    write_idx(tmp_path / "large-file", IMAGES)
    monkeypatch.setattr(formats.np, "empty", refuse)
    with pytest.raises(DataFileError, match="large-file does not fit into the memory that is left"):
        read_idx(tmp_path / "large-file")


def test_reading_a_plain_file_takes_the_memory_of_its_array_and_no_more(tmp_path, little_memory):
    images = np.zeros((10_000, 28, 28), np.uint8)
    write_idx(tmp_path / "file", images)
    with little_memory(1.1 * images.nbytes):
        read_idx(tmp_path / "file")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataFileError, match=r"There is no file .*missing"):
        read_idx(tmp_path / "missing")
    with pytest.raises(DataFileError, match="cannot be read"):
        read_idx(tmp_path)


def test_only_uint8_labels_and_images_are_written_as_idx(tmp_path):
    with pytest.raises(DtypeError, match="int64"):
        write_idx(tmp_path / "file", LABELS.astype(np.int64))
    with pytest.raises(ShapeError, match=r"\(5, 784\)"):
        write_idx(tmp_path / "file", IMAGES.reshape(5, 784))


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        write_idx(tmp_path / "nowhere" / "file", LABELS)


def test_what_is_written_is_flushed_to_disk_and_goes_through_a_link(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    (tmp_path / "link.csv").symlink_to(tmp_path / "file.csv")
    write_kaggle_csv(tmp_path / "link.csv", IMAGES, LABELS)
    write_idx(tmp_path / "file", LABELS)
    assert (tmp_path / "link.csv").is_symlink()
    assert {(tmp_path / name).stat().st_ino for name in ("file.csv", "file")} <= set(flushed)


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "train.csv"
    path.write_text("precious", encoding="utf-8")
    labels = [1, 2, None]  # the third row fails

    class Broken:
        shape = (3,)

        def __getitem__(self, row):
            if labels[row] is None:
                raise OSError("disk full")
            return labels[row]

    with pytest.raises(OutputError, match="disk full"):
        write_kaggle_csv(path, IMAGES[:3], Broken())
    assert path.read_text(encoding="utf-8") == "precious"
    assert [file.name for file in tmp_path.iterdir()] == ["train.csv"]


# ---------------------------------------------------------------------------------------------- Keras npz


def keras(**changes):
    members = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}
    return {name: array for name, array in (members | changes).items() if array is not None}


def test_a_keras_file_gives_four_arrays_with_int64_labels(tmp_path):
    np.savez_compressed(tmp_path / "file.npz", **keras())
    x_train, y_train, x_test, y_test = read_keras_npz(tmp_path / "file.npz")
    assert np.array_equal(x_train, IMAGES)
    assert y_train.tolist() == [3, 1, 4, 1, 9]
    assert np.array_equal(x_test, IMAGES[:2])
    assert y_test.tolist() == [3, 1]
    assert {array.dtype for array in (y_train, y_test)} == {np.dtype(np.int64)}
    assert {array.dtype for array in (x_train, x_test)} == {np.dtype(np.uint8)}


BAD_NPZ = {
    "a member missing": (keras(y_test=None), "no member y_test; it holds x_train, y_train, x_test"),
    "float images": (
        keras(x_train=IMAGES / 255),
        r"x_train as float64 \(5, 28, 28\); expected integers .* np.rint\(255 \* x_train\).astype\(np.uint8\)",
    ),
    "a pixel above 255": (keras(x_test=IMAGES[:2] + np.int64(9)), r"x_test, image 0 \(counted from 0\), the pixel 256"),
    "a negative pixel": (keras(x_train=IMAGES - np.int16(250)), r"in x_train, image 0 .*, the pixel -250; .* 0 to 255"),
    "flat images": (keras(x_test=IMAGES[:2].reshape(2, 784)), r"x_test as uint8 \(2, 784\)"),
    "float labels": (keras(y_train=LABELS / 1), r"y_train as float64 \(5,\); expected integers"),
    "one-hot labels": (keras(y_train=np.eye(10, dtype=int)[LABELS]), r"y_train as int64 \(5, 10\)"),
    "counts that differ": (keras(y_train=LABELS[:3]), r"x_train\) has 5 images and .*y_train\) has 3 labels"),
    "a label above 9": (keras(y_test=np.array([0, 10])), r"y_test\): image 1 \(counted from 0\) has the label 10"),
    "a negative label": (keras(y_test=np.array([-1, 0])), r"y_test\): image 0 \(counted from 0\) has the label -1"),
    "no images": (keras(x_train=IMAGES[:0], y_train=LABELS[:0]), r"x_train\) holds no images"),
    "a pickle": (
        keras(y_test=np.array([{}, {}])),
        "y_test that cannot be read: it holds pickled objects, and chainrule reads none",
    ),
}


@pytest.mark.parametrize("dtype", [np.int64, np.int16, np.uint64, ">i4"])
def test_pixels_of_any_integer_dtype_and_labels_in_a_column_are_read(tmp_path, dtype):
    np.savez(tmp_path / "file.npz", **keras(x_train=IMAGES.astype(dtype), y_train=LABELS.astype(dtype)[:, np.newaxis]))
    x_train, y_train, _, _ = read_keras_npz(tmp_path / "file.npz")
    assert x_train.dtype == np.uint8
    assert np.array_equal(x_train, IMAGES)
    assert y_train.dtype == np.int64
    assert y_train.tolist() == [3, 1, 4, 1, 9]


def test_what_numpy_says_about_pickles_is_not_passed_on(tmp_path):
    """Its advice for a long header is to trust the file."""
    member = io.BytesIO()
    np.save(member, np.zeros(1, [(f"field{i}", "u1") for i in range(1000)]))
    add_member(tmp_path / "bad.npz", "x_test.npy", member.getvalue())
    with pytest.raises(DataFileError, match="x_test that cannot be read: Header info length") as caught:
        read_keras_npz(tmp_path / "bad.npz")
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize(("members", "message"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_a_bad_keras_file_is_refused_and_named(tmp_path, members, message):
    np.savez(tmp_path / "bad.npz", **members)
    with pytest.raises(DataFileError, match=f"bad.npz.*{message}"):
        read_keras_npz(tmp_path / "bad.npz")


def test_what_is_no_zip_archive_is_no_keras_file(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataFileError, match=r"bad.npz is not an npz file"):
        read_keras_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_keras_file_cut_short_is_refused(tmp_path, keep):
    np.savez(tmp_path / "bad.npz", **keras())
    whole = (tmp_path / "bad.npz").read_bytes()
    (tmp_path / "bad.npz").write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataFileError, match=r"bad.npz is cut short or damaged"):
        read_keras_npz(tmp_path / "bad.npz")


def test_a_keras_file_with_flipped_bytes_is_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", **keras())
    content = bytearray((tmp_path / "bad.npz").read_bytes())
    content[1000] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataFileError, match=r"bad.npz is cut short or damaged"):
        read_keras_npz(tmp_path / "bad.npz")


def test_a_member_that_is_no_array_is_refused(tmp_path):
    add_member(tmp_path / "bad.npz", "x_test", "text")
    with pytest.raises(DataFileError, match="x_test that is not an array"):
        read_keras_npz(tmp_path / "bad.npz")


def add_member(path, name, content):
    """A Keras npz file without x_test, and with this member."""
    np.savez(path, **keras(x_test=None))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


def npy(shape, content=b"", dtype="|u1", order="False"):
    """An npy file whose header says what it likes."""
    header = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content


FORGED_NPY = {
    "32 GiB": (npy("(32, 32768, 32768)"), r"declares an impossible shape for x_test, \(32, 32768, 32768\)"),
    "1 GiB": (npy("(1, 32768, 32768)"), "declares 1,073,741,824 bytes of values in x_test, and 0 follow"),
    "a shape beyond integers": (npy("(2, 18446744073709551615, 9)"), "impossible shape for x_test"),
    "a shape of thousands of digits": (npy(f"(2, {'9' * 4000}, {'9' * 4000})"), "impossible shape for x_test"),
    "too few bytes": (npy("(2, 2, 2)", bytes(7)), "declares 8 bytes of values in x_test, and 7 follow"),
    "too many bytes": (npy("(2, 2, 2)", bytes(9)), "declares 8 bytes of values in x_test, and 9 follow"),
    "a negative shape": (npy("(-2, -2, 2)", bytes(8)), r"declares an impossible shape for x_test, \(-2, -2, 2\)"),
    "a header of 4 GiB": (b"\x93NUMPY\2\0" + b"\xff" * 4 + bytes(64 << 20), "x_test that cannot be read"),
    "a header that never closes": (npy("(2, 2, 2", bytes(8)), "x_test that cannot be read"),
    "another version": (b"\x93NUMPY\3\0" + bytes(8), "npy version 03 00"),
}


@pytest.mark.parametrize(("member", "message"), FORGED_NPY.values(), ids=FORGED_NPY)
def test_a_forged_member_is_refused_before_memory_is_taken_for_it(tmp_path, member, message, little_memory):
    add_member(tmp_path / "bad.npz", "x_test.npy", member)
    with little_memory(4 << 20), pytest.raises(DataFileError, match=f"bad.npz.*{message}") as caught:
        read_keras_npz(tmp_path / "bad.npz")
    assert len(str(caught.value)) < 500


def claim_length(content, name, length):
    """Write into an archive's directory that a member unpacks to this length."""
    place = content.index(name.encode(), content.index(b"PK\x01\x02")) - 46 + 24
    return content[:place] + struct.pack("<I", length) + content[place + 4 :]


def test_a_member_is_unpacked_no_further_than_the_archive_says(tmp_path, little_memory):
    """64 MiB, of which the archive says that they are 8 bytes more than the header."""
    member = npy("(2, 2, 2)", bytes(8))
    add_member(tmp_path / "bad.npz", "x_test.npy", member + bytes(64 << 20))
    content = (tmp_path / "bad.npz").read_bytes()
    (tmp_path / "bad.npz").write_bytes(claim_length(content, "x_test.npy", len(member)))
    with little_memory(4 << 20), pytest.raises(DataFileError, match=r"bad.npz is cut short or damaged"):
        read_keras_npz(tmp_path / "bad.npz")


def test_memory_for_a_member_grows_only_with_what_arrives(tmp_path, little_memory):
    """Its header and the archive agree on half a GiB, and there is nothing."""
    member = npy("(1, 16384, 32768)")
    add_member(tmp_path / "bad.npz", "x_test.npy", member)
    content = (tmp_path / "bad.npz").read_bytes()
    (tmp_path / "bad.npz").write_bytes(claim_length(content, "x_test.npy", len(member) + (1 << 29)))
    with little_memory(4 << 20), pytest.raises(DataFileError, match=r"bad.npz "):
        read_keras_npz(tmp_path / "bad.npz")


def test_a_keras_file_may_unpack_to_as_much_as_is_allowed(tmp_path, monkeypatch):
    path = tmp_path / "file.npz"
    np.savez_compressed(path, **keras(), other=np.zeros(10**6))
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist() if member.filename != "other.npy")
    monkeypatch.setattr(formats, "LARGEST", unpacked)
    assert np.array_equal(read_keras_npz(path)[0], IMAGES)
    monkeypatch.setattr(formats, "LARGEST", unpacked - 1)
    with pytest.raises(DataFileError, match=r"file.npz holds .* or more; of a packed file, chainrule reads at most"):
        read_keras_npz(path)


def test_a_zip_bomb_is_refused_before_any_of_it_is_unpacked(tmp_path, little_memory):
    """Four members of 512 MiB each, in a file of 2 MB."""
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        zeros = npy("(524288, 32, 32)", bytes(1 << 20))
        for name in keras():
            archive.writestr(f"{name}.npy", zeros)
    content = (tmp_path / "bomb.npz").read_bytes()
    for name in keras():
        content = claim_length(content, f"{name}.npy", 1 << 29)
    (tmp_path / "bomb.npz").write_bytes(content)
    with little_memory(4 << 20), pytest.raises(DataFileError, match=r"bomb.npz holds 2 GiB or more; .* at most 1 GiB"):
        read_keras_npz(tmp_path / "bomb.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing_that_unpack_without_a_limit_are_refused(tmp_path, method, little_memory):
    with zipfile.ZipFile(tmp_path / "file.zip", "w", method) as archive:
        for name in keras():
            archive.writestr(f"{name}.npy", npy("(2, 2, 2)", bytes(8 << 20)))
        archive.writestr("train.csv", bytes(8 << 20))
    for read in (read_keras_npz, read_csv):
        with little_memory(4 << 20), pytest.raises(DataFileError, match=rf"file.zip is packed by method {method} of"):
            read(tmp_path / "file.zip")


def test_columns_first_is_read_as_it_was_written(tmp_path):
    np.savez(tmp_path / "file.npz", **keras(x_train=np.asfortranarray(IMAGES)))
    assert np.array_equal(read_keras_npz(tmp_path / "file.npz")[0], IMAGES)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_twice_is_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", **keras())
    with zipfile.ZipFile(tmp_path / "bad.npz", "a") as archive:
        archive.writestr("y_test.npy", b"")
    with pytest.raises(DataFileError, match="has the member y_test twice"):
        read_keras_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize("reader", [read_keras_npz, read_csv])
def test_an_archive_of_names_that_are_no_text_is_refused_in_few_words(tmp_path, reader):
    np.savez(tmp_path / "bad.npz", **{"é" * 3000: LABELS})
    content = (tmp_path / "bad.npz").read_bytes()
    with pytest.raises(DataFileError) as caught:
        reader(tmp_path / "bad.npz")
    assert len(str(caught.value)) < 500
    place = content.rindex("é".encode())
    (tmp_path / "bad.npz").write_bytes(content[:place] + b"\xff\xff" + content[place + 2 :])
    with pytest.raises(DataFileError, match="cut short or damaged"):
        reader(tmp_path / "bad.npz")


# --------------------------------------------------------------------------------------------- Kaggle csv

PIXELS = ",".join(f"pixel{i}" for i in range(4))
GOOD = f"label,{PIXELS}\n7,0,1,2,3\n0,4,5,6,255\n"


def read_text(tmp_path, text):
    (tmp_path / "file.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_csv(tmp_path / "file.csv")


def zipped(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__csv", ".csv"), text)
    return content.getvalue()


@pytest.mark.parametrize("labels", [LABELS, None], ids=["train.csv", "test.csv"])
def test_a_csv_file_gives_back_what_was_written(tmp_path, labels):
    write_kaggle_csv(tmp_path / "file.csv", IMAGES, labels)
    images, back = read_csv(tmp_path / "file.csv")
    assert images.dtype == np.uint8
    assert images.shape == (5, 28, 28)
    assert np.array_equal(images, IMAGES)
    if labels is None:
        assert back is None
    else:
        assert back.dtype == np.int64
        assert back.tolist() == [3, 1, 4, 1, 9]


@pytest.mark.parametrize(
    ("first", "last"), [("pixel0", "pixel783"), ("pixel1", "pixel784"), ("1x1", "28x28")], ids=lambda name: name
)
@pytest.mark.parametrize("labelled", [True, False])
def test_the_pixels_are_named_in_the_three_ways_that_people_download(tmp_path, first, last, labelled):
    write_kaggle_csv(tmp_path / "file.csv", IMAGES, LABELS if labelled else None)
    names = {
        "pixel0": [f"pixel{i}" for i in range(784)],
        "pixel1": [f"pixel{i}" for i in range(1, 785)],
        "1x1": [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
    }[first]
    assert names[-1] == last
    _, *rows = (tmp_path / "file.csv").read_text(encoding="utf-8").splitlines()
    images, labels = read_text(tmp_path, "\n".join([",".join(["label"] * labelled + names), *rows]))
    assert np.array_equal(images, IMAGES)
    assert labels is None if not labelled else labels.tolist() == [3, 1, 4, 1, 9]


def test_a_written_csv_file_has_kaggles_header(tmp_path):
    write_kaggle_csv(tmp_path / "file.csv", IMAGES[:1], LABELS[:1])
    header, first = (tmp_path / "file.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("label,pixel0,pixel1,")
    assert header.endswith(",pixel783")
    assert first.startswith("3,0,1,2,")


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD.rstrip("\n") + " ",
        GOOD + "\n\n",
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace("label", '"label"').replace("pixel0", '"pixel0"'),
        "\n".join(",".join(f'"{field}"' for field in line.split(",")) for line in GOOD.split()),
        "\ufeff" + GOOD.replace("label", '"label"').replace("7,0,", '"7","0",').replace("\n", "\r\n"),
        GOOD.replace("label", "Label"),
        GOOD.replace("label", "LABEL").replace("pixel", "Pixel"),
        GOOD.replace(PIXELS, "pixel1,pixel2,pixel3,pixel4"),
        GOOD.replace(PIXELS, "1x1,1x2,2x1,2x2"),
        gzip.compress(GOOD.encode()),
        zipped(train__csv=GOOD),
        zipped(train__csv=GOOD, readme="hello", **{"__MACOSX/._train.csv": "shadow"}),
        zipped(**{"TRAIN.CSV": GOOD}),
    ],
    ids=[
        "plain",
        "no last newline",
        "no last newline, and a space",
        "blank lines",
        "CRLF",
        "BOM",
        "quotes",
        "quotes everywhere",
        "BOM, CRLF and quotes",
        "Label",
        "capitals",
        "pixel1",
        "1x1",
        "gzip",
        "zip",
        "zip with more",
        "TRAIN.CSV",
    ],
)
def test_a_csv_file_is_read_in_all_its_dresses(tmp_path, content):
    images, labels = read_text(tmp_path, content)
    assert images.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 255]]]
    assert labels.tolist() == [7, 0]


BAD_CSV = {
    "empty": ("", "is empty"),
    "blank": ("\n\n", "is empty"),
    "header only": (f"label,{PIXELS}\n", "has a header line and no digits"),
    "header and blank lines": (f"label,{PIXELS}\n\n\n", "has a header line and no digits"),
    "no header": ("7,0,1,2,3\n", "line 1, column 1 is '7'; expected 'label', 'pixel0', 'pixel1' or '1x1'"),
    "another scheme": (
        GOOD.replace("pixel0", "pixel2"),
        "line 1, column 2 is 'pixel2'; expected 'pixel0', 'pixel1' or",
    ),
    "columns out of order": (
        GOOD.replace("pixel0,pixel1", "pixel1,pixel0"),
        "line 1, column 3 is 'pixel0'; expected 'pixel2'",
    ),
    "two schemes": ("label,1x1,1x2,pixel2,2x2\n7,0,1,2,3\n", "line 1, column 4 is 'pixel2'; expected '2x1'"),
    "another column at the end": (f"{PIXELS},class\n0,1,2,3,7\n", "line 1, column 5 is 'class'; expected 'pixel4'"),
    "a pair of pixels": ("1x1,1x2\n0,1\n", "line 1, column 2 is '1x2'; expected '2x1'"),
    "a quotation mark too few": (
        GOOD.replace("4,5,6", '4,"5,6'),
        "line 3, column 'pixel1': '\"5' is not a whole number",
    ),
    "a quoted word": (GOOD.replace("4,5,6", '4,"five",6'), "line 3, column 'pixel1': 'five' is not a whole number"),
    "a column misnamed": (GOOD.replace("pixel2", "pixl2"), "line 1, column 4 is 'pixl2'; expected 'pixel2'"),
    "no pixels": ("label\n7\n", "line 1 names 0 pixels"),
    "no square": ("label,pixel0,pixel1\n7,0,1\n", "line 1 names 2 pixels; expected a square"),
    "a missing value": (GOOD.replace("4,5,6", "4,,6"), "line 3, column 'pixel1': the value is missing"),
    "a word": (GOOD.replace("4,5,6", "4,five,6"), "line 3, column 'pixel1': 'five' is not a whole number"),
    "a fraction": (GOOD.replace("4,5,6", "4,5.5,6"), "line 3, column 'pixel1': '5.5' is not a whole number"),
    "a whole fraction": (GOOD.replace("4,5,6", "4,5.0,6"), "line 3, column 'pixel1': '5.0' is not a whole"),
    "NaN": (GOOD.replace("4,5,6", "4,nan,6"), "line 3, column 'pixel1': 'nan' is not a whole number"),
    "negative": (GOOD.replace("4,5,6", "4,-5,6"), "line 3, column 'pixel1': -5 is negative"),
    "256": (GOOD.replace("255", "256"), "line 3, column 'pixel3': 256 is out of range; .* 0 to 255"),
    "huge": (GOOD.replace("255", "9" * 5000), "line 3, column 'pixel3': 9+ is out of range"),
    "too few": (GOOD.replace("4,5,6", "4,5"), "line 3 has 4 values; expected 5"),
    "too many": (GOOD.replace("4,5,6", "4,5,6,6"), "line 3 has 6 values; expected 5"),
    "too many everywhere": (f"{PIXELS}\n0,1,2,3,4\n5,6,7,8,9\n", "line 2 has 5 values; expected 4"),
    "blanks before the fault": (GOOD + "\n\n1,2,3,4,x\n", "line 6, column 'pixel3': 'x'"),
    "spaces": (GOOD + "   \n", "line 4 has 1 values; expected 5"),
    "a bad label": (GOOD.replace("\n0,", "\nzero,"), "line 3, column 'label': 'zero' .* from 0 to 9"),
    "a label above 9": (
        GOOD.replace("\n0,", "\n10,"),
        "line 3, column 'label': 10 is out of range; expected a whole number from 0 to 9",
    ),
    "a quoted label above 9": (GOOD.replace("\n0,", '\n"10",'), "line 3, column 'label': 10 is out of range"),
    "blank lines before a label above 9": (GOOD + "\n\n11,1,1,1,1\n", "line 6, column 'label': 11 is out of range"),
    "binary": (b"label,\xff\xfe\xfa\n", "is not a text file"),
    "binary later": (GOOD.encode() + b"\xff\xfe\n", "is not a text file"),
    "gzip cut short": (gzip.compress(GOOD.encode())[:-9], "cut short or damaged"),
    "zip cut short": (zipped(train__csv=GOOD)[:-9], "cut short or damaged"),
    "zip with wrong bytes": (zipped(train__csv=GOOD).replace(b"7,0,1", b"7,0,2"), "cut short or damaged"),
    "zip without csv": (zipped(readme="hello"), r"0 csv files \(none\); expected one"),
    "zip with two": (zipped(train__csv=GOOD, test__csv=GOOD), r"2 csv files \(train.csv, test.csv\); expected one"),
    "a number that may have been cut": (GOOD[:-2], "line 3 ends the file with '25' and no newline"),
    "a quoted number that may have been cut": (GOOD.replace("255\n", '"25'), "line 3 ends the file with '25' and no"),
    "a number with zeros before it": (GOOD.replace("255\n", f"+{'0' * 5000}5"), "line 3 ends the file with '5' and no"),
    "zip with two in any case": (zipped(A__csv=GOOD, **{"B.CSV": GOOD}), r"2 csv files \(A.csv, B.CSV\); expected one"),
}


@pytest.mark.parametrize(("content", "message"), BAD_CSV.values(), ids=BAD_CSV)
def test_a_bad_csv_file_is_refused_and_the_line_named(tmp_path, content, message):
    with pytest.raises(DataFileError, match=f"file.csv.*{message}"):
        read_text(tmp_path, content)


@pytest.mark.parametrize("last", ["0", "26", '"25"', "025 "])
def test_a_last_number_that_is_whole_needs_no_newline(tmp_path, last):
    images, _ = read_text(tmp_path, GOOD.replace("255\n", last))
    assert images[1, 1, 1] == int(last.strip('" '))


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped(train__csv=text)], ids=["gzip", "zip"])
def test_a_packed_csv_may_hold_as_much_as_is_allowed_and_a_plain_one_more(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(formats, "LARGEST", len(GOOD))
    assert read_text(tmp_path, pack(GOOD.encode()))[1].tolist() == [7, 0]
    monkeypatch.setattr(formats, "LARGEST", len(GOOD) - 1)
    assert read_text(tmp_path, GOOD)[1].tolist() == [7, 0]
    with pytest.raises(DataFileError, match=r"file.csv holds .* or more; of a packed file, chainrule reads at most"):
        read_text(tmp_path, pack(GOOD.encode()))


ONE_LINE = bytes(64 << 20)


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda text: zipped(train__csv=text)], ids=["plain", "gzip", "zip"]
)
@pytest.mark.parametrize("start", [b"", b"label,pixel0\n7,"], ids=["in the header", "in a row"])
def test_a_line_without_end_is_not_read_to_its_end(tmp_path, little_memory, pack, start):
    content = pack(start + ONE_LINE)
    number = start.count(b"\n") + 1
    with little_memory(16 << 20), pytest.raises(DataFileError, match=f"line {number} has 1,048,576 characters"):
        read_text(tmp_path, content)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped(train__csv=text)], ids=["gzip", "zip"])
def test_a_packed_csv_is_unpacked_no_further_than_is_allowed(tmp_path, monkeypatch, pack, little_memory):
    monkeypatch.setattr(formats, "LARGEST", 1 << 20)
    content = pack(GOOD.encode() + b"1,1,1,1,1\n" * (1 << 20))
    with little_memory(8 << 20), pytest.raises(DataFileError, match=r"holds 0\.000977 GiB or more"):
        read_text(tmp_path, content)


def test_an_encrypted_zip_file_is_refused(tmp_path):
    content = bytearray(zipped(train__csv=GOOD))
    content[6] |= 1  # the flag in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    with pytest.raises(DataFileError, match="encrypted"):
        read_text(tmp_path, bytes(content))


def test_a_missing_csv_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match=r"There is no file .*nothing.csv"):
        read_csv(tmp_path / "nothing.csv")


def test_only_whole_sets_of_uint8_are_written_as_csv(tmp_path):
    with pytest.raises(DtypeError, match="float64"):
        write_kaggle_csv(tmp_path / "file.csv", IMAGES / 255, LABELS)
    with pytest.raises(ShapeError, match=r"\(5, 28, 28\) and \(3,\)"):
        write_kaggle_csv(tmp_path / "file.csv", IMAGES, LABELS[:3])
    with pytest.raises(ShapeError, match=r"\(5, 784\) and None"):
        write_kaggle_csv(tmp_path / "file.csv", IMAGES.reshape(5, 784), None)


# -------------------------------------------------------------------------------------- images and labels


def test_images_and_labels_that_belong_together_pass():
    check_digits(IMAGES, LABELS, "images", "labels")
    check_digits(IMAGES, None, "images", "labels")


BAD_PAIRS = {
    "counts": (IMAGES, LABELS[:4], "a-file has 5 images and b-file has 4 labels"),
    "above 9": (
        IMAGES,
        np.array([0, 1, 2, 11, 12]),
        r"b-file: image 3 \(counted from 0\) has the label 11; expected 0 to 9",
    ),
    "no images": (IMAGES[:0], LABELS[:0], "a-file holds no images"),
    "no pixels": (IMAGES[:, :0], LABELS, r"a-file holds no images: its shape is \(5, 0, 28\)"),
    "labels for images": (LABELS, LABELS, r"a-file holds an array \(5,\); expected images"),
    "images for labels": (IMAGES, IMAGES, r"b-file holds an array \(5, 28, 28\); expected labels"),
}


@pytest.mark.parametrize(("images", "labels", "message"), BAD_PAIRS.values(), ids=BAD_PAIRS)
def test_images_and_labels_that_do_not_are_named(images, labels, message):
    with pytest.raises(DataFileError, match=message):
        check_digits(images, labels, "a-file", "b-file")


# --------------------------------------------------------------- cut short anywhere, and a flipped byte anywhere


def npz_bytes(save):
    content = io.BytesIO()
    save(content, **keras(x_train=IMAGES[:, :3, :2], x_test=IMAGES[:2, :3, :2]))
    return content.getvalue()


IMAGES_IDX = idx_header(3, 2, 2) + IMAGES[:3, :2, :2].tobytes()

PLAIN = {"labels": (read_idx, WHOLE), "images": (read_idx, IMAGES_IDX), "csv": (read_csv, GOOD.encode())}
CHECKED = {
    "gzipped labels": (read_idx, gzip.compress(WHOLE)),
    "gzipped images": (read_idx, gzip.compress(IMAGES_IDX)),
    "gzipped csv": (read_csv, gzip.compress(GOOD.encode())),
    "zipped csv": (read_csv, zipped(train__csv=GOOD)),
    "npz": (read_keras_npz, npz_bytes(np.savez)),
    "compressed npz": (read_keras_npz, npz_bytes(np.savez_compressed)),
}


def attempt(read, path, content):
    """All numbers that a file holds, in a row, with the shapes; None if it is refused in words."""
    path.write_bytes(content)
    try:
        found = read(path)
    except DataFileError:
        return None
    arrays = found if isinstance(found, tuple) else (found,)
    return [(array.shape, array.tolist()) for array in arrays if array is not None]


@pytest.mark.parametrize(("read", "whole"), (PLAIN | CHECKED).values(), ids=PLAIN | CHECKED)
def test_a_file_cut_short_anywhere_is_refused_but_for_a_csv_between_two_lines(tmp_path, read, whole):
    """What a csv file has after a line, nothing in it says; the digits that are left have the right numbers."""
    expected = attempt(read, tmp_path / "file", whole)
    for length in range(len(whole)):
        found = attempt(read, tmp_path / "file", whole[:length])
        if whole == GOOD.encode() and found is not None:
            assert whole[length : length + 1] == b"\n" or whole[length - 1 : length] == b"\n", length
            assert found[0][1] == expected[0][1][: found[0][0][0]], length
        else:
            assert found is None, length


def flipped(whole):
    """The file with one byte other than it was, by a low bit, a high one, or all."""
    for place in range(len(whole)):
        for bits in (1, 32, 255):
            yield place, whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :]


@pytest.mark.parametrize(("read", "whole"), CHECKED.values(), ids=CHECKED)
def test_a_byte_flipped_anywhere_in_a_file_with_a_checksum_is_noticed_or_harmless(tmp_path, read, whole):
    expected = attempt(read, tmp_path / "file", whole)
    outcomes = [(place, attempt(read, tmp_path / "file", content)) for place, content in flipped(whole)]
    assert [place for place, found in outcomes if found not in (None, expected)] == []


@pytest.mark.parametrize("whole", [WHOLE, IMAGES_IDX], ids=["labels", "images"])
def test_a_byte_flipped_in_a_plain_idx_file_is_noticed_in_the_header_and_is_one_value_after_it(tmp_path, whole):
    """That value may be another: there is no checksum, but for MNIST, whose checksums are known."""
    header = 4 + 4 * whole[3]
    for place, content in flipped(whole):
        found = attempt(read_idx, tmp_path / "file", content)
        if place < header:
            assert found is None, place
        else:
            values = np.array(found[0][1]).reshape(-1).tolist()
            assert values == list(content[header:])


def test_a_byte_flipped_in_a_plain_csv_file_is_noticed_or_changes_one_number(tmp_path):
    expected = attempt(read_csv, tmp_path / "file", GOOD.encode())
    for place, content in flipped(GOOD.encode()):
        found = attempt(read_csv, tmp_path / "file", content)
        if found is None:
            continue
        assert [shape for shape, _ in found] == [shape for shape, _ in expected], place
        changes = [np.array(new) != np.array(old) for (_, new), (_, old) in zip(found, expected, strict=True)]
        assert sum(int(change.sum()) for change in changes) <= 1, place


# ------------------------------------------------------------------------------------------------- mapped files


@pytest.mark.parametrize("shape", [(5,), (3, 4, 6), (0, 4, 6)])
def test_mapped_files_hold_what_read_ones_do_and_cannot_be_written(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    write_idx(tmp_path / "a", array)
    np.save(tmp_path / "a.npy", array)
    for mapped in (map_idx(tmp_path / "a"), map_npy(tmp_path / "a.npy")):
        np.testing.assert_array_equal(mapped, array)
        assert mapped.dtype == np.uint8
        if array.size:
            assert isinstance(mapped, np.memmap)
            assert not mapped.flags.writeable


@pytest.mark.parametrize(
    ("array", "cut", "message"),
    [
        (np.zeros(4), 0, "holds float64; expected whole numbers, row by row"),
        (np.asfortranarray(np.zeros((3, 4), int)), 0, "holds int64, column by column; expected"),
        (np.array([{}]), 0, "holds pickled objects, and chainrule reads none"),
        (np.zeros(4, np.uint8), 1, r"declares 4 bytes of values, and 3 follow\. Fetch the file again"),
        (np.zeros(4, np.uint8), 100, "holds what cannot be read"),
        (np.zeros(4, np.uint8), 129, "holds what is not an array"),
    ],
)
def test_an_npy_file_of_something_else_is_not_mapped(tmp_path, array, cut, message):
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut] if cut != 129 else b"PK" + content[2:])
    with pytest.raises(DataFileError, match=message):
        map_npy(path)


def test_a_gzipped_idx_file_is_not_mapped(tmp_path):
    path = tmp_path / "a.gz"
    write_idx(path, np.zeros(4, np.uint8))
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataFileError, match=r"is gzipped, and cannot be read in pieces\. Unpack it"):
        map_idx(path)


def test_an_idx_file_of_another_length_is_not_mapped(tmp_path):
    path = tmp_path / "a"
    write_idx(path, np.zeros(4, np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataFileError, match="declares 4 = 4 bytes of values, and 3 bytes follow"):
        map_idx(path)
