"""How much memory a process has held at most."""

import contextlib
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Let the peak begin anew at what is held now (proc(5)); nothing where there is no such thing."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")


def peak() -> int | None:
    """Bytes of resident memory at most; None where nobody knows.

    Linux hands ru_maxrss of the process that started this one down to it: what counts there is VmHWM.
    """
    if STATUS.is_file():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS
