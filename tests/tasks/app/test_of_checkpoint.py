"""Keys of a data set on top of a checkpoint: those of the one that was trained on, whose values stay."""

import json
import shutil
import zipfile

import pytest
import torch

from tasks.app.of_checkpoint import implied_data_set
from tasks.config.heads_file import CONF
from tasks.config.overrides import left_behind
from tests.layouts.boxes import write_yolo

QUICK = ("image_size=[64,64]", "data.batch_size=4", "data.workers=0", "pictures=0", "trainer.accelerator=cpu")
YOLO, COCO, JSON = (f"tasks.data.datasets.{name}" for name in ("yolo.Yolo", "coco.Coco", "coco.CocoJson"))


def save(path, *targets):
    """What is searched of a checkpoint: classes of data sets among other texts."""
    sets = {f"dataset{number or ''}": {"_target_": target} for number, target in enumerate(targets)}
    torch.save({"mobilevision": {"config": {**sets, "text": "x" * 300}}, "weights": torch.zeros(3)}, path)
    return path


def implied(*words):
    return implied_data_set(words, (CONF,))


def test_the_data_set_is_that_of_the_file(tmp_path):
    file = f"checkpoint={save(tmp_path / 'a.ckpt', YOLO)}"
    key = "dataset.val_split=test"
    assert implied("mode=evaluate", file, key) == implied("mode=export", file, f"++{key}") == ["dataset=yolo"]
    assert implied(file.replace("checkpoint", "resume"), key) == ["dataset=yolo"]
    for words in (
        (file, key),
        ("mode=search", "search=recipe", file, key),  # whose trials start from it, as trainings do
        ("mode=evaluate", file),
        ("mode=evaluate", key),
        ("mode=evaluate", file, key, "dataset=voc"),
    ):
        assert implied(*words) == [], words
    for target, option in ((JSON, "coco_json"), (COCO, "coco"), ("tasks.data.voc.Voc", "voc")):  # the last: an old name
        save(tmp_path / "a.ckpt", target)
        assert implied("mode=evaluate", file, key) == [f"dataset={option}"]
    save(tmp_path / "a.ckpt", YOLO, COCO)
    assert implied("mode=evaluate", file, key) == [], "a mixture"
    (tmp_path / "card.json").write_text(json.dumps({"config": {"dataset": {"_target_": JSON}}}))
    (tmp_path / "model.onnx").touch()
    assert implied("mode=evaluate", f"model={tmp_path / 'model.onnx'}", key) == ["dataset=coco_json"]


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x80\x02cos\nsystem\n"])
def test_other_files_are_left_to_reading(content, tmp_path):
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    words = ("mode=evaluate", f"checkpoint={path}", "dataset.val_split=test")
    assert implied(*words) == []
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", content)
    assert implied(*words) == []
    path.unlink()
    assert implied(*words) == []


def test_another_split_is_scored(tmp_path, command):
    root, run, scored = (tmp_path / name for name in ("data", "run", "scored"))
    write_yolo(root)
    shutil.copytree(root / "valid", root / "test")
    (root / "test/images/img_9.jpg").unlink()
    (root / "test/labels/img_9.txt").unlink()
    text = (root / "data.yaml").read_text()
    (root / "data.yaml").write_text(f"{text}test: ../test/images\n")
    keys = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", f"hydra.run.dir={run}")
    said = command("detect", "dataset=yolo", f"dataset.data={root / 'data.yaml'}", *QUICK, *keys)
    assert said.status == 0 and json.loads((run / "metrics.json").read_text())["images"] == 3, said.err
    words = ("mode=evaluate", f"checkpoint={run / 'checkpoints/best.ckpt'}", f"hydra.run.dir={scored}", *QUICK[2:])
    said = command("detect", *words, "dataset.val_split=test")
    assert said.status == 0 and json.loads((scored / "metrics.json").read_text())["images"] == 2, said.err
    said = command("detect", *words, "overwrite=true", "dataset.val.share=0.5")
    assert said.status == 0 and json.loads((scored / "metrics.json").read_text())["images"] == 4, said.err
    said = command("detect", *words, "overwrite=true", "dataset=yolo", "dataset.val_split=test")
    assert said.status == 2 and f"dataset.data={root / 'data.yaml'} is not taken; without dataset=…" in said.out


def test_unknown_keys_name_those_of_the_trained_data_set(tmp_path, command):
    file = f"checkpoint={save(tmp_path / 'a.ckpt', YOLO)}"
    said = command("detect", "mode=evaluate", file, "dataset.val_spli=test")
    assert said.status == 2 and "dataset.val_spli: no such key (did you mean val_split" in said.err
    said = command("detect", file, "dataset.val_split=test")
    message = (
        "no such key of the default data set; name yours: dataset=<option> dataset.root=… dataset.val_split=test; "
    )
    assert said.status == 2 and message in said.err


def test_what_a_typed_data_set_resets():
    stored = {"dataset": {"_target_": YOLO, "root": "a", "data": "b", "val": {"share": 0.2}, "gone": 1}}
    here = {"dataset": {"_target_": YOLO, "root": "a", "data": None, "val": {"share": None}}}
    assert left_behind(stored, here, ["dataset=yolo"]) == "dataset.data=b, dataset.val={'share': 0.2}"
    assert left_behind(stored, here, ["dataset=yolo", "dataset.data=c", "dataset.val.share=0.1"]) == ""
    assert left_behind(stored, here, ["dataset.root=c"]) == left_behind(stored, {"dataset": {}}, ["dataset=voc"]) == ""
