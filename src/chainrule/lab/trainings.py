"""Live trainings: each visitor has one, in a thread of its own; idle ones end."""

from __future__ import annotations

import json
import math
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.data.datasets import Dataset, load_dataset
from chainrule.errors import ChainruleError, FailureError, InputError
from chainrule.lab.answers import dense_layers, pictures_of
from chainrule.model import Model
from chainrule.nn.layers import Dense
from chainrule.nn.network import Network
from chainrule.recipes import GENTLE, Recipe, find_recipe, start

Json = dict[str, Any]

MOST, IDLE_SECONDS = 4, 300.0
_UNITS, _BINS, _SOME, _COUNTED, _CONFUSED = 24, 24, 200, 10_000, 2_000
_SECONDS_BETWEEN = 0.25


def recipe_of(config: Any) -> Recipe:
    """A recipe of what the page's controls say.

    Raises
    ------
    InputError
        If a setting is missing or out of its range; it is named.
    """
    if not isinstance(config, dict):
        raise InputError("A training's settings are an object.")
    return replace(
        find_recipe("standard"),
        name="lab",
        hidden=(_whole(config, "width", 1, 512),) * _whole(config, "depth", 0, 4),
        activation=_one_of(config, "activation", ("relu", "leaky_relu", "tanh", "sigmoid")),
        initialization=_one_of(config, "initialization", ("he", "xavier", "uniform")),
        optimizer=_one_of(config, "optimizer", ("sgd", "adam")),
        momentum=0.9 if config.get("momentum") is True and config.get("optimizer") == "sgd" else 0.0,
        learning_rate=_number(config, "rate", 1e-6, 100.0),
        batch_size=_whole(config, "batch", 1, 4096),
        epochs=_whole(config, "epochs", 1, 200),
        schedule="constant",
        deformation=GENTLE if config.get("deform") is True else None,
        validation=0.1,
        least_steps=0,
    )


def _whole(config: Json, name: str, low: int, high: int) -> int:
    value = config.get(name)
    if type(value) is not int or not low <= value <= high:
        raise InputError(f"`{name}` is a whole number from {low} to {high}.")
    return value


def _number(config: Json, name: str, low: float, high: float) -> float:
    value: Any = config.get(name)
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"`{name}` is a number from {low:g} to {high:g}.")
    return float(value)


def _one_of(config: Json, name: str, choices: tuple[str, ...]) -> str:
    value = config.get(name)
    if value not in choices:
        raise InputError(f"`{name}` is one of {', '.join(choices)}.")
    return str(value)


def command_line(recipe: Recipe, data: str) -> str:
    """The same settings for `chainrule train`, which then ends at the same network."""
    parts = [
        f"chainrule train --data {shlex.quote(data)} --seed 0 --validation {recipe.validation:g}",
        f"--hidden {' '.join(map(str, recipe.hidden)) or 0} --activation {recipe.activation}",
        f"--initialization {recipe.initialization} --optimizer {recipe.optimizer} --schedule {recipe.schedule}",
        f"--momentum {recipe.momentum:g}" if recipe.optimizer == "sgd" else "",
        f"--learning-rate {recipe.learning_rate:g} --batch-size {recipe.batch_size} --epochs {recipe.epochs}",
        "--deform" if recipe.deformation else "",
    ]
    return " ".join(part for part in parts if part)


