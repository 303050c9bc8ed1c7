"""recipe=detect_own by the real command: what it chooses is stored, printed, and gives way to what is typed."""

import json
from types import SimpleNamespace

import pytest

from tasks.app.fitted import epochs_of, is_typed
from tests.tasks.segment.test_command import metrics, state

TINY = (
    "dataset=coco", "recipe=detect_own", "backbone=mobilenet_v3_small", "backbone.width=0.35", "data.workers=0",
    "trainer.accelerator=cpu", "pictures=0", "fitted.pixels=4096", "data.eval_batch_size=2",
    "cpu.keep_freed_memory=false",
)  # fmt: skip


@pytest.fixture
def run(command, coco, tmp_path):
    def go(folder: str, *arguments: str, task: str = "detect"):
        where = (f"dataset.root={coco}", f"hydra.run.dir={tmp_path / folder}")
        return command(task, *where, *arguments), tmp_path / folder

    return go


def test_what_was_chosen_is_stored_and_scored_again(run, command, tmp_path):
    result, folder = run("train", *TINY, "trainer.max_epochs=1", "match=atss", "task.loss.box=ciou")
    assert result.status == 0, result.err
    assert "fitted    image_size=[64,64] head.maps=[[c3_expanded,c3]]" in result.out
    assert "fitted    loss=quality_focal" in result.out.splitlines()
    assert "shapes at stride 8 by k-means reach" in result.out and "of 10 training boxes" in result.out
    config = state(folder / "checkpoints" / "best.ckpt")["mobilevision"]["config"]
    assert config["image_size"] == [64, 64] and config["head"]["extras"] == []
    assert config["trainer"]["max_epochs"] == 1, "typed"
    assert config["data"]["augment"]["crop"]["ratio"] == [0.901, 1.11]
    assert config["head"]["anchors"]["_target_"] == "heads.anchors.listed"
    loss = config["task"]["loss"]
    assert loss["_target_"].endswith("QualityFocalMultiBox") and loss["match"]["topk"] == 9
    assert loss["box"] == "ciou" and loss["box_weight"] == 2, "typed, and the loss's own"
    assert "heads.anchors.listed" in (folder / "config.yaml").read_text()
    best = folder / "checkpoints" / "best.ckpt"
    again = command("detect", "mode=evaluate", f"checkpoint={best}", f"hydra.run.dir={tmp_path / 'again'}")
    assert again.status == 0, again.err
    assert "fitted" not in again.out and metrics(tmp_path / "again") == pytest.approx(metrics(folder), abs=1e-12)

    result, more = run("more", *TINY, "trainer.max_epochs=1", "loss=softmax", f"checkpoint={best}")
    assert result.status == 0, result.err
    assert "fitted    head.maps, head.extras, head.anchors: as in" in result.out
    assert state(more / "checkpoints" / "best.ckpt")["mobilevision"]["config"]["head"] == config["head"]
    assert state(more / "checkpoints" / "best.ckpt")["mobilevision"]["config"]["task"]["loss"]["negatives"] == 3, (
        "typed"
    )
    best = more / "checkpoints" / "best.ckpt"
    result, softmax = run("softmax", *TINY, "trainer.max_epochs=1", "finetune=null", f"checkpoint={best}")
    assert result.status == 0, result.err
    loss = state(softmax / "checkpoints" / "best.ckpt")["mobilevision"]["config"]["task"]["loss"]
    assert loss["_target_"].endswith("SoftmaxMultiBox"), "as its scores were trained"


def test_every_share_of_the_images_takes_the_same_steps():
    share = SimpleNamespace(train=range(1000), distinct=50)
    assert epochs_of(share, 1) == epochs_of(SimpleNamespace(train=range(1000), distinct=None), 1) == 60
    assert epochs_of(share, 2) == 30


def test_a_resumed_run_keeps_what_was_chosen(run):
    result, half = run("half", *TINY, "trainer.max_epochs=2", "stop_after=1")
    assert result.status == 0, result.err
    result, resumed = run("resumed", "dataset=coco", f"resume={half / 'checkpoints' / 'last.ckpt'}")
    assert result.status == 0, result.err
    heads = [state(each / "checkpoints" / "last.ckpt")["mobilevision"]["config"]["head"] for each in (half, resumed)]
    assert heads[0] == heads[1] and "k-means" not in result.out


def test_typed_keys_stay(run):
    typed = ("image_size=[96,96]", "head.maps=[c4,c5]", "head.extras=[]", "head.anchors.smallest=0.3")
    result, folder = run("train", *TINY, "trainer.max_epochs=1", *typed)
    assert result.status == 0, result.err
    assert "image_size" not in result.out.partition("fitted ")[2].partition("\n")[0]
    config = json.loads(json.dumps(state(folder / "checkpoints" / "best.ckpt")["mobilevision"]["config"]))
    assert config["image_size"] == [96, 96] and config["head"]["maps"] == ["c4", "c5"]
    assert config["head"]["anchors"]["_target_"] == "heads.anchors.paper"


@pytest.mark.parametrize(
    ("words", "is_so"),
    [
        (["head.anchors.scales=[0.1]"], True),
        (["head=ssdlite_torchvision"], True),
        (["head@detect.head=ssd"], False),
        (["head.anchor=1"], False),
        (["recipe=detect_own", "experiment=mine", "head.maps=[c5]"], False),
    ],
)
def test_typed(words, is_so):
    assert is_typed("head.anchors", words) == is_so
    assert is_typed("detect.head.anchors", ["head@detect.head=ssd"])
    assert is_typed("task.loss", ["loss=focal"], below=False)
    assert not is_typed("task.loss", ["task.loss.box=ciou"], below=False)


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        ("detect", ("fitted.keys=[head.anchor]",), "fitted.keys=['head.anchor'] is not a list, each one of image_size"),
        ("detect", ("fitted.pixels=100",), "fitted.pixels=100 is not a whole number from 1,024"),
        ("classify", ("fitted.keys=[image_size]",), "fitted.keys=[image_size]: tasks.classify finds no boxes here"),
    ],
)
def test_mistakes_are_one_line(task, words, said, command, folders, coco, tmp_path):
    data = (
        ("dataset=coco", f"dataset.root={coco}") if task == "detect" else ("dataset=folders", f"dataset.root={folders}")
    )
    result = command(task, *data, "data.workers=0", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and said in result.err and result.err.count("\n") == 1
