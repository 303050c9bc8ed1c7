"""Decoded images on the disk: the same batches, and never a file that is half written or out of date."""

import errno
import json
import multiprocessing
import os
import pickle
import shutil
import signal
from functools import partial
from types import SimpleNamespace

import albumentations
import numpy as np
import pytest
import torch
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.cifar import LabelledArrays
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco
from tasks.data.datasets.folders import Folders
from tasks.data.files.class_files import ClassFiles
from tasks.data.files.class_lists import ListedClass
from tasks.data.files.class_values import ClassValues
from tasks.data.files.files import LabelledFiles
from tasks.data.files.masks import LabelFiles
from tasks.data.loading.batches import EvalDataset
from tasks.data.loading.cache import Cache
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.disk import build, samples
from tasks.data.loading.disk.file import ImageFile, in_use
from tasks.data.loading.disk.key import key_of
from tasks.data.loading.mixture import MixedSamples, Part
from tasks.data.loading.samplers import TrainBatches
from tasks.data.loading.share import take_share
from tasks.data.transforms.crop import RandomResizedCrop
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import ResizeCentreCrop
from tests.patience import LONG, wait_until

FLIP = {"flip": albumentations.HorizontalFlip(p=0.5)}
FORMS = (  # data sets, and the fit of their images
    ("cityscapes", Stretch([24, 32])),
    ("cityscapes, whole", None),
    ("coco", Letterbox([32, 32])),
    ("coco with masks", Stretch([32, 32])),
    ("folders", ResizeCentreCrop(32, 28)),
    ("odd files", ResizeCentreCrop(32, 28)),
    ("palette and turned", Stretch([24, 32])),
    ("mixture", Stretch([24, 32])),
)


def splits(form, root):
    """Training and validation samples of a form."""
    from tests.conftest import write_cityscapes, write_coco, write_folders

    if form.startswith("cityscapes"):
        data = Cityscapes(write_cityscapes(root))
    elif form.startswith("coco"):
        data = Coco(write_coco(root), targets=["mask", "boxes"] if "masks" in form else ["boxes"])
    elif form == "folders":
        data = Folders(write_folders(root))
    elif form == "odd files":
        return (odd_files(root),) * 2
    elif form == "palette and turned":
        return (turned_files(root),) * 2
    else:
        streets, photos = Cityscapes(write_cityscapes(root / "a")), Folders(write_folders(root / "b"))
        sides = ("train", "val")
        pairs = (("streets", streets, ["mask"]), ("photos", photos, ["label"]))
        return tuple(MixedSamples([Part(n, getattr(d, side)(), kinds) for n, d, kinds in pairs]) for side in sides)
    return data.train(), data.val()


