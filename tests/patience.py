"""For tests of several processes or threads: they wait for a condition, never for a time, and hold their ports."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONG = 120.0  # seconds that no machine takes, however busy it is; only a test that fails waits for so long


def wait_until(holds: Callable[[], object], why: Callable[[], str] = lambda: "it never held") -> None:
    """Wait until something holds.

    Args:
        why: what to say if it never does.
    """
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, why()
        time.sleep(0.01)


@contextmanager
def held_port() -> Iterator[int]:
    """A port at which something under test can listen, and that the system gives to nobody else meanwhile.

    A free port that is let go may be given to another test's server, or as the own port of a connection. Servers that
    set SO_REUSEADDR, as ours and PyTorch's do, may listen at it beside a socket that does not; so it is on Linux alone.
    """
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
        if sys.platform != "linux":
            found.close()
        yield port
