"""Lines of JSON between the processes of a run, over TCP."""

import json
import socket
import time
from contextlib import suppress
from typing import Any

BEAT = 1.0  # seconds between signs of life
LINE = 4096  # bytes of the longest message


class Connection:
    """A socket on which lines of JSON are sent and received.

    Attributes:
        heard: when something came last, later by the time in which this process did not look.
        looked: when this process looked last for how long it has heard nothing.
        said: when something was sent last.
        ended: whether the other side has said that it ends.
        name: of the process on the other side; '' as long as it has not said it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.buffer, self.heard, self.ended, self.name = sock, b"", time.monotonic(), False, ""
        self.looked, self.said = self.heard, -BEAT
        self.unread: list[dict[str, Any]] = []  # messages that are received again
        sock.settimeout(BEAT)

    def send(self, **message: Any) -> None:
        """Send a message; a connection that is gone is noticed when it is read."""
        with suppress(OSError):
            self.sock.sendall(json.dumps(message).encode() + b"\n")
        self.said = time.monotonic()

    def beat(self) -> None:
        """Send a sign of life, if BEAT seconds have passed since the last message.

        Two sides that answered each sign at once would keep a core busy.
        """
        if time.monotonic() - self.said >= BEAT:
            self.send(beat=1)

    def silence(self) -> float:
        """Seconds without a sign of life. What this process itself stood still does not count.

        A job that is suspended as a whole (scontrol suspend, a paused container) has heard nothing when it goes on.
        """
        now = time.monotonic()
        self.heard = min(now, self.heard + max(0.0, now - self.looked - BEAT))
        self.looked = now
        return now - self.heard

    def receive(self) -> list[dict[str, Any]] | None:
        """Messages that have come; None once the connection is closed."""
        if self.unread:
            messages, self.unread = self.unread, []
            return messages
        try:
            data = self.sock.recv(LINE)
        except TimeoutError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self.heard = time.monotonic()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        if len(self.buffer) > LINE:
            return None
        try:
            return [message for line in lines if isinstance(message := json.loads(line), dict)]
        except (ValueError, RecursionError):  # the latter for deep nesting
            return None  # not one of ours

    def leave(self) -> None:
        """Send nothing more: the other side reads what was sent, then that the connection is closed."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def finish(self, until: float) -> None:
        """Close the connection once the other side has read everything and closed it too, or at that time.

        To close it at once is to lose the last message: what the other side has sent and nobody has read makes TCP
        reset the connection, and Nagle's algorithm may not have sent the message yet.
        """
        self.leave()
        with self.sock, suppress(OSError):
            while (left := until - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.sock.recv(LINE):
                    break
