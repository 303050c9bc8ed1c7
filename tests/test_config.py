"""Every option of every group composes, and every network that can be chosen can be built."""

import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from backbones.mobilenet_v3 import MobileNetV3
from backbones.table import table_of
from heads.ssdlite import RawBoxes
from tasks.app.resolve import resolve, storable
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.stored import may_be_resolved, values
from tasks.config.targets import ALLOWED, TRANSFORMS, may_build, slot_of
from tasks.engine.build import make_backbone
from tasks.engine.instantiate import make
from tasks.engine.settings import Run
from tasks.search.settings import search_settings

CONF = Path(__file__).parent.parent / "conf"


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def task_of(choice: str) -> str:
    """The task whose command this choice is for."""
    group, option = choice.split("=")
    if group == "balance" or option.startswith("multitask") or choice == "dataset=mixed":
        return "multitask"
    if option.startswith("multilabel"):
        return "multilabel"
    classes_only = choice in {
        f"dataset={name}" for name in ("imagenet", "imagenette", "folders", "table", "cifar10", "cifar100")
    }
    boxes_only = choice.startswith(("loss=", "match=")) or choice in {
        f"dataset={name}" for name in ("coco", "coco_json", "voc", "yolo")
    }
    if boxes_only or option.startswith(("detect", "ssd")):
        return "detect"
    return "classify" if option.startswith("classif") or classes_only else "segment"


def configuration(*overrides: str, task: str = "segment"):
    with initialize_config_module("conf", version_base="1.3"):
        return compose(task, list(overrides))


def tree_of(*overrides: str, task: str = "segment"):
    """The configuration as it is stored."""
    return storable(configuration(*overrides, task=task))


def run_of(*overrides: str, task: str = "segment"):
    """The settings of a run."""
    return Run.of(task, tree_of(*overrides, task=task))


def needs_weights(choice: str) -> bool:
    """Whether an option is for a start from weights, which the command line brings."""
    group, option = choice.split("=")
    return group == "finetune" or "\nfinetune:" in (CONF / group / f"{option}.yaml").read_text(encoding="utf-8")


@cache
def composed(choice: str):
    """The configuration of one choice, for tests that only read it."""
    start = ["weights=MobileNet_V2_Weights.IMAGENET1K_V1"] if needs_weights(choice) else []
    return configuration(choice, *start, task=task_of(choice))


@cache
def on_cityscapes(*overrides: str):
    """A backbone's or a head's settings; neither decides over the other's."""
    return run_of("dataset=cityscapes", *overrides).learner


def option_has_target(choice: str) -> bool:
    group, option = choice.split("=")
    return group not in OVERRIDING and option != "none"


OVERRIDING = ("experiment", "recipe", "scale", "finetune")
GROUPS = (
    *("backbone", "head", "task", "loss", "match", "balance", "dataset", "optimizer", "scheduler", "logger"),
    *OVERRIDING,
)


@pytest.mark.parametrize("choice", [f"{group}={option}" for group in GROUPS for option in options(group)])
def test_every_option_composes(choice, monkeypatch):
    monkeypatch.setattr("tasks.engine.settings.check_logger", lambda _tree: None)  # loggers' packages may be missing
    config = composed(choice)
    assert OmegaConf.to_container(config, resolve=False)
    if choice != "backbone=table":  # needs a file
        resolve(task_of(choice), config)  # what conf/ says holds to the rules
    group = choice.split("=")[0]
    if group in config and option_has_target(choice):
        assert "_target_" in config[group]
    if group in OVERRIDING:
        said = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{choice.partition('=')[2]}.yaml"))
        for key, value in leaves(said if isinstance(said, dict) else {}):
            assert str(value).startswith("${") or OmegaConf.select(config, key) == value, f"{key} is not what runs"


@pytest.mark.parametrize("balance", options("balance"))
@pytest.mark.parametrize("recipe", [name for name in options("recipe") if name.startswith("multitask_")])
def test_every_balance_can_be_built_with_every_recipe(recipe, balance):
    settings = run_of(f"recipe={recipe}", f"balance={balance}", task="multitask").learner
    weights = make(settings.balance)(("segment", "classify")).weights()
    expected = [2.0, 0.5] if (recipe, balance) == ("multitask_streets", "fixed") else [1.0, 1.0]
    assert [float(weight) for weight in weights.values()] == expected


