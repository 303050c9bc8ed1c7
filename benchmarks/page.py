"""Frames of a camera on the page of export.page=true in Chromium, against ONNX Runtime in Python on its network alone.

    python -m benchmarks.page [<folder of a page>]

The camera is Chromium's moving test picture, 640×480. Without a folder: SSDLite with MobileNetV3-Small at 320×320, 80
classes, random weights, scaled so that about 1 % of the scores are above the threshold. It needs Chromium, and
onnxruntime-web in node_modules/ (make page-runtime). The aim is 10 frames a second or more.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.exported import SETTINGS
from benchmarks.timing import report
from tasks.app.resolve import composed
from tasks.checkpoint.manifest import write_manifest
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.describe import describe
from tasks.deploy.golden import write_golden
from tasks.deploy.network import trace
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.writers.by_format import WRITERS
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.page.folder import find_runtime, write_page
from tasks.page.server import local_server, page_of
from tests.chromium import Chromium

SIZE, CLASSES = (320, 320), 80
SPREAD, SHARE = 3.0, 0.01  # of the logits; of the scores above the threshold
WARMUP, SAMPLES = 3.0, 40  # seconds; looks at the page's times, a quarter of a second apart
NOW = """
return import(location.origin + "/app.js").then(({ shown }) =>
  ({ rate: shown.rate, ms: shown.ms, kind: shown.runtime?.kind, threads: shown.runtime?.threads,
     boxes: shown.found?.detect?.scores.length }));
"""


def detector() -> Learner:
    """The network; its logits vary, and the background's bias leaves SHARE of the scores above the threshold."""
    torch.manual_seed(0)
    run = composed("detect", "backbone=mobilenet_v3_small", "recipe=none").run
    learner = build(run.learner, {"boxes": [(str(number), number) for number in range(CLASSES)]}).eval()
    ((name, task),) = learner.each_task()
    last = [layer for layer in task.head.modules() if isinstance(layer, nn.Conv2d) and layer.bias is not None]
    last = [layer for layer in last if layer.out_channels % (CLASSES + 1) == 0]
    hooks = [layer.register_forward_hook(spread) for layer in last]
    image = torch.from_numpy(photo()).permute(2, 0, 1)[None]
    with torch.inference_mode():
        learner(image)
        for hook in hooks:
            hook.remove()
        logits = learner(image)[name].logits[0]
        background = 0.0
        while (logits.softmax(1)[:, 1:] > task.select.threshold).float().mean() > SHARE:
            background += 0.5
            logits[:, 0] += 0.5
        for layer in last:
            layer.bias.view(-1, CLASSES + 1)[:, 0] += background
    return learner


def spread(layer: nn.Conv2d, _given: object, made: Tensor) -> None:
    """Scale a layer's weights, which begin almost at zero, by what it has just made."""
    layer.weight.mul_(SPREAD / (made - layer.bias[:, None, None]).std())


def photo() -> NDArray[np.uint8]:
    """Like the camera's picture: a yellow disc on green, (480, 640, 3)."""
    y, x = np.mgrid[:480, :640]
    image = np.full((480, 640, 3), (0, 130, 0), np.uint8)
    image[(y - 240) ** 2 + (x - 320) ** 2 < 140**2] = 220, 220, 0
    return image


def write(folder: Path) -> Path:
    """The detector's page."""
    learner, settings = detector(), replace(SETTINGS, format="onnx", outputs="raw")
    traced = trace(learner, batch=1, size=SIZE, form="raw")
    manifest = describe("detect", learner, settings, traced, SIZE, Stretch(SIZE), None)
    files = WRITERS["onnx"](traced, folder / manifest["file"], manifest, "fp32")
    write_manifest(folder, manifest, files)
    write_golden(manifest, open_runner(folder / manifest["file"], manifest), [photo()], folder / "golden")
    write_page(folder / "page", folder, manifest["file"], find_runtime(None))
    return folder / "page"


def watch(page: Path, profile: Path) -> list[Mapping[str, Any]]:
    """What the page says of its camera, again and again."""
    browser = Chromium(profile)
    with local_server(page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            browser.open(f"http://localhost:{server.server_port}/")
            wait(browser, "document.getElementById('status').textContent !== 'Opening the network …'")
            browser.run("document.getElementById('camera').click()")
            wait(browser, "document.getElementById('timings').textContent.includes('frames a second')")
            time.sleep(WARMUP)
            seen = []
            for _ in range(SAMPLES):
                time.sleep(0.25)
                seen.append(browser.run(NOW))
            return seen
        finally:
            browser.close()
            server.shutdown()


def wait(browser: Chromium, condition: str) -> None:
    """Until it holds; a minute at most."""
    end = time.monotonic() + 60
    while not browser.run(f"return {condition}"):
        if time.monotonic() > end:
            said = browser.run("return document.getElementById('status').textContent")
            sys.exit(f"the page says: {said}")
        time.sleep(0.05)


def native(page: Path, threads: int, rounds: int = 30) -> float:
    """Seconds of the network alone in Python."""
    manifest = json.loads((page / "model.json").read_text(encoding="utf-8"))
    runner, image = open_runner(page / manifest["file"], manifest, threads), np.load(page / "example" / "input.npy")
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        runner.run(image)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(page: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = page_of(page) if page else write(Path(folder))
        seen = watch(page, Path(folder) / "profile")
        last = seen[-1]
        stages = {stage: statistics.median(each["ms"][stage] for each in seen) for stage in last["ms"]}
        rate = statistics.median(each["rate"] for each in seen)
        print(f"{last['kind']}, threads: {last['threads']}; {last['boxes']} boxes; {rate:.1f} frames a second")
        print(", ".join(f"{stage} {ms:.1f} ms" for stage, ms in stages.items()))
        report(
            "a camera frame on the page",
            {
                "the page, a whole frame": 1 / rate,
                "the page, the network alone": stages["run"] / 1000,
                f"ONNX Runtime in Python, the network, {last['threads']} threads": native(page, last["threads"]),
            },
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
