"""The configuration inside a checkpoint or beside an exported file is data: whoever wrote it, nothing of it runs."""

import ast
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from backbones.table_file import UniqueKeyLoader, read_table
from tasks.app.resolve import storable
from tasks.checkpoint.checkpoint import make_metadata, open_checkpoint, read_ours
from tasks.common.errors import UserError
from tasks.config.stored import checked_config, command_line, rebuilt, without
from tests.security.attacks import REFUSED, RUNS
from tests.security.conftest import put
from tests.test_config import configuration

ROOT = Path(__file__).parent.parent.parent
ATTACKS = RUNS | REFUSED


def one_line(message: str) -> bool:
    return "\n" not in message and len(message) < 600


@pytest.mark.parametrize("name", ATTACKS)
def test_the_gate_refuses(name, sound, marker, payload):
    config = sound("segment")["mobilevision"]["config"]
    for key, value in ATTACKS[name](marker, payload).items():
        config = put(config, key, value) if key else value
    with pytest.raises(UserError, match=r"sent\.ckpt (was refused|is damaged): its configuration ") as refused:
        checked_config(config, "sent.ckpt")
    assert one_line(str(refused.value)) and not marker.exists()


@pytest.mark.parametrize("name", RUNS)
def test_each_of_them_would_run(name, sound, marker, payload, monkeypatch):
    """The attacks are real: without the gate the marker appears."""
    from tasks.engine.build import build
    from tasks.engine.instantiate import make
    from tasks.engine.settings import LearnerSettings

    monkeypatch.setattr("tasks.checkpoint.checkpoint.checked_config", lambda config, _: config)
    monkeypatch.setattr("tasks.checkpoint.checkpoint.check_metadata", lambda *_: None)
    monkeypatch.setattr("tasks.config.stored.check_stored", lambda *_: None)
    monkeypatch.setattr("tasks.config.stored.check_places", lambda *_: None)
    monkeypatch.setattr("tasks.engine.settings.check_values", lambda *_: None)
    checkpoint = sound("segment")
    for key, value in RUNS[name](marker, payload).items():
        put(checkpoint["mobilevision"]["config"], key, value)
    torch.save(checkpoint, marker.with_name("sent.ckpt"))
    tree = rebuilt(open_checkpoint(marker.with_name("sent.ckpt"), "segment")["mobilevision"], "sent.ckpt")
    try:
        build(LearnerSettings.of(tree), {"mask": [("road", 7, (0, 0, 0))]})
        make(tree["data"]["fit"])
    except Exception:
        pass
    assert marker.is_dir()


@pytest.mark.parametrize("task", ["segment", "multitask"])
def test_our_own_pass_as_they_are(task, sound):
    config = sound(task)["mobilevision"]["config"]
    assert checked_config(config, "ours.ckpt") == config


