"""Mixtures: every label belongs to its own image, and order, workers and processes change nothing."""

import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import albumentations
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError
from tasks.config.batch import BatchPlan
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco
from tasks.data.loading.cache import Cache
from tasks.data.loading.drawing import DrawSettings
from tasks.data.loading.mixture import MixedSamples, Mixture
from tasks.data.loading.samplers import MixedBatches, TrainBatches, shared_out
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tests.tasks.data.loading.test_batches import module

POISON = 250  # a label that is in the files, but not wanted: no batch may have it


class Coloured:
    """Samples whose grey is theirs alone; each label that they have says the same number, POISON where not wanted."""

    def __init__(self, first, count, kinds, poisoned=(), broken=(), size=(20, 30)):
        self.first, self.count, self.kinds, self.poisoned = first, count, kinds, poisoned
        self.broken, self.shape = broken, size

    def __len__(self):
        return self.count

    def name(self, index):
        return f"image{index}"

    def size(self, index):
        return self.shape

    def read(self, index, view=None):
        if index in self.broken:
            raise UserError(f"image{index} is damaged")
        image = np.full((*self.shape, 3), self.first + index, np.uint8)
        number = {kind: POISON if kind in self.poisoned else self.first + index for kind in self.kinds}
        labels = {
            "mask": lambda: ("mask", np.full(self.shape, number["mask"], np.uint8)),
            "boxes": lambda: ("bboxes", np.array([(2, 3, 12, 13, number["boxes"])] * (1 + index % 2), np.float32)),
            "label": lambda: ("label", np.asarray(number["label"])),
        }
        return {"image": image if view is None else view(image)} | dict(labels[kind]() for kind in self.kinds)

    def annotations(self, index):
        one = np.array([self.first + index])
        return Annotations(index + 1, *self.shape, np.array([[2.0, 3, 10, 10]]), one, one * 1.0, one < 0)

    def class_pixels(self, classes):
        return np.full(classes, self.first)

    def check(self):
        for index in range(self.count):
            yield UserError("damaged") if index in self.broken else index


class Set:
    """A data set of such samples. `targets`, if given, are the kinds that are read of it."""

    def __init__(self, first, train, val, kinds, targets=None, **options):
        self.classes = {kind: [f"{kind}{number}" for number in range(3)] for kind in kinds}
        self.first, self.counts, self.kinds, self.options = first, {"train": train, "val": val}, kinds, options
        if targets is not None:
            self.targets = targets
            self.options["poisoned"] = [kind for kind in kinds if kind not in targets]

    def train(self):
        return Coloured(self.first, self.counts["train"], self.kinds, **self.options)

    def val(self):
        return Coloured(self.first, self.counts["val"], self.kinds, **self.options)


def mixture(**changes):
    sets = {
        "cars": Set(10, 7, 5, ["boxes", "mask"], targets=["boxes", "label"]),
        "roads": Set(40, 5, 3, ["mask", "label"]),
        "photos": Set(70, 12, 4, ["label"]),
    }
    return Mixture(sets | changes, ["mask", "boxes", "label"])


def mixed(workers=0, made=None, rank=0, world=1, epoch=0, ready=0, **changes):
    """A DataModule of a mixture, its trainer where it is told to stand."""
    made = made or mixture()
    options = {"augment": {}, "fit": Stretch([20, 30]), "batch_size": 6}
    data = module(workers, train=made.train(), val=made.val(), **(options | changes))
    progress = SimpleNamespace(is_last_batch=False, current=SimpleNamespace(ready=ready))
    data.trainer = SimpleNamespace(
        precision_plugin=None,
        global_rank=rank,
        world_size=world,
        fit_loop=SimpleNamespace(
            epoch_loop=SimpleNamespace(batch_progress=progress),
            epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=epoch)),
        ),
    )
    return data


def greys(batch):
    return batch["image"][:, 0, 10, 15].tolist()


