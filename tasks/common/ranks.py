"""Which process of a run this one is, from the environment variables of its launcher; nothing here needs torch.

A run of several processes is started by torchrun, by SLURM, or by Lightning, which repeats the command for each further
device of a machine. `LOCAL_RANK` counts the processes of one machine, the rank those of all machines.
"""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from tasks.common.errors import UserError

RESERVED = 0xFFFF_FFF0  # from here on SLURM's numbers mean batch scripts and the like, not steps of srun
INTERACTIVE = ("bash", "interactive")  # SLURM jobs in which commands are typed by hand, each a separate run


def by_torchrun(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun started this process; it may do so inside a SLURM job."""
    return "TORCHELASTIC_RUN_ID" in environment


def by_slurm(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether SLURM started this process, by Lightning's rule."""
    return "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in INTERACTIVE


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process of rank 0 across all machines: the one that checks, reports and writes.

    The order is Lightning's: torchrun, which may run inside SLURM, then SLURM, then Lightning's own variables.
    """
    if by_torchrun(environment):
        return environment.get("RANK", "0") == "0"
    if by_slurm(environment):
        return environment.get("SLURM_PROCID", "0") == "0"
    machine = environment.get("NODE_RANK", environment.get("GROUP_RANK", "0"))
    return machine == "0" and environment.get("LOCAL_RANK", "0") == "0"


def launched(environment: Mapping[str, str] = os.environ) -> int | None:
    """Processes that torchrun or SLURM has started, over all machines; None if Lightning starts them itself."""
    if by_torchrun(environment):
        count = environment.get("WORLD_SIZE", "")
    else:
        count = environment["SLURM_NTASKS"] if by_slurm(environment) else ""
    return int(count) if count.isdecimal() and int(count) > 0 else None


def check_launched(environment: Mapping[str, str] = os.environ) -> None:
    """Check the variables of a launcher: half of them, or those of another command, would train something else.

    Raises:
        UserError: for one that is missing, or no number that can be.
    """
    others: tuple[str, ...]
    if by_torchrun(environment) and environment.get("WORLD_SIZE", "1") != "1":
        who, rank, world = "torchrun", "RANK", "WORLD_SIZE"
        others = ("LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
    elif not by_torchrun(environment) and by_slurm(environment) and environment["SLURM_NTASKS"] != "1":
        who, rank, world, others = "srun", "SLURM_PROCID", "SLURM_NTASKS", ("SLURM_LOCALID", "SLURM_NODEID")
    elif environment.get("LOCAL_RANK", "0") != "0" and not {"WORLD_SIZE", "NODE_RANK", "RANK"} & {*environment}:
        raise UserError(
            f"LOCAL_RANK={environment['LOCAL_RANK']} is set without WORLD_SIZE: a process that is not the first one "
            "writes nothing; unset it, or start all by torchrun or srun"
        )
    else:
        return
    for key in (world, rank, *others):
        value = environment.get(key, "")
        if not (value.isascii() and value.isdecimal()) or int(value) > 65535:
            said = f"is {value!r}, no number from 0 to 65535" if value else "is missing"
            raise UserError(f"{key} {said}: {who} sets all of {', '.join((world, rank, *others))}")
    if int(environment[rank]) >= int(environment[world]):
        raise UserError(f"{rank}={environment[rank]}: there are {environment[world]} processes ({world}), from 0 on")


def check_others(environment: Mapping[str, str] = os.environ) -> None:
    """Check that somebody starts the other processes of the run: a batch script of SLURM has a rank, but is alone.

    Raises:
        UserError: if this process belongs to no step of the job, which srun starts.
    """
    if by_torchrun(environment) or (launched(environment) or 1) == 1:
        return
    step = environment.get("SLURM_STEP_ID", environment.get("SLURM_STEPID", ""))
    if not (step.isascii() and step.isdecimal() and int(step) < RESERVED):
        raise UserError(
            f"SLURM_NTASKS={environment['SLURM_NTASKS']}, but the batch script itself started this process, which "
            "would wait for the others until the job's time is over: write srun before the command, or "
            "SLURM_JOB_NAME=interactive for a single process"
        )


class Place(NamedTuple):
    """Where this process stands among those that torchrun or SLURM has started.

    Attributes:
        rank: over all machines.
        world: number of processes.
        address: of the machine of rank 0.
        port: at which the processes of PyTorch meet there.
        job: a name that processes of other runs do not have.
    """

    rank: int
    world: int
    address: str
    port: int
    job: str


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Where this process stands; None for a single process, and for those that Lightning starts.

    SLURM names no address: the first of its machines and a port made of the job's number are taken, as Lightning does.
    """
    world = launched(environment) or 1
    if world == 1:
        return None
    address, port = environment.get("MASTER_ADDR", ""), environment.get("MASTER_PORT", "")
    if by_torchrun(environment):
        rank, job = environment.get("RANK", "0"), environment["TORCHELASTIC_RUN_ID"]
    else:
        job = environment.get("SLURM_JOB_ID", "")
        rank = environment.get("SLURM_PROCID", "0")
        address = address or first_machine(environment.get("SLURM_NODELIST", environment.get("SLURM_JOB_NODELIST", "")))
        port = port or (str(15000 + int(job[-4:])) if job[-4:].isdecimal() else "12910")
        job = f"{job}.{environment.get('SLURM_STEP_ID', '')}"
    return Place(int(rank), world, address or "127.0.0.1", int(port or 0), job)


def first_machine(machines: str) -> str:
    """The first of SLURM's list of machines: `gpu[03-05,9],cpu1` begins with gpu03."""
    first = re.match(r"([^\[,\s]*)(?:\[([^\],-]*)[^\]]*\]([^,\s]*))?", machines)
    return "" if first is None else "".join(part or "" for part in first.groups())


def machines(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Machines of this run, and processes on each, that torchrun or SLURM has started; None if neither did.

    None also if the machines have different numbers of processes, which Lightning does not take.
    """
    world = launched(environment)
    if world is None:
        return None
    key = "LOCAL_WORLD_SIZE" if by_torchrun(environment) else "SLURM_NNODES"
    count = environment.get(key, "")
    if not count.isdecimal() or int(count) == 0 or world % int(count):
        return None
    return (world // int(count), int(count)) if by_torchrun(environment) else (int(count), world // int(count))
