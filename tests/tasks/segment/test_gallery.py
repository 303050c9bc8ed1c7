"""The page's images of a segmentation: which are best, median and worst, and that their maps are the labels."""

import io
import pickle

import numpy as np
import torch
from PIL import Image

from tasks.common.photos import SIDE, label_map, photo
from tasks.segment.gallery import BestMedianWorst

CLASSES = [{"name": "a", "colour": [1, 2, 3]}, {"name": "b", "colour": [4, 5, 6]}]
COUNT = 12


def collected(numbers, third=2):
    """A gallery that has seen these images; of image n, n of ten known pixels are right, and two are void."""
    gallery = BestMedianWorst(3 * third, range(COUNT), "mask", lambda *_: Image.new("RGB", (1, 1)), CLASSES)
    for number in numbers:
        truth = torch.zeros(1, 2, 6, dtype=torch.uint8)
        truth[0, 0, :2] = 255
        found = torch.ones(1, 2, 6, dtype=torch.uint8)
        found.view(-1)[2 : 2 + min(10, number)] = 0
        image = torch.full((1, 3, 2, 6), number, dtype=torch.uint8)
        gallery.add({"index": [number], "name": [str(number)], "image": image, "mask": truth}, found)
    return gallery


def of_kind(galleries, kind):
    kept = pickle.loads(pickle.dumps([entry for gallery in galleries for entry in gallery.kept]))
    record = galleries[0].record(kept)
    return [int(picture.entry["name"]) for picture in record.pictures if picture.entry["kind"] == kind]


def test_best_median_and_worst():
    galleries = [collected(range(COUNT))]
    assert of_kind(galleries, "best") == [10, 11], "equal ones by their number"
    assert of_kind(galleries, "worst") == [0, 1]
    assert of_kind(galleries, "median") == [6, 5]
    assert of_kind(galleries, "spread") == [2, 8], "the same of every run, without those shown already"


def test_two_processes_choose_what_one_chooses():
    one, two = [collected(range(COUNT))], [collected(range(0, COUNT, 2)), collected(range(1, COUNT, 2))]
    for kind in ("best", "median", "worst", "spread"):
        assert of_kind(one, kind) == of_kind(two, kind), kind


def test_only_the_maps_that_are_shown_are_compressed(monkeypatch):
    made = []
    true_save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *args, **keys: made.append(args[2]) or true_save(*args, **keys))
    gallery = collected(range(COUNT))
    assert made.count("PNG") == 0, "12 images, of which 8 are shown"
    assert len(gallery.record(gallery.kept).pictures) == 8 and made.count("PNG") == 16


def test_maps_are_the_labels_and_photos_keep_their_proportions():
    labels = np.arange(200, dtype=np.uint8)[None].repeat(100, 0)
    assert (np.asarray(Image.open(io.BytesIO(label_map(labels)))) == labels).all()
    large = np.kron(np.array([[3, 255]], np.uint8), np.ones((900, 800), np.uint8))
    shrunk = np.asarray(Image.open(io.BytesIO(label_map(large))))
    assert shrunk.shape == (360, SIDE) and {*np.unique(shrunk).tolist()} == {3, 255}, "classes do not mix"
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    image[0, 16:48] = 200
    seen = Image.open(io.BytesIO(photo(image, (0.0, 16.0, 64.0, 32.0), (200, 400))))
    assert seen.size == (400, 200) and np.asarray(seen)[..., 0].min() > 150, "without the margins of the input"
