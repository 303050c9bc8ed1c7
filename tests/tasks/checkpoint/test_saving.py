"""What a run writes is whole or not there, and what was changed since is not read."""

import copy
import resource
import signal
from pathlib import Path

import pytest
import torch

from tasks.checkpoint.checkpoint import open_checkpoint, read_ours
from tasks.checkpoint.digest import check_digest, digest
from tasks.checkpoint.metadata import BUILT
from tasks.checkpoint.saving import WEIGHTS, CheckpointFiles, save
from tasks.common.errors import UserError
from tasks.common.writing import replacing, write_text


def checkpoint() -> dict:
    metadata = {
        "format": 1,
        "task": "classify",
        "config": {key: {} for key in (*BUILT, "head", "task")},
        "tasks": {"classify": {"target": "label", "classes": ["a", "b"]}},
    }
    state = {"weight": torch.arange(6.0).view(2, 3), "norm.running_var": torch.ones(2), "count": torch.tensor(3)}
    moments = [{"state": {0: {"step": torch.tensor(2.0), "exp_avg": torch.ones(2, 3)}}, "param_groups": [{"lr": 0.1}]}]
    return {"state_dict": state, "mobilevision": metadata, "epoch": 1, "global_step": 2, "optimizer_states": moments}


def test_a_checkpoint_is_read_as_it_was_saved_and_best_is_small(tmp_path):
    files = CheckpointFiles()
    files.save_checkpoint(checkpoint(), tmp_path / "last.ckpt")
    files.save_checkpoint(checkpoint(), tmp_path / "best.ckpt", storage_options=WEIGHTS)
    last, best = (files.load_checkpoint(tmp_path / name) for name in ("last.ckpt", "best.ckpt"))
    assert last.keys() == checkpoint().keys() and "optimizer_states" not in best
    assert torch.equal(best["state_dict"]["weight"], checkpoint()["state_dict"]["weight"])
    check_digest(last, "training", "last.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "best.ckpt"}


@pytest.mark.parametrize("part", ["weights", "training"])
def test_what_was_changed_and_written_again_is_not_taken(tmp_path, part):
    """The archive's checksums are right then: the digest is what finds it."""
    save(checkpoint(), tmp_path / "a.ckpt")
    changed = torch.load(tmp_path / "a.ckpt", weights_only=True)
    moments = changed["optimizer_states"][0]["state"][0]["exp_avg"]
    (changed["state_dict"]["weight"] if part == "weights" else moments)[0, 0] += 1e-6
    torch.save(changed, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=f"its {part} are not what was saved"):
        check_digest(read_ours(tmp_path / "a.ckpt"), "training", "a.ckpt")


def test_a_checkpoint_of_before_has_no_digest_and_is_read(tmp_path):
    torch.save(checkpoint(), tmp_path / "a.ckpt")
    check_digest(read_ours(tmp_path / "a.ckpt"), "training", "a.ckpt")


WRONG = {
    "format": ({"format": "1"}, "its format"),
    "newer": ({"format": 99}, "format 99"),
    "task": ({"task": "detect"}, "its task"),
    "configuration": ({"config": "abc"}, "its config"),
    "built": ({"config": {"backbone": []}}, r"its config\.backbone"),
    "nothing built": ({"config": {}}, r"its config\.backbone"),
    "tensors made anew": ({"anew": 3}, "its anew"),
    "held out": ({"holdout": {"share": 0.5, "images": 4, "held": 4, "names": ""}}, "its holdout"),
    "no head": ({"tasks": {}}, "its tasks"),
    "head": ({"tasks": {"classify": []}}, r"its tasks\.classify"),
    "classes": ({"tasks": {"classify": {"target": "label", "classes": "ab"}}}, r"its tasks\.classify"),
    "control": ({"tasks": {"classify": {"target": "label", "classes": ["a\x1b[31m"]}}}, r"its tasks\.classify"),
    "target": ({"tasks": {"classify": {"target": 3, "classes": ["a"]}}}, r"its tasks\.classify"),
}

SEGMENT = {"target": "mask", "classes": [["road", 7, [0, 0, 0]]]}
SEVERAL = {
    **{key: {} for key in BUILT},
    "heads": ["segment"],
    "datasets": {"a": {}, "b": {}},
    "segment": {"target": "mask", "head": {}, "task": {}},
}


def multitask(config: dict, **entry: object) -> dict:
    return {"task": "multitask", "config": SEVERAL | config, "tasks": {"segment": SEGMENT | entry}}


def of_segment(**entry: object) -> dict:
    return {"task": "segment", "tasks": {"segment": SEGMENT | entry}}


WRONG |= {
    "classes without colours": (of_segment(classes=[1, 2]), r"its tasks\.segment"),
    "a colour": (of_segment(classes=[["road", 7, [0, 0, 256]]]), r"its tasks\.segment"),
    "a name": (of_segment(classes=[["ro\x1bad", 7, [0, 0, 0]]]), r"its tasks\.segment"),
    "another head's target": (of_segment(target="label"), r"its tasks\.segment"),
    "no head in it": ({"config": {key: {} for key in (*BUILT, "task")}}, r"its config\.head"),
    "two heads": ({"tasks": {"classify": {"target": "label", "classes": ["a"]}, "segment": SEGMENT}}, "its tasks"),
    "no statistics' data sets": (multitask({"batchnorm": "separate"}), r"its tasks\.segment\.datasets"),
    "an unknown data set": (multitask({"batchnorm": "separate"}, datasets=["c"]), r"its tasks\.segment\.datasets"),
    "data sets": (multitask({"batchnorm": "separate", "datasets": None}, datasets=[]), r"its config\.datasets"),
    "draws": (multitask({"data": {"draw": "x"}}, datasets=["a"]), r"its config\.data\.draw"),
    "heads": (multitask({"heads": [["segment"]]}), r"its config\.heads"),
    "a head of several": (multitask({"segment": {"target": "mask", "task": {}}}), r"its config\.segment\.head"),
}


@pytest.mark.parametrize("case", WRONG)
def test_descriptions_of_another_kind_are_named(tmp_path, case):
    wrong, message = WRONG[case]
    content = checkpoint()
    torch.save({**content, "mobilevision": content["mobilevision"] | wrong}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=message):
        read_ours(tmp_path / "a.ckpt")


@pytest.mark.parametrize("entry", [{}, {"datasets": ["b"]}])
def test_a_head_of_several_without_a_choice_of_statistics_is_read(tmp_path, entry):
    content = checkpoint()
    content["mobilevision"] |= multitask({}, **entry)
    torch.save(content, tmp_path / "a.ckpt")
    assert open_checkpoint(tmp_path / "a.ckpt", "segment")["mobilevision"]["task"] == "segment"


def test_weights_of_another_kind_are_named(tmp_path):
    for state, message in (
        ([], "its state_dict"),
        ({"weight": "abc"}, "its state_dict"),
        ({"weight": torch.tensor([torch.nan])}, "weight holds NaN"),
        ({"norm.running_var": torch.tensor([-1.0])}, "negative variances"),
    ):
        torch.save({**checkpoint(), "state_dict": state}, tmp_path / "a.ckpt")
        with pytest.raises(UserError, match=message):
            read_ours(tmp_path / "a.ckpt")


def test_a_full_disk_leaves_the_file_of_before_whole(tmp_path):
    """A limit on the size of files stands for the disk: the operating system refuses to write on."""
    path = tmp_path / "last.ckpt"
    save(checkpoint(), path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    held = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(UserError) as caught:
            save(checkpoint(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, held)
    assert "MB are free" in str(caught.value) and f"go on with resume={path}" in str(caught.value)
    assert path.read_bytes() == before and [path] == list(tmp_path.iterdir())


def test_a_file_is_replaced_at_the_end_and_not_before(tmp_path):
    path = tmp_path / "deep" / "metrics.json"
    write_text(path, "before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_text() == "before"
        raise KeyboardInterrupt
    assert path.read_text() == "before" and list(path.parent.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_text(Path(tmp_path / "file" / "a.json"), "x")


@pytest.mark.parametrize(("one", "other"), [({1, 2}, {1, 3}), (b"a", b"b"), (1j, 2j), ({b"1"}, frozenset({"1"}))])
def test_the_state_of_somebodys_own_callback_has_a_digest(one, other):
    assert digest(one) != digest(other) and digest(one) == digest(copy.deepcopy(one))


@pytest.mark.parametrize("entry", [object(), 10**5000], ids=["object", "digits"])
def test_what_has_no_digest_is_not_saved(entry, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*a\.ckpt, which could not be read again"):
        save({"mobilevision": {}, "state_dict": {}, "optimizer_states": [], "own": entry}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"is no number|digits"):
        digest({"a": [entry]})
    checkpoint = {"mobilevision": {"sha256": {}}, "state_dict": {}, "optimizer_states": [], "own": entry}
    with pytest.raises(UserError, match=r"^a\.ckpt is damaged: its training cannot be compared") as refused:
        check_digest(checkpoint, "training", "a.ckpt")
    assert "\n" not in str(refused.value)
