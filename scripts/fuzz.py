"""Feed every reader of files what is nearly right, at length, and keep the counts in docs/fuzzing.json.

    python scripts/fuzz.py                        2,100,000 inputs in a quarter of an hour or so; Ctrl-C stops it
    python scripts/fuzz.py --inputs 1000 csv npz  a thousand for each of these readers
    python scripts/fuzz.py --table                try nothing; write the table in docs/reliability.md again

Each input must be accepted, and then be what the reader promises, or be refused by the reader's own error with a short
message that names the file. Any other exception, a warning, five seconds, or a gigabyte of memory is a finding: the
input is kept in a folder, named on the screen, and the exit code is 1. Input number n of a seed is the same each time.
Time is limited where there are alarms (not on Windows), and memory on Linux.
"""

import argparse
import collections
import json
import random
import re
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from fuzz_readers import READERS, Reader, draw_input, try_input

try:
    import resource
except ImportError:  # Windows
    resource = None

ROOT = Path(__file__).parent.parent
RECORD, PAGE = ROOT / "docs" / "fuzzing.json", ROOT / "docs" / "reliability.md"
START, END = "<!-- fuzzing: written by scripts/fuzz.py -->", "<!-- end of fuzzing -->"
EACH, SECONDS, BYTES = 300_000, 5, 1 << 30


def main() -> int:
    """Try what is asked for, and record it."""
    options = arguments()
    if not options.table:
        limit_memory()
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, too_slow)
        warnings.simplefilter("error")
        record(options.json, options, fuzz(options))
    results = json.loads(options.json.read_text(encoding="utf-8"))
    options.page.write_text(with_table(options.page.read_text(encoding="utf-8"), results), encoding="utf-8")
    return int(any(result["findings"] for result in results["readers"].values()))


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"of {', '.join(READERS)}; all if none is named")
    parser.add_argument("--inputs", type=int, default=EACH, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=RECORD)
    parser.add_argument("--page", type=Path, default=PAGE, help="whose table is written")
    parser.add_argument(
        "--findings", type=Path, default=Path("fuzzing-findings"), help="folder for inputs that surprise"
    )
    parser.add_argument("--table", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if unknown := set(options.readers) - set(READERS):
        parser.error(f"there is no reader {', '.join(sorted(unknown))}; known: {', '.join(READERS)}")
    return options


def limit_memory() -> None:
    """At most a gigabyte more than now, where the system says how much that is."""
    statm = Path("/proc/self/statm")
    if resource is None or not statm.exists():
        return
    pages = int(statm.read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


class TooSlowError(BaseException):
    """An input took too long; no reader may take this for a fault of the file."""


def limit_time(seconds: float) -> None:
    """Ring the alarm in so many seconds, 0 for never; where there is none, an input may take its time."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def too_slow(*_) -> None:
    """Answer the alarm."""
    raise TooSlowError(f"more than {SECONDS} s")


class Tally:
    """What came of one reader's inputs so far."""

    def __init__(self) -> None:
        self.accepted = self.refused = 0
        self.messages, self.findings = collections.Counter(), []
        self.seconds = 0.0

    @property
    def tried(self) -> int:
        """Inputs so far."""
        return self.accepted + self.refused + len(self.findings)

    def summary(self) -> dict:
        """The counts as JSON."""
        return {
            "tried": self.tried,
            "accepted": self.accepted,
            "refused": self.refused,
            "messages": len(self.messages),
            "findings": self.findings,
            "seconds": round(self.seconds, 1),
        }


def fuzz(options: argparse.Namespace) -> dict[str, Tally]:
    """Go round the readers, a thousand inputs each time, until all have had theirs or Ctrl-C."""
    names = options.readers or list(READERS)
    tallies = {name: Tally() for name in names}
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    try:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            for start in range(0, options.inputs, 1000):
                for name in names:
                    numbers = range(start, min(start + 1000, options.inputs))
                    fuzz_one(READERS[name], numbers, Path(folder) / "input", tallies[name], options)
                    record(options.json, options, tallies)
    except KeyboardInterrupt:
        print("\nStopped; what was tried is recorded.")
    return tallies


def fuzz_one(reader: Reader, numbers: range, path: Path, tally: Tally, options: argparse.Namespace) -> None:
    """Try the inputs of these numbers on one reader."""
    started = time.perf_counter()
    for number in numbers:
        content, expected = draw_input(reader, random.Random(f"{options.seed} {reader.name} {number}"))
        limit_time(SECONDS)
        try:
            message = try_input(reader, path, content, expected)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it is, it is what is looked for
            keep(reader, number, content, error, tally, options)
        else:
            tally.accepted += message is None
            tally.refused += message is not None
            if message is not None:
                tally.messages[kind_of(message, path)] += 1
        finally:
            limit_time(0)
    tally.seconds += time.perf_counter() - started
    rate = tally.tried / tally.seconds
    print(
        f"{reader.name:<10} {tally.tried:>9,} of {options.inputs:,}: {tally.accepted:,} accepted, {tally.refused:,} "
        f"refused in {len(tally.messages)} ways, {len(tally.findings)} findings; {rate:,.0f} a second",
        flush=True,
    )


def kind_of(message: str, path: Path) -> str:
    """How a message begins, but for the path and what it repeats from the file: numbers, quotations, brackets."""
    words = message.replace(str(path), "FILE")
    return re.sub(r"'[^']*'|\"[^\"]*\"|\([^()]*\)|(?<=asks for ).*|[^ ]*\d[^ ]*", "#", words, flags=re.DOTALL)[:50]


def keep(
    reader: Reader, number: int, content: bytes, error: BaseException, tally: Tally, options: argparse.Namespace
) -> None:
    """Save an input that surprised, and say so."""
    options.findings.mkdir(parents=True, exist_ok=True)
    path = options.findings / f"{reader.name}-{options.seed}-{number}"
    path.write_bytes(content)
    words = f"{type(error).__name__}: {str(error)[:200]}"
    tally.findings.append({"number": number, "error": words})
    print(f"FINDING {path}: {words}", flush=True)


def record(path: Path, options: argparse.Namespace, tallies: dict[str, Tally]) -> None:
    """Write the counts of these readers; others keep theirs."""
    kept = json.loads(path.read_text(encoding="utf-8"))["readers"] if path.exists() else {}
    now = {name: {"seed": options.seed, **tally.summary()} for name, tally in tallies.items()}
    content = {"readers": kept | now}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def table(results: dict) -> str:
    """The counts as a table in Markdown."""
    lines = ["| reader | inputs | accepted | refused | kinds of message | anything else |", "|---|--:|--:|--:|--:|--:|"]
    for name, r in results["readers"].items():
        numbers = (r["tried"], r["accepted"], r["refused"], r["messages"], len(r["findings"]))
        lines.append(f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    total = sum(r["tried"] for r in results["readers"].values())
    return "\n".join([*lines, f"| **all** | **{total:,}** | | | | |"])


def with_table(page: str, results: dict) -> str:
    """The page with its table written again."""
    before, _, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"The page has no place for the table: put the lines {START} and {END} where it belongs.")
    return f"{before}{START}\n\n{table(results)}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
