"""Time chainrule beside its peers, and write docs/benchmarks.md.

    python benchmarks/run.py                  everything: half an hour; run nothing else meanwhile
    python benchmarks/run.py epochs shell     only these parts; the others keep their last figures
    python benchmarks/run.py --report         measure nothing; write docs/benchmarks.md again

Parts: shell, accuracy, epochs, full-batch, prediction, profile, deforming, growth. Whatever peers are installed take
part; `pip install -e '.[bench]'` brings those that can be had. Peers run in processes of their own, in turns, on the
same data, initial weights and batches, and must have the same loss in the first epoch. Machines differ: the ratios,
taken round by round, are what to quote.
"""

import argparse
import importlib.util
import json
import platform
from importlib.metadata import version
from pathlib import Path

from measure import PARTS
from report import write

from chainrule.machine import blas, cores

RESULTS = Path(__file__).parent.parent / "docs" / "benchmarks.json"


def main() -> None:
    """Measure the parts asked for, keep them beside the others, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="measure nothing")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; known: {', '.join(PARTS)}")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if not options.report:
        for name in [part for part in PARTS if part in (options.parts or PARTS)]:
            print(f"{name} …", flush=True)
            results[name] = {"machine": machine(), "figures": PARTS[name](options.rounds)}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write(results)


def machine() -> str:
    """What a part was measured on, in one line."""
    packages = ("numpy", "scipy", "torch", "scikit-learn", "jax", "keras")
    names = {"scikit-learn": "sklearn"}
    versions = ", ".join(f"{p} {version(p)}" for p in packages if importlib.util.find_spec(names.get(p, p)))
    library = blas()
    return (
        f"{cores()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}, {versions}; "
        f"{library['library']} {library['version']}, {library['kernel']} kernels, {library['threads']} threads"
    )


if __name__ == "__main__":
    main()
