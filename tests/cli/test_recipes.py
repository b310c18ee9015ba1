from chainrule.recipes import COMMITTEES, RECIPES


def test_every_recipe_is_listed_with_source_settings_and_goal(run):
    out = run("recipes").out
    for recipe in [*RECIPES.values(), *COMMITTEES.values()]:
        assert recipe.name in out
        assert recipe.source in out
    assert "784-128-10" in out
    assert "97.8 % on mnist (test)" in out


def test_the_json_has_every_setting(run):
    assert run("recipes", "--json").json["standard"]["batch_size"] == 128