class LiveTraining:
    """One training that can be started, paused, taken a step at a time, and looked at."""

    def __init__(self, data: Dataset, config: Any) -> None:
        self.recipe = recipe_of(config)
        self.training = start(self.recipe, data, seed=0)
        self.touched = time.monotonic()
        self.state = "paused"
        self.error = ""
        self._wanted = threading.Event()
        self._budget = math.inf
        self._ended = False
        self._told = threading.Condition()
        self._latest: Json | None = None
        self._number = 0
        self._measured: Json = {}
        self._gradients: list[Json] = []
        self.data = data.name or "mnist"
        images, labels = pictures_of(data)
        self._some = self.training.preparation.transform(images[:_SOME]).astype(self.training.network.dtype)
        held_out = self.training.validation_rows
        held_out = None if held_out is None else held_out[:_CONFUSED]
        self._held_out = (images[held_out], labels[held_out]) if held_out is not None and len(held_out) else None
        self._publish(None)
        threading.Thread(target=self._work, daemon=True).start()

    def go(self, steps: float = math.inf) -> None:
        """Train on, for so many steps."""
        self.touched = time.monotonic()
        self._budget = steps
        self.state = "training"
        self._wanted.set()

    def pause(self) -> None:
        """After the present step."""
        self.touched = time.monotonic()
        self._wanted.clear()
        self.training.pause()

    def end(self) -> None:
        """For good."""
        self._ended = True
        self.state = "ended"
        self._wanted.set()
        self.training.pause()
        with self._told:
            self._told.notify_all()

    @property
    def model(self) -> Model:
        """What it has come to."""
        return self.training.model

    def _work(self) -> None:
        try:
            while not self._ended:
                if not self._wanted.wait(_SECONDS_BETWEEN):
                    self._say_that_it_rests()
                elif not self._ended:
                    self._some_steps()
        except ChainruleError as error:
            self.error, self.state = str(error), "failed"
            self._publish(None)

    def _say_that_it_rests(self) -> None:
        """A pause that came while the last steps were told is told now."""
        if self.state == "training":
            self.state = "paused"
            self._publish(None)

    def _some_steps(self) -> None:
        """Until a pause, an epoch's end, or the budget's."""
        self.state = "training"
        began, first = time.monotonic(), self.training.step
        timer = threading.Timer(_SECONDS_BETWEEN, self.training.pause)
        if self._budget == 1:
            self.training.pause()
        else:
            timer.start()
        report = next(iter(self.training), None)
        timer.cancel()
        if report is None:
            self.state = "finished"
            self._wanted.clear()
            self._publish(None)
            return
        taken = self.training.step - first
        self._budget -= taken
        if self._budget <= 0 or (self._budget != math.inf and report.train_accuracy is not None and self._budget > 1):
            self._wanted.clear()
        if not self._wanted.is_set():
            self.state = "paused"
        rate = taken * (self.training.batch_size or 1) / max(time.monotonic() - began, 1e-9)
        self._publish({"report": report, "images_per_second": rate})

    def _publish(self, found: Json | None) -> None:
        network = self.training.network
        layers = dense_layers(network)
        snapshot: Json = {
            "state": self.state,
            "error": self.error,
            "step": int(self.training.step),
            "epoch": float(self.training.step / max(1, self.training.steps_per_epoch)),
            "command": command_line(self.recipe, self.data),
            "histograms": self._histograms(trained=found is not None),
            "side": int(self.training.preparation.shape[1]),
            "weights": _pictures(layers[0].weight),
        }  # fmt: skip
        if found is not None:
            report = found["report"]
            self._measured = {"loss": float(report.loss), "images_per_second": found["images_per_second"]}
            snapshot |= {"train": report.train_accuracy, "validation": report.validation_accuracy}
            if report.validation_accuracy is not None and self._held_out is not None:
                snapshot["confusion"] = self.training.model.evaluate(*self._held_out).confusion.tolist()
        with self._told:
            self._latest, self._number = snapshot | self._measured, self._number + 1
            self._told.notify_all()

    def _histograms(self, *, trained: bool) -> dict[str, list[Json]]:
        """Of each layer's weights, of what it puts out for some pictures, and of the last batch's gradient."""
        network = self.training.network
        if trained:
            self._gradients = [_histogram(b.view(self.training.batch.gradient)) for b in network.layout if b.decays]
        trace = network.trace(len(self._some))
        network.forward(self._some, into=trace)
        last = len(network.layers)
        outputs = [trace.input_of(i) if i < last else trace.output for i in _ends_of_layers(network)]
        return {
            "weights": [_histogram(layer.weight) for layer in dense_layers(network)],
            "activations": [_histogram(output) for output in outputs],
            "gradients": self._gradients,
        }

    def events(self) -> Iterator[str]:
        """Server-sent events, the newest first; a comment now and then shows that the line lives."""
        seen = 0
        while not self._ended:
            with self._told:
                if self._number == seen:
                    self._told.wait(timeout=2)
                fresh, seen = (self._latest, self._number) if self._number > seen else (None, seen)
            self.touched = time.monotonic()
            yield f"data: {json.dumps(fresh)}\n\n" if fresh is not None else ": still here\n\n"


def _histogram(values: Any) -> Json:
    """Of some ten thousand of the values, evenly spread: the training waits meanwhile. The ends are those of all."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):  # it diverges, and the next step will say so
        return {"counts": [0] * _BINS, "from": None, "to": None}
    some = values.reshape(-1)[:: max(1, values.size // _COUNTED)]
    counts, _ = np.histogram(some, bins=_BINS, range=(low, high))
    return {"counts": counts.tolist(), "from": low, "to": high}


def _ends_of_layers(network: Network) -> list[int]:
    """After which of its layers each dense one's activation is done."""
    dense = [i for i, layer in enumerate(network.layers) if isinstance(layer, Dense)]
    return [*dense[1:], len(network.layers)]


def _pictures(weight: Any) -> list[list[int]]:
    shown = weight[:, :_UNITS]
    top = np.abs(shown).max(axis=0)
    return np.rint(128 + 127 * shown / np.where(top > 0, top, 1)).clip(0, 255).astype(int).T.tolist()


class Trainings:
    """All visitors' trainings."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._of: dict[str, LiveTraining] = {}
        self._lock = threading.Lock()

    def begin(self, session: str, config: Any) -> LiveTraining:
        """A new one for this visitor, in place of an old one.

        Raises
        ------
        FailureError
            If too many others train.
        """
        with self._lock:
            self._end_idle()
            old = self._of.pop(session, None)
            if old is not None:
                old.end()
            if len(self._of) >= MOST:
                raise FailureError(f"{MOST} others are training. Wait until one of them is done.")
            self._of[session] = LiveTraining(self._chosen(config), config)
            return self._of[session]

    def _chosen(self, config: Any) -> Dataset:
        name = config.get("data", "lab") if isinstance(config, dict) else "lab"
        if name not in ("lab", "digits"):
            raise InputError("`data` is lab, for the data that the lab was started with, or digits.")
        return load_dataset("digits") if name == "digits" else self._data

    def of(self, session: str) -> LiveTraining:
        """This visitor's.

        Raises
        ------
        InputError
            If there is none.
        """
        if session not in self._of:
            raise InputError("There is no training. Press start.")
        return self._of[session]

    def end_all(self) -> None:
        """At the server's end: whoever listens is told that nothing comes any more."""
        for training in self._of.values():
            training.end()

    def _end_idle(self) -> None:
        for session, training in list(self._of.items()):
            if time.monotonic() - training.touched > IDLE_SECONDS:
                training.end()
                del self._of[session]
