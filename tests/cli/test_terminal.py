import io

import numpy as np
import pytest
from rich.console import Console

from chainrule.cli.terminal import grey, print_curves, print_pictures, red_and_blue, trimmed


@pytest.fixture
def plain():
    return Console(width=20, color_system=None, record=True, file=io.StringIO())


def test_two_rows_of_pixels_are_one_line_of_half_blocks(plain):
    picture = np.array([[255, 0, 255], [255, 255, 0]], np.uint8)
    print_pictures(plain, [grey(picture)], [""])
    assert plain.export_text().rstrip("\n") == "█▄▀"


def test_pictures_stand_side_by_side_and_wrap_at_the_width(plain):
    picture = grey(np.full((2, 8), 255, np.uint8))
    print_pictures(plain, [picture] * 3, ["one", "two", "three"])
    assert [line.rstrip() for line in plain.export_text().splitlines()] == [
        "one       two",
        "████████  ████████",
        "three",
        "████████",
    ]


def test_with_colours_a_character_carries_both_pixels():
    console = Console(width=20, color_system="truecolor", force_terminal=True, record=True)
    with console.capture() as captured:
        print_pictures(console, [grey(np.array([[10], [200]], np.uint8))], [""])
    assert "38;2;10;10;10;48;2;200;200;200m▀" in captured.get()


def test_margins_that_all_pictures_leave_empty_are_trimmed():
    pictures = np.zeros((2, 6, 6), np.uint8)
    pictures[0, 2, 3] = pictures[1, 3, 1] = 9
    assert trimmed(pictures).shape == (2, 2, 3)
    assert trimmed(np.zeros((2, 6, 6), np.uint8)).shape == (2, 6, 6)


def test_weights_for_are_red_and_weights_against_are_blue():
    colours = red_and_blue(np.array([[1.0, -1.0, 0.0]]), 1.0)
    assert colours[0].tolist() == [[255, 63, 63], [63, 63, 255], [0, 0, 0]]


def test_a_rising_curve_starts_low_and_ends_high():
    console = Console(width=40, color_system=None, record=True, file=io.StringIO())
    print_curves(console, [1, 2, 3], {"training": ("", [50.0, 70.0, 90.0])})
    lines = console.export_text().splitlines()
    assert lines[0].strip().startswith("90.00")
    assert lines[0].rstrip()[-1] != "⠀"
    assert "training 90.00" in lines[-1]
