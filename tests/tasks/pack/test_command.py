"""The real commands: scores of what was packed equal those of the data set bit for bit, for every task; wrong input."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import write_folders
from tests.tasks.classify.test_command import TINY as CLASSIFY
from tests.tasks.detect.test_command import TINY as DETECT
from tests.tasks.multilabel.test_command import CROPS, write_table
from tests.tasks.multilabel.test_command import TINY as MULTILABEL
from tests.tasks.multitask.test_command import SMALL
from tests.tasks.segment.test_command import TINY as SEGMENT

STREETS = ("dataset=streets", "dataset.train=4", "dataset.val=3", "dataset.height=64", "dataset.width=96")
ARGUMENTS = {
    "classify": CLASSIFY,
    "detect": DETECT,
    "segment": SEGMENT,
    "multilabel": ("dataset=table", *MULTILABEL, *CROPS),
    "multitask": (*STREETS, *SMALL, "image_size=[64,64]", "data.batch_size=2"),
}
RECIPES = {"classify": "recipe=classify_folders", "multilabel": "recipe=multilabel_own"}  # they crop


def scores(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text()) | {"seconds": 0}


@pytest.mark.parametrize("task", list(ARGUMENTS))
def test_training_and_scores_are_those_of_the_data_set(task, command, pack, tmp_path, request):
    arguments = ARGUMENTS[task]
    fixture = {"classify": "folders", "detect": "coco", "segment": "cityscapes"}.get(task)
    root = request.getfixturevalue(fixture) if fixture else tmp_path / "data"
    if task == "multilabel":
        write_table(root)
    dataset = [word for word in arguments if word.startswith("dataset")]
    packed = pack(f"task={task}", *dataset, f"dataset.root={root}", f"out={tmp_path / 'packed'}")
    assert packed.status == 0, packed.err
    rest = [word for word in arguments if word not in dataset]
    rest += [
        "trainer.max_epochs=1",
        "trainer.check_val_every_n_epoch=1",
        RECIPES.get(task, "recipe=none"),
        "pictures=0",
    ]
    rest = [word for word in rest if not word.startswith("data.augment.") and word != "recipe=segment_streets"]
    rest = list({word.partition("=")[0]: word for word in rest}.values())  # the last of a key counts
    again = ["dataset=packed", f"dataset.root={tmp_path / 'packed'}"]
    sides = {"own": [*dataset, f"dataset.root={root}"], "again": again}
    for name, data in sides.items():
        result = command(task, *data, *rest, f"hydra.run.dir={tmp_path / name}")
        assert result.status == 0, result.err
    assert scores(tmp_path / "own") == scores(tmp_path / "again") and scores(tmp_path / "own")["images"] > 0
    own, other = (torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in sides)
    assert all(torch.equal(own["state_dict"][key], other["state_dict"][key]) for key in own["state_dict"])
    evaluate = (f"checkpoint={tmp_path / 'own' / 'checkpoints' / 'best.ckpt'}", "mode=evaluate", "pictures=0")
    result = command(task, *evaluate, *again, "data.workers=0", f"hydra.run.dir={tmp_path / 'scored'}")
    assert result.status == 0, result.err
    assert scores(tmp_path / "scored") == scores(tmp_path / "own")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "out=… is missing"),
        (("out=http://127.0.0.1:1/x",), "cannot be written: a folder or s3://… or gs://… can"),
        (("out=reference://x",), "out=reference://x is neither a folder nor one of http://, https://, s3://, gs://…"),
        (("out={out}", "side=8"), "side=8 is not a whole number from 16 to 16,384"),
        (("out={out}", "quality=null"), "quality=null is not a number"),
        (("out={out}", "overwrite=yes"), "overwrite=yes is not true or false"),
        (("out={out}", "mode=evaluate"), "mode=evaluate: not here; tasks.pack reads the data alone"),
        (("out={out}", "sid=256"), "sid: no such key"),
        (("out={root}",), "is the data set itself: name another place"),
        (("out={root}/train",), "holds other files, such as blue: name an empty folder"),
    ],
)
def test_wrong_input_is_one_line(pack, folders, tmp_path, arguments, message):
    typed = [word.format(out=tmp_path / "out", root=folders) for word in arguments]
    result = pack("dataset=folders", f"dataset.root={folders}", *typed)
    assert result.status == 2 and message in result.err and len(result.err.splitlines()) == 1, result.err
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.parametrize("option", ["folders", "imagenet"])
def test_a_data_set_in_a_bucket_is_told_how_to_be_packed(pack, tmp_path, option):
    result = pack("task=classify", f"dataset={option}", "dataset.root=s3://bucket/raw", f"out={tmp_path / 'out'}")
    said = f"dataset.root=s3://bucket/raw: dataset={option} reads a folder; only dataset=packed reads an address"
    assert result.status == 2 and said in result.err and len(result.err.splitlines()) == 1, result.err


def test_a_packed_set_is_overwritten_only_if_asked(pack, folders, tmp_path):
    arguments = ("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'out'}")
    assert pack(*arguments).status == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = pack(*arguments)
    assert again.status == 2 and "holds a packed data set: overwrite=true deletes it" in again.err
    assert pack(*arguments, "overwrite=true").status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before, "the same bytes"


def test_a_data_set_is_not_packed_onto_itself(pack, folders, tmp_path):
    out = tmp_path / "out"
    assert pack("dataset=folders", f"dataset.root={folders}", f"out={out}").status == 0
    (tmp_path / "link").symlink_to(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for there in (out, tmp_path / "link"):
        result = pack("dataset=packed", f"dataset.root={out}", f"out={there}", "overwrite=true")
        assert result.status == 2 and f"out={there} is the data set itself: name another place" in result.err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_packed_data_can_be_packed_again(pack, folders, tmp_path):
    assert pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'out'}").status == 0
    result = pack("dataset=packed", f"dataset.root={tmp_path / 'out'}", f"out={tmp_path / 'again'}")
    assert result.status == 0, result.err
    for name in ("train-000000.tar", "train.npz", "val-000000.tar", "val.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_a_second_packing_waits_for_the_first(pack, folders, tmp_path, monkeypatch):
    from tasks.pack import command

    there, codes = command.put_card, []

    def second(*arguments: Any) -> None:
        typed = ["dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'out'}"]
        codes.append(subprocess.Popen([sys.executable, "-m", "tasks.pack", *typed], stdout=subprocess.PIPE, text=True))
        for line in codes[0].stdout:
            if "waiting for it" in line:
                break
        there(*arguments)

    monkeypatch.setattr(command, "put_card", second)
    result = pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'out'}")
    assert result.status == 0 and codes[0].wait(60) == 2, "the first one's data set is there"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "README.md", "index.json", "train-000000.tar", "train.npz", "val-000000.tar", "val.npz",
    }  # fmt: skip


def test_an_unreadable_image_stops_it_or_is_left_out(pack, folders, tmp_path):
    whole = (folders / "train/red/red_0.jpg").read_bytes()
    (folders / "train/red/red_0.jpg").write_bytes(whole[:200])
    arguments = ("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'out'}")
    result = pack(*arguments, "data.max_broken=0")
    assert result.status == 2 and "red_0.jpg" in result.err and not (tmp_path / "out" / "index.json").exists()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")], "nothing is left over"
    result = pack(*arguments, "data.max_broken=1")
    assert result.status == 0 and "left out (1): cannot read image" in result.out and "11 images" in result.out


KILLED = """
import os, signal
from tasks.common.console import run_command
from tasks.data.packed.pack import SplitWriter
from tasks.pack.__main__ import main