@pytest.mark.parametrize("backbone", sorted({*options("backbone")} - {"timm"}))  # timm's networks: test_timm.py
@pytest.mark.parametrize("head", options("head"))
def test_every_head_fits_every_backbone(backbone, head):
    adapt = ["backbone.adapt=true"] if backbone == "mobilenet_v2_cse" else []  # tied to one size otherwise
    spec = on_cityscapes(f"backbone={backbone}", *adapt).backbone
    with torch.device("meta"):
        if backbone == "table":
            spec = {**spec, "table": table_of(MobileNetV3(size="small").plan)}
        network = make_backbone(spec)
        built = make(on_cityscapes(f"head={head}").heads[""].head)(network.features, 19)
        network.keep(built.maps)
        outputs = built(network(torch.empty(2, 3, 64, 96)))
    if isinstance(outputs, RawBoxes):
        assert outputs.logits.shape[::2] == (2, 20) and outputs.offsets.shape[::2] == (2, 4)
    else:
        assert outputs.shape[:2] == (2, 19)


def test_what_the_command_line_chooses_wins_over_the_data_sets_choice():
    assert configuration().backbone.size == "small"
    assert configuration("backbone=mobilenet_v3_large").backbone.size == "large"
    cityscapes = configuration("dataset=cityscapes").backbone
    assert cityscapes.size == "large" and cityscapes.tail == "segmentation" and cityscapes.output_stride == 16


def leaves(node, path=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        elif key != "defaults":
            yield f"{path}{key}", value


def test_a_search_that_compares_latencies_has_no_target():
    search_settings(tree_of("search=latency"))
    with pytest.raises(UserError, match=r"^target\.madds=3M: search=latency has no target"):
        search_settings(tree_of("search=latency", "target.madds=3M"))


def test_configs_stay_short():
    for path in CONF.rglob("*/*.yaml"):
        assert len(path.read_text().splitlines()) <= 45, path


def targets(node: object, place: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every `_target_` of a file of conf/ with the key of the configuration that it decides over."""
    found = []
    if isinstance(node, dict):
        found += [(slot_of(place), node["_target_"])] if "_target_" in node else []
        found += [pair for key, value in node.items() for pair in targets(value, (*place, str(key)))]
    return found + ([pair for value in node for pair in targets(value, place)] if isinstance(node, list) else [])


def test_what_a_stored_configuration_may_build_is_what_conf_builds():
    """A new class of conf/ is written into tasks/config/targets.py, or no checkpoint of it can be opened."""
    for path in sorted(CONF.rglob("*.yaml")):
        content = yaml.safe_load(path.read_text()) or {}
        content.pop("hydra", None)
        group = {"loss": "task", "match": "task"}.get(path.parent.name, path.parent.name)
        place = () if group in ("conf", "experiment", "paper", "recipe", "scale", "finetune") else (group,)
        for slot, target in targets(content, place):
            assert may_build(slot, target), f"{path}: {target} is not in tasks/config/targets.py"
        for found, text in values(content, place):
            stays = isinstance(text, str) and re.search(r"\$\{(?!hydra|now|recipe_of|dataset\})", text)
            if stays and found != ("backbone", "resolution"):  # resolved when stored: a trained network keeps its size
                assert may_be_resolved(found, text), f"{path}: {found} is not in tasks/config/targets.py"


def test_each_of_them_is_a_class_or_a_function_of_its_own():
    from albumentations.core.composition import BaseCompose
    from albumentations.core.transforms_interface import BasicTransform

    for target in sorted(
        set().union(*ALLOWED.values(), *(own for info in infos().values() for own in info.builds.values()))
    ):
        module, _, name = target.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        assert inspect.isclass(found) or inspect.isfunction(found), target
        assert found.__module__.split(".")[0] == target.split(".")[0], f"{target} is of {found.__module__}"
        if target.startswith("albumentations."):
            assert issubclass(found, BasicTransform | BaseCompose), target
            takes = set(inspect.signature(found.__init__).parameters)
            assert not takes & {"read_fn", "font_path", "reference_images", "image", "metadata"}, target
    assert len(TRANSFORMS) > 100
