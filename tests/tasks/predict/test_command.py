"""python -m tasks.predict: an exported file without PyTorch, a checkpoint by the command of its task."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tasks.app.test_load import EXPORTED, SEGMENT

ROOT = Path(__file__).parents[3]


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def run(*arguments: str, cwd: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {before}\n"
        f"sys.argv[0] = 'mobilevision'; import mobilevision; mobilevision.main()"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code, "predict", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_a_file_needs_numpy_pillow_and_its_runtime_alone(photo, tmp_path):
    hidden = ("torch", "hydra", "omegaconf", "lightning", "cv2", "scipy", "rich", "yaml", "albumentations", "onnx")
    before = f"sys.modules.update(dict.fromkeys({hidden!r}))"
    done = run(f"model={EXPORTED}", f"input={photo}", "output=out", "threads=1", cwd=tmp_path, before=before)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader((tmp_path / "out" / "index.csv").open())
    assert row["status"] == "ok" and Image.open(tmp_path / row["labels"]).size == (30, 40)
    again = run(f"model={EXPORTED}", f"input={photo}", "output=out", cwd=tmp_path)
    assert again.returncode == 2 and "output=out exists and is not empty: name a new folder" in again.stderr


def test_a_checkpoint_goes_to_the_command_of_its_task(photo, tmp_path):
    done = run(f"checkpoint={SEGMENT}", f"input={photo}", "hydra.run.dir=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["modle=x"], "modle=x: not one of model=…, input=…, output=…, threads=…, or checkpoint=… with any key"),
        (["modle=x"], "with any key of its task (did you mean model=…?)"),
        (["chekpoint=x"], "(did you mean checkpoint=…?)"),
        (["x.onnx"], "x.onnx: not one of model=…"),
        (["input=a.png"], "model=… is missing: model=<exported file> or checkpoint=<best.ckpt>"),
        (["model=x.onnx"], "input=… is missing: input=<image, folder, glob, list or video>"),
        (["model=x.onnx", "input=a.png", "threads=0"], "threads=0: a whole number from 1 to 1,024"),
        (["model=x.onnx", "input=a.png", "threads=99999"], "threads=99999: a whole number from 1 to 1,024"),
        (["model=x.onnx", "input=a.png", "model=y"], "model=y: model is given twice"),
        (["model=x.onnx", "input=nothing"], "nothing"),
        (["checkpoint=none.ckpt", "input=a.png"], "no checkpoint at none.ckpt"),
    ],
)
def test_mistakes_are_one_line(monkeypatch, capsys, photo, tmp_path, arguments, message):
    from tasks.predict.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["predict", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.startswith("error: ") and message in said and said.count("\n") == 1
