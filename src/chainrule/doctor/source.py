"""Reads what a script or a notebook defines, and leaves what it does.

Imports, functions, classes and simple constants are executed; loops, calls of its own functions and everything that
would train, load or draw are not. Packages other than NumPy, SciPy and the standard library are stand-ins that fail
when they are touched, but for those that only draw or show progress, which do nothing.
"""

from __future__ import annotations

import ast
import builtins
import dis
import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.errors import InputError

_REAL = {"numpy", "scipy"}
_SILENT = {"matplotlib", "seaborn", "tqdm", "IPython", "plotly", "rich", "numba", "termcolor", "colorama"}
_HARMLESS = {
    "range", "len", "int", "float", "list", "dict", "tuple", "zip", "set", "abs", "min", "max", "sum", "pow", "round",
    "str", "bool", "enumerate", "sorted", "frozenset", "complex", "slice",
}  # fmt: skip
_LARGEST = 20 << 20


class UntouchableError(InputError):
    """The code used a package that is not here."""


class StandIn(types.ModuleType):
    """What stands for a package that is not imported: it may be named, and not used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        raise UntouchableError(
            f"the code calls {self.__name__}, and {self.__name__.split('.')[0]} is not imported here"
        )

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (object,)


class Silent(StandIn):
    """What stands for a package that draws: everything can be done with it, and nothing happens."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Silent(f"{self.__name__}.{name}")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return arguments[0] if arguments else self

    def __iter__(self) -> Iterator[Any]:
        return iter((self, self))

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __getitem__(self, _: Any) -> Any:
        return self

    def __setitem__(self, *_: Any) -> None:
        return None


@dataclass
class Source:
    """A file's definitions.

    Attributes
    ----------
    path : Path
    tree : ast.Module
    namespace : dict
        After its definitions were executed.
    skipped : list of str
        Definitions that could not be executed, and why.
    supplied : set of str
        Names that were missing, and are set to what made-up examples need.
    """

    path: Path
    tree: ast.Module
    namespace: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    supplied: set[str] = field(default_factory=set)

    @property
    def functions(self) -> dict[str, types.FunctionType]:
        """Those that are defined here, lambdas with a name included."""
        return {
            name: value
            for name, value in self.namespace.items()
            if isinstance(value, types.FunctionType) and value.__globals__ is self.namespace
        }

    @property
    def classes(self) -> dict[str, type]:
        """Those that are defined here."""
        return {
            name: value
            for name, value in self.namespace.items()
            if isinstance(value, type) and value.__module__ == self.namespace["__name__"]
        }

    def missing_names(self) -> set[str]:
        """Global names that functions use and nothing defines."""
        codes = [f.__code__ for f in self.functions.values()]
        for cls in self.classes.values():
            codes += [f.__code__ for f in vars(cls).values() if isinstance(f, types.FunctionType)]
            codes += [f.__func__.__code__ for f in vars(cls).values() if isinstance(f, (staticmethod, classmethod))]
        known = set(self.namespace) | set(dir(builtins))
        missing: set[str] = set()
        while codes:
            code = codes.pop()
            codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
            missing |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"} - known
        self.supplied |= missing
        return set(self.supplied)


def read_source(path: Path) -> Source:
    """Parse a script or a notebook.

    Raises
    ------
    InputError
        If the file is missing, too large, no Python, or no notebook; a syntax error is shown with its line.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise InputError(f"{path} has {size:,} bytes, too many for a program. Give the script or notebook itself.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}. Expected a .py or .ipynb file.") from error
    if path.suffix == ".ipynb":
        return Source(path, _parse_cells(path, text))
    return Source(path, _parse(_without_magic(text), str(path)))


def _parse_cells(path: Path, text: str) -> ast.Module:
    try:
        cells = json.loads(text)["cells"]
        codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is no Jupyter notebook: {type(error).__name__}. Save it once more as .ipynb."
        ) from error
    body: list[ast.stmt] = []
    for number, code in enumerate(codes, start=1):
        body += _parse(_without_magic(code), f"{path}, code cell {number}").body
    return ast.Module(body, [])


def _without_magic(code: str) -> str:
    """Jupyter's own commands (%matplotlib, !pip) as empty lines."""
    if code.lstrip().startswith("%%") and not code.lstrip().startswith(("%%time", "%%capture")):
        return ""
    lines = code.splitlines()
    return "\n".join(
        "pass" if line.strip()[:1] in ("%", "!", "?") and line == line.lstrip() else line for line in lines
    )


