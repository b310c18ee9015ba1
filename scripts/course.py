"""Run the course's notebooks from top to bottom.

    python scripts/course.py            all of them on MNIST, and keep what they show: under ten minutes
    python scripts/course.py 05 07      some of them
    python scripts/course.py --quick    on the small digits, and keep nothing: what continuous integration does

A cell that raises ends it, and every number that the prose states is asserted in a cell. A notebook that was run whole
carries the digest of its sources; `tests/test_course.py` fails where the two differ, so nobody edits one and forgets to
run it.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import sys
import time
from pathlib import Path

COURSE = Path(__file__).parent.parent / "course"
DIGEST = "chainrule_sources"
MOST_SECONDS = 600


def sources_of(notebook: dict) -> str:
    """A digest of what was written in a notebook, whatever its cells have put out."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


def notebooks(chosen: list[str]) -> list[Path]:
    """The chapters whose numbers are given, or all."""
    found = sorted(COURSE.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not chosen or path.name[:2] in chosen]


def run(path: Path, *, quick: bool) -> float:
    """Execute one notebook; the seconds it took. Whole runs are kept."""
    import nbformat
    from nbclient import NotebookClient

    os.environ["CHAINRULE_COURSE"] = "quick" if quick else "whole"
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    NotebookClient(
        notebook, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": COURSE}}
    ).execute()
    seconds = time.perf_counter() - start
    if not quick:
        for cell in notebook["cells"]:
            cell.get("metadata", {}).pop("execution", None)
        notebook["metadata"] = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            DIGEST: sources_of(notebook),
        }
        nbformat.write(notebook, path)
    return seconds


#: Which of a chapter's pictures stands in the README.
PICTURES = (0, 2, 1, 3, 0, 0, 1, 3, 1, 2, 0, 0)


def extract_pictures() -> None:
    """One picture of each chapter, small: docs/pictures/course-01.png and on."""
    from PIL import Image

    for path, chosen in zip(notebooks([]), PICTURES, strict=True):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        content = [data["image/png"] for data in outputs if "image/png" in data][chosen]
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            picture.convert("RGB").quantize(64).save(
                COURSE.parent / "docs" / "pictures" / f"course-{path.name[:2]}.png"
            )


def main() -> None:
    """Run them one after the other, and stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="numbers: 05 07")
    parser.add_argument("--quick", action="store_true", help="on the small digits, keeping nothing")
    parser.add_argument("--pictures", action="store_true", help="take one picture of each for the README, and run none")
    options = parser.parse_args()
    if options.pictures:
        extract_pictures()
        return
    from nbclient.exceptions import CellExecutionError

    total = 0.0
    for path in notebooks(options.chapters):
        try:
            seconds = run(path, quick=options.quick)
        except CellExecutionError as error:
            sys.exit(f"{path.name} stopped:\n{error}")
        total += seconds
        print(f"{path.name:<40} {seconds:6.1f} s", flush=True)
    print(f"{'in all':<40} {total:6.1f} s")


if __name__ == "__main__":
    main()
