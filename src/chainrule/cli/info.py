"""`chainrule info`: versions, cores, BLAS and its speed, for a bug report or a slow training."""

from __future__ import annotations

from chainrule.cli.arguments import JsonOption


def info(*, json: JsonOption = False) -> None:
    """Say what this computer brings to the work, how fast its matrix products are, and what would make them faster."""
    from chainrule.cli.console import print_json, say
    from chainrule.machine import advice, describe

    facts = describe()
    recommendations = advice(facts)
    if json:
        print_json({**facts, "advice": recommendations})
        return
    blas = facts["blas"]
    for name in ("chainrule", "python", "numpy", "system", "processor", "cores"):
        say(f"{name:<10} {facts[name]}")
    say(f"{'blas':<10} {blas['library']} {blas['version']}, {blas['kernel']} kernels, {blas['threads']} threads")
    for dtype, speed in facts["gigaflops"].items():
        say(f"{dtype:<10} {speed:,.0f} GFLOP/s in matrix products")
    for recommendation in recommendations:
        say(f"\nAdvice: {recommendation}")
