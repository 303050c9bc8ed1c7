"""A classification training step on the CPU: our Learner against torchvision's loop, as it is and with channels_last.

    python -m benchmarks.classify_step         V3-Small and V2, batch 32 at 224×224, two minutes on two cores

All sides train the same network (copied weights, SGD with momentum, cross-entropy, no dropout) on the same images. Each
runs in its own process, since memory retention and thread binding are process settings; they take their steps in turn,
the others waiting while one works. Ours: the settings of `python -m tasks.classify`, uint8 images, channels last.
Theirs: torchvision's model in the loop of its reference script, normalised float images; then with one line more,
`model.to(memory_format=torch.channels_last)`; then also with our settings of memory and threads.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from functools import partial
from multiprocessing.connection import Connection

from backbones.options import Parser
from benchmarks.timing import report

NETWORKS = ("mobilenet_v3_small", "mobilenet_v2")


def main() -> None:
    """Print all sides' medians and their ratios, network by network."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warm-up", type=int, default=2)
    options = parser.parse_args()
    for name in NETWORKS:
        measure(name, options)


def measure(name: str, options: argparse.Namespace) -> None:
    """Train one network on all sides in turn."""
    context = multiprocessing.get_context("spawn")
    sides = {}
    targets = {
        "ours, Learner": ours,
        "torchvision's reference loop": theirs,
        "torchvision, channels_last": partial(theirs, channels_last=True),
        "the same with our process settings": partial(theirs, channels_last=True, settings=True),
    }
    for title, target in targets.items():
        here, there = context.Pipe()
        process = context.Process(target=target, args=(there, name, options), daemon=True)
        process.start()
        sides[title] = (here, process)
    times: dict[str, list[float]] = {title: [] for title in sides}
    first: dict[str, float] = {}
    for turn in range(options.warm_up + options.steps):
        for title, (pipe, _) in sides.items():
            pipe.send("step")
            seconds, loss = pipe.recv()
            first.setdefault(title, loss)
            if turn >= options.warm_up:
                times[title].append(seconds)
    for _, process in sides.values():
        process.kill()  # Lightning would report a gentler end as an error
    expected = first["ours, Learner"]
    assert all(abs(loss - expected) < 1e-3 * expected for loss in first.values()), first
    medians = {title: statistics.median(values) for title, values in times.items()}
    title = f"{name}, batch {options.batch}, {options.size}×{options.size}: a training step, the same first loss"
    report(title, medians)


def ours(pipe: Connection, name: str, options: argparse.Namespace) -> None:
    """Our side: the Learner in Lightning's loop, with the settings of tasks/app/runner.py."""
    from tasks.common.cpu import bind_threads, keep_freed_memory

    bind_threads()
    keep_freed_memory()
    import logging
    import warnings

    import lightning
    import torch

    from backbones.mobilenet_v2 import MobileNetV2
    from backbones.mobilenet_v3 import MobileNetV3
    from backbones.weights import load_layers
    from heads.classification import ClassificationHead
    from tasks.classify.task import ClassifyTask
    from tasks.engine.learner import Learner

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    network, images, labels = same_for_both(name, options)
    backbone = MobileNetV2() if name == "mobilenet_v2" else MobileNetV3(size="small")
    task = ClassifyTask(
        backbone.features,
        lambda features, classes: ClassificationHead(features, classes, dropout=0.0),
        torch.nn.CrossEntropyLoss(),
        None,
        [str(number) for number in range(1000)],
    )
    backbone.keep(task.head.maps)
    load_layers(torch.nn.ModuleList([backbone, task.head]), network.state_dict(), "torchvision")

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4)

    learner = Learner(backbone, [task], sgd, lambda optimizer, _: torch.optim.lr_scheduler.StepLR(optimizer, 30))
    batch = {"image": images.contiguous(memory_format=torch.channels_last), "label": labels}

    class TakeTurns(lightning.Callback):
        """Waits for its turn before each step and reports how long it took."""

        def on_train_batch_start(self, *_):
            pipe.recv()
            self.start = time.perf_counter()

        def on_train_batch_end(self, _trainer, _module, outputs, *_):
            pipe.send((time.perf_counter() - self.start, outputs["loss"].item()))

    trainer = lightning.Trainer(
        max_steps=10**6, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[TakeTurns()],
    )  # fmt: skip
    loader = torch.utils.data.DataLoader([batch] * 10**4, batch_size=None)
    trainer.fit(learner.to(memory_format=torch.channels_last), loader)


def theirs(
    pipe: Connection, name: str, options: argparse.Namespace, channels_last: bool = False, settings: bool = False
) -> None:
    """torchvision's side: its model, float images, a plain loop."""
    if settings:
        from tasks.common.cpu import bind_threads, keep_freed_memory

        bind_threads()
        keep_freed_memory()
    import torch

    network, images, labels = same_for_both(name, options)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = ((images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)).contiguous()
    if channels_last:
        network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    criterion = torch.nn.CrossEntropyLoss()
    network.train()
    while True:
        pipe.recv()
        start = time.perf_counter()
        loss = criterion(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pipe.send((time.perf_counter() - start, loss.item()))


def same_for_both(name: str, options: argparse.Namespace):
    """torchvision's network with the same random weights, images (N, 3, H, W) uint8 and labels (N)."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model(name, weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    images = torch.randint(0, 256, (options.batch, 3, options.size, options.size), dtype=torch.uint8)
    return network, images, torch.randint(0, 1000, (options.batch,))


if __name__ == "__main__":
    sys.exit(main())
