import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from chainrule.data.components import Box, boxes, digit_groups, label_components, reading_order


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_parts_are_those_of_scipy(seed, height, width, density):
    mask = np.random.default_rng(seed).random((height, width)) < density
    labels, count = label_components(mask)
    expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
    assert count == expected_count
    assert np.array_equal(labels, expected)


def test_a_spiral_is_one_part():
    mask = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        mask[ring, ring : 41 - ring] = mask[40 - ring, ring : 41 - ring] = True
        mask[ring : 41 - ring, 40 - ring] = mask[ring + 2 : 41 - ring, ring] = True
        mask[ring + 2, ring : ring + 3] = True
    assert label_components(mask)[1] == 1


def test_an_empty_mask_has_no_parts():
    labels, count = label_components(np.zeros((3, 4), bool))
    assert count == 0
    assert not labels.any()
    assert boxes(labels, count) == []


def test_a_box_is_the_least_rectangle_around_its_part():
    mask = np.zeros((9, 9), bool)
    mask[1:3, 2] = mask[5, 4:8] = True
    labels, count = label_components(mask)
    found = boxes(labels, count)
    assert found == [Box(1, 2, 3, 3), Box(5, 4, 6, 8)]
    assert [(box.height, box.width) for box in found] == [(2, 1), (1, 4)]
    assert found[0] | found[1] == Box(1, 2, 6, 8)
    assert mask[found[1].slices].all()


@pytest.mark.parametrize(
    ("pieces", "groups"),
    [
        ([Box(0, 0, 100, 50), Box(0, 70, 100, 120)], [[0], [1]]),  # two digits side by side
        ([Box(0, 10, 12, 50), Box(20, 5, 100, 50)], [[0, 1]]),  # the bar of a 5 over its body
        ([Box(0, 0, 100, 50), Box(60, 55, 80, 75)], [[0, 1]]),  # a stroke that broke off
        ([Box(0, 0, 100, 50), Box(130, 0, 230, 50)], [[0], [1]]),  # one row under another
    ],
)
def test_pieces_that_make_up_a_digit_are_put_together(pieces, groups):
    assert [sorted(group) for group in digit_groups(pieces, 100)] == groups


def test_digits_are_read_row_by_row_and_from_left_to_right():
    row = [Box(10 + 5 * i, 60 * i, 60 + 5 * i, 60 * i + 40) for i in range(4)]  # sloping
    below = [Box(box.top + 100, box.left, box.bottom + 100, box.right) for box in row]
    shuffled = [below[2], row[3], row[0], below[0], row[1], below[3], row[2], below[1]]
    assert [shuffled[i] for i in reading_order(shuffled)] == row + below
