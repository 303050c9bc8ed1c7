"""What search=recipe varies, and the keys that its values set."""

import pytest

pytest.importorskip("optuna")

from tasks.app.resolve import composed
from tasks.common.errors import UserError
from tasks.engine.weights import with_checkpoint
from tasks.search.recipe.space import Space, finetune_options, scaled_size
from tasks.search.recipe.strength import strengthened
from tasks.search.recipe.trial import Length, changed
from tasks.search.settings import RecipeSettings

TREE = {
    "data": {
        "augment": {
            "crop": {"_target_": "albumentations.RandomResizedCrop", "size": [64, 64], "scale": [0.4, 1.0]},
            "scale": {"_target_": "albumentations.RandomScale", "scale_limit": [-0.6, 0.5]},
            "light": {"_target_": "albumentations.RandomBrightnessContrast", "brightness_limit": 0.2, "p": 0.5},
            "colour": {"_target_": "albumentations.ColorJitter", "brightness": [0.8, 1.2], "saturation": 0.4},
            "gamma": {"_target_": "albumentations.RandomGamma", "gamma_limit": [60, 160]},
            "policy": {"_target_": "tasks.data.transforms.policies.trivial_augment"},
            "flip": {"_target_": "albumentations.HorizontalFlip", "p": 0.5},
            "none": None,
        },
        "crop": None,
    },
    "task": {"mix": {"_target_": "tasks.classify.mix.Mix", "mixup": 0.2, "cutmix": 0.0}},
}


def space(*overrides, task="classify", fits=lambda _: True, typed=(), **own):
    settings = composed(task, "search=recipe", "mode=search", *overrides)
    found = RecipeSettings.of({"search": {**settings.run.stored["search"], **own}})
    return Space(settings.run.stored, found, (32, 64), fits, typed), settings.run


def test_strength_scales_what_a_transform_does():
    assert strengthened(TREE, 1.0) == {}
    assert strengthened(TREE, 0.0) == {
        "data.augment.crop.scale": [1.0, 1.0],
        "data.augment.scale.scale_limit": [0, 0],
        "data.augment.light.brightness_limit": 0,
        "data.augment.colour.brightness": [1, 1],
        "data.augment.colour.saturation": 0,
        "data.augment.gamma.gamma_limit": [100, 100],
        "data.augment.policy": None,
        "task.mix.mixup": 0,
    }
    assert strengthened(TREE, 2.0) == {
        "data.augment.crop.scale": [0.05, 1.0],  # 1 - 2 · 0.6 is no share
        "data.augment.scale.scale_limit": [-0.9, 1.0],
        "data.augment.light.brightness_limit": 0.4,
        "data.augment.colour.brightness": [0.6, 1.4],
        "data.augment.colour.saturation": 0.8,
        "data.augment.gamma.gamma_limit": [20, 220],
        "task.mix.mixup": 0.4,
    }


def test_a_point_becomes_keys_and_the_recipe_as_it_is_none():
    found, run = space()
    assert found.start == {"lr": 0.003, "decay": 0.01, "augment": 1.0, "size": "32×64"}
    assert found.changes(found.start) == {}
    point = {"lr": 0.0012345, "decay": 0.02, "augment": 0.5, "size": "40×80"}
    assert found.changes(point) == {
        "optimizer.lr": 0.00123,
        "optimizer.weight_decay": 0.02,
        "data.augment.crop.scale": [0.75, 1.0],
        "image_size": [40, 80],
    }
    assert found.pixels(point) == 40 * 80 / (32 * 64)
    other = changed(run, found.changes(point))
    assert other.learner.optimizer["lr"] == 0.00123
    assert list(other.data.augment["crop"]["size"]) == [40, 80]  # what follows from the size follows it
    assert found.ranges()[0] == "lr 0.0003 to 0.03" and found.ranges()[3] == "size 24×48 32×64 40×80"


def test_sizes_are_multiples_of_32_or_8_within_the_budget():
    assert scaled_size((224, 224), 0.75) == (160, 160) and scaled_size((224, 224), 1) == (224, 224)
    assert scaled_size((32, 32), 1.25) == (40, 40) and scaled_size((8, 8), 0.1) == (8, 8)
    few, _ = space(fits=lambda size: size[0] <= 24)
    assert few.start["size"] == "24×48" and few.changes(few.start) == {"image_size": [24, 48]}
    with pytest.raises(UserError, match=r"^search.sizes: even 24×48 is not within the budget"):
        space(fits=lambda _: False)


def test_what_cannot_be_varied_stays_and_is_named():
    found, _ = space("recipe=segment_own", "image_size=null", "optimizer.weight_decay=0", task="segment", augment=None)
    assert list(found.dimensions) == ["lr"]
    assert found.left_out["size"] == "image_size=null: images as they are"
    assert found.left_out["decay"] == "optimizer.weight_decay=0 has no multiples"
    assert found.left_out["augment"] == "search.augment=null"
    with pytest.raises(UserError, match=r"^search=recipe has nothing to vary: search.lr=null; "):
        space(lr=None, decay=None, augment=None, sizes=None)