def test_labels_are_of_their_own_images_and_nothing_is_filled_in():
    names = []
    for batch in mixed(drawing=DrawSettings({"photos": 2}), batch_size=8).train_dataloader():
        assert batch["counts"] == (2, 2, 4) and batch["image"].shape == (8, 3, 20, 30)
        rows, seen = batch["rows"], torch.tensor(greys(batch))
        assert {kind: some.tolist() for kind, some in rows.items()} == {
            "boxes": [0, 1],
            "mask": [2, 3],
            "label": [2, 3, 4, 5, 6, 7],
        }
        assert batch["mask"].shape == (2, 20, 30) and batch["label"].shape == (6,) and batch["boxes"].shape[0] == 2
        assert (batch["mask"] == seen[rows["mask"]][:, None, None]).all()
        assert torch.equal(batch["label"], seen[rows["label"]])
        real = batch["boxes"][..., 4] >= 0
        assert (batch["boxes"][..., 4] == torch.where(real, seen[rows["boxes"]][:, None], -1)).all()
        assert set(batch) == {"image", "name", "mask", "boxes", "label", "rows", "counts", "broken"}
        assert [name.split("__")[0] for name in batch["name"]] == ["cars"] * 2 + ["roads"] * 2 + ["photos"] * 4
        names += batch["name"]
    assert {"cars__image0", "roads__image0", "photos__image0"} < set(names), "equal names are told apart"


def test_workers_and_memory_change_nothing():
    augment = {"scale": albumentations.Affine(scale=(0.7, 1.3), p=1.0), "flip": albumentations.HorizontalFlip(p=0.5)}
    batches = list(mixed(0, augment=augment).train_dataloader())
    assert len(batches) == 4, "24 samples in batches of 6"
    kept = mixed(0, augment=augment, cache=Cache("memory"))
    kept.setup("fit")
    kept.setup("validate")
    for other in (mixed(2, augment=augment), kept):
        for one, two in zip(batches, other.train_dataloader(), strict=True):
            assert all(torch.equal(one[key], two[key]) for key in ("image", "mask", "boxes", "label"))
            assert one["name"] == two["name"] and one["counts"] == two["counts"]
        for one, two in zip(mixed().val_dataloader(), other.val_dataloader(), strict=True):
            assert torch.equal(one["image"], two["image"]) and one["name"] == two["name"]


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped():
    whole = list(mixed(epoch=3).train_dataloader())
    rest = list(mixed(epoch=3, ready=1).train_dataloader())
    assert len(rest) == 3
    for one, two in zip(whole[1:], rest, strict=True):
        assert torch.equal(one["image"], two["image"]) and one["name"] == two["name"]
    assert [batch["name"] for batch in mixed(epoch=4).train_dataloader()] != [batch["name"] for batch in whole]


def test_processes_deal_out_the_same_batches():
    one = list(MixedBatches([9, 5], [4, 2], seed=2))
    two = [list(MixedBatches([9, 5], [2, 1], seed=2, rank=rank, world=2)) for rank in range(2)]
    assert len(one) == len(two[0]) == len(two[1]) == 3
    for whole, *halves in zip(one, *two, strict=True):
        assert sorted(whole) == sorted(halves[0] + halves[1]) and all(len(half) == 3 for half in halves)
    draws = [draw for batch in one for draw in batch]
    assert len({draw.seed for draw in draws}) == len(draws), "no two samples share their dice"
    first = [draw.image for draw in draws if draw.image < 9]
    assert len(first) == 12 and sorted(first[:9]) == list(range(9)), "a whole pass before the next begins"
    second = [draw.image for draw in draws if draw.image >= 9]
    assert sorted(second[:5]) == list(range(9, 14)) and second[5] >= 9


def test_an_order_depends_on_seed_epoch_and_set_alone():
    def order(sizes, counts, **options):
        start = sum(sizes[:-1])
        return [d.image - start for batch in MixedBatches(sizes, counts, **options) for d in batch if d.image >= start]

    last = order([20, 30], [1, 3], seed=0)
    assert last[:30] == order([40, 30], [1, 2], seed=0, repeat=2)[:30], "whatever the other set and the batch are"
    passes = order([20, 30], [1, 3], seed=0, repeat=2)
    assert passes[:30] != passes[30:60] and sorted(passes[:30]) == sorted(passes[30:60]), "each pass is shuffled anew"
    assert last != order([20, 30], [1, 3], seed=1) and last != order([20, 30], [1, 3], seed=0, epoch=1)
    assert last[:30] != order([30, 30, 30], [1, 1, 3], seed=0)[:30], "sets of one size differ"
    plain = [draw.image for batch in TrainBatches(30, 3, seed=0) for draw in batch]
    assert plain == [draw.image for batch in MixedBatches([30], [3], seed=0) for draw in batch]


def test_one_data_set_is_drawn_as_ever():
    """Published figures depend on this order: it was printed before there were mixtures."""
    batches = TrainBatches(7, 2, seed=5, repeat=2, rank=1, world=2, epoch=3, skip=1)
    drawn = [[(draw.image, draw.seed) for draw in batch] for batch in batches]
    assert drawn == [
        [(5, (5, 3, 6)), (0, (5, 3, 7))],
        [(4, (5, 3, 10)), (6, (5, 3, 11))],
        [(6, (5, 3, 14)), (1, (5, 3, 15))],
    ]


