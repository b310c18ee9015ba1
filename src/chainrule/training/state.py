"""Whether a saved state is one that a training can go on from. A file that a stranger wrote may hold what it likes.

Each of these refuses and changes nothing, so that a training is whole whatever it was given.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from chainrule.errors import InputError, ShapeError, ValueRangeError
from chainrule.nn.arrays import Array, is_whole, require_finite

#: More than anybody waits for, and few enough that no formula of them overflows.
MOST_STEPS = 1 << 53


def require_names(kind: str, given: Any, expected: Collection[str]) -> None:
    """Refuse what is missing, and what is there and has no place to go."""
    if not isinstance(given, dict):
        raise InputError(f"The {kind} are of type {type(given).__name__}; expected them by name.")
    for name in {**given, **dict.fromkeys(expected)}:
        if name not in given:
            raise InputError(f"Among the {kind} there is no {name}.")
        if name not in expected:
            raise InputError(f"Among the {kind} is {name!r:.60}; expected {', '.join(expected)} alone.")


def require_floats_like(old: Array, arrays: Mapping[str, Array]) -> None:
    """Refuse arrays that are not like the one they stand beside or replace, or not finite."""
    for name, array in arrays.items():
        require_like(name, array, old)
        require_finite(name, array)


def require_like(name: str, array: Array, old: Array) -> None:
    """Refuse an array of another shape or dtype than the one it is to replace."""
    if array.shape != old.shape or array.dtype != old.dtype:
        raise ShapeError(f"{name} is {array.dtype} {array.shape}; expected {old.dtype} {old.shape}.")


def require_order(order: Array, rows: Array, *, shuffled: bool) -> None:
    """Refuse an order of another epoch than one through these rows."""
    require_like("order", order, rows)
    if not np.array_equal(*((np.sort(order), np.sort(rows)) if shuffled else (order, rows))):
        raise ValueRangeError("order is no order of the rows that this training learns from.")


def require_losses(losses: Array, step: int) -> None:
    """Refuse anything but finite losses, at most one for each step so far."""
    if losses.ndim != 1 or losses.dtype != np.float64 or len(losses) > step:
        raise ShapeError(f"losses is {losses.dtype} {losses.shape}; expected float64, at most {step} of them.")
    require_finite("losses", losses)


def require_progress(numbers: Mapping[str, Any], *, rows: int, batch_size: int, epochs: int) -> None:
    """Refuse counts that no training of these rows, taken in such batches, comes to."""
    require_whole(0, epochs, epoch=numbers["epoch"])
    require_whole(0, rows - 1, _position=numbers["_position"])
    epoch, position = numbers["epoch"], numbers["_position"]
    if position % batch_size:
        raise ValueRangeError(f"_position is {position}; expected a multiple of the {batch_size} rows of a batch.")
    step = epoch * math.ceil(rows / batch_size) + position // batch_size
    require_whole(step, step, step=numbers["step"])
    for name in ("seconds", "learning_rate"):
        value = numbers[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= sys.float_info.max:
            raise ValueRangeError(f"{name} is {value!r:.60}; expected a finite number, at least 0.")


def require_whole(least: int, most: int, **counts: Any) -> None:
    """Refuse anything but whole numbers in that range."""
    for name, value in counts.items():
        if not is_whole(value) or not least <= value <= most:
            expected = (
                str(least) if least == most else f"at least {least}" if most == MOST_STEPS else f"{least} to {most}"
            )
            raise ValueRangeError(f"{name} is {value!r:.60}; expected {expected}.")


def require_generator(rng: np.random.Generator, state: Any) -> None:
    """Refuse what is not, to the last number, a state of that kind of generator."""
    trial = copy.deepcopy(rng.bit_generator)
    try:
        trial.state = state
        kept = _text(trial.state) == _text(state)  # it may round what it is given, or drop it
        # NumPy does not look at these, and would read beside its memory.
        inside = 0 <= state["state"].get("pos", 0) <= 624 and 0 <= state.get("buffer_pos", 0) <= 4
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise InputError(f"rng is no state of {type(trial).__name__}: {error}.") from error
    if not kept or not inside:
        raise InputError(f"rng is no state of {type(trial).__name__}.")


def _text(state: Any) -> str:
    return json.dumps(state, sort_keys=True, default=lambda array: array.tolist())
