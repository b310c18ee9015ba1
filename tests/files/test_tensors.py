"""What models and checkpoints have in common: how a file is packed, and read without trusting it."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save

from chainrule.errors import InputError
from chainrule.files import tensors
from chainrule.files.tensors import LARGEST_HEADER, pack_tensors, read_json, read_tensors, write_json

METADATA = {"format": "kind", "version": "1", "words": '‹é› "quoted" \\ \n'}


def sealed(content):
    """Bytes with the checksum that docs/file-format.md describes in the place of 64 zeros."""
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


def written_by_hand(header, data=b"", metadata=METADATA):
    """A file of this header, a dict or JSON without its last brace, whose checksum fits whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()[:-1]
    words = json.dumps({**metadata, "sha256": "0" * 64}).encode()
    text += (b"" if text == b"{" else b", ") + b'"__metadata__": ' + words + b"}"
    return sealed(struct.pack("<Q", len(text)) + text + data)


def read(path, content=None):
    if content is not None:
        path.write_bytes(content)
    return read_tensors(path, "kind", "1")


def refused(path, content=None, expected="."):
    with pytest.raises(InputError, match=expected) as caught:
        read(path, content)
    assert len(str(caught.value)) < 500


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


# ---------------------------------------------------------------------------------------------- there and back


def test_what_is_packed_comes_back(path):
    arrays = {
        "a": np.random.default_rng(0).normal(size=(3, 4)),
        "b": np.arange(5, dtype=np.int64)[::-1],
        "c": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "d": np.zeros((0, 3), np.float32),
        "e": np.array(5.0),
    }
    metadata, back = read(path, pack_tensors(arrays, METADATA))
    assert {name: metadata[name] for name in METADATA} == METADATA
    assert set(metadata) == {*METADATA, "sha256"}
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert_array_equal(back[name], array)


def test_a_file_written_from_the_description_is_read(path):
    entry = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
    _, arrays = read(path, written_by_hand({"a": entry}, np.array([1.5, -2]).tobytes()))
    assert_array_equal(arrays["a"], [1.5, -2])


def test_a_header_that_could_not_be_read_again_is_not_written():
    with pytest.raises(InputError, match=r"header would have .* at most"):
        pack_tensors({}, {**METADATA, "words": "x" * LARGEST_HEADER})


# ------------------------------------------------------------------------------------------- damaged by chance


def small():
    return pack_tensors({"a": np.array([1.5, 2], np.float32), "b": np.array([7])}, METADATA)


def test_a_file_with_any_bit_flipped_is_refused(path):
    content = small()
    path.write_bytes(content)
    with path.open("r+b", buffering=0) as file:  # one byte at a time, which is faster than the whole
        for position, byte in enumerate(content):
            for bit in range(8):
                file.seek(position)
                file.write(bytes([byte ^ 1 << bit]))
                refused(path)
            file.seek(position)
            file.write(bytes([byte]))
    assert path.read_bytes() == content


def test_a_file_cut_anywhere_or_longer_is_refused(path):
    content = small()
    refused(path, content + b"\0", "by its header .* damaged or cut short")
    for length in reversed(range(len(content))):
        os.truncate(path, length)
        refused(path)


def test_numbers_exchanged_for_others_are_refused(path):
    one, other = (pack_tensors({"a": np.array([number])}, METADATA) for number in (1, 2))
    refused(path, one[:-8] + other[-8:], "its checksum does not fit its content: it is damaged")


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        (None, "it has no checksum"),
        ("", "it has no checksum"),
        ("0" * 63, "it has no checksum"),
        ("é" * 64, "it has no checksum"),  # as JSON writes it, not as the file has it
        ("0" * 64, "its checksum does not fit"),
        ("f" * 64, "its checksum does not fit"),
        ("\ud800" * 64, "no JSON"),
    ],
)
def test_a_file_without_its_checksum_is_refused(path, checksum, message):
    metadata = METADATA if checksum is None else METADATA | {"sha256": checksum}
    text = json.dumps({"__metadata__": metadata}).encode()
    refused(path, struct.pack("<Q", len(text)) + text, message)


def test_the_checksum_is_in_small_letters(path):
    content = small()
    checksum = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["sha256"].encode()
    assert checksum.upper() != checksum
    refused(path, content.replace(checksum, checksum.upper()), "its checksum does not fit")


