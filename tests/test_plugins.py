"""Code of one's own: examples/ brings a task, a data set, a backbone, a head and a loss, once its package is named."""

import csv
import json
import os

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from examples.shapes import NAMES
from tasks.app.network import build
from tasks.app.resolve import resolve
from tasks.app.search_path import search_plugins, store_heads
from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.common.plugins import FOLDER, VARIABLE, conf_folders, is_plugged, plugins, take_from
from tasks.common.task_info import infos, module_of
from tasks.config.stored import checked_config
from tasks.deploy.model import open_model
from tests.conftest import Result

TASKS = ["segment", "detect", "classify", "multilabel"]


@pytest.fixture
def none_named():
    """No plug-in is named now, and whatever a test or its commands name is forgotten after it.

    Not by `monkeypatch`, which would bring back what a command named between two of its patches.
    """
    before = os.environ.pop(VARIABLE, None)
    yield
    os.environ.pop(VARIABLE, None)
    if before is not None:
        os.environ[VARIABLE] = before
    store_heads()


@pytest.fixture
def named(none_named):
    os.environ[VARIABLE] = "examples"


def well(result: Result) -> Result:
    assert result.status == 0, result.err
    return result


def test_recipes_leave_out_what_a_network_of_ones_own_does_not_have(named, command, tmp_path):
    head = {"low": ["c1"], "high": ["c3"]}
    network = build("segment", 3, "plugins=[examples]", backbone="tiny_net", head=head)
    assert type(network.backbone).__name__ == "TinyNet"
    scenes = ["train=4", "val=2", "height=64", "width=64", f"root={tmp_path / 'streets'}"]
    words = ["plugins=[examples]", "backbone=tiny_net", "head.low=[c1]", "head.high=[c3]", "data.crop=null"]
    words += [f"dataset.{word}" for word in scenes] + ["trainer.max_epochs=1", "data.batch_size=2"]
    said = well(command("segment", *words, f"hydra.run.dir={tmp_path / 'run'}")).out
    assert "backbone=tiny_net has no norm_momentum, which recipe=segment_streets sets: left out" in said
    typed = command("segment", *words, "+backbone.norm_momentum=0.1", f"hydra.run.dir={tmp_path / 'typed'}")
    assert typed.status == 2 and "norm_momentum" in typed.err, "what is typed is not left out"


def test_keys_are_those_that_a_network_of_ones_own_has(named, command):
    words = ("plugins=[examples]", "backbone=tiny_net")
    said = well(command("segment", "--keys", "backbone", *words)).out
    assert "backbone.width" in said and "norm_momentum" not in said, "the recipe sets it, TinyNet does not take it"
    assert "backbone.norm_momentum=0.1" in well(command("segment", "--keys", "backbone")).out


def test_a_task_of_ones_own_trains_evaluates_exports_and_predicts(command, none_named, tmp_path):
    pytest.importorskip("onnxruntime")
    train, best = tmp_path / "train", tmp_path / "train/checkpoints/best.ckpt"
    settings = ("dataset.train=16", "dataset.val=8", "trainer.max_epochs=1", "trainer.accelerator=cpu")
    well(command("tags", "plugins=[examples]", *settings, f"hydra.run.dir={train}"))  # the others find it named
    metrics = json.loads((train / "metrics.json").read_text())
    assert 0 <= metrics["exact"] <= 1 and metrics["images"] == 8
    export = tmp_path / "export"
    well(command("tags", "mode=export", f"checkpoint={best}", "export.images=4", f"hydra.run.dir={export}"))
    rows = {row["what"]: row for row in json.loads((export / "gate.json").read_text())}
    assert rows["tags: same tags"]["worst"] == 1 and rows["tensor logits"]["holds"]
    model = f"model={export / 'model.onnx'}"
    well(command("tags", "mode=evaluate", model, f"hydra.run.dir={tmp_path / 'scored'}"))
    again = json.loads((tmp_path / "scored/metrics.json").read_text())
    assert again | {"seconds": 0} == metrics | {"seconds": 0}
    photo = next((export / "golden").glob("*/image.png"))
    well(command("tags", "mode=predict", f"checkpoint={best}", f"input={photo}", f"hydra.run.dir={tmp_path / 'found'}"))
    (row,) = csv.DictReader((tmp_path / "found/index.csv").open())
    by_file = open_model(export / "model.onnx").predict(photo)["tags"]["logits"]
    assert row["tags"] == (" ".join(name for name, logit in zip(NAMES, by_file, strict=True) if logit > 0) or "nothing")
    config = read_ours(best)["mobilevision"]["config"]
    own = [config["backbone"], config["head"], config["task"], config["task"]["loss"], config["dataset"]]
    assert all(node["_target_"].startswith("examples.") for node in own)

    os.environ[VARIABLE] = ""  # the file says plugins: [examples]; that is not read
    assert config["plugins"] == ["examples"]
    with pytest.raises(UserError, match=r"best\.ckpt .*needs plugins=\[…\] for a task of your own: unknown task tags"):
        read_ours(best)
    with pytest.raises(UserError, match=r"model\.json is damaged: task tags is not one of"):
        read_manifest(export / "model.onnx")
    assert "plugins=[…] names" in command("tags").err


