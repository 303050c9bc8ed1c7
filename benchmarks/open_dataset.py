"""Opening 50,000 annotated images, the first time and after it, and the workers' memory over three epochs.

    python -m benchmarks.open_dataset [coco_json | yolo] [--images 50000] [--targets mask,boxes] [--folder <kept>]

Images are hard links of a few JPEGs of 64×48 with about seven objects each, outlined by polygons. Each opening is a
process of its own with a new cache. Memory is a worker's private memory, and its share of what several hold together.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader

from backbones.options import Parser

HEIGHT, WIDTH, CLASSES = 48, 64, 20
OPEN = "from benchmarks.open_dataset import opened; import sys; opened(*sys.argv[1:])"


def write(root: Path, layout: str, images: int) -> None:
    """The data set: `images` to train on, a tenth of it to score."""
    generator = np.random.default_rng(0)
    pictures = []
    for number in range(20):
        pictures.append(root / f"{number}.jpg")
        colour = tuple(generator.integers(0, 255, 3).tolist())
        Image.new("RGB", (WIDTH, HEIGHT), colour).save(pictures[-1])
    for split, count in (("train", images), ("val", images // 10)):
        (root / "images" / split).mkdir(parents=True)
        (root / "labels" / split).mkdir(parents=True)
        rows: list[dict[str, Any]] = []
        for number in range(count):
            (root / "images" / split / f"{split}{number:06d}.jpg").hardlink_to(pictures[number % 20])
            lines = []
            for _ in range(int(generator.integers(4, 11))):
                turn = np.linspace(0, 2 * np.pi, int(generator.integers(8, 24)), endpoint=False)
                centre, radius = generator.uniform(14, 34, 2), generator.uniform(3, 13)
                ring = (centre + radius * np.stack((np.cos(turn), np.sin(turn)), 1)).round(2)
                low, kind = ring.min(0), int(generator.integers(CLASSES))
                sides = (ring.max(0) - low).round(2).tolist()
                rows.append(
                    {
                        "id": len(rows),
                        "image_id": number,
                        "category_id": kind + 1,
                        "segmentation": [ring.ravel().tolist()],
                        "bbox": [*low.tolist(), *sides],
                        "area": sides[0] * sides[1],
                        "iscrowd": 0,
                    }
                )
                lines.append(f"{kind} " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in ring))
            if layout == "yolo":
                (root / "labels" / split / f"{split}{number:06d}.txt").write_text("\n".join(lines))
        if layout == "coco_json":
            listed = [
                {"id": number, "file_name": f"{split}{number:06d}.jpg", "height": HEIGHT, "width": WIDTH}
                for number in range(count)
            ]
            kinds = [{"id": kind + 1, "name": f"kind {kind}"} for kind in range(CLASSES)]
            content = {"images": listed, "annotations": rows, "categories": kinds}
            (root / f"{split}.json").write_text(json.dumps(content))
    names = ", ".join(f"kind {kind}" for kind in range(CLASSES))
    (root / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\nnames: [{names}]\n")


def opened(folder: str, layout: str, kinds: str) -> Any:
    """The training images; prints the seconds that opening both splits took."""
    from tasks.data.datasets.coco import CocoJson
    from tasks.data.datasets.yolo import Yolo

    targets = kinds.split(",")
    start, used = time.perf_counter(), time.process_time()
    dataset: Any = CocoJson(root=folder, targets=targets) if layout == "coco_json" else Yolo(folder, targets=targets)
    assert dataset.classes
    dataset.val()
    train = dataset.train()
    print(f"opened in {time.perf_counter() - start:.1f} s ({time.process_time() - used:.1f} s of a core)", flush=True)
    return train


class Read:
    """Samples as a data set that keeps nothing of them."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> int:
        return sum(array.nbytes for array in self.samples.read(index).values())


def memory(samples: Any, workers: int = 2, epochs: int = 3) -> None:
    """Print the workers' memory after each epoch."""
    loader: Any = DataLoader(Read(samples), 256, shuffle=True, num_workers=workers, persistent_workers=True)
    for epoch in range(epochs):
        for batch in loader:
            assert batch.sum()
        used = "; ".join(map(megabytes, multiprocessing.active_children()))
        print(f"after epoch {epoch + 1}, each worker: {used}", flush=True)


def megabytes(process: Any) -> str:
    """A process's memory as Linux counts it."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {key: int(size) / 1024 for key, size, _ in map(str.split, lines)}
    alone = sizes["Private_Clean:"] + sizes["Private_Dirty:"]
    return f"{alone:.0f} MB alone, {sizes['Pss:']:.0f} MB with its share"


def main() -> None:
    """Write the data set, open it twice, and read it three times."""
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("layout", nargs="?", default="coco_json", choices=["coco_json", "yolo"])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--targets", default="boxes")
    parser.add_argument("--folder", type=Path, help="where the data set is, or is kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = arguments.folder or Path(place) / "data"
        if not root.is_dir():
            root.mkdir(parents=True)
            write(root, arguments.layout, arguments.images)
        os.environ["MOBILEVISION_CACHE"] = f"{place}/cache"
        for _ in range(2):
            subprocess.run([sys.executable, "-c", OPEN, str(root), arguments.layout, arguments.targets], check=True)
        memory(opened(str(root), arguments.layout, arguments.targets))


if __name__ == "__main__":
    main()
