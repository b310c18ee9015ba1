"""Take away each guard in turn, and see that a test fails; the counts go to docs/guards.json and docs/reliability.md.

    python scripts/guards.py                        every module in turn, an hour or two
    python scripts/guards.py data/formats.py        this one alone

A guard is a condition under which something is refused (each part of an `and`, an `or` and a chain of comparisons on
its own), an `except` that puts an error into words, and a call of a function that does nothing but refuse. Each is
taken away in a copy of the repository, and the tests of its module run in a process of their own until one fails. Where
none does, the place is printed: either a test is missing, or the guard is not needed. Not for Windows.
"""

import argparse
import ast
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
RECORD, PAGE = ROOT / "docs" / "guards.json", ROOT / "docs" / "reliability.md"
START, END = "<!-- guards: written by scripts/guards.py -->", "<!-- end of guards -->"
PACKAGE = Path("src/chainrule")
SECONDS = 900
#: Names of functions that return to nobody, and of those that return only what they let through.
FAILING, REFUSING = ("_fail", "fail", "_refuse"), ("require", "_require", "check_", "_check")
#: Tests that a module has beside those under its own name.
ALSO = {
    "data/datasets.py": ["tests/data/test_kaggle.py"],
    "data/formats.py": ["tests/test_fuzzing.py", "tests/data/test_datasets.py"],
    "data/preparation.py": ["tests/test_inputs.py"],
    "data/streams.py": ["tests/training/test_reading.py"],
    "files/tensors.py": ["tests/files/test_model_file.py"],
    "model.py": ["tests/test_inputs.py"],
    "nn/network.py": ["tests/test_inputs.py", "tests/files/test_model_file.py"],
    "training/checkpoint.py": ["tests/training/test_state.py", "tests/cli/test_checkpoints.py"],
    "training/state.py": ["tests/training/test_checkpoint.py"],
    "training/training.py": [
        "tests/training/test_state.py",
        "tests/training/test_reading.py",
        "tests/test_inputs.py",
        "tests/test_devices.py",
        "tests/test_parallel.py",
    ],
    "two_layer.py": ["tests/test_inputs.py"],
}


class Guard(NamedTuple):
    """A stretch of a module's bytes, and what takes its place where the guard is taken away."""

    line: int
    start: int
    end: int
    instead: str


def main() -> int:
    """Try the guards of the modules asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("modules", nargs="*", metavar="MODULE", help="such as data/formats.py")
    asked = options.parse_args().modules
    modules = asked or sorted(str(path.relative_to(ROOT / PACKAGE)) for path in (ROOT / PACKAGE).rglob("*.py"))
    if "CHAINRULE_DATA" in os.environ:
        os.environ["CHAINRULE_DATA"] = str(Path(os.environ["CHAINRULE_DATA"]).resolve())
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy_repository(Path(folder))
        os.chdir(folder)
        sys.path.insert(0, str(Path(folder) / "src"))
        os.environ["PYTHONPATH"] = sys.path[0]  # for the processes that tests start
        for module in modules:
            found = try_module(module)
            unnoticed += len(found["unnoticed"])
            record(module, found)
    return int(unnoticed > 0)


def record(module: str, found: dict) -> None:
    """Keep the counts of a module, and say so in docs/reliability.md; one without guards has none."""
    results = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    results.pop(module, None)
    if found["guards"]:
        results[module] = found
    RECORD.write_text(json.dumps(dict(sorted(results.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    PAGE.write_text(before + START + in_words(results) + END + rest.partition(END)[2], encoding="utf-8")


def in_words(results: dict[str, dict]) -> str:
    """How many guards there are in all, and each that can go without a test failing."""
    missed = [f"- `{module}`: `{what}`" for module, found in sorted(results.items()) for what in found["unnoticed"]]
    guards = sum(found["guards"] for found in results.values())
    words = (
        f"Of {guards:,} guards in {len(results)} modules, {guards - len(missed):,} cannot go without a test failing."
    )
    return "\n".join(["", words, "", *missed, *([""] if missed else [])]) + "\n"


def copy_repository(folder: Path) -> None:
    """What git knows of, without its history."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, target)


def try_module(module: str) -> dict:
    """How many guards a module has, and which of them no test misses."""
    path, tests = PACKAGE / module, tests_of(module)
    content = path.read_bytes()
    guards = sorted(set(find_guards(content))) if tests else []
    unnoticed = []
    if guards and not passes(tests):
        sys.exit(f"{module}: {' '.join(tests)} fail as they are. Mend that first.")
    for guard in guards:
        path.write_bytes(content[: guard.start] + guard.instead.encode() + content[guard.end :])
        if passes(tests):
            what = " ".join(content[guard.start : guard.end].decode().split())
            unnoticed.append(f"line {guard.line}: {what} → {guard.instead}")
            print(f"no test misses {module}, {unnoticed[-1]}", flush=True)
    path.write_bytes(content)
    if guards:
        print(f"{module}: {len(guards)} guards, {len(unnoticed)} of them missed by no test", flush=True)
    return {"guards": len(guards), "unnoticed": unnoticed}


def tests_of(module: str) -> list[str]:
    """The tests that mirror a module, and those beside them."""
    path = Path("tests") / Path(module).with_name(f"test_{Path(module).name}")
    return [str(test) for test in (path, *ALSO.get(module, [])) if Path(test).is_file()]


def passes(tests: list[str]) -> bool:
    """Whether they do, in a process that has everything imported but the package."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(SECONDS)  # a guard against what would never end
        code = 1
        try:
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def find_guards(content: bytes) -> Iterator[Guard]:
    """All that a module has."""
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def cut(node: ast.expr | ast.stmt, instead: str, until: ast.expr | ast.stmt | None = None) -> Guard:
        last = until or node
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[last.end_lineno - 1] + last.end_col_offset
        return Guard(node.lineno, begin, end, instead)

    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.If) and any(map(refuses, node.body)):
            yield cut(node.test, "False")
            for part, instead in parts_of(node.test):
                yield cut(part, instead)
            for chain in (part for part in ast.walk(node.test) if isinstance(part, ast.Compare) and len(part.ops) > 1):
                terms = [chain.left, *chain.comparators]
                for left, right in itertools.pairwise(terms):
                    kept = cut(left, "", right)
                    yield cut(chain, f"({content[kept.start : kept.end].decode()})")
        elif isinstance(node, ast.ExceptHandler) and refuses(node.body[-1]):
            yield cut(node.body[0], "raise", node.body[-1])
        elif isinstance(node, ast.Expr) and name_of(node.value).startswith(REFUSING):
            yield cut(node, "pass")


def parts_of(test: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Each part of a condition, with what makes it say nothing."""
    inverted = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    inner = test.operand if inverted else test
    if isinstance(inner, ast.BoolOp):
        for value in inner.values:
            yield value, "True" if isinstance(inner.op, ast.And) else "False"
            yield from parts_of(value)


def refuses(statement: ast.stmt) -> bool:
    """Whether it raises, itself or in a function that does nothing else."""
    if isinstance(statement, ast.Raise):
        return statement.exc is not None
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and name_of(statement.value) in FAILING
    )


def name_of(expression: ast.expr) -> str:
    """The last word of what is called; none where nothing is."""
    called = expression.func if isinstance(expression, ast.Call) else None
    return getattr(called, "id", getattr(called, "attr", ""))


if __name__ == "__main__":
    sys.exit(main())