def test_every_described_task_is_a_head_of_multitask(named):
    assert [*infos()] == [*TASKS, "tags"] and module_of("tags") == "examples.tags"
    search_plugins()
    store_heads()
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("multitask", ["dataset=shapes", "tags.task.loss.gamma=3", "loss_weights.tags=2"])
    weights = resolve("multitask", config).run.learner.balance["weights"]
    assert weights == {"segment": 1, "detect": 1, "classify": 1, "multilabel": 1, "tags": 2}
    own = OmegaConf.to_container(config.tags)
    assert own["target"] == "tags" and own["frozen"] is False and own["task"]["loss"]["gamma"] == 3
    assert own["head"]["_target_"] == "examples.max_head.MaxHead" and list(config.targets)[-1] == "tags"


def test_tasks_and_classes_are_known_while_their_package_is_named(none_named):
    assert [*infos()] == TASKS and not is_plugged("examples.tiny_net.TinyNet") and module_of("detect") == "tasks.detect"
    os.environ[VARIABLE] = "examples"
    assert is_plugged("examples.tiny_net.TinyNet") and not is_plugged("examples_of_others.TinyNet")


@pytest.mark.parametrize("slot", ["backbone", "head", "task", "dataset", "tags.task", "datasets.town"])
def test_a_file_builds_own_classes_while_their_package_is_named(slot, named):
    config = OmegaConf.to_container(OmegaConf.from_dotlist([f"{slot}._target_=examples.focal.FocalLoss"]))
    config["plugins"] = ["examples"]
    assert checked_config(config, "own.ckpt") == config
    os.environ[VARIABLE] = ""
    with pytest.raises(UserError, match=r"examples\.focal\.FocalLoss', which is not one of those that may be built"):
        checked_config(config, "own.ckpt")


@pytest.mark.parametrize("slot", ["trainer", "logger", "optimizer", "scheduler", "data.fit", "hydra", "plugins", "x"])
def test_a_file_builds_them_nowhere_else(slot, named):
    with pytest.raises(UserError, match="was refused"):
        checked_config(OmegaConf.to_container(OmegaConf.from_dotlist([f"{slot}._target_=examples.focal.A"])), "a.ckpt")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os", "no package of your own"),
        ("torch.hub", "no package of your own"),
        ("subprocess", "no package of your own"),
        ("tasks", "no package of your own"),
        ("my-package", "no name of a package"),
        ("my_package_that_is_not_there", "there is no package my_package_that_is_not_there"),
        ("examples.not_there", "there is no package"),
        ("examples.focal", "there is no package"),  # a module
    ],
)
def test_what_is_no_package_of_ones_own_is_refused(name, said, none_named):
    os.environ[VARIABLE] = f"examples,{name}"
    with pytest.raises(UserError, match=f"^plugins: .*{said}"):
        plugins()


@pytest.mark.parametrize("typed", ["plugins=[examples,b]", "plugins=['examples', b]", "plugins=examples,b"])
def test_the_command_line_adds_to_the_variable(typed, none_named):
    os.environ[VARIABLE] = "a,b"
    take_from(["seed=1"])
    assert os.environ[VARIABLE] == "a,b"
    take_from([typed])
    assert os.environ[VARIABLE] == "a,b,examples"


@pytest.fixture
def no_folder():
    """What a command names with --config-dir is forgotten after the test."""
    yield
    os.environ.pop(FOLDER, None)


@pytest.mark.parametrize("typed", [["--config-dir={}"], ["--config-dir", "{}"], ["-cd", "{}"]])
def test_a_folder_of_options_is_found_by_child_processes(typed, tmp_path, none_named, no_folder):
    take_from([word.format(tmp_path) for word in typed])
    assert os.environ[FOLDER] == str(tmp_path) and conf_folders() == [tmp_path]


def test_an_option_of_ones_own_folder_is_among_those_that_a_mistake_lists(tmp_path, command, none_named, no_folder):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/bolts.yaml").write_text("_target_: bolts.reader.Bolts\n")
    own, there = f"--config-dir={tmp_path}", " (did you mean bolts or yolo?); there are ade20k, auto, bolts, cifar10"
    assert there in command("segment", own, "dataset=bolt").err
    assert "dataset is one of ade20k, auto, bolts, cifar10" in command("segment", own, "dataset=null").err
    refused = command("segment", own, "dataset=bolts", f"hydra.run.dir={tmp_path / 'run'}")
    assert refused.status == 2 and "bolts.reader.Bolts is outside tasks" in refused.err
    assert refused.err.endswith("plugins=[bolts] allows your own\n")
    assert command("segment", "--config-dir", "nowhere").err == "error: --config-dir nowhere: there is no such folder\n"
