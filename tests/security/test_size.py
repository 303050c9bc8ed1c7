"""A few bytes in a file, or a slip of the pen, take no memory: sizes are told before anything is built."""

import pytest
import torch

from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.common.errors import UserError
from tasks.config.stored import rebuilt
from tasks.data.streets.dataset import Streets
from tasks.engine.settings import LearnerSettings
from tests.security.conftest import put

ROW = {"kernel": 3, "expanded": 16384, "out": 16384, "excite": 0, "act": "relu", "stride": 1}
STRIDES = [ROW | {"stride": 2, "expanded": 16, "out": 16}] * 4
TABLE = {"format": 1, "stem": 16, "blocks": [*STRIDES, *[ROW] * 8], "last": 16, "hidden": None, "act": "relu"}
CASES = {
    "width": ("backbone.width", 1000, r"backbone\.width=1000: [\d,]{12,} parameters"),
    "rows": (
        "backbone",
        {"_target_": "backbones.table.TableBackbone", "table": TABLE, "output_stride": 32},
        r"the network: [\d,]{12,} parameters",
    ),
    "head": ("head.hidden", 10**9, r"sent\.ckpt: head\.hidden=1000000000 is not a whole number"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_without_end_is_refused(sound, tmp_path, name):
    from tasks.engine.build import build

    key, value, said = CASES[name]
    checkpoint = sound("segment")
    put(checkpoint["mobilevision"]["config"], key, value)["confirm"] = True  # which only a user may say
    torch.save(checkpoint, tmp_path / "sent.ckpt")
    with pytest.raises(UserError, match=said):
        tree = rebuilt(open_checkpoint(tmp_path / "sent.ckpt", "segment")["mobilevision"], "sent.ckpt")
        build(LearnerSettings.of(tree), Streets.classes)
