"""Pictures and curves in a terminal, from half-block and braille characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.style import Style
from rich.text import Text

from chainrule.nn.arrays import Array

UPPER = "▀"
_CHARACTERS = ((" ", "▄"), (UPPER, "█"))  # by whether the upper and the lower pixel are bright
GAP = 2


def trimmed(images: Array) -> Array:
    """The images, shape (N, height, width), less the margins that all of them leave empty."""
    ink = images.max(axis=0) > 0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return images
    return images[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def grey(image: Array) -> Array:
    """A grey picture, shape (height, width), as colours, shape (height, width, 3)."""
    return np.repeat(image[:, :, np.newaxis], 3, axis=2)


def red_and_blue(column: Array, limit: float) -> Array:
    """A weight picture as colours: red for, blue against, black for 0."""
    strength = np.clip(np.abs(column) / limit, 0, 1)
    colours = np.zeros((*column.shape, 3))
    colours[..., 0] = np.where(column > 0, strength, 0.25 * strength)
    colours[..., 1] = 0.25 * strength
    colours[..., 2] = np.where(column < 0, strength, 0.25 * strength)
    return (255 * colours).astype(np.uint8)


def print_pictures(console: Console, pictures: Sequence[Array], titles: Sequence[str]) -> None:
    """Pictures, each (height, width, 3), side by side under their titles, in as many rows as it takes."""
    widths = [max(picture.shape[1], len(title)) for picture, title in zip(pictures, titles, strict=True)]
    start = 0
    while start < len(pictures):
        stop, used = start + 1, widths[start]
        while stop < len(pictures) and used + GAP + widths[stop] <= console.width:
            used += GAP + widths[stop]
            stop += 1
        _print_row(console, pictures[start:stop], titles[start:stop], widths[start:stop])
        start = stop


def _print_row(console: Console, pictures: Sequence[Array], titles: Sequence[str], widths: Sequence[int]) -> None:
    in_colour = console.color_system is not None
    gap = " " * GAP
    if any(titles):
        line = gap.join(title.ljust(w) for title, w in zip(titles, widths, strict=True))
        console.print(Text(line.rstrip()), soft_wrap=True)
    columns = [_lines(picture, width, in_colour) for picture, width in zip(pictures, widths, strict=True)]
    for lines in zip(*columns, strict=True):
        console.print(Text(gap).join(lines), soft_wrap=True)


def _lines(picture: Array, width: int, in_colour: bool) -> list[Text]:
    """Two rows of pixels a line of text: the upper one is the character's colour, the lower one its background."""
    if len(picture) % 2:
        picture = np.concatenate([picture, np.zeros_like(picture[:1])])
    line = _coloured if in_colour else _black_and_white
    return [
        line(upper, lower).append(" " * (width - picture.shape[1]))
        for upper, lower in zip(picture[::2], picture[1::2], strict=True)
    ]


def _coloured(upper: Array, lower: Array) -> Text:
    text = Text()
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        style = Style(color="#{:02x}{:02x}{:02x}".format(*above), bgcolor="#{:02x}{:02x}{:02x}".format(*below))
        text.append(UPPER, style)
    return text


def _black_and_white(upper: Array, lower: Array) -> Text:
    bright = np.stack([upper, lower]).max(axis=2) > 127
    return Text("".join(_CHARACTERS[above][below] for above, below in bright.T.astype(int)))


def print_curves(console: Console, x: Sequence[float], series: Mapping[str, tuple[str, Sequence[float]]]) -> None:
    """Curves by name, each with its colour and values, one value for each x, drawn in braille dots."""
    width, height = min(64, console.width - 12), 12
    values = np.array([v for _, ys in series.values() for v in ys])
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    cells = [[(0, "")] * width for _ in range(height)]
    for colour, ys in series.values():
        at = np.linspace(min(x), max(x), 2 * width)
        rows = np.round((high - np.interp(at, x, ys)) / span * (4 * height - 1)).astype(int)
        for column, row in enumerate(rows):
            dots, _ = cells[row // 4][column // 2]
            cells[row // 4][column // 2] = (dots | _BRAILLE[row % 4][column % 2], colour)
    for i, line in enumerate(cells):
        label = f"{high - span * i / (height - 1):7.2f} │" if i % 3 == 0 or i == height - 1 else "        │"
        text = Text(label, "dim")
        for dots, colour in line:
            text.append(chr(0x2800 + dots), colour or None)
        console.print(text, soft_wrap=True)
    console.print(Text(f"        └{'─' * width}", "dim"), soft_wrap=True)
    console.print(Text(f"         {min(x):<{width // 2}g}{max(x):>{width - width // 2}g}", "dim"), soft_wrap=True)
    legend = Text("         ")
    for name, (colour, ys) in series.items():
        legend.append("── ", colour).append(f"{name} {ys[-1]:.2f}   ")
    console.print(legend, soft_wrap=True)


#: The bit of each dot in a braille character, by row and column.
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
