"""A setting of the C library's allocator that makes training on the CPU faster."""

import ctypes
import platform

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