@pytest.mark.parametrize(
    ("batch", "draw", "counts"),
    [
        (6, {"a": 1, "b": 1, "c": 1}, (2, 2, 2)),
        (8, {"a": 1, "b": 1, "c": 1}, (3, 3, 2)),
        (16, {"a": 3, "b": 1}, (12, 4)),
        (16, {"a": 30, "b": 1}, (15, 1)),
        (10, {"a": 0.5, "b": 0.25}, (7, 3)),
        (7, {"a": 2.5, "b": 1}, (5, 2)),
        (4, {"a": 1}, (4,)),
    ],
)
def test_a_batch_is_shared_out_by_the_largest_remainder(batch, draw, counts):
    assert shared_out(batch, draw) == counts


@pytest.mark.parametrize(
    ("batch", "draw", "message"),
    [
        (16, {"a": 100, "b": 1}, r"data\.batch_size=16 with data\.draw=\{a: 100, b: 1\} has 0\.16 samples of b in a"),
        (2, {"a": 1, "b": 1, "c": 1}, r"data\.batch_size=2 with .* has 0\.67 samples of c"),
        (4, {"a": -1, "b": 1}, r"data\.draw\.a=-1 must be a number above 0"),
        (4, {"a": "x", "b": 1}, r"data\.draw\.a=x must be a number above 0"),
        (4, {"a": True, "b": 1}, r"data\.draw\.a=True must be a number above 0"),
        (4, {"a": float("inf"), "b": 1}, r"data\.draw\.a=inf must be a number above 0"),
    ],
)
def test_batches_without_a_sample_of_some_set_are_refused(batch, draw, message):
    with pytest.raises(UserError, match=message):
        shared_out(batch, draw)


@pytest.mark.parametrize("world", [1, 2])
def test_every_image_is_scored_once_in_batches_of_one_set(world):
    seen = []
    for rank in range(world):
        for batch in mixed(rank=rank, world=world, eval_batch_size=2).val_dataloader():
            number = next(place for place, count in enumerate(batch["counts"]) if count)
            rows = len(batch["index"])
            assert batch["counts"] == tuple(rows if place == number else 0 for place in range(3))
            assert {name.split("__")[0] for name in batch["name"]} == {("cars", "roads", "photos")[number]}
            kinds = (["boxes"], ["mask", "label"], ["label"])[number]
            assert list(batch["rows"]) == kinds
            assert all(some.tolist() == list(range(rows)) for some in batch["rows"].values())
            assert ("mask" in batch, "annotations" in batch, "label" in batch) == (
                (number == 1),
                number == 0,
                number > 0,
            )
            grey = torch.tensor(greys(batch))
            if number == 1:
                assert (batch["mask"] == grey[:, None, None]).all() and "places" in batch
            if number == 0:
                assert [int(truth.labels[0]) for truth in batch["annotations"]] == grey.tolist()
            if number > 0:
                assert torch.equal(batch["label"], grey)
            seen += batch["index"]
    assert sorted(seen) == list(range(12))


def test_a_process_without_an_image_has_an_empty_batch():
    batches = [list(mixed(rank=rank, world=9, eval_batch_size=4).val_dataloader()) for rank in range(9)]
    assert sorted(index for own in batches for one in own if one for index in one["index"]) == list(range(12))
    assert [len(own) for own in batches] == [1] * 9 and batches[-1] == [{}], "no evaluation is skipped"


def test_images_with_a_kind_of_label_are_counted():
    data = mixed()
    assert {kind: data.val_images(kind) for kind in ("mask", "boxes", "label")} == {"mask": 3, "boxes": 5, "label": 7}
    assert list(data.val_numbers("label")) == list(range(5, 12))
    assert module().val_images("boxes") == 6
    assert data.input_size() == (20, 30)
    assert mixture().sources == {"boxes": ["cars"], "mask": ["roads"], "label": ["roads", "photos"]}
    assert mixture().train().class_pixels(3).tolist() == [40] * 3, "of the sets with masks alone"


def test_ids_of_images_are_unique_where_several_sets_have_boxes():
    one = mixture().val()
    assert [one.annotations(index).image_id for index in range(5)] == [1, 2, 3, 4, 5], "as in the file"
    two = mixture(photos=Set(70, 12, 4, ["boxes"])).val()
    having = two.having("boxes")
    assert having == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert len({two.annotations(index).image_id for index in having}) == 9


