"""A photo 224×224 to its class, one thread: ours in OpenVINO against torchvision's, eager and in the runtimes.

    python -m benchmarks.deploy_classes

MobileNetV2 and V3-Large. torchvision's networks are first trained for a minute each on generated street scenes, to tell
light and weather: an untrained network gives nearly the same output for every photo, and rounding decides. On a
processor with half precision both are also exported in fp16, and the peer in OpenVINO computes in fp16. V2 is
exported in int8 too: its peer is torchvision's network in OpenVINO, in int8 by NNCF's defaults with the same photos.
"""

import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.transforms.functional import normalize

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from benchmarks.exported import exported, in_int8, network, supports
from benchmarks.peers import FromBytes, in_onnxruntime, in_openvino, planes_of
from benchmarks.timing import alternate, report
from tasks.data.streets.picture import draw
from tasks.data.streets.write import KINDS
from tasks.deploy.decode import Array
from tasks.deploy.model import Model

SIZE, CLASSES = (224, 224), 1000
TRAINED, TESTED, STEPS, BATCH = 96, 60, 40, 12
LEAST = {"fp32": 1.0, "fp16": 0.95, "int8": 0.0}  # share of the photos with eager torchvision's class


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
        models = {
            kind: exported(learner, SIZE, Path(folder), precision=kind)
            for kind in ("fp32", *["fp16"] * supports("FP16"))
        }
        if int8:
            models["int8"] = in_int8(models["fp32"], Path(folder), photos.transpose(0, 3, 1, 2))
    with torch.inference_mode():
        expected = theirs(normalised(tests)).argmax(1).numpy()
    print(f"{name}: {(expected == truth).mean():.1%} of {TESTED} photos are classified right")
    for kind, model in models.items():
        theirs_too = peers(theirs, kind, photos)
        for title, classify in {"ours": partial(logits_of, model), **theirs_too}.items():
            same = (np.array([classify(photo).argmax() for photo in tests]) == expected).mean()
            print(f"  {title}, {kind}: {same:.1%} of the classes are eager torchvision's")
            assert same >= LEAST[kind], "classes differ"
        sides = {"ours, OpenVINO": partial(logits_of, model, tests[0])}
        sides |= {title: partial(classify, tests[0]) for title, classify in theirs_too.items()}
        title = f"{name}, photo 224×224 → class, {kind} (CPU time, one thread)"
        report(title, alternate(sides, 40, clock=time.process_time))


def logits_of(model: Model, photo: Array) -> Array:
    return model.predict(photo)["classify"]["logits"]


@torch.inference_mode()
def eager(model: nn.Module, photo: Array) -> Array:
    return model(normalised(photo[None])).numpy()


def peers(theirs: nn.Module, precision: str, photos: Array) -> dict[str, Callable[[Array], Array]]:
    """torchvision's sides: eager, and its network with preprocessing in the runtimes; in int8 by NNCF's defaults."""
    whole = FromBytes(theirs, nn.Identity())
    example = torch.from_numpy(planes_of(photos[0]))
    calibration = [planes_of(photo) for photo in photos] if precision == "int8" else ()
    in_vino = in_openvino(whole, example, "f16" if precision == "fp16" else "f32", calibration)
    sides: dict[str, Callable[[Array], Array]] = {
        "torchvision eager" + " (fp32)" * (precision != "fp32"): partial(eager, theirs),
        "torchvision in OpenVINO": lambda photo: in_vino(planes_of(photo))[0],
    }
    if precision != "fp32":
        return sides
    channels_last = deepcopy(theirs).to(memory_format=torch.channels_last)
    in_onnx, _ = in_onnxruntime(whole, example)
    return sides | {
        "torchvision eager, channels_last": partial(eager, channels_last),
        "torchvision in ONNX Runtime": lambda photo: in_onnx(planes_of(photo))[0],
    }


def main() -> None:
    torch.set_num_threads(1)
    measure("mobilenet_v2", int8=True)
    measure("mobilenet_v3_large", int8=False)


if __name__ == "__main__":
    main()
