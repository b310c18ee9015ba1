"""Checkpoints that were damaged; and some that fit their checksum, and whose numbers no training comes to."""

import copy
import json
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.errors import CheckpointError, InputError
from chainrule.files.tensors import pack_tensors
from chainrule.nn.network import multilayer_perceptron
from chainrule.nn.optimizers import Adam, ExponentialAverage
from chainrule.training.checkpoint import load_checkpoint, save_checkpoint
from chainrule.training.training import Training

ROWS, BATCH = 10, 4  # three steps an epoch
NAN, INF = float("nan"), float("inf")
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 2, 2), dtype=np.uint8)
LABELS = np.arange(12) % 3


def training_of(**changes):
    settings = {
        "optimizer": Adam(0.01),
        "average": ExponentialAverage(0.9),
        "rows": np.arange(ROWS),
        "batch_size": BATCH,
        "epochs": 3,
        "report_every": 1,
        "rng": 0,
        **changes,
    }
    return Training(multilayer_perceptron((4, 3, 3), rng=0), IMAGES, LABELS, **settings)


def stopped(reports=5, **changes):
    """A training in the middle of its second epoch: 4 of 10 rows, and 2 steps since the last accuracies."""
    training = training_of(**changes)
    for _, _ in zip(range(reports), training, strict=False):
        pass
    return training


def written(path, arrays, numbers, **settings):
    """A checkpoint of anything at all, NaN and infinities too, whose checksum fits."""
    state = json.dumps({"numbers": numbers, "settings": settings})
    path.write_bytes(pack_tensors(arrays, {"format": "chainrule-checkpoint", "version": "1", "state": state}))
    return path


def everything(training):
    """What a refused checkpoint must leave as it was."""
    return copy.deepcopy(training.state())


def assert_same(one, other):
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    for name, array in one[0].items():
        assert_array_equal(array, other[0][name])


def assert_refused(path, expected, **changes):
    for training in (training_of(**changes), stopped(2, **changes)):  # a fresh one, and one that has state to lose
        before = everything(training)
        with pytest.raises(CheckpointError, match=expected) as caught:
            load_checkpoint(training, path, {})
        assert_same(everything(training), before)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("reports", [0, 1, 2, 3, 4, 5, 9])
def test_the_checkpoints_below_are_made_of_sound_ones(tmp_path, reports):
    saved, training = everything(stopped(reports)), stopped(2)
    load_checkpoint(training, written(tmp_path / "run.ckpt", *saved), {})
    assert_same(everything(training), saved)


def test_a_checkpoint_with_any_byte_changed_is_refused(tmp_path):
    path = tmp_path / "run.ckpt"
    save_checkpoint(stopped(), path, {})
    content, training = path.read_bytes(), training_of()
    before = everything(training)
    with path.open("r+b", buffering=0) as file:  # one byte at a time, which is faster than the whole
        for position, byte in enumerate(content):
            for flip in (0x01, 0x20, 0x80):
                file.seek(position)
                file.write(bytes([byte ^ flip]))
                with pytest.raises(CheckpointError, match=r"run\.ckpt is not a whole checkpoint: "):
                    load_checkpoint(training, path, {})
            file.seek(position)
            file.write(bytes([byte]))
    assert_same(everything(training), before)
    load_checkpoint(training, path, {})


def test_a_checkpoint_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "run.ckpt"
    save_checkpoint(stopped(), path, {})
    training = training_of()
    before = everything(training)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(CheckpointError, match=r"run\.ckpt is not a whole checkpoint: "):
            load_checkpoint(training, path, {})
    assert_same(everything(training), before)