# ------------------------------------------------------------------------------------- forged, the checksum fitting


def entry(begin, end, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


FORGED = {
    "32 GiB in a file of few bytes": ({"a": entry(0, 2**35, [2**33])}, b""),
    "a shape beyond its bytes": ({"a": entry(0, 4, [2**33])}, bytes(4)),
    "a shape whose size overflows": ({"a": entry(0, 4, [2**32, 2**32])}, bytes(4)),
    "a shape that is too large for its type": ({"a": entry(0, 4, [2**64])}, bytes(4)),
    "a negative shape": ({"a": entry(0, 4, [-1])}, bytes(4)),
    "a fractional shape": ({"a": entry(0, 4, [1.0])}, bytes(4)),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)),
    "no dtype": ({"a": {"shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "no offsets": ({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "a dtype of objects": ({"a": entry(0, 8, [1], "O8")}, bytes(8)),
    "one offset": ({"a": {**entry(0, 4), "data_offsets": [4]}}, bytes(4)),
    "three offsets": ({"a": {**entry(0, 4), "data_offsets": [0, 4, 4]}}, bytes(4)),
    "offsets that are text": ({"a": {**entry(0, 4), "data_offsets": ["0", "4"]}}, bytes(4)),
    "offsets that are infinite": (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}', bytes(4)),
    "offsets backwards": ({"a": entry(4, 0)}, bytes(4)),
    "offsets below 0": ({"a": entry(-4, 0)}, b""),
    "offsets of many digits": ({"a": entry(0, 10**4000)}, bytes(4)),
    "arrays that overlap": ({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)),
    "arrays in one place": ({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4)),
    "a hole between arrays": ({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
    "a hole before them": ({"a": entry(4, 8)}, bytes(8)),
    "bytes behind them": ({"a": entry(0, 4)}, bytes(8)),
    "an entry that is a number": ({"a": 5}, b""),
    "an entry that is a list": ({"a": [0, 4]}, bytes(4)),
    "an entry that is null": ({"a": None}, b""),
    "a name twice": (b'{"a": ' + json.dumps(entry(0, 4)).encode() + b', "a": ' + json.dumps(entry(0, 4)).encode(),
                     bytes(4)),
    "a shape twice": (b'{"a": {"dtype": "F32", "shape": [1], "shape": [1], "data_offsets": [0, 4]}', bytes(4)),
    "metadata twice": (b'{"__metadata__": {"format": "kind", "version": "1"}', b""),
    "a word twice in the metadata": (b'{"__metadata__": {"format": "other", "format": "kind"}', b""),
    "half a pair for a name": (b'{"\\ud800": ' + json.dumps(entry(0, 4)).encode(), bytes(4)),
    "NaN for a shape": (b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}', bytes(4)),
    "a deep header": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000, b""),
    "a deep header of objects": (b'{"a": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b""),
    "a deep entry that safetensors sees": (b'{"a": ' + b"[" * 500 + b"]" * 500, b""),
    "a number of a million digits": (b'{"a": ' + b"9" * 1_000_000, b""),
}  # fmt: skip


@pytest.mark.parametrize(("header", "data"), FORGED.values(), ids=FORGED)
def test_a_header_that_lies_is_refused(path, header, data):
    refused(path, written_by_hand(header, data))


METADATA_OF_ANOTHER_TYPE = [None, 5, "format", [], [["format", "kind"]], {"format": 5}, {"format": None},
                            {**METADATA, "words": ["a"]}, {**METADATA, "words": {}}]  # fmt: skip


@pytest.mark.parametrize("metadata", METADATA_OF_ANOTHER_TYPE, ids=str)
def test_metadata_that_are_not_texts_by_name_are_refused(path, metadata):
    text = json.dumps({"__metadata__": metadata}).encode()
    refused(path, struct.pack("<Q", len(text)) + text, "not texts by name|no kind")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**63 - 1, 2**40, LARGEST_HEADER + 1, 3])
def test_a_header_longer_than_the_file_or_than_any_is_refused(path, length):
    refused(path, struct.pack("<Q", length) + b"{}", "no safetensors file, or cut short")


def test_a_header_longer_than_any_is_not_read(path):
    with path.open("wb") as file:  # a file with a hole: it has a length, and takes no room
        file.write(struct.pack("<Q", 2**33))
        file.truncate(2**34)
    tracemalloc.start()
    try:
        refused(path, expected="no safetensors file, or cut short")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_longer_than_its_header_says_is_not_read(path):
    with path.open("wb") as file:
        file.write(small())
        file.truncate(2**34)
    tracemalloc.start()
    try:
        refused(path, expected="by its header")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_of_another_kind_or_version_says_so(path):
    refused(path, pack_tensors({}, METADATA | {"format": "other"}), "its format is 'other'; expected kind")
    refused(path, save({"a": np.zeros(3)}), "a safetensors file of another program, no kind")
    refused(path, pack_tensors({}, METADATA | {"version": "2" * 1000}), "reads version 1. Update chainrule")


WIDE = {
    "lists": b'{"a": [' + b",".join([b"[]"] * 1_380_000) + b"]",
    "objects": b'{"a": [' + b",".join([b"{}"] * 1_380_000) + b"]",
    "numbers": b'{"a": [' + b",".join([b"1.5"] * 1_040_000) + b"]",
    "names": b"{" + b",".join(b'"%x":0' % i for i in range(400_000)),
    "arrays": b"{" + b",".join(b'"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(70_000)),
}

#: Reads each file it is given with little more memory than it has already, and prints what came of it.
CHILD = """
import resource, sys
from pathlib import Path
import safetensors.numpy
from chainrule.errors import InputError
from chainrule.files.tensors import read_tensors
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (192 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        read_tensors(Path(path), "kind", "1")
        print("read")
    except InputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the limit")
def test_no_small_file_takes_more_than_192_mib(tmp_path):
    paths = []
    for name, (header, data) in {**FORGED, **{name: (header, b"") for name, header in WIDE.items()}}.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(written_by_hand(header, data))
        assert paths[-1].stat().st_size < LARGEST_HEADER
    hole = tmp_path / "a file of a terabyte that is a hole"
    content = written_by_hand({"a": entry(0, 2**40, [2**38])})
    with hole.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + 2**40)
    done = subprocess.run([sys.executable, "-c", CHILD, *paths, hole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths) + 1
    assert lines[-1] == "it does not fit into memory"
    assert not any("memory" in line for line in lines[:-1])


# --------------------------------------------------------------------------------------------- what is no file


def within_seconds(work):
    """Whether it ends; a pipe that is opened without care waits for ever."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    assert within_seconds(lambda: refused(path, expected="it is a device or a pipe, not a file"))
    refused(path, expected="it is a device or a pipe, not a file")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("/dev/zero")
    refused(tmp_path / "link", expected="it is a device or a pipe, not a file")


def test_what_cannot_be_opened_says_why(tmp_path):
    refused(tmp_path, expected="it cannot be read")  # a folder
    (tmp_path / "file").write_bytes(small())
    refused(tmp_path / "file" / "below", expected="it cannot be read")
    refused(tmp_path / ("x" * 5000), expected="it cannot be read")
    refused(tmp_path / "nul\0", expected="there can be no file of that name")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions are another thing here")
def test_a_file_closed_to_its_reader_says_so(path):
    path.write_bytes(small())
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # to whom nothing is closed
        os.seteuid(65_534)
    try:
        refused(path, expected=r"it cannot be read \(Permission denied\)")
    finally:
        os.seteuid(user)


def test_a_file_cut_while_it_is_read_is_refused(path, monkeypatch):
    path.write_bytes(pack_tensors({"a": np.zeros(10_000)}, METADATA))

    def cut(entries):
        os.truncate(path, 20_000)
        return 80_000

    monkeypatch.setattr(tensors, "_length_of_data", cut)
    refused(path, expected="its checksum does not fit")


# ---------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"a": 1, "a": 2}]', "NaN", "[-Infinity]", '"\\ud800"',
                                  '{"\\uDFFF": 1}', "", "{", "[" * 100_000, "9" * 5000])  # fmt: skip
def test_json_that_means_two_things_or_none_is_refused(text):
    with pytest.raises((ValueError, RecursionError)):
        read_json(text)


def test_letters_beyond_the_first_plane_are_read():
    assert read_json('["\\ud83d\\ude00"]') == ["\U0001f600"]


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, "\ud800", {"a": np.nan}, object(), 10**5000], ids=type)
def test_what_could_not_be_read_again_is_not_written(value):
    with pytest.raises(InputError, match="keeps facts as JSON, and these cannot be"):
        write_json("facts", value)
