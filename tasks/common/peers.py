"""Processes of one run that watch each other, on one machine or on several: if one ends, the others soon know and end.

Without it they would wait for the lost one until PyTorch's timeout, half an hour, and then say nothing about it. Every
process holds a connection to the one of rank 0. A process that is killed closes it, and one that is cut off is silent:

    rank 1 ──┐
    rank 2 ──┼── rank 0: tells all others who has ended, and why
    rank 3 ──┘

It begins before torch is imported, so that a mistake found by one process ends those that wait for it. Messages are
lines of JSON (wire.py); what they say is printed with visible(), and nothing of it is executed:

    {"job": …, "name": …}    first, by both sides: rank 0 answers processes of its own job alone
    {"beat": 1}              by both, once a second: a sign of life
    {"end": why}             by both: the sender ends; '' if its work is done
    {"lost": [who, why]}     by rank 0: another process has ended
"""

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tasks.common.errors import UserError
from tasks.common.ranks import Place
from tasks.common.wire import BEAT, Connection

PORTS = 8  # tried by rank 0, should one be taken
GRACE = 20.0  # seconds that a process has to end by itself once another is lost
LATE = 20.0  # seconds that a process, if it fails, waits for those who start later, to tell them
ANSWER = 10.0  # seconds that rank 0 has to answer
LEAVE = 2.0  # seconds that the others have to read the last message
LONGEST = 500  # characters of a reason
KILLED = "it was killed, or its machine is gone"


class PeerLost(UserError):
    """Another process of the run has ended."""

    status = 4


class Lost(NamedTuple):
    """A process that has ended, as `rank 1 of 4 (gpu07)`, and why."""

    who: str
    why: str


