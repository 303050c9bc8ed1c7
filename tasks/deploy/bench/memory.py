"""Peak memory of a process."""

import contextlib
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Reset the peak to the current memory (proc(5)); does nothing where that is not supported."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5", encoding="utf-8")


def peak() -> int | None:
    """Peak resident memory in bytes; None if unknown.

    On Linux ru_maxrss is inherited from the parent process, so VmHWM is used there.
    """
    if STATUS.is_file():
        lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS
