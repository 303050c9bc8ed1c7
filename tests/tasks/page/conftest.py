"""Folders behind local servers, and a page that a real export has written."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.page.server import Server, local_server
from tests.tasks.deploy.conftest import best, exports, scenes  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[3]


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """The address of a folder's server, which ends with the test."""
    servers: list[Server] = []

    def start(folder: Path) -> str:
        server = local_server(folder)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://localhost:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def runtime() -> Path:
    """An installed onnxruntime-web: `make page-runtime` brings it."""
    folder = Path(os.environ.get("MOBILEVISION_ORT_WEB", ROOT / "node_modules" / "onnxruntime-web"))
    if not (folder / "package.json").is_file():
        pytest.skip("no onnxruntime-web here: make page-runtime, or MOBILEVISION_ORT_WEB=<its folder>")
    return folder


@pytest.fixture
def exported(command, exports, best, runtime, tmp_path) -> Path:  # noqa: F811
    """The folder of three heads exported with a page; a copy, which a test may damage."""
    pytest.importorskip("onnx")
    folder = exports / "with_page"
    if not folder.exists():
        words = ("export.page=true", "export.images=3", f"export.page_runtime={runtime}", f"hydra.run.dir={folder}")
        result = command("multitask", "mode=export", f"checkpoint={best}", *words)
        assert result.status == 0, result.err
        assert f"python -m tasks.page {folder / 'page'}" in result.out
    shutil.copytree(folder, tmp_path / "model")
    return tmp_path / "model"
