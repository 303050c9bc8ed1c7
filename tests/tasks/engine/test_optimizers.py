"""RMSprop by hand, and weight decay where it belongs."""

import math

import pytest
import torch
from torch import nn

from tasks.app.resolve import storable
from tasks.common.errors import UserError
from tasks.config.overrides import resume_signature
from tasks.config.rules.learning import DECAY
from tasks.config.targets import renamed
from tasks.config.tree import put
from tasks.engine.build import build, make_backbone
from tasks.engine.instantiate import make
from tasks.engine.optimizers import RMSpropTF
from tasks.engine.settings import Run
from tasks.engine.weight_decay import kind_of, parameter_groups
from tests.test_config import composed, run_of, task_of


def test_rmsprop_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = RMSpropTF([weight], lr=0.1, alpha=0.9, momentum=0.5, epsilon=0.01, weight_decay=0.2)
    w, s, m = 1.0, 1.0, 0.0
    for gradient in (0.3, -0.7, 0.1):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        g = gradient + 0.2 * w
        s = 0.9 * s + 0.1 * g * g
        m = 0.5 * m + 0.1 * g / math.sqrt(s + 0.01)
        w -= m
        assert weight.item() == pytest.approx(w, rel=1e-6)


def test_rmsprop_goes_on_from_its_state():
    def step(weight, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    whole = torch.nn.Parameter(torch.ones(3))
    optimizer = RMSpropTF([whole], lr=0.1)
    step(whole, optimizer, 4)
    half = torch.nn.Parameter(torch.ones(3))
    first = RMSpropTF([half], lr=0.1)
    step(half, first, 2)
    rest = torch.nn.Parameter(half.detach().clone())
    second = RMSpropTF([rest], lr=0.1)
    second.load_state_dict(first.state_dict())
    step(rest, second, 2)
    assert torch.equal(whole, rest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "lr=-0.1 must be"),
        ({"lr": 1, "alpha": 3}, "alpha=3 must be"),
        ({"lr": 1, "epsilon": "abc"}, "epsilon=abc"),
    ],
)
def test_rmsprop_refuses_values_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        RMSpropTF([torch.nn.Parameter(torch.zeros(1))], **options)


def test_biases_and_normalisation_are_left_out_of_weight_decay():
    """As they were when groups went by dimensions: a training of before goes on in the same two groups."""
    small = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "optimizer.weight_decay=0.3")
    classes = {"mask": [["road", 1, [0, 0, 0]], ["car", 2, [9, 9, 9]]]}
    learner = build(run_of(*small).learner, classes)
    names = {parameter: name for name, parameter in learner.named_parameters()}
    decayed, exempt = ([names[p] for p in group["params"]] for group in learner.make_optimizer().param_groups)
    assert [group["weight_decay"] for group in learner.make_optimizer().param_groups] == [0.3, 0.0]
    assert decayed == [name for parameter, name in names.items() if parameter.ndim > 1]
    assert exempt == [name for parameter, name in names.items() if parameter.ndim <= 1]
    assert decayed[0] == "backbone.blocks.0.0.weight" and exempt[:2] == [
        "backbone.blocks.0.1.weight",
        "backbone.blocks.0.1.bias",
    ]
    assert "tasks.segment.head.gate.weight" in decayed and "tasks.segment.head.gate.bias" in exempt