class Peers:
    """This process's watch over the others, in a thread of its own.

    Args:
        place: of this process.
        port: at which rank 0 listens; 0 for the first free one after the port of PyTorch.
        silence: seconds without a sign of life after which a process counts as ended.
        give_up: called with the message if this process does not end by itself within GRACE: its main thread waits in
            an operation of PyTorch that nothing can interrupt. The process ends after it.

    Attributes:
        lost: the first process that has ended; None as long as all are there.
    """

    def __init__(self, place: Place, *, port: int, silence: float, give_up: Callable[[str], None]) -> None:
        self.place, self.silence, self.give_up = place, silence, give_up
        self.ports = [port] if port else [place.port + 1 + number for number in range(PORTS)]
        self.name = f"rank {place.rank} of {place.world} ({socket.gethostname()})"
        self.lost: Lost | None = None
        self.found = threading.Event()  # set with `lost`
        self.over = threading.Event()
        self.why: str | None = None  # why this process ends; '' if its work is done, None before it ends
        self.ending: float | None = None  # when the thread noticed that the run ends
        self.gone = 0  # processes that rank 0 knew and whose connections are over
        self.thread = threading.Thread(target=self.watch, name="peers", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.thread.start()

    def end(self, why: str = "") -> None:
        """Tell the others that this process ends, and why; '' if its work is done. Further calls do nothing."""
        if self.why is None:
            self.why = why[:LONGEST]
            self.over.set()
            self.thread.join(LATE + 4 * BEAT)

    def message(self, wait: float = 0.0) -> str:
        """What to say if a process is lost, which is waited for; '' if all are there."""
        self.found.wait(wait)
        return "" if self.lost is None else f"{self.lost.who} has ended: {self.lost.why}"

    def watch(self) -> None:
        """Watch until this process ends, or another has."""
        try:
            self.lead() if self.place.rank == 0 else self.follow()
        except OSError as error:  # without a watch, PyTorch's own timeout is left
            self.say(f"the processes of this run do not watch each other: {error.strerror or error}")
        if self.lost is not None and not self.over.wait(GRACE):
            self.give_up(self.message())
            os._exit(PeerLost.status)

    def say(self, line: str) -> None:
        """Print a line from the process of rank 0."""
        if self.place.rank == 0:
            print(line, flush=True)

    def note(self, who: str, why: str) -> None:
        """Remember the first process that is lost."""
        if self.lost is None:
            self.lost = Lost(who, why)
            self.found.set()

    def lead(self) -> None:
        """Rank 0: hear from all others, and tell them of the first that ends."""
        known: dict[str, Connection] = {}
        with self.listen() as server, selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            while not self.may_leave(known):
                for key, _ in selector.select(BEAT):
                    if key.fileobj is server:
                        connection = Connection(server.accept()[0])
                        selector.register(connection.sock, selectors.EVENT_READ, connection)
                    elif self.heard_from(key.data, known):
                        selector.unregister(key.fileobj)
                        key.data.sock.close()
                for connection in known.values():
                    self.check(connection)
                    connection.send(**self.news()) if self.ends() else connection.beat()
            for connection in known.values():
                connection.send(**self.news())
                connection.leave()
            until = time.monotonic() + LEAVE
            for connection in known.values():
                connection.finish(until)

    def news(self) -> dict[str, Any]:
        """What rank 0 tells all others at the end: which process is lost, or how it ends itself."""
        return {"end": self.why} if self.lost is None else {"lost": self.lost}

    def ends(self) -> bool:
        """Whether the run ends, for this process or for all."""
        return self.over.is_set() or self.lost is not None

    def may_leave(self, known: Mapping[str, Connection]) -> bool:
        """Whether rank 0 may stop: the run ends and, if it fails, all processes are there to be told, or it is LATE."""
        if not self.ends():
            return False
        self.ending = self.ending or time.monotonic()
        all_here = len(known) + self.gone >= self.place.world - 1
        return all_here or not (self.why or self.lost) or time.monotonic() - self.ending > LATE

    def heard_from(self, connection: Connection, known: dict[str, Connection]) -> bool:
        """Take what has come from a process; returns whether its connection is over."""
        messages = connection.receive()
        for message in messages or ():
            if message.get("job") == self.place.job and isinstance(message.get("name"), str):
                connection.name = message["name"]
                connection.send(job=self.place.job, name=self.name)
                continue
            if connection.name:  # it has had the answer: one that did not wait for it begins again
                known[connection.name] = connection
            if connection.name and "end" in message:
                connection.ended = True
                if message["end"]:
                    self.note(connection.name, str(message["end"]))
        if messages is None and known.get(connection.name) is connection:
            del known[connection.name]
            self.gone += 1
            if not connection.ended:
                self.note(connection.name, KILLED)
        return messages is None

    def listen(self) -> socket.socket:
        """The socket at which rank 0 listens: on this machine alone if all processes are here."""
        address = "127.0.0.1" if self.place.address in ("127.0.0.1", "localhost") else ""
        for port in self.ports:
            try:
                return socket.create_server((address, port))
            except OSError as error:
                last = error
        raise last

    def follow(self) -> None:
        """All others: hear from rank 0."""
        connection = self.connect()
        while connection is not None and not self.ends():
            messages = connection.receive()
            for message in messages or ():
                if isinstance(lost := message.get("lost"), list) and len(lost) == 2:
                    self.note(str(lost[0]), str(lost[1]))
                elif "end" in message:
                    connection.ended = True
                    if message["end"]:
                        self.note(connection.name, str(message["end"]))
            if messages is None:
                if not connection.ended:
                    self.note(connection.name, KILLED)
                break
            self.check(connection)
            connection.beat()
        if connection is not None:
            if self.why is not None or self.lost is not None:  # also to a rank 0 that was suspended and goes on
                connection.send(end=self.why or self.message())
            connection.finish(time.monotonic() + LEAVE)

    def check(self, connection: Connection) -> None:
        """Note a process that has been silent for too long."""
        if connection.silence() > self.silence and not connection.ended:
            self.note(connection.name, f"no sign of life for {self.silence:g} s")

    def still_tries(self) -> bool:
        """Whether to go on looking for rank 0: a process that has failed does so until it is LATE, to tell why."""
        if not self.over.is_set():
            return True
        self.ending = self.ending or time.monotonic()
        return bool(self.why) and time.monotonic() - self.ending < LATE

    def answer(self, connection: Connection) -> list[dict[str, Any]]:
        """What rank 0 says first, which takes long on a busy machine; [{}] if it is not rank 0."""
        begin = time.monotonic()
        while time.monotonic() - begin < ANSWER and self.still_tries():
            messages = connection.receive()
            if messages or messages is None:
                return messages or [{}]
        return [{}]

    def connect(self) -> Connection | None:
        """The connection to rank 0, which may start later; None if this process ends before."""
        while self.still_tries():
            for port in self.ports:
                if connection := self.connect_at(port):
                    return connection
            if self.over.is_set():  # it can only be waited for once
                time.sleep(BEAT / 2)
            else:
                self.over.wait(BEAT / 2)
        return None

    def connect_at(self, port: int) -> Connection | None:
        """The connection to rank 0 at this port; None if nobody listens there, or somebody else."""
        try:
            sock = socket.create_connection((self.place.address, port), 5)
            itself = sock.getsockname() == sock.getpeername()
        except OSError:
            return None
        if itself:  # the port that TCP chose for this side was the wanted one, and it has connected it with itself
            sock.close()
            return None
        connection = Connection(sock)
        connection.send(job=self.place.job, name=self.name)
        first, *connection.unread = self.answer(connection)
        if first.get("job") != self.place.job:
            sock.close()
            return None
        connection.send(beat=1)
        connection.name = str(first.get("name"))
        return connection
