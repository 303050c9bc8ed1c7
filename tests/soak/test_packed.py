"""A packed training killed in the middle of an epoch goes on bit for bit, by one, two and three processes (gloo).

`pytest -m soak tests/soak/test_packed.py` (minutes; PACKED_IMAGES=50000 by default). The images are a few hundred
distinct ones under many names. PyTorch's all-reduce adds three processes' gradients in an order that follows from
DistributedDataParallel's buckets, and these are others in the first step after a start: rounding then differs. So three
processes add them in the order of their ranks here, which shows that all else is equal. Weights of one and of several
processes are not compared: batch normalisation sees other batches. But every step has the same images
(tests/tasks/data/loading/test_shard_batches.py), and a checkpoint's scores are the same.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tasks.classify.test_command import TINY

IMAGES, DISTINCT, SCORED = int(os.environ.get("PACKED_IMAGES", "50000")), 300, 300
ROOT = Path(__file__).parents[2]
PARTS = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "epoch", "global_step")
LEFT = ("dataset", "trainer.max", "trainer.check", "data.batch_size", "pictures")
OWN = [word for word in TINY if not word.startswith(LEFT)]

ORDERED = """
import sys
if "tasks.classify" in " ".join(sys.orig_argv):
    import torch
    from torch.nn.parallel import DistributedDataParallel

    def ordered(_state, bucket):
        own = bucket.buffer()
        parts = [torch.empty_like(own) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, own)
        done = torch.futures.Future()
        done.set_result(sum(parts[1:], parts[0]) / len(parts))
        return done

    create = DistributedDataParallel.__init__

    def created(self, *arguments, **options):
        create(self, *arguments, **options)
        self.register_comm_hook(None, ordered)

    DistributedDataParallel.__init__ = created
"""

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of tiny photos of three classes."""
    folder = tmp_path_factory.mktemp("packed")
    generator = np.random.default_rng(0)
    colours = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
    drawn = []
    for number in range(DISTINCT):
        noise = generator.integers(-60, 60, (40, 48, 3)) + np.array(list(colours.values())[number % 3])
        drawn.append(folder / f"{number}.jpg")
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(drawn[-1], quality=85)
    for split, count in (("train", IMAGES), ("val", SCORED)):
        for name in colours:
            (folder / "files" / split / name).mkdir(parents=True)
        for number in range(count):
            name = list(colours)[number % 3]
            os.link(drawn[number % DISTINCT], folder / "files" / split / name / f"{number:06d}.jpg")
    arguments = ["dataset=folders", f"dataset.root={folder / 'files'}", f"out={folder / 'packed'}", "shard_mb=2"]
    print(run("tasks.pack", *arguments))
    return folder / "packed"


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        command(module, *arguments), cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout


def devices(processes: int) -> list[str]:
    return [] if processes == 1 else [f"trainer.devices={processes}", "trainer.strategy=ddp"]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_killed_packed_training_goes_on_bit_for_bit(
    processes: int, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processes > 2:
        (tmp_path / "sitecustomize.py").write_text(ORDERED)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    data = ["dataset=packed", f"dataset.root={packed}", "recipe=classify_folders", "data.order=shards", "data.window=2"]
    more = ["trainer.max_epochs=1", "pictures=0", "saving.minutes=0.02", "data.global_batch=60", "check=false"]
    arguments = [*data, *OWN, *more, *devices(processes)]
    run("tasks.classify", *arguments, f"hydra.run.dir={tmp_path / 'whole'}")

    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    process = subprocess.Popen(
        command("tasks.classify", *arguments, f"hydra.run.dir={tmp_path / 'killed'}"), cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    saves: set[int] = set()
    while process.poll() is None and len(saves) < (3 if IMAGES > 20_000 else 1):
        time.sleep(0.01)
        if last.is_file():
            saves.add(last.stat().st_mtime_ns)
    assert process.poll() is None, "killed before its end"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    saved = torch.load(last, weights_only=True)
    steps = -(-IMAGES // 60)
    assert 0 < saved["global_step"] < steps and saved["epoch"] == 0, "in the middle of the epoch"

    run("tasks.classify", f"resume={last}", *devices(processes), f"hydra.run.dir={tmp_path / 'killed'}")
    whole, resumed = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("whole", "killed")
    )
    assert resumed["global_step"] == steps
    for part in PARTS:
        assert alike(whole.get(part), resumed.get(part)), part
    scores = [metrics(tmp_path / name) for name in ("whole", "killed")]
    best = f"checkpoint={tmp_path / 'whole/checkpoints/best.ckpt'}"
    for number in (1, 2, 3):
        folder = tmp_path / f"scored_{number}"
        run("tasks.classify", "mode=evaluate", best, *devices(number), "pictures=0", f"hydra.run.dir={folder}")
        scores.append(metrics(folder))
    assert all(score == scores[0] for score in scores) and scores[0]["images"] == SCORED
    print(
        f"{processes} processes: killed after {saved['global_step']} of {steps} steps; equal; top1 {scores[0]['top1']}"
    )


def metrics(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "metrics.json").read_text()) | {"seconds": 0}
    return found


def alike(one: object, other: object) -> bool:
    """Whether two nested states are equal, bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict) and one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(alike, one, other))
    return one == other
