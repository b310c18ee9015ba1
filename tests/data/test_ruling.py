import numpy as np
import pytest

from chainrule.data.ruling import find_lines


def ruled(shape=(200, 240), spacing=50, thickness=2, slope=0.0):
    """A page with printed lines, sloping by so much."""
    rows, columns = np.indices(shape)
    return (rows - slope * columns - 20) % spacing < thickness


def beside(page):
    """The page, and three rows above and below whatever is on it."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(page, ((3, 3), (0, 0))), 7, axis=0).any(axis=-1)


def test_lines_from_border_to_border_are_found_to_a_pixel_or_three():
    page = ruled()
    found = find_lines(page, page)
    assert found[page].all()
    assert not (found & ~beside(page)).any()


@pytest.mark.parametrize("slope", [-0.12, -0.03, 0.05, 0.15])
def test_lines_may_slope(slope):
    page = ruled(slope=slope)
    found = find_lines(page, page)
    assert not (found & ~beside(page)).any()
    assert (found & page).sum() >= 0.75 * page.sum()  # a line that leaves at the top may be too short to tell


def test_squared_paper_has_lines_both_ways():
    page = ruled() | ruled((240, 200)).T
    assert (find_lines(page, page) & page).sum() > 0.95 * page.sum()


def test_a_stroke_that_crosses_a_line_stays_whole():
    stroke = np.zeros((200, 240), bool)
    stroke[40:160, 100:112] = True
    page = ruled() | stroke
    assert not (find_lines(page, page) & stroke)[45:155, 101:111].any()


def test_what_is_written_is_no_line():
    written = np.zeros((200, 240), bool)
    written[90:110, 20:220] = True  # thick
    written[30:33, 40:200] = True  # thin, and shorter than the page
    assert not find_lines(written, written).any()


def test_an_empty_page_has_no_lines():
    page = np.zeros((50, 60), bool)
    assert not find_lines(page, page).any()
