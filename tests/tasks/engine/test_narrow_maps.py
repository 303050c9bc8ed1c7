"""Weight gradients of strided convolutions of narrow maps, in half precision on the CPU."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tasks.engine.narrow_maps import WidenNarrowMaps, widened
from tests.tasks.detect.test_command import TINY as DETECT


def trainer(precision: str, device: str = "cpu") -> SimpleNamespace:
    return SimpleNamespace(precision=precision, strategy=SimpleNamespace(root_device=torch.device(device)))


def litter() -> None:
    """Leave large numbers in memory that is then free."""
    for size in range(4, 14):
        torch.full((2**size,), 1e30)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("groups", [1, 16])
@pytest.mark.parametrize("height", [1, 5])
def test_gradients_are_those_of_fp32(height, groups, kernel, dtype):
    torch.manual_seed(0)
    exact = nn.Conv2d(16, 16, kernel, 2, kernel // 2, groups=groups, bias=False).to(dtype).float()
    image = torch.randn(3, 16, height, 1).to(dtype).contiguous(memory_format=torch.channels_last)
    sent = torch.randn(3, 16, (height + 1) // 2, 1).to(dtype)
    whole = image.float().requires_grad_()
    exact(whole).backward(sent.float())
    half = nn.Conv2d(16, 16, kernel, 2, kernel // 2, groups=groups, bias=False).to(memory_format=torch.channels_last)
    half.load_state_dict(exact.state_dict())
    half.to(dtype)
    WidenNarrowMaps().on_train_start(trainer("bf16-true"), half)
    for _ in range(20):
        half.weight.grad, again = None, image.clone().requires_grad_()
        litter()
        found = half(again)
        found.backward(sent)
        assert found.shape == sent.shape
        assert (half.weight.grad.float() - exact.weight.grad).abs().max() < 0.02 * exact.weight.grad.abs().max()
        assert (again.grad.float() - whole.grad).abs().max() < 0.02 * whole.grad.abs().max()


def test_only_what_needs_it_is_widened_while_training_lasts():
    network = nn.ModuleDict(
        {
            "strided": nn.Conv2d(8, 8, 3, stride=2, padding=1),
            "plain": nn.Conv2d(8, 8, 3, padding=1),
            "point": nn.Conv2d(8, 8, 1, stride=2),
            "open": nn.Conv2d(8, 8, 3, stride=2),
            "mirrored": nn.Conv2d(8, 8, 3, stride=2, padding=1, padding_mode="reflect"),
        }
    )

    def hooked() -> list[str]:
        return [name for name, each in network.items() if each._forward_pre_hooks]

    widen = WidenNarrowMaps()
    for other in (trainer("32-true"), trainer("bf16-mixed", "cuda")):
        widen.on_train_start(other, network)
        assert hooked() == []
    widen.on_train_start(trainer("bf16-mixed"), network)
    assert hooked() == ["strided"]
    widen.on_train_end()
    assert hooked() == []


def test_a_detector_is_trained_so(coco, command, tmp_path, monkeypatch):
    widths = []

    def spied(convolution: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor] | None:
        found = widened(convolution, inputs)
        widths.append((inputs[0].shape[-1], found is not None))
        return found

    monkeypatch.setattr("tasks.engine.narrow_maps.widened", spied)
    arguments = (*DETECT, f"dataset.root={coco}", "pictures=0", "trainer.precision=bf16-mixed", "trainer.max_epochs=1")
    result = command("detect", *arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    assert {width for width, added in widths if added} == {1}, "the last additional map of images of 64 pixels"
    assert {2, 4, 32} <= {width for width, added in widths if not added}
