"""mode=predict with an exported file leaves what it leaves with the checkpoint, without PyTorch."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from backbones.mobilenet_v3 import MobileNetV3
from tasks.common.errors import UserError
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy import predicting as shipped
from tasks.deploy.model import Model
from tasks.deploy.runners.runner import Runner
from tasks.engine.learner import Learner
from tasks.predict import checkpoint as predicting
from tasks.predict.photos import predict_each
from tasks.predict.settings import Frames
from tests.tasks.deploy.brightness import write_folder
from tests.tasks.predict.test_overlays import make

ROOT = Path(__file__).parents[3]
SIZE = (64, 128)


class InMemory(Runner):
    """A learner as if it were its exported file."""

    def __init__(self, learner, form):
        self.learner, self.form, self.names, self.shape = learner, form, [], (1, 3, *SIZE)

    @torch.inference_mode()
    def of_batch(self, images):
        outputs = self.learner(torch.from_numpy(images))
        return {
            f"{name}_{role}": tensor.numpy()
            for name, task in self.learner.each_task()
            for role, tensor in task.tensors(outputs[name], SIZE, self.form).items()
        }


def in_memory(learner, form):
    """The learner as a model of an exported file."""
    runner = InMemory(learner, form)
    roles = {name: [] for name in learner.tasks}
    for output in runner.of_batch(np.zeros((1, 3, *SIZE), np.uint8)):
        roles[output.partition("_")[0]].append(output)
    tasks = {
        name: {"outputs": {output.partition("_")[2]: output for output in roles[name]}, **task.recipe(SIZE)}
        for name, task in learner.each_task()
    }
    takes = {"height": SIZE[0], "width": SIZE[1], "upright": False, "resize": Stretch(SIZE).rule()}
    return Model(runner, json.loads(json.dumps({"input": takes, "tasks": tasks})))


@pytest.fixture
def learner():
    torch.manual_seed(0)
    backbone = MobileNetV3(size="small", width=0.35)
    learner = Learner(backbone, make(backbone.features).values()).eval()
    for row in learner.task("detect").head.classes:
        torch.nn.init.normal_(row.classify.bias)  # scores that no rounding puts into another order
        torch.nn.init.normal_(row.classify.weight)
    return learner


@pytest.fixture
def photos(tmp_path):
    """Two photos of the same name in different folders, and one that is none."""
    generator = np.random.default_rng(0)
    for folder, (height, width) in (("one", (150, 430)), ("two", (70, 64))):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        image = generator.integers(0, 255, (height, width, 3)).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "photos" / folder / "a.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no image")
    return sorted((tmp_path / "photos").rglob("*.png"))


def left(folder):
    """The index and all files of a folder, by their paths in it."""
    files = {path.relative_to(folder): path for path in folder.rglob("*.*")}
    rows = list(csv.DictReader(files.pop(Path("index.csv")).open()))
    return [{key: value.replace(str(folder), "") for key, value in row.items()} for row in rows], files


def table(path):
    """Boxes (K, 6): two may change places whose scores are equal but for their rounding."""
    return np.array([[entry["category_id"], *entry["bbox"], entry["score"]] for entry in json.loads(path.read_text())])


@pytest.mark.parametrize("form", ["raw", "decoded"])
def test_the_same_is_left_as_of_the_checkpoint(learner, photos, tmp_path, monkeypatch, capsys, form):
    folders = [tmp_path / "checkpoint", tmp_path / "file"]
    for folder in folders:
        folder.mkdir()
    predict_each(
        photos,
        lambda image, name: predicting.predict_one(learner, image, Stretch(SIZE), folders[0], name),
        folders[0],
        upright=False,
    )
    said = capsys.readouterr().out
    monkeypatch.setattr(shipped, "open_model", lambda _path, _threads: in_memory(learner, form))
    shipped.predict("model.onnx", photos, folders[1])
    note, _, same = capsys.readouterr().out.partition("\n")
    assert same == said.replace(str(folders[0]), str(folders[1]))
    assert note.startswith("boxes     drawn and counted from a score of 0.3 on, a default")
    assert "skipped: cannot read image" in said and "2 images predicted, 1 skipped" in said
    (rows, files), (other_rows, others) = map(left, folders)
    assert rows == other_rows and files.keys() == others.keys() and len(files) == 6
    assert {row["status"] for row in rows} == {"ok", "skipped"}
    for name, path in files.items():
        if path.suffix == ".json":
            near = (np.abs(table(path)[:, None] - table(others[name])) < 0.011).all(2)
            assert len(near) > 100 and near.any(0).all() and near.any(1).all()
            continue
        ours, theirs = (np.asarray(Image.open(file)).astype(int) for file in (path, others[name]))
        # A line may be drawn a pixel beside; labels that are decoded already are enlarged pixel by pixel.
        limits = {"labels": 0, "overlays": 0.02} if form == "raw" else {"labels": 0.3, "overlays": 0.5}
        assert (ours != theirs).mean() <= limits[name.parts[0]], name


def test_a_photo_that_the_file_refuses_is_named(learner, photos, tmp_path, monkeypatch):
    model = in_memory(learner, "raw")
    model.manifest["input"]["resize"] = {"rule": "none"}
    monkeypatch.setattr(shipped, "open_model", lambda _path, _threads: model)
    with pytest.raises(UserError, match=r"one/a\.png: it is 150×430 pixels, and the file takes 64×128"):
        shipped.predict("model.onnx", photos, tmp_path)


@pytest.mark.parametrize(("typed", "of_file", "seen"), [(None, True, True), (None, False, False), (False, True, False)])
def test_a_photo_is_turned_as_for_the_file_unless_that_is_typed(tmp_path, monkeypatch, typed, of_file, seen):
    takes = {"upright": of_file, "height": 8, "width": 8, "resize": {"rule": "none"}}
    asked = {}
    model = SimpleNamespace(manifest={"input": takes, "tasks": {}})
    monkeypatch.setattr(shipped, "open_model", lambda _path, _threads: model)
    monkeypatch.setattr(shipped, "predict_all", lambda *_, **given: asked.update(given))
    shipped.predict("model.onnx", [], tmp_path, upright=typed)
    assert asked == {"upright": seen, "white": None, "which": Frames()}


def test_nothing_readable_is_a_mistake(learner, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "open_model", lambda _path, _threads: in_memory(learner, "raw"))
    with pytest.raises(UserError, match="none of the 1 files could be read"):
        shipped.predict("model.onnx", [path for path in photos if path.name == "broken.png"], tmp_path)


def test_no_torch_is_imported(photos, tmp_path):
    write_folder(tmp_path / "export")
    code = (
        "import sys; from pathlib import Path\n"
        "from tasks.deploy.predicting import predict\n"
        "model, folder, *images = sys.argv[1:]\n"
        "predict(model, [Path(image) for image in images], Path(folder), threads=1)\n"
        "heavy = {'torch', 'torchvision', 'lightning', 'hydra', 'albumentations', 'cv2'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    arguments = [str(path) for path in (tmp_path / "export" / "model.onnx", tmp_path, *photos)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "HEAVY []" in done.stdout and "2 images predicted" in done.stdout, done.stdout + done.stderr
    rows, _ = left(tmp_path)
    assert [row.get("name1") for row in rows] == ["", "bright", "bright"]
