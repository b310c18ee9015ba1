"""Run the course's notebooks from top to bottom.

    python scripts/course.py            all of them on MNIST, and keep what they show: under ten minutes
    python scripts/course.py 05 07      some of them
    python scripts/course.py --quick    on the small digits, and keep nothing: what continuous integration does

A cell that raises ends it, and every number that the prose states is asserted in a cell. A notebook that was run whole
carries the digest of its sources; `tests/test_course.py` fails where the two differ, so nobody edits one and forgets to
run it.
"""

import argparse
import hashlib
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
    NotebookClient(notebook, timeout=MOST_SECONDS, kernel_name="python3", resources={"metadata": {"path": COURSE}}).execute()
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


def main() -> None:
    """Run them one after the other, and stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="numbers: 05 07")
    parser.add_argument("--quick", action="store_true", help="on the small digits, keeping nothing")
    options = parser.parse_args()
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
