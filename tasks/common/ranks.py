"""Which process of a run this one is, from the environment variables of its launcher; nothing here needs torch.

A run of several processes is started by torchrun, by SLURM, or by Lightning, which repeats the command for each further
device of a machine. `LOCAL_RANK` counts the processes of one machine, the rank those of all machines.
"""

import os
from collections.abc import Mapping

INTERACTIVE = ("bash", "interactive")  # SLURM jobs in which commands are typed by hand, each a separate run


def by_slurm(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether SLURM started this process, by Lightning's rule."""
    return "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in INTERACTIVE


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process of rank 0 across all machines: the one that checks, reports and writes.

    The order is Lightning's: torchrun, which may run inside SLURM, then SLURM, then Lightning's own variables.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        return environment.get("RANK", "0") == "0"
    if by_slurm(environment):
        return environment.get("SLURM_PROCID", "0") == "0"
    machine = environment.get("NODE_RANK", environment.get("GROUP_RANK", "0"))
    return machine == "0" and environment.get("LOCAL_RANK", "0") == "0"


def launched(environment: Mapping[str, str] = os.environ) -> int | None:
    """Processes that torchrun or SLURM has started, over all machines; None if Lightning starts them itself."""
    if "TORCHELASTIC_RUN_ID" in environment:
        count = environment.get("WORLD_SIZE", "")
    else:
        count = environment["SLURM_NTASKS"] if by_slurm(environment) else ""
    return int(count) if count.isdecimal() and int(count) > 0 else None
