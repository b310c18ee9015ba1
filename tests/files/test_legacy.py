import copyreg
import os
import pickle
import struct
import subprocess
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule import two_layer
from chainrule.errors import DataFileError, UnknownNameError
from chainrule.files import legacy
from chainrule.files.legacy import read_pickled_parameters

PROTOCOLS = pytest.mark.parametrize("protocol", range(6))
NAMES = ("W1", "b1", "W2", "b2")


@pytest.fixture(scope="module")
def parameters():
    """Four arrays as a tutorial has them, for pictures of 4 × 4 pixels."""
    return two_layer.init_params(5, inputs=16, classes=3, seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (200, 4, 4), dtype=np.uint8)


def written(tmp_path, value, protocol=4):
    """The path of a pickle; of these very bytes, if they are bytes."""
    path = tmp_path / "parameters.pkl"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


def predictions_of_the_page(parameters, images, activation="relu"):
    X = images.reshape(len(images), -1).T / 255
    return two_layer.make_predictions(X, *parameters, activation=activation)


def holds(model, parameters):
    """The model has exactly these numbers."""
    W1, b1, W2, b2 = (np.asarray(array, np.float64) for array in parameters)
    expected = np.concatenate([W1.T.ravel(), b1.ravel(), W2.T.ravel(), b2.ravel()])
    return model.network.dtype == np.float64 and np.array_equal(model.network.parameters, expected)


# ----------------------------------------------------------------------------------- what tutorials wrote


@PROTOCOLS
@pytest.mark.parametrize(
    "wrap", [tuple, list, lambda arrays: dict(zip(NAMES, arrays, strict=True))], ids=["tuple", "list", "dict"]
)
def test_every_way_of_writing_the_four_arrays_is_read(tmp_path, parameters, images, protocol, wrap):
    model = read_pickled_parameters(written(tmp_path, wrap(parameters), protocol))
    assert holds(model, parameters)
    assert model.preparation.shape == (4, 4)
    assert model.class_names == ("0", "1", "2")
    assert_array_equal(model.predict(images), predictions_of_the_page(parameters, images))


def test_the_order_of_a_dict_and_what_else_is_in_it_do_not_matter(tmp_path, parameters):
    b2_first = {"extra": [1, "two", None], **dict(zip(NAMES[::-1], parameters[::-1], strict=True))}
    assert holds(read_pickled_parameters(written(tmp_path, b2_first)), parameters)


KINDS = {
    "float32": lambda array: array.astype(np.float32),
    "float16": lambda array: array.astype(np.float16),
    "integers": lambda array: np.rint(9 * array).astype(np.int64),
    "Fortran order": np.asfortranarray,
    "big-endian": lambda array: array.astype(">f8"),
    "big-endian float32, Fortran order": lambda array: np.asfortranarray(array.astype(">f4")),
    "every second of a longer array": lambda array: np.repeat(array, 2, axis=0)[::2],
    "read-only": lambda array: np.frombuffer(array.tobytes()).reshape(array.shape),
}


@PROTOCOLS
@pytest.mark.parametrize("change", KINDS.values(), ids=KINDS)
def test_every_kind_of_numbers_is_read(tmp_path, parameters, images, protocol, change):
    changed = tuple(change(array) for array in parameters)
    model = read_pickled_parameters(written(tmp_path, changed, protocol))
    assert holds(model, changed)
    in_float64 = [np.asarray(array, np.float64) for array in changed]
    assert_array_equal(model.predict(images), predictions_of_the_page(in_float64, images))


@PROTOCOLS
def test_biases_may_be_flat(tmp_path, parameters, protocol):
    W1, b1, W2, b2 = parameters
    assert holds(read_pickled_parameters(written(tmp_path, (W1, b1[:, 0], W2, b2.ravel()), protocol)), parameters)


