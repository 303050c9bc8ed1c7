"""Tables of images and labels: their forms, obvious columns, splits, and each mistake with its row."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.table import Table

HALF = {"share": 0.5, "seed": 0, "group": None}
MULTI = {"targets": ["multilabel"]}


def write(root: Path, text: str, *images: str, table: str = "labels.csv") -> Path:
    for number, image in enumerate(images):
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (7, 5), (10 * number, 0, 0)).save(root / image)
    (root / table).parent.mkdir(parents=True, exist_ok=True)
    (root / table).write_text(text, encoding="utf-8")
    return root


def files(*names: str) -> list[str]:
    return [f"images/{name}" for name in names]


def truth(samples):
    """What each image is labelled with, by its name."""
    labels = samples.labels if samples.multilabel is None else samples.multilabel
    return {samples.name(index): labels[index].tolist() for index in range(len(samples))}


ABC = files("a.jpg", "b.png", "c.jpg", "d.jpg")


@pytest.mark.parametrize(
    "text",
    [
        "id,label\na.jpg,cat\nb.png,dog\nc.jpg,cat\nd.jpg,dog\n",
        "label;x;Image ID\r\n cat ;1;a\r\ndog;2;b\r\ncat;3;c\r\ndog;4;d\r\n",  # without suffixes
        "\ufeffFileName\tclass\n./a.jpg\tcat\n.\\b.png\tdog\n\nc.jpg\tcat\nd.jpg\tdog\n",
        'path,category\n"a.jpg","cat"\nb.png,dog\nc.jpg,cat\nd.jpg,dog\n',
        "filename, cat, dog\na.jpg,1,0\nb.png,0,1\nc.jpg,1.0,0.0\nd.jpg,False,True\n",  # Roboflow's
    ],
)
def test_one_label_in_many_forms(tmp_path, text):
    dataset = Table(write(tmp_path, text, *ABC), val=HALF)
    train, val = dataset.train(), dataset.val()
    assert dataset.classes == {"label": ["cat", "dog"]}
    assert truth(train) | truth(val) == {"a.jpg": 0, "b.png": 1, "c.jpg": 0, "d.jpg": 1}
    assert sorted(val.class_labels().tolist()) == [0, 1], "drawn from each class"
    sample = train.read(0)
    assert sample["image"].shape == (5, 7, 3) and sample["label"].dtype == np.int64 and sample["label"].shape == ()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("image,tags\na.jpg,cat dog\nb.png,\nc.jpg,dog\nd.jpg,cat\n", {"separator": " "}),
        ("image,tags\na.jpg,cat | dog\nb.png,\nc.jpg,dog\nd.jpg,cat\n", {"separator": "|"}),
        ("image,tags,cat,dog\na.jpg,x,1,1\nb.png,x,0,0\nc.jpg,x,0,1\nd.jpg,x,1,0\n", {"labels": ["cat", "dog"]}),
        ("image,cat,dog\na.jpg,1,1\nb.png,0,0\nc.jpg,0,1\nd.jpg,1,0\n", {}),
    ],
)
def test_several_labels_in_many_forms(tmp_path, text, keys, capsys):
    dataset = Table(write(tmp_path, text, *ABC), val=HALF, **keys, **MULTI)
    train, val = dataset.train(), dataset.val()
    assert dataset.classes == {"multilabel": ["cat", "dog"]}
    assert truth(train) | truth(val) == {"a.jpg": [1, 1], "b.png": [0, 0], "c.jpg": [0, 1], "d.jpg": [1, 0]}
    assert train.read(0)["multilabel"].dtype == np.uint8
    assert train.label_matrix().sum() + val.label_matrix().sum() == 4
    assert "1 of 2 " in capsys.readouterr().out, "an image without any label is said"


def test_several_rows_of_an_image_add_up_if_a_key_says_so(tmp_path):
    root = write(tmp_path, "id,label\na,cat\na,dog\nb,dog\na,dog\n", *files("a.jpg", "b.jpg"))
    with pytest.raises(UserError, match=r"row 3: a\.jpg is in row 2 too \(2 rows repeat a file\); dataset\.merge=true"):
        Table(root, val=HALF, **MULTI).train()
    dataset = Table(root, val=HALF, merge=True, **MULTI)
    assert truth(dataset.train()) | truth(dataset.val()) == {"a.jpg": [1, 1], "b.jpg": [0, 1]}
    with pytest.raises(UserError, match=r"row 3: a\.jpg is in row 2 too \(2 rows repeat a file\)$"):
        Table(root, val=HALF, merge=True).train()


def test_obvious_columns_are_said(tmp_path, capsys):
    root = write(tmp_path, "id,height,cat,dog\na,5,1,0\nb,5,0,1\nc,5,1,0\nd,5,0,1\n", *ABC)
    Table(root, val=HALF).train()
    assert "labels.csv: files in column id; a class in each of cat, dog; not read: height\n" in capsys.readouterr().out


def test_splits_by_a_column(tmp_path, capsys):
    root = write(tmp_path, "id,label,split\na,x,train\nb,y,train\nc,x,valid\nd,y,test\n", *ABC)
    with pytest.raises(
        UserError, match=r"has val in column split: dataset\.val_split is one of train \(2\), valid \(1\)"
    ):
        Table(root).val()
    dataset = Table(root, val_split="valid")
    assert (truth(dataset.train()), truth(dataset.val())) == ({"a.jpg": 0, "b.png": 1}, {"c.jpg": 0})
    said = capsys.readouterr().out
    assert "2 and 1 rows to train on and to score by column split, 1 test not read" in said
    assert "no validation image of 1 of 2 classes: y" in said


def test_a_table_of_its_own_for_validation(tmp_path):
    write(tmp_path, "id,label\na,x\nb,y\n", "train/a.jpg", "train/b.jpg", table="train.csv")
    write(tmp_path, "id,label\nc,y\n", "val/c.jpg", table="val.csv")
    dataset = Table(tmp_path, table="train.csv", val={"table": "val.csv"})
    assert (truth(dataset.train()), truth(dataset.val())) == ({"a.jpg": 0, "b.jpg": 1}, {"c.jpg": 1})
    assert dataset.val().folder == tmp_path / "val"
    write(tmp_path, "id,label\nc,y\nc,z\n", table="val.csv")
    with pytest.raises(UserError, match=r"val\.csv, row 3: z is a class that no training image has \(2 there: x, y\)"):
        dataset.__class__(tmp_path, table="train.csv", val={"table": "val.csv"}).val()


def test_groups_stay_together(tmp_path):
    names = [f"{clip}_{number}.jpg" for clip in "abcd" for number in range(5)]
    root = write(tmp_path, "id,label\n" + "".join(f"{name},x\n" for name in names), *files(*names))
    val = Table(root, val={"share": 0.25, "group": "^[a-d]"}).val()
    assert len(val) == 5 and len({val.name(index)[0] for index in range(5)}) == 1


def test_numbers_are_in_order_of_value(tmp_path):
    root = write(tmp_path, "id,label\na,10\nb,9\nc,10\nd,9\n", *ABC)
    assert Table(root, val=HALF).classes == {"label": ["9", "10"]}


WRONG = {
    "id,label\na,cat\n,dog\n": "row 3: no file in column id",
    "id,label\na,cat\nb,\n": "row 3: no label in column label",
    "id,label\na,cat\nb\n": r"row 3: 1 cells, but 2 columns \(id, label\)",
    "id,label\na,cat\n\nx,cat\n": "row 4: .*images/x: no file",
    "id,label\na,cat\ny,cat\n": r"row 3: .*images/y: 2 files \(y\.jpg, y\.png\)",
    "id,label\na,cat\na.jpg,cat\n": r"row 3: a\.jpg is in row 2 too",
    "id,label\na,cat|dog\n": r"'cat\|dog' seems to be several labels: \"dataset\.separator='\|'\"",
    "id,label\na,hot dog\nb,dog\nc,hot\n": r"'hot dog' seems to be several labels: \"dataset\.separator=' '\"",
    "id,cat,dog\na,1,0\nb,1,1\n": r"row 3: 2 classes \(cat, dog\); so 1 of 2 rows have not exactly one",
    "name,cat,cat\na,1,0\n": "two columns called cat",
    "photo,label\na,cat\n": r"which column of .* has the files\? dataset\.file=photo \| label",
    "id,height\na,5\n": r"which column of .* has the labels\? dataset\.label=height",
    "a.jpg,cat\nb.jpg,dog\n": r"row 1 of .* must name the columns, such as file,label; it has a\.jpg, cat",
    "id,label\n": "has column names, but no row",
    "": "is empty",
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_named_with_their_row(tmp_path, text):
    root = write(tmp_path, text, *ABC, *files("y.jpg", "y.png"))
    with pytest.raises(UserError, match=WRONG[text]) as error:
        Table(root, val=HALF).train()
    assert "\n" not in str(error.value) and "labels.csv" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"no validation images: dataset\.val\.share=0\.2 draws some, dataset\.val\.table=<file>"),
        ({"val": {"share": 0.5}, "split": "label"}, r"dataset\.split=label and dataset\.val\.share=0\.5: only one"),
        ({"val": HALF, "file": "photo"}, r"has no column photo; its columns are id, label$"),
        ({"val": HALF, "label": "label", "labels": ["a"]}, "only one of them"),
        ({"val": HALF, "labels": ["label"]}, r"row 2: 'cat' in column label: a class's column has 0 or 1"),
        ({"val": HALF, "images": "photos"}, r"dataset\.images=photos: no folder"),
        (
            {"val": HALF, "images": "images/deep"},
            r"a: no file .*\(2 images are missing\)|2 of 2 images are missing.*images",
        ),
        ({"val": HALF, "table": "other.csv"}, r"^no such file: .*other\.csv"),
    ],
)
def test_keys_that_do_not_fit(tmp_path, keys, message):
    root = write(tmp_path, "id,label\na,cat\nb,dog\n", *ABC)
    (root / "images/deep").mkdir()
    with pytest.raises(UserError, match=message):
        Table(root, **keys).val()


def test_one_label_per_cell_may_have_spaces(tmp_path):
    root = write(tmp_path, "id,label\na,hot dog\nb,dog\nc,hot\nd,hot\n", *ABC)
    assert Table(root, separator="", val=HALF).classes == {"label": ["dog", "hot", "hot dog"]}
    write(tmp_path, "id,label\na,golden retriever\nb,black cat\nc,black cat\nd,golden retriever\n")
    assert Table(root, val=HALF).classes == {"label": ["black cat", "golden retriever"]}


def test_which_table(tmp_path):
    write(tmp_path, "id,label\na,x\n", *ABC)
    write(tmp_path, "id,label\na,x\n", table="more.tsv")
    with pytest.raises(UserError, match=r"2 tables \(\.csv, \.tsv\) in .*: dataset\.table=labels\.csv \| more\.tsv"):
        Table(tmp_path).val()
    with pytest.raises(UserError, match=r"no tables \(\.csv, \.tsv\) in .*nowhere\nfound: no such folder"):
        Table(tmp_path / "nowhere").val()


def test_what_is_no_text(tmp_path):
    root = write(tmp_path, "", *ABC)
    (root / "labels.csv").write_bytes("id,label\na,Bär\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"labels\.csv is not text in UTF-8 \(byte 12\)"):
        Table(root, val=HALF).train()


def test_minus_one_is_no_where_no_column_has_a_zero(tmp_path):
    """CelebA's list_attr_celeba.csv."""
    text = "image_id,bald,smiling\na.jpg,-1,1\nb.png,1,1\nc.jpg,-1,-1\nd.jpg,1,-1\n"
    dataset = Table(write(tmp_path, text, *ABC), val=HALF, **MULTI)
    assert dataset.classes == {"multilabel": ["bald", "smiling"]}
    expected = {"a.jpg": [0, 1], "b.png": [1, 1], "c.jpg": [0, 0], "d.jpg": [1, 0]}
    assert truth(dataset.train()) | truth(dataset.val()) == expected


