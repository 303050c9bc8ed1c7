"""tasks.publish: what it writes is read like the checkpoint, bit for bit, and says what the run's files say."""

import hashlib
import json
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from backbones.mobilenet_v3 import MobileNetV3
from backbones.safetensors_file import read_safetensors, safetensors_bytes
from backbones.weights import load_weights
from tasks import load
from tasks.checkpoint.checkpoint import make_metadata, read_ours, source_of
from tasks.checkpoint.published import decoded, encoded, published_bytes
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.data.streets.dataset import Streets
from tasks.engine.build import build
from tasks.publish.__main__ import main
from tasks.publish.card import FINDS, PIPELINES, input_size
from tasks.publish.example import TEXT
from tasks.publish.private import portable, without_folders, without_path
from tests.tasks.deploy.conftest import enliven, network
from tests.test_config import run_of

TINY = (
    "recipe=none",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.25",
    "head.hidden=16",
    "data.workers=0",
    "trainer.accelerator=cpu",
    "pictures=0",
    "logger=none",
)


def trained_with(checkpoint: dict, **settings: object) -> dict:
    """The checkpoint with other settings in its configuration."""
    config = {**checkpoint["mobilevision"]["config"], **settings}
    return {**checkpoint, "mobilevision": {**checkpoint["mobilevision"], "config": config}}


def write_run(folder: Path, checkpoint: dict, scores: dict, seed: int = 0) -> Path:
    """A finished run's folder; returns its best.ckpt."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / ".hydra").mkdir()
    checkpoint = trained_with(checkpoint, seed=seed)
    torch.save(checkpoint, folder / "checkpoints" / "best.ckpt")
    costs = {name: {"params": 65_686, "multiply_adds": 1_071_616} for name in checkpoint["mobilevision"]["tasks"]}
    (folder / "metrics.json").write_text(json.dumps({**scores, "images": 7, "seconds": 3.2}))
    (folder / "network.json").write_text(json.dumps({"height": 64, "width": 128, **costs}))
    (folder / "training.json").write_text(json.dumps({"seconds": 9.0, "epochs": 3, "images": 40}))
    config = {"seed": seed, "optimizer": {"lr": 0.1}, "logger": {"save_dir": str(folder)}, "data": {"workers": seed}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    words = ["optimizer.lr=0.1", f"dataset.root={folder}/street", "head.low=[c3, c3_depthwise]"]
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(words))
    return folder / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def several() -> dict:
    """A checkpoint of three heads."""
    learner, made = network()
    entries = {name: entry.metadata() for name, entry in learner.each_task()}
    return {"mobilevision": make_metadata("multitask", made.run.stored, entries), "state_dict": learner.state_dict()}


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> dict:
    """A checkpoint of tasks.segment, with this machine's folders in its configuration."""
    root = tmp_path_factory.mktemp("private") / "streets"
    run = run_of(
        *TINY, f"dataset.root={root}", "dataset.train=1", "dataset.val=2", "dataset.height=64", "dataset.width=96"
    )
    torch.manual_seed(0)
    learner = enliven(build(run.learner, Streets.classes))
    entries = {name: entry.metadata() for name, entry in learner.each_task()}
    return {"mobilevision": make_metadata("segment", run.stored, entries), "state_dict": learner.state_dict()}


