"""A study is bound to all that decides a score, and to nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from backbones.mobilenet_v3 import MobileNetV3
from tasks.common.errors import UserError
from tasks.config.tree import put
from tasks.data.loading.splits import Splits
from tasks.search.block.identity import contents, identity
from tasks.search.study import check_same

NETWORKS = SimpleNamespace(seed_plan=MobileNetV3(size="small").plan, resolution={"output_stride": 32}, size=(32, 32))
CONFIG = {
    "search": {"epochs": 3, "trials": 8, "workers": 1, "study": None, "widths": []},
    "target": {"latency": None, "madds": "40M", "params": None},
    "latency": {"runtime": "torch", "threads": 1, "precision": "fp32"},
    "head": {"hidden": 0},
    "task": {"loss": {"label_smoothing": 0.0}},
    "optimizer": {"lr": 0.1},
    "scheduler": {"warmup": 0},
    "seed": 0,
    "targets": ["label"],
    "channels_last": True,
    "trainer": {"gradient_clip_val": None},
    "backbone": {"frozen": False},
    "data": {"batch_size": 4, "workers": 0, "augment": {"flip": {"_target_": "HorizontalFlip", "p": 0.5}}},
    "dataset": {"root": "/here"},
    "distill": {"teacher": None, "weights": None, "weight": 0.5, "temperature": 2.0},
}


class Photos:
    """Samples in memory, of these names and labels."""

    def __init__(self, labels, prefix="photo", side=8):
        self.labels, self.prefix, self.side = labels, prefix, side

    def __len__(self):
        return len(self.labels)

    def name(self, index):
        return f"{self.prefix}{index}"

    def read(self, index):
        if self.labels[index] is None:
            raise UserError("cannot be read")
        return {"image": np.zeros((self.side, self.side, 3), np.uint8), "label": np.int64(self.labels[index])}


def described(photos=None, classes=("cat", "dog"), **changes):
    config = CONFIG
    for key, value in changes.items():
        config = put(config, key.replace("__", "."), value)
    networks = SimpleNamespace(**vars(NETWORKS), run=SimpleNamespace(stored=config, output_dir=""))
    return identity(Splits({"label": classes}, photos or Photos([0, 1] * 40), None), networks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__augment": {"flip": {"p": 0.2}}}, "data.augment.flip.p is 0.5 there, 0.2 here"),
        ({"data__augment": {"turn": {"p": 1}}}, "data.augment.turn.p is None there, 1 here"),
        ({"search__epochs": 4}, "search.epochs is 3 there, 4 here"),
        ({"white": 4095}, "white is None there, 4095 here"),
        ({"optimizer__lr": 0.2}, "optimizer.lr is 0.1 there, 0.2 here"),
        ({"trainer__gradient_clip_val": 1.0}, "trainer.gradient_clip_val is None there"),
        ({"classes": ("dog", "cat")}, "classes is {'label': "),
        ({"photos": Photos([0, 1] * 41)}, "data set is 80 images, "),
        ({"photos": Photos([0, 1] * 40, prefix="picture")}, "data set is 80 images, "),
        ({"photos": Photos([1, 0] * 40)}, "data set is 80 images, "),
        ({"photos": Photos([0, 1] * 40, side=9)}, "data set is 80 images, "),
    ],
)
def test_what_decides_a_score_is_compared(changes, message):
    with pytest.raises(UserError, match="is of another search: ") as error:
        check_same(described(), described(**changes), "study.log")
    assert message in str(error.value)


def test_what_decides_nothing_may_differ():
    same = {
        "search__trials": 9,
        "search__workers": 2,
        "search__study": "x",
        "data__workers": 3,
        "dataset__root": "/there",
    }
    check_same(described(), described(**same), "study.log")


def test_classes_may_have_had_other_names():
    crop = {"data__crop": {"_target_": "tasks.data.transforms.crop.RandomResizedCrop", "size": 32}}
    before = described(data__crop={"_target_": "tasks.data.crop.RandomResizedCrop", "size": 32})
    check_same(before, described(**crop), "study.log")


def test_a_teacher_is_known_by_its_content(tmp_path):
    files = [tmp_path / name for name in ("one.ckpt", "moved.ckpt", "other.ckpt")]
    for file, content in zip(files, (b"1", b"1", b"2"), strict=True):
        file.write_bytes(content)
    taught = [described(distill__teacher=str(file)) for file in files]
    check_same(taught[0], taught[1], "study.log")
    for other in (taught[2], described()):
        with pytest.raises(UserError, match=r"another search: distill\.teacher is sha256 6b86b273ff34fce1 there"):
            check_same(taught[0], other, "study.log")


def test_an_image_that_cannot_be_read_is_told_apart_too():
    assert contents(Photos([0, 1])) != contents(Photos([0, None])) == contents(Photos([0, None]))