@PROTOCOLS
@pytest.mark.parametrize("core", [b"core", b"_core"])
def test_both_module_names_of_numpy_are_read(tmp_path, parameters, protocol, core):
    content = pickle.dumps(parameters, protocol)
    names = [f"numpy.{name}.{module}".encode() for name in ("core", "_core") for module in ("multiarray", "numeric")]
    assert any(name in content for name in names)
    for name in names:
        new = b"numpy." + core + b"." + name.split(b".")[2]
        if protocol >= 4:  # names with their length before them, in frames with theirs
            name, new = bytes([len(name)]) + name, bytes([len(new)]) + new  # noqa: PLW2901
        content = content.replace(name, new)
    if protocol >= 4:
        content = content[:2] + content[11:]  # a frame is not required
        assert content[2:3] != b"\x95"
    assert b"numpy." + core in content
    assert holds(read_pickled_parameters(written(tmp_path, content)), parameters)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_the_hidden_activation_is_the_callers_choice(tmp_path, parameters, images, activation):
    model = read_pickled_parameters(written(tmp_path, parameters), activation=activation)
    assert_array_equal(model.predict(images), predictions_of_the_page(parameters, images, activation))


def test_an_unknown_activation_is_named(tmp_path, parameters):
    with pytest.raises(UnknownNameError, match="'tanh'"):
        read_pickled_parameters(written(tmp_path, parameters), activation="tahn")


def test_the_model_remembers_where_it_came_from(tmp_path, parameters):
    assert read_pickled_parameters(written(tmp_path, parameters)).facts["imported_from"] == "parameters.pkl"


# ------------------------------------------------------------------------------------- what is not that


def refused(path, expected="."):
    with pytest.raises(DataFileError, match=expected) as caught:
        read_pickled_parameters(path)
    message = str(caught.value)
    assert str(path) in message
    assert len(message) < 1000


def z(*shape):
    return np.zeros(shape)


UNFIT = {
    "three arrays": ((z(5, 16), z(5, 1), z(3, 5)), "four arrays W1, b1, W2, b2"),
    "five arrays": ((z(5, 16), z(5, 1), z(3, 5), z(3, 1), z(1)), "four arrays"),
    "nothing": ((), "four arrays"),
    "None": (None, "holds NoneType"),
    "a single array": (z(5, 16), "four arrays"),
    "text": ("W1 b1 W2 b2", "four arrays"),
    "a number among them": ((z(5, 16), 3.0, z(3, 5), z(3, 1)), "b1 is float"),
    "lists of numbers": (([[0.0] * 16] * 5, [0.0] * 5, [[0.0] * 5] * 3, [0.0] * 3), "W1 is list"),
    "a dict without W2": ({"W1": z(5, 16), "b1": z(5, 1), "b2": z(3, 1)}, "W2 is NoneType"),
    "weights as rows": ((z(16, 5), z(5, 1), z(5, 3), z(3, 1)), r"\(16, 5\).*expected W1 \(H, 784\)"),
    "no square pictures": ((z(5, 15), z(5, 1), z(3, 5), z(3, 1)), r"\(5, 15\)"),
    "a wrong first bias": ((z(5, 16), z(4, 1), z(3, 5), z(3, 1)), r"\(4, 1\)"),
    "a wrong second bias": ((z(5, 16), z(5, 1), z(3, 5), z(4, 1)), r"\(4, 1\)"),
    "a wrong second weight": ((z(5, 16), z(5, 1), z(3, 6), z(3, 1)), r"\(3, 6\)"),
    "a flat weight": ((z(80), z(5, 1), z(3, 5), z(3, 1)), r"\(80,\)"),
    "single numbers": ((z(), z(), z(), z()), r"\(\), \(\)"),
    "a single number for W2": ((z(5, 16), z(5, 1), z(), z(3, 1)), r"\(\)"),
    "three dimensions": ((z(5, 4, 4), z(5, 1), z(3, 5), z(3, 1)), "at most two dimensions"),
    "empty arrays": ((z(0, 0), z(0, 1), z(0, 0), z(0, 1)), "."),
    "no hidden unit": ((z(0, 16), z(0, 1), z(3, 0), z(3, 1)), "."),
    "NaN": ((np.full((5, 16), np.nan), z(5, 1), z(3, 5), z(3, 1)), "W1 contains NaN"),
    "infinity": ((z(5, 16), z(5, 1), z(3, 5), np.full((3, 1), -np.inf)), "b2 contains NaN or infinity"),
    "complex numbers": ((z(5, 16) + 1j, z(5, 1), z(3, 5), z(3, 1)), "'c16'; only numbers"),
    "truths": ((z(5, 16) > 0, z(5, 1), z(3, 5), z(3, 1)), "'b1'; only numbers"),
    "dates": ((z(5, 16).astype("M8[s]"), z(5, 1), z(3, 5), z(3, 1)), "'M8'; only numbers"),
    "texts": ((z(5, 16).astype("U3"), z(5, 1), z(3, 5), z(3, 1)), "'U3'; only numbers"),
    "records": ((np.zeros((5, 16), [("x", "f8")]), z(5, 1), z(3, 5), z(3, 1)), "only numbers"),
    "objects": ((z(5, 16).astype(object), z(5, 1), z(3, 5), z(3, 1)), "'O8'; only numbers"),
    "a matrix class": ((np.ma.array(z(5, 16)), z(5, 1), z(3, 5), z(3, 1)), "could run code"),
    "numpy's numbers": ((np.float64(1), z(5, 1), z(3, 5), z(3, 1)), "could run code"),
}


