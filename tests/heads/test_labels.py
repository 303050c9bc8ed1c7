"""Label maps: those of F.interpolate and argmax, pixel for pixel, whatever the logits look like."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from heads import labels as module
from heads.labels import labels_from_logits

SIZES = [  # h, w -> H, W
    ((16, 32), (128, 256)),
    ((13, 17), (104, 136)),
    ((13, 17), (101, 140)),  # no whole ratio
    ((12, 9), (36, 127)),
    ((1, 1), (65, 64)),
    ((1, 40), (8, 160)),
    ((40, 1), (160, 3)),
    ((8, 8), (64, 64)),  # H + W <= 128: another kernel of torch's
    ((9, 9), (9, 9)),
    ((60, 50), (90, 70)),
    ((70, 90), (31, 45)),
    ((33, 200), (66, 100)),
]
KINDS = [
    "noise",
    "smooth",
    "integers",
    "equal channels",
    "neighbours",
    "constant",
    "zero",
    "huge",
    "tiny",
    "inf",
    "nan",
]


def make(kind: str, shape: tuple[int, int, int, int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    count, classes, h, w = shape
    x = torch.randn(shape, generator=generator)
    if kind == "smooth":
        coarse = torch.randn(count, classes, h // 8 + 1, w // 8 + 1, generator=generator)
        return F.interpolate(coarse, (h, w), mode="bicubic") * 4
    if kind == "integers":
        return torch.randint(-2, 3, shape, generator=generator).float()
    if kind == "equal channels":
        return x[:, torch.randint(max(1, classes // 3), (classes,), generator=generator)]
    if kind == "constant":
        return x[:, :, :1, :1].expand(shape)
    if kind == "neighbours":  # every other class is larger by a last bit, which rounding often swallows
        x = x[:, :1].repeat(1, classes, 1, 1)
        x[:, 1::2] = torch.nextafter(x[:, 1::2], torch.tensor(torch.inf))
    if kind in ("inf", "nan"):
        x[torch.rand(shape, generator=generator) < 0.02] = float(kind)
    return x * {"zero": 0, "huge": 3e37, "tiny": 1e-40}.get(kind, 1)


def plain(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)


def check(logits: Tensor, size: tuple[int, int]) -> None:
    labels = labels_from_logits(logits, size)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), plain(logits, size))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("small", "size"), SIZES, ids=lambda size: "x".join(map(str, size)))
def test_equals_interpolate_and_argmax(kind: str, small: tuple[int, int], size: tuple[int, int]) -> None:
    for seed, (count, classes) in enumerate([(2, 19), (1, 3), (1, 2)]):
        logits = make(kind, (count, classes, *small), seed).contiguous()
        check(logits, size)
        check(logits.contiguous(memory_format=torch.channels_last), size)
        check(logits.repeat_interleave(2, 3)[..., ::2], size)


def test_one_class_and_many() -> None:
    for classes in (1, 37, 150, 255):
        check(make("noise", (1, classes, 8, 16), 0), (64, 128))
        check(make("integers", (1, classes, 8, 16), 0), (64, 128))


def test_a_crossing_by_hand() -> None:
    """Class 0 falls from 3 to 0, class 1 rises from 0 to 1: equal at 3/4 of the way, where the first class wins."""
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert labels_from_logits(logits.view(1, 2, 1, 2), (1, 4)).tolist() == [[[0, 0, 0, 1]]]  # at 0, 1/4, 3/4 and 1
    expected = [0] * 160 + [1] * 96  # pixel 159 lies at 159.5 / 128 - 1/2 < 3/4, pixel 160 beyond
    across = labels_from_logits(logits.view(1, 2, 1, 2), (2, 256))
    assert across.tolist() == [[expected, expected]]
    down = labels_from_logits(logits.view(1, 2, 2, 1), (256, 2))
    assert down[0].t().tolist() == [expected, expected]


def test_a_middle_class_wins_between_two_others() -> None:
    logits = torch.tensor([[4.0, 0.0], [3.0, 3.0], [0.0, 4.0]])  # 4 - 4t, 3, 4t: the middle from 1/4 to 3/4
    labels = labels_from_logits(logits.view(1, 3, 2, 1), (256, 1))
    assert labels.flatten().tolist() == [0] * 96 + [1] * 64 + [2] * 96


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_converted_first(dtype: torch.dtype) -> None:
    logits = make("noise", (1, 19, 16, 32), 0).to(dtype)
    assert torch.equal(labels_from_logits(logits, (128, 256)).long(), plain(logits.float(), (128, 256)))


def test_double_precision_is_kept() -> None:
    check(make("noise", (1, 19, 16, 32), 0).double() * 1e-300, (128, 256))


@pytest.mark.parametrize("kind", ["noise", "integers", "nan", "inf"])
def test_one_class_after_the_other(kind: str) -> None:
    logits = make(kind, (1, 18, 300, 400), 0)
    check(logits, (500, 520))  # 4.7 million values, and less than twice the height
    check(logits[:, :3], (1010, 1500))
    check(logits.contiguous(memory_format=torch.channels_last), (500, 520))


def test_gradients_are_not_recorded() -> None:
    logits = make("noise", (1, 19, 16, 32), 0).requires_grad_()
    assert not labels_from_logits(logits, (128, 256)).requires_grad


def test_the_fast_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("elsewhere the plain way is no mistake")
    monkeypatch.setattr(module, "_plain", None)
    for small, size in SIZES[:3]:
        labels_from_logits(make("noise", (1, 19, *small), 0), size)


def peaks() -> None:
    """Print by how many MB each way lets this process grow, or nothing where the kernel does not forget its peak."""

    def peak(way: str) -> float:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = read("VmRSS")
        labels_from_logits(logits, size) if way == "ours" else plain(logits, size)
        return (read("VmHWM") - before) / 1024

    def read(field: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    logits, size = make("noise", (1, 19, 128, 256), 0), (1024, 2048)
    try:
        print(peak("ours"), peak("plain"))
    except OSError:
        return


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_small() -> None:
    """In a process of its own: here, memory that other tests have freed would be taken first."""
    code = "from tests.heads.test_labels import peaks; peaks()"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    if not done.stdout:
        pytest.skip("the kernel does not forget its peak")
    ours, theirs = map(float, done.stdout.split())
    assert ours < 20 < 150 < theirs  # MB


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(1, 256, 2, 2), "256 classes do not fit uint8 labels: 1 to 255 do"),
        (torch.zeros(1, 0, 2, 2), "0 classes"),
        (torch.zeros(19, 2, 2), r"\(N, C, h, w\), got torch.float32 \(19, 2, 2\)"),
        (torch.zeros(1, 19, 2, 2, dtype=torch.int64), "got torch.int64"),
    ],
)
def test_errors_name_what_is_wrong(logits: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labels_from_logits(logits, (16, 16))
