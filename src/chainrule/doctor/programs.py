"""init, forward, backward and update of a file, as one function of θ.

A program is run as often as somebody asks, each time from the same random state, on made-up examples: it gives the
network's outputs and what the code takes for ∂ℓ/∂θ, whatever it returns, stores, or has already subtracted.
"""

from __future__ import annotations

import copy
import inspect
import random
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.doctor.binding import Calls, CannotBindError, Environment, leaves, replaced
from chainrule.doctor.names import (
    BACKWARD,
    DERIVATIVE,
    FORWARD,
    INIT,
    LOSS,
    TRAINING,
    UPDATE,
    is_gradient_name,
    plain,
    role_of,
    ungraded,
)
from chainrule.doctor.source import Source
from chainrule.errors import InputError

Array = NDArray[Any]

RATE = 0.1


@dataclass(frozen=True)
class Chosen:
    """Names that somebody gives where they cannot be guessed."""

    init: str | None = None
    forward: str | None = None
    backward: str | None = None


@dataclass(frozen=True)
class Examples:
    """Made-up examples as a code wants them.

    Attributes
    ----------
    x : (N, D), y : one-hot (N, C)
        As the reference takes them.
    columns : bool
        Whether the code has examples as columns.
    form : str
        How it wants labels: "one-hot", "labels", "labels (1, N)", "labels (N, 1)".
    flat : bool
        Whether it takes one example as a vector without a second axis.
    out_in : bool
        Whether its weights are (outputs, inputs).
    """

    x: Array
    y: Array
    columns: bool
    form: str = "one-hot"
    flat: bool = False
    out_in: bool = True

    @property
    def given_x(self) -> Array:
        """X as the code takes it."""
        if self.flat:
            return self.x[0].copy()
        return (self.x.T if self.columns else self.x).copy()

    @property
    def given_y(self) -> Array:
        """Y as the code takes it."""
        labels = self.y.argmax(axis=1) if self.y.shape[1] > 1 else self.y[:, 0].astype(int)
        if self.form == "labels":
            return labels
        if self.form == "labels (1, N)":
            return labels[np.newaxis]
        if self.form == "labels (N, 1)":
            return labels[:, np.newaxis]
        if self.flat:
            return self.y[0].copy()
        return (self.y.T if self.columns else self.y).copy()

    def output(self, value: Any) -> Array | None:
        """An output as (N, C), or None if it has another shape."""
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
            return None
        array, (n, c) = value.astype(float), self.y.shape
        if array.shape == ((c, n) if self.columns else (n, c)):
            return array.T if self.columns else array
        if array.shape in ((n, c), (c, n)):
            return array if array.shape == (n, c) else array.T
        return array.reshape(n, c) if array.ndim == 1 and array.size == n * c and (c == 1 or n == 1) else None


@dataclass
class Step:
    """One run: what came forward, and what came back."""

    output: Array
    gradients: dict[str, Array]
    known: Environment
    updated: dict[str, Array] = field(default_factory=dict)