def test_a_flipped_bit_of_a_parameter_does_not_fit_the_checksum(tmp_path):
    path = tmp_path / "run.ckpt"
    save_checkpoint(stopped(), path, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert_refused(path, "its checksum does not fit its content: it is damaged")


WRONG_NUMBERS = {
    "an epoch below 0": {"epoch": -1},
    "an epoch beyond the last": {"epoch": 4},
    "a step of another epoch": {"step": 8},
    "a step below 0": {"step": -5},
    "a step that does not follow from epoch and position": {"step": 6},
    "a position below 0": {"_position": -4},
    "a position at the end": {"_position": ROWS},
    "a position beyond the rows": {"_position": 12},
    "a position within a batch": {"_position": 3},
    **{f"{value!r:.20} for the {name}": {name: value}
       for name in ("epoch", "step", "_position", "optimizer_steps", "updates")
       for value in (1.0, True, "1", None, NAN, [], {}, 10**4000, -1)},
    **{f"{value!r:.20} for the {name}": {name: value}
       for name in ("seconds", "learning_rate")
       for value in (-1.0, True, "1", None, NAN, INF, [], {}, 10**400)},
    "fewer optimizer steps than steps": {"optimizer_steps": 4},
    "an average of fewer steps": {"updates": 4},
    "no history": {"history": None},
    "a history without columns": {"history": {}},
    "a number too many": {"extra": 1},
}  # fmt: skip


@pytest.mark.parametrize("changes", WRONG_NUMBERS.values(), ids=WRONG_NUMBERS)
def test_numbers_that_no_training_comes_to_are_refused_and_nothing_is_changed(tmp_path, changes):
    arrays, numbers = everything(stopped())
    numbers |= changes
    assert_refused(written(tmp_path / "run.ckpt", arrays, numbers), f"{next(iter(changes))}|is no number in JSON")
    training = training_of()
    before = everything(training)
    with pytest.raises(InputError):
        training.restore(arrays, numbers)
    assert_same(everything(training), before)


def test_a_missing_number_is_named(tmp_path):
    arrays, numbers = everything(stopped())
    for name in numbers:
        rest = {other: value for other, value in numbers.items() if other != name}
        assert_refused(written(tmp_path / "run.ckpt", arrays, rest), f"Among the numbers there is no {name}")


@pytest.mark.parametrize("column", ["loss", "epoch", "train_accuracy"])
@pytest.mark.parametrize("value", [[], [1, 1], [NAN], ["1"], None, [[1]], [10**400]], ids=repr)
def test_a_history_that_is_none_is_refused(tmp_path, column, value):
    arrays, numbers = everything(stopped())
    history = {**numbers["history"], column: value}
    assert_refused(written(tmp_path / "run.ckpt", arrays, {**numbers, "history": history}), "columns|NaN is no number")


PCG = {"bit_generator": "PCG64", "state": {"state": 1, "inc": 3}, "has_uint32": 0, "uinteger": 0}
WRONG_GENERATORS = [
    None, 5, "PCG64", [], {},
    np.random.MT19937(0).state,
    np.random.PCG64DXSM(0).state,
    {**PCG, "state": None}, {**PCG, "state": {}}, {**PCG, "state": {"state": 1}}, {**PCG, "extra": 1},
    *({**PCG, "state": {"state": value, "inc": 3}} for value in (-1, 1.5, True, "1", None, 2**128, 2**300, [1])),
    *({**PCG, "has_uint32": value} for value in (True, 0.5, "1", None, 2**40)),
    *({**PCG, "uinteger": value} for value in (-1, 0.5, 2**32, None)),
]  # fmt: skip


@pytest.mark.parametrize("state", WRONG_GENERATORS, ids=lambda state: f"{state!r:.90}")
def test_what_is_no_state_of_the_generator_is_refused(tmp_path, state):
    arrays, numbers = everything(stopped())
    state = json.loads(json.dumps(state, default=lambda array: array.tolist()))
    assert_refused(written(tmp_path / "run.ckpt", arrays, {**numbers, "rng": state}), "rng is no state of PCG64")


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM])
def test_a_training_with_another_generator_is_kept_as_well(tmp_path, kind):
    straight, halfway = (stopped(reports, rng=np.random.Generator(kind(1))) for reports in (9, 4))
    save_checkpoint(halfway, tmp_path / "run.ckpt", {})
    resumed = training_of(rng=np.random.Generator(kind(2)))
    load_checkpoint(resumed, tmp_path / "run.ckpt", {})
    for _ in resumed:
        pass
    assert_array_equal(resumed.result.parameters, straight.result.parameters)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (np.random.MT19937, {"state": {"key": [1] * 624, "pos": 10**9}}),
        (np.random.MT19937, {"state": {"key": [1] * 624, "pos": -1}}),
        (np.random.Philox, {"buffer_pos": 10**9}),
        (np.random.Philox, {"buffer_pos": -1}),
    ],
)
def test_a_generator_is_never_made_to_read_beside_its_memory(tmp_path, kind, changes):
    rng = np.random.Generator(kind(1))
    arrays, numbers = everything(stopped(rng=rng))
    numbers = json.loads(json.dumps(numbers, default=lambda array: array.tolist()))
    path = written(tmp_path / "run.ckpt", arrays, {**numbers, "rng": {**numbers["rng"], **changes}})
    with pytest.raises(CheckpointError, match="rng is no state of"):
        load_checkpoint(training_of(rng=rng), path, {})