def noise(*shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def odd_files(root):
    """Any number of classes for a grey, a 16-bit, a palette, a CMYK and a turned image."""
    root.mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(noise(40, 50)).save(root / "grey.png")
    Image.fromarray(noise(40, 50, dtype=np.uint16)).save(root / "deep.png")
    Image.fromarray(noise(40, 50, 3)).quantize(16).save(root / "palette.png")
    Image.fromarray(noise(40, 50, 4), "CMYK").save(root / "cmyk.jpg")
    Image.fromarray(noise(40, 50, 3)).save(root / "turned.jpg", exif=turned)
    files = ["grey.png", "deep.png", "palette.png", "cmyk.jpg", "turned.jpg"]
    return AnnotatedFiles(root, files, source=root, multilabel=noise(5, 3) % 2, upright=True)


def turned_files(root):
    """Images whose label maps are palette files; one image is turned by EXIF, its label map lies upright."""
    root.mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 8
    Image.fromarray(noise(40, 60, 3)).save(root / "a.jpg")
    Image.fromarray(noise(60, 40, 3)).save(root / "b.jpg", exif=turned)
    for name in "ab":
        mask = Image.fromarray(noise(40, 60) % 3, "P")
        mask.putpalette(noise(768).tolist())
        mask.save(root / f"{name}.png")
    classes = [ListedClass(str(number), (number,)) for number in range(3)]
    masks = LabelFiles([root / "a.png", root / "b.png"], ["0", "1", "2"], ClassValues(classes))
    return AnnotatedFiles(root, ["a.jpg", "b.jpg"], source=root, masks=masks)


def module(train, val, place, **changes):
    options = {"augment": FLIP, "crop": None, "fit": None, "progressive": None, "max_broken": 0, "batch_size": 4}
    options |= {"eval_batch_size": 1, "repeat": 2, "workers": 0, "seed": 0, "cache": Cache("disk", place)}
    return DataModule(train, val, **(options | changes))


def batches(data):
    """All training batches of an epoch, and all scored ones."""
    data.setup("fit")
    order = data.order()(seed=3, repeat=2)
    scored = EvalDataset(data.val, data.fit)
    return [data.augmented()[draws] for draws in order], [scored[[index]] for index in range(len(data.val))]


def same(one, two):
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(value, two[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


@pytest.mark.parametrize(("form", "fit"), FORMS, ids=[form for form, _ in FORMS])
def test_batches_are_bit_equal_to_those_of_files(form, fit, tmp_path, capsys):
    train, val = splits(form, tmp_path / "data")
    size = fit.place(9, 9)[2:] if hasattr(fit, "place") else (28, 28)
    augment = FLIP if fit is None or hasattr(fit, "place") else {"size": albumentations.Resize(*size), **FLIP}
    files = batches(module(train, val, None or tmp_path, augment=augment, fit=fit, cache=Cache()))
    counts = len(train) + len(val)
    for workers in (1 if form == "coco" else 0, 0):  # the first writes, the second finds
        data = module(train, val, tmp_path / "cache", augment=augment, fit=fit, workers=workers)
        assert same(files, batches(data))
        assert capsys.readouterr().out.splitlines()[-1].startswith(f"cache: {counts:,} images, ")
    assert all(isinstance(part.samples, samples.OnDisk) for part in data.train.parts + data.val.parts)
    assert all((part.samples.file.table[:, 0] >= 0).all() for part in data.train.parts + data.val.parts)
    sizes = [(data.val.size(index), val.size(index)) for index in range(len(val))]
    assert all(ours == theirs for ours, theirs in sizes), "what is scored has its file's size"


def test_crops_are_drawn_alike(tmp_path):
    """A crop of a large JPEG decodes it at half the size; kept images are whole, so their pixels differ a little."""
    smooth = np.add.outer(np.arange(300), np.arange(400))[..., None] // 3 + np.array([0, 9, 20])
    Image.fromarray(smooth.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    train = LabelledFiles(tmp_path, ["a.jpg"], [1])
    crop = RandomResizedCrop(64)
    kept = module(train, train, tmp_path / "cache", augment={}, crop=crop, fit=ResizeCentreCrop(64, 64))
    files = module(train, train, tmp_path, augment={}, crop=crop, fit=ResizeCentreCrop(64, 64), cache=Cache())
    for ours, theirs in zip(batches(kept)[0], batches(files)[0], strict=True):
        assert (ours["image"].int() - theirs["image"].int()).abs().float().mean() < 1


def test_labels_follow_shrunk_images(tmp_path):
    train, val = splits("coco with masks", tmp_path / "data")
    data = module(train, val, tmp_path / "cache", cache=Cache("disk", tmp_path / "cache", 20), fit=Stretch([32, 32]))
    data.setup("fit")
    for index in range(len(train)):
        whole, small = train.read(index), data.train.read(index)
        height, width = whole["image"].shape[:2]
        assert min(small["image"].shape[:2]) == 20 and small["mask"].shape == small["image"].shape[:2]
        assert data.train.size(index) == small["image"].shape[:2]
        factors = np.array([small["image"].shape[1] / width, small["image"].shape[0] / height] * 2)
        np.testing.assert_allclose(small["bboxes"][:, :4], whole["bboxes"][:, :4] * factors, rtol=1e-6)
        assert (small["bboxes"][:, 4] == whole["bboxes"][:, 4]).all()
        shares = [np.bincount(sample["mask"].ravel(), minlength=256) / sample["mask"].size for sample in (whole, small)]
        np.testing.assert_allclose(*shares, atol=0.08)
    whole = [EvalDataset(val, data.fit)[[index]] for index in range(len(val))]
    assert same(whole, [EvalDataset(data.val, data.fit)[[index]] for index in range(len(val))]), "scoring is untouched"


def test_changed_labels_are_read_and_changed_files_are_kept_again(tmp_path):
    root = tmp_path / "data"
    train, _ = splits("coco with masks", root)
    keep = partial(
        samples.Keeper(tmp_path / "cache", None, lambda writing, items: map(writing.__getitem__, items)).keep
    )
    first = keep(train, "train")
    file = root / "annotations" / "instances_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"][2] -= 2
    file.write_text(json.dumps(content))
    moved = Coco(root, targets=["mask", "boxes"]).train()
    second = keep(moved, "train")
    assert second.file.path == first.file.path, "the label maps, drawn from the outlines, are the same"
    assert second.read(0)["bboxes"][0, 2] == first.read(0)["bboxes"][0, 2] - 2
    content["annotations"][0]["category_id"] = 4 - content["annotations"][0]["category_id"] or 1
    file.write_text(json.dumps(content))
    third = keep(Coco(root, targets=["mask", "boxes"]).train(), "train")
    whole = Coco(root, targets=["mask", "boxes"]).train()
    assert third.file.path != first.file.path and same(third.read(0), whole.read(0))
    photo = root / "train2017" / "000000000100.jpg"
    Image.fromarray(noise(48, 64, 3)).save(photo)
    fourth = keep(whole, "train")
    assert fourth.file.path != third.file.path and same(fourth.read(0), whole.read(0))


def test_a_changed_label_file_is_kept_again(tmp_path):
    root = tmp_path / "data"
    train, _ = splits("cityscapes", root)
    keep = samples.Keeper(tmp_path / "cache", None, lambda writing, items: map(writing.__getitem__, items)).keep
    before = keep(train, "train")
    file = train.masks.path(0)
    Image.fromarray(np.full((48, 64), 7, np.uint8)).save(file)
    after = keep(Cityscapes(root).train(), "train")
    assert after.file.path != before.file.path and (after.read(0)["mask"] == 0).all()


@pytest.mark.parametrize("form", [form for form, _ in FORMS if form != "mixture"])
def test_the_key_is_of_the_files_not_of_what_was_asked(form, tmp_path):
    train, _ = splits(form, tmp_path / "data")
    rows = np.arange(len(train))
    key = key_of(train, rows, None, None)
    for index in range(len(train)):
        train.read(index)
        train.size(index)
    assert list(train.check()) == [None] * len(train)
    assert key == key_of(train, rows, None, None)
    others = [
        key_of(train, rows, None, 20),
        key_of(train, rows, Stretch([8, 8]), None),
        key_of(train, rows[1:], None, None),
    ]
    others.append(key_of(train, rows, Stretch([8, 9]), None))
    train.upright = not train.upright
    assert len({key, key_of(train, rows, None, None), *others}) == 6


def test_every_file_of_a_class_counts(tmp_path):
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    masks = ClassFiles([[str(tmp_path / "a.png"), ""]], ["none", "a", "b"], background=True)
    assert masks.read_from(0) == [tmp_path / "a.png"]


def written(root, place, pipe, how):
    """Keep images in a process of its own: its first image waits, or ends the process."""

    def load(writing, items):
        for number, item in enumerate(items):
            if not number:
                pipe.send("writing")
                pipe.recv()
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
            yield writing[item]

    build.CHUNK = 1
    pipe.send("begun")
    kept = samples.Keeper(place, None, load).keep(Folders(root).train(), "train")
    pipe.send([int(kept.read(index)["image"].sum()) for index in range(len(kept))])


def started(*words):
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=written, args=(*words[:2], theirs, *words[2:]), daemon=True)
    process.start()
    assert ours.recv() == "begun"
    return process, ours


def test_two_writers_and_a_kill(folders, tmp_path, capfd):
    place = tmp_path / "cache"
    killed, pipe = started(folders, place, "kill")
    assert pipe.recv() == "writing"
    pipe.send("go on")
    killed.join(LONG)
    assert killed.exitcode == -signal.SIGKILL
    left = list(place.glob(".new-*"))
    assert len(left) == 1 and not list(place.glob("*.images")), "what is half written has another name"
    first, one = started(folders, place, "wait")
    assert one.recv() == "writing"
    assert not left[0].exists() and len(list(place.glob(".new-*"))) == 1
    second, two = started(folders, place, "wait")
    said, told = [], f"cache: another process writes to {place}: waiting for it"
    wait_until(lambda: (said.append(capfd.readouterr().out), told in "".join(said))[1], lambda: str(said))
    assert not two.poll(0.3), "it waits for the first"
    one.send("go on")
    train = Folders(folders).train()
    sums = [int(train.read(index)["image"].sum()) for index in range(len(train))]
    assert one.recv() == sums and two.recv() == sums, "the second one writes nothing"
    for process in (first, second):
        process.join(LONG)
        assert process.exitcode == 0
    assert [path.suffix for path in place.iterdir()] == [".images"]


@pytest.mark.parametrize("damage", ["cut off", "another key", "empty", "places"])
def test_a_damaged_file_is_written_again(damage, folders, tmp_path, capsys):
    train = Folders(folders).train()
    keep = samples.Keeper(tmp_path, None, lambda writing, items: map(writing.__getitem__, items)).keep
    path = keep(train, "train").file.path
    content = bytearray(path.read_bytes())
    if damage == "cut off":
        del content[-1]
    elif damage == "another key":
        content[32:64] = b"0" * 32
    elif damage == "places":
        content[96:104] = len(content).to_bytes(8, "little")
    path.write_bytes(b"" if damage == "empty" else content)
    again = keep(train, "train")
    assert f"cache: {path} is damaged" in capsys.readouterr().out
    assert same(again.read(3), train.read(3)) and (again.file.table[:, 0] > 0).all()


def test_a_full_disk_is_seen_before_anything_is_written(folders, tmp_path, monkeypatch):
    train = Folders(folders).train()
    keep = samples.Keeper(tmp_path, None, lambda *_: pytest.fail("nothing is to be read")).keep
    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match=r"12 decoded images need 0\.1 MB .*has 0\.0 MB free"),
    ):
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9000))
        keep(train, "train")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"cannot write to .*: No space left on device"):
        patch.setattr(os, "posix_fallocate", full)
        keep(train, "train")
    with pytest.raises(UserError, match=r"cannot write to .*: No space left on device"):
        samples.Keeper(tmp_path, None, full).keep(train, "train")
    assert [path.name for path in tmp_path.iterdir() if path.name != "folders"] == []


