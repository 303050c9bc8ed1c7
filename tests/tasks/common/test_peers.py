"""Processes that watch each other: who has ended is known to all others, and why."""

import select
import socket
import threading
import time
from collections import defaultdict

import pytest

from tasks.common import peers as module
from tasks.common.peers import KILLED, Peers
from tasks.common.ranks import Place
from tasks.common.wire import Connection
from tests.patience import LONG, held_port, wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short waits, and no end of the test's own process."""
    for name, seconds in (("GRACE", 0.2), ("LATE", LONG), ("ANSWER", 0.5), ("BEAT", 0.05)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr("tasks.common.wire.BEAT", 0.05)
    monkeypatch.setattr(module.os, "_exit", lambda status: None)


@pytest.fixture
def port():
    with held_port() as port:
        yield port


@pytest.fixture
def group(port):
    """Makes so many watches that know each other, rank 0 first; ends them after the test."""
    made: list[Peers] = []

    def make(world: int, *, silence: float = LONG, start: bool = True) -> tuple[list[Peers], list[str]]:
        said: list[str] = []
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


@pytest.fixture
def known(monkeypatch):
    """The names that each watch knows, after which it looks again and again."""
    found: dict[Peers, set[str]] = defaultdict(set)
    check = Peers.check

    def noted(self, connection):
        found[self].add(connection.name)
        check(self, connection)

    monkeypatch.setattr(Peers, "check", noted)
    return found


@pytest.fixture
def met(known):
    """Waits until rank 0 and the others know each other."""

    def wait(first: Peers, *others: Peers) -> None:
        wait_until(lambda: len(known[first]) == len(others) and all(known[other] for other in others))

    return wait


def connected(peers: Peers) -> socket.socket:
    """A connection to rank 0, once it listens."""
    made: list[socket.socket] = []

    def connects() -> bool:
        try:
            made.append(socket.create_connection(("127.0.0.1", peers.ports[0])))
        except ConnectionRefusedError:
            return False
        return True

    wait_until(connects)
    return made[0]


def test_all_hear_who_has_failed_and_why(group, met):
    (first, second, third), _ = group(3)
    met(first, second, third)
    third.end("cannot read image 7.jpg")
    line = f"rank 2 of 3 ({socket.gethostname()}) has ended: cannot read image 7.jpg"
    assert first.message(LONG) == second.message(LONG) == line
    assert third.message() == "", "it has its own line to print"


def test_all_hear_of_the_first_process(group, met):
    (first, second, third), _ = group(3)
    met(first, second, third)
    first.end("the disk is full")
    assert second.message(LONG) == third.message(LONG) != "" and second.message().endswith("ended: the disk is full")


def test_a_process_that_tcp_connects_with_itself_waits_for_the_first(group, met, port, monkeypatch):
    """The system may give a connection the port that it goes to, as long as nobody listens there."""
    (first, second), _ = group(2, start=False)
    connect, itself = socket.create_connection, []

    def connect_itself(address, *more):
        if itself:
            return connect(address, *more)
        itself.append(socket.socket())
        itself[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        itself[0].bind(address)
        itself[0].connect(address)
        return itself[0]

    monkeypatch.setattr(module.socket, "create_connection", connect_itself)
    second.start()
    wait_until(lambda: itself)
    wait_until(lambda: itself[0].fileno() == -1, lambda: "it takes itself for rank 0")
    first.start()
    met(first, second)
    first.end("the disk is full")
    assert second.message(LONG).endswith("has ended: the disk is full")


def test_one_that_starts_after_the_first_has_failed_hears_of_it(group):
    (first, second), _ = group(2, start=False)
    first.start()
    ending = threading.Thread(target=first.end, args=("no such folder",))
    ending.start()
    wait_until(lambda: first.ending is not None)
    second.start()
    assert second.message(LONG).endswith("has ended: no such folder")
    ending.join(LONG / 2)
    assert not ending.is_alive(), "the first does not wait longer than needed"


def test_a_watch_costs_little(group, met, monkeypatch):
    sent = []
    send = Connection.send
    monkeypatch.setattr(Connection, "send", lambda self, **message: (sent.append(message), send(self, **message))[1])
    begin = time.monotonic()
    met(*group(3)[0])
    time.sleep(0.5)
    count = len(sent)
    beats = (time.monotonic() - begin) / 0.05
    assert 4 < count < 4 * (beats + 1) + 8, "answering each sign of life at once would be thousands"


def test_what_is_done_is_no_loss(group, met):
    (first, second, third), said = group(3)
    met(first, second, third)
    second.end()
    time.sleep(0.3)
    assert first.message() == third.message() == ""
    first.end()
    third.thread.join(LONG)
    assert not third.thread.is_alive() and third.message() == "" and not said


def test_a_killed_process_closes_its_connection(group, known):
    (first, _), said = group(2, start=False)
    first.start()
    sock = connected(first)
    other = Connection(sock)
    other.send(job="job", name="rank 1 of 2 (other)")
    other.send(beat=1)
    wait_until(lambda: known[first] == {"rank 1 of 2 (other)"})
    sock.close()
    assert first.message(LONG) == f"rank 1 of 2 (other) has ended: {KILLED}"
    wait_until(lambda: said == [first.message()])  # its main thread has not ended by itself


def test_one_that_did_not_wait_for_the_answer_is_not_lost(group):
    (first, second), _ = group(2)
    with connected(first) as sock:
        Connection(sock).send(job="job", name=second.name)
        assert select.select([sock], [], [], LONG)[0], "the answer"
    time.sleep(0.3)
    assert first.message() == ""
    second.end("a mistake")
    assert first.message(LONG).endswith("a mistake")


def test_a_silent_process_counts_as_lost(group):
    (first, _), _ = group(2, silence=0.3, start=False)
    first.start()
    with connected(first) as sock:
        other = Connection(sock)
        other.send(job="job", name="rank 1 of 2 (other)")
        other.send(beat=1)
        assert first.message(LONG) == "rank 1 of 2 (other) has ended: no sign of life for 0.3 s"


def test_a_run_that_is_suspended_as_a_whole_goes_on(group, met, monkeypatch):
    """As by scontrol suspend, or a container that is paused."""
    (first, second), _ = group(2, silence=0.5)
    met(first, second)
    check, asleep = Peers.check, {first: threading.Event(), second: threading.Event()}

    def suspended(self, connection):
        if not asleep[self].is_set():
            time.sleep(1)
            asleep[self].set()
        check(self, connection)

    monkeypatch.setattr(Peers, "check", suspended)
    assert all(each.wait(LONG) for each in asleep.values())
    time.sleep(0.2)
    assert first.message() == second.message() == ""
    second.end("a mistake")
    assert first.message(LONG).endswith("a mistake"), "they still watch each other"


def test_the_first_process_hears_that_it_was_silent_when_it_goes_on(group):
    (first, second), _ = group(2, silence=0.5, start=False)
    with socket.create_server(("127.0.0.1", first.ports[0])) as server:
        second.start()
        sock, _ = server.accept()
        with sock:
            here = Connection(sock)
            here.send(job="job", name="rank 0 of 2 (other)")
            said: list[dict[str, object]] = []
            while (messages := here.receive()) is not None:
                said += messages
    assert said[-1] == {"end": "rank 0 of 2 (other) has ended: no sign of life for 0.5 s"}


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
    assert first.message(LONG).endswith("a mistake"), "it still listens to its own"


def test_a_port_that_is_taken_is_passed_over(group):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        places = [Place(rank, 2, "127.0.0.1", port - 1, "job") for rank in (0, 1)]
        made = [Peers(place, port=0, silence=5, give_up=print) for place in places]
        for peers in made:
            peers.start()
        made[1].end("a mistake")
        assert made[0].message(LONG).endswith("a mistake")
        made[0].end()
