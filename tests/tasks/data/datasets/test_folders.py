"""Class folders: numbering, what is refused by name, and lists that workers share."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.folders import Folders
from tasks.data.datasets.imagenet import Imagenette
from tasks.data.files.texts import Texts
from tests.layouts.labels import write_image

CIFAR = Path(__file__).parents[5] / "shared" / "data" / "cifar10-mini"


def write(root: Path, *files: str) -> Path:
    for number, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (7, 5), (10 * number, 0, 0)).save(root / file)
    return root


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write(tmp_path / "pets", "train/dog/b.png", "train/cat/deep/a.JPG", "train/cat/a.jpg", "train/cow/1.bmp",
                 "val/dog/a.jpg", "val/cat/a.jpg")  # fmt: skip


def test_classes_are_sorted_folders_of_train(pets):
    dataset = Folders(pets)
    train, val = dataset.train(), dataset.val()
    assert dataset.classes == {"label": ["cat", "cow", "dog"]}
    assert [train.name(i) for i in range(4)] == ["cat__a.jpg", "cat__deep__a.JPG", "cow__1.bmp", "dog__b.png"]
    assert train.labels.tolist() == [0, 0, 1, 2] and train.labels.dtype == np.int64
    assert val.labels.tolist() == [0, 2] and len(val) == 2, "a class may lack validation images"
    sample = train.read(3)
    assert sample["image"].shape == (5, 7, 3) and sample["image"].dtype == np.uint8
    assert sample["label"].shape == () and sample["label"].dtype == np.int64 and sample["label"] == 2
    assert train.size(0) == (5, 7)


def test_a_view_is_given_the_file(pets):
    seen = []
    Folders(pets).train().read(1, lambda path: seen.append(path) or np.zeros((2, 2, 3), np.uint8))
    assert seen == [pets / "train" / "cat" / "deep" / "a.JPG"]


def test_other_split_names_and_files_that_are_no_images(pets):
    (pets / "val").rename(pets / "test")
    (pets / "test" / "cat" / "notes.txt").touch()
    (pets / "test" / "cat" / "._a.jpg").touch()
    (pets / "test" / ".hidden").mkdir()
    assert len(Folders(pets, val_split="test").val()) == 2


def test_what_is_no_image_by_its_suffix_is_said(pets, capsys):
    (pets / "train/dog/IMG_1.HEIC").touch()
    (pets / "train/cat/deep/photo").touch()
    (pets / "train/cat/Thumbs.db").touch()
    assert len(Folders(pets).train()) == 4
    assert capsys.readouterr().out == (
        f"{pets}/train: passed over: 1 without suffix (cat/deep/photo), 1 .heic (dog/IMG_1.HEIC); "
        ".heic is not read here: convert it to JPEG\n"
    )


def test_a_class_without_validation_images_is_said(pets, capsys):
    Folders(pets).val()
    assert capsys.readouterr().out == "no validation image of 1 of 3 classes: cow\n"


NUMBERED = [f"{name}/{name}_{number}.jpg" for name in ("cat", "dog") for number in range(8)]


def names_of(samples):
    return [samples.name(index) for index in range(len(samples))]


def test_without_a_split_images_of_each_class_are_drawn(tmp_path):
    dataset = Folders(write(tmp_path, *NUMBERED), val={"share": 0.25, "seed": 0, "group": None})
    train, val = dataset.train(), dataset.val()
    assert dataset.classes == {"label": ["cat", "dog"]}
    assert np.bincount(train.labels).tolist() == [6, 6] and np.bincount(val.labels).tolist() == [2, 2]
    assert sorted(names_of(train) + names_of(val)) == [name.replace("/", "__") for name in NUMBERED]
    assert names_of(val) == names_of(Folders(tmp_path, train_split=".", val={"share": 0.25}).val())
    assert names_of(val) != names_of(Folders(tmp_path, val={"share": 0.25, "seed": 1}).val())


def test_validation_images_are_drawn_from_train_where_there_is_one(pets, capsys):
    write(pets, "train/dog/c.png", "train/cow/2.bmp")
    dataset = Folders(pets, val={"share": 0.4})
    assert (len(dataset.train()), dataset.val().labels.tolist()) == (3, [0, 1, 2])
    assert f"{pets}/val is not read: dataset.val.share=0.4 draws from train" in capsys.readouterr().out


def test_class_folders_that_hold_the_splits(tmp_path):
    write(tmp_path, *(f"{name}/{split}/{number}.jpg" for name in ("cat", "dog") for split, number in
                      (("Train", 1), ("Train", 2), ("Test", 3))))  # fmt: skip
    dataset = Folders(tmp_path, layout="class_first", train_split="Train", val_split="Test")
    train, val = dataset.train(), dataset.val()
    assert names_of(train) == ["cat__Train__1.jpg", "cat__Train__2.jpg", "dog__Train__1.jpg", "dog__Train__2.jpg"]
    assert train.labels.tolist() == [0, 0, 1, 1] and names_of(val) == ["cat__Test__3.jpg", "dog__Test__3.jpg"]
    with pytest.raises(
        UserError, match=r"no folder of .* has a folder train; what is there is read with dataset\.layout"
    ):
        Folders(tmp_path, layout="class_first").train()


@pytest.mark.parametrize("keys", [{}, {"val": {"share": 0.2}}])  # a share makes no class of a split
@pytest.mark.parametrize(
    ("files", "way"),
    [
        (["Train/cat/1.jpg", "Test/cat/2.jpg"], r"dataset\.train_split=Train dataset\.val_split=Test \(then test .*\), "
         r"or dataset\.train_split=Train dataset\.val\.share=0\.2$"),
        (["Training/cat/1.jpg"], r"dataset\.train_split=Training dataset\.val\.share=0\.2$"),
        (["cat/Train/1.jpg", "cat/valid/2.jpg"], r"dataset\.layout=class_first dataset\.train_split=Train "
         r"dataset\.val_split=valid$"),
    ],
)  # fmt: skip
def test_other_layouts_are_answered_with_their_keys(tmp_path, files, way, keys):
    with pytest.raises(UserError) as error:
        Folders(write(tmp_path, *files), **keys).train()
    first = str(error.value).splitlines()[0]
    assert re.search(r"train is missing; what is there is read with " + way, first), first


@pytest.mark.parametrize(
    ("files", "way"),
    [
        (["train/cat/1.jpg", "valid/cat/2.jpg"], "dataset.train_split=train dataset.val_split=valid"),
        (NUMBERED, "dataset.val.share=0.2, which draws a fifth of each class to score"),
    ],
)
def test_test_images_and_others_are_never_scored_unasked(tmp_path, files, way):
    with pytest.raises(UserError) as error:
        Folders(write(tmp_path, *files)).val()
    assert str(error.value).splitlines()[0].endswith(f" is missing; what is there is read with {way}")


def test_a_table_beside_the_images_is_named(tmp_path):
    write(tmp_path, "images/1.jpg")
    (tmp_path / "labels.csv").touch()
    with pytest.raises(UserError, match=r"read with dataset=table dataset\.table=labels\.csv, if it lists the images"):
        Folders(tmp_path).train()


def test_a_class_called_train(tmp_path):
    write(tmp_path, "train/1.jpg", "train/2.jpg", "bus/1.jpg", "bus/2.jpg")
    with pytest.raises(
        UserError, match=r"read with dataset\.train_split=\. dataset\.val\.share=0\.2, if train is a class"
    ):
        Folders(tmp_path).train()
    assert Folders(tmp_path, train_split=".", val={"share": 0.5}).classes == {"label": ["bus", "train"]}


def test_without_train_only_scoring_works(pets):
    (pets / "train").rename(pets / "elsewhere")
    dataset = Folders(pets)
    assert dataset.classes == {"label": ["cat", "dog"]} and dataset.val().labels.tolist() == [0, 1]
    with pytest.raises(UserError, match="train is missing: only mode=evaluate works"):
        dataset.train()


def test_a_class_that_train_lacks(pets):
    write(pets, "val/bird/a.png")
    with pytest.raises(UserError, match=r"val/bird is a class that .*train lacks \(3 classes there: cat, cow, dog\)"):
        Folders(pets).val()


def test_a_class_without_images(pets):
    (pets / "train" / "emu").mkdir()
    with pytest.raises(UserError, match=r"no image in .*train/emu/"):
        Folders(pets).train()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "train is missing"),
        (["train/a.jpg", "train/b.jpg"], "2 images lie in .*train itself: each class needs a folder"),
        (["photos/a.jpg"], "train is missing"),
    ],
)
def test_a_missing_set_shows_the_expected_tree_and_what_is_there(tmp_path, files, message):
    write(tmp_path, *files)
    with pytest.raises(UserError, match=message) as error:
        Folders(tmp_path).train()
    first, *rest = str(error.value).splitlines()
    found = files[0].split("/")[0] if files else "nothing"
    assert str(tmp_path) in first and "<class>" in rest[1] and rest[2] == f"found: {found}"


def test_empty_splits(pets):
    (pets / "val" / "cat" / "a.jpg").unlink()
    (pets / "val" / "dog" / "a.jpg").unlink()
    with pytest.raises(UserError, match=r"no image in .*val/<class>/"):
        Folders(pets).val()
    (pets / "none" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no class folder in .*none/train"):
        Folders(pets / "none").train()
    with pytest.raises(UserError, match=r"absent is missing\n(.*\n)*found: no such folder"):
        Folders(pets / "absent").train()


def test_check_finds_what_is_broken(pets):
    samples = Folders(pets).train()
    assert list(samples.check()) == [None] * 4
    Image.effect_noise((200, 200), 90).save(pets / "train" / "cat" / "a.jpg")
    data = (pets / "train" / "cat" / "a.jpg").read_bytes()
    (pets / "train" / "cat" / "a.jpg").write_bytes(data[:9000])
    problem, *rest = samples.check()
    assert isinstance(problem, UserError) and "a.jpg" in str(problem) and "truncated" in str(problem)
    assert rest == [None] * 3
    (pets / "train" / "cat" / "a.jpg").write_bytes(data + bytes(9000))
    assert list(samples.check()) == [None] * 4, "what lies behind the end does not matter"


def test_what_other_programs_leave_behind_is_no_image(pets):
    for place in ("cat/.ipynb_checkpoints", "cat/__MACOSX", "@eaDir", ".cache"):
        (pets / "train" / place).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(pets / "train" / place / "x.jpg")
    assert len(Folders(pets).train()) == 4 and "@eaDir" not in Folders(pets).classes["label"]


def test_lists_are_two_blocks():
    texts = Texts(["a", "", "größe/\udcff.jpg"])
    assert [texts[i] for i in range(len(texts))] == ["a", "", "größe/\udcff.jpg"]
    assert isinstance(texts.bytes, np.ndarray) and texts.ends.tolist() == [0, 1, 1, 14]


def test_imagenette_has_names(tmp_path):
    root = write(tmp_path, "train/n01440764/a.JPEG", "train/n03888257/a.JPEG", "val/n03888257/b.JPEG")
    dataset = Imagenette(root)
    assert dataset.classes == {"label": ["tench", "parachute"]}
    assert dataset.val().labels.tolist() == [1]


@pytest.mark.skipif(not CIFAR.is_dir(), reason="needs the real images in shared/data")
def test_real_images():
    dataset = Folders(CIFAR)
    train, val = dataset.train(), dataset.val()
    assert len(dataset.classes["label"]) == 10 and (len(train), len(val)) == (5000, 1000)
    assert np.bincount(train.labels).tolist() == [500] * 10
    assert len({train.name(i) for i in range(5000)}) == 5000
    assert len(list(val.check())) == 1000


@pytest.mark.parametrize(
    ("paths", "keys", "names"),
    [
        (  # Intel's scenes: each split lies in a folder of its name
            ("seg_train/seg_train/{}/{}", "seg_test/seg_test/{}/{}", "seg_pred/seg_pred/{1}"),
            "dataset.train_split=seg_train/seg_train dataset.val_split=seg_test/seg_test",
            ["cat", "dog"],
        ),
        (("PetImages/{}/{}",), "dataset.root=ROOT/PetImages dataset.val.share=0.2", ["cat", "dog"]),
        (("images/{}/{}",), "dataset.root=ROOT/images dataset.val.share=0.2", ["cat", "dog"]),  # Food-101
    ],
)
def test_folders_that_only_hold_class_folders_are_no_classes(tmp_path, paths, keys, names):
    for path in paths:
        for name, tone in (("cat", 20), ("dog", 120)):
            for number in range(4):
                write_image(tmp_path / path.format(name, f"{name}_{number}.jpg"), tone)
    (tmp_path / "meta").mkdir()
    with pytest.raises(UserError) as caught:
        Folders(tmp_path, val={"share": 0.2}).train()
    line = str(caught.value).replace(str(tmp_path), "ROOT")
    assert "are no classes" in line and f"is read with {keys}" in line
    typed = dict(word.replace("ROOT", str(tmp_path)).removeprefix("dataset.").split("=") for word in keys.split())
    share = typed.pop("val.share", None)
    dataset = Folders(**({"root": tmp_path} | typed), val={"share": share and float(share)})
    assert dataset.classes["label"] == names
    assert (len(dataset.train()), len(dataset.val())) == ((6, 2) if share else (8, 8))


def test_images_of_a_class_may_all_lie_deeper(tmp_path):
    for name in ("cat", "dog"):
        for session in ("monday", "tuesday"):
            write_image(tmp_path / name / session / "a.jpg", 20)
    assert Folders(tmp_path, val={"share": 0.5}).classes["label"] == ["cat", "dog"]
    assert len(Folders(tmp_path, val={"share": 0.5}).train()) == 2