@pytest.fixture
def publish(monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """`python -m tasks.publish <arguments>` in this process."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["publish", *arguments])
        status = 0
        try:
            main()
        except SystemExit as leave:
            status = int(leave.code or 0)
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def published(publish, single, tmp_path) -> SimpleNamespace:
    best = write_run(tmp_path / "run", single, {"mIoU": 0.25, "iou/road": 0.5, "iou/train": None})
    status, out, err = publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=CC-BY-4.0")
    assert status == 0, err
    return SimpleNamespace(best=best, folder=tmp_path / "given", out=out)


def photos() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 255, (height, width, 3), np.uint8) for height, width in ((64, 96), (51, 70))]


def test_predictions_equal_the_checkpoints_bit_for_bit(publish, several, tmp_path):
    scores = {"segment/mIoU": 0.5, "segment/iou/road": 0.5, "detect/mAP": 0.25, "classify/top1": 0.75}
    best = write_run(tmp_path / "run", several, scores)
    status, _, err = publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "license=unstated", "name=A|B")
    assert status == 0, err
    expected = load(best, "cpu").predict(photos())
    for path in (tmp_path / "given", tmp_path / "given" / "model.safetensors"):
        for found, ours in zip(load(path, "cpu").predict(photos()), expected, strict=True):
            assert list(found) == list(ours) == ["segment", "detect", "classify"]
            for task, result in ours.items():
                assert result.keys() == found[task].keys()
                for key, value in result.items():
                    np.testing.assert_array_equal(found[task][key], value)
    names = ["README.md", "classify_labels.txt", "detect_labels.txt", "example.py", "model.safetensors"]
    assert sorted(path.name for path in (tmp_path / "given").iterdir()) == [*names, "segment_labels.txt"]
    card = (tmp_path / "given" / "README.md").read_text()
    assert "None is stated." in card and "license:" not in card
    main_scores, by_class = card.split("By class:")
    assert "| detect/mAP | 0.2500 |" in main_scores and "| segment/iou/road | 0.5000 |" in by_class


def test_the_card_says_what_the_files_say(published, single):
    card = (published.folder / "README.md").read_text()
    for line in (
        "license: cc-by-4.0",
        "pipeline_tag: image-segmentation",
        "# MobileNetV3 (size=small, width=0.25) + LRASPP on Streets (streets)",
        "| segment | 0.066M | 1.1M |",
        "On the 7 images of the validation split.",
        "| mIoU | 0.2500 |",
        "| iou/train | – |",
        "One seed: how far another one would differ is not known.",
        "Data: Streets (streets) on 40 images, 3 epochs.",
        "python -m tasks.segment optimizer.lr=0.1 'dataset.root=…/street' 'head.low=[c3, c3_depthwise]'",
        "## Licence\n\nCC-BY-4.0",
    ):
        assert line in card, (line, card)
    for name in ("model.safetensors", "labels.txt", "example.py"):
        digest = hashlib.sha256((published.folder / name).read_bytes()).hexdigest()
        assert f"| `{name}` | `{digest}` |" in card
    classes = [entry[0] for entry in single["mobilevision"]["tasks"]["segment"]["classes"]]
    assert (published.folder / "labels.txt").read_text().splitlines() == classes
    assert f"load({str(published.folder)!r})" in published.out


def test_every_task_is_described():
    targets = {infos()[name].target for name in ("segment", "detect", "classify", "multilabel")}
    assert targets == FINDS.keys() == PIPELINES.keys()


def test_no_folder_of_this_machine_is_published(published, single, tmp_path):
    root = single["mobilevision"]["config"]["dataset"]["root"]
    for path in published.folder.iterdir():
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content and str(Path(root).parent).encode() not in content, path
    config = read_ours(published.folder)["mobilevision"]["config"]
    assert config["dataset"]["root"] == "${oc.env:DATA_ROOT,data}/streets"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dataset.root=/home/me/a b/street", "dataset.root=…/a b/street"),
        ("x=[/a/b/c,'~/d/e']", "x=[…/c,'…/e']"),
        (r"root=C:\Users\me\street", "root=…/street"),
        ("lr=1/2 a/b data/own https://x.org/a/b", "lr=1/2 a/b data/own https://x.org/a/b"),
        ("weights=../shared/b.pth ./c/d", "weights=…/b.pth …/d"),
    ],
)
def test_folders_are_left_out_of_texts(text, shown):
    assert without_folders(text) == shown


def test_absolute_paths_become_portable():
    config = {"weights": "/a/b.pth", "dataset": {"root": "/home/me/own", "sets": {"a": {"root": r"C:\d\own"}}},
              "backbone": {"file": "~/nets/a.yaml", "width": 0.5}, "data": {"list": ["/x/y", "z/w"]}}  # fmt: skip
    root = "${oc.env:DATA_ROOT,data}/own"
    assert portable({"task": "a", "config": config}) == {
        "task": "a",
        "config": {
            "weights": None,
            "dataset": {"root": root, "sets": {"a": {"root": root}}},
            "backbone": {"file": "a.yaml", "width": 0.5},
            "data": {"list": ["y", "w"]},
        },
    }


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("dataset.root=../shared/data/x", "dataset.root=…/x"),
        ("dataset.root=customers/acme", "dataset.root=…/acme"),
        ("dataset.data='customers/acme/data.yaml'", "dataset.data=…/data.yaml'"),
        ("dataset.train.images=customers/img", "dataset.train.images=…/img"),
        ("dataset.train_split=images/train", "dataset.train_split=images/train"),  # within the data set
        ("weights=nets/a.pth", "weights=…/a.pth"),
        ("weights=hf://owner/net", "weights=hf://owner/net"),
        ("distill.teacher=https://x.org/a/b", "distill.teacher=https://x.org/a/b"),
        ("distill.teacher=nets/a.ckpt", "distill.teacher=…/a.ckpt"),
        ("experiment=paper/v3_table7_lraspp", "experiment=paper/v3_table7_lraspp"),
        ("saving.monitor=val/mIoU", "saving.monitor=val/mIoU"),
    ],
)
def test_words_of_the_command_lose_relative_folders_too(word, shown):
    assert without_path(word).replace("'", "") == shown.replace("'", "")


def test_relative_paths_become_portable():
    config = {"dataset": {"root": "../shared/data/x", "train_split": "images/train", "other": "../y/z.csv",
                          "train": {"images": "customers/img"}}, "distill": {"teacher": "hf://owner/net"},
              "backbone": {"file": "nets/a.yaml"}, "stop_after": {"metric": "val/mIoU"}}  # fmt: skip
    below = "${oc.env:DATA_ROOT,data}"
    assert portable({"config": config})["config"] == {
        "dataset": {"root": f"{below}/x", "train_split": "images/train", "other": f"{below}/z.csv",
                    "train": {"images": f"{below}/img"}}, "distill": {"teacher": "hf://owner/net"},
        "backbone": {"file": "a.yaml"}, "stop_after": {"metric": "val/mIoU"},
    }  # fmt: skip


def write_evaluation(folder: Path, of: Path, mean: float, split: str = "test") -> Path:
    """What mode=evaluate writes; returns its metrics.json."""
    folder.mkdir()
    shutil.copy(of.parents[1] / "network.json", folder)
    config = {"mode": "evaluate", "checkpoint": str(of), "seed": 0, "dataset": {"val_split": split}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps({"mIoU": mean, "images": 5}))
    return folder / "metrics.json"


def test_scores_of_another_run_are_refused(publish, single, tmp_path):
    best = write_run(tmp_path / "c1", single, {"mIoU": 0.25})
    name = next(name for name, tensor in single["state_dict"].items() if tensor.is_floating_point())
    changed = {**single["state_dict"], name: single["state_dict"][name] + 1}
    others = write_run(tmp_path / "c2", {**single, "state_dict": changed}, {"mIoU": 0.9})
    evaluated = write_evaluation(tmp_path / "e2", others, 0.9)
    given = (f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT")
    for metrics in (tmp_path / "c2" / "metrics.json", evaluated):
        status, _, err = publish(*given, f"metrics={metrics}")
        assert status == 2 and f"{metrics} has the scores of {others}, whose weights are not those of {best}" in err
    others.unlink()
    assert "which is not there any more" in publish(*given, f"metrics={evaluated}")[2]
    assert "whose scores metrics.json has is not known" in publish(*given, f"metrics={tmp_path / 'c2/metrics.json'}")[2]
    assert publish(*given, f"metrics={tmp_path / 'c1' / 'metrics.json'}")[0] == 0


def test_evaluations_of_several_seeds(publish, single, tmp_path):
    bests = [write_run(tmp_path / f"run{n}", single, {"mIoU": 0.2}, seed=n) for n in (0, 1)]
    scored = [write_evaluation(tmp_path / f"e{n}", best, 0.5 + n / 10) for n, best in enumerate(bests)]
    given = (f"checkpoint={bests[0]}", f"to={tmp_path / 'given'}", "licence=MIT", f"metrics={scored[0]}")
    assert "was scored by other images" in publish(*given, f"runs=[{tmp_path / 'run1'}]")[2]
    status, _, err = publish(*given, f"runs=[{scored[1].parent}]")
    assert status == 0, err
    card = (tmp_path / "given" / "README.md").read_text()
    assert "On the 5 images of the split test." in card and "0.5500 ± 0.0707" in card and "Seeds 0, 1;" in card


def test_start_and_input_size_are_said(publish, single, tmp_path):
    data = single["mobilevision"]["config"]["data"]
    texts = []
    for fit in ({"size": [64, 96]}, {"resize": 40, "crop": 32}, {"resize": [32, 48], "crop": None}):
        metadata = {"config": {"data": {**data, "fit": fit}}}
        texts += input_size(metadata)
    assert texts == [
        "Images are resized to 64 × 96 (height, width) first.\n",
        "Images are resized to a shorter side of 40 first; of that, the middle 32 × 32 is seen.\n",
        "Images are resized to 32 × 48 (height, width) first.\n",
    ]
    best = write_run(tmp_path / "run", trained_with(single, weights="../nets/start.pth"), {"mIoU": 0.25})
    assert publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT")[0] == 0
    training = (tmp_path / "given" / "README.md").read_text().split("## Training")[1].split("##")[0]
    assert "It started from `…/start.pth`, whose terms may apply too." in training


def test_a_resumed_run_says_what_the_first_began_with(publish, single, tmp_path):
    first = write_run(tmp_path / "first", single, {"mIoU": 0.25})
    resumed = trained_with(single, weights=None)
    resumed["mobilevision"]["started"] = "../nets/start.pth"
    cards = []
    for name, last in (
        ("apart", first.with_name("last.ckpt")),
        ("same", tmp_path / "same" / "checkpoints" / "last.ckpt"),
    ):
        best = write_run(tmp_path / name, resumed, {"mIoU": 0.25})
        (tmp_path / name / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump([f"resume={last}"]))
        assert publish(f"checkpoint={best}", f"to={tmp_path / f'{name}_given'}", "licence=MIT")[0] == 0
        cards.append((tmp_path / f"{name}_given" / "README.md").read_text())
        assert "It started from `…/start.pth`, whose terms may apply too." in cards[-1] and "resume=" not in cards[-1]
        published = read_ours(tmp_path / f"{name}_given" / "model.safetensors")["mobilevision"]
        assert published["started"] == "start.pth"
    assert "optimizer.lr=0.1" in cards[0] and "The command was not kept." in cards[1]


def test_a_source_outlives_a_resume():
    config = {"weights": None, "checkpoint": None}
    assert source_of({"config": config}) is None
    assert source_of({"config": {**config, "checkpoint": "a.ckpt"}}) == "a.ckpt"
    assert source_of({"config": config, "started": "a.pth"}) == "a.pth"


def test_modes_take_the_folder_like_the_checkpoint(published, single, command, tmp_path, monkeypatch):
    root = Path(single["mobilevision"]["config"]["dataset"]["root"])
    monkeypatch.setenv("DATA_ROOT", str(root.parent))
    Image.fromarray(photos()[1]).save(tmp_path / "photo.png")
    metrics, labels = [], []
    for name, path in (("a", published.best), ("b", published.folder), ("c", published.folder / "model.safetensors")):
        out = tmp_path / name
        result = command("segment", "mode=evaluate", f"checkpoint={path}", f"hydra.run.dir={out}", "pictures=0")
        assert result.status == 0, result.err
        metrics.append({**json.loads((out / "metrics.json").read_text()), "seconds": 0})
        result = command("segment", "mode=predict", f"checkpoint={path}", f"input={tmp_path / 'photo.png'}",
                         f"hydra.run.dir={out}_found")  # fmt: skip
        assert result.status == 0, result.err
        labels.append(sorted((tmp_path / f"{name}_found").rglob("labels/*.png"))[0].read_bytes())
    assert metrics[0] == metrics[1] == metrics[2] and labels[0] == labels[1] == labels[2]
    arguments = (
        "mode=evaluate",
        f"checkpoint={published.folder}",
        "dataset.height=64",
        f"hydra.run.dir={tmp_path / 'd'}",
    )
    assert command("segment", *arguments).status == 0, "its data set is known before it is read"
    result = command("segment", f"resume={published.folder / 'model.safetensors'}", f"hydra.run.dir={tmp_path / 'e'}")
    assert result.status == 2 and "resume=" in result.err and "Traceback" not in result.err


def test_a_training_starts_from_the_folder(published):
    backbone = MobileNetV3(size="small", width=0.25, tail="segmentation", output_stride=16)
    backbone.keep(["c3_depthwise", "c5"])
    load_weights(backbone, str(published.folder))
    state = read_ours(published.best)["state_dict"]
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, state[f"backbone.{name}"]), name


def test_the_example_predicts(publish, several, tmp_path, monkeypatch, capfd):
    best = write_run(tmp_path / "run", several, {"segment/mIoU": 0.5})
    assert publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT")[0] == 0
    Image.fromarray(photos()[0]).save(tmp_path / "photo.png")
    monkeypatch.setattr(sys, "argv", ["example.py", str(tmp_path / "photo.png")])
    runpy.run_path(str(tmp_path / "given" / "example.py"))
    out = capfd.readouterr().out
    assert [line.rpartition(": ")[2] for line in out.splitlines() if "photo.png" in line] == [
        "segment",
        "detect",
        "classify",
    ]
    assert "%" in out and " at " in out


def test_the_example_pairs_names_of_several_labels_with_their_probabilities(tmp_path, monkeypatch, capfd):
    found = {"probabilities": np.array([0.1, 0.7, 0.9]), "labels": np.array([2, 1]), "names": ["dog", "cat"]}
    model = SimpleNamespace(predict=lambda _: {"multilabel": found})
    monkeypatch.setattr("tasks.load", lambda _: model, raising=False)
    (tmp_path / "example.py").write_text(TEXT)
    monkeypatch.setattr(sys, "argv", ["example.py", "a.png"])
    runpy.run_path(str(tmp_path / "example.py"))
    assert capfd.readouterr().out == "a.png: multilabel\n  dog 0.900\n  cat 0.700\n"


def test_the_spread_over_seeds(publish, single, tmp_path):
    best = write_run(tmp_path / "run0", single, {"mIoU": 0.20, "iou/road": 0.5}, seed=0)
    others = [
        write_run(tmp_path / f"run{n}", single, {"mIoU": 0.20 + n / 20, "iou/road": None}, seed=n) for n in (1, 2)
    ]
    runs = ",".join(str(path.parent.parent) for path in (best, *others))
    status, _, err = publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT", f"runs=[{runs}]")
    assert status == 0, err
    card = (tmp_path / "given" / "README.md").read_text()
    assert "|  | this file | mean ± sd of 3 seeds |" in card and "| mIoU | 0.2000 | 0.2500 ± 0.0500 |" in card
    assert "| iou/road | 0.5000 | – |" in card and "Seeds 0, 1, 2; this file is of seed 0." in card


def test_runs_that_are_no_seeds_of_this_one_are_refused(publish, single, tmp_path):
    best = write_run(tmp_path / "run0", single, {"mIoU": 0.2}, seed=0)
    other = write_run(tmp_path / "run1", single, {"mIoU": 0.3}, seed=0).parent.parent
    arguments = (f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT", f"runs=[{other}]")
    assert "has seed 0, as" in publish(*arguments)[2]
    torch.save(trained_with(single, seed=1, ema=0.5), other / "checkpoints" / "best.ckpt")
    assert "is another training than" in (err := publish(*arguments)[2]) and "ema=0.5, not 0.999" in err
    torch.save(trained_with(single, seed=1), other / "checkpoints" / "best.ckpt")
    (other / "metrics.json").write_text(json.dumps({"mIoU": 0.3, "images": 8}))
    assert "was scored by other images or metrics" in publish(*arguments)[2]
    (other / "network.json").unlink()
    assert "network.json: no such file" in publish(*arguments)[2]
    assert not (tmp_path / "given").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"checkpoint": None}, "checkpoint=… is missing"),
        ({"to": None}, "to=… is missing"),
        ({"licence": None}, "licence=… is missing: the SPDX name"),
        ({"licence": "my own, really"}, "is no SPDX name"),
        ({"checkpoint": "gone.ckpt"}, "checkpoint=gone.ckpt: no such file"),
        ({"checkpoint": "{run}"}, "is a folder; name a file in it: "),
        ({"to": "{run}"}, "is there already, and not an empty folder"),
        ({"output": "x"}, "output=x: not one of checkpoint=…"),
        ({"runs": "[gone]"}, "runs: gone: no such folder"),
        ({"metrics": "gone.json"}, "metrics=gone.json: no such file"),
        ({"checkpoint": "{run}/metrics.json"}, "metrics.json"),
        ({"checkpoint": "{run}/checkpoints/last.ckpt"}, "has the scores of best.ckpt, not of last.ckpt: score it"),
    ],
)
def test_what_is_wrong_is_one_line(publish, single, tmp_path, wrong, said):
    best = write_run(tmp_path / "run", single, {"mIoU": 0.25})
    (best.parent / "last.ckpt").write_bytes(best.read_bytes())
    given = {"checkpoint": str(best), "to": str(tmp_path / "given"), "licence": "MIT", **wrong}
    words = [f"{key}={value.format(run=tmp_path / 'run')}" for key, value in given.items() if value is not None]
    status, out, err = publish(*words)
    assert (status, out) == (2, "") and err.startswith("error: ") and said in err and err.count("\n") == 1
    assert not (tmp_path / "given").exists()


@pytest.mark.parametrize("content", [None, "[]", "{}", '{"mIoU": "high", "images": 3}', "{"])
def test_without_metrics_there_is_no_card(publish, single, tmp_path, content):
    best = write_run(tmp_path / "run", single, {"mIoU": 0.25})
    path = tmp_path / "run" / "metrics.json"
    path.unlink() if content is None else path.write_text(content)
    status, out, err = publish(f"checkpoint={best}", f"to={tmp_path / 'given'}", "licence=MIT")
    assert (status, out) == (2, "") and str(path) in err and err.count("\n") == 1
    assert not (tmp_path / "given").exists()


def test_a_changed_or_foreign_file_is_one_line(published, tmp_path):
    path = published.folder / "model.safetensors"
    whole = path.read_bytes()
    tensors, texts = read_safetensors(path)
    contents = {
        "its weights are not what was saved": whole[:-1] + bytes([whole[-1] ^ 1]),
        "cannot be read as safetensors": whole[:-9],
        "is no checkpoint of mobilevision": safetensors_bytes(tensors, {}),
        "the description in its header is no JSON": safetensors_bytes(tensors, {"mobilevision": "{"}),
        "header is no JSON": safetensors_bytes(tensors, {"mobilevision": "[" * 100_000}),
        "is no checkpoint of mobilevision;": safetensors_bytes(tensors, {"mobilevision": "[]"}),
        "its description lacks": safetensors_bytes(tensors, {"mobilevision": "{}"}),
        "not one of those that may be built": safetensors_bytes(
            tensors, {"mobilevision": texts["mobilevision"].replace("heads.lraspp.LRASPP", "os.system")}
        ),
    }
    for said, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(UserError, match=said) as caught:
            load(published.folder)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_metadata_comes_back_as_it_was():
    metadata = {"a": {0: "x", "y": [1, 2.5, None, True]}, "keys and values": {1.5: {}}, "é": "ü"}
    assert decoded(json.loads(json.dumps(encoded(metadata)))) == metadata
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        published_bytes({"a": {1, 2}}, {})
