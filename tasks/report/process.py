"""Whether the process that a run noted is still there; only its own machine can tell."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What identifies this process: `host`, `pid`, and `since`, when it began, if that is known."""
    return {"host": host(), "pid": os.getpid(), "since": begun(os.getpid())}


def has_ended(process: Mapping[str, Any] | None) -> bool:
    """Whether a noted process is known to have ended; False also if this machine cannot tell."""
    if not process or os.name != "posix" or process["host"] != host() or process["pid"] <= 0:
        return False
    try:
        os.kill(process["pid"], 0)  # sends nothing
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's process is one, too
        return False
    since = begun(process["pid"])
    return since is not None and process.get("since") not in (None, since)  # its number was given to another


def host() -> str:
    """The machine, and the namespace of its process numbers: a container has its own."""
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()


def begun(pid: int) -> str | None:
    """When a process began, in Linux's ticks since the start of the machine (proc(5), field 22 of stat)."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return None
