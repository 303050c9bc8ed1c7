"""What a command says of a run that the system ended, and how a training goes on."""

import pytest
import torch
from omegaconf import OmegaConf

from backbones.errors import ImageSizeError
from tasks.app.messages import explain_run, how_to_resume
from tasks.common.errors import Diverged, UserError, is_out_of_memory, visible

SETTINGS = OmegaConf.create(
    {
        "mode": "train",
        "image_size": None,
        "data": {"batch_size": 16, "eval_batch_size": 1, "workers": 4},
        "export": {"batch": 1, "size": None},
    }
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed. "), "data worker 3 was ended"),
        (OSError(30, "Read-only file system", "/a/metrics.csv"), "/a/metrics.csv"),
    ],
)
def test_the_system_is_one_line(error, words):
    said = explain_run(error, SETTINGS)
    assert words in said and "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\n…\nRuntimeError: not enough memory"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        ("train", "data.batch_size or data.eval_batch_size or image_size or data.workers"),
        ("predict", "image_size"),
        ("evaluate", "data.eval_batch_size or image_size or data.workers"),
        ("export", "export.batch or export.size or image_size"),
    ],
)
def test_a_lack_of_memory_names_the_keys_to_lower(error, mode, keys):
    said = explain_run(error, OmegaConf.merge(SETTINGS, {"mode": mode}))
    said, _, accumulated = said.partition("; data.batch_size=auto takes as many images at once as fit")
    assert said.startswith("out of memory (") and said.endswith(f": lower {keys}") and "\n" not in said
    assert bool(accumulated) == (mode == "train")


def test_the_real_thing_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_an_image_size_that_a_network_refuses_is_one_line():
    assert explain_run(ImageSizeError("images are 3×3"), SETTINGS) == "images are 3×3"


def test_a_port_that_is_taken_is_named():
    error = torch.distributed.DistNetworkError("failed to listen. port: 29500, name: EADDRINUSE")
    said = explain_run(error, SETTINGS)
    assert said.startswith("the processes cannot meet: failed to listen. port: 29500, name: EADDRINUSE; MASTER_PORT or")


def test_a_fault_of_ours_is_not_explained():
    assert explain_run(RuntimeError("shape mismatch"), SETTINGS) == ""


def test_how_a_training_goes_on(tmp_path):
    train, error = OmegaConf.create({"mode": "train"}), UserError("cannot read image a.png: no such file")
    assert how_to_resume(train, tmp_path, error, 0) == ""
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    assert how_to_resume(train, tmp_path, error, 0) == f"; go on with resume={last}"
    assert how_to_resume(train, tmp_path, error, last.stat().st_mtime + 1) == "", "another run's"
    assert how_to_resume(OmegaConf.create({"mode": "evaluate"}), tmp_path, error, 0) == ""
    assert how_to_resume(train, tmp_path, Diverged("it ran away"), 0) == ""
    assert how_to_resume(train, tmp_path, UserError("… resume=this"), 0) == ""
    (tmp_path / "training.json").touch()
    assert how_to_resume(train, tmp_path, error, 0) == "", "it was done"


def test_a_message_has_no_characters_that_a_terminal_obeys():
    assert visible("a \x1b]0;title\x07 b\r\u202e\x9b — …\nnext") == "a \\x1b]0;title\\x07 b\\r\\u202e\\x9b — …\nnext"
    assert visible("\ud800") == "\\ud800"
