"""Words of other toolkits name our key, whose values are taken; our own keys and Hydra's options pass."""

import re

import pytest
from omegaconf import DictConfig, OmegaConf

from tasks.app.foreign_keys import WORDS, check_words
from tasks.common.errors import UserError
from tasks.config.top_keys import keys_of
from tests.test_config import configuration

TYPED = {
    "epochs=5": "write trainer.max_epochs=5",
    "lr0=0.01": "write optimizer.lr=0.01",
    "batch=16": "write data.batch_size=16",
    "imgsz=640": "write image_size=[640,640]",
    "workers=4": "write data.workers=4",
    "device=0": "write trainer.accelerator=gpu trainer.devices=[0]",
    "device=phone.csv": "a device's result is a .txt or .json file",
    "device=cuda:0": "write trainer.accelerator=cuda",
    "project=runs": "write hydra.run.dir=runs",
    "data=coco.yaml": "dataset.root=<folder>",
    "model=yolov8n.pt": "model=… is an exported file; the network is backbone=…",
    "num_classes=3": "comes from the data set",
    "+amp=true": "write trainer.precision=16-mixed",
    "--epochs 5": "--epochs 5: write trainer.max_epochs=5",
    "--epochs=5": "write trainer.max_epochs=5",
    "-b 32": "-b 32: write data.batch_size=32",
    "--batch-size 8 --lr 1": "--batch-size 8: write data.batch_size=8",
    "--data-path /x": "write dataset.root=/x",
    "--output-dir": "write hydra.run.dir=",
    "--test-only seed=1": "--test-only: write mode=evaluate",
    "--nonsense": "no such option; settings are key=value",
}


@pytest.mark.parametrize("line", TYPED)
def test_words_of_other_toolkits(line):
    with pytest.raises(UserError) as caught:
        check_words(line.split(), keys_of("detect"))
    assert TYPED[line] in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["--cfg=job", "-c=job", "--config-name=mine", "--package=data"])
def test_options_of_hydra_with_their_value_are_its_own(option):
    check_words([option, "--resolve"], keys_of("segment"))


@pytest.mark.parametrize("task", ["segment", "detect", "classify", "multitask"])
def test_our_own_words_pass(task):
    keys = [str(key) for key in configuration(task=task)]
    check_words([f"{key}=x" for key in keys if key not in ("data", "model", "device")], keys_of(task))
    check_words(
        [
            "device=phone.json",
            "device=[a.txt,'b c.txt']",
            "-m",
            "--cfg",
            "job",
            "--config-dir",
            "epochs=5",
            "data.batch_size=2",
            "~ema",
        ],
        keys_of(task),
    )


def test_what_is_named_is_there():
    step = ("optimizer=sgd", "scheduler=step")
    known = [
        configuration("dataset=imagenet", *step, task="classify"),
        configuration("dataset=coco_json", task="detect"),
        configuration("dataset=streets", "recipe=segment_streets"),
    ]
    for name, word in WORDS.items():
        for key in re.findall(r"([a-z_.]+)=", word.key):
            parent, _, last = key.rpartition(".")
            there = any(last in node_of(config, parent) for config in known)
            groups = keys_of("detect") if not parent else ()
            assert there or key in groups or key in ("hydra.run.dir", "dataset.val_split", "dataset.train_split"), name


def node_of(config, parent):
    node = OmegaConf.select(config, parent) if parent else config
    return node if isinstance(node, DictConfig) else {}


@pytest.mark.parametrize(
    "value",
    ["[out/mobilenet_a.onnx,out/mobilenet_b.onnx]", "'a/ssd lite.onnx'", "['a/ssd b.xml', \"fcn.pte\"]", "ssd.pt2"],
)
def test_exported_files_that_are_named_like_networks(value):
    check_words([f"model={value}"], frozenset({"model"}))
    without_suffix = value.replace(".onnx", "").replace(".xml", "").replace(".pt2", "")
    with pytest.raises(UserError, match="is an exported file"):
        check_words([f"model={without_suffix}"], frozenset({"model"}))
