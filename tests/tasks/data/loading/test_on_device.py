"""data.decode=cuda: draws are those of the CPU's path, pixels nearly; here on the CPU, with the same code."""

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.common.errors import UserError
from tasks.config.rules import decoding
from tasks.config.rules.decoding import CROP, check_decode
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.files.files import LabelledFiles
from tasks.data.loading import sharing
from tasks.data.loading import undecoded as undecoded_room
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.on_device import Decoder
from tasks.data.loading.samplers import TrainBatches
from tasks.data.loading.undecoded import UndecodedTrainDataset
from tasks.data.transforms import crop as crop_room
from tasks.data.transforms.crop import RandomResizedCrop

CPU = torch.device("cpu")
LEFT = ("420.jpg", "444.jpg", "grey.jpg", "large.jpg", "progressive.jpg")  # to the device
DECODED = ("cmyk.jpg", "png.png", "rgb.jpg", "turned.jpg")  # by the workers


def picture(height, width):
    """Smooth colours with an edge, different in every corner."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rgb = np.stack([np.sin(9 * x + 3 * y), np.cos(7 * y), (x + y > 0.8) - 0.5], axis=2)
    return Image.fromarray((127 + 120 * rgb / np.abs(rgb).max()).astype(np.uint8))


def write_pictures(folder):
    """The files of LEFT and DECODED."""
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(90, 120).save(folder / "420.jpg", subsampling="4:2:0", quality=90)
    picture(120, 90).save(folder / "444.jpg", subsampling="4:4:4", quality=90)
    picture(300, 400).save(folder / "large.jpg", quality=90)
    picture(80, 100).save(folder / "progressive.jpg", progressive=True, quality=90)
    picture(80, 100).convert("L").save(folder / "grey.jpg", quality=90)
    picture(80, 100).convert("CMYK").save(folder / "cmyk.jpg")
    picture(80, 100).save(folder / "png.png")
    picture(80, 100).save(folder / "turned.jpg", exif=turned)
    picture(80, 100).save(folder / "rgb.jpg", keep_rgb=True)


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path)
    return tmp_path


def samples(folder, names=(*LEFT, *DECODED)):
    return LabelledFiles(folder, names, range(len(names)), upright=True)


def both(files, crop, seed=0):
    """All draws of two epochs, as the CPU's path makes them and as workers leave them to the device."""
    draws = [draw for one in TrainBatches(len(files), 3, seed=seed, repeat=2) for draw in one]
    return TrainDataset(files, (), crop)[draws], UndecodedTrainDataset(files, crop)[draws]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pixels_are_nearly_those_of_the_cpus_path(folder, interpolation):
    here, left = both(samples(folder), RandomResizedCrop(40, interpolation=interpolation))
    rows = [part.row for part in left["undecoded"].parts]
    assert [name in LEFT for name in left["name"]] == [row in rows for row in range(len(left["name"]))]
    there = Decoder()(left, CPU)
    assert there.keys() == here.keys() and there["name"] == here["name"]
    assert torch.equal(there["label"], here["label"])
    assert there["image"].dtype == torch.uint8 and there["image"].shape == here["image"].shape
    assert there["image"].is_contiguous(memory_format=torch.channels_last)
    far = (there["image"].int() - here["image"].int()).abs().float()
    others = [row for row in range(len(far)) if row not in rows]
    assert others and far[others].max() == 0, "what the workers decode is the same, in its own row"
    for row in rows:  # the CPU decodes the large photo at a half or a quarter, and rounds between two cubic passes
        most = 30 if here["name"][row] == "large.jpg" or interpolation == "bicubic" else 2
        assert far[row].mean() <= (1 if most == 30 else 0.5) and far[row].max() <= most, here["name"][row]


def test_boxes_and_flips_are_the_cpus(folder, monkeypatch):
    made = []

    def note(source, box, size, interpolation, *, flip=False):
        made.append((box, flip))
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(crop_room, "cut_box", note)
    monkeypatch.setattr(undecoded_room, "cut_box", lambda *_, **__: np.zeros((40, 40, 3), np.uint8))
    _, left = both(samples(folder), RandomResizedCrop(40, flip=0.5), seed=3)
    parts = left["undecoded"].parts
    assert len(parts) == 10 and len(made) == 18
    assert [(part.box, part.flip) for part in parts] == [made[part.row] for part in parts]
    assert {part.flip for part in parts} == {True, False}


def test_a_batch_may_have_nothing_or_everything_for_the_device(folder, capsys):
    decoder, crop = Decoder(), RandomResizedCrop(40)
    for names in (LEFT, DECODED, DECODED):
        here, left = both(samples(folder, names), crop)
        assert len(left["image"]) == (0 if names is LEFT else len(here["image"]))
        assert decoder(left, CPU)["image"].shape == here["image"].shape
    assert capsys.readouterr().out.count("no JPEG file in a batch") == 1


