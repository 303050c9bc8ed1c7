"""image_size=[height,width]: what follows from it for each task and recipe, and where it is refused."""

import pytest

from tasks.app.resolve import composed
from tasks.common.errors import UserError
from tasks.config.overrides import apply_overrides
from tasks.config.stored import checked_config
from tasks.config.tree import resolved, select
from tasks.config.unread import as_built, check_read
from tasks.engine.settings import Run
from tests.test_config import tree_of

STRETCH = {"_target_": "tasks.data.transforms.letterbox.Stretch"}
FOLLOWS = {  # a recipe: what it has by itself, and what image_size=[160,160] makes of it
    "classify dataset=imagenet": (
        {"data.crop.size": 224, "data.fit.resize": 256, "data.fit.crop": 224},
        {"data.crop.size": 160, "data.fit.resize": 182, "data.fit.crop": 160},
    ),
    "classify dataset=imagenette": ({"data.fit.resize": 182, "data.fit.crop": 160}, {}),
    "classify dataset=streets": (
        {"data.fit.resize": [128, 256], "data.augment.crop.size": [128, 256]},
        {"data.fit.resize": [160, 160], "data.augment.crop.size": [160, 160]},
    ),
    "classify dataset=cifar100": (
        {"data.fit.resize": [32, 32], "data.augment.resize": None, "data.augment.pad.min_height": 40},
        {"data.fit.resize": [160, 160], "data.augment.resize.height": 160, "data.augment.pad.min_width": 200},
    ),
    "segment dataset=streets": (
        {"data.fit": None, "data.augment.crop.size": [192, 384]},
        {"data.fit": STRETCH | {"size": [160, 160]}, "data.augment.crop.size": [160, 160]},
    ),
    "segment dataset=cityscapes": (
        {"data.fit": None, "data.augment.resize": None, "data.augment.crop.height": 768},
        {"data.fit.size": [160, 160], "data.augment.resize.width": 160, "data.augment.crop.height": 160},
    ),
    "detect dataset=coco": ({"data.fit.size": [320, 320]}, {"data.fit.size": [160, 160]}),
    "multitask dataset=streets": (
        {"data.fit.size": [192, 384], "data.augment.crop.size": [192, 384]},
        {"data.fit.size": [160, 160], "data.augment.crop.size": [160, 160]},
    ),
    "multitask dataset=coco": (
        {"data.fit": STRETCH | {"size": [384, 384]}},
        {"data.fit": STRETCH | {"size": [160, 160]}},
    ),
    "multitask dataset=coco recipe=none": ({"data.fit": None}, {"data.fit": STRETCH | {"size": [160, 160]}}),
}


@pytest.mark.parametrize("command", FOLLOWS)
def test_what_follows_from_image_size(command):
    task, *words = command.split()
    for typed, expected in zip(([], ["image_size=[160,160]"]), FOLLOWS[command], strict=True):
        tree = tree_of(*words, *typed, task=task)
        Run.of(task, tree)
        check_read(tree, {word.split("=")[0] for word in typed})
        assert {key: select(resolved(tree), key) for key in expected} == expected


def test_a_network_tied_to_one_size_follows_the_recipes_and_stays_as_it_was_trained():
    """CSE's gates: `image_size` of a later command does not change a trained network."""
    trained = {
        ("dataset=cifar100",): 32,
        ("dataset=cifar100", "image_size=[64,64]"): 64,
        ("dataset=imagenette",): 160,
        ("experiment=classify_imagenette_cse",): 224,
    }
    for words, side in trained.items():
        stored = checked_config(tree_of("backbone=mobilenet_v2_cse", *words, task="classify"), "a.ckpt")
        assert stored["backbone"]["resolution"] == side
    other = tree_of("mode=evaluate", "image_size=[96,96]", task="classify")
    opened = resolved(apply_overrides(stored, other, ["image_size=[96,96]"]))
    assert opened["backbone"]["resolution"] == 224 and opened["data"]["fit"]["crop"] == 96


