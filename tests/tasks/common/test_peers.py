"""Processes that watch each other: who has ended is known to all others, and why."""

import socket
import threading
import time

import pytest

from tasks.common import peers as module
from tasks.common.peers import KILLED, Peers
from tasks.common.ranks import Place
from tasks.common.wire import Connection


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short waits, and no end of the test's own process."""
    for name, seconds in (("GRACE", 0.2), ("LATE", 2.0), ("ANSWER", 0.5), ("BEAT", 0.05)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr("tasks.common.wire.BEAT", 0.05)
    monkeypatch.setattr(module.os, "_exit", lambda status: None)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def group():
    """Makes so many watches that know each other, rank 0 first; ends them after the test."""
    made: list[Peers] = []

    def make(world: int, *, silence: float = 5.0, start: bool = True, port: int = 0) -> tuple[list[Peers], list[str]]:
        said: list[str] = []
        port = port or free_port()
        for rank in range(world):
            made.append(
                Peers(Place(rank, world, "127.0.0.1", 1, "job"), port=port, silence=silence, give_up=said.append)
            )
            if start:
                made[-1].start()
        return made[-world:], said

    yield make
    for peers in made:
        if peers.thread.is_alive():
            peers.end()


def connected(peers: Peers) -> socket.socket:
    """A connection to rank 0, once it listens."""
    end = time.monotonic() + 5
    while True:
        try:
            return socket.create_connection(("127.0.0.1", peers.ports[0]))
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def wait_for(holds, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_hear_who_has_failed_and_why(group):
    (first, second, third), _ = group(3)
    time.sleep(0.3)  # all have met
    third.end("cannot read image 7.jpg")
    line = f"rank 2 of 3 ({socket.gethostname()}) has ended: cannot read image 7.jpg"
    assert first.message(5) == second.message(5) == line
    assert third.message() == "", "it has its own line to print"


def test_all_hear_of_the_first_process(group):
    (first, second, third), _ = group(3)
    time.sleep(0.3)
    first.end("the disk is full")
    assert second.message(5) == third.message(5) != "" and second.message().endswith("ended: the disk is full")


def test_one_that_starts_after_the_first_has_failed_hears_of_it(group):
    (first, second), _ = group(2, start=False)
    first.start()
    ending = threading.Thread(target=first.end, args=("no such folder",))
    ending.start()
    time.sleep(0.3)
    second.start()
    assert second.message(5).endswith("has ended: no such folder")
    ending.join(5)
    assert not ending.is_alive(), "the first does not wait longer than needed"


def test_a_watch_costs_little(group, monkeypatch):
    sent = []
    send = Connection.send
    monkeypatch.setattr(Connection, "send", lambda self, **message: (sent.append(message), send(self, **message))[1])
    begin = time.monotonic()
    group(3)
    time.sleep(0.5)
    beats = (time.monotonic() - begin) / 0.05
    assert 4 < len(sent) < 4 * (beats + 1) + 8, "answering each sign of life at once would be thousands"


def test_what_is_done_is_no_loss(group):
    (first, second, third), said = group(3)
    time.sleep(0.3)
    second.end()
    time.sleep(0.3)
    assert first.message() == third.message() == ""
    first.end()
    time.sleep(0.5)
    assert third.message() == "" and not said


def test_a_killed_process_closes_its_connection(group):
    (first, _), said = group(2, start=False)
    first.start()
    sock = connected(first)
    other = Connection(sock)
    other.send(job="job", name="rank 1 of 2 (other)")
    other.send(beat=1)
    time.sleep(0.2)
    sock.close()
    assert first.message(5) == f"rank 1 of 2 (other) has ended: {KILLED}"
    wait_for(lambda: said == [first.message()])  # its main thread has not ended by itself


def test_one_that_did_not_wait_for_the_answer_is_not_lost(group):
    (first, second), _ = group(2)
    with connected(first) as sock:
        Connection(sock).send(job="job", name=second.name)
        time.sleep(0.2)
    time.sleep(0.3)
    assert first.message() == ""
    second.end("a mistake")
    assert first.message(5).endswith("a mistake")


def test_a_silent_process_counts_as_lost(group):
    (first, _), _ = group(2, silence=0.3, start=False)
    first.start()
    with connected(first) as sock:
        other = Connection(sock)
        other.send(job="job", name="rank 1 of 2 (other)")
        other.send(beat=1)
        assert first.message(5) == "rank 1 of 2 (other) has ended: no sign of life for 0.3 s"


STRANGERS = (
    *(b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b"x" * 10_000, b"[" * 8_000 + b"\n"),
    *(b'{"job": "another", "name": "x"}\n', b'{"end": "x"}\n'),
)


@pytest.mark.parametrize("sent", STRANGERS)
def test_strangers_are_not_heard(group, sent):
    (first, second), _ = group(2)
    with connected(first) as sock:
        sock.sendall(sent)
        time.sleep(0.3)
    time.sleep(0.2)
    assert first.message() == ""
    second.end("a mistake")
    assert first.message(5).endswith("a mistake"), "it still listens to its own"


def test_a_port_that_is_taken_is_passed_over(group):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        places = [Place(rank, 2, "127.0.0.1", port - 1, "job") for rank in (0, 1)]
        made = [Peers(place, port=0, silence=5, give_up=print) for place in places]
        for peers in made:
            peers.start()
        time.sleep(0.2)
        made[1].end("a mistake")
        assert made[0].message(9).endswith("a mistake")
        made[0].end()
