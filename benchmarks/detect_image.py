"""An image 320×320 to its boxes, batch 1, eager: ours against torchvision's ssdlite320, also with channels_last.

    python -m benchmarks.detect_image

The weights are the same. One more side of torchvision's has its loop over classes replaced by one `batched_nms`.
"""

from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from backbones.mobilenet_v3 import MobileNetV3
from backbones.weights import load_head, load_layers
from benchmarks.peers import batched
from benchmarks.select_boxes import SIZE, scores
from benchmarks.timing import alternate, report
from heads import anchors
from heads.select import Select
from heads.ssdlite import SSDLite
from tasks.common.cpu import bind_threads


def main() -> None:
    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    backbone = MobileNetV3(size="large", tail="detection", normalisation="half")
    head = SSDLite(backbone.features, 90, anchors=anchors.torchvision)
    backbone.keep(head.maps)
    image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)
    with torch.no_grad():  # in training mode: statistics that fit the image, and varied scores
        for module in theirs.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        theirs.train().head(
            list(theirs.backbone(theirs.transform([image / 255])[0].tensors.repeat(2, 1, 1, 1)).values())
        )
    load_head(head, load_layers(backbone, theirs.state_dict(), "torchvision").rest)
    theirs.eval()
    network = torch.nn.ModuleList([backbone, head]).eval().to(memory_format=torch.channels_last)
    select = Select()

    def ours() -> tuple[Tensor, ...]:
        with torch.inference_mode():
            raw = head(backbone(image[None].to(memory_format=torch.channels_last)))
            boxes = head.anchors.boxes(raw.cells, SIZE, "cpu")
            return select(raw.logits, scores, raw.offsets, boxes, SIZE).of(0)

    def rival(model: Any) -> dict[str, Tensor]:
        with torch.inference_mode():
            return model([image / 255])[0]

    channels_last, one_nms = (deepcopy(theirs).to(memory_format=torch.channels_last) for _ in range(2))
    one_nms.postprocess_detections = batched(one_nms)
    rivals = {
        "torchvision": theirs,
        "torchvision, channels_last": channels_last,
        "the same with one batched_nms": one_nms,
    }
    for model in rivals.values():
        assert torch.allclose(ours()[1], rival(model)["scores"], atol=1e-5), "scores differ"
    params = sum(parameter.numel() for parameter in network.parameters())
    sides = {"ours": ours, **{name: partial(rival, model) for name, model in rivals.items()}}
    report(f"image 320×320 → boxes, {params:,} params, the same scores", alternate(sides, rounds=30, warmup=5))


if __name__ == "__main__":
    bind_threads()
    main()