class Program:
    """A file's network as a function of θ.

    Attributes
    ----------
    parameters : dict of arrays
        Names and shapes as the code has them.
    names : dict
        Which function does what, for the report.
    """

    def __init__(self, source: Source, calls: Calls, sizes: dict[str, Any]) -> None:
        self.source, self.calls, self.sizes = source, calls, sizes
        self.parameters: dict[str, Array] = {}
        self.names: dict[str, str] = {}
        self.loss_name: str | None = None
        self.update_name: str | None = None
        self.rate = RATE
        self.l2 = 0.1
        self._generators = _generators(source.namespace)
        self._missing = source.missing_names()

    # What the two kinds of program do in their own ways.

    def forward(self, theta: Mapping[str, Array], examples: Examples) -> tuple[Array, Environment]:
        """The outputs (N, C), and what is known afterwards."""
        raise NotImplementedError

    def step(self, theta: Mapping[str, Array], examples: Examples) -> Step:
        """Forward and back."""
        raise NotImplementedError

    def loss(self, theta: Mapping[str, Array], examples: Examples) -> float:
        """The file's own loss."""
        raise NotImplementedError

    @property
    def one_by_one(self) -> bool:
        """Whether the code goes back in a loop over examples."""
        return self.names["backward"] in self.calls.looped

    # What they share.

    def _environment(self, examples: Examples | None) -> Environment:
        known = Environment(by_role=dict(self.sizes))
        known.by_role |= {"rate": self.rate, "l2": self.l2, "keep": 0.8, "drop": 0.2, "seed": 0, "quiet": False,
                          "epochs": 2, "training": True, "generator": np.random.default_rng(0)}  # fmt: skip
        if examples is not None:
            known.by_role |= {"x": examples.given_x, "y": examples.given_y, "m": len(examples.x)}
            for name in self._missing:
                role = role_of(name)
                if role in known.by_role:
                    self.source.namespace[name] = known.by_role[role]
        return known

    def reseed(self) -> None:
        """Every run draws the same."""
        np.random.seed(0)
        random.seed(0)
        for generator, state in self._generators:
            generator.bit_generator.state = copy.deepcopy(state)

    def _output(self, value: Any, known: Environment, examples: Examples) -> Array:
        """The network's output among what the forward pass returned."""
        parts = list(value) if isinstance(value, (tuple, list)) else [value]
        if isinstance(value, Mapping):
            parts = list(value.values())
        names = self._names_of(value, known)
        found = [(name, out) for name, part in zip(names, parts, strict=True)
                 if (out := examples.output(part)) is not None]  # fmt: skip
        if not found:
            nested = [inner for part in parts if isinstance(part, (tuple, list, Mapping))
                      for _, inner in leaves(part, "")]  # fmt: skip
            found = [("", out) for inner in nested if (out := examples.output(inner)) is not None]
        if not found:
            raise InputError(
                f"`{self.names['forward']}` returned nothing of the shape of {examples.y.shape[1]} outputs"
            )
        activated = [pair for pair in found if not pair[0].startswith(("z", "logit"))] or found
        return activated[-1][1] if activated[0][0] in ("", "z") or len(activated) > 1 else activated[0][1]

    def _names_of(self, value: Any, known: Environment) -> list[str]:
        if isinstance(value, Mapping):
            return [plain(str(key)) for key in value]
        if not isinstance(value, (tuple, list)):
            return [""]
        for names in [self.calls.returns.get(self.names["forward"]),
                      *(s.targets for s in self.calls.sites.get(self.names["forward"], []))]:  # fmt: skip
            if names and len(names) == len(value):
                return [plain(name) for name in names]
        return [""] * len(value)

    def _gradients_in(self, value: Any, name: str) -> dict[str, Array] | None:
        """The gradient of every parameter in what came back, or None."""
        found = self._named_leaves(value, name)
        matched: dict[str, Array] = {}
        for parameter in self.parameters:
            for leaf, array in found:
                if _same_name(leaf, parameter) and is_gradient_name(leaf.split("[")[0]):
                    matched[parameter] = array
                    break
        if len(matched) == len(self.parameters):
            return matched
        gradients = [(leaf, array) for leaf, array in found if not leaf.startswith(("da", "dz", "dx"))] or found
        if len(gradients) == len(self.parameters):
            pairs = list(zip(self.parameters, gradients, strict=True))
            if all(_may_be(array, self.parameters[parameter]) for parameter, (_, array) in pairs):
                return {parameter: array for parameter, (_, array) in pairs}
        by_shape: dict[str, Array] = {}
        left = list(gradients)
        for parameter, array in self.parameters.items():
            for pair in left:
                if pair[1].shape == array.shape:
                    by_shape[parameter] = pair[1]
                    left.remove(pair)
                    break
        return by_shape if len(by_shape) == len(self.parameters) else None

    def _named_leaves(self, value: Any, name: str) -> list[tuple[str, Array]]:
        """Arrays and numbers in what was returned, by name."""
        if isinstance(value, (tuple, list)):
            sites = [site.targets for site in self.calls.sites.get(name, [])]
            for names in [self.calls.returns.get(name), *sites]:
                if names and len(names) == len(value) and len(value) > 1:
                    return [leaf for one, part in zip(names, value, strict=True) for leaf in _leaves(part, one)]
        returned = self.calls.returns.get(name) or ["gradients"]
        return list(_leaves(value, returned[0]))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Array]]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, np.asarray(float(value))
    else:
        yield from leaves(value, name)


