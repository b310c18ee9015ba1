import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.data.ink import find_ground, find_strokes, measure_ink, smoothed
from chainrule.errors import DataFileError


def page_with_stroke(paper, stroke, shape=(120, 90)):
    """A page of one brightness, and an upright stroke of another in its middle."""
    grey = np.full(shape, paper, np.uint8)
    grey[30:90, 40:48] = stroke
    return grey


@pytest.mark.parametrize(("paper", "stroke", "bright_on_dark"), [(230, 40, False), (20, 210, True)])
def test_the_ground_is_what_the_page_would_be_without_ink(paper, stroke, bright_on_dark):
    ground, bright = find_ground(page_with_stroke(paper, stroke))
    assert bright == bright_on_dark
    assert_allclose(ground, paper, atol=1)


@pytest.mark.parametrize("ink", [0, 255])
def test_a_drawing_whose_border_is_all_paper_has_the_papers_colour_as_its_ground_exactly(ink):
    grey = np.full((140, 140), 255 - ink, np.uint8)
    grey[30:100, 50:70] = ink
    grey[35:95, 55:65] = 128
    ground, bright = find_ground(grey)
    assert (ground == 255 - ink).all()
    assert bright == (ink == 255)
    grey[0, 0] = 128  # now the page may be in the shade somewhere: it is looked at closely, and nothing else changes
    near, bright = find_ground(grey)
    assert_allclose(near[10:, 10:], ground[10:, 10:], atol=1)
    assert bright == (ink == 255)


@pytest.mark.parametrize("direction", ["across", "down"])
def test_a_gradient_of_light_is_ground(direction):
    light = np.linspace(1, 0.4, 90)[np.newaxis] if direction == "across" else np.linspace(1, 0.4, 120)[:, np.newaxis]
    grey = (page_with_stroke(230, 60) * light).astype(np.uint8)
    ground, bright = find_ground(grey)
    assert not bright
    assert_allclose(ground, np.broadcast_to(230 * light, grey.shape), rtol=0.06, atol=3)


def test_the_hard_edge_of_a_shadow_is_ground_too():
    grey = page_with_stroke(230, 40)
    grey[:, :20] = 100
    ground, bright = find_ground(grey)
    assert not bright
    assert_allclose(ground[:, :16], 100, atol=3)
    assert_allclose(ground[30:90, 40:48], 230, atol=3)


def test_ink_is_the_same_in_a_shadow_and_in_the_light():
    light, shadow = (page_with_stroke(paper, paper // 5) for paper in (240, 160))
    most = [measure_ink(grey, *find_ground(grey)).max() for grey in (light, shadow)]
    assert most[1] == pytest.approx(most[0], rel=0.06)


def test_ink_is_the_difference_from_the_ground_relative_to_it():
    ground = np.full((1, 3), 170, np.float32)
    grey = np.array([[170, 70, 200]], np.uint8)
    assert_allclose(measure_ink(grey, ground, bright_on_dark=False), [[0, 0.5, 0]])
    assert_allclose(measure_ink(grey, ground, bright_on_dark=True), [[0, 0, 0.15]])


def test_a_stroke_is_where_there_is_nearly_as_much_ink_as_in_its_middle():
    ink = np.zeros((60, 60), np.float32)
    ink[20:40, 28:33] = 0.8
    strokes, full = find_strokes(ink)
    assert full == pytest.approx(0.8, rel=0.05)
    assert np.array_equal(np.flatnonzero(strokes[30]), np.arange(28, 33))


@pytest.mark.parametrize("ink", [np.zeros((40, 40)), np.full((40, 40), 0.3), np.full((40, 40), 0.01)])
def test_where_nothing_stands_out_there_is_no_stroke(ink):
    with pytest.raises(DataFileError, match="nothing stands out"):
        find_strokes(ink.astype(np.float32))


def test_smoothing_weighs_neighbours_one_two_one_both_ways():
    point = np.zeros((5, 5), np.float32)
    point[2, 2] = 16
    assert np.array_equal(smoothed(point)[1:4, 1:4], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert_allclose(smoothed(np.full((4, 3), 7.0)), 7)
