"""What a command says of a run that the system ended, and how a training goes on."""

import pytest
from omegaconf import OmegaConf

from tasks.app.cli import explain_run, how_to_resume
from tasks.common.errors import Diverged, UserError, visible


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "data.batch_size"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed. "), "data worker 3 was ended"),
        (OSError(30, "Read-only file system", "/a/metrics.csv"), "/a/metrics.csv"),
    ],
)
def test_the_system_is_one_line(error, words):
    said = explain_run(error)
    assert words in said and "\n" not in said


def test_a_fault_of_ours_is_not_explained():
    assert explain_run(RuntimeError("shape mismatch")) == ""


def test_how_a_training_goes_on(tmp_path):
    train, error = OmegaConf.create({"mode": "train"}), UserError("cannot read image a.png: no such file")
    assert how_to_resume(train, tmp_path, error) == ""
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert how_to_resume(train, tmp_path, error) == f"; go on with resume={last}"
    assert how_to_resume(OmegaConf.create({"mode": "evaluate"}), tmp_path, error) == ""
    assert how_to_resume(train, tmp_path, Diverged("it ran away")) == ""
    assert how_to_resume(train, tmp_path, UserError("… resume=this")) == ""
    (tmp_path / "training.json").touch()
    assert how_to_resume(train, tmp_path, error) == "", "it was done"


def test_a_message_has_no_characters_that_a_terminal_obeys():
    assert visible("a \x1b]0;title\x07 b\r\u202e\x9b — …\nnext") == "a \\x1b]0;title\\x07 b\\r\\u202e\\x9b — …\nnext"
    assert visible("\ud800") == "\\ud800"
