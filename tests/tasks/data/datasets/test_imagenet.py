"""ImageNet's three layouts give the same labels, and those are the official ones."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.imagenet import ImageNet
from tasks.data.files import imagenet_labels
from tasks.data.files.devkit import read_synsets
from tasks.data.files.imagenet_labels import label_of, synsets

MINI = Path(__file__).parents[5] / "shared" / "data" / "imagenet-mini"
WNIDS = ["n01440764", "n02119022", "n15075141"]  # labels 0, 277 and 999
IDS = [449, 1, 1000]  # numbers of our own making, as the devkit has its own
TRUTH = [1, 2, 0, 1]  # which of the three the validation images show
LABELS = [277, 999, 0, 277]


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def write_devkit(root: Path, **options: bool) -> None:
    """As MATLAB wrote the official one: a column of structures with numbers and strings."""
    savemat = pytest.importorskip("scipy.io").savemat
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("children", "O"), ("num_train_images", "O")]
    entries = np.zeros((4, 1), kinds)
    for row, (number, wnid) in enumerate(zip([*IDS, 1001], [*WNIDS, "n00001740"], strict=True)):
        words = "entity, größe" if number == 1001 else f"thing {row}"
        entries[row, 0] = (float(number), wnid, words, np.zeros((1, row)), 1300)
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"version": 3.0, "synsets": entries}, **options)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{IDS[i]}\n" for i in TRUTH))


def flat_images(folder: Path) -> None:
    for number in range(1, 5):
        image(folder / f"ILSVRC2012_val_{number:08d}.JPEG")


@pytest.fixture(params=["folders", "official", "val", "kaggle"])
def imagenet(request, tmp_path: Path) -> Path:
    """The same four validation images in each layout."""
    kaggle = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    train = {"kaggle": kaggle / "train", "official": tmp_path / "ILSVRC2012_img_train"}.get(
        request.param, tmp_path / "train"
    )
    for wnid in WNIDS[1:]:
        image(train / wnid / f"{wnid}_10026.JPEG")
    if request.param == "folders":
        for number, entry in enumerate(TRUTH, start=1):
            image(tmp_path / "val" / WNIDS[entry] / f"ILSVRC2012_val_{number:08d}.JPEG")
    elif request.param == "kaggle":
        flat_images(kaggle / "val")
        rows = [f"ILSVRC2012_val_{n:08d},{WNIDS[i]} 85 1 499 272 {WNIDS[i]} 3 1 9 9 " for n, i in enumerate(TRUTH, 1)]
        (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *reversed(rows)]))
    else:
        flat_images(tmp_path / {"official": "ILSVRC2012_img_val", "val": "val"}[request.param])
        write_devkit(tmp_path, do_compression=request.param == "official")
    return tmp_path


def test_every_layout_gives_the_official_labels(imagenet):
    dataset = ImageNet(imagenet)
    train, val = dataset.train(), dataset.val()
    assert train.labels.tolist() == [277, 999] and train.name(0) == "n02119022__n02119022_10026.JPEG"
    number = [int(re.findall(r"val_(\d+)", val.name(i))[0]) for i in range(4)]
    assert [int(val.read(number.index(n))["label"]) for n in (1, 2, 3, 4)] == LABELS
    assert val.read(0)["image"].shape == (6, 8, 3) and len(list(val.check())) == 4
    assert len(dataset.classes["label"]) == 1000 and dataset.classes["label"][277] == "red fox"


def test_the_table_is_torchvisions():
    meta = pytest.importorskip("torchvision.models._meta")
    assert list(synsets()) == sorted(synsets()) and len(set(synsets().values())) == 1000
    assert list(synsets().values()) == meta._IMAGENET_CATEGORIES
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in synsets())


def test_flat_images_without_labels_say_what_is_missing(tmp_path):
    flat_images(tmp_path / "val")
    with pytest.raises(UserError) as error:
        ImageNet(tmp_path).val()
    first = str(error.value).splitlines()[0]
    assert "ILSVRC2012_validation_ground_truth.txt" in first and "LOC_val_solution.csv" in first


@pytest.fixture
def devkit_is_read(monkeypatch):
    """meta.mat without a process that reads it."""
    monkeypatch.setattr(imagenet_labels, "read_synsets", lambda _: dict(zip(IDS, WNIDS, strict=True)))


@pytest.mark.usefixtures("devkit_is_read")
def test_images_without_a_line_in_the_list(tmp_path):
    flat_images(tmp_path / "val")
    write_devkit(tmp_path)
    image(tmp_path / "val" / "ILSVRC2012_val_00000005.JPEG")
    with pytest.raises(UserError, match=r"val_00000005.JPEG has no label in .*ground_truth.txt$"):
        ImageNet(tmp_path).val()
    (tmp_path / "val" / "ILSVRC2012_val_00000005.JPEG").rename(tmp_path / "val" / "5.JPEG")
    with pytest.raises(UserError, match=r"5\.JPEG has no label in .*names are ILSVRC2012_val"):
        ImageNet(tmp_path).val()


def test_damaged_lists_are_named(tmp_path):
    flat_images(tmp_path / "val")
    write_devkit(tmp_path)
    meta = tmp_path / "ILSVRC2012_devkit_t12" / "data" / "meta.mat"
    whole = meta.read_bytes()
    for content in (b"<html>", whole[:400]):
        meta.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot read .*meta\.mat"):
            ImageNet(tmp_path).val()
    meta.write_bytes(whole)
    (meta.parent / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n1001\n")
    with pytest.raises(UserError, match="do not fit together"):
        ImageNet(tmp_path).val()
    meta.unlink()
    with pytest.raises(UserError, match=r"meta\.mat is missing"):
        ImageNet(tmp_path).val()
    meta.parent.rename(tmp_path / "elsewhere")
    (tmp_path / "LOC_val_solution.csv").write_text("image,label\na,b\n")
    with pytest.raises(UserError, match="not a list of ImageId,PredictionString"):
        ImageNet(tmp_path).val()


def test_a_folder_that_is_no_class(tmp_path):
    for folder in ("n01440764", "dogs"):
        image(tmp_path / "train" / folder / "a.JPEG")
    with pytest.raises(UserError, match="train/dogs is none of ImageNet's 1000 classes"):
        ImageNet(tmp_path).train()


def test_what_is_not_there_or_not_unpacked(tmp_path):
    (tmp_path / "ILSVRC2012_img_val.tar").touch()
    with pytest.raises(UserError, match="has no folder val or ILSVRC2012_img_val") as error:
        ImageNet(tmp_path).val()
    assert "found: ILSVRC2012_img_val.tar" in str(error.value) and "tar xf" in str(error.value)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "n01440764.tar").touch()
    with pytest.raises(UserError, match=r"n01440764\.tar is not unpacked"):
        ImageNet(tmp_path).train()
    (tmp_path / "val").mkdir()
    with pytest.raises(UserError, match=r"no image in"):
        ImageNet(tmp_path).val()
    with pytest.raises(UserError, match="it is missing"):
        ImageNet(tmp_path / "absent").train()


@pytest.mark.skipif(not MINI.is_dir(), reason="needs the real photos in shared/data")
def test_real_photos():
    val = ImageNet(MINI).val()
    rows = [line.split("\t") for line in (MINI / "classes.tsv").read_text().splitlines()[1:]]
    assert [label_of()[wnid] for _, wnid, _ in rows] == [int(index) for index, *_ in rows]
    assert val.labels.tolist() == [int(index) for index, *_ in rows]
    assert len(list(val.check())) == 100 and val.read(3)["image"].shape[2] == 3
    with pytest.raises(UserError, match="no folder train"):
        ImageNet(MINI).train()


def element(kind: int, data: bytes) -> bytes:
    """A data element of a MAT file, version 5."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


@pytest.mark.parametrize(
    ("kind", "count", "content", "message"),
    [
        (6, 1, element(0, bytes(8)), "SciPy ended by SIGSEGV"),  # numbers of no type
        (2, 2**31 - 1, element(5, struct.pack("<i", 32)) + element(1, b""), "MemoryError"),  # no field, no bytes
    ],
    ids=["crash", "memory"],
)
def test_a_file_that_crashes_or_overwhelms_scipy(tmp_path, kind, count, content, message):
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", count, 1)) + element(1, b"synsets")
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    (tmp_path / "meta.mat").write_bytes(header + element(14, head + content))
    with pytest.raises(ValueError, match=f"a damaged MATLAB file: {message}"):
        read_synsets(tmp_path / "meta.mat")
