"""A web server for one folder, for this machine only, with the headers that WebAssembly's threads need."""

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")  # a page from elsewhere whose name was made to mean this machine has another
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",  # this and the next: the page is isolated, and may have threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Handler(SimpleHTTPRequestHandler):
    """Serves files of one folder; nothing else, no listing, no hidden files, no links that lead out of it."""

    server_version, sys_version = "mobilevision", ""
    extensions_map = {  # noqa: RUF012 - as in the base class; whatever this machine's own tables say
        **SimpleHTTPRequestHandler.extensions_map,
        ".css": "text/css",
        ".html": "text/html",
        ".js": "text/javascript",
        ".json": "application/json",
        ".onnx": "application/octet-stream",
        ".png": "image/png",
        ".wasm": "application/wasm",
    }

    def send_head(self) -> Any:
        """As for any file, if it may be served."""
        if self.headers.get("Host", "").rpartition(":")[0] not in NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if not self.may_be_served():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def may_be_served(self) -> bool:
        """Whether the request is for the page itself or a file below the folder."""
        root = Path(self.directory).resolve()
        try:
            path = Path(self.translate_path(self.path))
            real = path.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, a null character, a loop of links
            return False
        below = path.relative_to(self.directory).parts if path.is_relative_to(self.directory) else (".",)
        if any(part.startswith(".") for part in below) or not real.is_relative_to(root):
            return False
        return real == root or real.is_file()

    def list_directory(self, _path: Any) -> None:
        """Nothing is listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """The headers of every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Requests are not worth a line each."""


class Server(ThreadingHTTPServer):
    """A thread for each request; silent if a browser goes away in the middle of one."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A traceback for everything but a closed connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def page_of(folder: Path) -> Path:
    """The page's folder: the one given, or page/ in an export's folder.

    Raises:
        UserError: if there is none.
    """
    for each in (folder, folder / "page"):
        if (each / "index.html").is_file() and (each / "model.json").is_file():
            return each
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file, not a folder' if folder.exists() else 'no such folder'}")
    raise UserError(f"{folder}: neither it nor its page/ is a page; mode=export export.page=true writes one")


def local_server(folder: Path, port: int = 0) -> Server:
    """A server of a folder on this machine's own address; `serve_forever()` starts it.

    Args:
        port: 0 for a free one.

    Raises:
        UserError: if the port is taken or not allowed.
    """

    try:
        return Server((HOST, port), partial(Handler, directory=str(folder.resolve())))
    except OSError as error:
        raise UserError(f"port={port} cannot be used ({error.strerror}); port=0 takes a free one") from error
