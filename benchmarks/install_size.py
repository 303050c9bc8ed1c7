"""What predicting with one file takes without PyTorch: packages, MB, and seconds to the first boxes, for each runtime.

    python -m benchmarks.install_size [onnx openvino litert ncnn]

Each runtime is installed with this project into an empty environment of its own, which is deleted afterwards: a
package index must be there. The file is SSDLite on V3-Small for 320×320 with random weights; the seconds are those of
whole processes, from `python` to the boxes of a PNG, in turns, the runtime's own number of threads. A runtime without a
writer here is only weighed.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.deploy.writers.by_format import WRITERS

ROOT = Path(__file__).parent.parent
RUNTIMES = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "litert": "ai-edge-litert",
    "ncnn": "ncnn",
}  # what runs a file
SHIPPED = ("backbones", "heads", "tasks", "conf")
SIZE, ROUNDS = (320, 320), 5
FROM_PYTHON = (
    "import sys; from tasks.deploy.model import open_model\n"
    "found = open_model(sys.argv[1]).predict(sys.argv[2])\n"
    "assert len(found['detect']['boxes']) and 'torch' not in sys.modules"
)
COMMAND = "import sys; sys.path.pop(0); from mobilevision import main; main()"  # as pip writes it


class Installed(NamedTuple):
    """An environment's interpreter, its packages, and the bytes of their files."""

    python: Path
    packages: list[str]
    size: int


def run(*command: str | Path, folder: Path) -> float:
    """Run a command there; returns its seconds. Its output is printed if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def wheel(folder: Path) -> Path:
    """This project's wheel, built from a copy of its sources."""
    source = folder / "source"
    for room in SHIPPED:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix != ".cfg":
            shutil.copy(path, source)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source, folder=folder)
    return next(folder.glob("*.whl"))


def install(package: str, project: Path, folder: Path) -> Installed:
    """A runtime's package, NumPy, Pillow and this project in an empty environment."""
    venv.create(folder, symlinks=True)
    python, (site,) = folder / "bin" / "python", folder.glob("lib/python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q")
    run(*pip, "numpy", "pillow", package, folder=folder)
    run(*pip, "--no-deps", project, folder=folder)
    packages = sorted(path.name.split("-")[0] for path in site.glob("*.dist-info"))
    return Installed(python, packages, sum(path.stat().st_size for path in site.rglob("*") if path.is_file()))


def files(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """The network's file for each runtime that has a writer, and a photo.png beside them."""
    from PIL import Image

    from benchmarks.exported import exported
    from benchmarks.int8 import Case, network_of
    from tasks.data.streets.picture import draw

    learner, _ = network_of(Case("detect", "mobilenet_v3_small", SIZE))
    Image.fromarray(draw("day", seed=(0,), height=SIZE[0], width=SIZE[1]).image).save(folder / "photo.png")
    made = {}
    for name in names:
        (folder / name).mkdir()
        model = exported(learner, SIZE, folder / name, runtime=name, form="decoded")
        made[name] = next((folder / name).glob(f"*{Path(model.manifest['file']).suffix}"))
    return made


def main(names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = files([name for name in names if name in WRITERS], folder)
        project = wheel(folder)
        seconds: dict[tuple[str, str], list[float]] = {}
        environments = {name: install(RUNTIMES[name], project, folder / f"environment_{name}") for name in names}
        for turn in range(ROUNDS + 1):
            for name, model in models.items():
                python = environments[name].python
                of_command = (COMMAND, "predict", f"model={model}", "input=photo.png", f"output=out/{name}{turn}")
                for how, words in (("Python", (FROM_PYTHON, model, "photo.png")), ("command", of_command)):
                    spent = run(python, "-c", *words, folder=folder)
                    if turn:  # the first finds nothing in the disk's cache
                        seconds.setdefault((name, how), []).append(spent)
        print(
            "| runtime | packages | MB | seconds to the first boxes: open_model(…).predict(…) | mobilevision predict |"
        )
        print("|---|---|---|---|---|")
        for name, found in environments.items():
            times = (
                f"{statistics.median(seconds[name, how]):.2f}" if name in models else "–"
                for how in ("Python", "command")
            )
            packages = f"{len(found.packages)}: {', '.join(found.packages)}"
            print(f"| {name} | {packages} | {found.size / 1e6:.0f} | {' | '.join(times)} |", flush=True)


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(RUNTIMES):
        sys.exit(f"no runtime {unknown.pop()}: {', '.join(RUNTIMES)}")
    main(sys.argv[1:] or list(RUNTIMES))
