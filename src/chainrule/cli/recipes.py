"""`chainrule recipes`: the named settings, their sources, and what each must reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli.arguments import JsonOption

if TYPE_CHECKING:
    from chainrule.recipes import CommitteeRecipe, Recipe


def recipes(*, json: JsonOption = False) -> None:
    """List the recipes that `chainrule train --recipe` knows."""
    from chainrule.cli.console import print_json
    from chainrule.recipes import COMMITTEES, RECIPES

    if json:
        of_one = {name: recipe.settings() for name, recipe in RECIPES.items()}
        print_json(of_one | {name: committee.settings() for name, committee in COMMITTEES.items()})
        return
    for recipe in RECIPES.values():
        _tell(recipe, _lines(recipe))
    for committee in COMMITTEES.values():
        members = ", ".join(f"{name} with seed {seed}" for name, seed in committee.members)
        _tell(committee, [f"members   {members}"])


def _tell(recipe: Recipe | CommitteeRecipe, lines: list[str]) -> None:
    """A recipe's name, summary and settings, what it must reach, and where it is from."""
    from chainrule.cli.console import say

    goals = "; ".join(f"{100 * goal.accuracy:g} % on {goal.data_in_words} ({goal.part})" for goal in recipe.goals)
    say(recipe.name, style="bold")
    for line in (recipe.summary, *lines, f"reaches   at least {goals}", f"source    {recipe.source}"):
        say(f"    {line}")
    say()


def _lines(recipe: Recipe) -> list[str]:
    """The settings in words; what a recipe does not use is left out."""
    hidden = "-".join(map(str, recipe.hidden))
    batch = "full batch" if recipe.batch_size is None else f"batches of {recipe.batch_size}"
    pixels = "standardised pixels" if recipe.standardise else "pixels / 255"
    average = f", weights averaged over {1 / (1 - recipe.average):,.0f} steps" if recipe.average else ""
    lines = [
        f"network   784-{hidden}-10, {recipe.activation}, {recipe.initialization} weights, {pixels}",
        f"training  {recipe.epochs:,} epochs, {batch}, {_optimizer(recipe)}{average}",
        f"rate      {recipe.learning_rate:g}, {recipe.schedule}",
    ]
    if recipe.deformation is not None:
        ranges = ", ".join(f"{name} {value:g}" for name, value in vars(recipe.deformation).items() if value)
        lines.append(f"deforms   {ranges}")
    if against := _against_overfitting(recipe):
        lines.append(f"against   overfitting: {', '.join(against)}")
    return lines


def _optimizer(recipe: Recipe) -> str:
    if recipe.optimizer == "adam":
        return "Adam"
    return f"momentum {recipe.momentum:g}" if recipe.momentum else "plain gradient descent"


def _against_overfitting(recipe: Recipe) -> list[str]:
    words = []
    if recipe.weight_decay:
        words.append(f"weight decay {recipe.weight_decay:g}")
    if recipe.label_smoothing:
        words.append(f"label smoothing {recipe.label_smoothing:g}")
    if recipe.input_dropout or recipe.hidden_dropout:
        words.append(f"dropout {recipe.input_dropout:g} on pixels, {recipe.hidden_dropout:g} on hidden units")
    if recipe.max_norm:
        words.append(f"max-norm {recipe.max_norm:g}")
    if recipe.adversary:
        kind = "virtual adversary" if recipe.adversary.virtual else "adversary"
        words.append(f"a {kind} that moves by {recipe.adversary.epsilon:g}")
    return words
