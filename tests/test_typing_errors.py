"""A mistyped key or option of any command is one line with the closest of that command's own names."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from mobilevision import COMMANDS
from tasks.common.errors import UserError
from tasks.config.top_keys import check_own_keys

ROOT = Path(__file__).parent.parent
MISTYPED = {  # of each command: what is typed, and what is meant
    "tasks.segment": {"bakbone=resnet50": "backbone", "--kyes": "--keys"},
    "tasks.detect": {"trainer.max_epoch=3": "max_epochs"},
    "tasks.classify": {"datset=streets": "dataset"},
    "tasks.multilabel": {"data.cahce=disk": "cache"},
    "tasks.multitask": {"segment.haed.hidden=8": "head"},
    "tasks.predict": {"modle=x.onnx": "model=…", "inptu=a.png": "input=…"},
    "tasks.page": {"prot=80": "port"},
    "tasks.doctor": {"taks=segment": "task", "datset=streets": "dataset"},
    "tasks.pack": {
        "sied=256 out=x": "side",
        "ouut=x": "out",
        "out=x qualty=80": "quality",
        "vla_side=8 out=x": "val_side",
    },
    "tasks.compare": {"--dta 1": "--data", "sed=1,2 segment": "seed"},
    "tasks.search": {"serach=width": "search", "search=recipe minuts=3": "minutes", "search=width taks=detect": "task"},
    "tasks.publish": {"chekpoint=x": "checkpoint"},
    "tasks.lint": {"tagret=nnapi": "target"},
    "tasks.papers": {"tabel=v3_table3": "table", "table=v3_table3 rwos=1": "rows"},
    "tasks.multitask.compare": {"minuts=3": "minutes"},
    "tasks.multitask.prune": {"a.ckpt --kep detect": "--keep"},
    "tasks.detect.score": {"a.json b.json --oficial": "--official"},
    "tasks.deploy": {"onx": "onnx"},
    "backbones": {"--jsno": "--json", "--weights --jsno": "--json", "siez=64 resnet50": "--size"},
    "backbones.manifold": {"--ouput x.png": "--output"},
    "heads": {"--hlep": "--help"},
    "benchmarks": {"--photso x": "--photos", "all labls": "labels"},
    "benchmarks.packed": {"--limti 3": "--limit"},
}
WITHOUT_KEYS = {"tasks.report"}  # takes folders alone
STARTED = {"tasks.deploy.bench.child", "tasks.deploy.decode", "tasks.data.files.devkit"}  # by commands, or shipped


def commands() -> set[str]:
    """All modules that `python -m` runs."""
    paths = [path for room in ("tasks", "heads", "backbones") for path in (ROOT / room).rglob("*.py")]
    found = {path.relative_to(ROOT).with_suffix("") for path in paths if '__name__ == "__main__"' in path.read_text()}
    return {".".join(path.parts).removesuffix(".__main__") for path in found}


def test_every_command_is_in_the_list():
    assert commands() - STARTED - WITHOUT_KEYS == {name for name in MISTYPED if not name.startswith("benchmarks")}
    assert {module for module, _ in COMMANDS.values()} <= MISTYPED.keys() | WITHOUT_KEYS


def test_every_script_of_options_has_the_parser_that_knows_them():
    for room in ("tasks", "heads", "backbones", "benchmarks"):
        for path in (ROOT / room).rglob("*.py"):
            assert ".ArgumentParser(" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(("module", "words"), [(name, words) for name, lines in MISTYPED.items() for words in lines])
def test_a_typing_error_names_what_is_meant(module, words, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", [module, *words.split()])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    with pytest.raises(SystemExit) as left:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
    said = capfd.readouterr().err
    assert left.value.code == 2, said
    near = re.search(r"did you mean ([^?]+)\?", said)
    assert near and MISTYPED[module][words] in near[1].split(" or "), said
    assert "Traceback" not in said


def test_keys_of_a_task_are_left_to_its_command():
    check_own_keys(
        ["dataset=streets", "+data.x=1", "hydra/launcher=y", "head@segment.head=raspp", "-m", "xyz=3"], ["side"]
    )
    with pytest.raises(UserError, match=r"^sise: no such key \(did you mean side"):
        check_own_keys(["sise=3"], ["side"])