@pytest.mark.parametrize(("value", "expected"), UNFIT.values(), ids=UNFIT)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_what_is_not_the_four_arrays_is_refused(tmp_path, value, expected, protocol):
    refused(written(tmp_path, value, protocol), expected)


def test_signalling_nans_are_refused_without_a_warning(tmp_path):
    noisy = np.full((5, 16), 0x7F800001, np.uint32).view(np.float32)
    refused(written(tmp_path, (noisy, z(5, 1), z(3, 5), z(3, 1))), "W1 contains NaN")


def test_no_file_and_a_folder_are_named(tmp_path):
    refused(tmp_path / "missing.pkl", "Cannot read .*No such file")
    refused(tmp_path, "Cannot read .*directory")


@pytest.mark.parametrize("content", [b"", b".", b"epoch,loss\n1,0.5\n", bytes(100), b"\x93NUMPY\x01\x00", b"\x80\xff."])
def test_what_is_no_pickle_is_refused(tmp_path, content):
    refused(written(tmp_path, content))


def test_a_file_larger_than_any_tutorials_is_not_read(tmp_path, parameters, monkeypatch):
    path = written(tmp_path, parameters)
    monkeypatch.setattr(legacy, "LARGEST_FILE", path.stat().st_size - 1)
    refused(path, "is not read")
    monkeypatch.setattr(legacy, "LARGEST_FILE", path.stat().st_size)
    assert holds(read_pickled_parameters(path), parameters)