def test_each_set_may_have_transforms_of_its_own():
    turned = {"photos": {"turn": albumentations.InvertImg(p=1.0), "none": None}}
    plain, own = (next(iter(mixed(own_augment=some).train_dataloader())) for some in ({}, turned))
    assert greys(own)[:4] == greys(plain)[:4] and greys(own)[4:] == [255 - grey for grey in greys(plain)[4:]]


def test_mosaics_and_replacements_are_of_the_same_set():
    broken = mixture(photos=Set(70, 4, 4, ["label"], broken=(0, 1, 3)))
    data = mixed(made=broken, max_broken=9)
    for batch in data.train_dataloader():
        assert greys(batch)[4:] == [72, 72] and batch["label"][2:].tolist() == [72, 72]
        assert {name for name, _ in batch["broken"]} <= {f"photos__image{place}" for place in (0, 1, 3)}
    assert [isinstance(problem, UserError) for problem in data.train.check()].count(True) == 3
    mosaic = {"m": albumentations.Mosaic(target_size=(20, 30), metadata_key="others", p=1.0)}
    for batch in mixed(own_augment={"cars": mosaic}).train_dataloader():
        inside = set(batch["image"][:2].unique().tolist())
        assert inside <= {0, *range(10, 17)}
        assert set(batch["boxes"][..., 4].unique().tolist()) <= {-1.0, *range(10, 17)}


def test_images_of_a_batch_have_one_size():
    small = mixture(photos=Set(70, 4, 4, ["label"], size=(8, 8)))
    batch = mixed(made=small).try_augmentation()
    assert batch["image"].shape == (6, 3, 20, 30), "images without boxes and masks are fitted as well"
    with pytest.raises(
        UserError, match=r"images of 8×8 and 20×30 \(height×width\) make no batch: a transform of data\.augment"
    ):
        mixed(made=small, fit=None).try_augmentation()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drawing": DrawSettings({"car": 2})}, r"data\.draw\.car: no such data set; there are cars, roads, photos"),
        ({"own_augment": {"x": {}}}, r"data\.own_augment\.x: no such data set; there are cars, roads, photos"),
        ({"fit": Letterbox([20, 30])}, r"data\.fit=Letterbox cuts or frames"),
        ({"crop": lambda source, _: source}, r"data\.crop changes the image alone"),
        ({"batch_size": 2}, r"data\.batch_size=2 with"),
    ],
)
def test_what_a_mixture_cannot_have_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        data = mixed(**changes)
        data.input_size()
        data.try_augmentation()


@pytest.mark.parametrize(
    ("key", "given"), [("draw", {"drawing": DrawSettings({"coco": 2})}), ("own_augment", {"own_augment": {"coco": {}}})]
)
def test_what_is_for_mixtures_is_refused_without_one(key, given):
    with pytest.raises(UserError, match=rf"data\.{key}\.coco: no such data set; it is for mixtures"):
        module(**given)


def made_of(**classes):
    sets = {name: Set(0, 1, 1, list(kinds)) for name, kinds in classes.items()}
    for name, kinds in classes.items():
        sets[name].classes = kinds
    return sets


CAR, PERSON = ["car", 26], ["person", 24]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({}, r"mixes nothing: name its data sets, as in datasets=\[coco,cityscapes\]"),
        (
            made_of(a={"boxes": [CAR]}, b={"text": ["x"]}),
            r"datasets\.b has labels of kind text only, for which there is no head \(those wanted: mask, boxes\): "
            r"leave b out of datasets=…",
        ),
        (
            made_of(a={"boxes": [PERSON, CAR]}, b={"boxes": [["dog", 1], ["car", 3]]}),
            r"a and b cannot share the head for boxes: car is class 1 \(id 26\) in a and class 1 \(id 3\) in b; "
            r"leave b out of datasets=…",
        ),
        (
            made_of(a={"boxes": [PERSON, CAR]}, b={"boxes": [PERSON, ["bus", 26]]}),
            r"class 1 is car in a and bus in b",
        ),
        (made_of(a={"boxes": [PERSON, CAR]}, b={"boxes": [PERSON]}), r"a has 2 classes and b 1"),
    ],
)
def test_sets_that_do_not_fit_together_are_named(sets, message):
    with pytest.raises(UserError, match=message):
        Mixture(sets, ["mask", "boxes"])


