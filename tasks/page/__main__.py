"""python -m tasks.page: serves the page of an exported network to the browsers of this machine.

    python -m tasks.page <folder>                 of mode=export export.page=true, or its page/
    python -m tasks.page <folder> port=8001       another port than 8000; 0: a free one

Any static web server serves the folder as well. This one listens to this machine only, serves nothing but that folder,
and sends the headers (COOP, COEP) without which browsers give WebAssembly a single thread. Ctrl-C ends it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.common.console import refusing, report, run_command
from tasks.common.errors import UserError, suggestion, visible
from tasks.page.server import local_server, page_of

PORT = 8000
USAGE = "python -m tasks.page <folder> [port=8000]"


def parse(arguments: Sequence[str]) -> tuple[Path, int]:
    """The folder and the port.

    Raises:
        UserError: for anything else.
    """
    folders = [argument for argument in arguments if not argument.startswith("port=")]
    ports = [argument.removeprefix("port=") for argument in arguments if argument.startswith("port=")]
    for argument in folders:
        if argument.startswith("-") or ("=" in argument and not Path(argument).exists()):
            near = suggestion(argument.partition("=")[0].lstrip("-"), ("port",))
            raise UserError(f"{argument}: the only key is port=…{near}: {USAGE}")
    if len(folders) != 1 or not folders[0]:
        raise UserError(f"{f'{len(folders)} folders' if folders[1:] else 'no folder'}: {USAGE}")
    if len(ports) > 1:
        raise UserError(f"port={ports[1]}: port is given twice")
    port = ports[0] if ports else str(PORT)
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UserError(f"port={port} is not a whole number from 0 to 65,535")
    return Path(folders[0]).expanduser(), int(port)


def main() -> None:
    """Serve until a signal comes; user errors are one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]) or not sys.argv[1:]:
        print(__doc__)
        return
    with refusing():
        folder, port = parse(sys.argv[1:])
        page = page_of(folder)
        server = local_server(page, port)
    with server:
        report(visible(f"{page} is at http://localhost:{server.server_port}/ until Ctrl-C"))
        server.serve_forever()


if __name__ == "__main__":
    run_command(main)