def test_the_limit_removes_what_was_used_longest_ago(folders, tmp_path, capsys):
    train, val = Folders(folders).train(), Folders(folders).val()
    load = lambda writing, items: map(writing.__getitem__, items)  # noqa: E731
    keep = samples.Keeper(tmp_path / "cache", None, load).keep
    paths = [keep(val, "val", side=side).file.path for side in (16, 17, 18)]  # closed again
    for age, path in enumerate(paths):
        os.utime(path, (1e9 - age, 1e9 - age))
    held = ImageFile(paths[2], paths[2].stem[-32:])
    assert in_use(paths[2]) and not in_use(paths[1])
    total = sum(path.stat().st_size for path in paths)
    needed = build.lay_out(*build.Wanted(train, np.arange(12), None, 16, False).sizes(), None)[1]
    with pytest.raises(UserError, match=r"need .* data\.cache_gb=1e-06 allows less"):
        samples.Keeper(tmp_path / "cache", 1e-6, load).keep(train, "train", side=16)
    limited = samples.Keeper(tmp_path / "cache", (total + needed - 1) / 1e9, load)
    limited.keep(train, "train", side=16)
    assert [path.exists() for path in paths] == [True, False, True], "the oldest is read by another run"
    assert f"{paths[1]} (" in capsys.readouterr().out
    small = samples.Keeper(tmp_path / "cache", (needed + 9000) / 1e9, load)
    with pytest.raises(UserError, match="in use by other runs"):
        small.keep(train, "train", side=17)
    assert held.image(0) is not None


