"""The notebooks are whole, were run as they stand, and say what they should."""

import ast
import json
import re
from pathlib import Path

import pytest

import chainrule
from chainrule.exercises import exercises
from course import DIGEST, notebooks, sources_of

COURSE = Path(__file__).parent.parent / "course"
ROOMS = Path(chainrule.__file__).parent / "lab" / "static" / "rooms"
LAB = "http://127.0.0.1:8000"
NOTEBOOKS = notebooks([])


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def prose(notebook):
    return "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


def code(notebook):
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def test_there_are_twelve_chapters():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02d}" for n in range(1, 13)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_as_it_stands(path):
    notebook = load(path)
    assert notebook["metadata"].get(DIGEST) == sources_of(notebook), f"run it again: scripts/course.py {path.name[:2]}"
    counts = [c["execution_count"] for c in notebook["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_has_a_derivation_a_check_a_picture_and_exercises(path):
    notebook = load(path)
    outputs = [o for c in notebook["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum(isinstance(n, ast.Assert) for text in code(notebook) for n in ast.walk(ast.parse(clean(text)))) >= 5
    assert "## Exercises" in prose(notebook)
    number = int(path.name[:2])
    for one in exercises().values():
        if one.number.startswith(f"{number}."):
            assert f"**{one.number}** `{one.name}" in prose(notebook)
            stated = rf"\*\*{re.escape(one.number)}\*\*((?!\*\*).)*\*{one.minutes}\s+minutes\*"
            assert re.search(stated, prose(notebook), re.DOTALL)


def clean(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("%"))


@pytest.mark.parametrize("path", [*NOTEBOOKS, COURSE / "README.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    text = prose(load(path)) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith(("https://", LAB)) or (COURSE / target).exists(), target
    for room in re.findall(rf"\({LAB}/#(\w+)", text):
        assert (ROOMS / f"{room}.js").exists(), room


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_points_to_its_room_in_the_lab(path):
    assert f"]({LAB}/#" in prose(load(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_machine_is_named(path):
    text = path.read_text(encoding="utf-8")
    assert "/work/" not in text
    assert "/root/" not in text


def test_the_sheet_has_every_formula_of_its_chapters():
    from draw_sheet import CHAPTERS, drawable, formulas
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("agg")
    lines = [
        line for chapter in CHAPTERS for _, texts in formulas(chapter) for text in texts for line in drawable(text)
    ]
    assert len(lines) > 30
    for line in lines:
        parser.parse(f"${line}$")
    assert (COURSE / "sheet.pdf").read_bytes().startswith(b"%PDF")


def test_the_readme_has_every_chapter_and_the_sum_of_its_minutes():
    text = (COURSE / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert path.name in text
        number = str(int(path.name[:2]))
        minutes = sum(one.minutes for one in exercises().values() if one.number.split(".")[0] == number)
        row = next(line for line in text.splitlines() if path.name in line)
        assert row.endswith(f"| {minutes} min |"), (path.name, minutes)
