"""Odd inputs of every kind end in one line or are taken for what they are: no traceback, no hang, nothing in silence.

The suite runs a seeded sample of each kind. `pytest -m fuzz tests/fuzz` runs FUZZ inputs (1,000) from FUZZ_SEED (0) and
prints how each kind ended; FUZZ_ONLY="checkpoint bytes 7" runs one of them again.
"""

import os
import shutil
from collections import Counter
from random import Random

import pytest

from tests.fuzz import files, labels, words
from tests.fuzz.kit import FAULTS, Kind, counted, judged

KINDS: dict[str, Kind] = {**words.KINDS, **files.KINDS, **labels.KINDS}
INPUTS, SEED = int(os.environ.get("FUZZ", "1000")), int(os.environ.get("FUZZ_SEED", "0"))
ONLY = os.environ.get("FUZZ_ONLY", "")
SAMPLE = 1  # of each kind


def ready(kind: str, world, run) -> None:
    """Export the world's model once, if this kind needs it."""
    if "exported" not in kind or world.model is not None:
        return
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = world.folder.parent / "model"
    arguments = ("mode=export", f"checkpoint={world.checkpoints['classify']}", f"hydra.run.dir={folder}")
    result = run("classify", *arguments, exports=True)
    assert result.status == 0, result.err
    world.model = folder / "model.onnx"


def end_of(kind: str, number: int, world, run, tmp_path) -> str:
    """How the input of this kind and number ends."""
    ready(kind, world, run)
    shutil.rmtree(world.folder, ignore_errors=True)
    world.folder.mkdir()
    case = KINDS[kind](Random(f"{SEED} {kind} {number}"), world)
    folder = tmp_path / f"{kind} {number}".replace(" ", "_").replace("'", "")
    end = judged(case._replace(arguments=(*case.arguments, f"hydra.run.dir={folder}")), run)
    if end.partition(":")[0].split()[0] in FAULTS:
        end += f"\n  {case.what}\n  python -m tasks.{case.task} {' '.join(case.arguments)}"
    shutil.rmtree(folder, ignore_errors=True)
    return end


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_each_kind_ends_well(kind, world, run, tmp_path):
    ends = [end_of(kind, number, world, run, tmp_path) for number in range(SAMPLE)]
    assert set(ends) <= {"accepted", "refused"}, ends


@pytest.mark.fuzz
def test_every_input_ends_well(world, run, tmp_path, capfd):
    ends: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    inputs = [(kind, number) for number in range(-(-INPUTS // len(KINDS))) for kind in KINDS]
    faults = []
    for kind, number in [one for one in inputs if ONLY in ("", f"{one[0]} {one[1]}")]:
        end = end_of(kind, number, world, run, tmp_path)
        word = end.partition(":")[0].split()[0]
        ends[kind][word] += 1
        if word in FAULTS:
            faults.append(f"{kind} {number}: {end}")
            with capfd.disabled():
                print(f"\nFAULT {faults[-1]}", flush=True)
    with capfd.disabled():
        print(f"\n{counted(ends)}")
    assert not faults
