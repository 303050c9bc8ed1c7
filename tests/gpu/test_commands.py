"""Every task's commands on the device, in fp32 and bf16: training, resuming, scoring, predicting, exporting."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.app.load import load
from tests.gpu.tiny import TASKS, on, written

PRECISIONS = ("32-true", "bf16-mixed")
LEARNS = ("data.repeat=4", "trainer.log_every_n_steps=1", "trainer.gradient_clip_val=5")


def scores(folder: Path) -> dict[str, float]:
    found = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in found.items() if value is not None and name != "seconds"}


def close(one: dict[str, float], other: dict[str, float], within: float) -> None:
    assert one.keys() == other.keys()
    far = {name: abs(one[name] - other[name]) for name in one}
    assert max(far.values()) <= within, {name: distance for name, distance in far.items() if distance > within}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("task", TASKS)
def test_the_commands_of_a_task(device, exact_float32, command, tmp_path, task, precision):
    data, on_device = written(task, tmp_path), f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}"
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)).save(photo)

    def run(folder: str, *arguments: str) -> Path:
        result = command(task, *arguments, f"hydra.run.dir={tmp_path / folder}")
        assert result.status == 0, result.err
        return tmp_path / folder

    begun = run("begun", *on(device, data), *LEARNS, f"trainer.precision={precision}", "stop_after=1")
    rest = run("rest", f"resume={begun / 'checkpoints/last.ckpt'}", on_device)
    best, last = (rest / "checkpoints" / name for name in ("best.ckpt", "last.ckpt"))
    saved = torch.load(last, weights_only=True, map_location="cpu")
    assert all(weight.isfinite().all() for weight in saved["state_dict"].values() if weight.is_floating_point())
    groups = saved["optimizer_states"][0]["param_groups"]
    assert all(bool(group["fused"]) == (device == "cuda") for group in groups), "one kernel on CUDA, a loop elsewhere"

    same = ("mode=evaluate", f"checkpoint={best}", "trainer.precision=32-true")
    there, here = run("there", *same, on_device), run("here", *same, "trainer.accelerator=cpu")
    close(scores(there), scores(here), 1e-3)

    run("predicted", "mode=predict", f"checkpoint={best}", f"input={photo}", on_device)
    rows = list(csv.DictReader((tmp_path / "predicted/index.csv").open()))
    assert [row["image"] for row in rows] == [str(photo)]
    exported = run("exported", "mode=export", f"checkpoint={best}", "export.images=2", on_device)
    assert list(exported.rglob("model.onnx")), "its gate has compared file and checkpoint"


@pytest.mark.parametrize("task", TASKS)
def test_the_first_losses_are_the_cpus(device, exact_float32, command, tmp_path, task):
    data, losses = written(task, tmp_path), []
    for place in (device, "cpu"):
        folder = tmp_path / f"on_{place}_{len(losses)}"
        result = command(task, *on(place, data), *LEARNS, "stop_after=1", f"hydra.run.dir={folder}")
        assert result.status == 0, result.err
        rows = [row for row in csv.DictReader((folder / "metrics.csv").open()) if row["train/loss"]]
        losses.append([float(row["train/loss"]) for row in rows][:3])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_predictions_from_python_are_the_cpus(device, exact_float32, command, tmp_path, task):
    data = written(task, tmp_path)
    result = command(task, *on("cpu", data), "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    photo = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    there, here = (load(tmp_path / "run/checkpoints/best.ckpt", place).predict(photo) for place in (device, "cpu"))
    assert there.keys() == here.keys()
    for name, found in here.items():
        for kind, values in found.items():
            other = there[name][kind]
            if np.issubdtype(np.asarray(values).dtype, np.floating):
                assert np.asarray(other) == pytest.approx(np.asarray(values), abs=1e-2, rel=1e-3), (name, kind)
            else:
                assert np.mean(np.asarray(other) == np.asarray(values)) > 0.99, (name, kind)


@pytest.mark.parametrize(("task", "asked"), [("segment", "true"), ("classify", "true"), ("classify", "graphs")])
def test_compiled_steps(device, command, tmp_path, task, asked):
    if device == "cpu":
        pytest.skip("tests/tasks/engine/test_compiled.py does this on the CPU")
    arguments = (*on(device, written(task, tmp_path)), *LEARNS, "norm_start=initial", "trainer.precision=bf16-mixed")
    result = command(task, *arguments, f"compile={asked}", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    assert "compile   from step 1 on" in result.out
    names = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert names and not any("_orig_mod" in name for name in names)
