"""What a configuration may say together: each mistake is one line."""

import re

import pytest
from hydra.errors import HydraException

from tasks.app.messages import explain
from tasks.app.resolve import resolve
from tasks.app.validate import (
    check_choices,
    check_experiment,
    check_own_options,
    check_scale,
    check_sections,
    check_sweep,
    renamed_arguments,
)
from tasks.common.errors import UserError
from tests.test_config import CONF, configuration

HERE = {"here.ckpt", "other.ckpt", "run/checkpoints/best.ckpt"}  # files that are there

SINGLE = {  # what is typed for tasks.segment, and how the error begins or goes on
    "mode=evaluate": "mode=evaluate needs checkpoint=<file.ckpt>, or weights=",
    "mode=predict weights=MobileNet_V2_Weights.DEFAULT": "mode=predict needs input=",
    "mode=evaluate checkpoint=gone.ckpt": r"checkpoint=gone\.ckpt: no such file",
    "mode=evaluate checkpoint=run": r"checkpoint=run is a folder; name a file in it: run/checkpoints/best\.ckpt",
    "mode=evaluate checkpoint=here.ckpt weights=a.pth": "checkpoint=… and weights=… both say",
    "mode=evaluate checkpoint=[here.ckpt,other.ckpt]": "several files are for mode=benchmark",
    "weights=her.ckpt": r"weights=her\.ckpt: no such file; did you mean here\.ckpt\?",
    "resume=gone.ckpt": r"resume=gone\.ckpt: no such file",
    "resume=here.ckpt mode=predict checkpoint=here.ckpt input=x": "resume=… continues a training",
    "resume=here.ckpt checkpoint=other.ckpt": "resume=… brings its own weights",
    "resume=here.ckpt weights=a.pth": "resume=… brings its own weights",
    "mode=train model=a.onnx": "model=… is for mode=evaluate, predict and benchmark",
    "mode=evaluate model=a.onnx weights=MobileNet_V2_Weights.DEFAULT": "model=… brings its own weights",
    "distill.teacher=gone.ckpt": r"distill\.teacher=gone\.ckpt: no such file",
    "distill.teacher=here.ckpt distill.weights=imagenet": r"distill\.weights=… is for torchvision's networks",
    "backbone.frozen=true": r"backbone\.frozen=true without weights to keep",
    "data.balance=0.5 data.repeat_factor=0.1": r"data\.balance and data\.repeat_factor both decide how often",
    "mode=export checkpoint=here.ckpt export.precision=int3": r"export\.precision=int3 is not one of fp32, ",
    "mode=export checkpoint=here.ckpt export.rewrite=webgpu export.format=openvino": r"export\.rewrite=webgpu is for "
    r"export\.format=onnx, not openvino",
    "mode=export checkpoint=here.ckpt export.rewrite=npu": r"export\.rewrite=npu",
    "mode=export checkpoint=here.ckpt export.mixed=true": r"export\.mixed=true is for export\.precision=int8",
    "backbone=table": r"backbone=table needs backbone\.file=<block table",
    "backbone=table backbone.file=gone.yaml": r"backbone\.file: .*gone\.yaml",
    "task.loss._target_=os.system": r"task\.loss: os\.system",
}
SEVERAL = {
    "mode=evaluate weights=a.pth": "mode=evaluate of several heads needs checkpoint=",
    "heads=[segment,depth]": "heads: depth is not one of segment, detect, classify",
    "heads=[detect,detect]": r"heads=\['detect', 'detect'\] names detect twice",
    "heads=[]": r"heads=\[\] is not a list of some of",
    "segment.frozen=true": r"segment\.frozen=true without weights to keep",
    "segment.frozen=perhaps checkpoint=here.ckpt": r"segment\.frozen=perhaps is not true or false",
    "detect.target=mask": r"detect\.target=mask",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the files of HERE."""
    for name in HERE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


def mistake(task: str, line: str) -> str:
    """The error of a command line."""
    with pytest.raises(UserError) as caught:
        resolve(task, configuration("recipe=none", *line.split(), task=task))
    return str(caught.value)


@pytest.mark.parametrize("line", SINGLE)
def test_mistakes_of_one_head(line, folder):
    said = mistake("segment", line)
    assert re.search(SINGLE[line], said) and "\n" not in said


@pytest.mark.parametrize("line", SEVERAL)
def test_mistakes_of_several_heads(line, folder):
    said = mistake("multitask", line)
    assert re.search(SEVERAL[line], said) and "\n" not in said


def test_what_leaves_nothing_to_build_is_named():
    config = configuration("recipe=none")
    config.optimizer = None
    with pytest.raises(UserError, match=r"^optimizer=None leaves nothing to build; choose an option of the group$"):
        resolve("segment", config)


def test_what_is_sound_passes(folder):
    for words in ([], ["mode=evaluate", "checkpoint=here.ckpt"], ["backbone.frozen=true", "checkpoint=here.ckpt"]):
        resolve("segment", configuration("recipe=none", *words))


def test_recipes_that_are_typed_must_be_there():
    with pytest.raises(HydraException) as caught:
        configuration("recipe=segment_street")
    said = explain(caught.value)
    assert said.startswith("recipe=segment_street: no such option (did you mean segment_streets"), said
    assert configuration("recipe=none").data.augment == {}


@pytest.mark.parametrize("line", ["backbone=null", "backbone=3", "optimizer="])
def test_an_option_is_named_where_none_is(line):
    group = line.partition("=")[0]
    with pytest.raises(UserError, match=f"^{line}: {group} is one of .*, "):
        check_choices([line], [CONF])
    check_choices(["backbone=mobilenet_v2", "recipe=none", "experiment=null"], [CONF])


@pytest.mark.parametrize("line", ["distill=a.ckpt", "saving=5", "budget=null", "wants=16"])
def test_a_value_in_the_place_of_a_section_is_refused(line):
    key, _, value = line.partition("=")
    config = configuration(task="segment")
    check_sections(config)
    with pytest.raises(UserError, match=rf"^{key}=.* stands in the place of a section; it has {key}\."):
        check_sections({**config, key: value})


def test_the_scale_of_another_task_is_refused():
    with pytest.raises(UserError, match=r"^scale=detect_mini is for tasks.detect, not tasks.classify; its own are cl"):
        check_scale("classify", ["scale=detect_mini"])
    with pytest.raises(UserError, match=r"tasks.segment, not tasks.multitask; it has none of its own$"):
        check_scale("multitask", ["scale=segment_mini"])
    check_scale("detect", ["scale=detect_mini", "scale=mini"])  # Hydra names the options for the second


def test_an_experiment_of_another_task_names_its_command():
    with pytest.raises(UserError, match=r"^experiment=paper/v3_table6 is for python -m tasks.detect, not tasks"):
        check_experiment("classify", ["experiment=paper/v3_table6"])
    check_experiment("detect", ["experiment=paper/v3_table6", "experiment=gone"])
    check_experiment("tags", ["experiment=paper/v3_table6"])  # a plug-in's task may take what fits


def test_a_value_twice_in_a_sweep_is_refused():
    for line in ("seed=0,1,0", "seed=choice(0,0)"):
        with pytest.raises(UserError, match=r"^seed=.* has 0 twice; each value is one run$"):
            check_sweep(["-m", line])
    check_sweep(
        ["-m", "seed=0,1", "seed=range(0,3)", "backbone=glob(*)", "image_size=[32,32]", "image_size=[1,1],[2,2]"]
    )


def test_an_old_name_that_is_typed_is_told():
    config = configuration("optimizer=rmsprop", "optimizer.decay=0.8", "optimizer.alpha=0.5")
    assert renamed_arguments(config, {"optimizer.decay"}) == ["optimizer.decay=0.8 is optimizer.alpha=0.8 today"]
    with pytest.raises(UserError, match=r"is optimizer.alpha=0.8 today; optimizer.alpha=0.5 was typed too$"):
        renamed_arguments(config, {"optimizer.decay", "optimizer.alpha"})
    assert not renamed_arguments(configuration("optimizer=rmsprop"), {"optimizer.decay.norms"})


UNKNOWN = {
    "experiment=paper/v2_fig6a": r"^experiment=paper/v2_fig6a: no such option \(did you mean .*paper/v2_figure6a",
    "experiment=v2_figure6a": r"^experiment=v2_figure6a: no such option \(did you mean .*paper/v2_figure6a",
    "hydra/launcher=none": r"^hydra/launcher=none: no such option; there are basic",
    "optimizer.decay=[norms]": r"^optimizer.decay=\[norms\] is a list .*; its keys are set by optimizer.decay.<n",
}


@pytest.mark.parametrize("line", UNKNOWN)
def test_what_hydra_does_not_find_is_told_with_the_choices(line):
    with pytest.raises(HydraException) as caught:
        configuration(line)
    assert re.search(UNKNOWN[line], explain(caught.value))


def test_an_option_with_the_name_of_one_of_ours_is_refused(tmp_path):
    for name in ("dataset/mine.yaml", "dataset/coco.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"coco\.yaml: dataset=coco is one of ours already; give yours another name"):
        check_own_options([tmp_path])
    (tmp_path / "dataset/coco.yaml").unlink()
    check_own_options([tmp_path, CONF])
