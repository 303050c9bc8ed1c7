"""The generated street scenes: the official layout, the official rules, and pictures that show their weather."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.helpers.labels import id2label, name2label
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage
from omegaconf import OmegaConf
from PIL import Image

from tasks.data import streets
from tasks.data.loading.upright import answer_for, answer_without_data, look_at_turns
from tasks.data.streets import write
from tasks.data.streets.dataset import Streets

SIZE = {"height": 128, "width": 256}
SCENES = {"day", "dusk", "night", "fog", "rain", "snow"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "streets"
    streets.generate(folder, train=18, val=6, workers=0, **SIZE)
    return folder


def read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def labels_of(image: Path, kind: str) -> Path:
    name = image.name.replace("_leftImg8bit.png", f"_gtFine_{kind}")
    return image.parents[3] / "gtFine" / image.parent.parent.name / image.parent.name / name


def images(root: Path, split: str = "*") -> list[Path]:
    return sorted((root / "leftImg8bit").glob(f"{split}/*/*_leftImg8bit.png"))


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_image_has_its_labels_in_the_official_places(root: Path) -> None:
    assert len(images(root, "train")) == 18
    assert len(images(root, "val")) == 6
    expected = {root / "scenes.csv", root / "streets.json", *images(root)}
    for image in images(root):
        expected |= {labels_of(image, kind) for kind in ("labelIds.png", "instanceIds.png", "polygons.json")}
        picture = Image.open(image)
        assert (picture.mode, picture.size) == ("RGB", (256, 128))
    assert {path for path in root.rglob("*") if path.is_file()} == expected
    cities = [{path.parent.name for path in images(root, split)} for split in ("train", "val")]
    assert not cities[0] & cities[1]


def test_labels_are_official_ids_and_both_splits_are_scored_on_the_same_classes(root: Path) -> None:
    seen = {}
    for split in ("train", "val"):
        ids = {
            int(value) for image in images(root, split) for value in np.unique(read(labels_of(image, "labelIds.png")))
        }
        seen[split] = {id2label[value].name for value in ids if not id2label[value].ignoreInEval}
        assert any(id2label[value].ignoreInEval for value in ids)  # so that void is put to the test
    assert seen["train"] == seen["val"]
    assert len(seen["val"]) == 15


def test_instance_ids_follow_from_label_ids(root: Path) -> None:
    for image in images(root):
        labels, instances = (read(labels_of(image, f"{kind}Ids.png")).astype(int) for kind in ("label", "instance"))
        with_instances = np.isin(labels, [label.id for label in id2label.values() if label.hasInstances])
        assert (instances[~with_instances] == labels[~with_instances]).all()
        assert (instances[with_instances] // 1000 == labels[with_instances]).all()


def test_official_script_draws_the_same_labels_from_the_polygons(root: Path) -> None:
    """A polygon is simplified by up to half a pixel, so edges may differ."""
    agree = []
    for image in images(root):
        annotation = Annotation()
        annotation.fromJsonFile(str(labels_of(image, "polygons.json")))
        assert (annotation.imgWidth, annotation.imgHeight) == (256, 128)
        assert all(item.label in name2label for item in annotation.objects)
        agree.append(np.array(createLabelImage(annotation, "ids")) == read(labels_of(image, "labelIds.png")))
        drawn = np.array(createInstanceImage(annotation, "ids"))
        agree.append(drawn == read(labels_of(image, "instanceIds.png")))
    assert np.mean(agree) > 0.985


def test_scenes_csv_names_every_image_and_all_six_scenes(root: Path) -> None:
    with (root / "scenes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(root / row["image"] for row in rows) == images(root)
    assert all(row["image"].split("/")[1] == row["split"] for row in rows)
    for split, share in (("train", 3), ("val", 1)):
        scenes = [row["scene"] for row in rows if row["split"] == split]
        assert {scene: scenes.count(scene) for scene in scenes} == dict.fromkeys(SCENES, share)


def test_light_and_weather_show(root: Path) -> None:
    with (root / "scenes.csv").open() as file:
        paths = [(row["scene"], root / row["image"]) for row in csv.DictReader(file)]
    pixels = {scene: np.stack([read(path) for name, path in paths if name == scene]).astype(float) for scene in SCENES}
    brightness = {scene: picture.mean() for scene, picture in pixels.items()}
    colourfulness = {scene: np.ptp(picture, axis=3).mean() for scene, picture in pixels.items()}
    assert brightness["night"] < 0.6 * brightness["day"]
    assert brightness["snow"] > 1.1 * brightness["day"]
    assert colourfulness["fog"] < 0.5 * colourfulness["day"]
    red, _, blue = pixels["dusk"].mean(axis=(0, 1, 2))
    assert red > 1.2 * blue


@pytest.mark.parametrize("axis", [0, 1])
def test_labels_lie_on_what_is_painted(root: Path, axis: int) -> None:
    """Where the label changes, the picture's colour changes most; two pixels aside it changes less."""
    strength = {-2: 0.0, 0: 0.0, 2: 0.0}
    for image in images(root):
        steps = np.abs(np.diff(read(image).astype(float), axis=axis)).sum(axis=2)
        borders = np.diff(read(labels_of(image, "labelIds.png")).astype(int), axis=axis) != 0
        for shift in strength:
            strength[shift] += np.roll(steps, shift, axis=axis)[borders].mean()
    assert strength[0] > 1.5 * max(strength[-2], strength[2])


