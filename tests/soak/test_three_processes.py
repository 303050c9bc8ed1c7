"""Three processes (gloo), resumed: bit for bit with ddp_find_unused_parameters_true, but not with ddp.

`pytest -m soak tests/soak/test_three_processes.py` (minutes).
"""

from pathlib import Path

import pytest

from tests.conftest import write_folders
from tests.tasks.app.test_distributed import run
from tests.tasks.classify.test_command import TINY
from tests.tasks.segment.test_command import assert_same, state

SHORT = ("data.repeat=4", "trainer.max_epochs=2", "pictures=0")
PARTS = ("state_dict", "current_model_state", "optimizer_states")
THREE = ("trainer.accelerator=cpu", "trainer.devices=3")

pytestmark = pytest.mark.soak


@pytest.mark.parametrize(("strategy", "same"), [("ddp_find_unused_parameters_true", True), ("ddp", False)])
def test_three_processes_resumed(strategy: str, same: bool, tmp_path: Path) -> None:
    more = (f"dataset.root={write_folders(tmp_path / 'folders')}", *SHORT)
    how = (*THREE, f"trainer.strategy={strategy}")
    whole, begun, rest = (tmp_path / name for name in ("whole", "begun", "rest"))
    run("classify", *TINY, *more, *how, f"hydra.run.dir={whole}")
    run("classify", *TINY, *more, *how, "stop_after=1", f"hydra.run.dir={begun}")
    run("classify", f"resume={begun / 'checkpoints/last.ckpt'}", *how, f"hydra.run.dir={rest}")
    one, other = (state(folder / "checkpoints/last.ckpt") for folder in (whole, rest))
    if same:
        for part in PARTS:
            assert_same(one[part], other[part], part)
        return
    with pytest.raises(AssertionError):  # else the sentence in docs/nodes.md is out of date
        assert_same(one["state_dict"], other["state_dict"])
