"""JPEG files decoded on the device: pixels near the CPU's, and a training that resumes."""

import pytest
import torch

from tasks.config.rules import decoding
from tasks.data.files.files import LabelledFiles
from tasks.data.loading import datamodule
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.on_device import Decoder
from tasks.data.loading.samplers import TrainBatches
from tasks.data.loading.undecoded import UndecodedTrainDataset
from tasks.data.transforms.crop import RandomResizedCrop
from tests.gpu.tiny import on, written
from tests.tasks.data.loading.test_on_device import LEFT, write_pictures

MEAN = 2.0  # grey levels: nvJPEG repeats the colours of 4:2:0 where libjpeg interpolates them


@pytest.fixture
def decodes(device, monkeypatch):
    if device == "cpu":
        monkeypatch.setattr(decoding, "lacking_here", lambda _: "")
        monkeypatch.setattr(datamodule, "DEVICES", ("cpu",))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_near_the_cpus(device, tmp_path, capsys, interpolation):
    write_pictures(tmp_path)
    files, crop = LabelledFiles(tmp_path, LEFT, range(len(LEFT))), RandomResizedCrop(40, interpolation=interpolation)
    draws = [draw for one in TrainBatches(len(files), 5, seed=0, repeat=4) for draw in one]
    here, left = TrainDataset(files, (), crop)[draws], UndecodedTrainDataset(files, crop)[draws]
    there = Decoder()(left, torch.device(device))["image"]
    assert there.device.type == device and there.is_contiguous(memory_format=torch.channels_last)
    far = (there.cpu().int() - here["image"].int()).abs().float()
    worst = dict.fromkeys(LEFT, 0.0)
    for name, distance in zip(here["name"], far.flatten(1).mean(1).tolist(), strict=True):
        worst[name] = max(worst[name], distance)
    assert max(worst.values()) <= MEAN, worst
    assert "the device refuses" not in capsys.readouterr().out


def test_a_training_resumes(device, decodes, command, tmp_path):
    own = ("data.decode=cuda", "data.augment.policy=null", "norm_start=initial", "data.workers=1")
    begun, data = tmp_path / "begun", on(device, written("classify", tmp_path))
    result = command("classify", *data, *own, "stop_after=1", f"hydra.run.dir={begun}")
    assert result.status == 0 and "the device refuses" not in result.out, result.err
    rest = tmp_path / "rest"
    result = command("classify", f"resume={begun / 'checkpoints/last.ckpt'}", "pictures=0", f"hydra.run.dir={rest}")
    assert result.status == 0, result.err
    saved = torch.load(rest / "checkpoints/last.ckpt", weights_only=True, map_location="cpu")["state_dict"]
    assert all(weight.isfinite().all() for weight in saved.values() if weight.is_floating_point())