def test_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    for name, workers in (("alone", 1), ("pool", 2)):
        streets.generate(tmp_path / name, seed=3, train=4, val=2, workers=workers, **SIZE)
    assert content(tmp_path / "alone") == content(tmp_path / "pool")


def test_another_seed_gives_other_pictures(tmp_path: Path) -> None:
    for seed in (0, 1):
        streets.generate(tmp_path / str(seed), seed=seed, train=1, val=1, workers=0, **SIZE)
    first, second = (content(tmp_path / str(seed)) for seed in (0, 1))
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first if name.endswith(("leftImg8bit.png", "labelIds.png")))


def test_a_smaller_set_is_the_beginning_of_a_larger_one(root: Path, tmp_path: Path) -> None:
    streets.generate(tmp_path / "small", train=2, val=1, workers=0, **SIZE)
    for path in images(tmp_path / "small"):
        assert path.read_bytes() == (root / path.relative_to(tmp_path / "small")).read_bytes()


def test_interrupted_generation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def stop_at_the_third(_: Path, job: write.Job) -> None:
        drawn.append(job)
        if len(drawn) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(write, "_draw_one", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        streets.generate(tmp_path / "streets", train=4, val=2, workers=0, **SIZE)
    assert list(tmp_path.iterdir()) == []


def test_a_matching_set_is_kept_and_another_one_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "streets"
    streets.generate(root, train=1, val=1, workers=0, **SIZE)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    streets.generate(root, train=1, val=1, workers=0, **SIZE)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    with pytest.raises(FileExistsError, match="seed"):
        streets.generate(root, seed=1, train=1, val=1, workers=0, **SIZE)


def test_the_slower_of_two_processes_keeps_the_faster_ones_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, drawing = tmp_path / "streets", write._draw_all

    def overtaken(folder: Path, jobs: list[write.Job], workers: int) -> None:
        monkeypatch.setattr(write, "_draw_all", drawing)
        streets.generate(root, train=1, val=1, workers=0, **SIZE)
        drawing(folder, jobs, workers)

    monkeypatch.setattr(write, "_draw_all", overtaken)
    streets.generate(root, train=1, val=1, workers=0, **SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["streets"]
    assert json.loads((root / "streets.json").read_text())["train"] == 1


@pytest.mark.parametrize(
    "wrong", [{"train": -1}, {"val": -1}, {"seed": -1}, {"height": 63}, {"width": 10}, {"workers": -2}]
)
def test_a_bad_argument_is_named(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        streets.generate(tmp_path / "streets", **{"train": 1, "val": 1, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("key", "answer"), [({}, True), ({"upright": True}, True), ({"upright": False}, False)])
def test_predictions_turn_photos_upright_unless_the_scenes_are_said_to_be_read_as_stored(root, key, answer):
    scenes = Streets(root, train=18, val=6, seed=0, **SIZE, **key)
    splits = scenes.train(), scenes.val()
    for samples in splits:
        look_at_turns(samples)
    assert answer_for(splits) is answer


def test_a_network_of_unopened_scenes_turns_photos_upright() -> None:
    assert answer_without_data(OmegaConf.load("conf/dataset/streets.yaml")) is True


def test_classes_that_are_never_drawn_are_named_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = Streets(root, train=18, val=6, seed=0, **SIZE)
    for split in (scenes.train(), scenes.val()):
        assert not any(split.check())
    assert capsys.readouterr().out.count("no pixel of wall") == 1