def _may_be(gradient: Array, parameter: Array) -> bool:
    return gradient.size in (1, parameter.size) or (
        gradient.ndim <= 2 and set(gradient.shape) & set(parameter.shape) != set()
    )


def _same_name(gradient: str, parameter: str) -> bool:
    base, _, index = gradient.partition("[")
    other, _, position = parameter.rpartition(".")[2].partition("[")
    bare, theirs = ungraded(base), plain(other)
    if index or position:
        bare, theirs = bare.rstrip("s"), theirs.rstrip("s")
        return index == position and (bare == theirs or (bare[:1] == theirs[:1] and bare[:1] in ("w", "b")))
    return bare == theirs


def _generators(namespace: Mapping[str, Any]) -> list[tuple[np.random.Generator, Any]]:
    return [
        (value, copy.deepcopy(value.bit_generator.state))
        for value in namespace.values()
        if isinstance(value, np.random.Generator)
    ]


# ------------------------------------------------------------------------------------------- plain functions


class FunctionProgram(Program):
    """init, forward and backward as functions."""

    def __init__(self, source: Source, calls: Calls, sizes: dict[str, Any], chosen: Chosen) -> None:
        super().__init__(source, calls, sizes)
        functions = source.functions
        self._global = chosen.init is None and not any(INIT.search(name) for name in functions)
        self.names = {
            "init": "" if self._global else _pick(functions, INIT, calls, chosen.init, "--init"),
            "forward": _pick(functions, FORWARD, calls, chosen.forward, "--forward", avoid=BACKWARD),
            "backward": _pick(functions, BACKWARD, calls, chosen.backward, "--backward"),
        }
        self.loss_names = _losses(functions, calls)
        updates = [n for n in functions if UPDATE.search(n) and n not in self.names.values()
                   and not TRAINING.search(n)]  # fmt: skip
        self.update_name = updates[0] if updates else None
        known = self._environment(None)
        self.reseed()
        self._raw: Any
        if self._global:
            self._raw = {n: v for n, v in source.namespace.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
                         and v.ndim <= 2 and role_of(n) not in ("x", "y")}  # fmt: skip
            if not self._raw:
                raise InputError(
                    "no function makes the parameters, and the file has none of its own. Name it: --init NAME"
                )
            self.names["init"] = "its own arrays"
        else:
            self._raw = calls.call(
                self.names["init"], functions[self.names["init"]], known, ("sizes", "inputs", "hidden")
            )
        self._name_parts(functions)
        self.parameters = dict(self._parameter_leaves())
        if not self.parameters:
            raise InputError(f"`{self.names['init']}` returned no arrays of parameters")

    def _name_parts(self, functions: Mapping[str, Any]) -> None:
        """Where a tuple of parameters is passed on as it is, forward's arguments name them."""
        raw, name = self._raw, self.names["init"]
        known = [self.calls.returns.get(name), *(site.targets for site in self.calls.sites.get(name, []))]
        if not isinstance(raw, (tuple, list)) or any(n and len(n) == len(raw) > 1 for n in known):
            return
        signature = inspect.signature(functions[self.names["forward"]]).parameters.values()
        taken = [p.name for p in signature if role_of(p.name) != "x" and p.default is p.empty and p.kind <= 1]
        if len(taken) == len(raw):
            self.calls.returns[name] = taken

    def _parameter_leaves(self) -> Iterator[tuple[str, Array]]:
        raw, name = self._raw, self.names["init"]
        if isinstance(raw, (tuple, list)):
            sites = [site.targets for site in self.calls.sites.get(name, [])]
            for names in [self.calls.returns.get(name), *sites]:
                if names and len(names) == len(raw) and len(names) > 1:
                    for one, part in zip(names, raw, strict=True):
                        yield from leaves(part, one)
                    return
        yield from leaves(raw, (self.calls.returns.get(name) or ["parameters"])[0])

    def _known(self, theta: Mapping[str, Array], examples: Examples) -> Environment:
        known = self._environment(examples)
        arrays = iter([theta[name].copy() for name in self.parameters])
        raw = replaced(self._raw, arrays)
        self.calls.bind_result(self.names["init"], raw, known)
        for name in self.parameters:
            if "[" not in name:
                known.named.setdefault(plain(name), theta[name].copy())
        known.by_role["parameters"] = raw
        if self._global:
            self.source.namespace.update(raw)
        self.reseed()
        return known

    def forward(self, theta: Mapping[str, Array], examples: Examples) -> tuple[Array, Environment]:
        """The outputs (N, C), and what is known afterwards."""
        known = self._known(theta, examples)
        name = self.names["forward"]
        value = self.calls.call(name, self.source.functions[name], known, ("x", "parameters"))
        output = self._output(value, known, examples)
        rest = [p for p in value if not isinstance(p, np.ndarray)] if isinstance(value, tuple) else []
        known.by_role["cache"] = rest[0] if len(rest) == 1 else value
        known.by_role["output"] = self._as_given(output, value, examples)
        return output, known

    def _as_given(self, output: Array, value: Any, examples: Examples) -> Any:
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else [value]
        for part in [*parts, *(a for p in parts if not isinstance(p, np.ndarray) for _, a in leaves(p, ""))]:
            found = examples.output(part)
            if found is not None and found.shape == output.shape and np.array_equal(found, output):
                return part
        return output.T if examples.columns else output

    def step(self, theta: Mapping[str, Array], examples: Examples) -> Step:
        """Forward and back."""
        output, known = self.forward(theta, examples)
        name = self.names["backward"]
        before = {k: v.copy() for k, v in self._current(known).items()}
        value = self.calls.call(name, self.source.functions[name], known, ("cache", "y", "output"))
        known.by_role["gradients"] = value
        gradients = None if self._returns_parameters(value, name) else self._gradients_in(value, name)
        if gradients is None:
            after = self._returned_parameters(value, name) or self._current(known)
            if all(np.array_equal(after[k], before[k]) for k in before):
                raise InputError(f"`{name}` returned no gradient for each of {', '.join(self.parameters)}")
            gradients = {k: (before[k] - after[k]) / self.rate for k in before}
        step = Step(output, gradients, known)
        if self.update_name is not None:
            step.updated = self._update(theta, known, examples)
        return step

    def _current(self, known: Environment) -> dict[str, Array]:
        """The parameters as they are now, if something changes them in place."""
        if self._global:
            return {name: np.asarray(self.source.namespace[name]) for name in self.parameters}
        return dict(zip(self.parameters, (a for _, a in leaves(known.by_role["parameters"], "p")), strict=True))

    def _returns_parameters(self, value: Any, name: str) -> bool:
        named = self._named_leaves(value, name)
        return bool(named) and {plain(n) for n in self.parameters} <= {plain(leaf) for leaf, _ in named} and not any(
            is_gradient_name(leaf) and ungraded(leaf) in {plain(n) for n in self.parameters} for leaf, _ in named
        ) and all(any(plain(leaf) == plain(n) and a.shape == self.parameters[n].shape for leaf, a in named)
                  for n in self.parameters) and not self._is_gradient_function(name)  # fmt: skip

    def _is_gradient_function(self, name: str) -> bool:
        """Whether the code updates elsewhere, so that what this returns is no updated parameter."""
        return self.update_name is not None

    def _returned_parameters(self, value: Any, name: str) -> dict[str, Array] | None:
        named = {plain(leaf): array for leaf, array in self._named_leaves(value, name)}
        found = {n: named[plain(n)] for n in self.parameters if plain(n) in named}
        return found if len(found) == len(self.parameters) else None

    def _update(self, theta: Mapping[str, Array], known: Environment, examples: Examples) -> dict[str, Array]:
        """θ after the file's own update; nothing where it cannot be called."""
        name = self.update_name or ""
        try:
            value = self.calls.call(name, self.source.functions[name], known, ("parameters", "gradients", "rate"))
        except Exception:
            return {}
        if value is None:
            return self._current(known)
        found = [a for _, a in _leaves(value, "p")]
        return dict(zip(self.parameters, found, strict=False)) if len(found) >= len(self.parameters) else {}

    def loss(self, theta: Mapping[str, Array], examples: Examples) -> float:
        """The file's own loss."""
        assert self.loss_name is not None
        _, known = self.forward(theta, examples)
        return _call_loss(self.calls, self.loss_name, self.source.functions[self.loss_name], known)


