"""Lines of JSON between the processes of a run."""

import socket
import threading
import time

import pytest

from tasks.common import wire
from tasks.common.wire import Connection


@pytest.fixture
def ends():
    """The two ends of a connection over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        first = socket.create_connection(server.getsockname())
        second, _ = server.accept()
    with first, second:
        yield Connection(first), Connection(second)


def test_the_last_message_is_read_although_the_other_side_has_sent_more(ends):
    first, second = ends
    for _ in range(30):  # from then on acknowledgements come late, and Nagle's algorithm waits for them
        first.send(beat=1), second.receive()
        second.send(beat=1), first.receive()
    second.send(beat=1)  # nobody reads it
    time.sleep(0.01)
    first.send(beat=1)
    first.send(beat=2)
    first.send(end="the disk is full")
    closing = threading.Thread(target=first.finish, args=(time.monotonic() + 5,))
    closing.start()
    said = []
    while (messages := second.receive()) is not None:
        said += messages
    second.sock.close()
    closing.join(5)
    assert said[-1] == {"end": "the disk is full"}
    assert not closing.is_alive() and first.sock.fileno() == -1


def test_one_that_does_not_close_is_left(ends):
    first, _ = ends
    first.finish(time.monotonic() + 0.05)
    assert first.sock.fileno() == -1


def test_a_sign_of_life_is_sent_once_in_a_while(ends, monkeypatch):
    monkeypatch.setattr(wire, "BEAT", 0.05)
    first, second = ends
    begin, said = time.monotonic(), 0
    while time.monotonic() - begin < 0.3:
        first.beat(), second.beat()
        said += len(second.receive() or ())
    assert 1 <= said <= (time.monotonic() - begin) / 0.05 + 1


def test_what_a_process_itself_stood_still_is_no_silence(ends, monkeypatch):
    monkeypatch.setattr(wire, "BEAT", 0.05)
    first, _ = ends
    first.heard -= 60
    first.looked -= 60
    assert first.silence() < 30
    begin = time.monotonic()
    while time.monotonic() - begin < 0.3:
        time.sleep(0.01)
        silent = first.silence()
    assert silent > 0.25, "it looked all the time"
