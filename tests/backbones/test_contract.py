"""What every network of conf/backbone must do, whatever it is."""

import copy
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.mobilenet_v3 import MobileNetV3
from backbones.running_statistics import start_from_mean
from backbones.table import table_of
from heads.classification import ClassificationHead

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "backbone").glob("*.yaml"))
CONFIGS = {name: OmegaConf.load(CONF / "backbone" / f"{name}.yaml") for name in NAMES}
CONFIGS["table"].table = table_of(MobileNetV3(size="small").plan)  # a table has no network of its own
CONFIGS["mobilenet_v2_cse"].resolution = 32  # which follows image_size in a command
WANTS = OmegaConf.load(CONF / "base.yaml").wants


def offers(option):
    return [name for name in NAMES if option in CONFIGS[name]]


def build(name, **options):
    if name == "timm":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    config = OmegaConf.create({"wants": WANTS, "backbone": CONFIGS[name]})
    return instantiate(config.backbone, **options)


@pytest.fixture(scope="module")
def networks():
    """Every network once; a test that changes one copies it."""
    built = {}

    def of(name):
        if name not in built:
            built[name] = build(name)
        return built[name]

    return of


def side(name):
    """Height and width of a small image that the network takes."""
    return CONFIGS[name].get("resolution", 64)


def check(backbone, height, width):
    """Announced is real: sizes are divided and rounded up."""
    with torch.no_grad():
        maps = backbone.eval()(torch.randn(1, 3, height, width))
    assert set(maps) == set(backbone.features)
    for name, (channels, reduction, _) in backbone.features.items():
        assert maps[name].shape == (1, channels, -(-height // reduction), -(-width // reduction)), name


@pytest.mark.parametrize("name", NAMES)
def test_announced_is_real(name, networks):
    backbone = networks(name)
    if "resolution" in CONFIGS[name]:
        check(backbone, side(name), side(name))
    else:
        check(backbone, 64, 96)
        check(backbone, 70, 102)


@pytest.mark.parametrize("name", offers("output_stride"))
def test_output_stride_16(name):
    backbone = build(name, output_stride=16)
    assert backbone.features["c5"].reduction == 16
    check(backbone, 70, 102)


@pytest.mark.parametrize("name", sorted({*offers("skip_strides")} - {"timm"}))  # timm's networks keep their strides
def test_the_first_two_strides_left_out(name):
    backbone = build(name, skip_strides=2)
    assert [backbone.features[f"c{level}"].reduction for level in range(1, 6)] == [1, 1, 2, 4, 8]
    check(backbone, 32, 32)


@pytest.mark.parametrize("name", NAMES)
def test_keep(name, networks):
    """The same maps from fewer layers, each of which learns."""
    images = torch.randn(2, 3, side(name), side(name))
    with torch.no_grad():
        before = networks(name).eval()(images)
    whole = sum(parameter.numel() for parameter in networks(name).parameters())
    for names in (["c3"], ["c2", "c3_depthwise"], ["c3", "c4_expanded"], ["c3", "c5"]):
        if not set(names) <= set(before):
            continue
        backbone = copy.deepcopy(networks(name))
        backbone.keep(names)
        with torch.no_grad():
            after = backbone.eval()(images)
        assert set(after) == set(names)
        assert all(torch.equal(after[key], before[key]) for key in names)
        sum(tensor.mean() for tensor in backbone(images).values()).backward()
        assert all(parameter.grad is not None for parameter in backbone.parameters()), names
        assert "c5" in names or sum(parameter.numel() for parameter in backbone.parameters()) < whole
    with pytest.raises(ValueError, match="no feature map 'c9'"):
        networks(name).keep(["c9"])


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_brings_back_the_same_network(name, networks):
    images = torch.randn(1, 3, side(name), side(name))
    other = copy.deepcopy(networks(name)).eval()
    for tensor in other.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(1)
    other.load_state_dict(networks(name).eval().state_dict())
    with torch.no_grad():
        maps, expected = other(images), networks(name)(images)
    assert all(torch.equal(maps[key], expected[key]) for key in expected)


def heads(backbone):
    lraspp = instantiate(OmegaConf.load(CONF / "head" / "lraspp.yaml"))
    return {"classification": ClassificationHead(backbone.features, 5), "lraspp": lraspp(backbone.features, 5)}


@pytest.mark.parametrize("kind", ["classification", "lraspp"])
@pytest.mark.parametrize("name", NAMES)
def test_one_training_step_under_a_head(name, kind, networks):
    """Every parameter gets a gradient, and the step can be taken."""
    backbone = copy.deepcopy(networks(name)).train()
    head = heads(backbone)[kind].train()
    backbone.keep(head.maps)
    network = torch.nn.ModuleList([backbone, head])
    logits = head(backbone(torch.randn(2, 3, side(name), side(name))))
    assert logits.shape[:2] == (2, 5)
    targets = torch.randint(0, 5, (2, *logits.shape[2:]))
    torch.nn.functional.cross_entropy(logits, targets).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
    torch.optim.SGD(network.parameters(), 1e-3).step()
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_norm_starts_as_the_mean_of_all_batches(networks, name):
    network = copy.deepcopy(networks(name)).train()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    own = [norm.momentum for norm in norms]
    starts = start_from_mean(network)
    with torch.no_grad():
        network(torch.randn(2, 3, side(name), side(name)))
    assert norms and {norm.momentum for norm in norms} == {1.0}, "the first batch is all that is known"
    assert {int(norm.num_batches_tracked) for norm in norms} == {1}
    for start in starts:
        start.remove()
    assert [norm.momentum for norm in norms] == own
    assert not any(norm._forward_pre_hooks for norm in norms)
