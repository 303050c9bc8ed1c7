"""Settings of C libraries that make training on a CPU faster and steadier; none changes a result."""

import ctypes
import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc, malloc.h
GIBIBYTE = 1 << 30
MOST_THREADS = 1024  # of a runtime or of data workers: with more, stacks alone take the memory
SPINS = 10_000  # of a waiting OpenMP thread: half a millisecond, longer than PyTorch needs from one layer to the next
CORES = "MOBILEVISION_CORES"  # the cores available before threads were bound: 0,1,2,3
DEVICES = {  # by torch's build target, as named in its version.py; /dev/dxg: Windows Subsystem for Linux
    "cuda": ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg"),
    "hip": ("/dev/kfd", "/dev/dxg"),
    "xpu": ("/dev/dri", "/dev/dxg"),
}


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks instead of returning them to the system and faulting them in again.

    A training step frees and reallocates the same hundreds of megabytes; by default each block above 32 MiB causes
    page faults every time. The process's memory no longer shrinks. Returns whether it was set, which needs glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = ((M_MMAP_THRESHOLD, GIBIBYTE), (M_TRIM_THRESHOLD, 2 * GIBIBYTE - 1), (M_TOP_PAD, 64 << 20))
    done = [libc.mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(done)


def cores() -> list[int]:
    """Cores that this process may use, even if `bind_threads` bound its main thread to one of them."""
    if names := os.environ.get(CORES):
        return [int(name) for name in names.split(",")]
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def bind_threads(accelerator: str = "auto") -> bool:
    """Bind OpenMP's threads to cores; must be called before torch is imported.

    Threads that wait for each other by spinning lose whole time slices when another process takes their core; one data
    worker is enough for that. Does nothing if the user has set OMP_… variables, if an accelerator may do the work, or
    in a run of several processes, whose threads would all be bound to the same cores. The cores available before are
    kept in an environment variable, for `cores()` here and in child processes: the main thread is bound to one core,
    and everything that it starts inherits that core. Returns whether it was set.
    """
    if platform.system() != "Linux" or "LOCAL_RANK" in os.environ:
        return False
    if any(name in os.environ for name in ("OMP_PROC_BIND", "OMP_PLACES", "OMP_NUM_THREADS")):
        return False
    if accelerator != "cpu" and accelerator_is_likely():
        return False
    os.environ[CORES] = ",".join(map(str, cores()))
    os.environ["OMP_PROC_BIND"], os.environ["OMP_PLACES"] = "true", "cores"
    return True


def spin_briefly() -> bool:
    """Let OpenMP's waiting threads sleep after half a millisecond; must be called before torch is imported.

    GNU's OpenMP lets them spin 300,000 times, 15 ms. Beside other work, a thread that is waited for has often lost its
    core, and the others burn theirs, which it could have: a step took three times as long. On a quiet machine it makes
    no difference; 1,000 spins would cost a tenth there. Does nothing if the user has chosen how threads wait; other
    OpenMP libraries do not know the variable. Returns whether it was set.
    """
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")):
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    return True


def accelerator_is_likely() -> bool:
    """Whether the installed torch is built for an accelerator whose device exists; torch itself is not imported.

    Wrong guesses cost only speed: see `use_all_cores`.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    found = find_spec("torch")
    version = Path(found.origin).with_name("version.py") if found and found.origin else Path("none")
    text = version.read_text(encoding="utf-8") if version.is_file() else ""
    return any(
        re.search(rf"^{kind}\b[^=\n]*=\s*['\"]", text, re.MULTILINE)
        and any(Path(device).exists() for device in devices)
        for kind, devices in DEVICES.items()
    )


def give_way_to_accelerator(accelerator: str) -> bool:
    """Undo `bind_threads` if torch, once imported, finds an accelerator after all."""
    import torch

    if accelerator == "cpu" or not torch.accelerator.is_available():
        return False
    use_all_cores()
    return True


def use_all_cores() -> None:
    """Undo `bind_threads` in a worker process or thread, which inherits the single core of its parent."""
    if hasattr(os, "sched_setaffinity") and CORES in os.environ:
        os.sched_setaffinity(0, cores())  # of the calling thread


def thread_pool(threads: int | None = None) -> ThreadPoolExecutor:
    """A pool of threads, each of which may run on any core.

    Args:
        threads: how many; None for a few more than cores, because they wait for files.
    """
    return ThreadPoolExecutor(threads or min(32, len(cores()) + 4), initializer=use_all_cores)