def test_minus_one_beside_zero_is_no_class(tmp_path):
    """CheXpert's -1 is `uncertain`."""
    text = "image_id,edema,mass,other\na.jpg,-1,1,0\nb.png,1,0,1\nc.jpg,0,1,1\nd.jpg,1,0,0\n"
    root = write(tmp_path, text, *ABC)
    assert Table(root, val=HALF, **MULTI).classes == {"multilabel": ["mass", "other"]}
    with pytest.raises(UserError, match=r"row 2: '-1' in column edema: .* only where no column has a 0"):
        Table(root, val=HALF, labels=["edema", "mass"], **MULTI).train()


def test_files_are_found_in_several_folders_below(tmp_path, capsys):
    """ChestX-ray14: images_001/images, images_002/images, …"""
    text = "Image Index,Finding Labels\na.jpg,x|y\nb,x\nc.jpg,y\nd.jpg,y|x\n"
    root = write(tmp_path, text, "p1/i/a.jpg", "p1/i/b.png", "p2/i/c.jpg", "p2/i/d.jpg")
    dataset = Table(root, val=HALF, separator="|", **MULTI)
    assert truth(dataset.train()) | truth(dataset.val()) == {
        "p1__i__a.jpg": [1, 1], "p1__i__b.png": [1, 0], "p2__i__c.jpg": [0, 1], "p2__i__d.jpg": [1, 1],
    }  # fmt: skip
    assert f"4 files are found below {tmp_path} (a.jpg is p1/i/a.jpg, …)" in capsys.readouterr().out
    (tmp_path / "p2/i/a.jpg").write_bytes((tmp_path / "p1/i/a.jpg").read_bytes())
    with pytest.raises(
        UserError, match=r"row 2: .* may be p./i/a.jpg or p./i/a.jpg: dataset\.images=<folder> says which"
    ):
        Table(root, val=HALF, separator="|", **MULTI).train()


def test_whole_numbers_in_a_cell_are_several_labels(tmp_path):
    root = write(tmp_path, "Id,Target\na,16 0\nb,7 1 2\nc,5\nd,3\n", *ABC)
    with pytest.raises(UserError, match="'16 0' seems to be several labels"):
        Table(root, val=HALF).train()


def test_columns_that_nothing_separates_are_named(tmp_path):
    root = write(tmp_path, "8\nbald smiling\na.jpg -1 1\n", *ABC)
    with pytest.raises(UserError, match=r"has one column \(8\): commas, semicolons or tabs separate columns"):
        Table(root, val=HALF).train()


def test_no_class_with_two_images_is_said(tmp_path):
    root = write(tmp_path, "id,label\na,p\nb,q\nc,r\nd,s\n", *ABC)
    with pytest.raises(UserError, match="none of the 4 classes has two images, one to train on and one to score"):
        Table(root, val=HALF).train()
