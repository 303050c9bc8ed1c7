"""Images held out from training: the same in every run, and noticed if they have changed."""

import hashlib

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes
from tasks.data.loading.holdout import hold_out
from tasks.data.loading.mixture import MixedSamples, Part
from tasks.data.loading.subset import Subset
from tasks.engine.holdout_checks import check_same_split, check_unseen
from tasks.engine.settings import Source


class Names:
    """Samples that have nothing but names."""

    def __init__(self, names):
        self.names = list(names)

    def __len__(self):
        return len(self.names)

    def name(self, index):
        return self.names[index]


def names(samples):
    return [samples.name(index) for index in range(len(samples))]


def test_the_names_decide_and_not_their_order():
    # SHA-256 begins with 3e (b), ca (a), 2e (c), 18 (d), 3f (e)
    kept, held, record = hold_out(Names("abcde"), 0.4)
    assert names(kept) == ["a", "b", "e"] and names(held) == ["d", "c"]
    again = hold_out(Names("edcba"), 0.4)
    assert names(again[0]) == ["e", "b", "a"] and names(again[1]) == ["d", "c"] and again[2] == record
    found = hashlib.sha256(b"a\nb\nc\nd\ne").hexdigest()
    assert record == {"share": 0.4, "images": 5, "held": 2, "names": found}


def test_each_data_set_of_a_mixture_gives_its_share():
    mixture = MixedSamples([Part("one", Names("abcde"), ["label"]), Part("two", Names("abcdefghij"), ["label"])])
    kept, held, record = hold_out(mixture, 0.4)
    assert kept.names == held.names == ["one", "two"]
    assert kept.sizes == [3, 6] and held.sizes == [2, 4] and (record["images"], record["held"]) == (15, 6)
    assert not set(names(kept)) & set(names(held))


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(UserError, match=rf"^data.holdout={share} holds \d of 5 images out, \d to keep"):
        hold_out(Names("abcde"), share)


def test_another_data_set_is_noticed():
    *_, record = hold_out(Names("abcde"), 0.4)
    check_same_split(record, dict(record), "best.ckpt")
    check_same_split(None, None, "best.ckpt")
    with pytest.raises(UserError, match=r"best.ckpt was trained with 0.4"):
        check_same_split(record, None, "best.ckpt")
    with pytest.raises(UserError, match=r"data.holdout=0.4: best.ckpt was trained with 0$"):
        check_same_split(None, record, "best.ckpt")
    with pytest.raises(UserError, match="has 6 training images, not the 5 as when"):
        check_same_split(record, hold_out(Names("abcdef"), 0.4)[2], "best.ckpt")
    with pytest.raises(UserError, match="has other names than when"):
        check_same_split(record, hold_out(Names("abcdf"), 0.4)[2], "best.ckpt")


def test_weights_that_have_seen_the_images_are_refused(monkeypatch):
    *_, record = hold_out(Names("abcde"), 0.4)
    mine, other = ({"_target_": "tasks.data.datasets.folders.Folders", "root": root} for root in ("mine", "other"))
    metadata = {"config": {"dataset": mine}, "holdout": record}
    for name in ("read_ours", "read_file"):
        monkeypatch.setattr(f"tasks.engine.holdout_checks.{name}", lambda _: {"mobilevision": metadata})
    check_unseen(Source(checkpoint="a.ckpt"), mine, record)
    del metadata["holdout"]
    check_unseen(Source(checkpoint="a.ckpt"), other, record)
    check_unseen(Source(weights="a.pth"), mine, record)
    for source in (Source(checkpoint="a.ckpt"), Source(weights="a.ckpt")):
        with pytest.raises(UserError, match=r"=a.ckpt was trained on this data set without holding these images out"):
            check_unseen(source, mine, record)


def test_a_part_of_the_images_has_their_boxes():
    owners, boxes = np.array([0, 2, 2]), np.array([[0, 0, 9, 9], [1, 1, 4, 5], [2, 2, 6, 7.0]])
    samples = Names("abc")
    samples.boxes = PackedBoxes(
        *(np.array([7, 8, 9]), np.full((3, 2), 20), owners, boxes),
        *(np.array([0, 1, 2]), boxes[:, 2] * boxes[:, 3], np.zeros(3, bool), np.arange(3)),
    )
    part = Subset(samples, [2, 1]).boxes
    assert part.to_train(0).tolist() == [[1, 1, 5, 6, 1], [2, 2, 8, 9, 2]] and len(part.to_train(1)) == 0
    assert part.annotations(0).image_id == 9
    assert Subset(Names("abc"), [0]).boxes is None
