"""data.decode=cuda in the real command, with the CPU in the place of the GPU."""

import pytest
import torch

from tasks.config.rules import decoding
from tasks.data.loading import datamodule
from tests.tasks.classify.test_command import TINY

SHORT = (
    "pictures=0",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=1",
    "trainer.log_every_n_steps=1",
    "norm_start=initial",
    "data.augment.policy=null",
)


@pytest.fixture
def train(command, folders, tmp_path, monkeypatch):
    def run(name, *arguments):
        resumed = arguments[0].startswith("resume=")
        begin = () if resumed else (*TINY, *SHORT, f"dataset.root={folders}")
        result = command("classify", *begin, *arguments, f"hydra.run.dir={tmp_path / name}")
        return result, tmp_path / name

    return run


@pytest.fixture
def cpu_decodes(monkeypatch):
    monkeypatch.setattr(decoding, "lacking_here", lambda _: "")
    monkeypatch.setattr(datamodule, "DEVICES", ("cpu",))


def weights(folder):
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_it_trains_and_resumes_bit_for_bit(train, cpu_decodes):
    on_device = ("data.decode=cuda", "data.progressive=[[16,0.3]]")
    result, whole = train("whole", *on_device)
    assert result.status == 0, result.err
    result, half = train("half", *on_device, "stop_after=1")
    assert result.status == 0, result.err
    result, rest = train("rest", f"resume={half / 'checkpoints/last.ckpt'}", "pictures=0")
    assert result.status == 0, result.err
    one, two = weights(whole), weights(rest)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_statistics_are_estimated_again_from_decoded_images(train, cpu_decodes, monkeypatch):
    result, begun = train("begun", "data.decode=cuda", "trainer.max_epochs=1")
    assert result.status == 0, result.err
    start = f"checkpoint={begun / 'checkpoints/best.ckpt'}"
    result, _ = train("again", "data.decode=cuda", start, "finetune.norms=reestimate", "trainer.max_epochs=1")
    assert result.status == 0, result.err
    assert "statistics of batch norm estimated again from 12 training images" in result.out
    monkeypatch.setattr(decoding, "lacking_here", lambda _: "no GPU")
    monkeypatch.setattr(datamodule, "DEVICES", ("cuda",))
    result, _ = train("scored", "mode=evaluate", start)
    assert result.status == 0, "scoring asks for none: " + result.err


def test_without_a_gpu_it_is_one_line(train):
    result, _ = train("refused", "data.decode=cuda")
    assert result.status == 2 and "error: data.decode=cuda needs CUDA: trainer.accelerator=cpu" in result.err
