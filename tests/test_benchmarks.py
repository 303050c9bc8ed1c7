"""`python -m benchmarks`: the list of scripts, and the table of what they report."""

import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import rows, scripts
from benchmarks.arguments import existing
from benchmarks.timing import report, reported

ROOT = Path(__file__).parent.parent
IMPORTED = {
    "__main__",
    "arguments",
    "exported",
    "gpu_jpeg",
    "gpu_sides",
    "large_sets",
    "lively",
    "peers",
    "photos",
    "timing",
}  # by the scripts; they measure nothing themselves


def test_the_list_has_every_script_with_what_it_compares():
    done = subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert set(listed) == {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - IMPORTED
    assert all(line.endswith((".", "]")) and len(line) > 40 for line in listed.values()), listed


def test_every_script_that_is_listed_says_its_command():
    for name in scripts():
        text = (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")
        assert f"python -m benchmarks.{name}" in text.split('"""')[1], name


def test_all_refuses_an_unknown_script():
    command = [sys.executable, "-m", "benchmarks", "all", "lables"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no script lables: classify_step, " in done.stderr.splitlines()[-1]


def test_a_report_becomes_a_row_of_the_table(capsys):
    print("something else 3 x")
    report("a step, batch 8", {"ours, 149 launches": 0.0125, "torchvision's, " + "long " * 9 + "name": 0.02})
    report("another", {"ours": 1.0, "peer": 0.97})
    output = capsys.readouterr().out
    long = "torchvision's, " + "long " * 9 + "name"
    assert reported(output) == [
        ("a step, batch 8", [("ours, 149 launches", 12.5, 1.0), (long, 20.0, 1.6)]),
        ("another", [("ours", 1000.0, 1.0), ("peer", 970.0, 0.97)]),
    ]
    assert rows("labels", output)[1] == "| another | ours: 1000 ms | peer 0.97× | `python -m benchmarks.labels` |"


def test_the_gpus_benchmark_runs_in_its_tiny_form():
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = reported(done.stdout)
    assert [title.split(",")[0] for title, _ in found[:3]] == ["V3-Large", "LR-ASPP V3-Large", "SSDLite V3-Large"]
    assert [len(sides) for _, sides in found] == [4, 4, 4, 2] and done.stdout.count("; goal ") == 4
    assert all(ms > 0 for _, sides in found for _, ms, _ in sides)


def test_the_gpus_benchmark_needs_one():
    if not torch.cuda.is_available():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "") and "--device cpu --quick" in done.stderr


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ArgumentTypeError, match="nowhere is no folder"):
        existing(str(tmp_path / "nowhere"))
    assert existing(str(tmp_path)) == tmp_path
