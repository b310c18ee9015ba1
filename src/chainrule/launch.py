"""Whether mpiexec started this process, and as which of how many. It tells each of them in environment variables.

Having mpi4py installed says nothing, and asking MPI would start it. What is read here is set by the launcher alone.
"""

from __future__ import annotations

import os

#: Number of processes and number of this one: MPICH and its kin, Open MPI, MVAPICH, Slurm with PMIx. Both must be
#: there: some of Slurm's variables are set in a script too that has started nothing yet.
LAUNCHERS = (
    ("PMI_SIZE", "PMI_RANK"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
    ("SLURM_STEP_NUM_TASKS", "PMIX_RANK"),
)


def launched() -> tuple[int, int]:
    """Which process this is, from 0, and of how many; (0, 1) without mpiexec."""
    for names in LAUNCHERS:
        size, rank = (os.environ.get(name, "") for name in names)
        if size.isdigit() and rank.isdigit():
            return int(rank), int(size)
    return 0, 1
