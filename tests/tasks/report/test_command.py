"""The command of a run's page: what a person can paste and get the same run."""

import shlex

import pytest
import yaml

from tasks.common.plugins import FOLDER
from tasks.report.collect import collect


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with an own option, where commands are typed."""
    (tmp_path / "options" / "backbone").mkdir(parents=True)
    text = "_target_: backbones.mobilenet_v3.MobileNetV3\nsize: small\nwidth: 0.35\n"
    (tmp_path / "options" / "backbone" / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER, "")  # what the command names is forgotten
    return tmp_path


def test_the_command_on_the_page_gives_the_same_run(own, command, cityscapes, monkeypatch):
    words = (
        "--config-dir",
        "options",
        "backbone=mine",
        "dataset=cityscapes",
        f"dataset.root={cityscapes}",
        "recipe=none",
    )
    tiny = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "data.workers=0", "data.batch_size=3", "pictures=0")
    done = command("segment", *words, *tiny, "overwrite=true", "hydra.run.dir=outputs/mine")
    assert done.status == 0, done.err
    run = collect(own / "outputs" / "mine")["run"]
    assert run["typed_folder"] == "hydra.run.dir=outputs/mine"
    python, _, program, *again = shlex.split(run["command"])
    assert (python, program) == ("python", "tasks.segment") and again[:2] == ["--config-dir", "options"]
    assert not any(word.startswith(("overwrite", "hydra.run.dir")) for word in again), "it has a folder of its own"
    monkeypatch.setenv(FOLDER, "")
    done = command("segment", *again, "--cfg", "job")
    assert done.status == 0, done.err
    first, second = yaml.safe_load((own / "outputs/mine/.hydra/config.yaml").read_text()), yaml.safe_load(done.out)
    assert first | {"overwrite": False} == second


def test_folders_of_options_elsewhere_keep_their_whole_path(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "config.yaml").touch()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[seed=1]")
    sources = [{"provider": "main", "path": "/a/conf"}, {"provider": "--config-dir", "path": "/elsewhere/my options"}]
    record = {"job": {"name": "segment"}, "runtime": {"cwd": "/a", "config_sources": sources}}
    (tmp_path / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": record}))
    run = collect(tmp_path)["run"]
    assert run["command"] == "python -m tasks.segment --config-dir '/elsewhere/my options' seed=1"
    assert run["typed_folder"] is None
