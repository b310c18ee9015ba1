"""Calls a stranger's function with what its arguments are named for.

What an earlier function returned is known by the names it was returned under, by the names it was given where the code
itself calls it, and by what such names usually mean (`names.py`). So `backward_prop(Z1, A1, Z2, A2, W2, X, Y)` can be
called after `forward_prop`, in whatever order and spelling.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.names import is_gradient_name, plain, role_of, ungraded
from chainrule.errors import InputError

Array = NDArray[Any]


class CannotBindError(InputError):
    """There is nothing to give to an argument."""


@dataclass
class CallSite:
    """How the code itself calls a function: names of arguments by position or keyword, and what it calls the result."""

    arguments: list[str | None]
    keywords: dict[str, str]
    targets: list[str]


@dataclass
class Environment:
    """What is known by name.

    Attributes
    ----------
    named : dict from plain names to values
    by_role : dict from roles (`names.ROLES`) to values
    """

    named: dict[str, Any] = field(default_factory=dict)
    by_role: dict[str, Any] = field(default_factory=dict)

    def bind(self, name: str, value: Any) -> None:
        """Know a value by its name; what is in a dict is known by its keys too."""
        self.named[plain(name)] = value
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(key, str):
                    self.named.setdefault(plain(key), inner)

    def copy(self) -> Environment:
        """The same values, to add others to."""
        return Environment(dict(self.named), dict(self.by_role))


class Calls:
    """The calls and the return statements of a file, and functions called likewise."""

    def __init__(self, tree: ast.Module) -> None:
        self.sites: dict[str, list[CallSite]] = {}
        self.returns: dict[str, list[str] | None] = {}
        self.calls_of: dict[str, set[str]] = {}
        self.looped: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and {role_of(name) for name in _names(node.target)} & {"x", "y"}:
                self.looped |= {_called(n.func) or "" for n in ast.walk(node) if isinstance(n, ast.Call)}
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                self.looped |= set(_called_with_one(node, node.target.id))
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                self._note(node.value, _names(node.targets[0]))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._note(node.value, [])
            elif isinstance(node, ast.FunctionDef):
                self.returns[node.name] = _returned(node)
                self.calls_of[node.name] = {
                    _called(n.func) or "" for n in ast.walk(node) if isinstance(n, ast.Call)
                } - {node.name}

    def _note(self, call: ast.Call, targets: list[str]) -> None:
        name = _called(call.func)
        if name is not None:
            keywords = {k.arg: n for k in call.keywords if k.arg and (n := _name(k.value))}
            self.sites.setdefault(name, []).append(CallSite([_name(a) for a in call.args], keywords, targets))

    def call(self, name: str, function: Callable[..., Any], known: Environment, fallback: tuple[str, ...] = ()) -> Any:
        """Call a function, and bind what it returns.

        Parameters
        ----------
        name : str
        function : callable
        known : Environment
            Receives what comes back.
        fallback : tuple of str
            Roles for arguments that mean nothing otherwise, in their order.
        """
        arguments, options = self.arguments(name, function, known, fallback)
        value = function(*arguments, **options)
        self.bind_result(name, value, known)
        return value

    def arguments(
        self, name: str, function: Callable[..., Any], known: Environment, fallback: tuple[str, ...]
    ) -> tuple[list[Any], dict[str, Any]]:
        """What to call it with."""
        arguments: list[Any] = []
        options: dict[str, Any] = {}
        spare = list(fallback)
        for i, parameter in enumerate(inspect.signature(function).parameters.values()):
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            role = role_of(parameter.name)
            if isinstance(parameter.default, (str, bool)) or (
                callable(parameter.default) and parameter.default is not parameter.empty
            ):
                continue  # a choice that the code has made
            if parameter.default is not parameter.empty and role in ("output", "cache"):
                continue
            if role in spare:
                spare.remove(role)
            found = list(self._values(name, i, parameter.name, known))
            if not found and parameter.default is not parameter.empty:
                continue
            if not found and spare and spare[0] in known.by_role:
                found = [known.by_role[spare.pop(0)]]
            if not found:
                raise CannotBindError(f"nothing is known to give to `{parameter.name}` of `{name}`")
            if parameter.kind is parameter.KEYWORD_ONLY or len(arguments) < i:
                options[parameter.name] = found[0]
            else:
                arguments.append(found[0])
        return arguments, options

    def _values(self, function: str, position: int, name: str, known: Environment) -> Iterator[Any]:
        """What an argument may be given, the best first."""
        names = [name]
        for site in self.sites.get(function, []):
            alias = site.keywords.get(name) or (site.arguments[position] if position < len(site.arguments) else None)
            if alias:
                names.append(alias)
        for candidate in names:
            role = role_of(candidate)
            if role in ("x", "y", "m", "rate") and role in known.by_role:
                yield known.by_role[role]
            if plain(candidate) in known.named:
                yield known.named[plain(candidate)]
            if is_gradient_name(candidate):
                for other, value in known.named.items():
                    if is_gradient_name(other) and ungraded(other) == ungraded(candidate):
                        yield value
            if role in known.by_role:
                yield known.by_role[role]

    def bind_result(self, name: str, value: Any, known: Environment) -> None:
        """Know what a function returned by the names it has inside and at its calls."""
        for names in [self.returns.get(name), *(site.targets for site in self.sites.get(name, []))]:
            if not names:
                continue
            if isinstance(value, (tuple, list)) and len(names) == len(value) and len(names) > 1:
                for one, part in zip(names, value, strict=True):
                    known.bind(one, part)
            elif len(names) == 1:
                known.bind(names[0], value)
        if isinstance(value, Mapping):
            known.bind("@", value)


def _called_with_one(loop: ast.For, index: str) -> Iterator[str]:
    """What a loop calls with X[i], or in a loop over X's rows by number that takes x = X[i] first."""
    picks = [
        n
        for n in ast.walk(loop)
        if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name) and role_of(n.value.id) in ("x", "y")
        and any(isinstance(i, ast.Name) and i.id == index for i in ast.walk(n.slice))
        and not any(isinstance(i, ast.BinOp) or (isinstance(i, ast.Slice) and i.lower) for i in ast.walk(n.slice))
    ]  # fmt: skip
    if picks:
        yield from (_called(n.func) or "" for n in ast.walk(loop) if isinstance(n, ast.Call))


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else None


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    if isinstance(node, ast.Starred):
        return None
    return None