def net() -> nn.Sequential:
    """One parameter or more of every kind; two modules share a weight, and one is frozen."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3, groups=4), nn.BatchNorm2d(8), nn.PReLU(8), nn.Linear(8, 2)
    )
    net.add_module("grouped", nn.Conv2d(8, 8, 3, groups=2, bias=False))
    net.add_module("one", nn.Conv2d(1, 1, 3, bias=False))  # one group of one channel: an ordinary convolution
    net.add_module("shared", nn.Linear(8, 2, bias=False))
    net.add_module("frozen", nn.Linear(2, 2).requires_grad_(False))
    net.shared.weight = net[4].weight
    return net


def named(groups, root):
    """Names of each group's parameters by its own weight decay, in the groups' order."""
    names = {parameter: name for name, parameter in root.named_parameters()}
    return [(group.get("weight_decay"), " ".join(names[p] for p in group["params"])) for group in groups]


def test_kinds_of_parameters():
    found: dict[str, list[str]] = {}
    for place, module in net().named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            found.setdefault(kind_of(module, name, parameter), []).append(f"{place}.{name}")
    assert found == {
        "weights": ["0.weight", "4.weight", "grouped.weight", "one.weight", "shared.weight", "frozen.weight"],
        "biases": ["0.bias", "1.bias", "4.bias", "frozen.bias"],
        "depthwise": ["1.weight"],
        "norms": ["2.weight", "2.bias"],
        "other vectors": ["3.weight"],
    }


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.SyncBatchNorm(4), nn.InstanceNorm2d(4, affine=True)]
)
def test_every_normalisation_is_one(norm):
    assert {kind_of(norm, name, parameter) for name, parameter in norm.named_parameters()} == {"norms"}


WEIGHTS = "0.weight 4.weight grouped.weight one.weight"


@pytest.mark.parametrize(
    ("decay", "groups"),
    [
        (
            {},
            {
                None: "0.weight 1.weight 4.weight grouped.weight one.weight",
                0: "0.bias 1.bias 2.weight 2.bias 3.weight 4.bias",
            },
        ),
        ({"depthwise": False}, {None: WEIGHTS, 0: "0.bias 1.weight 1.bias 2.weight 2.bias 3.weight 4.bias"}),
        ({"depthwise": 0}, {None: WEIGHTS, 0: "0.bias 1.weight 1.bias 2.weight 2.bias 3.weight 4.bias"}),
        (
            {"norms": True, "depthwise": False, "biases": True},
            {
                None: "0.weight 0.bias 1.bias 2.weight 2.bias 4.weight 4.bias grouped.weight one.weight",
                0: "1.weight 3.weight",
            },
        ),
        (
            {"norms": 1e-3, "depthwise": 1e-6, "biases": 1e-6},
            {None: WEIGHTS, 0: "3.weight", 1e-6: "0.bias 1.weight 1.bias 4.bias", 1e-3: "2.weight 2.bias"},
        ),
    ],
)
def test_groups_by_weight_decay(decay, groups):
    root = net()
    assert named(parameter_groups(root, decay), root) == list(groups.items())


def test_frozen_parts_leave_the_groups_in_their_place():
    root = net().requires_grad_(False)
    assert parameter_groups(root) == [{"params": []}, {"params": [], "weight_decay": 0.0}]


EXPERIMENTS = {  # weight decay of weights, depthwise filters, norms, biases
    "classify_cifar10_cse": (4e-5, 4e-5, 0, 0),
    "classify_cifar10_mini": (0.05, 0.05, 0, 0),
    "classify_cifar10_mini_cse": (0.05, 0.05, 0, 0),
    "classify_cifar10_mini_v2": (0.05, 0.05, 0, 0),
    "classify_imagenet_se_resnet50": (1e-4, 1e-4, 0, 0),
    "classify_imagenet_v1": (4e-5, 0, 0, 0),
    "classify_imagenet_v2": (4e-5, 0, 0, 0),
    "classify_imagenet_v2_torchvision": (4e-5, 4e-5, 4e-5, 4e-5),
    "classify_imagenet_v3_large": (1e-5, 0, 0, 0),
    "classify_imagenet_v3_small": (1e-5, 0, 0, 0),
    "detect_bccd": (0.05, 0.05, 0, 0),
    "detect_bccd_v2": (0.05, 0.05, 0, 0),
    "detect_coco_torchvision": (4e-5, 4e-5, 4e-5, 4e-5),
    "detect_coco_v3_large": (4e-5, 4e-5, 0, 0),
    "multitask_camvid_coco": (0.01, 0.01, 0, 0),
    "segment_camvid": (0.05, 0.05, 0, 0),
    "segment_camvid_v2": (0.05, 0.05, 0, 0),
    "segment_cityscapes_v3_large": (4e-5, 0, 0, 0),
    "segment_cityscapes_v3_small": (4e-5, 0, 0, 0),
    "segment_voc_torchvision": (1e-6, 1e-6, 1e-6, 1e-6),
}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_experiment_decays_what_its_source_does(experiment):
    choice = f"experiment={experiment}"
    settings = Run.of(task_of(choice), storable(composed(choice))).learner
    root = net()
    optimizer = make(settings.optimizer)(parameter_groups(root, settings.decay))
    decay = {parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]}
    one_of_each = (root[0].weight, root[1].weight, root[2].weight, root[0].bias)
    assert tuple(decay[parameter] for parameter in one_of_each) == EXPERIMENTS[experiment]
    assert decay[root[2].bias] == decay[root[2].weight] and decay[root[3].weight] == 0


@pytest.mark.parametrize(
    ("experiment", "momentum"),  # PyTorch's: 1 - the decay of the authors' code
    [
        ("classify_imagenet_v1", 0.0003),
        ("classify_imagenet_v2", 0.003),
        ("classify_imagenet_v3_large", 0.01),
        ("detect_coco_torchvision", 0.03),
        ("detect_coco_v3_large", 0.03),
        ("segment_cityscapes_v3_large", 0.003),
    ],
)
def test_each_papers_batch_normalisation(experiment, momentum):
    choice = f"experiment={experiment}"
    with torch.device("meta"):
        backbone = make_backbone(Run.of(task_of(choice), storable(composed(choice))).learner.backbone)
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(momentum, 0.001)}


def test_several_tasks_decay_alike():
    """Every head's depthwise filters go with the backbone's; the loss weights of `balance` never decay."""
    words = ("heads=[segment,detect]", "balance=uncertainty", "backbone.width=0.35", "optimizer.decay.depthwise=1e-6")
    classes = {"mask": [["road", 1, [0, 0, 0]], ["car", 2, [9, 9, 9]]], "boxes": [["car", 1]]}
    learner = build(run_of(*words, task="multitask").learner, classes)
    names = {parameter: name for name, parameter in learner.named_parameters()}
    groups = learner.make_optimizer().param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0, 1e-6]
    assert {names[p].split(".")[0] for p in groups[1]["params"]} == {"backbone", "tasks", "balance"}
    depthwise = [names[p] for p in groups[2]["params"]]
    assert "backbone.blocks.1.depthwise.0.weight" in depthwise
    assert {name.split(".")[1] for name in depthwise if name.startswith("tasks.")} == {"detect"}


def test_rmsprops_decay_of_before():
    """`optimizer.decay` was the decay of its mean square."""
    old = {"_target_": "tasks.optimizers.RMSpropTF", "lr": 0.1, "decay": 0.8, "momentum": 0.9}
    assert renamed({"optimizer": old})["optimizer"] == {
        "_target_": "tasks.engine.optimizers.RMSpropTF", "lr": 0.1, "momentum": 0.9, "alpha": 0.8,
    }  # fmt: skip
    tree = put(storable(composed("optimizer=rmsprop")), "optimizer.decay", 0.8)  # as typed then
    settings = Run.of("segment", renamed(tree)).learner
    assert settings.optimizer["alpha"] == 0.8 and settings.decay == {}
    group = make(settings.optimizer)([nn.Parameter(torch.zeros(1))]).state_dict()["param_groups"][0]
    assert group["decay"] == 0.8, "as in the optimiser states of before"
    with pytest.raises(UserError, match=r"^optimizer\.decay=0\.8 is not for some of norms, depthwise, biases whether"):
        Run.of("segment", put(tree, "optimizer._target_", "torch.optim.SGD"))


def test_a_run_goes_on_with_what_decayed():
    tree = storable(composed("optimizer=rmsprop"))
    signature = resume_signature(tree)
    assert {kind: signature[f"optimizer.decay.{kind}"] for kind in DECAY} == DECAY
    old = put(tree, "optimizer", {key: value for key, value in tree["optimizer"].items() if key != "decay"})
    assert resume_signature(old) == signature
    assert resume_signature(put(tree, "optimizer.decay.norms", True)) != signature
