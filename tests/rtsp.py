"""An RTSP camera for tests: one MPEG transport stream over TCP on this machine, behind a Basic login."""

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKETS = 7 * 188  # bytes of an RTP packet: transport packets have 188
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
ANSWERS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
}


@contextmanager
def camera(stream: Path, login: str, pause: float = 0.005) -> Iterator[tuple[int, list[str]]]:
    """Serve a .ts file; gives the port, and the list of requests as they come: method, address.

    Args:
        pause: seconds between two packets.
    """
    asked: list[str] = []
    expected = "Basic " + base64.b64encode(login.encode()).decode()

    def talk(client: socket.socket) -> None:
        lines = client.makefile("rb")
        with client, lines:
            while request := lines.readline().decode().strip():
                method, address, _ = request.split(" ", 2)
                asked.append(f"{method} {address}")
                fields = {}
                while line := lines.readline().decode().strip():
                    name, _, value = line.partition(": ")
                    fields[name.lower()] = value
                told = f"CSeq: {fields['cseq']}\r\n"
                if method != "OPTIONS" and fields.get("authorization") != expected:
                    client.sendall(f'RTSP/1.0 401 No\r\n{told}WWW-Authenticate: Basic realm="x"\r\n\r\n'.encode())
                    continue
                told += ANSWERS.get(method, "Session: 1\r\n")
                client.sendall(f"RTSP/1.0 200 OK\r\n{told}\r\n{SDP if method == 'DESCRIBE' else ''}".encode())
                if method == "PLAY":
                    play(client)
                    return

    def play(client: socket.socket) -> None:
        content = stream.read_bytes()
        try:
            for number, first in enumerate(range(0, len(content), PACKETS)):
                packet = struct.pack(">BBHII", 0x80, 33, number, number * 900, 1) + content[first : first + PACKETS]
                client.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                time.sleep(pause)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client has left
            return

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # closed
                return
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)
