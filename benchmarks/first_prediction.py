"""From the start of `python` to the first prediction of an exported ONNX file, against ONNX Runtime opening it.

    python -m benchmarks.first_prediction [<model.onnx> <image>]

In fresh processes. Without arguments: LR-ASPP on V3-Small with random weights, and a generated photo of 256 × 512. The
limit is 0.6 s.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import report

LIMIT, SIZE = 0.6, (256, 512)
OURS = (
    "import sys; from tasks.deploy.model import open_model\n"
    "found = open_model(sys.argv[1]).predict(sys.argv[2])\n"
    "print(*found, 'with torch' if 'torch' in sys.modules else 'without torch')"
)
BARE = (
    "import tasks, numpy, onnxruntime, sys, PIL.Image\n"  # tasks keeps ONNX Runtime offline
    "onnxruntime.InferenceSession(sys.argv[1]); print('no prediction')"
)


def main(model: str, image: str, rounds: int = 5) -> None:
    """Print the medians: ours, and that of the imports and opening the file alone."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, code in (("ours, open_model(…).predict(…)", OURS), ("ONNX Runtime opens the file", BARE)):
            start = time.perf_counter()
            command = [sys.executable, "-c", code, model, image]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times.setdefault(name, []).append(time.perf_counter() - start)
            if len(times[name]) == rounds:
                print(f"{name}: {done.stdout.strip()}")
    report(f"Python start to first prediction, limit {LIMIT} s", {k: statistics.median(v) for k, v in times.items()})


def generate(folder: Path) -> tuple[str, str]:
    """A file and a photo, from random weights and the street generator."""
    from PIL import Image

    from benchmarks.exported import exported
    from tasks.app.resolve import composed
    from tasks.data.datasets.cityscapes import Cityscapes
    from tasks.data.streets.picture import draw
    from tasks.engine.build import build

    run = composed("segment", "backbone=mobilenet_v3_small", "recipe=none").run
    exported(build(run.learner, Cityscapes.classes).eval(), SIZE, folder, runtime="onnx")
    photo = draw("day", seed=(0,), height=SIZE[0], width=SIZE[1]).image
    Image.fromarray(photo).save(folder / "photo.png")
    return str(folder / "raw_fp32.onnx"), str(folder / "photo.png")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(*sys.argv[1:])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(*generate(Path(temporary)))