def _parse(code: str, where: str) -> ast.Module:
    try:
        return ast.parse(code, filename=where)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None)
        lines = code.splitlines()
        line = f"\n    {lines[number - 1].rstrip()}" if number and number <= len(lines) else ""
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise InputError(f"{where}, line {number}: not Python 3: {reason}.{line}") from error


def execute_definitions(source: Source) -> None:
    """Run what defines something, statement by statement; what fails is noted in `source.skipped`."""
    name = "__the_code__"
    module = types.ModuleType(name)
    sys.modules[name] = module
    source.namespace = module.__dict__
    source.namespace.update({"__name__": name, "__file__": str(source.path)})
    for statement in source.tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            _import(statement, source.namespace)
        elif isinstance(statement, ast.Try) and any(
            isinstance(s, (ast.Import, ast.ImportFrom)) for s in statement.body
        ):
            for inner in statement.body:
                if isinstance(inner, (ast.Import, ast.ImportFrom)):
                    _import(inner, source.namespace)
        elif _defines(statement):
            try:
                code = compile(ast.Module([statement], []), str(source.path), "exec")
                exec(code, source.namespace)
            except Exception as error:
                source.skipped.append(f"line {statement.lineno}: {type(error).__name__}: {error}"[:200])


def _import(statement: ast.Import | ast.ImportFrom, namespace: dict[str, Any]) -> None:
    """Import what may be, and put stand-ins where it may not."""
    if isinstance(statement, ast.Import):
        modules = [alias.name for alias in statement.names]
    else:
        modules = [statement.module or ""]
        if statement.level:
            modules = ["." + modules[0]]
    for i, module in enumerate(modules):
        root = module.split(".")[0]
        one = ast.Import([statement.names[i]]) if isinstance(statement, ast.Import) else statement
        if root in _REAL or root in sys.stdlib_module_names:
            try:
                exec(compile(ast.fix_missing_locations(ast.Module([one], [])), "import", "exec"), namespace)
                continue
            except Exception:
                pass
        kind = Silent if root in _SILENT else StandIn
        if isinstance(statement, ast.Import):
            alias = statement.names[i]
            namespace[alias.asname or root] = kind(module if alias.asname else root)
        else:
            for alias in statement.names:
                namespace[alias.asname or alias.name] = kind(f"{module}.{alias.name}")


def _defines(statement: ast.stmt) -> bool:
    """Whether a statement only defines something."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return True
    if isinstance(statement, ast.Expr):
        call = statement.value
        return isinstance(call, ast.Call) and _root(call.func) == "np" and "seed" in ast.dump(call.func)
    if isinstance(statement, ast.Assign):
        return all(isinstance(t, (ast.Name, ast.Tuple)) for t in statement.targets) and _is_simple(statement.value)
    return isinstance(statement, ast.AnnAssign) and statement.value is not None and _is_simple(statement.value)


def _is_simple(value: ast.expr) -> bool:
    """Whether computing it calls nothing but NumPy and harmless built-ins; a lambda's inside is not computed."""
    if isinstance(value, ast.Lambda):
        return True
    if isinstance(value, ast.Call):
        root = _root(value.func)
        if root not in ("np", "numpy", "math") and not (isinstance(value.func, ast.Name) and root in _HARMLESS):
            return False
        if isinstance(value.func, ast.Attribute) and value.func.attr.startswith(("load", "genfrom", "from", "save")):
            return False
    return all(_is_simple(child) if isinstance(child, ast.expr) else True for child in ast.iter_child_nodes(value))


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
