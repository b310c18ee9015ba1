"""Whole commands, by the system's own accounting."""

import os
import subprocess
import tempfile
import time
from pathlib import Path


def run_command(command: list[str]) -> dict:
    """Run it in an empty folder of its own: wall and CPU seconds, peak resident megabytes, and what it printed."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "printed").open("w+", encoding="utf-8") as printed:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.PIPE, text=True)
        error = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{error}")
        printed.seek(0)
        return {
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
            "megabytes": usage.ru_maxrss * 1024 / 1e6,
            "printed": printed.read(),
        }
