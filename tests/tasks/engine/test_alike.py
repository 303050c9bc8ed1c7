"""Processes that were started otherwise are named before the first step, instead of training or waiting for ever."""

from types import SimpleNamespace

import pytest
import torch

from tasks.common.errors import UserError
from tasks.engine.alike import StartedAlike, code, difference


def test_the_first_entry_that_differs_is_named():
    whole = {"optimizer.lr": "0.1", "training images": "12"}
    assert not difference([whole, dict(whole), dict(whole)])
    message = difference([whole, whole, whole | {"training images": "11"}])
    assert message.startswith("rank 2 of 3 was not started as rank 0: training images is 11, not 12: give all the same")
    assert "backbone.se is 1, not there" in difference([whole, whole | {"backbone.se": "1"}])
    assert "optimizer.lr is not there, not 0.1" in difference([whole, {"training images": "12"}])


def test_all_processes_refuse(monkeypatch):
    def gathered(parts, mine):
        parts[:] = [{"seed": "0"} | code(), mine]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gathered)
    trainer = SimpleNamespace(world_size=2)
    StartedAlike({"seed": "0"}).setup(trainer, None, "fit")
    with pytest.raises(UserError, match="rank 1 of 2 was not started as rank 0: seed is 1, not 0"):
        StartedAlike({"seed": "1"}).setup(trainer, None, "fit")
    StartedAlike({"seed": "1"}).setup(SimpleNamespace(world_size=1), None, "fit")


def test_another_state_of_the_code_is_named(tmp_path):
    """A machine whose working copy was not updated has the same version."""
    for machine in ("a", "b"):
        for room in ("backbones", "heads", "tasks"):
            (tmp_path / machine / room / "part").mkdir(parents=True)
            (tmp_path / machine / room / "part" / "loss.py").write_bytes(b"SCALE = 1\n")
    a, b = tmp_path / "a", tmp_path / "b"
    assert code(a) == code(b) and len(code(a)) == 3
    (b / "tasks" / "part" / "loss.py").write_bytes(b"SCALE = 1\r\n")  # a checkout on Windows
    assert code(a) == code(b)
    (b / "tasks" / "part" / "loss.py").write_bytes(b"SCALE = 2\n")
    assert "rank 1 of 2 was not started as rank 0: code of tasks/part/loss.py is " in difference([code(a), code(b)])
    (b / "tasks" / ".#train.py").symlink_to("somebody@machine.1")  # an editor's lock: a link to nothing
    (b / "tasks" / "part" / "loss.py").write_bytes(b"SCALE = 1\n")
    assert code(a) == code(b)
    assert {"code of tasks/engine/alike.py", "code of backbones/base.py", "code of heads/boxes.py"} <= {*code()}
