"""Do the tests notice a fault? Each of these is put into a copy of the packages, and its room's tests are run on it.

    python -m tests.mutants                  # all, two at a time: a few minutes
    python -m tests.mutants cosine stride    # those whose names hold one of these words

Killed: a test failed, and its name is printed. Survived: all tests passed, and one is missing. The copy without a fault
must pass. Exit status 0 if all faults were killed, 1 if one survived, 2 if the list is stale or the tests cannot run.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
COPIED = ("backbones", "heads", "tasks", "conf", "tests", "pyproject.toml")
JOBS, SECONDS = 2, 300  # pytest processes at a time, and how long each may take


class Fault(NamedTuple):
    """`old`, which stands once in the file, becomes `new`; the tests are files or folders in tests/."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


# fmt: off
FAULTS = (
    # engine
    Fault("EMA's decay halved", "tasks/engine/averaging.py", "self.decay = decay", "self.decay = decay / 2",
          ("tasks/engine/test_callbacks.py",)),
    Fault("every step reseeded alike", "tasks/engine/callbacks.py",
          "torch.manual_seed(hash(", "torch.manual_seed(0 * hash(", ("tasks/engine/test_callbacks.py",)),
    Fault("weight decay of biases and norms", "tasks/config/rules/learning.py", '"biases": False}', '"biases": True}',
          ("tasks/engine/test_optimizers.py",)),
    Fault("cosine is a straight line", "tasks/engine/schedules.py", "0.5 * (1 + math.cos(math.pi * progress))",
          "1 - progress", ("tasks/engine/test_schedules.py",)),
    Fault("uncertainty without its logarithm", "tasks/engine/loss_weights.py", "+ self.log_variance[name] / 2", "",
          ("tasks/engine/test_loss_weights.py",)),
    # heads and backbones
    Fault("SSD's first weights ten times as large", "heads/ssdlite.py", "std=0.03", "std=0.3",
          ("heads/test_ssdlite.py",)),
    Fault("dropout is none", "heads/classification.py", "nn.Dropout(dropout)", "nn.Dropout(0.0)",
          ("heads/test_classification.py",)),
    Fault("boxes clipped to the other side", "heads/boxes.py",
          "boxes.new_tensor([width, height, width, height])", "boxes.new_tensor([height, width, height, width])",
          ("heads/test_boxes.py",)),
    Fault("k-means of one round", "tasks/detect/kmeans.py", "ROUNDS = 100", "ROUNDS = 1",
          ("tasks/detect/test_fitted.py",)),
    Fault("ATSS without its deviation", "tasks/detect/matchers.py",
          "ious.mean(2, keepdim=True) + ious.std(", "ious.mean(2, keepdim=True) + 0 * ious.std(",
          ("tasks/detect/test_matchers.py",)),
    Fault("quality focal without its focus", "tasks/detect/soft_labels.py",
          "return (quality - logits.sigmoid()).abs() ** self.beta * entropy", "return entropy",
          ("tasks/detect/test_soft_labels.py",)),
    Fault("anchors at the cells' corners", "heads/anchors.py",
          "(torch.arange(columns, dtype=torch.float32) + 0.5)", "torch.arange(columns, dtype=torch.float32)",
          ("heads/test_anchors.py",)),
    Fault("weights by fan-in", "backbones/inverted.py", 'mode="fan_out"', 'mode="fan_in"',
          ("backbones/test_mobilenets.py",)),
    Fault("squeeze-excite always by sigmoid", "backbones/blocks.py", "self.gate = gate()", "self.gate = nn.Sigmoid()",
          ("backbones/test_mobilenets.py",)),
    Fault("padding forgets dilation", "backbones/blocks.py", "(kernel - 1) // 2 * dilation", "(kernel - 1) // 2",
          ("backbones/test_mobilenets.py",)),
    # tasks
    Fault("loss reads the corner of a cell", "tasks/segment/loss.py", "self.stride // 2", "0",
          ("tasks/segment/test_segment_task.py",)),
    Fault("void is counted", "tasks/segment/miou.py", "counts[ignore] = 0", "counts[ignore] += 0",
          ("tasks/segment/test_miou.py",)),
    Fault("confusion transposed", "tasks/segment/miou.py", "return counts[:classes, :classes]",
          "return counts[:classes, :classes].t()", ("tasks/segment/test_miou.py",)),
    Fault("AP without interpolation", "tasks/detect/coco_map.py",
          "np.maximum.accumulate(highest[:, ::-1], 1)[:, ::-1]", "highest", ("tasks/detect/test_coco_map.py",)),
    Fault("top-5 counts six", "tasks/classify/accuracy.py", "rank < 5", "rank <= 5",
          ("tasks/classify/test_accuracy.py",)),
    Fault("distillation without the temperature's square", "tasks/common/distillation.py",
          "log_target=True).sum(dim) * temperature**2", "log_target=True).sum(dim)",
          ("tasks/common/test_distillation.py",)),
    # data
    Fault("augmentation is the same in each epoch", "tasks/data/loading/samplers.py",
          "Draw(int(order[position]), (self.seed, epoch, position), size)",
          "Draw(int(order[position]), (self.seed, 0, position), size)", ("tasks/data/loading/test_batches.py",)),
    Fault("the last batch is left out", "tasks/data/loading/samplers.py",
          "-(-self.size * self.repeat // (self.batch_size * self.world * self.group)) * self.group",
          "self.size * self.repeat // (self.batch_size * self.world)", ("tasks/data/loading/test_batches.py",)),
    Fault("label maps filled with a class", "tasks/data/transforms/label_fill.py",
          '{"fill_mask": VOID}', '{"fill_mask": 0}', ("tasks/data/transforms/test_label_fill.py",)),
    Fault("a letterbox at the top", "tasks/data/transforms/letterbox.py", "(self.height - down) // 2", "0",
          ("tasks/data/transforms/test_letterbox.py",)),
    # checkpoints and exported files
    Fault("digests are not compared", "tasks/checkpoint/digest.py",
          "noted.get(part) != now.get(part)", "part not in noted", ("tasks/checkpoint/test_saving.py",)),
    Fault("parity a hundred times as lax", "tasks/deploy/parity.py", "Limits(1e-4, ", "Limits(1e-2, ",
          ("tasks/deploy/test_parity.py",)),
    Fault("a lost box is no fault", "tasks/detect/parity.py", "len(anchors) + missing", "len(anchors)",
          ("tasks/deploy/test_agreement.py",)),
    Fault("a description that was edited", "tasks/checkpoint/unlike.py", "unlike(known(manifest), inside)", "()",
          ("tasks/checkpoint/test_manifest.py",)),
)
# fmt: on


