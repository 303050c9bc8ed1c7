"""Images and label maps in the folders that people have: each is read equal to its truth, or refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.datasets.masks import MaskFolders

SIZE = (20, 32)
COLOURS = np.array([(0, 0, 0), (200, 10, 20), (30, 40, 250)], np.uint8)
DRAWN = {"share": 0.25}


def truth(number: int) -> np.ndarray:
    """Background, a block of class 1 and one of class 2, elsewhere in each image."""
    mask = np.zeros(SIZE, np.uint8)
    mask[2 : 8 + number % 3, 3 : 12 + number] = 1
    mask[10:18, 14 : 28 - number] = 2
    return mask


def put(array, root: Path, *names: str, **options) -> None:
    path = root.joinpath(*names)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def photo(number: int) -> np.ndarray:
    return np.clip(COLOURS[truth(number)].astype(int) // 2 + 40, 0, 255).astype(np.uint8)


def split(number: int) -> str:
    return "train" if number < 6 else "val"


def write(root: Path, image: str, mask: str, change=lambda m: m, count: int = 8) -> Path:
    """A set whose paths have {stem} and {split}."""
    for number in range(count):
        words = {"stem": f"img{number}", "split": split(number)}
        put(photo(number), root, image.format(**words))
        put(change(truth(number)), root, mask.format(**words))
    return root


def masks_of(dataset: MaskFolders, check: bool = True) -> dict[int, np.ndarray]:
    """Every label map of both splits, by the number of its image."""
    found = {}
    for samples in (dataset.train(), dataset.val()):
        if check:
            assert [problem for problem in samples.check() if problem] == []
        for index in range(len(samples)):
            sample = samples.read(index)
            assert sample["image"].shape[:2] == sample["mask"].shape and sample["mask"].dtype == np.uint8
            found[int(samples.files[index].rpartition("img")[2].split("/")[0].split(".")[0].split("_")[0])] = sample[
                "mask"
            ]
    return found


def assert_equal(dataset: MaskFolders, expected=lambda m: m, count: int = 8) -> None:
    found = masks_of(dataset)
    assert sorted(found) == list(range(count))
    for number, mask in found.items():
        assert (mask == expected(truth(number))).all(), number


LAYOUTS = {  # paths of images and label maps, and the keys that are needed
    "two folders": ("images/{stem}.jpg", "masks/{stem}.png", {"val": DRAWN}),
    "splits in folders": ("images/{split}/{stem}.jpg", "masks/{split}/{stem}.png", {}),
    "folders in splits": ("{split}/images/{stem}.jpg", "{split}/labels/{stem}.png", {}),
    "suffix": ("imgs/{stem}.jpg", "masks/{stem}_mask.png", {"val": DRAWN}),
    "one folder": ("{split}/{stem}.jpg", "{split}/{stem}_mask.png", {}),
    "one folder, one name": ("{stem}.jpg", "{stem}.png", {"val": DRAWN}),
    "CamVid": ("{split}/{stem}.png", "{split}annot/{stem}.png", {}),
    "CamVid with _L": ("{split}/{stem}.png", "{split}_labels/{stem}_L.png", {}),
    "masks below images": (
        "images/{stem}.png", "images/masks/{stem}.png", {"masks": "images/masks", "images": "images", "val": DRAWN},
    ),
    "sub-folders": ("photos/{split}/town/{stem}.jpg", "gt/{split}/town/{stem}.png", {}),
    "whole patterns": (
        "a/{split}/x_{stem}_photo.jpg", "b/{split}/{stem}-ids.png",
        {"images": "a/{split}/x_{stem}_photo.jpg", "masks": "b/{split}/{stem}-ids.png"},
    ),
    "template": (
        "p/{stem}.jpg", "q/m_{stem}.png", {"images": "p", "masks": "q", "template": "m_{stem}.*", "val": DRAWN},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path, name):
    image, mask, keys = LAYOUTS[name]
    write(tmp_path, image, mask)
    assert_equal(MaskFolders(tmp_path, **keys))


def palette(ids):
    image = Image.fromarray(ids, "P")
    image.putpalette(COLOURS.ravel().tolist())
    return np.asarray(image.convert("RGB"))


STORED = {  # how values are stored, what else is needed, and what is read
    "0 and 255": (lambda m: (m == 1).astype(np.uint8) * 255, {}, lambda m: m == 1),
    "one bit": (lambda m: m == 1, {}, lambda m: m == 1),
    "grey as RGB": (lambda m: np.repeat(m[..., None], 3, 2), {}, lambda m: m),
    "16 bits": (lambda m: m.astype(np.uint16) * 300, {"classes": {"a": 0, "b": 300, "c": 600}}, lambda m: m),
    "colours": (
        lambda m: COLOURS[m],
        {"classes": {"a": [0, 0, 0], "b": [200, 10, 20], "c": [30, 40, 250]}},
        lambda m: m,
    ),
    "colours found": (lambda m: COLOURS[m], {}, lambda m: np.array([0, 2, 1])[m]),
    "void": (lambda m: m, {"ignore": [2]}, lambda m: np.where(m == 2, VOID, m)),
    "joined": (lambda m: m, {"classes": {"a": 0, "b": [1, 2]}}, lambda m: m > 0),
    "others": (lambda m: m, {"classes": {"b": 1}, "ignore": "others"}, lambda m: np.where(m == 1, 0, VOID)),
}


@pytest.mark.parametrize("name", STORED)
def test_stored_values(tmp_path, name):
    change, keys, expected = STORED[name]
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", change)
    assert_equal(MaskFolders(tmp_path, val=DRAWN, **keys), expected)


def test_ids_are_those_of_the_files(tmp_path):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", lambda m: (m == 1).astype(np.uint8) * 255)
    assert MaskFolders(tmp_path, val=DRAWN).classes["mask"] == [("0", 0, (128, 0, 0)), ("255", 255, (0, 128, 0))]


def test_a_file_of_classes_is_found(tmp_path, capsys):
    write(tmp_path, "{split}/{stem}.jpg", "{split}/{stem}_mask.png")
    (tmp_path / "train" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, disc\n2, box\n")
    dataset = MaskFolders(tmp_path)
    assert_equal(dataset)
    assert [name for name, _, _ in dataset.classes["mask"]] == ["background", "disc", "box"]
    out = capsys.readouterr().out
    assert "dataset.template={stem}_mask.png" in out and "classes of" in out and "_classes.csv" in out


def test_a_file_for_each_class(tmp_path):
    for number in range(8):
        put(photo(number), tmp_path, f"img{number}", "photo.png")
        for value, name in ((1, "disc"), (2, "box")):
            if (number, name) != (3, "box"):
                put((truth(number) == value).astype(np.uint8) * 255, tmp_path, f"img{number}", f"{name}.png")
    keys = {"images": "{stem}/photo.png", "masks": "{stem}/{class}.png", "val": DRAWN}
    dataset = MaskFolders(tmp_path, classes=["disc", "box"], **keys)
    found = masks_of(dataset)
    for number in range(8):
        expected = truth(number)
        assert (found[number] == (np.where(expected == 2, 0, expected) if number == 3 else expected)).all()
    assert [name for name, _, _ in dataset.classes["mask"]] == ["background", "disc", "box"]
    void = MaskFolders(tmp_path, background=None, **keys)
    assert [name for name, _, _ in void.classes["mask"]] == ["box", "disc"]
    assert (masks_of(void)[0] == np.array([VOID, 1, 0], np.uint8)[truth(0)]).all()
    with pytest.raises(UserError, match="names cat, but the label files are of box, disc"):
        MaskFolders(tmp_path, classes=["cat"], **keys).train()
    put(np.full(SIZE, 90, np.uint8) * (truth(0) > 0) + (truth(0) == 1), tmp_path, "img0", "disc.png")
    errors = [error for side in (dataset.train(), dataset.val()) for error in side.check() if error]
    assert len(errors) == 1 and "a file of one class has two values: dataset.nearest=true" in str(errors[0])


def test_lists_name_the_images_of_a_split(tmp_path):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    (tmp_path / "train.txt").write_text("".join(f"img{k}\n" for k in range(5)))
    (tmp_path / "val.txt").write_text("/old/place/images/img6.jpg /old/place/masks/img6.png\nimages/img7.jpg\n")
    dataset = MaskFolders(tmp_path, train_split="train.txt", val_split="val.txt")
    assert sorted(masks_of(dataset)) == [0, 1, 2, 3, 4, 6, 7]
    assert [dataset.val().files[k] for k in range(2)] == ["img6.jpg", "img7.jpg"]
    (tmp_path / "val.txt").write_text("img6\nimg99\n")
    with pytest.raises(UserError, match=r"val\.txt: 1 of 2 lines name no image, such as 'img99'"):
        MaskFolders(tmp_path, train_split="train.txt", val_split="val.txt").val()
    with pytest.raises(UserError, match=r"dataset.val_split=none.txt: no such file"):
        MaskFolders(tmp_path, train_split="train.txt", val_split="none.txt").val()


def test_label_maps_of_another_size(tmp_path):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", lambda m: m)
    for number in range(3):
        put(truth(number)[::2, ::2], tmp_path, "masks", f"img{number}.png")
    with pytest.raises(
        UserError, match=r"\d of 6 label files have another size than their image, .*: 16×10, its image 32×20"
    ):
        list(MaskFolders(tmp_path, val=DRAWN).train().check())
    found = masks_of(MaskFolders(tmp_path, val=DRAWN, resize_masks=True))
    assert (found[0] == np.repeat(np.repeat(truth(0)[::2, ::2], 2, 0), 2, 1)).all()
    assert (found[7] == truth(7)).all()


def test_images_and_label_files_without_a_partner(tmp_path, capsys):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    (tmp_path / "masks" / "img0.png").unlink()
    (tmp_path / "images" / "img1.jpg").unlink()
    with pytest.raises(
        UserError, match=r"1 of 7 images in .*images have no label file like .*: images/img0\.jpg; dataset.unl"
    ):
        MaskFolders(tmp_path, val=DRAWN).train()
    dataset = MaskFolders(tmp_path, val=DRAWN, unlabelled="skip")
    assert len(dataset.train()) + len(dataset.val()) == 6
    out = capsys.readouterr().out
    assert "1 images left out, without label file: images/img0.jpg" in out
    assert "1 label files without image: masks/img1.png" in out


def refused(tmp_path, match, **keys):
    with pytest.raises(UserError, match=match):
        masks_of(MaskFolders(tmp_path, **keys))


def test_what_does_not_tell_is_refused(tmp_path):
    refused(tmp_path / "none", "no such folder")
    refused(tmp_path, "no folders of images and of label files in .*nothing")
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    refused(tmp_path, r"no validation images in .*dataset.val.share=0.2")
    refused(tmp_path, r"\{city\} is not in dataset.images", masks="masks/{city}_{stem}.png", images="images", val=DRAWN)
    refused(tmp_path, "set both, or none", images="images", val=DRAWN)
    refused(tmp_path, r"dataset.train_split=train, but dataset.images=images has no \{split\}", train_split="train")
    refused(tmp_path, "no label file in .* is named like an image", images="masks", masks="images/none", val=DRAWN)
    refused(tmp_path, "dataset.classes=classes.csv: no such file", classes="classes.csv", val=DRAWN)
    (tmp_path / "labels").mkdir()
    refused(tmp_path, "has labels, masks: set dataset.images=images", val=DRAWN)
    for number in range(8):
        put(truth(number), tmp_path, "masks", f"img{number}_edge.png")
    refused(tmp_path, "two kinds of label files fit", images="images", masks="masks", val=DRAWN)
    assert_equal(MaskFolders(tmp_path, images="images", masks="masks", template="{stem}.png", val=DRAWN))


def test_one_class_and_void_alone_are_said(tmp_path, capsys):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", np.zeros_like)
    list(MaskFolders(tmp_path, val=DRAWN, classes={"a": 0, "b": 1}).train().check())
    assert "all labelled pixels of 6 label files are of one class, a" in capsys.readouterr().out
    with pytest.raises(UserError, match="every pixel of all 6 label files is void"):
        list(MaskFolders(tmp_path, val=DRAWN, classes={"b": 1}, ignore=[0]).train().check())


def test_photos_that_are_stored_turned(tmp_path):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    put(np.rot90(photo(0)), tmp_path, "images", "img0.jpg", exif=exif)
    assert_equal(MaskFolders(tmp_path, val=DRAWN))
    put(truth(0)[::2, ::2], tmp_path, "masks", "img0.png")
    assert masks_of(MaskFolders(tmp_path, val=DRAWN, resize_masks=True))[0].shape == SIZE


FOLDERS_OF_SPLITS = {  # whatever their case, and within a name
    "Train and Val": ("{split}/Images/{stem}.jpg", "{split}/Labels/{stem}.png", {"train": "Train", "val": "Val"}, {}),
    "train_images": (
        "{split}_images/{stem}.jpg",
        "{split}_masks/{stem}.png",
        {"train": "train", "val": "val"},
        {"images": "{split}_images", "masks": "{split}_masks"},
    ),
}


@pytest.mark.parametrize("name", FOLDERS_OF_SPLITS)
def test_splits_in_folder_names(tmp_path, capsys, name):
    image, mask, texts, keys = FOLDERS_OF_SPLITS[name]
    for number in range(8):
        words = {"stem": f"img{number}", "split": texts[split(number)]}
        put(photo(number), tmp_path, image.format(**words))
        put(truth(number), tmp_path, mask.format(**words))
    assert_equal(MaskFolders(tmp_path, **keys))
    assert f"dataset.train_split={texts['train']}, dataset.val_split={texts['val']}" in capsys.readouterr().out


def test_a_class_of_the_validation_split_alone_is_found(tmp_path):
    write(tmp_path, "{split}_images/{stem}.jpg", "{split}_masks/{stem}.png")
    put(truth(7) + 4, tmp_path, "val_masks/img7.png")
    dataset = MaskFolders(tmp_path, images="{split}_images", masks="{split}_masks")
    assert [name for name, _, _ in dataset.classes["mask"]] == ["0", "1", "2", "4", "5", "6"]


def test_the_texts_of_splits_are_named(tmp_path):
    write(tmp_path, "{split}crop/{stem}.jpg", "{split}crop/{stem}.png")
    (tmp_path / "valcrop").rename(tmp_path / "secondcrop")
    with pytest.raises(UserError, match=r"dataset.val_split \(there: second, train\)"):
        MaskFolders(tmp_path, images="{split}crop/{stem}.jpg", masks="{split}crop/{stem}.png").val()


def test_accents_of_macos_names(tmp_path):
    composed, apart = "Ba\u0308ume img", "B\u00e4ume img"
    write(tmp_path, f"images/{composed}{{stem}}.jpg", f"masks/{apart}{{stem}}.png")
    assert_equal(MaskFolders(tmp_path, val=DRAWN))


@pytest.mark.parametrize("kind", ["one colour", "grey", "cut out"])
def test_label_maps_in_the_alpha_channel(tmp_path, kind):
    def change(mask):
        alpha = np.where(mask == 1, 255, 0).astype(np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), np.uint8)
        return {
            "one colour": np.dstack([np.full((*mask.shape, 3), 255, np.uint8), alpha]),
            "grey": np.dstack([np.full_like(mask, 255), alpha]),
            "cut out": np.dstack([noise, alpha]),
        }[kind]

    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", change)
    with pytest.raises(UserError, match=r"dataset\.alpha=true"):
        MaskFolders(tmp_path, val=DRAWN).train()
    assert_equal(MaskFolders(tmp_path, val=DRAWN, alpha=True), lambda mask: mask == 1)
    named = MaskFolders(tmp_path, val=DRAWN, alpha=True, classes={"rest": 0, "disc": 255})
    assert_equal(named, lambda mask: mask == 1)


def test_files_without_alpha_are_refused(tmp_path):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    with pytest.raises(UserError, match=r"img\d.png has no alpha channel \(mode L\)"):
        MaskFolders(tmp_path, val=DRAWN, alpha=True).train()


def test_listed_values_of_palettes_that_differ_are_said(tmp_path, capsys):
    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    for number in range(8):
        file = Image.fromarray(truth(number), "P")
        file.putpalette([number // 5 * 10, 0, 0, 200, 10, 20, 30, 40, 250])
        file.save(tmp_path / "masks" / f"img{number}.png")
    dataset = MaskFolders(tmp_path, val=DRAWN, classes={"sky": 0, "disc": 1, "box": 2})
    list(dataset.train().check())
    assert "the palettes of label files differ: value 0 is [0, 0, 0] in " in capsys.readouterr().out
    list(MaskFolders(tmp_path, val=DRAWN, classes={"disc": 1, "box": 2}, ignore="others").train().check())
    assert "palettes" not in capsys.readouterr().out


@pytest.mark.parametrize("way", ["jpg", "soft"])
def test_the_keys_proposed_for_soft_edges_of_black_and_white_work(tmp_path, way):
    def change(mask):
        image = Image.fromarray(np.where(np.kron(mask, np.ones((8, 8))) == 1, 255, 0).astype(np.uint8))
        return np.asarray(image.resize((96, 60), Image.BILINEAR)) if way == "soft" else np.asarray(image)

    suffix = "jpg" if way == "jpg" else "png"
    write(tmp_path, "images/{stem}.jpg", f"masks/{{stem}}.{suffix}", change)
    keys = {"val": DRAWN, "resize_masks": True}
    with pytest.raises(UserError) as error:
        MaskFolders(tmp_path, nearest=True, **keys).train()  # the first key alone is not enough
    assert 'dataset.nearest=true "dataset.classes={background: 0, object: 255}"' in str(error.value)
    classes = {"background": 0, "object": 255}
    assert len(masks_of(MaskFolders(tmp_path, nearest=True, classes=classes, **keys))) == 8


def test_a_file_for_each_of_many_objects_is_refused(tmp_path):
    for number in range(8):
        put(photo(number), tmp_path, f"img{number}/image.jpg")
        for k in range(40):
            put(truth(number), tmp_path, f"img{number}/object{number}_{k}.png")
    dataset = MaskFolders(tmp_path, images="{stem}/image.jpg", masks="{stem}/{class}.png", val=DRAWN)
    with pytest.raises(UserError, match=r"321 texts for {class}, such as object0_0, .* there may be 255 classes"):
        dataset.train()


def test_alpha_channels_with_a_file_of_classes_and_a_file_for_each_class(tmp_path):
    def change(mask):
        return np.dstack([np.full_like(mask, 255), np.where(mask == 1, 1, 0).astype(np.uint8)])

    write(tmp_path, "images/{stem}.jpg", "masks/{stem}.png", change)
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, rest\n1, disc\n")
    assert_equal(MaskFolders(tmp_path, val=DRAWN, alpha=True), lambda mask: mask == 1)
    write(tmp_path / "each", "{stem}/image.jpg", "{stem}/disc.png", change)
    keys = {"images": "{stem}/image.jpg", "masks": "{stem}/{class}.png", "alpha": True}
    assert_equal(MaskFolders(tmp_path / "each", val=DRAWN, **keys), lambda mask: mask == 1)