def _call_loss(calls: Calls, name: str, function: Callable[..., Any], known: Environment) -> float:
    value = np.asarray(calls.call(name, function, known.copy(), ("output", "y")))
    if value.size != 1:
        raise InputError(f"`{name}` returned an array of shape {value.shape}")
    return float(value.reshape(-1)[0])


def _losses(functions: Mapping[str, Any], calls: Calls) -> list[str]:
    """The file's losses; those that the code itself calls first."""
    names = [n for n in functions if LOSS.search(n) and not DERIVATIVE.search(n) and not BACKWARD.search(n)]
    return sorted(names, key=lambda n: n not in calls.sites)


def _pick(
    functions: Mapping[str, Any],
    pattern: Any,
    calls: Calls,
    chosen: str | None,
    option: str,
    avoid: Any = None,
) -> str:
    """The function of a role: of several, the one that calls others of them, or is called by the training."""
    if chosen is not None:
        if chosen not in functions:
            raise InputError(f"There is no function `{chosen}`. Found: {', '.join(functions) or 'none'}.")
        return chosen
    names = [n for n in functions if pattern.search(n) and not (avoid and avoid.search(n)) and not TRAINING.search(n)]
    if pattern is BACKWARD:
        names = [n for n in names if not _is_small(functions[n])] or names
    inner = {called for n in names for called in calls.calls_of.get(n, set())}
    names = [n for n in names if n not in inner] or names
    if not names:
        raise InputError(
            f"no function was found that does what {option} names. Found: {', '.join(functions) or 'no functions'}. "
            f"Name it: {option} NAME"
        )
    trained = {c for n in functions if TRAINING.search(n) for c in calls.calls_of.get(n, set())}
    return sorted(names, key=lambda n: (n not in trained, n not in calls.sites))[0]