@PROTOCOLS
def test_a_file_cut_short_anywhere_is_refused(tmp_path, protocol):
    content = pickle.dumps(two_layer.init_params(1, inputs=1, classes=2, seed=0), protocol)
    path = written(tmp_path, content)
    read_pickled_parameters(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        refused(path)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_flipped_byte_never_surprises(tmp_path, protocol):
    content = pickle.dumps(two_layer.init_params(1, inputs=1, classes=2, seed=0), protocol)
    path = written(tmp_path, content)
    messages, read = [], []
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            read.append(read_pickled_parameters(path))
        except DataFileError as error:
            messages.append(str(error))
    assert all(np.isfinite(model.network.parameters).all() for model in read)
    assert all(str(path) in message for message in messages)
    assert messages


# --------------------------------------------------------------------------------------------- what attacks


class Calls:
    """An object whose pickle is the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Stateful:
    """An object whose state is another one."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return (object, (), self.state)


class Named:
    """An object that is made with an argument by name."""

    def __init__(self, value):
        self.value = value

    def __getnewargs_ex__(self):
        return (), {"value": self.value}


class Items(list):
    """A list, or as good as a dict, that is filled with others."""

    def __init__(self, items, pairs):
        self.parts = items, pairs

    def __reduce__(self):
        items, pairs = self.parts
        return (list if pairs is None else dict, (), None, items and iter(items), pairs and iter(pairs))


class Setter:
    """An object with a function that is called to set its state."""

    def __init__(self, function, argument):
        self.parts = function, argument

    def __reduce__(self):
        function, argument = self.parts
        return (list, (), argument, None, None, function)


class Spoilt(np.ndarray):
    """An array with a class of its own."""


def attacks(canary):
    """Values whose pickles, read by pickle itself, would make the file `canary`."""
    touch, source = f"touch {canary}", f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": Calls(os.system, touch),
        "eval": Calls(eval, source),
        "exec": Calls(exec, source),
        "open": Calls(open, str(canary), "w"),
        "subprocess": Calls(subprocess.call, ["touch", str(canary)]),
        "Popen": Calls(subprocess.Popen, ["touch", str(canary)]),
        "an import": Calls(eval, f"__import__('os').system({touch!r})"),
        "getattr": Calls(getattr, Calls(eval, source), "real"),
        "numpy.load": Calls(np.load, Calls(eval, source), None, True),
        "numpy's test": Calls(np.fromfile, Calls(eval, source)),
        "a chain": Calls(Calls, Calls(os.system, touch)),
        "in a list": [1, [2, [Calls(os.system, touch)]]],
        "in a dict": {"W1": Calls(os.system, touch)},
        "as an array": (z(5, 16), z(5, 1), z(3, 5), Calls(os.system, touch)),
        "a chain of calls": Calls(getattr, Calls(getattr, Calls(__import__, "os"), "system"), "__call__"),
        "the state of an object": Stateful({"path": Calls(os.system, touch)}),
        "arguments by name": Named(Calls(os.system, touch)),
        "the items of a list": Items([Calls(os.system, touch)], None),
        "the items of a dict": Items(None, [("W1", Calls(os.system, touch))]),
        "a function that sets the state": Setter(os.system, touch),
        "a subclass of an array": np.zeros((5, 16)).view(Spoilt),
        "in an array of objects": np.array([Calls(os.system, touch), None]),
    }


KINDS_OF_ATTACK = tuple(attacks("x"))


@pytest.mark.parametrize("kind", KINDS_OF_ATTACK)
@PROTOCOLS
def test_an_attack_is_refused_and_nothing_runs(tmp_path, kind, protocol):
    canary = tmp_path / "canary"
    refused(written(tmp_path, attacks(canary)[kind], protocol), "could run code|only numbers")
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["os.system", "eval", "exec", "subprocess"])
def test_the_attacks_would_work_on_pickle_itself(tmp_path, kind):
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(attacks(canary)[kind]))
    assert canary.exists()


#: Machine code for pickle's machine. `{touch}` is a command that would leave a file behind.
ASSEMBLED = {
    "os.system by protocol 0": b"cos\nsystem\n(S'{touch}'\ntR.",
    "posix.system": b"cposix\nsystem\n(S'{touch}'\ntR.",
    "INST": b"(S'{touch}'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'{touch}'\no.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93(S'{touch}'\ntR.",
    "STACK_GLOBAL by a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11os.system.__call__\x93(S'{touch}'\ntR.",
    "a dotted name below a stand-in": b"\x80\x04cnumpy\nndarray.__setstate__.__globals__\n.",
    "a dotted name below a module": b"\x80\x04c_codecs\nencode.__self__\n.",
    "__builtins__": b"cnumpy.core.multiarray\n__builtins__\n.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR.",
    "__builtin__.eval": b"c__builtin__\neval\n(S'1'\ntR.",
    "copyreg": b"ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.",
    "another codec": b"c_codecs\nencode\n(Vxx\nVrot13\ntR.",
    "decoding": b"c_codecs\ndecode\n(Vxx\nVrot13\ntR.",
    "numpy's exec_command": b"cnumpy.distutils.exec_command\nexec_command\n(S'{touch}'\ntR.",
    "a persistent id": b"Pos.system\n.",
    "a binary persistent id": b"S'os.system'\nQ.",
    "an extension code": b"\x82\x01.",
    "a long extension code": b"\x84\x01\x00\x00\x00.",
    "a foreign buffer": b"\x80\x05\x97.",
    "a read-only foreign buffer": b"\x80\x05N\x98.",
    "calling a text": b"S'os.system'\n(tR.",
    "calling an array": b"cnumpy\nndarray\n)\x81(tR.",
    "making a dtype of a text": b"cnumpy\ndtype\n(S'O'\ntR.",
    "an array of no state": b"cnumpy\nndarray\n)\x81N\x85b.",
    "something else's state": b"]}S'__class__'\ncos\nsystem\nsb.",
    "a memo that is not there": b"h\x05.",
    "a negative memo": b"Np-5\n.",
    "popping what is not there": b"0000.",
    "marks": b"(((((.",
    "an integer of many digits": b"I" + b"9" * 10_000 + b"\n.",
    "protocol 255": b"\x80\xff.",
    "an unknown instruction": b"\xff.",
}


