import numpy as np

from chainrule import machine


def test_info_can_be_pasted_into_a_bug_report(run):
    out = run("info").out
    for word in ("chainrule", "python", "numpy", "cores", "blas", "float32", "float64", "GFLOP/s"):
        assert word in out


def test_the_json_has_the_facts_and_the_advice(run, monkeypatch):
    monkeypatch.setattr(machine, "advice", lambda facts: ["Eat more vegetables."])
    facts = run("info", "--json").json
    assert facts["numpy"] == np.__version__
    assert facts["advice"] == ["Eat more vegetables."]
    assert "Advice: Eat more vegetables." in run("info").out