def stale(fault: Fault, root: Path = ROOT) -> str:
    """What is wrong with an entry of the list, or nothing."""
    path = root / fault.file
    count = path.read_text().count(fault.old) if path.is_file() else 0
    if count != 1:
        return f"{fault.name}: {fault.old!r} stands {count} times in {fault.file}"
    missing = [test for test in fault.tests if not (root / "tests" / test).exists()]
    return f"{fault.name}: there is no tests/{missing[0]}" if missing else ""


def copied(folder: Path) -> None:
    """The packages and their tests; compiled files stay valid, since copies keep their times."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy2(ROOT / name, folder / name)


def run(fault: Fault | None, tests: Sequence[str]) -> tuple[int, str]:
    """pytest's exit status on a copy with a fault, or without any, and the first test that failed."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copied(folder)
        if fault is not None:
            path = folder / fault.file
            path.write_text(path.read_text().replace(fault.old, fault.new))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *(f"tests/{test}" for test in tests)],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return done.returncode, found[1] if found else (done.stdout + done.stderr).strip()[-300:]


def main(words: Sequence[str]) -> int:
    chosen = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    if wrong := [line for line in map(stale, chosen) if line] or ([] if chosen else [f"no fault is called {words}"]):
        print("stale list:", *wrong, sep="\n  ")
        return 2
    begin, killed, survived, broken = time.monotonic(), 0, 0, 0
    with ThreadPoolExecutor(JOBS) as pool:
        sound = pool.submit(run, None, sorted({test for fault in chosen for test in fault.tests}))
        results = [pool.submit(run, fault, fault.tests) for fault in chosen]
        for fault, result in zip(chosen, results, strict=True):
            status, first = result.result()
            killed, survived, broken = killed + (status == 1), survived + (status == 0), broken + (status > 1)
            said = {0: "SURVIVED", 1: "killed"}.get(status, "BROKEN")
            print(f"{said:8}  {fault.name:46}  {first if status else ', '.join(fault.tests)}", flush=True)
        status, first = sound.result()
    print(f"{killed} of {len(chosen)} killed, {survived} survived, in {time.monotonic() - begin:.0f} s")
    if status:
        print(f"the tests fail without a fault: {first}")
    return 2 if status or broken else int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