def with_value(array, value):
    changed = array.copy()
    changed[-1] = value
    return changed


WRONG_ARRAYS = {
    "no parameters": ("parameters", lambda array: None),
    "no order": ("order", lambda array: None),
    "no losses": ("losses", lambda array: None),
    "no momentum": ("optimizer.mean", lambda array: None),
    "no squares": ("optimizer.square", lambda array: None),
    "no average": ("average", lambda array: None),
    "an array too many": ("extra", lambda array: np.zeros(1)),
    "a memory of another optimizer": ("optimizer.velocity", lambda array: np.zeros(27, np.float32)),
    **{
        f"{name} {what}": (name, change)
        for name in ("parameters", "average", "optimizer.mean", "optimizer.square")
        for what, change in {
            "with NaN": lambda array: with_value(array, NAN),
            "with infinity": lambda array: with_value(array, -INF),
            "one too short": lambda array: array[:-1],
            "of two dimensions": lambda array: array[None],
            "of float64": lambda array: array.astype(np.float64),
            "of whole numbers": lambda array: array.astype(np.int32),
        }.items()
    },
    "an order with a row twice": ("order", lambda array: with_value(array, array[0])),
    "an order below the rows": ("order", lambda array: with_value(array, -1)),
    "an order beyond the rows": ("order", lambda array: with_value(array, 10**9)),
    "an order with a row kept for validation": ("order", lambda array: array + 1),
    "an order of some rows": ("order", lambda array: array[:5]),
    "an order of floats": ("order", lambda array: array.astype(np.float64)),
    "an order of small numbers": ("order", lambda array: array.astype(np.int8)),
    "losses with NaN": ("losses", lambda array: with_value(array, NAN)),
    "losses of float32": ("losses", lambda array: array.astype(np.float32)),
    "losses in a table": ("losses", lambda array: array[None]),
    "more losses than steps": ("losses", lambda array: np.ones(6)),
}


@pytest.mark.parametrize(("name", "change"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_changed(tmp_path, name, change):
    arrays, numbers = everything(stopped())
    arrays[name] = change(arrays.get(name))
    sound = {name: array for name, array in arrays.items() if array is not None}
    assert_refused(written(tmp_path / "run.ckpt", sound, numbers), name)


def test_gradient_descent_keeps_its_rows_in_their_order(tmp_path):
    arrays, numbers = everything(stopped(1, batch_size=None))
    written(tmp_path / "run.ckpt", arrays | {"order": arrays["order"][::-1]}, numbers)
    assert_refused(tmp_path / "run.ckpt", "order is no order", batch_size=None)


def test_an_average_is_refused_where_none_is_kept(tmp_path):
    assert_refused(written(tmp_path / "run.ckpt", *everything(stopped())), "updates is 5; expected 0", average=None)


STATES = ["", "{", "null", "5", "[]", "{}", '{"numbers": {}}', '{"numbers": {}, "settings": null}',
          '{"numbers": {}, "settings": []}', '{"numbers": {}, "settings": {}, "settings": {}}',
          '{"numbers": NaN, "settings": {}}', '{"numbers": [], "settings": {}}', '{"numbers": null, "settings": {}}',
          "[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state[:50])
def test_what_says_nothing_about_a_training_is_refused(tmp_path, state):
    metadata = {"format": "chainrule-checkpoint", "version": "1", "state": state}
    (tmp_path / "run.ckpt").write_bytes(pack_tensors({}, metadata))
    assert_refused(tmp_path / "run.ckpt", "holds no state of a training|does not fit this training")


def test_restore_itself_refuses_what_is_no_state():
    training = training_of()
    before = everything(training)
    for arrays, numbers in (({}, {}), (None, before[1]), (before[0], None), ([], [])):
        with pytest.raises(InputError):
            training.restore(arrays, numbers)
    assert_same(everything(training), before)


def test_settings_that_are_not_json_are_refused_and_the_old_checkpoint_stays(tmp_path):
    training = training_of()
    save_checkpoint(training, tmp_path / "run.ckpt", {})
    before = (tmp_path / "run.ckpt").read_bytes()
    with pytest.raises(InputError, match=r"settings .* as JSON"):
        save_checkpoint(training, tmp_path / "run.ckpt", {"data": object()})
    assert (tmp_path / "run.ckpt").read_bytes() == before
