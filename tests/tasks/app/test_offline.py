"""Nothing here talks to a network: every mode is run with all sockets refused and counted, native code's as well."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks.common.offline import VARIABLES
from tasks.deploy import decode

ROOT = Path(__file__).parents[3]
COMPILER = shutil.which("cc") or shutil.which("gcc")
AWAKE = 13  # seconds after its import by which ONNX Runtime has looked up a host, were it not told to be quiet
EVERY_MODE = f"""
import os, pathlib, sys, time

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
        to = arguments[0] if event.startswith("socket.get") else arguments[1]
        if not isinstance(to, str) or event.startswith("socket.get"):  # a path is no address
            with open(os.environ["SOCKET_LOG"], "a") as log:
                log.write(f"{{os.getpid()}} {{event}} {{to}}\\n")
            raise OSError(f"refused: {{event}} {{to}}")

sys.addaudithook(refuse)
from tasks.app.cli import main

def run(name, *arguments):
    sys.argv = [name, *arguments, f"hydra.run.dir=runs/{{len(os.listdir('runs'))}}"]
    try:
        main(name)
    except SystemExit as leave:
        assert not leave.code, (name, arguments)

others = sys.argv[1:]
os.mkdir("runs")
tiny = ("dataset.train=2", "dataset.val=2", "dataset.height=64", "dataset.width=64", "dataset.root=streets")
tiny += ("data.workers=0", "trainer.accelerator=cpu", "backbone=mobilenet_v1", "backbone.width=0.25")
run("classify", *tiny, "recipe=none", "trainer.max_epochs=1", "data.batch_size=2", "pictures=0")
best, photos, model = "checkpoint=runs/0/checkpoints/best.ckpt", "input=streets", "model=runs/1/model.onnx"
run("classify", *tiny, best, "mode=export", "export.images=2")
began = time.monotonic()
run("classify", *tiny, model, "mode=evaluate", "pictures=0")
run("classify", best, photos, "mode=predict")
run("classify", model, photos, "mode=predict")
run("classify", model, "mode=benchmark", "benchmark.seconds=0.01")

from backbones.blocks import ConvNormAct
from tasks.latency.onnx_runtime import OnnxRuntime
from tasks.latency.units import Unit

for term in OnnxRuntime(1).unit(Unit("layer", ConvNormAct(24, 40, act=None).to("meta"), ((1, 24, 5, 4),))):
    term.call()
for name in others:
    __import__(name)
time.sleep(max(0, began + {AWAKE} - time.monotonic()))
"""


class Process(NamedTuple):
    """Python code that runs with sockets refused, in a folder that is its home as well."""

    process: subprocess.Popen[str]
    folder: Path

    def finished(self) -> tuple[list[str], list[str]]:
        """What it tried to reach, and which files libraries left in its home."""
        _, said = self.process.communicate(timeout=900)
        assert self.process.returncode == 0, said
        log, caches = self.folder / "log", sorted(path.name for path in self.folder.glob(".*/**/*.db"))
        return log.read_text().splitlines() if log.exists() else [], caches


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path | None:
    """What is preloaded; none where there is no compiler."""
    if COMPILER is None or sys.platform != "linux":
        return None
    path = tmp_path_factory.mktemp("library") / "sockets.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", path, ROOT / "tests/tasks/app/sockets.c", "-ldl"], check=True)
    return path


@pytest.fixture
def start(library, tmp_path):
    """Starts Python code; what is running in the end is ended."""
    processes = []

    def begin(name: str, code: str, *arguments: str) -> Process:
        folder = tmp_path / name
        folder.mkdir()
        environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        environment |= {"HOME": str(folder), "SOCKET_LOG": str(folder / "log"), "PYTHONPATH": str(ROOT)}
        environment |= {} if library is None else {"LD_PRELOAD": str(library)}
        command = [sys.executable, "-c", code, *arguments]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return Process(process, folder)

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_no_mode_reaches_out(start):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    others = [name for name in ("openvino", "nncf", "optuna", "timm") if installed(name)]
    assert start("every_mode", EVERY_MODE, *others).finished() == ([], [])


def installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def test_the_counter_counts(start, library):
    if library is None:
        pytest.skip("no compiler")
    code = """
import socket
for attempt in (
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: socket.gethostbyname("localhost"),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 9)),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"1", ("127.0.0.1", 9)),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"1"], [], 0, ("127.0.0.1", 9)),
):
    try:
        attempt()
    except OSError:
        continue
    raise SystemExit("not refused")
one, other = socket.socketpair()
one.sendall(b"1")
"""
    reached, _ = start("each", code).finished()
    kinds = [line.split()[1] for line in reached]
    assert kinds == ["getaddrinfo", "getaddrinfo", "connect", "sendto", "sendmsg"]


def test_the_decoder_that_ships_alone_is_as_quiet(tmp_path):
    shutil.copy(decode.__file__, tmp_path)
    code = (
        "import decode, os, sys\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], 'openvino_telemetry' in sys.modules, 'tasks' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in (*VARIABLES, "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [VARIABLES["ORT_DISABLE_TELEMETRY"], "True", "False"]


def test_what_the_user_has_set_stays():
    code = "import os, tasks; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0", "DO_NOT_TRACK": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "1"]
