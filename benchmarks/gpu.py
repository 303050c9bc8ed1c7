"""Training steps on a GPU in bf16: our Learner against torchvision's networks in its reference loops, step by step.

    python -m benchmarks.gpu                        one GPU, at most six minutes
    python -m benchmarks.gpu --only classify jpeg   some of classify, segment, detect, jpeg
    python -m benchmarks.gpu --device cpu --quick   the same code on tiny tensors, to see that it runs

V3-Large at 224×224 from tensors in memory and from JPEG files, LR-ASPP at Cityscapes' 1024×2048, SSDLite at 320×320.
All sides train in one process and take their blocks of steps in turn; the device is waited for at the end of each
block, and the ratio is that of the medians. Ours: Lightning's loop with the experiments' settings, uint8 images from
pinned memory. Theirs: torchvision's model in the loop of its references (float images, from pinned memory as well; the
loss is read in every step), under bf16 autocast; with channels_last; and in the fairest form, with a fused optimiser
too and no loss read. For classify, with --compile for all, ours and the fairest peer are measured compiled as well.
From JPEG files the sides run one after the other, twice, with as many workers each; images per second are of the last
epoch.

The goals are those of an H100 or H200: at least 1.3, 2 (JPEG), 1.3 and 1.5 times as fast as the reference loop.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backbones.options import Parser
from benchmarks.timing import report

GOALS = {"classify": 1.3, "segment": 1.3, "detect": 1.5, "jpeg": 2.0}
Step = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """How much is measured: images at once, their height and width, steps in a block, blocks of each side."""

    batch: int
    height: int
    width: int
    block: int = 10
    blocks: int = 9

    def tiny(self) -> "Sizes":
        """The least that runs."""
        return Sizes(2, 64, 64, 1, 2)


SIZES = {"classify": Sizes(256, 224, 224), "segment": Sizes(8, 1024, 2048, 4), "detect": Sizes(64, 320, 320, 4)}


def main() -> int:
    """Print the medians and their ratios; whether a goal was missed on CUDA is said, and is no failure."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny tensors, two blocks")
    parser.add_argument("--only", nargs="+", choices=GOALS, default=list(GOALS), metavar="|".join(GOALS))
    parser.add_argument("--compile", action="store_true", help="compiled sides for every network")
    parser.add_argument("--workers", type=int, default=None, help="for JPEG files; one per core, at most 16")
    options = parser.parse_args()
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("error: PyTorch sees no GPU here; --device cpu --quick shows that the script runs", file=sys.stderr)
        return 2
    name = torch.cuda.get_device_name() if options.device == "cuda" else "the CPU: no figures, only that it runs"
    print(f"{name}, torch {torch.__version__}", flush=True)
    begin = time.perf_counter()
    for chosen in options.only:
        if chosen == "jpeg":
            from benchmarks.gpu_jpeg import compare

            goal(chosen, compare(options.device, options.quick, options.workers))
            continue
        for compiled in (False, True) if not options.quick and (options.compile or chosen == "classify") else (False,):
            goal(chosen, measure(chosen, options, compiled))
    print(f"{time.perf_counter() - begin:.0f} s", flush=True)
    return 0


def goal(name: str, ratio: float) -> None:
    """Say how the ratio to the reference loop stands to its goal."""
    print(f"  {ratio:.2f} times as fast as the reference loop; goal {GOALS[name]:g}", flush=True)


def measure(name: str, options: argparse.Namespace, compiled: bool) -> float:
    """Train one network on all sides in turn; the ratio of the reference loop's median to ours."""
    from benchmarks import gpu_sides

    sizes = SIZES[name].tiny() if options.quick else SIZES[name]
    learner, batch = gpu_sides.ours(name, sizes)
    peers = gpu_sides.theirs(name, sizes, options.device, compiled)
    kind = "compiled" if compiled else "Learner"
    times = in_turn(f"ours, {kind}", learner, batch, peers, sizes, options.device, compiled)
    title = f"{gpu_sides.TITLES[name]}, batch {sizes.batch}, {sizes.height}×{sizes.width}: a training step"
    report(title, times)
    first, reference, *_ = times.values()
    return reference / first


def in_turn(
    title: str,
    learner: Any,
    batch: Mapping[str, Any],
    peers: Mapping[str, Step],
    sizes: Sizes,
    device: str,
    compiled: bool,
) -> dict[str, float]:
    """Seconds of a step on each side, the median over blocks; the Learner's loop leads, and the others take turns."""
    import lightning
    import torch

    from tasks.engine.compiled import Compile

    blocks: dict[str, list[float]] = {name: [] for name in (title, *peers)}

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    class TakeTurns(lightning.Callback):
        """After each block of the Learner's steps the others run theirs."""

        def on_train_start(self, *_: Any) -> None:
            self.mark = now()

        def on_train_batch_end(self, _trainer: Any, _module: Any, _outputs: Any, _batch: Any, index: int) -> None:
            if (index + 1) % sizes.block:
                return
            blocks[title].append(now() - self.mark)
            for name, step in peers.items():
                start = now()
                for _ in range(sizes.block):
                    step()
                blocks[name].append(now() - start)
            self.mark = now()

    steps = sizes.block * (sizes.blocks + 1)
    trainer = lightning.Trainer(
        max_steps=steps, accelerator="gpu" if device == "cuda" else "cpu", devices=1, precision="bf16-mixed",
        logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        callbacks=[*([Compile(False, 1)] if compiled else []), TakeTurns()],
    )  # fmt: skip
    pinned = {key: value.pin_memory() if device == "cuda" else value for key, value in batch.items()}
    trainer.fit(learner, torch.utils.data.DataLoader([pinned] * steps, batch_size=None))
    return {name: statistics.median(times[1:]) / sizes.block for name, times in blocks.items()}


if __name__ == "__main__":
    sys.exit(main())
