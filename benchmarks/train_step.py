"""A training step of V3-Small LR-ASPP: our Learner against torchvision's loop, as it is and with channels_last.

    python -m benchmarks.train_step            batch 8 at 360×480, about two minutes on two cores

All sides train the same network (torchvision's variant, copied weights, SGD, cross-entropy at full size) on the same
images, step by step in turn in one process; the losses of the first step are asserted equal. One of torchvision's sides
is its reference loop, another has one line more, `model.to(memory_format=torch.channels_last)`. The last side is a
plain loop over our modules, which shows what Lightning adds.
"""

import argparse
import copy
import logging
import statistics
import time
import warnings

from backbones.options import Parser
from benchmarks.timing import report
from tasks.common.cpu import bind_threads, keep_freed_memory


def main() -> None:
    """Print the medians and their ratios."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--default-cpu-settings", action="store_true", help="leave malloc and OpenMP as they are")
    options = parser.parse_args()
    if not options.default_cpu_settings:  # they help all sides equally
        bind_threads()
        keep_freed_memory()
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Train all sides in turn."""
    import lightning
    import torch
    import torch.nn.functional as F
    from torchvision.models import mobilenet_v3_small, segmentation
    from torchvision.models._utils import IntermediateLayerGetter

    from backbones.mobilenet_v3 import MobileNetV3
    from heads.lraspp import LRASPP
    from tasks.data.datasets.cityscapes_classes import CLASSES
    from tasks.engine.learner import Learner
    from tasks.segment.loss import PixelCrossEntropy
    from tasks.segment.task import SegmentTask

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.manual_seed(0)

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4)

    # torchvision: its dilated V3-Small under its LR-ASPP, assembled like its own builder for V3-Large
    features = mobilenet_v3_small(dilated=True).features
    layers = [0] + [i for i, b in enumerate(features) if getattr(b, "_is_cn", False)] + [len(features) - 1]
    low, high = layers[-4], layers[-1]
    channels = features[low].out_channels, features[high].out_channels
    theirs = segmentation.LRASPP(IntermediateLayerGetter(features, {str(low): "low", str(high): "high"}), *channels, 19)
    theirs.train()

    def ours() -> Learner:
        backbone = MobileNetV3(size="small", output_stride=16, tail="full", dilation_rule="torchvision")

        def head(features, classes):
            return LRASPP(
                features, classes, low="c3_first", high="c5", pool_kernel=None, pool_stride=(1, 1), gate_bias=False
            )

        task = SegmentTask(backbone.features, head, PixelCrossEntropy(), CLASSES)
        backbone.keep(task.head.maps)
        learner = Learner(
            backbone, [task], sgd, lambda optimizer, _: torch.optim.lr_scheduler.PolynomialLR(optimizer, 1000, 0.9)
        )
        network = torch.nn.ModuleList([learner.backbone, task.head])
        network.load_state_dict(dict(zip(network.state_dict(), theirs.state_dict().values(), strict=True)))
        return learner.to(memory_format=torch.channels_last).train()

    images = torch.randint(0, 256, (options.batch, options.height, options.width, 3), dtype=torch.uint8)
    labels = torch.randint(0, 19, (options.batch, options.height // 8, options.width // 8), dtype=torch.uint8)
    labels = F.interpolate(labels[:, None], (options.height, options.width))[:, 0]
    batch = {"image": images.permute(0, 3, 1, 2), "mask": labels}
    learner, plain = ours(), ours()

    # torchvision's reference uses float NCHW images and int64 labels
    mean, std = learner.backbone.mean, learner.backbone.std
    their_images = ((batch["image"].float() - mean) / std).contiguous()
    their_labels = labels.long()
    plain_optimizer = sgd(plain.parameters())

    def reference_loop(network):
        optimizer = sgd(network.parameters())
        scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, 1000, 0.9)

        def step() -> float:
            loss = F.cross_entropy(network(their_images)["out"], their_labels, ignore_index=255)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            return loss.item()

        return step

    def step_of_plain_loop() -> float:
        loss = plain.tasks["segment"].loss(plain(batch["image"])["segment"], batch)
        plain_optimizer.zero_grad()
        loss.backward()
        plain_optimizer.step()
        return loss.item()

    ours_in_lightning, ours_in_a_loop = "ours, Learner", "our modules in a plain loop"
    others = {
        "torchvision's reference loop": reference_loop(theirs),
        "torchvision, channels_last": reference_loop(copy.deepcopy(theirs).to(memory_format=torch.channels_last)),
        ours_in_a_loop: step_of_plain_loop,
    }
    times: dict[str, list[float]] = {name: [] for name in (ours_in_lightning, *others)}
    losses: dict[str, list[float]] = {name: [] for name in times}

    class TakeTurns(lightning.Callback):
        """After each of the Learner's steps the others take one; the Learner's time is measured from turn to turn."""

        def on_train_start(self, *_):
            self.mark = time.perf_counter()

        def on_train_batch_end(self, _trainer, _module, outputs, *_):
            times[ours_in_lightning].append(time.perf_counter() - self.mark)
            losses[ours_in_lightning].append(outputs["loss"].item())
            for name, step in others.items():
                start = time.perf_counter()
                losses[name].append(step())
                times[name].append(time.perf_counter() - start)
            self.mark = time.perf_counter()

    trainer = lightning.Trainer(
        max_steps=options.warm_up + options.steps, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=[TakeTurns()],
    )  # fmt: skip
    trainer.fit(learner, torch.utils.data.DataLoader([batch] * (options.warm_up + options.steps), batch_size=None))

    first = {name: values[0] for name, values in losses.items()}
    expected = first[ours_in_lightning]
    assert all(abs(loss - expected) < 1e-4 * expected for loss in first.values()), first
    medians = {name: statistics.median(values[options.warm_up :]) for name, values in times.items()}
    title = f"LR-ASPP V3-Small, batch {options.batch}, {options.height}×{options.width}: a training step"
    report(f"{title}, the same first loss", medians)
    print(f"Lightning adds {100 * (medians[ours_in_lightning] / medians[ours_in_a_loop] - 1):.1f} %")


if __name__ == "__main__":
    main()
