"""A photo 224×224 to its class on one CPU thread: MobileNetV2 and V3-Large exported, against torchvision's eager.

    python -m benchmarks.deploy_classes

torchvision's networks are first trained for a minute each on generated street scenes, to tell light and weather: an
untrained network gives nearly the same output for every photo, and rounding decides. V2 is also exported in int8.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.transforms.functional import normalize

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from benchmarks.exported import exported, in_int8, network
from benchmarks.timing import alternate, report
from tasks.data.streets.picture import draw
from tasks.data.streets.write import KINDS
from tasks.deploy.decode import Array

SIZE, CLASSES = (224, 224), 1000
TRAINED, TESTED, STEPS, BATCH = 96, 60, 40, 12


def normalised(photos: Array) -> Tensor:
    """Convert (N, H, W, 3) uint8 to the input of torchvision's networks."""
    planes = torch.from_numpy(photos).permute(0, 3, 1, 2).contiguous()
    return normalize(planes / 255, IMAGENET_MEAN, IMAGENET_STD)


def drawn(first: int, count: int) -> tuple[Array, Array]:
    """Photos (N, H, W, 3) uint8 and their classes (N)."""
    numbers = np.arange(first, first + count)
    photos = [draw(KINDS[n % len(KINDS)], seed=(int(n),), height=SIZE[0], width=SIZE[1]).image for n in numbers]
    return np.stack(photos), numbers % len(KINDS)


def trained(name: str, photos: Array, classes: Array) -> nn.Module:
    """torchvision's network after a minute of training."""
    torch.manual_seed(0)
    model = get_model(name, weights=None, num_classes=CLASSES)
    images, truth = normalised(photos), torch.from_numpy(classes)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randperm(len(images))[:BATCH]
        loss = F.cross_entropy(model(images[rows]), truth[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # such a short training leaves the running statistics outdated
    with torch.no_grad():
        model(images)
    return model.eval()


def measure(name: str, int8: bool) -> None:
    """Compare classes, then print the times."""
    photos, classes = drawn(0, TRAINED)
    tests, truth = drawn(TRAINED, TESTED)
    theirs = trained(name, photos, classes)
    learner = network(
        "classify", [f"backbone={name}"], {"label": [str(n) for n in range(CLASSES)]}, theirs.state_dict()
    )
    with tempfile.TemporaryDirectory() as folder:
        models = {"fp32": exported(learner, SIZE, Path(folder))}
        if int8:
            models["int8"] = in_int8(models["fp32"], Path(folder), photos.transpose(0, 3, 1, 2))
    planes = torch.from_numpy(tests[:1]).permute(0, 3, 1, 2).contiguous()

    @torch.inference_mode()
    def eager() -> Array:
        return theirs(normalize(planes / 255, IMAGENET_MEAN, IMAGENET_STD)).numpy()

    with torch.inference_mode():
        expected = theirs(normalised(tests)).argmax(1).numpy()
    print(f"{name}: {(expected == truth).mean():.1%} of {TESTED} photos are classified right")
    sides = {}
    for kind, model in models.items():
        found = np.array([model.predict(photo)["classify"]["logits"].argmax() for photo in tests])
        print(f"  {kind}: {(found == expected).mean():.1%} of the classes are torchvision's")
        assert kind == "int8" or (found == expected).all(), "classes differ"
        sides[f"ours, OpenVINO {kind}"] = lambda model=model: model.predict(tests[0])
    medians = alternate({**sides, "torchvision eager": eager}, rounds=60, clock=time.process_time)
    for side in sides:
        report("CPU time, one thread", {key: medians[key] for key in (side, "torchvision eager")})


def main() -> None:
    torch.set_num_threads(1)
    measure("mobilenet_v2", int8=True)
    measure("mobilenet_v3_large", int8=False)


if __name__ == "__main__":
    main()