def test_a_folder_that_cannot_be_written(folders, tmp_path, monkeypatch):
    train = Folders(folders).train()
    load = lambda writing, items: map(writing.__getitem__, items)  # noqa: E731
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"data\.cache=disk cannot write to .*file/cache: Not a directory"):
        samples.Keeper(tmp_path / "file" / "cache", None, load).keep(train, "train")
    keeper = samples.Keeper(tmp_path / "cache", None, load)
    keeper.keep(train, "train")

    def refuse(*_):
        raise PermissionError(errno.EROFS, "Read-only file system")

    for name in ("one_writer", "reserve"):
        monkeypatch.setattr(build, name, refuse)
    monkeypatch.setattr(os, "utime", refuse)
    assert same(keeper.keep(train, "train").read(5), train.read(5)), "what is there needs no writing"


def test_unreadable_files_say_what_is_wrong_as_without_it(folders, tmp_path):
    file = folders / "train" / "blue" / "blue_0.jpg"
    file.write_bytes(file.read_bytes()[:200])
    (folders / "train" / "red" / "red_1.png").write_bytes(b"")
    train = Folders(folders).train()
    load = lambda writing, items: map(writing.__getitem__, items)  # noqa: E731
    kept = samples.Keeper(tmp_path / "cache", None, load).keep(train, "train")
    assert (kept.file.table[:, 0] < 0).sum() == 2
    with pytest.raises(UserError, match=r"cannot read image .*blue_0\.jpg"):
        kept.read(0)
    data = module(kept, kept, tmp_path, augment={"size": albumentations.Resize(8, 8)}, max_broken=2, cache=Cache())
    found = data.augmented()[[draw for draws in TrainBatches(12, 4, seed=0) for draw in draws]]
    assert sorted(name for name, _ in found["broken"]) == ["blue__blue_0.jpg", "red__red_1.png"]


