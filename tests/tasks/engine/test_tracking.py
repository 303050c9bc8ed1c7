"""Loggers get the numbers of metrics.csv and metrics.json, the pictures and the configuration, under the same names."""

import csv
import importlib.util
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.engine import tracking
from tasks.engine.loggers.mlflow import as_name
from tasks.engine.loggers.needs import NEEDS, is_package
from tasks.engine.loggers.tracker import run_name
from tests.test_config import run_of

TINY = (
    "dataset=cityscapes", "backbone=mobilenet_v3_small", "backbone.width=0.35", "image_size=[32,32]", "pictures=2",
    "data.batch_size=2", "data.workers=0", "trainer.max_epochs=2", "trainer.log_every_n_steps=2",
    "trainer.check_val_every_n_epoch=1", "trainer.accelerator=cpu", "check=false",
)  # fmt: skip


@pytest.fixture
def trained(command, cityscapes, tmp_path):
    """The command with a logger, and the run's folder."""

    def go(logger, *words, folder="run", name="segment"):
        out = tmp_path / "outputs" / folder
        result = command(name, f"logger={logger}", *TINY, f"dataset.root={cityscapes}", f"hydra.run.dir={out}", *words)
        assert result.status == 0, result.err
        return result.out, out

    return go


def curves(folder):
    """The numbers of metrics.csv by name and step."""
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    return {
        (name, int(row["step"])): float(text) for row in rows for name, text in row.items() if text and name != "step"
    }


def finals(folder):
    """The numbers of metrics.json under their names in the tools."""
    scores = json.loads((folder / "metrics.json").read_text())
    return {f"final/{name}": value for name, value in scores.items() if value is not None}


def pictures(folder):
    return {f"pictures/{path.stem}" for path in (folder / "pictures").glob("*.png")}


def check_points(points, folder, step=6):
    """Whether these are the numbers of metrics.csv and metrics.json."""
    expected = curves(folder) | {(name, step): value for name, value in finals(folder).items()}
    assert {"val/mIoU", "train/loss", "train/lr", "epoch", "final/mIoU"} <= {name for name, _ in points}
    assert points == {key: pytest.approx(value, rel=1e-6) for key, value in expected.items()}


def test_tensorboard_has_it_all(trained):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out, folder = trained("tensorboard")
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    read.Reload()
    points = {(tag, event.step): event.value for tag in read.Tags()["scalars"] for event in read.Scalars(tag)}
    check_points(points, folder)
    assert set(read.Tags()["images"]) == pictures(folder) and len(pictures(folder)) == 2
    assert b"    mode: train\n" in read.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0]
    assert "_hparams_/session_start_info" in read.summary_metadata
    assert f"tensorboard --logdir {folder}" in out and len(list(folder.glob("events.out*"))) == 1
    assert not (folder / "hparams.yaml").exists()