@pytest.mark.parametrize("size", ["96", "[a,1]", "[96]"])
def test_a_wrong_size_is_named_before_a_network_is_built_for_it(size):
    with pytest.raises(UserError, match=r"^image_size=.* is not \[height, width\]"):
        composed("classify", "backbone=mobilenet_v2_cse", "dataset=imagenette", f"image_size={size}")


def test_what_is_typed_itself_wins():
    typed = ("image_size=[160,160]", "data.fit.crop=128")
    fit = resolved(tree_of("dataset=imagenet", *typed, task="classify"))["data"]["fit"]
    assert (fit["resize"], fit["crop"]) == (182, 128)
    tree = tree_of("image_size=[160,160]", "+data.fit={_target_:tasks.x,size:[96,96]}")
    assert resolved(tree)["data"]["fit"] == {"_target_": "tasks.x", "size": [96, 96]}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("classify dataset=imagenet image_size=[160,192]", r"image_size=\[160,192\]: this recipe cuts squares"),
        ("classify dataset=imagenet image_size=160", r"image_size=160 is not \[height, width\]"),
        ("segment image_size=[0,160]", r"image_size=\[0, 160\] is not"),
        ("classify recipe=none image_size=[160,160]", r"image_size=\[160,160\]: nothing follows from it"),
    ],
)
def test_sizes_that_are_refused(command, problem):
    task, *words = command.split()
    tree = tree_of(*words, task=task)
    with pytest.raises(UserError, match=problem):
        Run.of(task, tree)
        check_read(tree, {"image_size"})


def test_a_checkpoint_keeps_the_rule_and_those_of_before_their_values():
    """Opened by a command whose own configuration has another size; the file's goes before, what is typed before it."""
    tree = tree_of("dataset=imagenet", "logger=none", task="classify")
    stored = checked_config(tree, "a.ckpt")
    other = tree_of("mode=evaluate", "image_size=[96,96]", task="classify")
    assert resolved(apply_overrides(stored, other, ["mode=evaluate"]))["data"]["fit"]["resize"] == 256
    data = resolved(apply_overrides(stored, other, ["image_size=[96,96]"]))["data"]
    assert (data["crop"]["size"], data["fit"]["resize"], data["fit"]["crop"]) == (96, 109, 96)
    before = resolved(tree)
    del before["image_size"]
    opened = apply_overrides(before, other, ["mode=evaluate"])
    assert opened["image_size"] is None and opened["data"]["fit"]["resize"] == 256
    with pytest.raises(UserError, match="nothing follows from it"):
        apply_overrides(before, other, ["image_size=[96,96]"])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("backbone=resnet50 wants.tail=full", "SEResNet has no tail; it takes wants.output_stride, wants.skip_str"),
        ("backbone=mobilenet_v2 wants.tail=full", r"backbone\.tail=full decides; it takes wants\.output_stride"),
        ("backbone=mobilenet_v2_cse wants.output_stride=16", "MobileNetV2CSE has no output_stride; it takes nothing"),
        ("backbone=timm wants.output_stride=16 backbone.output_stride=8", r"backbone\.output_stride=8 decides; it"),
    ],
)
def test_wants_that_no_backbone_reads_are_refused(words, problem):
    tree = tree_of(*words.split())
    with pytest.raises(UserError, match=rf"^wants\.\w+=\w+: {problem}"):
        check_read(tree, {word.split("=")[0] for word in words.split()})


def test_wants_that_reach_the_backbone_and_what_is_shown_of_them():
    tree = tree_of("wants.tail=full", "backbone.output_stride=8", "logger=none")
    check_read(tree, {"wants.tail", "backbone.output_stride"})
    shown = as_built(resolved(tree))
    assert shown["wants"] == {"output_stride": 8, "tail": "full", "skip_strides": 0} and shown["seed"] == 0
    assert tree["wants"]["output_stride"] == 16
    shown = as_built(resolved(tree_of("backbone=timm", "logger=none")))
    assert shown["wants"] == {"output_stride": 16, "skip_strides": 0}