add = SplitWriter.add

def killed_at_the_fiftieth(writer, members):
    if writer.samples == 50:
        os.kill(os.getpid(), signal.SIGKILL)
    return add(writer, members)

SplitWriter.add = killed_at_the_fiftieth
run_command(main)
"""


def test_a_killed_packing_looks_like_none(command, pack, tmp_path):
    root = write_folders(tmp_path / "many", train=30, val=2)
    arguments = ("dataset=folders", f"dataset.root={root}", f"out={tmp_path / 'out'}", "side=32", "shard_mb=1")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(tmp_path.glob("out/.packing-*/*"))
    assert not (tmp_path / "out" / "index.json").exists()
    result = command(
        "classify", "dataset=packed", f"dataset.root={tmp_path / 'out'}", f"hydra.run.dir={tmp_path / 'r'}"
    )
    assert result.status == 2 and "because index.json is missing; it is written last" in result.err
    repeated = pack(*arguments)
    assert repeated.status == 0 and "of a packing that was stopped are deleted" in repeated.out
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".md", ".npz", ".tar"}


def test_the_order_by_shards_is_for_packed_sets(command, pack, folders, tmp_path):
    pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'packed'}")
    own, packed = (
        ["dataset=folders", f"dataset.root={folders}"],
        ["dataset=packed", f"dataset.root={tmp_path / 'packed'}"],
    )
    for words, message in (
        (own, "data.order=shards is for dataset=packed alone"),
        ([*packed, "data.share=0.5"], "data.order=shards is for dataset=packed alone"),
        ([*packed, "data.cache=true"], "without datasets=[…], data.share, data.holdout and data.cache"),
        ([*packed, "data.balance=0.5"], "data.order=shards draws all images equally often"),
        ([*packed, "data.window=0"], "data.window=0 is not a whole number"),
    ):
        result = command(
            "classify", *words, "data.order=shards", "trainer.accelerator=cpu", f"hydra.run.dir={tmp_path / 'r'}"
        )
        assert result.status == 2 and message in result.err, (words, result.err)