def _is_small(function: types.FunctionType) -> bool:
    """Whether it is an activation's derivative, of one argument."""
    return function.__code__.co_argcount <= 1


# ------------------------------------------------------------------------------------------- classes


class ClassProgram(Program):
    """A network as a class: parameters are attributes, forward and backward are methods."""

    def __init__(self, source: Source, calls: Calls, sizes: dict[str, Any], chosen: Chosen, cls: type) -> None:
        super().__init__(source, calls, sizes)
        methods = {n: f for n, f in vars(cls).items() if isinstance(f, (types.FunctionType, staticmethod, classmethod))}
        self.names = {"init": cls.__name__}
        self.names["forward"] = _pick_method(methods, calls, chosen.forward, FORWARD, r"query|predict|__call__")
        self.names["backward"] = _pick_method(
            methods, calls, chosen.backward, BACKWARD, r"^train|^fit|update|learn|step"
        )
        self.loss_names = [n for n in _losses(methods, calls) if n not in self.names.values()]
        self._outer_losses = _losses(source.functions, calls)
        self.loss_names += self._outer_losses
        known = self._environment(None)
        self.reseed()
        self._instance = calls.call(cls.__name__, cls, known, ("sizes", "inputs", "hidden", "outputs"))
        self._paths = dict(_attributes(self._instance, ""))
        self.rate = _rate_of(self._instance) or RATE
        self.parameters = {path: array for path, array in self._paths.items() if array.dtype.kind == "f"}
        if not self.parameters:
            raise InputError(f"`{cls.__name__}` has no arrays of parameters after it is made")

    def keep_what_matters(self, examples: Examples) -> None:
        """Parameters are those attributes that change what comes out."""
        rng = np.random.default_rng(1)
        theta = {name: rng.standard_normal(array.shape) * 0.5 for name, array in self.parameters.items()}
        here, _ = self.forward(theta, examples)
        kept = {}
        for name, array in self.parameters.items():
            moved = theta | {name: theta[name] + rng.standard_normal(array.shape)}
            try:
                there, _ = self.forward(moved, examples)
            except Exception:
                continue
            if there.shape != here.shape or not np.array_equal(here, there):
                kept[name] = array
        self.parameters = kept

    def _made(self, theta: Mapping[str, Array]) -> Any:
        instance = copy.deepcopy(self._instance)
        for name, array in theta.items():
            _set(instance, name, array.copy())
        return instance

    def forward(self, theta: Mapping[str, Array], examples: Examples) -> tuple[Array, Environment]:
        """The outputs (N, C), and what is known afterwards."""
        known = self._environment(examples)
        instance = self._made(theta)
        return self._forward(instance, known, examples), known

    def _forward(self, instance: Any, known: Environment, examples: Examples) -> Array:
        self._bind_attributes(instance, known)
        self.reseed()
        name = self.names["forward"]
        value = self.calls.call(name, getattr(instance, name), known, ("x",))
        self._bind_attributes(instance, known)
        if value is None or (not isinstance(value, (tuple, list, Mapping)) and examples.output(value) is None):
            found = [(plain(k), v) for k, v in vars(instance).items() if examples.output(v) is not None]
            found = [pair for pair in found if not pair[0].startswith("z") and pair[0] not in ("y", "x")] or found
            if not found:
                raise InputError(f"`{name}` gives no outputs of {examples.y.shape[1]} classes")
            value = found[-1][1]
        output = self._output(value, known, examples)
        parts = value if isinstance(value, tuple) else [value]
        rest = [p for p in parts if not isinstance(p, np.ndarray)]
        known.by_role["cache"] = rest[0] if len(rest) == 1 else value
        known.by_role["output"] = next(
            (p for p in parts if (o := examples.output(p)) is not None and np.array_equal(o, output)),
            output.T if examples.columns else output,
        )
        return output

    def _bind_attributes(self, instance: Any, known: Environment) -> None:
        for name, value in vars(instance).items():
            if isinstance(value, (np.ndarray, list, dict, tuple)):
                known.named[plain(name)] = value
                if isinstance(value, dict):
                    known.by_role.setdefault("cache" if role_of(name) == "cache" else "parameters", value)

    def step(self, theta: Mapping[str, Array], examples: Examples) -> Step:
        """Forward and back."""
        known = self._environment(examples)
        instance = self._made(theta)
        output = self._forward(instance, known, examples)
        name = self.names["backward"]
        self.reseed()
        value = self.calls.call(name, getattr(instance, name), known, ("y", "output"))
        gradients = self._gradients_in(value, name) if value is not None else None
        if gradients is None:
            gradients = self._stored(instance)
        if gradients is None:
            after = dict(_attributes(instance, ""))
            if all(np.array_equal(after.get(k, ()), theta[k]) for k in theta):
                self._call_update(instance, known)
                after = dict(_attributes(instance, ""))
            if all(np.array_equal(after.get(k, ()), theta[k]) for k in theta):
                raise InputError(f"`{name}` returned no gradients, stored none, and changed no parameter")
            gradients = {k: (theta[k] - after[k]) / self.rate for k in theta}
        return Step(output, gradients, known)

    def _call_update(self, instance: Any, known: Environment) -> None:
        for name in vars(type(instance)):
            if UPDATE.search(name) and name not in self.names.values():
                self.calls.call(name, getattr(instance, name), known)
                return

    def _stored(self, instance: Any) -> dict[str, Array] | None:
        found = dict(_attributes(instance, ""))
        matched = {}
        for parameter in self.parameters:
            owner, _, last = parameter.rpartition(".")
            for path, array in found.items():
                holder, _, name = path.rpartition(".")
                if holder == owner and is_gradient_name(name.split("[")[0]) and _same_name(name, last):
                    matched[parameter] = array
                    break
        return matched if len(matched) == len(self.parameters) else None

    def loss(self, theta: Mapping[str, Array], examples: Examples) -> float:
        """The file's own loss."""
        assert self.loss_name is not None
        known = self._environment(examples)
        instance = self._made(theta)
        self._forward(instance, known, examples)
        if self.loss_name in self._outer_losses:
            return _call_loss(self.calls, self.loss_name, self.source.functions[self.loss_name], known)
        return _call_loss(self.calls, self.loss_name, getattr(instance, self.loss_name), known)


