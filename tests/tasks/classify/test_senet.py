"""SENet's two networks are the same one with and without gates: by default, and as the paper trains them."""

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from backbones.published.shapes import count, no_images
from heads.classification import ClassificationHead
from tasks.app.resolve import storable
from tasks.config.targets import may_build, renamed
from tasks.engine.build import make_backbone
from tasks.engine.settings import Run


def composed(choice):
    with initialize_config_module("conf", version_base="1.3"):
        return compose("classify", [choice])


def configuration(choice):
    return OmegaConf.to_container(composed(choice), resolve=False)


def madds_of(spec):
    """Multiply-adds of a stored backbone with 1,000 classes at 224×224."""
    with torch.device("meta"):
        network = make_backbone(spec)
        head = ClassificationHead(network.features, 1000)
    both = torch.nn.ModuleList([network, head]).to_empty(device="cpu")
    return count(both, lambda: head(network(no_images(224, 224))))[0].madds


@pytest.mark.parametrize(
    ("experiment", "madds"),
    [("classify_imagenet_resnet50", 3_857_973_248), ("classify_imagenet_se_resnet50", 3_860_488_192)],
)
def test_experiments_train_the_papers_networks(experiment, madds):
    spec = Run.of("classify", storable(composed(f"experiment={experiment}"))).learner.backbone
    assert spec["stride_in"] == "1x1"
    assert madds_of(spec) == madds  # 3.86 and, with the gates' products, 3.87 GFLOPs in the paper


def test_a_checkpoint_of_before_keeps_its_network():
    """It has the class's old name, its own stride and neither depth nor width."""
    spec = renamed({"_target_": "backbones.se_resnet.SEResNet50", "reduction": 16, "stride_in": "1x1"})
    assert may_build("backbone", spec["_target_"])
    assert madds_of(spec) == 3_860_488_192


@pytest.mark.parametrize("depth", [50, 101])
def test_networks_differ_only_by_their_gates(depth):
    plain, gated = (configuration(f"backbone={name}{depth}")["backbone"] for name in ("resnet", "se_resnet"))
    assert plain["reduction"] is None and gated["reduction"] == 16
    shared = plain.keys() - {"reduction"}
    assert {key: plain[key] for key in shared} == {key: gated[key] for key in shared}
    of_gates = {"gated_stages", "squeeze", "excitation", "place", "bias"}
    assert gated.keys() - plain.keys() == of_gates and plain["depth"] == depth


def test_experiments_differ_only_by_their_gates():
    plain, gated = (configuration(f"experiment=classify_imagenet_{name}50") for name in ("resnet", "se_resnet"))
    networks = plain.pop("backbone"), gated.pop("backbone")
    assert plain == gated
    assert {key for key in networks[0] if networks[0][key] != networks[1][key]} == {"reduction"}
