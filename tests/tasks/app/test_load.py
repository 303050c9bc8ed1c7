"""load(): a file to a model, with the numbers of mode=predict."""

import csv
import doctest
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks import load
from tasks.app.model import View
from tasks.common.errors import UserError

ROOT = Path(__file__).parents[3]
BEFORE = ROOT / "tests" / "data" / "before_rooms"
SEGMENT, MULTITASK, EXPORTED = BEFORE / "segment.ckpt", BEFORE / "multitask.ckpt", BEFORE / "export" / "model.onnx"


@pytest.mark.parametrize(("task", "path"), [("segment", SEGMENT), ("segment", EXPORTED), ("multitask", MULTITASK)])
def test_the_numbers_of_mode_predict(command, reads, photos, tmp_path, task, path):
    source = "checkpoint" if path.suffix == ".ckpt" else "model"
    done = command(task, "mode=predict", f"{source}={path}", f"input={photos}", f"hydra.run.dir={tmp_path / 'out'}")
    assert done.status == 0, done.err
    assert reads == ([path] if source == "checkpoint" else [])
    model, out = load(path, "cpu"), tmp_path / "out"
    assert repr(model) == f"Model({str(path)!r}: {', '.join(model.tasks)})"
    rows = list(csv.DictReader((out / "index.csv").open()))
    assert len(rows) == 2
    for result, row in zip(model.predict([row["image"] for row in rows]), rows, strict=True):
        labels = result["segment"]["labels"]
        assert labels.shape == (int(row["height"]), int(row["width"]))
        written = np.asarray(Image.open(row["labels"]))
        np.testing.assert_array_equal(model.tasks["segment"].output.ids[labels], written)
        assert result["segment"]["names"] == model.tasks["segment"].class_names
        if task == "multitask":
            entries = json.loads(Path(row["boxes"]).read_text())
            boxes = result["detect"]
            assert [entry["category"] for entry in entries] == boxes["names"] and len(entries) > 100
            assert [entry["score"] for entry in entries] == [round(float(score), 6) for score in boxes["scores"]]
            left_top = np.array([entry["bbox"][:2] for entry in entries])
            np.testing.assert_allclose(left_top, boxes["boxes"][:, :2], atol=0.006)
            classes = result["classify"]
            assert [row[f"name{place}"] for place in range(1, 6)] == classes["names"][:5]
            assert row["probability1"] == f"{classes['probabilities'][0]:.6f}"
            assert classes["probabilities"].sum() == pytest.approx(1) and len(classes["names"]) == 6
    assert (rows[0]["height"], rows[0]["width"]) == (("90", "60") if task == "segment" else ("60", "90"))


@pytest.mark.parametrize("path", [SEGMENT, EXPORTED])
def test_every_kind_of_image_gives_the_same(photos, path):
    model = load(path, "cpu")
    of_path = model.predict(photos / "a.jpg")["segment"]["labels"]
    pil = Image.open(photos / "a.jpg")
    upright = np.rot90(np.asarray(pil), 3)
    tensor = torch.from_numpy(upright.copy()).permute(2, 0, 1)
    for same in (str(photos / "a.jpg"), pil, Image.fromarray(upright), upright, tensor):
        np.testing.assert_array_equal(model.predict(same)["segment"]["labels"], of_path)
    model.view = View(upright=False, white=None)
    assert model.predict(photos / "a.jpg")["segment"]["labels"].shape == (60, 90)


def test_the_example_in_the_docstring(tmp_path, monkeypatch):
    (tmp_path / "outputs" / "street" / "checkpoints").mkdir(parents=True)
    shutil.copy(MULTITASK, tmp_path / "outputs" / "street" / "checkpoints" / "best.ckpt")
    Image.new("RGB", (128, 64), "grey").save(tmp_path / "street.png")
    monkeypatch.chdir(tmp_path)
    (test,) = (found for found in doctest.DocTestFinder().find(load, "load") if found.examples)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_what_cannot_be_used_is_one_line(photos, tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "plain.ckpt")
    for path, said in (
        (tmp_path / "plain.ckpt", "is no checkpoint of mobilevision; for torchvision's weights use weights="),
        (tmp_path / "none.ckpt", "no checkpoint at"),
        (photos / "b.png", "it is a PNG image"),
        (tmp_path / "none.onnx", "no such file"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            load(path)
        assert "\n" not in str(caught.value)
    for path, said in (
        (None, r"load\(\) takes the path of a checkpoint or an exported file, not NoneType"),
        ("", r"load\(''\): not a path"),
        ("https://x.org/best.ckpt", r"load\(\) opens no address"),
        (BEFORE, "it is a folder; in it: .*multitask.ckpt, .*segment.ckpt"),
        (tmp_path / "data", "it is a folder without a checkpoint or exported file"),
    ):
        (tmp_path / "data").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=said) as caught:
            load(path)
        assert "\n" not in str(caught.value)
    for device in ("x", [], "meta"):
        with pytest.raises(UserError, match="device="):
            load(SEGMENT, device)
    with pytest.raises(UserError, match=r"device=cuda: .* runs on the CPU"):
        load(EXPORTED, "cuda")
    model = load(EXPORTED)
    with pytest.raises(UserError, match=r"model\.onnx is an exported file, which has no backbone"):
        _ = model.backbone
    (tmp_path / "broken.png").write_bytes(b"no image")
    for image, said in (
        (tmp_path / "broken.png", r"cannot read image .*broken\.png"),
        (torch.zeros(2, 3, 8, 8), "a tensor of 2×3×8×8: an image is"),
        (np.zeros((8, 8, 3)), "its values are float64"),
        (Image.new("I;16", (8, 8)), "more than 8 bits a channel"),
        (None, "not NoneType"),
    ):
        with pytest.raises(UserError, match=said):
            model.predict(image)


def test_an_exported_file_needs_no_torch(photos):
    code = (
        "import sys, tasks; light = set(sys.modules)\n"
        "print(tasks.load(sys.argv[1]).predict(sys.argv[2])['segment']['labels'].shape)\n"
        "heavy = {'torch', 'lightning', 'hydra', 'albumentations', 'cv2'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)), sorted({'numpy', 'PIL', 'tasks.app'} & light))"
    )
    command = [sys.executable, "-c", code, str(EXPORTED), str(photos / "b.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["(31, 40)", "HEAVY [] []"], done.stdout


def test_nothing_else_is_an_attribute_of_the_package():
    with pytest.raises(AttributeError, match="'tasks' has no attribute 'laod'"):
        importlib.import_module("tasks").laod  # noqa: B018
