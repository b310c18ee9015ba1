"""Pictures of arrays and histories: matplotlib functions that take Axes, draw, and give the Axes back.

None of them touches matplotlib's global state. `grid` makes a figure for those who have none, and `save` writes it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.atomic import replace_file, require_writable
from chainrule.data.photo import Page
from chainrule.errors import OutputError, printable
from chainrule.nn.arrays import Array
from chainrule.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1a1a1a", "#c0262d"
BOX = "#e8590c"
ENDINGS = (".png", ".pdf", ".svg", ".jpg", ".jpeg")
TRAIN, VALIDATION = "#9a9a9a", "#1f5fa8"


def grid(count: int, columns: int = 10, size: float = 1.2) -> tuple[Figure, list[Axes]]:
    """A figure of small, square Axes in rows.

    Parameters
    ----------
    count : int; how many Axes, at least 1
    columns : int; how many of them side by side
    size : float; the width of each, in inches

    Returns
    -------
    figure : Figure
    axes : list of Axes, `count` of them, row by row
    """
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(3.0, columns * size), rows * size * 1.25), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    return figure, axes


def single(width: float = 6.4, height: float = 4.0) -> tuple[Figure, Axes]:
    """A figure of one Axes; width and height in inches. Returns both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def require_drawable(path: Path) -> None:
    """Refuse now, and not after the work, a path that no picture can be written to.

    Raises
    ------
    OutputError
        If the name does not end as a picture's does, or the folder is missing or cannot be written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"Cannot draw to {path}: expected a name that ends in {', '.join(ENDINGS)}.")
    require_writable(path)


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure in the format that the name ends in, in one step.

    Raises
    ------
    OutputError
        As `require_drawable`; what was there before is untouched.
    """
    path = Path(path)
    require_drawable(path)
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:].lower(), dpi=150)
    replace_file(path, content.getvalue())


def image(ax: Axes, pixels: Array, title: str = "", colour: str = RIGHT) -> Axes:
    """One picture under its title.

    Parameters
    ----------
    ax : Axes
    pixels : array, shape (height, width), 0 black to 255 white
    title, colour : str; the title and its colour

    Returns
    -------
    ax : Axes
    """
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    _title(ax, title, colour)
    ax.set_axis_off()
    return ax


def _title(ax: Axes, title: str, colour: str = RIGHT) -> None:
    """As it stands: a class may be called `$x$`, or have characters in its name that a terminal obeys."""
    ax.set_title(printable(title), fontsize=8, color=colour, parse_math=False)


def images(axes: Sequence[Axes], pictures: Array, titles: Sequence[str]) -> Sequence[Axes]:
    """Pictures, one in each Axes.

    Parameters
    ----------
    axes : sequence of N Axes
    pictures : array, shape (N, height, width), 0 black to 255 white
    titles : sequence of N str

    Returns
    -------
    axes : as given
    """
    for ax, pixels, title in zip(axes, pictures, titles, strict=True):
        image(ax, pixels, title)
    return axes


def predictions(
    axes: Sequence[Axes], pictures: Array, predicted: Sequence[str], labels: Sequence[str]
) -> Sequence[Axes]:
    """Pictures titled with what was predicted and what they are; in red where the two differ.

    Parameters
    ----------
    axes : sequence of N Axes
    pictures : array, shape (N, height, width), 0 black to 255 white
    predicted, labels : sequences of N str; class names

    Returns
    -------
    axes : as given
    """
    for ax, pixels, guess, label in zip(axes, pictures, predicted, labels, strict=True):
        image(ax, pixels, f"says {guess}, is {label}", RIGHT if guess == label else WRONG)
    return axes


def stages(axes: Sequence[Axes], page: Page) -> Sequence[Axes]:
    """How the digits of a photo were found: the photo and their boxes, the paper, the ink and the strokes.

    Parameters
    ----------
    axes : sequence of 4 Axes
    page : Page

    Returns
    -------
    axes : as given
    """
    from matplotlib.patches import Rectangle

    photo, paper, ink, strokes = axes
    image(photo, page.grey, "the picture, and what was found")
    for i, box in enumerate(page.boxes, start=1):
        corner = (box.left - 0.5, box.top - 0.5)
        photo.add_patch(Rectangle(corner, box.width, box.height, fill=False, edgecolor=BOX, linewidth=1.5))
        if len(page.boxes) > 1:
            photo.annotate(str(i), corner, xytext=(1, 2), textcoords="offset points", color=BOX, fontsize=8)
    image(paper, page.ground, "the paper, its light and shadow")
    image(ink, page.ink, "the ink, whatever the light")
    image(strokes, 255 * page.strokes.astype(np.uint8), "the strokes of a digit")
    return axes


