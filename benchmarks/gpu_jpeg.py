"""Training V3-Large from JPEG files, for benchmarks.gpu: our command and torchvision's reference loop, in turn.

On a GPU ours also with data.decode=cuda, as a side of its own.

python -m benchmarks.gpu --only jpeg
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backbones.options import Parser
from benchmarks.arguments import existing
from benchmarks.photos import jpegs
from benchmarks.timing import report

ROUNDS, EPOCHS = 2, 2
CLASSES = 10


def compare(device: str, quick: bool, workers: int | None) -> float:
    """Print images per second of both sides; the ratio of their medians."""
    count, batch, size = (24, 4, 64) if quick else (4096, 256, 224)
    workers = min(16, len(os.sched_getaffinity(0))) if workers is None else workers
    with tempfile.TemporaryDirectory() as folder:
        root, runs = Path(folder) / "data", Path(folder) / "runs"
        write(root, count)
        given = ["--root", str(root), "--device", device, "--batch", str(batch), "--size", str(size)]
        given += ["--workers", str(workers)]
        decoders = ("cpu", "cuda") if device == "cuda" else ("cpu",)
        speeds: dict[str, list[float]] = {**{name(decoder): [] for decoder in decoders}, "torchvision": []}
        for number in range(1 if quick else ROUNDS):
            for decoder in decoders:
                run = runs / f"{decoder}{number}"
                speeds[name(decoder)].append(ours(root, run, device, decoder, batch, size, workers))
            command = [sys.executable, "-c", "from benchmarks.gpu_jpeg import main; main()", *given]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr)
            speeds["torchvision"].append(float(done.stdout.split()[-1]))
    medians = {side: 1 / statistics.median(values) for side, values in speeds.items()}
    told = ", ".join(f"{side} {statistics.median(values):.0f}" for side, values in speeds.items())
    report(f"V3-Large from JPEG files of 375×500, {workers} workers: images/s {told}; an image", medians)
    return medians["torchvision"] / medians[name("cpu")]


def name(decoder: str) -> str:
    """Our side whose JPEG files this device decodes."""
    return f"ours, data.decode={decoder}"


def write(root: Path, count: int) -> None:
    """Class folders with so many hard links to a few photos."""
    root.mkdir()
    photos = jpegs(None, count, root.parent)
    for split, images in (("train", count), ("val", CLASSES)):
        for number in range(images):
            folder = root / split / f"class{number % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.jpg").hardlink_to(photos[number % len(photos)])


def ours(root: Path, run: Path, device: str, decoder: str, batch: int, size: int, workers: int) -> float:
    """Images per second of the command's last epoch."""
    command = [
        sys.executable, "-m", "tasks.classify", "dataset=folders", "backbone=mobilenet_v3_large",
        "recipe=classify_crops", "optimizer=sgd", "check=false", "pictures=0",
        f"dataset.root={root}", f"hydra.run.dir={run}", f"trainer.max_epochs={EPOCHS}", f"data.batch_size={batch}",
        f"data.decode={decoder}", f"data.workers={workers}", f"data.crop.size={size}", "trainer.precision=bf16-mixed",
        f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}", "trainer.log_every_n_steps=1", "ema=null",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    rows = [row for row in csv.DictReader((run / "metrics.csv").open()) if row.get("train/images_per_second")]
    return float(rows[-1]["train/images_per_second"])


def theirs(options: argparse.Namespace) -> float:
    """Images per second of the reference loop's last epoch: Pillow, PIL transforms, float images."""
    import torch
    import torch.nn.functional as F
    from torchvision import datasets, models
    from torchvision.transforms import transforms

    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(options.size),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    loader: Any = torch.utils.data.DataLoader(
        datasets.ImageFolder(options.root / "train", transform), options.batch, shuffle=True,
        num_workers=options.workers, pin_memory=options.device == "cuda", drop_last=True,
    )  # fmt: skip
    network = models.mobilenet_v3_large(num_classes=CLASSES).to(options.device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=4e-5)
    for _ in range(EPOCHS):
        begin, seen = time.perf_counter(), 0
        for images, labels in loader:
            images, labels = (each.to(options.device, non_blocking=True) for each in (images, labels))
            with torch.autocast(options.device, torch.bfloat16):
                loss = F.cross_entropy(network(images), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            seen += len(images)
        speed = seen / (time.perf_counter() - begin)
    return speed


def main() -> None:
    """One run of the reference loop, in a process of its own: prints its images per second."""
    parser = Parser()
    parser.add_argument("--root", type=existing, required=True)
    parser.add_argument("--device", required=True)
    for name in ("batch", "size", "workers"):
        parser.add_argument(f"--{name}", type=int, required=True)
    print(theirs(parser.parse_args()))
