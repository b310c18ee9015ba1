"""`chainrule recipes`: the named settings, their sources, and what each must reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli.arguments import JsonOption

if TYPE_CHECKING:
    from chainrule.recipes import Recipe


def recipes(*, json: JsonOption = False) -> None:
    """List the recipes that `chainrule train --recipe` knows."""
    from chainrule.cli.console import print_json, say
    from chainrule.recipes import RECIPES

    if json:
        print_json({name: recipe.settings() for name, recipe in RECIPES.items()})
        return
    for recipe in RECIPES.values():
        say(recipe.name, style="bold")
        say(f"    {recipe.summary}")
        for line in _lines(recipe):
            say(f"    {line}")
        say()


def _lines(recipe: Recipe) -> list[str]:
    hidden = "-".join(map(str, recipe.hidden))
    batch = "full batch" if recipe.batch_size is None else f"batches of {recipe.batch_size}"
    optimizer = f"momentum {recipe.momentum:g}" if recipe.momentum else "plain gradient descent"
    decay = f", weight decay {recipe.weight_decay:g}" if recipe.weight_decay else ""
    pixels = "standardised pixels" if recipe.standardise else "pixels / 255"
    goals = "; ".join(f"{100 * goal.accuracy:g} % on {goal.data_in_words} ({goal.part})" for goal in recipe.goals)
    return [
        f"network   784-{hidden}-10, {recipe.activation}, {recipe.initialization} weights, {pixels}",
        f"training  {recipe.epochs:,} epochs, {batch}, {optimizer}{decay}",
        f"rate      {recipe.learning_rate:g}, {recipe.schedule}",
        f"reaches   at least {goals}",
        f"source    {recipe.source}",
    ]
