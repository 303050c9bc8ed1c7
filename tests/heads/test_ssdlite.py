"""SSDLite against torchvision's whole detector with the same random weights, and by hand."""

import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.ssd import SSDHead

from backbones.base import Feature
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from backbones.weights import load_head, load_layers
from heads import anchors
from heads.boxes import Places
from heads.select import Select
from heads.ssdlite import SSDLite


def blobs(height, width):
    """An image (1, 3, height, width) of coarse and fine spots, in 0-1."""
    coarse = torch.nn.functional.interpolate(torch.rand(1, 3, 9, 9), (height, width), mode="bilinear")
    return 0.8 * coarse + 0.2 * torch.rand(1, 3, height, width)


@pytest.fixture(scope="module")
def pair():
    """torchvision's detector with random weights and statistics, and ours with the same."""
    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    norms = [module for module in theirs.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    theirs.train()  # statistics of real images, without which a random network sees the same everywhere
    with torch.no_grad():
        theirs.head(list(theirs.backbone(torch.cat([blobs(320, 320) for _ in range(4)])).values()))
    theirs.eval()
    backbone = MobileNetV3(size="large", tail="detection", normalisation="half")
    head = SSDLite(backbone.features, 90, anchors=anchors.torchvision)
    backbone.keep(head.maps)
    loaded = load_layers(backbone, theirs.state_dict(), "torchvision")
    matched, rest = load_head(head, loaded.rest)
    assert matched == list(head.state_dict()) and not rest  # every tensor has found its place
    return theirs, backbone.eval(), head.eval()


def test_raw_outputs_anchors_and_detections_are_torchvisions(pair):
    theirs, backbone, head = pair
    images = [blobs(height, width)[0] for height, width in ((320, 320), (240, 427), (500, 333), (31, 64))]
    with torch.inference_mode():
        batch, _ = theirs.transform(images)
        resized = batch.tensors
        features = list(theirs.backbone(resized).values())
        expected = theirs.head(features)
        raw = head(backbone(resized))
        found = theirs(images)
        boxes = head.anchors.boxes(raw.cells, (320, 320), "cpu")
        ours = Select()(raw.logits, lambda logits: logits.softmax(-1)[..., 1:], raw.offsets, boxes, (320, 320))
    assert torch.equal(raw.logits, expected["cls_logits"])
    assert torch.equal(raw.offsets, expected["bbox_regression"])
    assert torch.equal(boxes, theirs.anchor_generator(batch, features)[0])
    sizes = torch.tensor([image.shape[-2:] for image in images], dtype=torch.float32)
    places = Places(torch.tensor([[0.0, 0, 320, 320]]).repeat(len(images), 1), sizes)
    ours = ours._replace(boxes=places.to_files(ours.boxes))
    for row, their in enumerate(found):
        image_boxes, scores, labels = ours.of(row)
        assert len(scores) == 300 == len(their["scores"])
        assert torch.equal(scores, their["scores"]) and torch.equal(labels + 1, their["labels"])
        # torchvision's boxes may stick out of the file's image by a rounding; ours are clipped to it
        height, width = images[row].shape[-2:]
        assert torch.equal(image_boxes, their["boxes"].minimum(torch.tensor([width, height, width, height])))


def test_uint8_images_are_normalised_as_torchvision_does(pair):
    theirs, backbone, _ = pair
    image = torch.randint(0, 256, (3, 320, 320), dtype=torch.uint8)
    with torch.inference_mode():
        expected = theirs.backbone(theirs.transform([image / 255])[0].tensors)["0"]
        ours = backbone(image[None])["c4_expanded"]
    assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("size", [(320, 320), (300, 300), (257, 391), (64, 96)])
def test_any_size_has_an_anchor_for_every_output(size):
    backbone = MobileNetV2(width=0.35)
    head = SSDLite(backbone.features, 4, anchors=anchors.paper)
    backbone.keep(head.maps)
    raw = head(backbone(torch.zeros(2, 3, *size, dtype=torch.uint8)))
    count = sum(height * width * per for (height, width), per in zip(raw.cells, (3, 6, 6, 6, 6, 6), strict=True))
    assert raw.logits.shape == (2, count, 5) and raw.offsets.shape == (2, count, 4)
    assert head.anchors.boxes(raw.cells, size, "cpu").shape == (count, 4)


def test_convolutions_start_with_a_deviation_of_0_03():
    torch.manual_seed(0)
    head = SSDLite({"c4": Feature(96, 16), "c5": Feature(320, 32)}, 20, extras=(64,), anchors=anchors.paper)
    layers = {name: module for name, module in head.named_modules() if isinstance(module, torch.nn.Conv2d)}
    assert {name.split(".")[0] for name in layers} == {"classes", "boxes", "extras"}
    for name, layer in layers.items():
        assert layer.weight.std().item() == pytest.approx(0.03, rel=0.15), name
        assert layer.bias is None or not layer.bias.any()


def test_a_prior_is_the_probability_at_the_start():
    features = {"c4": Feature(8, 16), "c5": Feature(8, 32)}
    head = SSDLite(features, 3, extras=(), anchors=anchors.paper, prior=0.01)
    raw = head({"c4": torch.zeros(1, 8, 4, 4), "c5": torch.zeros(1, 8, 2, 2)})
    assert torch.allclose(raw.logits.sigmoid(), torch.tensor(0.01), atol=1e-6)


@pytest.mark.parametrize("kernel", [1, 3])
def test_ssd_predicts_by_one_ordinary_convolution_each(kernel):
    """Literal sizes, and torchvision's SSD head with the same weights."""
    features = {"c4": Feature(8, 16), "c5": Feature(16, 32)}
    ssd = SSDLite(features, 3, extras=(32,), anchors=anchors.paper, convolution="full", kernel=kernel).eval()
    lite = SSDLite(features, 3, extras=(32,), anchors=anchors.paper).eval()
    assert (ssd.title, lite.title) == ("SSD", "SSDLite")
    assert ssd.anchors.shapes == lite.anchors.shapes and ssd.anchors.per_cell == [3, 6, 6]
    shapes = {name: tuple(weight.shape) for name, weight in ssd.named_parameters() if weight.ndim == 4}
    assert shapes == {
        "extras.0.0.0.weight": (16, 16, 1, 1),
        "extras.0.1.0.weight": (32, 16, 3, 3),
        **{f"classes.{level}.classify.weight": (out, channels, kernel, kernel)
           for level, (out, channels) in enumerate([(12, 8), (24, 16), (24, 32)])},
        **{f"boxes.{level}.locate.weight": (out, channels, kernel, kernel)
           for level, (out, channels) in enumerate([(12, 8), (24, 16), (24, 32)])},
    }  # fmt: skip
    maps = {"c4": torch.rand(2, 8, 6, 10), "c5": torch.rand(2, 16, 3, 5)}
    with torch.no_grad():
        raw, other = ssd(maps), lite(maps)
        assert raw.cells == other.cells == ((6, 10), (3, 5), (2, 3))
        assert raw.logits.shape == other.logits.shape and raw.offsets.shape == other.offsets.shape
        if kernel == 3:
            theirs = SSDHead([8, 16, 32], [3, 6, 6], 4)
            theirs.load_state_dict(dict(zip(theirs.state_dict(), predictors(ssd), strict=True)))
            expected = theirs([*maps.values(), ssd.extras[0](maps["c5"])])
            assert torch.equal(raw.logits, expected["cls_logits"])
            assert torch.equal(raw.offsets, expected["bbox_regression"])


def predictors(head):
    """Weights and biases of the classes, then those of the boxes."""
    return [*head.classes.state_dict().values(), *head.boxes.state_dict().values()]


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="reads c4_expanded or c4; this backbone has c5"):
        SSDLite({"c5": Feature(8, 32)}, 3, anchors=anchors.paper)
    with pytest.raises(ValueError, match="scales has 2 values for 6 maps"):
        SSDLite({"c4": Feature(8, 16), "c5": Feature(8, 32)}, 3, anchors=lambda n: anchors.paper(n, scales=[0.1, 0.2]))
    with pytest.raises(ValueError, match=r"convolution='half' is not one of separable, full"):
        SSDLite({"c4": Feature(8, 16), "c5": Feature(8, 32)}, 3, anchors=anchors.paper, convolution="half")
    with pytest.raises(ValueError, match=r"kernel=1 with head\.convolution=separable must be 3"):
        SSDLite({"c4": Feature(8, 16), "c5": Feature(8, 32)}, 3, anchors=anchors.paper, kernel=1)
