"""What trained a checkpoint, without PyTorch: right for ours, nothing for other files, and nothing is executed."""

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.peek import Trained, check_task, trained_by
from tasks.checkpoint.published import published_bytes
from tasks.common.errors import UserError
from tests.tasks.app.test_load import MULTITASK, ROOT, SEGMENT


def test_ours(tmp_path):
    assert trained_by(SEGMENT) == Trained("segment", ("segment",))
    assert trained_by(MULTITASK) == Trained("multitask", ("segment", "detect", "classify"))
    checkpoint = read_ours(SEGMENT)
    (tmp_path / "model.safetensors").write_bytes(published_bytes(checkpoint["mobilevision"], checkpoint["state_dict"]))
    assert trained_by(tmp_path) == trained_by(tmp_path / "model.safetensors") == trained_by(SEGMENT)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


def pickled(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", content)
    return path


def test_other_files_are_none_and_execute_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = {"mobilevision": {"task": "segment", "tasks": {"segment": 1}, "config": Evil()}}
    assert trained_by(pickled(tmp_path / "a.ckpt", pickle.dumps(ours))) == Trained("segment", ("segment",))
    ours["mobilevision"]["task"] = Evil()
    assert trained_by(pickled(tmp_path / "b.ckpt", pickle.dumps(ours))) is None
    assert not Path("touched").exists()
    torch.save({"weight": torch.zeros(2)}, "plain.ckpt")
    Path("empty.ckpt").touch()
    Path("model.safetensors").write_bytes(b"\xff" * 20)
    large = pickled(tmp_path / "large.ckpt", pickle.dumps([{"mobilevision": 1}, "x" * (1 << 20)]))
    for path in ("plain.ckpt", "empty.ckpt", "none.ckpt", "model.safetensors", ".", "a\0", large):
        assert trained_by(path) is None, path


@pytest.mark.parametrize("command", ["segment", "detect", "classify", "multitask"])
def test_which_command_can_use_which(command):
    check_task("a.ckpt", command, "multitask", ["segment", "detect", "classify"])
    check_task("a.ckpt", command, command, [command])
    if command not in ("segment", "multitask"):
        with pytest.raises(UserError, match=f"a.ckpt was trained by tasks.segment, not tasks.{command}: use python -m"):
            check_task("a.ckpt", command, "segment", ["segment"])


def test_a_checkpoint_of_another_task_is_refused_before_torch_is_imported(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"  # importing it would fail
        "from tasks.app.cli import main; main('detect')"
    )
    for words in (("mode=predict", "input=."), ("resume",)):
        key = "resume" if words == ("resume",) else "checkpoint"
        arguments = [f"{key}={SEGMENT}", *(word for word in words if word != "resume")]
        (tmp_path / "a.png").touch()
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = f"{SEGMENT} was trained by tasks.segment, not tasks.detect: use python -m tasks.segment"
        assert done.stderr == f"error: {said}\n", done.stderr
