"""Keys that take effect only with others: the table is complete against conf/, and typed ones are refused without."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.app.validate import check_typed, idle_in_experiment
from tasks.common.errors import UserError
from tasks.common.nested import leaves
from tasks.config.conditions import Term, alternatives, terms
from tasks.config.needs import NEEDS, OF_TRAINING, SAID, idle, is_below, unused_here
from tasks.config.overrides import OF_THIS_COMMAND, apply_overrides, typed_keys
from tasks.config.tree import put
from tests.test_config import CONF, task_of, tree_of

PLACES = {"loss": "task.loss", "match": "task.loss.match"}  # of groups whose files set another key
CLASSES = ("backbone", "balance", "logger", "optimizer", "scheduler")  # arguments of what is built: that checks them
ALONE = {  # keys that take effect by themselves, or say so where it is known: by section
    "": "batchnorm channels_last check checkpoint compile confirm datasets device ema heads image_size log metric mode "
    "model norm_start overwrite pictures plugins resume seed stop_after targets traceback upright weights white",
    "cpu": "bind_threads keep_freed_memory",
    "data": "augment balance batch_size cache crop decode draw eval_batch_size fit fit.size global_batch holdout "
    "max_broken order own_augment progressive repeat repeat_factor scales share workers",
    "dataset": "alpha annotations classes data drop_empty file first_pixel height ignore images label labels layout "
    "masks name nearest numbering resize_masks root seed separator sets split table targets template train "
    "train.annotations train.images train_split unlabelled upright val val.annotations val.share val.table wanted "
    "width",
    "distill": "teacher",
    "finetune": "frozen_until lr name norms thaw",
    "fitted": "keys loss",
    "head": "anchors.ratios anchors.reduce_first anchors.scales convolution detail dropout extras finest gate_bias "
    "hidden high kernel low maps norm_eps norm_momentum pool_kernel prior rates",
    "latency": "device",
    "processes": "silence timeout",
    "quantise": "aware",
    "saving": "minutes",
    "search": "act augment decay epochs excite expansion filters finetune images importance kernel kind layers longer "
    "lr narrowest networks objective prune repeats score_on side sizes step steps study subset trials weights widest "
    "widths workers",
    "target": "latency madds params",
    "task": "boundary calibrate evaluator loss.alpha loss.balance loss.beta loss.binary loss.box loss.box_weight "
    "loss.cross_entropy loss.dice loss.gamma loss.label_smoothing loss.least_negatives loss.lovasz loss.match.alpha "
    "loss.match.beta loss.match.claim loss.match.topk loss.negatives loss.ohem loss.positive_weight loss.stride "
    "loss.weight mirror mix.cutmix mix.mixup scales select.detections select.overlap select.per_class "
    "select.threshold threshold",
    "trainer": "accelerator accumulate_grad_batches benchmark check_val_every_n_epoch detect_anomaly deterministic "
    "devices gradient_clip_val limit_train_batches limit_val_batches log_every_n_steps max_epochs num_nodes "
    "num_sanity_val_steps precision strategy sync_batchnorm",
    "wants": "output_stride skip_strides tail",
}
ADDED = {"trainer.gradient_clip_algorithm"}  # typed with +


def keys_of(path: Path) -> Iterator[str]:
    """The keys that a file of conf/ sets."""
    text, group = path.read_text(encoding="utf-8"), path.parent.name
    content: dict[str, Any] = yaml.safe_load(text) or {}
    content = {key: value for key, value in content.items() if key not in ("defaults", "hydra")}
    whole = path.parent == CONF or "@package _global_" in text
    below = "search" if path.stem == "search_space" else "" if whole else PLACES.get(group, group)
    for key, _ in leaves(content):
        if not key.rpartition(".")[2].startswith("_"):
            yield f"{below}.{key}".lstrip(".")


@cache
def keys_of_conf() -> set[str]:
    paths = [path for path in CONF.rglob("*.yaml") if path.parent.name not in ("recipe", "scale", "paper")]
    return {key for path in paths if path.parent.name != "experiment" for key in keys_of(path) if key}


def alone() -> set[str]:
    return {f"{section}.{name}".lstrip(".") for section, names in ALONE.items() for name in names.split()}


def test_every_key_of_conf_is_in_the_table_or_takes_effect_alone():
    found = {key for key in keys_of_conf() if key.partition(".")[0] not in CLASSES}
    new, gone = found - NEEDS.keys() - alone(), alone() - (found - NEEDS.keys())
    assert not new, "into NEEDS of tasks/config/needs.py, or into ALONE above"
    assert not gone, "in ALONE, but not in conf/, or in NEEDS as well"
    assert NEEDS.keys() - keys_of_conf() == ADDED
    assert set(OF_TRAINING) - {"loss_weights"} == {key for key in OF_TRAINING if within_conf(key)}


def within_conf(section: str) -> bool:
    return any(is_below(key, [section]) for key in keys_of_conf())


def test_what_a_key_needs_are_keys_of_conf():
    for need in NEEDS.values():
        assert all(within_conf(term.key.removesuffix("._target_")) for term in terms(need)), need
    assert all(any(said in need for need in NEEDS.values()) for said in SAID)


@pytest.mark.parametrize("key", NEEDS)
def test_each_is_refused_without_what_it_needs_and_taken_with_each_alternative(key):
    begin = put({"mode": "search" if "mode=train" in NEEDS[key] else "train"}, key, "typed")
    lacking = begin
    for term in terms(NEEDS[key]):
        if term.key != "mode":
            lacking = put(lacking, term.key, lacked(term))
    (line,) = idle(lacking, [key])
    assert line.startswith(f"{key}=typed has no effect without ") and "\n" not in line
    for each in alternatives(NEEDS[key]):
        taken = begin
        for term in each:
            taken = put(taken, term.key, "other" if term.negated else VALUES.get(term.values[0], term.values[0]))
        assert not list(idle(taken, [key])), each


VALUES = {"null": None, "true": True, "0": 0}  # of texts


def lacked(term: Term) -> Any:
    """A value that a term does not hold with."""
    return VALUES.get(term.values[0], term.values[0]) if term.negated else "other" if term.values != ("…",) else None


@cache
def tree(task: str, *words: str) -> dict[str, Any]:
    return tree_of("recipe=none", *words, task=task)


def lines(task: str, *words: str) -> list[str]:
    return list(idle(tree(task, *words), typed_keys(words)))


@pytest.mark.parametrize(
    ("task", "line", "refused"),
    [
        ("segment", "data.window=8", "data.window=8 has no effect without data.order=shards"),
        (
            "classify",
            "dataset=packed dataset.root=here dataset.cache_gb=9",
            "dataset.cache_gb=9 has no effect without an address as dataset.root (https://…, s3://…)",
        ),
        ("classify", "dataset=packed dataset.root=s3://bucket/here dataset.cache_gb=9", None),
        ("classify", "data.cache=true data.cache_gb=9", "data.cache_gb=9 has no effect without data.cache=disk"),
        ("segment", "export.format=litert", "export.format=litert has no effect without mode=export"),
        ("segment", "mode=export checkpoint=a.ckpt export.calibration=64",
         "export.calibration=64 has no effect without export.precision=int8"),
        ("segment", "input=photo.jpg", "input=photo.jpg has no effect without mode=predict"),
        ("segment", "mode=evaluate model=a.onnx checkpoint=b.ckpt export.tolerance=0.1", None),
        ("segment", "mode=benchmark checkpoint=a.ckpt benchmark.classes=3",
         "benchmark.classes=3 has no effect without checkpoint=null"),
        ("segment", "mode=benchmark model=a.onnx runtime.threads=2",
         "runtime.threads=2 has no effect without mode=evaluate|predict"),
        ("segment", "mode=predict input=x model=a.onnx runtime.threads=2", None),
        ("detect", "match=atss task.loss.threshold=0.6",
         "task.loss.threshold=0.6 has no effect without task.loss.match=null or match=iou"),
        ("detect", "match=iou task.loss.threshold=0.6", None),
        ("detect", "dataset=voc dataset.background=rest",
         "dataset.background=rest has no effect without a head that learns from label maps"),
        ("multitask", "heads=[segment] classify.head.dropout=0.5", None),  # a line: tasks.multitask.compare does so
        ("multitask", "heads=[segment] segment.task.loss.ohem_threshold=0.7",
         "segment.task.loss.ohem_threshold=0.7 has no effect without segment.task.loss.ohem other than 1"),
        ("multitask", "heads=[segment] segment.task.loss.ohem=0.2 segment.task.loss.ohem_threshold=0.7", None),
        ("multitask", "classify.head.dropout=0.5", None),  # heads follow from the data
        ("segment", "export.page=false predict.frames=null optimizer.scaling=none", None),  # ask for nothing
        ("segment", "mode=evaluate checkpoint=a.ckpt export.budget=0.1",
         "export.budget=0.1 has no effect without mode=export export.precision=int8 or mode=export "
         "export.precision=fp16|bf16 export.metric=true or model=…"),
        ("segment", "mode=search search=recipe budget.params=1M",
         "budget.params=1M has no effect without a training by itself"),
    ],
)  # fmt: skip
def test_what_is_typed_without_effect_is_one_line(task, line, refused):
    assert lines(task, *line.split()) == ([refused] if refused else [])


@pytest.mark.parametrize(
    ("mode", "lacking"), [("train", "mode=export export.precision=int8"), ("search", "search=candidates")]
)
def test_a_message_names_what_this_kind_of_command_takes(mode, lacking):
    config = {"mode": mode, "search": {"kind": "width"}, "export": {"calibration": 64, "precision": "fp32"}}
    assert list(idle(config, ["export.calibration"])) == [f"export.calibration=64 has no effect without {lacking}"]


@pytest.mark.parametrize(
    "choice", ["experiment=detect_bccd", "recipe=classify_crops", "scale=segment_mini", "loss=focal"]
)
def test_defaults_and_options_of_groups_are_never_refused(choice):
    assert list(idle(tree_of(choice, task=task_of(choice)), typed_keys([choice]))) == []


def test_with_a_checkpoint_its_configuration_decides():
    words = ("mode=evaluate", "checkpoint=a.ckpt", "data.cache_gb=9")
    for kept, refused in (("disk", []), ("memory", ["data.cache_gb=9 has no effect without data.cache=disk"])):
        merged = apply_overrides(tree("segment", f"data.cache={kept}"), tree("segment", *words), words)
        assert list(idle(merged, typed_keys(words))) == refused
    assert list(idle(tree("segment", *words), typed_keys(words), only=OF_THIS_COMMAND)) == [], "it is not read yet"
    early = idle(put(tree("segment", *words), "export.format", "litert"), ["export.format"], only=OF_THIS_COMMAND)
    assert list(early) == ["export.format=litert has no effect without mode=export"]


def test_keys_of_a_training_in_another_mode_are_named_in_a_line():
    words = (
        "mode=evaluate",
        "checkpoint=a.ckpt",
        "trainer.max_epochs=3",
        "optimizer.lr=0.1",
        "data.window=3",
        "ema=0.9",
    )
    typed = typed_keys(words)
    line = "data.window, optimizer.lr, trainer.max_epochs: no effect with mode=evaluate, which does not train"
    assert unused_here(tree("segment", *words), typed) == [line]
    assert list(idle(tree("segment", *words), typed)) == []
    assert unused_here(tree("segment", *words[2:]), typed) == []


def test_keys_of_heads_that_are_not_trained_are_named_in_a_line():
    words = ("heads=[segment]", "detect.head.extras=[32]", "balance.weights.classify=2", "metric=pycocotools")
    line = "balance.weights.classify, detect.head.extras, metric: no effect with heads=[segment]"
    assert unused_here(tree("multitask", *words), typed_keys(words)) == [line]
    assert unused_here(tree("multitask", *words[1:]), typed_keys(words)) == [], "heads follow from the data"


def test_a_command_refuses_before_it_makes_a_folder(command, folders, tmp_path):
    words = ("dataset=folders", f"dataset.root={folders}", "data.window=8", f"hydra.run.dir={tmp_path / 'run'}")
    result = command("classify", *words)
    assert (result.status, result.err) == (2, "error: data.window=8 has no effect without data.order=shards\n")
    assert not (tmp_path / "run").exists()


def test_in_a_sweep_another_job_may_use_a_key(capsys):
    config = tree("segment", "data.window=8")
    with pytest.raises(UserError, match=r"data\.window=8 has no effect"):
        check_typed(config, {"data.window"})
    check_typed(config, {"data.window"}, sweeping=True)
    assert capsys.readouterr().out == "data.window=8 has no effect without data.order=shards\n"


def test_an_experiment_of_ones_own_is_told_ours_are_not(tmp_path, monkeypatch):
    own = tmp_path / "mine.yaml"
    own.write_text("# @package _global_\ndata: {window: 8, repeat: 2}\nexport: {format: litert}\n")
    monkeypatch.setattr("tasks.app.validate.file_of", lambda _name: own)
    told = "experiment=mine: data.window=8 has no effect without data.order=shards"
    assert told in idle_in_experiment("mine", tree("segment", "data.window=8"))
    assert idle_in_experiment("mine", tree("segment", "data.window=8", "mode=evaluate", "checkpoint=a.ckpt")) == []
    monkeypatch.setattr("tasks.app.validate.file_of", lambda _name: CONF / "experiment/segment_camvid.yaml")
    assert idle_in_experiment("segment_camvid", tree("segment", "data.window=8")) == []
