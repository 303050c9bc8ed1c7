"""How a command's process behaves: printing never fails, and signals end it cleanly."""

import errno
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from backbones.terminal import run_printing
from tasks.common.errors import Stopped, UserError, visible
from tasks.common.folding import folded_output
from tasks.common.ranks import is_first

Result = TypeVar("Result")
Item = TypeVar("Item")
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))  # SLURM's warning

OF_PATHS = (  # what a user can do something about: not ENOENT, which is a file of ours that is gone
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS),
    *(errno.ENOSPC, errno.EDQUOT),
)


def report(line: str) -> None:
    """Print from the first process of a run only."""
    torch = sys.modules.get("torch")  # not imported only to print a line
    if is_first() and (torch is None or not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0):
        print(line, flush=True)


def track(items: Iterable[Item], task: str, count: int) -> Iterable[Item]:
    """The items, with a progress bar that goes when they end; none without a terminal or rich."""
    if not sys.stdout.isatty():
        return items
    try:
        from rich.progress import track as bar
    except ModuleNotFoundError:  # a file is predicted with NumPy, Pillow and its runtime alone
        return items
    return bar(items, task, count, transient=True)


def run_command(main: Callable[[], Result]) -> Result:
    """Run a command's main function; printing in it never fails, and breaks no word on a terminal.

    Ctrl-C, SIGTERM and SIGUSR1 end it with one line and status 130, 143 or 138.
    """

    def stoppable() -> Result:
        try:
            with folded_output(), stop_on_signals():
                return main()
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            sys.exit(128 + stopped.number)

    return run_printing(stoppable)


@contextmanager
def refusing(*others: type[Exception]) -> Iterator[None]:
    """Print a user error, or what the system has against a path, in one line and exit with status 2.

    Args:
        others: further types of errors that are the user's here.
    """
    kinds: tuple[type[Exception], ...] = (UserError, *others)
    try:
        yield
    except kinds as error:
        told = str(error)
    except OSError as error:
        if error.errno not in OF_PATHS or error.filename is None:
            raise
        told = f"{error.filename}: {(error.strerror or '').lower()}"
    else:
        return
    print(visible(f"error: {told}"), file=sys.stderr)
    raise SystemExit(2)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise Stopped at any point of the block on Ctrl-C, SIGTERM or SIGUSR1; a second signal ends the process at once.

    Signals that were ignored when the process started (`nohup`, `&` in a script) stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_children() -> None:
    """Kill remaining data workers: they ignore SIGTERM, and the exit would wait for one that hangs."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
