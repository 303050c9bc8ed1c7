"""The recipe of a data set: its own, else the task's for data sets of the user's."""

import pytest

from tasks.common.plugins import FOLDER
from tasks.config.recipes import recipe_of
from tests.test_config import configuration


@pytest.fixture
def options(tmp_path, monkeypatch):
    """A folder of the user's options: dataset=mine with the class folders' reader, dataset=known with a recipe."""
    (tmp_path / "dataset").mkdir()
    (tmp_path / "recipe").mkdir()
    for name in ("mine", "known"):
        text = "_target_: tasks.data.datasets.folders.Folders\nroot: x\ntrain_split: train\nval_split: val\n"
        (tmp_path / "dataset" / f"{name}.yaml").write_text(text)
    (tmp_path / "recipe/classify_known.yaml").write_text("# @package _global_\ndata: {batch_size: 7}\n")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("task", "dataset", "recipe"),
    [
        ("segment", "cityscapes", "segment_cityscapes"),
        ("classify", "folders", "classify_folders"),
        ("classify", "coco", "classify_own"),
        ("classify", "mine", "classify_own"),
        ("classify", "known", "classify_known"),
        ("tags", "shapes", "none"),  # a plug-in's task without a recipe for all
    ],
)
def test_the_recipe_of_a_data_set(task, dataset, recipe, options):
    assert recipe_of(task, dataset) == recipe


def test_a_data_set_without_a_recipe_is_trained_as_own_data(options, command):
    tree = command("classify", "--cfg", "job", f"--config-dir={options}", "dataset=mine").out
    assert "trivial_augment" in tree and "max_epochs: 100" in tree
    typed = command("classify", "--cfg", "job", f"--config-dir={options}", "dataset=mine", "recipe=none").out
    assert "trivial_augment" not in typed
    assert "batch_size: 7" in command("classify", "--cfg", "job", f"--config-dir={options}", "dataset=known").out


def test_it_is_said(options, command, folders, tmp_path):
    small = ("backbone=mobilenet_v3_small", "backbone.width=0.35", "image_size=[32,32]", "trainer.max_epochs=1",
             "trainer.limit_train_batches=1", "data.batch_size=4", "data.workers=0", "pictures=0")  # fmt: skip
    run = tmp_path / "run"
    mine = (f"--config-dir={options}", "dataset=mine", f"dataset.root={folders}")
    said = command("classify", *mine, *small, f"hydra.run.dir={run}")
    assert said.status == 0 and "recipe=classify_own\n" in said.out, said.err
    best = f"checkpoint={run / 'checkpoints/best.ckpt'}"
    said = command("classify", *mine, "mode=evaluate", best, "data.workers=0", f"hydra.run.dir={tmp_path / 'scored'}")
    assert said.status == 0 and "recipe=" not in said.out, said.err


def test_the_own_recipe_is_an_option_among_others():
    assert configuration("recipe=classify_own", task="classify").trainer.max_epochs == 100