def _pick_method(methods: Mapping[str, Any], calls: Calls, chosen: str | None, pattern: Any, otherwise: str) -> str:
    import re

    if chosen is not None:
        if chosen not in methods:
            raise InputError(f"There is no method `{chosen}`. Found: {', '.join(methods)}.")
        return chosen
    names = [n for n in methods if pattern.search(n) and not (pattern is FORWARD and BACKWARD.search(n))]
    if pattern is BACKWARD:
        names = [n for n in names if not isinstance(methods[n], staticmethod)]
    inner = {called for n in names for called in calls.calls_of.get(n, set())}
    names = [n for n in names if n not in inner] or names
    names = names or [n for n in methods if re.search(otherwise, n, re.I)]
    if not names:
        raise InputError(
            f"no method that goes {'forward' if pattern is FORWARD else 'back'}; found: {', '.join(methods)}"
        )
    return names[0]


def _attributes(instance: Any, prefix: str) -> Iterator[tuple[str, Array]]:
    """Float arrays in an object's attributes, in its lists, dicts and inner objects, by path."""
    for name, value in vars(instance).items():
        yield from _inside(value, f"{prefix}{name}")


def _inside(value: Any, path: str) -> Iterator[tuple[str, Array]]:
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim >= 1:
        yield path, value
    elif isinstance(value, (list, tuple)) and len(value) < 100:
        for i, inner in enumerate(value):
            yield from _inside(inner, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(inner, f"{path}[{key!r}]")
    elif type(value).__module__ == "__the_code__" and hasattr(value, "__dict__"):
        yield from _attributes(value, f"{path}.")


def _set(instance: Any, path: str, array: Array) -> None:
    """Put an array where `_attributes` found one."""
    exec(f"instance.{path} = array", {}, {"instance": instance, "array": array})


def _rate_of(instance: Any) -> float | None:
    for name, value in vars(instance).items():
        if role_of(name) == "rate" and isinstance(value, (int, float)) and value:
            return float(value)
    return None


def find_programs(
    source: Source, calls: Calls, sizes: dict[str, Any], chosen: Chosen, is_layer: Callable[[type], bool]
) -> Iterator[Program]:
    """Every network of a file: its classes but for layers, and its functions.

    Raises
    ------
    InputError
        If there is none; the message lists what was found.
    """
    reasons = []
    found = False
    for cls in source.classes.values():
        if is_layer(cls):
            continue
        methods = [n for n, f in vars(cls).items() if isinstance(f, types.FunctionType)]
        if not any(FORWARD.search(n) or n in ("query", "predict") for n in methods) or len(methods) < 2:
            continue
        try:
            yield ClassProgram(source, calls, sizes, chosen, cls)
            found = True
        except (InputError, CannotBindError) as error:
            reasons.append(f"class {cls.__name__}: {error}")
        except Exception as error:
            reasons.append(f"class {cls.__name__}: {type(error).__name__}: {error}")
    try:
        yield FunctionProgram(source, calls, sizes, chosen)
        found = True
    except (InputError, CannotBindError) as error:
        reasons.append(str(error))
    except Exception as error:
        reasons.append(f"{type(error).__name__}: {error}")
    if not found:
        raise InputError("; ".join(reasons))