def test_the_way_out_keeps_a_sets_other_labels():
    sets = made_of(a={"boxes": [CAR]}, b={"mask": [("road", 7, (1, 2, 3))], "boxes": [PERSON]})
    sets["b"].targets = ["mask", "boxes"]
    with pytest.raises(UserError, match=r"leave those of b out with datasets\.b\.targets=\[mask\]"):
        Mixture(sets, ["mask", "boxes"])
    sets["b"].targets = ["mask"]
    assert Mixture(sets, ["mask", "boxes"]).kinds == {"a": ["boxes"], "b": ["mask"]}
    painted = made_of(a={"mask": [("road", 7, (1, 2, 3))]}, b={"mask": [["road", 7, [9, 9, 9]]]})
    assert list(Mixture(painted, ["mask"]).classes) == ["mask"], "colours mean nothing"


def test_real_layouts_are_mixed(cityscapes, coco):
    made = Mixture({"coco": Coco(coco), "city": Cityscapes(cityscapes)}, ["mask", "boxes"])
    assert list(made.classes) == ["boxes", "mask"]
    train, val = made.train(), made.val()
    assert isinstance(train, MixedSamples) and (len(train), len(val)) == (12, 9)
    assert len(list(train.check())) == 12
    assert (train.class_pixels(19) == Cityscapes(cityscapes).train().class_pixels(19)).all()
    data = module(train=train, val=val, augment={}, fit=Stretch([32, 64]), batch_size=4)
    batch = data.try_augmentation()
    assert batch["counts"] == (2, 2) and batch["mask"].shape == (2, 32, 64) and batch["boxes"].shape[0] == 2
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)
    sizes = Counter(tuple(b["mask"].shape[1:]) if "mask" in b else "boxes" for b in data.val_dataloader())
    assert sizes == {"boxes": 1, (48, 64): 2}, "fitted boxes make one batch, masks are of their files' size"


def test_errors_name_the_data_set_and_its_keys(tmp_path, cityscapes):
    made = Mixture({"city": Cityscapes(cityscapes), "camvid": Cityscapes(tmp_path)}, ["mask"])
    with pytest.raises(UserError, match=r"^datasets\.camvid: no data set at (.|\n)*set datasets\.camvid\.root=…"):
        made.val()


def test_the_configuration_builds_a_mixture(cityscapes, coco):
    with initialize_config_module("conf", version_base="1.3"):
        roots = [f"datasets.city.root={cityscapes}", f"datasets.coco.root={coco}"]
        groups = ["dataset=mixed", "+dataset@datasets.city=cityscapes", "+dataset@datasets.coco=coco"]
        config = compose("multitask", [*groups, *roots], return_hydra_config=False)
        config.targets = ["boxes", "mask"]
        config.datasets.city.targets = ["mask"]
        made = instantiate(config.dataset)
    assert made.sources == {"mask": ["city"], "boxes": ["coco"]}
    assert set(made.train().read(0)) == {"image", "mask"} and set(made.val().read(6)) == {"image", "bboxes"}


def test_no_torch_is_imported_to_describe_a_mixture():
    code = "import sys, tasks.data.loading.mixture; print({'torch', 'albumentations', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_trial_batch_has_images_of_each_set_at_the_largest_size():
    made = Mixture({"a": Set(0, 6, 2, ("label",)), "b": Set(100, 4, 2, ("boxes",))}, ["label", "boxes"])
    options = {
        "augment": {},
        "fit": Stretch([32, 64]),
        "drawing": DrawSettings({"a": 3}),
        "scales": [[32, 32], [32, 64]],
    }
    data = module(train=made.train(), val=made.val(), **options)
    data.take(BatchPlan(8, 1, 1, whole=True))
    assert data.drawing.counts(data.batch_size, data.step) == (6, 2)
    assert [images for images in (1, 2, 4, 8) if data.drawing.shows_each_set(images, data.step)] == [4, 8], (
        "two of b are in each step"
    )
    found = data.batch_of(4)
    assert found["image"].shape == (4, 3, 32, 64) and tuple(found["counts"]) == (3, 1)
    data.take(BatchPlan(4, 1, 2, whole=True))
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)
    order = data.order()(seed=0, group=data.group)
    assert [sum(draw.image >= 6 for draw in batch) for batch in order] == [1] * 4


def test_a_trial_batch_of_one_set_repeats_a_few_images():
    data = module(augment={}, fit=Stretch([32, 32]))
    found = data.batch_of(7)
    assert found["image"].shape[0] == found["boxes"].shape[0] == len(found["name"]) == 7
    assert torch.equal(found["image"][0], found["image"][2]) and data.drawing.shows_each_set(1, data.step)
