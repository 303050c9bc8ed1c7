"""A photo to its result, one thread: our files with raw, decoded and final outputs, in OpenVINO and ONNX Runtime.

    python -m benchmarks.outputs [--rounds 12]

The networks are those of deploy_labels, deploy_boxes and deploy_classes. With raw outputs decode.py, that is NumPy,
enlarges logits, decodes and selects boxes; decoded leaves it the selection of boxes; final nothing. The segmentation
network is not trained, and neighbouring pixels do not agree: the worst case for enlarging logits in NumPy.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from torchvision.models import get_model
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from backbones.options import Parser
from benchmarks import deploy_boxes, deploy_classes, deploy_labels
from benchmarks.exported import exported, network
from benchmarks.timing import alternate, report
from tasks.common.formats import OUTPUTS
from tasks.common.task_info import infos
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.streets.picture import draw
from tasks.engine.learner import Learner


def main() -> None:
    """Print the times of each task's forms of outputs in each runtime, relative to raw."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for what, (learner, size) in networks().items():
        photo = draw("day", seed=(99,), height=size[0], width=size[1]).image
        ((task, _),) = learner.each_task()
        forms = [form for form in OUTPUTS if form in infos()[task].forms]
        for runtime in ("openvino", "onnx"):
            with tempfile.TemporaryDirectory() as folder:
                models = {form: exported(learner, size, Path(folder), runtime=runtime, form=form) for form in forms}
            sides = {form: partial(model.predict, photo) for form, model in models.items()}
            title = f"photo {size[0]}×{size[1]} → {what}, {runtime} (CPU time, one thread)"
            report(title, alternate(sides, rounds, clock=time.process_time))


def networks() -> dict[str, tuple[Learner, tuple[int, int]]]:
    """Learners and the (height, width) of their images."""
    torch.manual_seed(0)
    labels = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=19).state_dict()
    found = {"labels": (network("segment", deploy_labels.CHOICES, Cityscapes.classes, labels), deploy_labels.SIZE)}
    for background in deploy_boxes.BACKGROUNDS:
        boxes = deploy_boxes.rival(background).state_dict()
        learner = network("detect", deploy_boxes.CHOICES, deploy_boxes.CLASSES, boxes)
        found[f"boxes, background {background:g}"] = (learner, deploy_boxes.SIZE)
    names = {"label": [str(number) for number in range(deploy_classes.CLASSES)]}
    classes = get_model("mobilenet_v3_large", weights=None).state_dict()
    found["class"] = (network("classify", ["backbone=mobilenet_v3_large"], names, classes), deploy_classes.SIZE)
    return found


if __name__ == "__main__":
    main()