def records(path: Path):
    """The records of a .wandb file: LevelDB's log format after seven bytes, records in blocks of 32 KiB."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        if (left := 32_768 - place % 32_768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def test_wandb_has_it_all_and_a_resumed_run_goes_on(trained, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    out, folder = trained("wandb", "logger.tags=[a]")
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    points, drawn, config, started = {}, set(), {}, None
    for record in records(file):
        if record.HasField("run"):
            started = record.run
        config |= {item.key: json.loads(item.value_json) for item in record.config.update}
        row = {tuple(item.nested_key) or (item.key,): json.loads(item.value_json) for item in record.history.item}
        step = row.pop(("trainer/global_step",), None)
        for name, *inner in row:
            if inner == ["path"]:
                drawn.add(name)
            elif not inner and not name.startswith("_"):
                points[name, step] = row[(name,)]
    check_points(points, folder)
    assert drawn == pictures(folder) and config["trainer"]["max_epochs"] == 2
    assert (started.project, started.display_name, list(started.tags)) == ("mobilevision", "outputs/run", ["a"])
    assert f"wandb sync {file.parent}" in out
    said = json.loads((folder / "logger.json").read_text())
    assert said == {"wandb": started.run_id}
    _, rest = trained("wandb", f"resume={folder}/checkpoints/last.ckpt", "trainer.max_epochs=3", folder="rest")
    assert [path.name for path in rest.glob("wandb/offline-run-*/*.wandb")] == [file.name]


def test_mlflow_has_it_all_and_a_resumed_run_goes_on(trained, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tmp_path / "store"
    out, folder = trained("mlflow", f"logger.store={store}")
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    (run_id,) = json.loads((folder / "logger.json").read_text()).values()
    run = client.get_run(run_id)

    def points():
        found = client.get_run(run_id).data.metrics
        return {
            (name, metric.step): metric.value for name in found for metric in client.get_metric_history(run_id, name)
        }

    check_points(points(), folder)
    assert (run.info.run_name, run.info.status) == ("outputs/run", "FINISHED")
    assert run.data.params["trainer.max_epochs"] == "2" and run.data.params["dataset.labels"] == "auto"
    assert {item.path for item in client.list_artifacts(run_id, "pictures")} == {
        f"{name}.png" for name in pictures(folder)
    }
    assert [item.path for item in client.list_artifacts(run_id) if not item.is_dir] == ["config.yaml"]
    assert "mlflow ui" in out and "INFO" not in out and "not found" not in out
    resume = f"resume={folder}/checkpoints/last.ckpt", "trainer.max_epochs=3", f"logger.store={store}"
    trained("mlflow", *resume, folder="rest")
    assert max(step for name, step in points() if name == "final/mIoU") == 9
    assert client.get_run(run_id).info.status == "FINISHED" and not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("target", NEEDS)
def test_a_missing_package_is_told(target, monkeypatch):
    monkeypatch.setattr("tasks.engine.loggers.needs.find_spec", lambda _name: None)
    name = target.split(".")[-2]
    with pytest.raises(UserError, match=rf'^logger={name} needs {name}: pip install "mobilevision\[{name}\]"$'):
        run_of("dataset=cityscapes", f"logger={name}")
    whole = "weights=LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1"
    assert run_of("dataset=cityscapes", f"logger={name}", "mode=evaluate", whole), "it logs nothing"


def test_a_folder_of_a_packages_name_is_no_package(monkeypatch, tmp_path):
    (tmp_path / "wandb_runs").mkdir()  # as wandb makes a folder `wandb`
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.find_spec("wandb_runs")
    assert spec is not None and not is_package(spec) and not is_package(None)
    assert is_package(importlib.util.find_spec("lightning"))


def test_needs_are_looked_up_without_torch():
    code = (
        "import sys; from tasks.engine.loggers.needs import check_logger\n"
        "check_logger({'logger': {'_target_': 'lightning.pytorch.loggers.CSVLogger'}})\n"
        "print({'torch', 'lightning', 'wandb', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("logger=wandb", "logger.mode=sideways"),
            "logger.mode=sideways is not one of online, offline, disabled, or null",
        ),
        (("logger=mlflow", "logger.store=''"), "logger.store= is not a name"),
        (("logger=wandb", "logger.tags=a"), "logger.tags=a is not a list"),
    ],
)
def test_wrong_values(words, message):
    with pytest.raises(UserError, match=f"^{message}"):
        run_of("dataset=cityscapes", *words)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"wandb": "a1b2"}', "a1b2"),
        ('{"mlflow": "a1b2"}', None),
        ('{"wandb": "../../x"}', None),
        ('{"wandb": 3}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_the_earlier_run_is_a_name_and_nothing_else(text, found, tmp_path):
    (tmp_path / "logger.json").write_text(text)
    resume, target = str(tmp_path / "checkpoints" / "last.ckpt"), "tasks.engine.loggers.wandb.Wandb"
    assert tracking.earlier_run(resume, target) == found
    assert tracking.earlier_run(None, target) is None


def test_names():
    assert run_name("/x/outputs/segment/2026-01-31") == "segment/2026-01-31"
    assert as_name("val/iou/Straße (rot), 道") == "val/iou/Straße _rot__ 道"
    assert as_name("val/iou/a//b/") == "val/iou/a/b", "MLflow refuses what is not a path's simplest form"
    folder = Path("/run")
    assert tracking.picture_name(folder / "pictures" / "detect" / "a.png", folder) == "pictures/detect/a"
    assert tracking.picture_name(folder / "curves.png", folder) == "pictures/curves"


def test_a_run_ends_as_failed_if_training_does(monkeypatch, tmp_path):
    run, ends = run_of("dataset=cityscapes", "logger=none"), []
    monkeypatch.setattr(tracking.Tracking, "close", lambda _self, failed: ends.append(failed))
    with pytest.raises(ZeroDivisionError), tracking.tracking(run, tmp_path) as tracked:
        assert list(tracked.loggers) == []
        raise ZeroDivisionError
    with tracking.tracking(run, tmp_path):
        pass
    assert ends == [True, False]


def test_a_search_writes_each_training_into_its_own_folder(tmp_path):
    spec = {"_target_": "x", "save_dir": "out/run", "store": "outputs"}
    assert tracking.placed(spec, "out/run", tmp_path) == {**spec, "save_dir": str(tmp_path)}
    assert tracking.placed({"save_dir": "elsewhere"}, "out/run", tmp_path) == {"save_dir": "elsewhere"}


@pytest.mark.parametrize("folder", ["run", "another"])
def test_a_resumed_training_keeps_the_curves_before_it(trained, folder):
    whole = curves(trained("csv", folder="whole")[1])
    _, first = trained("csv", "stop_after=1")
    before = {point: value for point, value in curves(first).items() if point[0] in ("train/loss", "val/mIoU")}
    _, out = trained("csv", f"resume={first}/checkpoints/last.ckpt", "stop_after=null", folder=folder)
    after = curves(out)
    assert len(before) > 1 and {point: after.get(point) for point in before} == before
    assert sorted(after) == sorted(whole)
    assert noted(first) == ("finished", None) if first == out else noted(first)[0] == "stopped_early"
    assert noted(out) == ("finished", None), "a resumed run forgets that it was stopped"


def noted(folder: Path) -> tuple[str, str | None]:
    record = json.loads((folder / "report" / "run.json").read_text())
    return record["state"], record["why"]
