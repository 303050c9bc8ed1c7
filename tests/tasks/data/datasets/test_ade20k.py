"""ADE20K's layout: 0 is void, names from the file of the download."""

import numpy as np
from PIL import Image

from tasks.common.labels import VOID
from tasks.data.datasets.ade20k import ADE20K


def test_the_layout_is_read(tmp_path):
    ids = np.array([[0, 1, 2], [150, 150, 1]], np.uint8)
    for split, number in (("training", 0), ("training", 1), ("validation", 2)):
        for folder in ("images", "annotations"):
            (tmp_path / folder / split).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(tmp_path / "images" / split / f"ADE_{number}.jpg")
        Image.fromarray(ids).save(tmp_path / "annotations" / split / f"ADE_{number}.png")
    dataset = ADE20K(tmp_path)
    assert len(dataset.train()) == 2 and len(dataset.val()) == 1
    assert dataset.val().read(0)["mask"].tolist() == [[VOID, 0, 1], [149, 149, 0]]
    assert [c[:2] for c in dataset.classes["mask"]][:2] == [("1", 1), ("2", 2)] and len(dataset.classes["mask"]) == 150
    rows = "".join(f"{k}\t0\t1\t1\t0\tname {k}, other {k}\n" for k in range(1, 151))
    (tmp_path / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tStuff\tName\n" + rows)
    named = ADE20K(tmp_path).classes["mask"]
    assert named[149][:2] == ("name 150", 150) and len(named) == 150
