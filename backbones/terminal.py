"""A command's output: any text can be printed, and a closed reader (`| head`) ends the command silently."""

import os
import select
import sys
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
SIGPIPE = 13  # which Windows does not have


def run_printing(main: Callable[[], Result]) -> Result:
    """Run a command's main function.

    What stdout and stderr cannot encode is printed as an escape (`\\xd7` for ×, if they are ASCII). If the reader of
    stdout has gone, the process ends with status 141, as if by SIGPIPE; after Ctrl-C with status 130.
    """
    print_anything()
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not reader_has_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at exit
        sys.exit(128 + SIGPIPE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def print_anything() -> None:
    """Let stdout and stderr print any text, even if they were closed (`>&-`) or are ASCII."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, this one, so that no other file gets it
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def reader_has_gone() -> bool:
    """Whether stdout is a pipe without a reader; False if that cannot be checked."""
    if not hasattr(select, "poll"):
        return False
    asking = select.poll()
    asking.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in asking.poll(0))
