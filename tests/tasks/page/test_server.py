"""The server: this machine only, one folder only; and what is refused."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.page.__main__ import parse
from tasks.page.folder import INSTALL, RUNTIME, VERSION, find_runtime
from tasks.page.server import HOST, local_server, page_of
from tests.patience import LONG, held_port
from tests.tasks.page.conftest import ROOT


@pytest.fixture
def folder(tmp_path) -> Path:
    """A page's folder, with a secret beside it and links to that."""
    page = tmp_path / "page"
    (page / "runtime").mkdir(parents=True)
    (page / ".git").mkdir()
    for name in ("index.html", "model.json", "app.js", "runtime/ort.wasm", ".git/config", "../secret.txt", "a b.json"):
        (page / name).write_text(name)
    (page / "out.txt").symlink_to(tmp_path / "secret.txt")
    (page / "up").symlink_to(tmp_path)
    (page / "loop").symlink_to(page / "loop")
    return page


def ask(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; the path is sent as it is."""
    host, port = address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_what_is_served(serve, folder):
    address = serve(folder)
    for path, name, kind in (
        ("/", "index.html", "text/html"),
        ("/index.html?runtime=wasm", "index.html", "text/html"),
        ("/app.js", "app.js", "text/javascript"),
        ("/runtime/ort.wasm", "runtime/ort.wasm", "application/wasm"),
        ("/a%20b.json", "a b.json", "application/json"),
    ):
        status, headers, body = ask(address, path)
        assert (status, headers["content-type"], body.decode()) == (200, kind, name), path
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["x-content-type-options"] == "nosniff"
    assert ask(address, "/app.js", "HEAD")[::2] == (200, b"")


HIDDEN = (
    "/secret.txt",
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/runtime/../../secret.txt",
    "//etc/passwd",
    "/out.txt",
    "/up/secret.txt",
    "/up/",
    "/loop",
    "/runtime/",
    "/runtime",
    "/.git/config",
    "/%00",
    "/nothing.js",
)


def test_what_is_not_served(serve, folder):
    address = serve(folder)
    for path in HIDDEN:
        status, _, body = ask(address, path)
        assert status == 404 and b"../secret" not in body, path


def test_a_foreign_name_of_this_machine_is_refused(serve, folder):
    address = serve(folder)
    assert ask(address, "/app.js", Host="evil.example:80")[0] == 421
    assert ask(address, "/app.js", "POST")[0] == 501


def test_only_this_machine_can_connect(folder):
    with local_server(folder) as server:
        assert server.server_address[0] == HOST == "127.0.0.1"
        with pytest.raises(UserError, match=f"port={server.server_port} cannot be used .*port=0"):
            local_server(folder, server.server_port)


def test_the_command(folder):
    words, pipe = [sys.executable, "-m", "tasks.page", str(folder)], subprocess.PIPE
    with (
        held_port() as port,
        subprocess.Popen([*words, f"port={port}"], cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process,
    ):
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == f"{folder} is at http://localhost:{port}/ until Ctrl-C\n"
        assert ask(f"http://localhost:{port}", "/app.js")[0] == 200
        process.terminate()
        assert process.wait(LONG) == 143 and process.stderr.read() == "SIGTERM: stopped\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "b"], "2 folders: python -m tasks.page <folder> [port=8000]"),
        (["port=1"], "no folder: python -m tasks.page"),
        ([""], "no folder: python -m tasks.page"),
        (["a", "port=1", "port=2"], "port=2: port is given twice"),
        (["a", "prot=80"], "prot=80: the only key is port=… (did you mean port?): python -m tasks.page <folder>"),
        (["a", "--port", "80"], "--port: the only key is port=…"),
        (["a", "port=-1"], "port=-1 is not a whole number from 0 to 65,535"),
        (["a", "port=99999"], "port=99999 is not"),
        (["a", "port=²"], "port=² is not"),
    ],
)
def test_refused_arguments(arguments, said):
    with pytest.raises(UserError, match=re.escape(said)):
        parse(arguments)


def test_a_folder_without_a_page(folder, tmp_path):
    assert page_of(folder) == page_of(tmp_path) == folder, "an export's folder is good enough"
    with pytest.raises(UserError, match="no such folder"):
        page_of(tmp_path / "gone")
    with pytest.raises(UserError, match=r"neither it nor its page/ is a page; mode=export export\.page=true"):
        page_of(folder / "runtime")


def test_where_the_runtime_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_runtime(None)
    assert str(caught.value).endswith(f"this installs it: {INSTALL}") and "\n" not in str(caught.value)
    package = tmp_path / "node_modules" / "onnxruntime-web"
    with pytest.raises(UserError, match=r"page_runtime=.*onnxruntime-web: there is no onnxruntime-web; this installs"):
        find_runtime(package)
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text("[]")
    with pytest.raises(UserError, match="is no npm package's"):
        find_runtime(None)
    (package / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": "1.17.0"}))
    with pytest.raises(UserError, match=r"1\.17\.0\) lacks dist/ort\.wasm\.bundle\.min\.mjs; .* with npm"):
        find_runtime(None)
    for name in RUNTIME:
        (package / "dist" / name).touch()
    assert find_runtime(None).resolve() == find_runtime(package) == package
    shutil.move(package, tmp_path / "other")
    (tmp_path / "other" / "package.json").write_text(json.dumps({"name": "other", "version": "1"}))
    with pytest.raises(UserError, match="is not onnxruntime-web"):
        find_runtime(tmp_path / "other")


def test_make_installs_the_tested_version():
    assert f"onnxruntime-web@{VERSION}\n" in (ROOT / "Makefile").read_text()