CONFIGURATIONS = {
    "detect": ("detect", "experiment=detect_bccd"),
    "mixture": ("multitask", "experiment=multitask_camvid_coco"),
    "teacher": ("classify", "experiment=classify_cifar10_mini_cse"),
    "timm": ("segment", "backbone=timm"),
    "exponential": ("classify", "scheduler=exponential"),
    "photometric": ("detect", "recipe=detect_coco_mosaic"),
    "letterbox": ("detect", "data.fit._target_=tasks.data.transforms.letterbox.Letterbox"),
    "policy": ("classify", "recipe=classify_folders"),
    "loaded": ("segment", "experiment=segment_camvid_v2"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_whatever_conf_makes_is_stored_and_read_again(name):
    task, *overrides = CONFIGURATIONS[name]
    config = configuration(*overrides, task=task)
    stored = make_metadata(task, storable(config), {})["config"]
    assert checked_config(stored, "ours.ckpt") == stored
    assert stored == OmegaConf.to_container(config, resolve=False)  # nothing of conf/ is resolved early


def test_what_was_typed_is_stored_as_it_resolved(monkeypatch):
    monkeypatch.setenv("MY_DATA", "/data")
    config = configuration("dataset.root='${oc.env:MY_DATA}/streets'", "ema='${optimizer.lr}'")
    stored = storable(config)
    assert stored["dataset"]["root"] == "/data/streets" and stored["ema"] == config.optimizer.lr
    assert stored["dataset"]["targets"] == "${targets}"
    assert checked_config(stored, "ours.ckpt") == stored


def test_what_is_typed_again_is_not_taken_from_the_file(sound, marker, payload, tmp_path):
    """A run with a class of one's own goes on when the same is typed; the file gains nothing by it."""
    checkpoint = sound("segment")
    put(checkpoint["mobilevision"]["config"], "optimizer", {"_target_": "my.Optimizer"})
    torch.save(checkpoint, tmp_path / "mine.ckpt")
    with pytest.raises(UserError, match=r"my\.Optimizer.*typed: optimizer\._target_=…"):
        read_ours(tmp_path / "mine.ckpt")
    with command_line(["optimizer._target_=my.Optimizer"]):
        assert read_ours(tmp_path / "mine.ckpt")["mobilevision"]["config"]["optimizer"] == {"_target_": None}
        put(checkpoint["mobilevision"]["config"], "scheduler", {"_target_": "my.Optimizer"})
        torch.save(checkpoint, tmp_path / "mine.ckpt")
        with pytest.raises(UserError, match=r"scheduler: 'my\.Optimizer'"):
            read_ours(tmp_path / "mine.ckpt")


def test_a_later_command_of_the_process_is_not_trusted_with_what_an_earlier_typed(sound, command, tmp_path):
    config = put(sound("segment")["mobilevision"]["config"], "dataset._target_", "my.Data")
    assert command("segment", "dataset=cityscapes", "dataset.root=nowhere", f"hydra.run.dir={tmp_path}").status == 2
    with pytest.raises(UserError, match=r"my\.Data"):
        checked_config(config, "sent.ckpt")


@pytest.mark.parametrize(
    ("key", "value", "typed"),
    [
        ("backbone", {"_target_": "backbones.timm_features.TimmFeatures", "name": "hf-hub/a"}, "backbone.name"),
        ("backbone", {"_target_": "backbones.table.TableBackbone", "file": "/a", "table": None}, "backbone.file"),
        ("trainer.profiler", "simple", "trainer.profiler"),
    ],
)
def test_an_argument_that_is_typed_again_is_not_taken_from_the_file(sound, monkeypatch, key, value, typed):
    config = put(sound("segment")["mobilevision"]["config"], key, value)
    with pytest.raises(UserError, match=rf"can be typed: {re.escape(typed)}=…"):
        checked_config(config, "mine.ckpt")
    monkeypatch.setattr("tasks.config.stored.typed_places", lambda: [tuple(typed.split("."))])
    node = checked_config(config, "mine.ckpt")[key.partition(".")[0]]
    assert node[typed.partition(".")[2]] is None


def test_a_number_of_thousands_of_digits_is_refused(sound):
    config = put(sound("segment")["mobilevision"]["config"], "data.own", 10**5000)
    with pytest.raises(UserError, match=r"^sent\.ckpt was refused: .* more than 64 bits in a whole number"):
        checked_config(config, "sent.ckpt")


def test_a_class_of_another_place_is_refused_before_it_is_built(sound):
    metadata = sound("segment")["mobilevision"]
    put(metadata["config"], "task", {"_target_": "heads.select.Select"})
    with pytest.raises(UserError, match=r"^a\.ckpt: task: heads\.select\.Select does not belong there"):
        rebuilt(metadata, "a.ckpt")


def test_nothing_is_downloaded_to_build_it_again(sound):
    checkpoint = sound("segment")
    put(checkpoint["mobilevision"]["config"], "backbone.pretrained", True)
    assert rebuilt(checkpoint["mobilevision"], "sent.ckpt")["backbone"]["pretrained"] is False


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


CODE = [path for room in ("backbones", "heads", "tasks") for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_code_goes_around_the_gate():
    """Files are read by the gate's doors alone, pickles never whole, YAML never with its constructors."""
    for path in CODE:
        for call in calls(path) if SUSPECT.search(path.read_text()) else ():
            text = ast.unparse(call.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            if text in ("torch.load", "trainer.fit"):
                assert keywords.get("weights_only") == "True", where
            if text == "yaml.load":  # a SafeLoader, or the one that makes nothing but texts
                loader = ast.unparse(call.args[1]) if len(call.args) > 1 else keywords["Loader"]
                assert loader in ("UniqueKeyLoader", "yaml.BaseLoader"), where
                assert issubclass(UniqueKeyLoader, yaml.SafeLoader)
            assert text not in ("pickle.load", "pickle.loads", "eval", "exec", "torch.jit.load"), where
            assert not text.endswith(("load_from_checkpoint", "import_module")) or path.name in CONSTANT_IMPORTS, where
            if text == "OmegaConf.create":
                assert ast.unparse(call.args[0]) != "metadata['config']" or path.name == "stored.py", where


SUSPECT = re.compile(r"load\(|fit\(|eval\(|exec\(|import_module|load_from|OmegaConf\.create")
CONSTANT_IMPORTS = ("child.py", "command.py", "__main__.py", "opening.py", "task_info.py")  # ours, Pillow's by constant
# names, and plug-ins that the user names


def test_both_doors_lead_through_the_gate():
    for name, door in (
        ("tasks/checkpoint/checkpoint.py", "read_ours"),
        ("tasks/checkpoint/manifest.py", "metadata_of"),
    ):
        functions = {
            node.name: node
            for node in ast.walk(ast.parse((ROOT / name).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert "checked_config(metadata['config']" in ast.unparse(functions[door]), door
    for path in CODE:
        text = path.read_text()
        assert "read_checkpoint(" not in text or path.parent.name == "backbones" or path.name in READERS, path
        assert "with_name(CARD)" not in text or path.name in SEARCHERS, path


READERS = ("checkpoint.py", "reading.py", "teacher.py", "candidates.py")  # the others take tensors alone
# of_checkpoint.py searches a card for names of our own data sets, peek.py for folders of images; they build nothing.
SEARCHERS = ("manifest.py", "of_checkpoint.py", "peek.py")


BLOCKS = "format: 1\nstem: 16\nlast: 16\nhidden: null\nact: relu\nblocks: "
ALIASES = "".join(f"- &{b} [" + f"*{a}, " * 9 + "]\n" for a, b in pairwise("abcdefghijkl"))
TABLES = {
    "aliases": f"{BLOCKS}\n- &a [x]\n{ALIASES}",
    "an object": "!!python/object/apply:os.mkdir [{marker}]",
    "many keys": "\n".join(f"k{number}: 1" for number in range(2_000)),
    "much": "#" * 2**19,
    "depth": "[" * 5_000,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_block_table_is_data(name, tmp_path, marker):
    (tmp_path / "found.yaml").write_text(TABLES[name].replace("{marker}", str(marker)))
    start = time.thread_time()
    with pytest.raises(ValueError, match=r"found\.yaml") as refused:
        read_table(tmp_path / "found.yaml")
    assert one_line(str(refused.value)) and not marker.exists() and time.thread_time() - start < 20


def test_keys_that_are_numbers_are_found_by_their_text():
    assert without({"a": {5: {"b": 1}, "c": 2}}, ("a", "5", "b")) == {"a": {5: {"b": None}, "c": 2}}
