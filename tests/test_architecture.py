"""The arrows of docs/architecture.md: who may import whom."""

import ast
from pathlib import Path

import chainrule

ROOT = Path(chainrule.__file__).parent

#: What each part may import of the package, itself aside.
ALLOWED = {
    "errors": set(),
    "atomic": {"errors"},
    "two_layer": set(),
    "machine": set(),
    "launch": set(),
    "devices": {"errors"},
    "parallel": {"errors", "launch", "machine"},
    "nn": {"errors"},
    "doctor": {"errors"},
    "exercises": {"errors", "doctor"},
    "data": {"errors", "atomic", "devices"},
    "model": {"errors", "nn", "data", "machine"},
    "files": {"errors", "atomic", "nn", "data", "model"},
    "training": {"errors", "atomic", "devices", "parallel", "nn", "data", "model", "files", "machine"},
    "recipes": {"errors", "devices", "parallel", "nn", "data", "model", "files", "training"},
    "lab": {"errors", "doctor", "nn", "data", "model", "files", "training", "recipes", "machine"},
    "estimator": {"errors", "nn", "data", "model", "training"},
    "plots": {"errors", "atomic", "nn", "data", "model", "files", "training"},
    "cli": {
        "atomic",
        "data",
        "devices",
        "doctor",
        "errors",
        "exercises",
        "files",
        "lab",
        "launch",
        "machine",
        "model",
        "nn",
        "parallel",
        "plots",
        "recipes",
        "training",
    },
    "__main__": {"cli"},
    "__init__": {
        "errors",
        "two_layer",
        "doctor",
        "nn",
        "data",
        "model",
        "files",
        "parallel",
        "training",
        "recipes",
        "estimator",
    },
}
NUMPY_ALONE = {"two_layer": {"numpy", "matplotlib"}, "nn": {"numpy"}}
STANDARD_LIBRARY_OF_NN = {
    "__future__",
    "collections",
    "copy",
    "dataclasses",
    "functools",
    "itertools",
    "math",
    "statistics",
    "typing",
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        yield part, path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Every module that is imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "chainrule":
                yield from (f"chainrule.{alias.name}" for alias in node.names)
            else:
                yield node.module


def test_arrows_run_one_way():
    for part, path, tree in modules():
        for name in imported(tree):
            package, _, rest = name.partition(".")
            if package == "chainrule":
                target = rest.split(".")[0]
                assert target == part or target in ALLOWED[part], f"{path.relative_to(ROOT)} imports {name}"


def test_every_part_has_its_place_in_the_plan():
    assert {part for part, _, _ in modules()} == set(ALLOWED)


def test_the_mathematics_imports_numpy_alone():
    for part, path, tree in modules():
        if part in NUMPY_ALONE:
            outside = {name.split(".")[0] for name in imported(tree)} - {"chainrule"}
            assert outside <= NUMPY_ALONE[part] | STANDARD_LIBRARY_OF_NN, path


def test_the_engine_never_learns_of_files_clocks_or_screens():
    for part, path, tree in modules():
        if part == "nn":
            calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
            assert not calls & {"open", "print", "input"}, path
