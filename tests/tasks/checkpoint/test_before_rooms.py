"""Files made before the modules had their names of today still do their work."""

import json
import shutil

import pytest
import torch

from tests.conftest import write_cityscapes
from tests.tasks.app.test_load import EXPORTED, SEGMENT

QUIET = ("trainer.accelerator=cpu", "data.workers=0", "pictures=0", "cpu.keep_freed_memory=false")


@pytest.fixture
def scored(command, tmp_path):
    """mode=evaluate with some more arguments: its scores, without the time."""
    root = write_cityscapes(tmp_path / "cityscapes", train=8, val=4, size=(64, 128))

    def evaluate(*arguments):
        folder = tmp_path / "evaluated"
        data = ("dataset=cityscapes", f"dataset.root={root}", f"hydra.run.dir={folder}", "overwrite=true")
        done = command("segment", "mode=evaluate", *data, *arguments, *QUIET)
        assert done.status == 0, done.err
        scores = json.loads((folder / "metrics.json").read_text())
        return {name: score for name, score in scores.items() if name != "seconds"}

    return evaluate


def test_checkpoint_and_exported_file_score_the_same(scored, reads):
    scores = scored(f"checkpoint={SEGMENT}")
    assert reads == [SEGMENT]
    assert scores == scored(f"model={EXPORTED}") and scores["images"] == 4 and scores["mIoU"] > 0
    view = ("+data.fit._target_=tasks.data.letterbox.Stretch", "+data.fit.size=[64,128]")  # the class's name of then
    assert scored(f"checkpoint={SEGMENT}", *view) == scores


def test_a_training_goes_on(command, tmp_path, reads):
    root = write_cityscapes(tmp_path / "cityscapes", train=8, val=4, size=(64, 128))
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    shutil.copy(SEGMENT, last)
    before = torch.load(last, weights_only=True)
    arguments = (
        "dataset=cityscapes",
        f"dataset.root={root}",
        "trainer.max_epochs=3",
        f"hydra.run.dir={tmp_path / 'on'}",
    )
    done = command("segment", f"resume={last}", *arguments, *QUIET)
    assert done.status == 0, done.err
    assert reads[1:] == [last, tmp_path / "on" / "checkpoints" / "best.ckpt"]  # after this test's own
    after = torch.load(tmp_path / "on" / "checkpoints" / "last.ckpt", weights_only=True)
    assert (before["epoch"], after["epoch"]) == (1, 2)
    assert after["mobilevision"]["config"]["scheduler"]["_target_"].startswith("tasks.engine.schedules.")
    assert before["mobilevision"]["config"]["scheduler"]["_target_"].startswith("tasks.schedules.")
