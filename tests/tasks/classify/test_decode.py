"""data.decode=cuda in the real command, with the CPU in the place of the GPU."""

import csv

import pytest
import torch

from tasks.config.rules import decoding
from tasks.data.loading import datamodule
from tests.tasks.classify.test_command import TINY

SHORT = ("pictures=0", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=1", "trainer.log_every_n_steps=1")


@pytest.fixture
def train(command, folders, tmp_path, monkeypatch):
    def run(name, *arguments, start=(*TINY, *SHORT, "norm_start=initial")):
        root = () if any(word.startswith("resume=") for word in arguments) else (f"dataset.root={folders}",)
        words = start if root else ()
        result = command("classify", *words, *root, *arguments, f"hydra.run.dir={tmp_path / name}")
        return result, tmp_path / name

    return run


@pytest.fixture
def cpu_decodes(monkeypatch):
    monkeypatch.setattr(decoding, "lacking_here", lambda _: "")
    monkeypatch.setattr(datamodule, "DEVICES", ("cpu",))


def weights(folder):
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def losses(folder):
    rows = csv.DictReader((folder / "metrics.csv").open())
    return [float(row["train/loss"]) for row in rows if row["train/loss"]]


def test_it_trains_as_on_the_cpu_and_resumes_bit_for_bit(train, cpu_decodes):
    progressive = "data.progressive=[[16,0.3]]"
    on_device = ("data.decode=cuda", progressive, "data.workers=1")
    result, whole = train("whole", *on_device)
    assert result.status == 0, result.err
    result, here = train("here", progressive)
    assert result.status == 0, result.err
    assert losses(whole)[0] == pytest.approx(losses(here)[0], rel=1e-2)
    assert losses(whole) != losses(here), "pixels are rounded otherwise"

    result, half = train("half", *on_device, "stop_after=1")
    assert result.status == 0, result.err
    result, rest = train("rest", f"resume={half / 'checkpoints/last.ckpt'}", "pictures=0")
    assert result.status == 0, result.err
    one, two = weights(whole), weights(rest)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_statistics_are_estimated_again_from_decoded_images(train, cpu_decodes):
    result, begun = train("begun", "data.decode=cuda", "trainer.max_epochs=1")
    assert result.status == 0, result.err
    start = f"checkpoint={begun / 'checkpoints/best.ckpt'}"
    result, _ = train("again", "data.decode=cuda", start, "finetune.norms=reestimate", "trainer.max_epochs=1")
    assert result.status == 0, result.err
    assert "statistics of batch norm estimated again from 12 training images" in result.out


def test_without_a_gpu_it_is_one_line_and_scoring_does_not_ask(train):
    result, _ = train("refused", "data.decode=cuda")
    assert result.status == 2 and "error: data.decode=cuda needs CUDA: trainer.accelerator=cpu" in result.err
