"""Settings of the C libraries that make training on a CPU faster and steadier; none changes a result."""

import ctypes
import os
import platform
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc, malloc.h
GIBIBYTE = 1 << 30


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks instead of returning them to the system and faulting them in again.

    A training step frees and takes back the same hundreds of megabytes; by default each block above 32 MiB costs
    page faults every time. Memory of a process no longer shrinks. Returns whether it was set: glibc only.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = ((M_MMAP_THRESHOLD, GIBIBYTE), (M_TRIM_THRESHOLD, 2 * GIBIBYTE - 1), (M_TOP_PAD, 64 << 20))
    done = [libc.mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(done)


def bind_threads() -> bool:
    """Tie OpenMP's threads to cores; must be called before torch is imported.

    Threads that wait for each other by spinning lose whole time slices when another process takes their core, and a
    data worker is enough of a process. Left alone where the user has set OMP_… variables, where a GPU does the work,
    and for several processes, whose threads would all be tied to the same cores. Returns whether it was set.
    """
    if platform.system() != "Linux" or Path("/proc/driver/nvidia").exists() or "LOCAL_RANK" in os.environ:
        return False
    if any(name in os.environ for name in ("OMP_PROC_BIND", "OMP_PLACES", "OMP_NUM_THREADS")):
        return False
    os.environ["OMP_PROC_BIND"], os.environ["OMP_PLACES"] = "true", "cores"
    return True


def use_all_cores() -> None:
    """Undo in a worker process what `bind_threads` made it inherit: the one core of the thread that started it."""
    if hasattr(os, "sched_setaffinity") and os.environ.get("OMP_PROC_BIND") == "true":
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
