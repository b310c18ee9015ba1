"""An examination in a process of its own: a stranger's code must not take the time, the memory or the files of ours.

    python -m chainrule.doctor.child FILE [INIT FORWARD BACKWARD]      prints the examination as one line of JSON

The child works in an empty folder, under limits on processor time, memory and the size of files; the parent waits no
longer than it was told. This keeps accidents away, and is no prison: whoever does not trust a file at all should not
run it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from chainrule.doctor.diagnosis import Finding
from chainrule.doctor.examination import Examination, examine_here
from chainrule.doctor.hypotheses import Diagnosis
from chainrule.doctor.programs import Chosen
from chainrule.errors import InputError

SECONDS, MEMORY, FILE_SIZE = 60, 4 << 30, 1 << 20


def examine(path: str | Path, chosen: Chosen | None = None, *, seconds: float = SECONDS) -> Examination:
    """Examine somebody's script or notebook. This runs its definitions and its functions, in a child process.

    Parameters
    ----------
    path : a .py or .ipynb file
    chosen : Chosen, optional
        Which functions initialise, go forward and go back, where their names do not say so.
    seconds : float
        How long it may take.

    Returns
    -------
    Examination

    Raises
    ------
    InputError
        If it cannot be examined: why, and what to do.
    """
    path = Path(path).resolve()
    chosen = chosen or Chosen()
    arguments = [str(path), chosen.init or "", chosen.forward or "", chosen.backward or "", str(int(seconds) + 1)]
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory(prefix="chainrule-doctor-") as folder:
        try:
            finished = subprocess.run(
                [sys.executable, "-m", "chainrule.doctor.child", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"{path} was stopped after {seconds:g} seconds. Is there an endless loop in one of its functions? "
                "Otherwise: --seconds 300"
            ) from error
    lines = finished.stdout.decode("utf-8", "replace").splitlines()
    answer = next((line for line in reversed(lines) if line.startswith('{"doctor"')), None)
    if answer is None:
        raise InputError(f"{path} ended the process that examined it: {_last_words(finished)}")
    return _from_json(path, json.loads(answer))


def _last_words(finished: subprocess.CompletedProcess[bytes]) -> str:
    if finished.returncode < 0:
        return f"signal {-finished.returncode}, as after too much memory or processor time."
    lines = finished.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {finished.returncode}."


def _from_json(path: Path, answer: dict[str, Any]) -> Examination:
    if "error" in answer:
        raise InputError(answer["error"])
    fields = answer["doctor"]
    findings = tuple(
        Finding(**(f | {"diagnosis": None, "relative_error": float(f["relative_error"])})) for f in fields["findings"]
    )
    diagnoses = tuple(Diagnosis(**d) for d in fields["diagnoses"])
    return Examination(str(path), fields["network"], findings, diagnoses, fields["wrong"], fields["fragile"])


def limit(seconds: int) -> None:
    """Limit this process: processor time, memory, the size of files; as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's clock remains
        return
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """The child."""
    path, init, forward, backward, seconds = sys.argv[1:6]
    out = sys.stdout
    limit(int(seconds))
    try:
        examination = examine_here(Path(path), Chosen(init or None, forward or None, backward or None))
        answer: dict[str, Any] = {"doctor": dataclasses.asdict(examination)}
        for finding in answer["doctor"]["findings"]:
            finding["relative_error"] = str(finding["relative_error"])
    except InputError as error:
        answer = {"doctor": None, "error": str(error)}
    except MemoryError:
        answer = {"doctor": None, "error": f"{path} took more than {MEMORY >> 30} GB of memory and was stopped."}
    except RecursionError:
        answer = {"doctor": None, "error": f"{path} calls itself without end."}
    print(json.dumps(answer), file=out, flush=True)
    os._exit(0)  # whatever threads the code has started


if __name__ == "__main__":
    main()
