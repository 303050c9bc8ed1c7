"""Pictures of a scoring: each task draws images that it has labels for, and none overwrites another's."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.classify.draw import RightAndWrong
from tasks.common.gallery import EvenlySpread, Gallery, evenly_spread
from tasks.common.output import save_png
from tasks.engine.pictures import Pictures

TRAINER = SimpleNamespace(world_size=1, is_global_zero=True)
MIXED = {"mask": range(4), "boxes": range(4, 10)}  # the numbers of the images of a mixture, by kind of label


class Seen(Gallery):
    """One picture, as wide as the images that it was told of, as high as those that it has seen."""

    def __init__(self, count, images):
        super().__init__()
        self.images = list(images)

    def add(self, batch, predictions):
        assert predictions == batch["expected"]
        self.kept += batch["index"]

    def draw(self, kept):
        assert set(kept) <= set(self.images)
        yield "picture", Image.new("L", (len(self.images), len(kept)))


def learner(**targets):
    """Of tasks whose galleries are `Seen`, as far as pictures know it."""
    tasks = {name: SimpleNamespace(target=target, gallery=Seen) for name, target in targets.items()}
    return SimpleNamespace(tasks=tasks, task=tasks.__getitem__, each_metric=lambda: list(tasks.items()))


def draw(folder, of, images, batches):
    """Sizes (width, height) of the files that batches leave in a folder; a batch: names of its tasks, images."""
    pictures = Pictures(folder, of, 3, images)
    for names, index in batches:
        batch = {"index": index, "expected": f"what it is of {index}"}
        pictures.on_validation_batch_end(TRAINER, None, dict.fromkeys(names, batch["expected"]), batch)
    pictures.on_validation_end(TRAINER, None)
    return {path.relative_to(folder).as_posix(): Image.open(path).size for path in folder.rglob("*.png")}


def test_one_tasks_pictures_lie_flat(tmp_path):
    batches = [(["segment"], [0, 1, 2]), (["segment"], [3, 4, 5])]
    assert draw(tmp_path / "new", learner(segment="mask"), lambda _: range(6), batches) == {"picture.png": (6, 6)}


def test_several_tasks_see_their_own_images_and_have_folders(tmp_path):
    of = learner(segment="mask", detect="boxes")
    batches = [(["segment"], [0, 1, 2, 3]), (["detect"], [4, 5, 6]), (["detect"], [7, 8])]
    drawn = draw(tmp_path, of, MIXED.__getitem__, batches)
    assert drawn == {"segment/picture.png": (4, 4), "detect/picture.png": (6, 5)}


def test_tasks_that_are_not_scored_have_no_pictures(tmp_path):
    of = learner(segment="mask", detect="boxes")
    of.each_metric = lambda: [("detect", None)]
    assert draw(tmp_path, of, MIXED.__getitem__, [(["detect"], [4])]) == {"detect/picture.png": (6, 1)}


def test_files_are_compressed_as_takes_little_time(tmp_path):
    drawn = draw(tmp_path / "new", learner(segment="mask"), lambda _: range(6), [(["segment"], [0])])
    assert [levels(tmp_path / "new" / name) for name in drawn] == [1], "fast; Pillow's own choice is 2"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 3), np.uint8).repeat(50, 1)
    path = Path(save_png(pixels, tmp_path / "overlay.png"))
    assert levels(path) == 0, "nothing but runs is looked for"
    assert path.stat().st_size < 1000 and (np.asarray(Image.open(path)) == pixels).all()


def levels(path):
    """Which of zlib's four classes of levels has compressed a PNG file: 1 for 2 to 5, 2 for 6; 0 for runs alone."""
    data = path.read_bytes()
    return data[data.index(b"IDAT") + 5] >> 6


@pytest.mark.parametrize("images", [range(10), range(30, 40), [1, 5, 7], [4], []])
@pytest.mark.parametrize("count", [1, 3, 10, 64])
def test_evenly_spread(images, count):
    chosen = sorted(evenly_spread(images, count))
    assert len(chosen) == min(count, len(images)) and set(chosen) <= set(images)
    gaps = np.diff([list(images).index(number) for number in chosen])
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_evenly_spread_images_of_a_mixture_are_drawn():
    gallery = EvenlySpread(2, range(100, 104), "mask", lambda image, predicted, truth: (image, predicted, truth))
    for numbers in ([100, 101], [102, 103]):
        names = [f"{number}.png" for number in numbers]
        gallery.add({"index": numbers, "image": numbers, "mask": names, "name": names}, numbers)
    expected = evenly_spread(range(100, 104), 2)
    assert len(expected) == 2 and gallery.kept == [(f"{n}.png", (n, n, f"{n}.png")) for n in sorted(expected)]


def test_classified_images_of_a_mixture_are_shown_evenly():
    gallery = RightAndWrong(3, range(50, 59), ["a", "b"], "label")
    index, truth = list(range(50, 59)), torch.zeros(9, dtype=torch.int64)
    batch = {"index": index, "name": index, "image": torch.zeros(9, 3, 4, 4, dtype=torch.uint8), "label": truth}
    gallery.add(batch, torch.tensor([[1.0, 0.0]] * 9))
    assert [shown.number for shown in gallery.right] == [50, 53, 56]