def test_every_option_of_finetune_sets_the_same_keys(tmp_path):
    options = finetune_options()
    assert set(options) == {"none", "default", "gentle", "head"}
    assert len({frozenset(own) for own in options.values()}) == 1
    weights = tmp_path / "weights.pth"
    weights.touch()
    assert space(f"weights={weights}", "finetune=default")[0].start["finetune"] == "default"
    found, run = space(f"weights={weights}")
    assert found.start["finetune"] == "none" and found.changes({"finetune": "none"}) == {}
    assert found.changes({"finetune": "head"}) == {"finetune.name": "head", "backbone.frozen": True}
    gentle = changed(run, found.changes({"finetune": "gentle", "lr": 0.01})).learner
    assert gentle.finetune.norms == "keep" and gentle.optimizer["lr"] == 0.01
    with pytest.raises(
        UserError,
        match=r"^search.finetune: gentel is no option \(did you mean gentle\?\); there are default, gentle, head, none",
    ):
        space(f"weights={weights}", finetune=["gentel"])


def test_what_is_typed_stays_in_every_trial(tmp_path):
    (tmp_path / "a.pth").touch()
    words = (f"weights={tmp_path / 'a.pth'}", "finetune.norms=keep", "finetune.thaw=0.3", "optimizer.layer_decay=0.7")
    keys = [word.partition("=")[0] for word in words]
    found, _ = space(*words, typed=keys)
    assert found.start["finetune"] == "none", "as a training would begin with these keys alone"
    for name in found.options:
        assert (
            not {"finetune.norms", "finetune.thaw", "optimizer.layer_decay"} & found.changes({"finetune": name}).keys()
        )
    found, _ = space(words[0], "optimizer.lr=0.001", "image_size=[32,64]", typed=["optimizer.lr", "image_size"])
    assert {"lr", "size"}.isdisjoint(found.dimensions) and all(
        "finetune.lr" not in own for own in found.options.values()
    )
    assert found.left_out["lr"] == "optimizer.lr was typed; search.lr=[…] varies it even so"
    assert space(words[0], typed=["optimizer.lr", "search.lr"])[0].start["lr"] == 0.003
    for key in ("finetune", "backbone.frozen"):
        assert space(words[0], typed=[key])[0].left_out["finetune"] == f"{key}=… was typed"
    found, _ = space(typed=["data.augment.crop"])
    assert found.left_out["augment"] == "data.augment: what has a strength was typed"


def test_an_experiments_own_values_are_the_recipe_as_it_is(tmp_path):
    (tmp_path / "a.pth").touch()
    found, _ = space(f"weights={tmp_path / 'a.pth'}", "finetune.thaw=0.2")  # not typed: as an experiment sets it
    assert found.start["finetune"] == "recipe" and found.changes(found.start) == {}
    assert found.changes({"finetune": "none"}) == {"finetune.thaw": 0}


def test_a_trial_is_equal_epochs_or_parts_of_them():
    assert Length.of(2.6, 10) == (4, 1, 3)  # 12 steps of the first epochs' batches
    assert Length.of(15, 10) == (8, 2, 8)  # two whole epochs each would take a third longer than planned
    assert Length.of(20, 10) == (8, 2, None)
    assert Length.of(0.2, 10) == (4, 1, 1)
    assert Length.of(10, 10) == (4, 1, None)


def test_a_trial_starts_from_a_checkpoint_as_a_training_does(tmp_path):
    (tmp_path / "a.ckpt").touch()
    _, run = space(f"checkpoint={tmp_path / 'a.ckpt'}")
    assert run.trains and with_checkpoint(run, []) == (run, []), "its configuration is not taken"
    assert not changed(run, {"search.kind": "netadapt"}).trains


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.lr=[2,10]", r"search.lr=\[2, 10\] is not \[lowest, highest\] multiple, above 0, with 1 between them"),
        ("search.augment=[-1,2]", r"search.augment=\[-1, 2\] is not \[lowest, highest\] multiple, from 0"),
        ("search.minutes=0", "search.minutes=0 is not a number above 0, or null"),
        ("search.minutes=null", "search.minutes=null: search.epochs=… must say how long each training is"),
        ("search.sizes=[0]", r"search.sizes=\[0\] is not a list, each a number above 0, or null"),
        ("data.share=0.5", "data.share=0.5 is for trainings; a search takes all images: data.share=1"),
    ],
)
def test_what_is_refused(override, message):
    with pytest.raises(UserError, match=f"^{message}"):
        composed("classify", "search=recipe", "mode=search", override)