def test_broken_files_are_replaced_as_before(folder):
    whole = (folder / "420.jpg").read_bytes()
    (folder / "444.jpg").write_bytes(whole[: len(whole) // 2])
    draws = next(iter(TrainBatches(5, 5, seed=0)))
    crop = RandomResizedCrop(40)
    here, left = (kind(samples(folder, LEFT), crop=crop, replace_broken=True, **more)[draws]
                  for kind, more in ((TrainDataset, {"augment": ()}), (UndecodedTrainDataset, {})))  # fmt: skip
    assert left["broken"] == here["broken"] and len(left["broken"]) == 1
    assert left["name"] == here["name"] and torch.equal(left["label"], here["label"])


def test_the_cpu_decodes_what_the_device_refuses(folder, monkeypatch, capsys):
    def refuse(*_, **__):
        raise RuntimeError("nvjpegDecode failed: 2")

    crop, decoder = RandomResizedCrop(40), Decoder()
    here, left = both(samples(folder, LEFT[:3]), crop, seed=1)
    monkeypatch.setattr("torchvision.io.decode_jpeg", refuse)
    for _ in range(2):
        far = (decoder(dict(left), CPU)["image"].int() - here["image"].int()).abs()
        assert far.max() <= 2
    assert capsys.readouterr().out.count("nvjpegDecode failed: 2") == 1
    left["undecoded"].data.zero_()
    with pytest.raises(UserError, match=r"cannot read image (420|444|grey)\.jpg"):
        decoder(left, CPU)


def test_memory_that_is_full_is_said_as_such(folder, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("torchvision.io.decode_jpeg", full)
    with pytest.raises(torch.OutOfMemoryError):
        Decoder()(both(samples(folder), RandomResizedCrop(40))[1], CPU)


def test_workers_hand_the_files_over(folder):
    files, options = samples(folder), {"augment": {}, "crop": RandomResizedCrop(40), "fit": None, "progressive": None}
    options |= {"max_broken": 0, "batch_size": 4, "eval_batch_size": 1, "repeat": 1, "seed": 0}
    data = DataModule(files, files, workers=1, decode="cuda", **options)
    order = list(TrainBatches(len(files), 4, seed=0))
    for batch, draws in zip(data.loader(data.undecoded(), order, 1, again=False), order, strict=True):
        direct = data.undecoded()[draws]
        assert torch.equal(Decoder()(batch, CPU)["image"], Decoder()(direct, CPU)["image"])
    with pytest.raises(UserError, match=r"needs CUDA, but this training is on cpu: data.decode=cpu"):
        data.check_device(CPU)


def test_files_are_shared_like_all_tensors(folder, monkeypatch):
    monkeypatch.setattr(sharing, "get_worker_info", lambda: "a worker's")
    left = both(samples(folder), RandomResizedCrop(40))[1]
    assert not left["undecoded"].data.is_shared()
    shared = sharing.shareable(left)["undecoded"]
    assert shared.data.is_shared() and shared.parts == left["undecoded"].parts


def test_labels_with_places_are_refused(folder):
    masked = AnnotatedFiles(folder, ["420.jpg"], source=folder, multilabel=np.ones((1, 2), np.uint8))
    sample = UndecodedTrainDataset(masked, RandomResizedCrop(40))[next(iter(TrainBatches(1, 1, seed=0)))]
    assert sample["multilabel"].tolist() == [[1, 1]]
    masked.labels_in_memory = lambda index: {"bboxes": np.zeros((0, 5), np.float32)}
    with pytest.raises(UserError, match="boxes and masks do not follow"):
        UndecodedTrainDataset(masked, RandomResizedCrop(40))[next(iter(TrainBatches(1, 1, seed=0)))]


GOOD = {"data": {"decode": "cuda", "batch_size": 4, "crop": {"_target_": CROP}, "augment": {"a": None}, "cache": False}}


@pytest.mark.parametrize(
    ("put", "message"),
    [
        ({"crop": None}, "is for training of image labels with data.crop"),
        ({"crop": {"_target_": "own.Crop"}}, "is for training of image labels with data.crop"),
        (
            {"augment": {"a": None, "flip": {}}},
            "no pixels to change; without: data.augment.flip=null",
        ),
        ({"cache": "disk"}, "data.cache=disk keeps pixels"),
        ({"scales": [[32, 32]]}, r"data.scales=\[\[32, 32\]\] resizes pixels"),
        ({"batch_size": "auto"}, "data.batch_size=auto exclude each other"),
        ({"datasets": {"a": {}}}, "not for a mixture"),
        ({"white": 4095}, "white=4095 scales pixels"),
        ({"trainer": {"accelerator": "cpu"}}, "needs CUDA: trainer.accelerator=cpu; data.decode=cpu works"),
    ],
)
def test_what_excludes_it_is_one_line(put, message, monkeypatch):
    monkeypatch.setattr(decoding, "accelerator_is_likely", lambda: True)
    whole = {"trainer": {"accelerator": "auto"}, "white": None, "datasets": None, **GOOD}
    check_decode(whole)
    outer = {key: value for key, value in put.items() if key in whole and key != "data"}
    inner = {key: value for key, value in put.items() if key not in outer}
    wrong = {**whole, **outer, "data": {**whole["data"], **inner}}
    with pytest.raises(UserError, match=message):
        check_decode(wrong)
    check_decode({**wrong, "data": {**wrong["data"], "decode": "cpu"}})


def test_a_machine_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(decoding, "accelerator_is_likely", lambda: False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(UserError, match="this machine, or the PyTorch on it, has no GPU"):
        check_decode({"trainer": {"accelerator": "auto"}, "white": None, "datasets": None, **GOOD})
    monkeypatch.setattr("platform.machine", lambda: "aarch64")  # the devices have other names there
    check_decode({"trainer": {"accelerator": "auto"}, "white": None, "datasets": None, **GOOD})
