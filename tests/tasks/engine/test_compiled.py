"""compile=true: the same training through torch.compile, with the same checkpoints; once per image size; refusals.

aot_eager traces, splits and derives as inductor does, and runs PyTorch's own kernels, without a minute of compiling.
"""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from tasks.common.errors import UserError
from tasks.config.rules import compiling
from tasks.config.rules.compiling import check_compile, lacking_here
from tasks.engine import compiled
from tasks.engine.compiled import image_sizes
from tests.gpu.tiny import written

SHORT = ("data.repeat=2", "optimizer.lr=0.001")


@pytest.fixture
def counter(monkeypatch):
    """Counts the graphs that are compiled."""
    torch._dynamo.reset()
    counted = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(compiled, "BACKEND", counted)
    yield counted
    torch._dynamo.reset()


def weights(folder):
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.parametrize("task", ["classify", "detect", "segment", "multitask"])
def test_a_compiled_training_gives_the_same_weights(counter, command, tmp_path, task):
    arguments = (*written(task, tmp_path), *SHORT, "norm_start=initial")
    for name, own in {"plain": (), "compiled": ("compile=true",)}.items():
        result = command(task, *arguments, *own, f"hydra.run.dir={tmp_path / name}")
        assert result.status == 0, result.err
        assert ("compile   from step 1 on, backbone and heads; the first step" in result.out) == bool(own)
    parts = 4 if task == "multitask" else 2
    assert counter.frame_count == parts
    plain, other = (weights(tmp_path / name) for name in ("plain", "compiled"))
    assert plain.keys() == other.keys()
    far = {name: (plain[name].float() - other[name].float()).abs().max() for name in plain}
    assert max(far.values()) < 2e-2, max(far, key=far.get)


def test_it_waits_for_the_mean_of_the_first_batches(counter, command, tmp_path):
    arguments = (*written("segment", tmp_path), *SHORT)
    result = command("segment", *arguments, "compile=true", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    assert "compile   from step 11 on" in result.out, "the momentum 0.1 takes over at the tenth"
    assert counter.frame_count == 2, "and it is compiled once"


def test_sizes_are_compiled_one_by_one_and_a_run_is_resumed(counter, command, tmp_path):
    sizes = ("data.scales=[[32,48],[64,96]]", "norm_start=initial", "data.repeat=4", "compile=true")
    arguments = (*written("segment", tmp_path), *sizes)
    first = command("segment", *arguments, "stop_after=1", f"hydra.run.dir={tmp_path / 'first'}")
    assert first.status == 0, first.err
    assert "each of 2 image sizes" in first.out and counter.frame_count == 4
    last = f"resume={tmp_path / 'first/checkpoints/last.ckpt'}"
    rest = command("segment", last, f"hydra.run.dir={tmp_path / 'rest'}")
    whole = command("segment", *arguments, f"hydra.run.dir={tmp_path / 'whole'}")
    assert (rest.status, whole.status) == (0, 0), rest.err + whole.err
    one, other = (weights(tmp_path / name) for name in ("rest", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one), "compile=true came from the checkpoint"
    evaluated = command("segment", "mode=evaluate", f"checkpoint={tmp_path / 'rest/checkpoints/best.ckpt'}",
                        f"hydra.run.dir={tmp_path / 'scored'}")  # fmt: skip
    assert evaluated.status == 0, evaluated.err


def test_image_sizes():
    assert [image_sizes(scales, steps) for scales, steps in ((0, 0), (3, 0), (0, 2))] == [1, 3, 3]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("batchnorm=separate", "which images are whose"),
        ("finetune.norms=adapt", "statistics move"),
        ("quantise.aware=true", "rounding happens around"),
        ("finetune.thaw=[0.1,0.5]", "take one share"),
        ("trainer.accelerator=mps", "is not for trainer.accelerator=mps: compile=false"),
    ],
)
def test_what_excludes_it_is_one_line(typed, message):
    tree = {"compile": True}
    key, _, value = typed.partition("=")
    put = {"batchnorm": value} if key == "batchnorm" else {}
    section, _, name = key.partition(".")
    put |= {section: {name: [0.1, 0.5] if "thaw" in key else value}} if name else {}
    with pytest.raises(UserError, match=message):
        check_compile({**tree, **put})
    check_compile({**put, "compile": False})


def test_graphs_are_of_cuda():
    with pytest.raises(UserError, match=r"compile=graphs is not for trainer.accelerator=cpu: compile=true or false"):
        check_compile({"compile": "graphs", "trainer": {"accelerator": "cpu"}})
    check_compile({"compile": "graphs", "trainer": {"accelerator": "gpu"}})


def test_a_machine_without_a_compiler_says_so_before_torch_is_imported(command, tmp_path, monkeypatch):
    assert "CXX=nothing-of-the-kind" in lacking_here({"CXX": "nothing-of-the-kind"})
    monkeypatch.setenv("CXX", "nothing-of-the-kind")
    result = command("segment", *written("segment", tmp_path), "compile=true", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2
    assert "compile=true needs a C++ compiler (CXX=nothing-of-the-kind), which is not here" in result.err
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(compiling.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "Python's headers" in lacking_here({})
