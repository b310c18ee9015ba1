"""What the options of `chainrule train` change in a recipe."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from chainrule.cli.arguments import whole_number
from chainrule.errors import ValueRangeError

if TYPE_CHECKING:
    from chainrule.recipes import Recipe


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """Each None where the recipe decides."""

    hidden: Annotated[
        list[int] | None,
        Parameter(
            consume_multiple=True,
            negative="",
            converter=whole_number,
            help="Units in each hidden layer: 128, or 300 100; 0 for no hidden layer.",
        ),
    ] = None
    activation: Annotated[str | None, Parameter(help="Of the hidden layers: relu, leaky_relu, tanh or sigmoid.")] = None
    initialization: Annotated[str | None, Parameter(help="How weights start: he, xavier or uniform.")] = None
    epochs: Annotated[
        int | None, Parameter(converter=whole_number, help="How often to go through the training images.")
    ] = None
    batch_size: Annotated[
        int | None, Parameter(converter=whole_number, help="Images per step; 0 takes all at once.")
    ] = None
    learning_rate: Annotated[float | None, Parameter(help="How far each step goes.")] = None
    optimizer: Annotated[str | None, Parameter(help="sgd or adam.")] = None
    momentum: Annotated[float | None, Parameter(help="What sgd keeps of its last step: 0 to below 1.")] = None
    schedule: Annotated[str | None, Parameter(help="The learning rate's way: constant or warmup-cosine.")] = None
    deform: Annotated[bool | None, Parameter(help="Turn, shift and bend each image a little each time, or never.")] = (
        None
    )
    validation: Annotated[
        float | None,
        Parameter(help="Training images held out to watch progress: a fraction or a count; 0 trains on all."),
    ] = None

    def of(self, recipe: Recipe) -> Recipe:
        """The recipe with them.

        Raises
        ------
        ValueRangeError
            If there is a layer without units, no epoch, or no such part for validation. What else may be wrong is
            said where the network is built.
        """
        from chainrule.recipes import GENTLE

        same = ("activation", "initialization", "learning_rate", "optimizer", "momentum", "schedule")
        changes: dict[str, Any] = {n: getattr(self, n) for n in same if getattr(self, n) is not None}
        if self.hidden is not None:
            units = [] if self.hidden == [0] else self.hidden
            if not self.hidden or min(units, default=1) < 1:
                asked = " ".join(map(str, self.hidden))
                raise ValueRangeError(
                    f"--hidden {asked}: every layer needs at least one unit. A lone 0 means no layer."
                )
            changes["hidden"] = tuple(units)
        if self.epochs is not None:
            changes |= {"epochs": self.epochs, "least_steps": 0}
            if self.epochs < 1:
                raise ValueRangeError(f"--epochs {self.epochs}: expected at least 1.")
        if self.batch_size is not None:
            changes["batch_size"] = self.batch_size or None
        if changes.get("optimizer", recipe.optimizer) == "adam":
            if self.momentum:
                raise ValueRangeError(f"--momentum {self.momentum:g} belongs to sgd; adam has averages of its own.")
            changes["momentum"] = 0.0
        if self.deform is not None:
            changes["deformation"] = (recipe.deformation or GENTLE) if self.deform else None
        if self.validation is not None:
            whole = self.validation >= 1 or self.validation == 0
            if not 0 <= self.validation < math.inf or (whole and self.validation != int(self.validation)):
                raise ValueRangeError(
                    f"--validation {self.validation:g}: expected a fraction below 1 or a whole number."
                )
            changes["validation"] = int(self.validation) if whole else self.validation
        return dataclasses.replace(recipe, **changes)