def test_a_part_is_kept_once_and_other_samples_stay(folders, tmp_path, capsys):
    train = Folders(folders).train()
    keep = samples.Keeper(tmp_path / "cache", None, lambda writing, items: map(writing.__getitem__, items)).keep
    part, _ = take_share(train, 0.5, 0, ["label"])
    kept = keep(part, "train")
    assert len(kept) == 12 and len(kept.file) == 6 == kept.distinct
    assert all(same(kept.read(index), part.read(index)) for index in range(12))
    assert (kept.class_labels() == part.class_labels()).all()
    assert keep(kept, "train") is kept
    arrays = LabelledArrays("train", noise(3, 8, 8, 3), np.arange(3))
    assert keep(arrays, "train") is arrays
    assert "cache: train images are not files of their own" in capsys.readouterr().out

    class Own(LabelledFiles):
        pass

    own = Own(train.folder, [train.files[0]], [0])
    assert keep(own, "train") is own
    assert "cache: Own is not ours: train images are read as without" in capsys.readouterr().out
    whole = keep(train, "val", view=lambda source: source)  # a view of a package whose changes nobody would notice
    assert whole.view is None and same(whole.read(0), train.read(0))


def test_a_copy_for_another_process_opens_the_file_again(folders, tmp_path):
    train = Folders(folders).train()
    keep = samples.Keeper(tmp_path / "cache", None, lambda writing, items: map(writing.__getitem__, items)).keep
    kept = keep(train, "val", view=ResizeCentreCrop(20, 16))
    sent = pickle.dumps((kept, kept.view))
    assert len(sent) < 4000
    copied, view = pickle.loads(sent)
    assert same(copied.read(2, view), kept.read(2, kept.view)) and copied.read(2, view)["image"].shape == (16, 16, 3)
    other = ResizeCentreCrop(24, 20)
    assert same(kept.read(2, other), train.read(2, other)), "another view reads the file"
