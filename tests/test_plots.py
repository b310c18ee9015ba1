import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule import plots
from chainrule.errors import OutputError
from chainrule.training.history import History, Report

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)


def history(validation=True):
    return History(
        Report(epoch, 10 * epoch, 1 / epoch, 0.5 + 0.1 * epoch, 0.4 + 0.1 * epoch if validation else None, 1.0, 0.1)
        for epoch in (1, 2, 3)
    )


@pytest.mark.parametrize("name", ["$x$", "$\\frac$", "$", "\x1b[2J", "\x9b"])
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_class_may_have_any_name(tmp_path, capfd, name, ending):
    figure, axes = plots.grid(4)
    plots.predictions(axes[:3], PICTURES, [name] * 3, ["1"] * 3)
    plots.weights(axes[3:], np.ones((784, 1)), (28, 28), [name])
    plots.save(figure, tmp_path / f"picture.{ending}")
    shown = name.replace("\x1b", "\\x1b").replace("\x9b", "\\x9b")
    assert [ax.get_title() for ax in axes] == [*[f"says {shown}, is 1"] * 3, shown]
    assert capfd.readouterr() == ("", "")
    if ending == "svg":
        ElementTree.parse(tmp_path / "picture.svg")  # whole XML


def test_a_curve_has_both_accuracies_in_per_cent():
    _, ax = plots.single()
    assert plots.curve(ax, history()) is ax
    training, validation = ax.get_lines()
    np.testing.assert_allclose(training.get_ydata(), [60, 70, 80])
    np.testing.assert_allclose(validation.get_ydata(), [50, 60, 70])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]


def test_a_curve_without_validation_has_one_line():
    _, ax = plots.single()
    plots.curve(ax, history(validation=False))
    assert len(ax.get_lines()) == 1


def test_images_are_drawn_as_they_are_under_their_titles():
    _, axes = plots.grid(3)
    plots.images(axes, PICTURES, ["a", "b", "c"])
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    assert np.array_equal(axes[1].images[0].get_array(), PICTURES[1])


def test_wrong_predictions_are_titled_in_red():
    _, axes = plots.grid(2)
    plots.predictions(axes, PICTURES[:2], ["7", "3"], ["7", "8"])
    assert [ax.get_title() for ax in axes] == ["says 7, is 7", "says 3, is 8"]
    assert [ax.title.get_color() for ax in axes] == [plots.RIGHT, plots.WRONG]


def test_weights_share_one_scale_around_zero():
    weight = np.random.default_rng(1).standard_normal((784, 4))
    _, axes = plots.grid(4)
    plots.weights(axes, weight, (28, 28))
    limits = {ax.images[0].get_clim() for ax in axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    assert np.array_equal(axes[2].images[0].get_array(), weight[:, 2].reshape(28, 28))


def test_a_confusion_matrix_shows_every_count():
    _, ax = plots.single()
    plots.confusion(ax, np.array([[5, 2], [0, 7]]), ["cat", "dog"])
    assert sorted(text.get_text() for text in ax.texts) == ["2", "5", "7"]


def test_a_figure_is_saved_in_the_format_of_its_name(tmp_path):
    figure, ax = plots.single()
    plots.curve(ax, history())
    plots.save(figure, tmp_path / "curve.png")
    plots.save(figure, tmp_path / "curve.svg")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "curve.svg").read_bytes()


def test_a_name_that_is_no_pictures_is_refused(tmp_path):
    figure, _ = plots.single()
    with pytest.raises(OutputError, match=r"curve.txt: expected a name that ends in .png"):
        plots.save(figure, tmp_path / "curve.txt")


def test_plots_touch_no_global_state():
    # pyplot would keep figures alive and pick a window system.
    program = (
        "import sys; from chainrule import plots; figure, axes = plots.grid(2); "
        "import io; figure.savefig(io.BytesIO()); print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