def _names(target: ast.expr) -> list[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [_name(element) or "_" for element in target.elts]
    name = _name(target)
    return [name] if name else []


def _returned(function: ast.FunctionDef) -> list[str] | None:
    """The names in the last return statement of its own."""
    found = None
    nested = {id(n) for inner in ast.walk(function) if isinstance(inner, (ast.FunctionDef, ast.Lambda)) and inner
              is not function for n in ast.walk(inner)}  # fmt: skip
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and id(node) not in nested and node.value is not None:
            if isinstance(node.value, ast.Dict):
                continue
            found = _names(node.value)
    return found


# ------------------------------------------------------------------------------------------- arrays in any container


def leaves(value: Any, name: str) -> Iterator[tuple[str, Array]]:
    """Every array of numbers in tuples, lists and dicts, with a name: a key, or its container's and a number."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, key if isinstance(key, str) else f"{name}{key}")
    elif isinstance(value, (tuple, list)):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{name}[{i}]")
    elif isinstance(value, np.ndarray) and value.dtype == object:
        for i, inner in enumerate(value.tolist()):
            yield from leaves(inner, f"{name}[{i}]")
    elif isinstance(value, (np.ndarray, np.floating)) and np.asarray(value).dtype.kind == "f":
        yield name, np.asarray(value)


def replaced(value: Any, arrays: Iterator[Array]) -> Any:
    """The same containers with other arrays, in the order of `leaves`."""
    if isinstance(value, Mapping):
        return {key: replaced(inner, arrays) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(replaced(inner, arrays) for inner in value) if not hasattr(value, "_fields") else value
    if isinstance(value, np.ndarray) and value.dtype == object:
        result = np.empty(len(value), object)
        for i, inner in enumerate(value.tolist()):
            result[i] = replaced(inner, arrays)
        return result
    if isinstance(value, (np.ndarray, np.floating)) and np.asarray(value).dtype.kind == "f":
        return next(arrays)
    return value
