import re

import numpy as np
import pytest

from chainrule.errors import DtypeError, ShapeError, ValueRangeError
from chainrule.nn.arrays import (
    float_dtype,
    require_array,
    require_count,
    require_finite,
    require_fraction,
    require_labels,
    require_out,
    require_rate,
    require_rows,
)

F4 = np.dtype(np.float32)


def test_rows_of_the_right_width_and_dtype_pass():
    require_rows("x", np.zeros((1, 3), np.float32), 3, F4)
    require_rows("x", np.zeros((3, 5), np.float32).T, 3, F4)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 4), (1, 2, 3), ()])
def test_anything_but_rows_is_refused_with_both_shapes(shape):
    with pytest.raises(ShapeError) as error:
        require_rows("x", np.zeros(shape, np.float32), 3, F4)
    assert str(shape) in str(error.value)
    assert "(N, 3)" in str(error.value)


def test_a_list_is_refused_by_its_type():
    with pytest.raises(DtypeError, match=r"^x is a list; expected a NumPy array, np\.asarray\(x\)\.$"):
        require_rows("x", [[1.0, 2.0, 3.0]], 3, F4)
    with pytest.raises(DtypeError, match="labels is a tuple"):
        require_labels((0, 1), 2, 10)


class Column:
    """A column of a table: it has a dtype and a shape, and is no array."""

    dtype, shape, ndim = np.dtype(np.int64), (2,), 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is None"),
        (3, "is an int"),
        ({}, "is a dict"),
        (Column(), "is a Column"),
        (memoryview(b"ab"), "is a memoryview"),
    ],
)
def test_what_is_no_array_is_named_with_the_way_out(value, said):
    require_array("rows", np.zeros(2))
    with pytest.raises(DtypeError, match=f"rows {said}; expected a NumPy array"):
        require_array("rows", value)


def test_a_matrix_is_refused_with_the_way_out():
    """Its rows are matrices again, and its * is not elementwise."""
    with pytest.raises(DtypeError, match=r"x is a matrix; expected a plain NumPy array, np\.asarray\(x\)\.$"):
        require_array("x", np.zeros((2, 2)).view(np.matrix))


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 3, 2), (3, 2, 1), (6,)])
def test_room_of_another_shape_is_refused_though_it_could_be_broadcast(shape):
    require_out(None, np.zeros((3, 2)))
    require_out(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=rf"out has shape {re.escape(str(shape))}; expected \(3, 2\)"):
        require_out(np.zeros(shape), np.zeros((3, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.longdouble, ">f8", np.int64, bool, object, complex])
def test_room_of_another_dtype_is_refused(dtype):
    with pytest.raises(DtypeError, match=f"out is {np.dtype(dtype)}; expected float64"):
        require_out(np.zeros((3, 2), dtype), np.zeros((3, 2)))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, ">f4", ">f8", int, bool, object, complex, "U3", "M8[s]"])
def test_the_engine_computes_in_float32_or_float64_alone(dtype):
    assert [float_dtype(kind) for kind in ("f4", float)] == [np.float32, np.float64]
    with pytest.raises(DtypeError, match=f"dtype is {re.escape(str(np.dtype(dtype)))}; expected float32 or float64"):
        float_dtype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.float16])
def test_another_dtype_is_refused_with_the_way_out(dtype):
    with pytest.raises(DtypeError, match=r"x\.astype\('float32'\)"):
        require_rows("x", np.zeros((2, 3), dtype), 3, F4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64, ">i4", ">u2"])
def test_labels_from_zero_to_the_last_class_pass(dtype):
    require_labels(np.array([0, 9, 5], dtype), 3, 10)
    require_labels(np.array([0, 7, 9, 7, 5, 7], dtype)[::2], 3, 10)


@pytest.mark.parametrize(("labels", "row"), [([0, -1, 10], 1), ([0, 1, 10], 2), ([-128, 0, 0], 0)])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, ">i2"])
def test_the_first_label_out_of_range_is_named(labels, row, dtype):
    with pytest.raises(ValueRangeError, match=f"label {labels[row]} in row {row} .* 0 to 9"):
        require_labels(np.array(labels, dtype), 3, 10)


def test_a_label_that_is_small_only_backwards_is_out_of_range():
    with pytest.raises(ValueRangeError, match="label 83886080 in row 0"):
        require_labels(np.array([0x05000000], ">i4"), 1, 10)


def test_the_first_number_that_is_not_finite_is_named():
    require_finite("x", np.zeros((2, 2)))
    with pytest.raises(ValueRangeError, match=r"x contains nan at index \(1, 0\)"):
        require_finite("x", np.array([[0.0, 1.0], [np.nan, np.inf]]))
    with pytest.raises(ValueRangeError, match=r"x contains -inf"):
        require_finite("x", np.array([-np.inf]))


def test_no_labels_for_no_rows_pass():
    require_labels(np.zeros(0, np.int64), 0, 10)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_a_rate_is_a_finite_number_from_zero_up(value):
    require_rate(rate=0, other=np.float32(3.5))
    with pytest.raises(ValueRangeError, match=f"rate is {value!r}; expected a finite number, at least 0"):
        require_rate(rate=value)


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan"), "0.1", None])
def test_a_fraction_is_from_zero_to_below_one(value):
    require_fraction(decay=0, other=0.999)
    with pytest.raises(ValueRangeError, match=f"decay is {value!r}; expected at least 0 and below 1"):
        require_fraction(decay=value)


@pytest.mark.parametrize("value", [0, -1, 2.0, 1.5, "2", None, True])
def test_a_count_is_a_whole_number_from_one_up(value):
    require_count(n=1, m=np.int32(7))
    require_count(0, n=0)
    with pytest.raises(ValueRangeError, match=f"n is {value!r}; expected a whole number, at least 1"):
        require_count(n=value)
