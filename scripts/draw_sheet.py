"""One printable page with the whole derivation, taken from the notebooks: course/sheet.pdf.

    python scripts/draw_sheet.py

Every displayed formula of chapters 2, 3, 5 and 6 stands there under the heading it has in its chapter, in its order, so
that sheet and course cannot differ.
"""

import json
import re
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

COURSE = Path(__file__).parent.parent / "course"
CHAPTERS = ("02", "03", "05", "06")
WIDTH, HEIGHT = 8.27, 11.69  # A4, in inches
_COLUMNS, _TOP, _BOTTOM = (0.06, 0.52), 0.93, 0.03
#: What matplotlib's mathematics lacks.
_PLAIN = (
    (r"\lVert", r"\Vert"),
    (r"\rVert", r"\Vert"),
    (r"\qquad", r"\quad"),
    (r"\tfrac", r"\frac"),
    (r"\!", ""),
    (r"\frac", r"\dfrac"),
    (r"\mathcal N", r"\mathcal{N}"),
)


def formulas(chapter: str) -> list[tuple[str, list[str]]]:
    """Headings of a chapter, each with its displayed formulas; those without any are left out."""
    (path,) = COURSE.glob(f"{chapter}_*.ipynb")
    found: list[tuple[str, list[str]]] = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        for part in re.split(r"(^#+ .*$)", "".join(cell["source"]), flags=re.MULTILINE):
            if part.startswith("#"):
                found.append((part.lstrip("# "), []))
            elif found:
                found[-1][1].extend(re.findall(r"\$\$(.+?)\$\$", part, flags=re.DOTALL))
    return [(heading, texts) for heading, texts in found if texts]


def drawable(formula: str) -> list[str]:
    """A formula in matplotlib's dialect, in pieces that fit a column."""
    formula = re.sub(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}", r"\1", formula.replace("\n", " ").strip())
    for old, new in _PLAIN:
        formula = formula.replace(old, new)
    formula = re.sub(r"\\d?frac(\d)(\w|\{[^{}]*\})", lambda m: rf"\dfrac{{{m[1]}}}{{{m[2].strip('{}')}}}", formula)
    pieces = re.split(r"\\quad(?:\s*\\quad)*", formula)
    cleaned = [piece.strip().removeprefix(r"\Longrightarrow").strip(" ,") for piece in pieces]
    return [piece for piece in cleaned if piece]


def main() -> None:
    """Draw the page."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    figure.text(0.06, 0.955, "Backpropagation on one page", fontsize=16, weight="bold")
    figure.text(
        0.06, 0.938, "chainrule · examples are columns: X (n, m), W (outputs, inputs), T one-hot (c, m)", fontsize=8
    )
    column, y = 0, _TOP - 0.015
    for chapter in CHAPTERS:
        for heading, texts in formulas(chapter):
            lines = [piece for text in texts for piece in drawable(text)]
            if y - 0.02 - 0.0262 * min(2, len(lines)) < _BOTTOM:
                column, y = column + 1, _TOP - 0.015
            title = re.split(r"[?:] ", re.sub(r"\*+", "", heading))[0]
            figure.text(_COLUMNS[column], y, f"{int(chapter)}  {title}", fontsize=8, weight="bold", color="#1f5fa8")
            y -= 0.0215
            for line in lines:
                if y < _BOTTOM:
                    column, y = column + 1, _TOP - 0.015
                figure.text(_COLUMNS[column] + 0.01, y, f"${line}$", fontsize=9.5)
                y -= 0.031
            y -= 0.006
    with PdfPages(COURSE / "sheet.pdf", metadata={"Title": "Backpropagation on one page", "CreationDate": None}) as pdf:
        pdf.savefig(figure)


if __name__ == "__main__":
    main()
