"""Results files: written, read and scored to the last bit; what is wrong in one is said in a line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.detect.arrange import Found
from tasks.detect.coco_map import evaluate
from tasks.detect.results import read_results, write_results
from tasks.detect.score import category_ids, main, read_instances, truths_of

CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 17, "name": "cat"}]


def instances(count: int = 30) -> dict:
    random = np.random.default_rng(0)
    boxes = random.uniform(5, 60, (count, 4)).round(2).tolist()
    return {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 120, "height": 120} for number in (9, 4, 7)],
        "categories": CATEGORIES,
        "annotations": [
            {"id": number + 1, "image_id": (9, 4)[number % 2], "category_id": (3, 17)[number % 3 == 0], "bbox": box}
            | {"area": 0.7 * box[2] * box[3], "iscrowd": int(number % 10 == 9)}
            for number, box in enumerate(boxes)
        ],
    }


def detections(annotations: list[dict]) -> Found:
    """Two about each truth, float32 in value, as networks give them."""
    random = np.random.default_rng(1)
    rows = annotations * 2
    boxes = np.array([row["bbox"] for row in rows]) + random.normal(0, 3, (len(rows), 4))
    return Found(
        np.array([row["image_id"] for row in rows]),
        np.array([row["category_id"] for row in rows]),
        boxes.astype(np.float32).astype(np.float64),
        random.random(len(rows), np.float32).astype(np.float64),
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    content = instances()
    paths = tmp_path / "instances.json", tmp_path / "predictions.json"
    paths[0].write_text(json.dumps(content))
    write_results(detections(content["annotations"]), paths[1])
    return paths


def test_numbers_survive_the_file(files, monkeypatch):
    written = detections(instances()["annotations"])
    monkeypatch.setattr("tasks.detect.results.AT_ONCE", 7)
    write_results(written, files[1])
    read = read_results(files[1], np.array([9, 4, 7]), np.array([3, 17]))
    for before, after in zip(written, read, strict=True):
        np.testing.assert_array_equal(before, after)
    row = json.loads(files[1].read_text())[0]
    assert list(row) == ["image_id", "category_id", "bbox", "score"] and row["image_id"] == 9


def test_pycocotools_reads_what_is_written(files, capsys):
    truths = COCO(str(files[0]))
    evaluation = COCOeval(truths, truths.loadRes(str(files[1])), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    read = read_instances(files[0])
    categories, images = category_ids(read), read.image_ids
    ours = evaluate(truths_of(read), read_results(files[1], images, categories), images, categories)
    numbers = [-1 if value is None else value for value in ours.numbers.values()]
    np.testing.assert_allclose(numbers, evaluation.stats, rtol=0, atol=1e-12)
    assert 0.05 < numbers[0] < 0.95


def test_no_detections(tmp_path):
    path = tmp_path / "predictions.json"
    nothing = np.zeros(0, np.int64)
    write_results(Found(nothing, nothing, np.zeros((0, 4)), np.zeros(0)), path)
    assert json.loads(path.read_text()) == []
    assert len(read_results(path, np.array([1]), np.array([1])).scores) == 0


def test_a_box_that_is_not_finite_is_not_written(tmp_path):
    found = Found(np.array([5]), np.array([1]), np.full((1, 4), np.nan), np.ones(1))
    with pytest.raises(ValueError, match="image 5"):
        write_results(found, tmp_path / "predictions.json")


def test_area_and_iscrowd_may_be_missing(tmp_path):
    content = instances(2)
    for row in content["annotations"]:
        del row["area"], row["iscrowd"]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    truths = truths_of(read_instances(tmp_path / "instances.json"))
    np.testing.assert_array_equal(truths.areas, truths.boxes[:, 2] * truths.boxes[:, 3])
    assert not truths.crowd.any()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.detect.score", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip


def test_the_command_prints_both_tables(files):
    ours, official = command(*files), command(*files, "--official")
    assert ours.returncode == 0, ours.stderr
    table, last = ours.stdout.rstrip().rsplit("\n", 1)
    assert official.stdout.rstrip().rsplit("\n", 1)[0] == table
    assert "mAP_small" in table and "cat" in table and last.startswith("3 images, 30 objects, 60 detections: read in ")


def said(monkeypatch, capsys, *arguments: object) -> str:
    """What the command prints to stderr before it ends with the status 2."""
    monkeypatch.setattr(sys, "argv", ["score", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    return capsys.readouterr().err


RESULT = {"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([RESULT, RESULT | {"image_id": 8}], "entry 1 (image_id 8, category_id 3): there is no such image_id"),
        ([RESULT | {"category_id": 1}], "entry 0 (image_id 9, category_id 1): there is no such category_id"),
        ([RESULT | {"category_id": "dog"}], "has the category_id 'dog', which is not a whole number"),
        ([{key: RESULT[key] for key in RESULT if key != "score"}], "entry 0 (image_id 9, category_id 3) has no score"),
        ([{"bbox": [1, 2, 3, 4]}], "entry 0 has no image_id"),
        ([RESULT | {"bbox": [1, 2, 3]}], "has the bbox [1, 2, 3], which is not four numbers"),
        ([RESULT | {"score": float("nan")}], "has the score nan, which is not a number"),
        ([RESULT | {"score": True}], "has the score True, which is not a number"),
        ([RESULT | {"score": 10**400}], "entry 0 (image_id 9, category_id 3) has the score 1000000"),
        ([RESULT | {"bbox": [1, 2, 3, -(10**400)]}], "entry 0 (image_id 9, category_id 3) has the bbox [1, 2, 3, -10"),
        ({"annotations": [RESULT]}, "is not a list of results"),
        ([7], "is not a list of results"),
    ],
)
def test_wrong_results_are_named(files, monkeypatch, capsys, content, line):
    files[1].write_text(json.dumps(content))
    error = said(monkeypatch, capsys, *files)
    assert error.startswith(f"error: {files[1]}") and line in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "rows", "line"),
    [
        ("images", [{"id": 9, "width": 9, "height": 9}] * 2, "image id 9 is there 2 times"),
        ("images", [{"id": 4, "width": 9, "height": 9}], "annotation 1 has image_id 9, which is not listed"),
        ("categories", CATEGORIES[:1], "has category_id 17, which is not listed"),
        ("categories", [], "lists no category"),
        ("annotations", [{"id": 5, "image_id": 4, "category_id": 3}], "annotation 5 lacks bbox"),
        ("annotations", None, "annotations is not a list of objects"),
    ],
)
def test_wrong_instances_are_named(files, monkeypatch, capsys, key, rows, line):
    files[0].write_text(json.dumps(instances() | {key: rows}))
    error = said(monkeypatch, capsys, *files)
    assert error.startswith(f"error: {files[0]}") and line in error and error.count("\n") == 1


def test_missing_and_broken_files_are_named(files, monkeypatch, capsys, tmp_path):
    assert "nowhere.json: No such file" in said(monkeypatch, capsys, files[0], tmp_path / "nowhere.json")
    files[1].write_text("[{")
    assert f"{files[1]} is not JSON" in said(monkeypatch, capsys, *files)
    files[1].write_text("[" * 200_000)
    assert f"{files[1]} is nested too deeply" in said(monkeypatch, capsys, *files)
    files[0].write_text("[]")
    assert f"{files[0]} is no JSON object" in said(monkeypatch, capsys, *files)


def test_nothing_heavy_is_imported():
    code = "import sys, tasks.detect.score; print({'torch', 'pycocotools', 'hydra'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout == "set()\n"