def explanation(page: Page, probabilities: Array, class_names: Sequence[str], columns: int = 8) -> Figure:
    """A figure of every stage from a photo to the answer: `stages`, and below them each digit as the network saw it.

    Parameters
    ----------
    page : Page, of N digits
    probabilities : float array, shape (N, C); what the network said of each digit
    class_names : sequence of C str
    columns : int; how many digits side by side

    Returns
    -------
    figure : Figure
    """
    from matplotlib.figure import Figure

    titles = [f"{class_names[row.argmax()]}, {100 * row.max():.1f} %" for row in probabilities]
    columns = min(columns, max(4, len(titles)))
    rows = math.ceil(len(titles) / columns)
    height = 0.5 + 2.6 * min(2.0, page.grey.shape[0] / page.grey.shape[1])
    figure = Figure(figsize=(10.5, height + 1.75 * rows), layout="constrained")
    halves = figure.add_gridspec(2, 1, height_ratios=(height, 1.75 * rows))
    above, below = (figure.add_subfigure(halves[i]) for i in range(2))
    stages(above.subplots(1, 4), page)
    if len(titles) == 1:
        seen, said = below.subplots(1, 2, width_ratios=(1, 3))
        image(seen, page.digits[0], titles[0])
        likelihood(said, probabilities[0], class_names)
    else:
        images([below.add_subplot(rows, columns, i + 1) for i in range(len(titles))], page.digits, titles)
    return figure


def likelihood(ax: Axes, probabilities: Array, class_names: Sequence[str]) -> Axes:
    """How likely each class is, in per cent, as bars; the likeliest stands out.

    Parameters
    ----------
    ax : Axes
    probabilities : float array, shape (C,)
    class_names : sequence of C str

    Returns
    -------
    ax : Axes
    """
    best = int(probabilities.argmax())
    colours = [VALIDATION if i == best else TRAIN for i in range(len(class_names))]
    ax.bar(range(len(class_names)), 100 * probabilities, color=colours)
    ax.set_xticks(range(len(class_names)), [printable(name) for name in class_names], parse_math=False)
    ax.set_ylim(0, 100)
    ax.set_ylabel("how likely, %")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def weights(
    axes: Sequence[Axes], weight: Array, shape: tuple[int, int], titles: Sequence[str] | None = None
) -> Sequence[Axes]:
    """What hidden units look for: each column of a weight as a picture.

    Red pixels speak for the unit, blue ones against; one scale for all, so that units can be compared.

    Parameters
    ----------
    axes : sequence of H Axes
    weight : float array, shape (D, H)
    shape : (height, width), height · width = D
    titles : sequence of H str, optional

    Returns
    -------
    axes : as given
    """
    limit = weight_limit(weight)
    for ax, column, title in zip(axes, weight.T, titles or [""] * len(axes), strict=True):
        ax.imshow(column.reshape(shape), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        _title(ax, title)
        ax.set_axis_off()
    return axes


def weight_limit(weight: Array) -> float:
    """The size of weight that is drawn in full colour: all but the largest half per cent are below it."""
    return float(np.quantile(np.abs(weight), 0.995)) or 1.0


def curve(ax: Axes, history: History) -> Axes:
    """Training and validation accuracy, in per cent, against epochs.

    Parameters
    ----------
    ax : Axes
    history : History

    Returns
    -------
    ax : Axes
    """
    epochs = history["epoch"]
    ax.plot(epochs, _per_cent(history["train_accuracy"]), color=TRAIN, label="training")
    if any(value is not None for value in history["validation_accuracy"]):
        ax.plot(epochs, _per_cent(history["validation_accuracy"]), color=VALIDATION, label="validation")
    ax.set_xlabel("epoch")
    ax.set_ylabel("accuracy, %")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    return ax


def confusion(ax: Axes, counts: Array, class_names: Sequence[str]) -> Axes:
    """A confusion matrix, label by prediction; the diagonal, which is right, is left white.

    Parameters
    ----------
    ax : Axes
    counts : integer array, shape (C, C)
    class_names : sequence of C str

    Returns
    -------
    ax : Axes
    """
    wrong = counts.astype(float)
    np.fill_diagonal(wrong, np.nan)
    ax.imshow(wrong, cmap="Reds", vmin=0)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            ax.text(j, i, f"{count}", ha="center", va="center", fontsize=8, color="#777777" if i == j else RIGHT)
    ax.set_xticks(range(len(class_names)), class_names)
    ax.set_yticks(range(len(class_names)), class_names)
    ax.set_xlabel("predicted")
    ax.set_ylabel("label")
    return ax


def _per_cent(values: Sequence[Any]) -> list[float]:
    return [math.nan if value is None else 100 * value for value in values]