@pytest.mark.parametrize("code", ASSEMBLED.values(), ids=ASSEMBLED)
def test_machine_code_made_by_hand_is_refused_and_nothing_runs(tmp_path, code):
    canary = tmp_path / "canary"
    refused(written(tmp_path, code.replace(b"{touch}", b"touch " + os.fsencode(canary))))
    assert not canary.exists()


@pytest.mark.parametrize("code", [b"\x82\xf0", b"\x83\xf0\0", b"\x84\xf0\0\0\0"], ids=["EXT1", "EXT2", "EXT4"])
@pytest.mark.parametrize("cached", [False, True])
def test_what_a_program_registered_for_its_own_pickles_is_refused(tmp_path, code, cached):
    canary = tmp_path / "canary"
    copyreg.add_extension("os", "system", 0xF0)
    try:
        if cached:  # pickle then takes it without asking for the name
            assert pickle.loads(code + b".") is os.system
        refused(written(tmp_path, code + b"(S'touch " + os.fsencode(canary) + b"'\ntR."), "more than arrays need")
    finally:
        copyreg.remove_extension("os", "system", 0xF0)
    assert not canary.exists()


def test_a_class_is_never_looked_up(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("a hostile file made Python import something")

    path = written(tmp_path, b"cos\nsystem\n(S'true'\ntR.")
    monkeypatch.setattr("builtins.__import__", fail)
    try:
        read_pickled_parameters(path)
    except DataFileError as error:
        message = str(error)
    finally:
        monkeypatch.undo()
    assert "os.system" in message


def array_code(shape=b"(I2\nI3\nt", dtype=b"S'f8'\n", content=b"", state=b"(I3\nS'<'\nNNNI-1\nI-1\nI0\nt"):
    """One pickled array, each part to be forged."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        + shape
        + b"cnumpy\ndtype\n("
        + dtype
        + b"I0\nI1\ntR"
        + state
        + b"bI00\n"
        + (content or b"C\x30" + bytes(48))
        + b"tb"
    )


def four_times(code):
    return b"(" + code * 4 + b"t."


def test_the_forgeries_below_begin_with_a_sound_array(tmp_path):
    refused(written(tmp_path, four_times(array_code())), r"the arrays have shapes \(2, 3\), \(2, 3\)")


FORGED = {
    "a giant shape": array_code(shape=b"(I1000000000000\nI1000000000000\nt"),
    "a shape beyond integers": array_code(shape=b"(L" + b"9" * 4000 + b"L\nI3\nt"),
    "a shape too large to print": array_code(shape=b"(I0x" + b"f" * 9000 + b"\nI3\nt"),
    "a negative shape": array_code(shape=b"(I-2\nI-3\nt"),
    "a fractional shape": array_code(shape=b"(F2\nI3\nt"),
    "a shape of truths": array_code(shape=b"(I01\nI6\nt"),
    "a shape of text": array_code(shape=b"S'23'\n"),
    "a shape of nothing": array_code(shape=b"N"),
    "a long shape": array_code(shape=b"(" + b"I1\n" * 5000 + b"t"),
    "too few bytes": array_code(content=b"C\x08" + bytes(8)),
    "too many bytes": array_code(content=b"C\x38" + bytes(56)),
    "no bytes": array_code(content=b"N"),
    "a list for bytes": array_code(content=b"]"),
    "text beyond Latin-1": array_code(content="V\u4e00\n".encode("raw-unicode-escape")),
    "objects": array_code(dtype=b"S'O8'\n"),
    "a number for a dtype": array_code(dtype=b"I8\n"),
    "a list for a dtype": array_code(dtype=b"]"),
    "a dtype with no state": array_code(state=b"N"),
    "a dtype with a short state": array_code(state=b"(t"),
    "a dtype with text for a state": array_code(state=b"S''\n"),
}


@pytest.mark.parametrize("code", FORGED.values(), ids=FORGED)
def test_a_forged_array_is_refused(tmp_path, code):
    refused(written(tmp_path, four_times(code)))


FROM_BUFFER = (
    b"cnumpy.core.numeric\n_frombuffer\n(C\x30" + bytes(48) + b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I2\nI3\nt%stR"
)
BARE = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
NOT_NUMPYS = "an array's description is not NumPy's"
WORDS = {
    "a sound array, by the other way": (FROM_BUFFER % b"S'C'\n", r"the arrays have shapes \(2, 3\), \(2, 3\)"),
    "an order of neither kind": (FROM_BUFFER % b"S'K'\n", NOT_NUMPYS),
    "no bytes": (FORGED["no bytes"], NOT_NUMPYS),
    "a number for the dtype": (
        array_code().replace(b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb", b"I8\n"),
        NOT_NUMPYS,
    ),
    "an array that was never filled": (BARE, "W1 is NotedArray; expected an array"),
    "a negative shape": (FORGED["a negative shape"], r"shape \(-2, -3\); expected at most two dimensions"),
    "bytes from a number": (array_code(content=b"c_codecs\nencode\n(I1\nS'latin1'\ntR"), "asks for a text encoding"),
    "bytes in another alphabet": (
        array_code(content=b"c_codecs\nencode\n(Vx\nS'utf-7'\ntR"),
        "asks for a text encoding",
    ),
    "too few bytes": (FORGED["too few bytes"], r"an array of shape \(2, 3\) does not fit its 8 bytes"),
}


@pytest.mark.parametrize(("code", "message"), WORDS.values(), ids=WORDS)
def test_a_forged_array_is_refused_in_words_of_its_own(tmp_path, code, message):
    refused(written(tmp_path, four_times(code)), message)


def doubled(times, opening=b"N"):
    """A tuple of two tuples of two tuples …: few bytes to write, 2^times parts to walk through."""
    return opening + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(times))


def frombuffer_code(content, shape):
    return b"cnumpy.core.numeric\n_frombuffer\n(" + content + b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR" + shape + b"S'C'\ntR"


BOMBS = {
    "a memo index of two thousand million": b"Nr" + struct.pack("<I", 2**31) + b".",
    "the largest memo index": b"Nr" + struct.pack("<I", 2**32 - 1) + b".",
    "a memo index in text": b"Np" + b"9" * 18 + b"\n.",
    "bytes of a size that does not follow": b"\x80\x04\x8e" + struct.pack("<Q", 2**36) + b".",
    "a byte array of a size that does not follow": b"\x80\x05\x96" + struct.pack("<Q", 2**29) + b".",
    "text of a size that does not follow": b"\x80\x04\x8d" + struct.pack("<Q", 2**36) + b".",
    "a number of a size that does not follow": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "a frame of a size that does not follow": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "a number where bytes belong": four_times(frombuffer_code(b"J" + struct.pack("<i", 2**26), b"(I4096\nI2048\nt")),
    "a dtype that is a bomb": b"cnumpy\ndtype\n(" + doubled(60) + b"tR.",
    "a shape that is a bomb": four_times(array_code(shape=doubled(60))),
    "a dimension that is a bomb": four_times(array_code(shape=b"(" + doubled(60) + b"I3\nt")),
    "a key that is a bomb": b"}" + doubled(60) + b"Ns.",
    "keys that are bombs": b"}(" + doubled(60) + b"Nu.",
    "keys of a new dict that are bombs": b"(" + doubled(60) + b"Nd.",
    "a set of bombs": b"\x80\x04\x8f(" + doubled(60) + b"\x90.",
    "a frozen set of bombs": b"\x80\x04(" + doubled(60) + b"\x91.",
    "a result that is a bomb": doubled(60) + b".",
    "a text that is copied for ever": b"\x80\x02c_codecs\nencode\nq\0X"
    + struct.pack("<I", 100_000)
    + b"x" * 100_000
    + b"q\x01"
    + b"h\0h\x01\x85R" * 1000
    + b".",
    "a text that is many arrays": b"\x80\x02X"
    + struct.pack("<I", 800_000)
    + b"x" * 800_000
    + b"q\0("
    + b"cnumpy.core.multiarray\n_reconstruct\n)R(I1\n(I100000\nI1\ntcnumpy\ndtype\nX\x02\0\0\0f8\x85RI00\nh\0tb" * 90
    + b"t.",
    "lists without end": b"]" * 1_000_000 + b".",
    "dicts without end": b"}" * 1_000_000 + b".",
    "marks without end": b"(" * 1_000_000 + b".",
    "whole numbers of a million digits for a shape": four_times(
        array_code(shape=b"(" + (b"\x8b" + struct.pack("<i", 2_000_000) + b"\x7f" * 2_000_000) * 2 + b"t")
    ),
    "deep nesting": b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS)
def test_a_small_file_takes_little_memory_and_ends(tmp_path, code):
    path = written(tmp_path, code)
    tracemalloc.start()
    try:
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_one_content_cannot_be_four_arrays(tmp_path):
    content = bytes(400 * 400)
    array = frombuffer_code(b"B" + struct.pack("<I", len(content)) + content + b"q\0", b"(I400\nI400\nt")
    again = frombuffer_code(b"h\0", b"(I400\nI400\nt")
    code = (array + again * 3).replace(b"S'f8'", b"S'u1'")
    refused(written(tmp_path, b"(" + code + b"t."), "and its arrays 640,000")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_and_a_device_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is a device or a pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    refused(tmp_path / "link", "it is a device or a pipe")
    refused(tmp_path / ("x" * 300), "Cannot read .*too long")


VANDALS = {
    "the encoder": b"c_codecs\nencode\n",
    "the builder": b"cnumpy.core.multiarray\n_reconstruct\n",
    "the buffer": b"cnumpy.core.numeric\n_frombuffer\n",
    "the array": b"cnumpy\nndarray\n",
    "the dtype": b"cnumpy\ndtype\n",
}


def belongings():
    """Everything that could be changed of the stand-ins."""
    return {
        place: (dict(vars(stand_in)), stand_in.__doc__, getattr(stand_in, "__defaults__", None))
        for place, stand_in in legacy._STAND_INS.items()
    }


@pytest.mark.parametrize("name", VANDALS.values(), ids=VANDALS)
def test_a_file_leaves_nothing_changed_behind(tmp_path, name):
    before = belongings()
    for state in (b"}S'harmed'\nI01\ns", b"(N}S'__defaults__'\n(S'utf-16'\ntsS'__doc__'\nS'harmed'\nst"):
        refused(written(tmp_path, name + state + b"b."))
        assert belongings() == before


@pytest.mark.parametrize("activation", ["Relu", "softmax", None])
def test_an_unknown_activation_is_named_before_anything_is_read(tmp_path, activation):
    with pytest.raises(UnknownNameError, match=f"no activation '{activation}'"):
        read_pickled_parameters(tmp_path / "missing", activation=activation)
