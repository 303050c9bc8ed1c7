"""The proof of quantisation-aware training: the network that rounds computes what the int8 file computes."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from backbones.mobilenet_v3_variants import MobileNetV3
from backbones.table import table_of
from tasks.data.streets.dataset import Streets
from tasks.deploy.network import trace
from tasks.deploy.quantise.plan import open_quantiser
from tasks.deploy.quantise.quantiser import Seen
from tasks.deploy.quantise.trained_ranges import TrainedRange, adopt, trained_ranges
from tasks.deploy.runners.opening import open_runner
from tasks.engine.build import build
from tasks.engine.rounding.attach import attach
from tasks.engine.rounding.rounding import calibrate
from tasks.engine.rounding.settings import RoundingSettings
from tests.tasks.deploy.conftest import SIZE, enliven, noise, settings, ship

pytest.importorskip("torchao")
NEEDS = {"onnx": "onnxruntime", "openvino": "nncf", "litert": "litert_torch"}


def test_ranges_go_to_the_tensors_that_hold_the_same():
    class Two:
        first, given = np.zeros((1, 3, 4, 4), np.uint8), {}

        def seen(self):
            return {"a": Seen(0.0, 2.0, 1.0), "b": Seen(0.0, 2.0, 1.5), "c": Seen(-1.0, 2.0, 1.0)}

        def set_range(self, name, low, high):
            self.given[name] = (low, high)

    one, other = TrainedRange(0.0, 1.9, Seen(0.0, 2.0001, 1.0)), TrainedRange(-1.0, 1.0, Seen(-1.0, 2.0, 0.5))
    assert adopt(Two(), lambda images: [one, other]) == (1, 3)
    assert Two.given == {"a": (0.0, 1.9)}


def values(learner, images):
    (logits,) = learner(images).values()
    return logits.numpy()


def shallow(form):
    """Four of V3-Small's blocks: where a sum lies between two steps, one may round up, and more blocks spread it."""
    made = settings("heads=[classify]", f"export.format={form}")
    table = table_of(MobileNetV3(size="small", width=0.5).plan)
    table["blocks"] = [table["blocks"][number] for number in (0, 1, 3, 8)]
    spec = {"_target_": "backbones.table.TableBackbone", "table": table}
    torch.manual_seed(0)
    return enliven(build(replace(made.run.learner, backbone=spec), Streets.classes)), made


@torch.no_grad()
@pytest.mark.parametrize(("form", "share"), [("litert", 0.35), ("onnx", 0.55), ("openvino", 0.5)])
def test_a_network_that_rounds_computes_what_its_file_computes(tmp_path, form, share):
    pytest.importorskip(NEEDS[form])
    learner, made = shallow(form)
    calibration, images = noise(16), noise(8, seed=5)
    traced = trace(learner, batch=1, size=SIZE, layout="NCHW")
    file = ship(tmp_path, learner, made.export, traced)
    exact = values(learner, images)
    rounding = attach(learner, RoundingSettings(form, 16))
    calibrate(learner.eval(), rounding, [calibration[:8], calibration[8:]])
    ours = values(learner, images)
    learner.rounding = None
    quantiser = open_quantiser(tmp_path / file.manifest["file"], [each.numpy()[None] for each in calibration])
    count, total = adopt(quantiser, partial(trained_ranges, learner, rounding))
    assert count >= len(rounding.tensors), f"{count} of {total} tensors: every rounded result is in the file"
    target = tmp_path / f"int8{(tmp_path / file.manifest['file']).suffix}"
    quantiser.write(target)
    runner = open_runner(target, file.manifest, threads=1)
    theirs = np.concatenate([runner.run(image[None].numpy())["logits"] for image in images])
    loss, apart = (float(np.sqrt(np.mean((one - theirs) ** 2))) for one in (exact, ours))
    assert 0 < apart < share * loss, (
        f"of int8's own error {loss:.4f}, {apart / loss:.2f} is not what the network imitates"
    )
