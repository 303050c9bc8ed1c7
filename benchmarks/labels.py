"""Logits 19 x 128 x 256 to labels 1024 x 2048 on one CPU thread: ours against F.interpolate and argmax.

python -m benchmarks.labels
"""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import alternate, report
from heads.labels import labels_from_logits

SIZE = (1024, 2048)


def plain(logits: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1).to(torch.uint8)


def make(kind: str) -> Tensor:
    """Noise is the worst case: no two neighbours agree. Regions with narrow borders are what a network outputs."""
    torch.manual_seed(0)
    noise = torch.randn(1, 19, 128, 256)
    if kind == "noise":
        return noise
    regions = F.interpolate(torch.randn(1, 19, 8, 16), noise.shape[-2:], mode="bicubic")
    return 4 * regions + 0.1 * noise


def memory(side: str) -> float:
    """Peak MB of the first call in this process, including its result (Linux)."""

    def read(field: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    logits, call = make("noise"), {"ours": labels_from_logits, "plain": plain}[side]
    plain(logits[:, :, :4, :8], (32, 64))  # triggers torch's lazy loading
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = read("VmRSS")
    call(logits, SIZE)
    return (read("VmHWM") - before) / 1024


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        print(memory(sys.argv[1]))
        return
    for kind in ("noise", "regions"):
        logits = make(kind)
        assert torch.equal(labels_from_logits(logits, SIZE), plain(logits)), "labels differ"
        sides = {
            "ours": partial(labels_from_logits, logits, SIZE),
            "F.interpolate(...).argmax(1)": partial(plain, logits),
        }
        report(f"{kind}: the same labels (CPU time, one thread)", alternate(sides, clock=time.thread_time))
    if sys.platform == "linux":
        for side in ("ours", "plain"):
            command = [sys.executable, "-m", "benchmarks.labels", side]
            extra = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            print(f"peak memory of a first call in a fresh process, {side}: {float(extra):.1f} MB")


if __name__ == "__main__":
    main()
