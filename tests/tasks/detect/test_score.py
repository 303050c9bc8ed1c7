"""Results files: written, read and scored to the last bit; what is wrong in one is said in a line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.data.files.ids import Ids
from tasks.detect.arrange import Found
from tasks.detect.coco_map import evaluate
from tasks.detect.results import read_results, write_results
from tasks.detect.score import main
from tasks.detect.truths import read_truths

WORDS = {9: "nine", 4: "four", 7: "seven"}
CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 17, "name": "cat"}]


def instances(count: int = 30) -> dict:
    random = np.random.default_rng(0)
    boxes = random.uniform(5, 60, (count, 4)).round(2).tolist()
    return {
        "images": [
            {"id": number, "file_name": f"{WORDS[number]}.jpg", "width": 120, "height": 120} for number in (9, 4, 7)
        ],
        "categories": [dict(category) for category in CATEGORIES],
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
    read, note = read_results(files[1], Ids(np.array([9, 4, 7])), Ids(np.array([3, 17])))
    assert not note
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
    truth = read_truths(files[0])
    found, _ = read_results(files[1], truth.image_ids, truth.category_ids)
    ours = evaluate(truth.truths, found, truth.image_ids.numbers, truth.category_ids.numbers)
    numbers = [-1 if value is None else value for value in ours.numbers.values()]
    np.testing.assert_allclose(numbers, evaluation.stats, rtol=0, atol=1e-12)
    assert 0.05 < numbers[0] < 0.95


def test_no_detections(tmp_path):
    path = tmp_path / "predictions.json"
    nothing = np.zeros(0, np.int64)
    write_results(Found(nothing, nothing, np.zeros((0, 4)), np.zeros(0)), path)
    assert json.loads(path.read_text()) == []
    assert len(read_results(path, Ids(np.array([1])), Ids(np.array([1])))[0].scores) == 0


def test_a_box_that_is_not_finite_is_not_written(tmp_path):
    found = Found(np.array([5]), np.array([1]), np.full((1, 4), np.nan), np.ones(1))
    with pytest.raises(ValueError, match="image 5"):
        write_results(found, tmp_path / "predictions.json")


def test_area_and_iscrowd_may_be_missing(tmp_path):
    content = instances(2)
    for row in content["annotations"]:
        del row["area"], row["iscrowd"]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    truths = read_truths(tmp_path / "instances.json").truths
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
        ([RESULT | {"category_id": None}], "has the category_id None, which is not a whole number or a text"),
        ([RESULT | {"image_id": "4.5"}], "there is no such image_id in the data set (4, 7, 9)"),
        ([RESULT | {"image_id": "seven"}], "the image of the file seven has the id 7, which is to stand there"),
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
        ("images", [], "lists no image"),
        ("images", [{"width": 9}], "image number 0 lacks id"),
        ("categories", [], "lists no category"),
        ("annotations", [{"id": 5, "image_id": 4, "category_id": 3}], "annotation 5 lacks bbox"),
        ("annotations", None, "annotations is not a list of objects"),
    ],
)
def test_wrong_instances_are_named(files, monkeypatch, capsys, key, rows, line):
    files[0].write_text(json.dumps(instances() | {key: rows}))
    error = said(monkeypatch, capsys, *files)
    assert error.startswith(f"error: {files[0]}") and line in error and error.count("\n") == 1


def each(key, change):
    """A change of every row of one of the file's lists."""
    return lambda content: [change(row) for row in content[key]] and None


def texts_for_ids(content):
    for row in content["images"]:
        row["id"] = f"img{row['id']}"
    for row in content["annotations"]:
        row["image_id"] = f"img{row['image_id']}"


ODD_TRUTHS = {  # what pycocotools scores though it breaks COCO's format
    "text ids": texts_for_ids,
    "ids like 9.0": each("annotations", lambda row: row.update(image_id=float(row["image_id"]))),
    "no sizes and names": each("images", lambda row: [row.pop(key) for key in ("height", "width", "file_name")]),
    "categories without a name": each("categories", lambda row: row.pop("name")),
    "an image that is listed twice": lambda content: content["images"].append(dict(content["images"][0])),
    "objects of an image that is not listed": lambda content: content["images"].pop(1) and None,
    "objects of a category that is not listed": lambda content: content["categories"].pop() and None,
    "annotation ids that are there twice": lambda content: content["annotations"][7].update(id=3),
    "ids of two in other images": lambda content: content["annotations"][6].update(id=2, category_id=3),
    "boxes of negative width": lambda content: content["annotations"][4].update(bbox=[30, 5, -20, 9]),
    "true and false as crowd": each("annotations", lambda row: row.update(iscrowd=bool(row["iscrowd"]))),
    "more keys, and licences": lambda content: content.update(licenses=[], info={"year": 1}),
}
ODD_RESULTS = {
    "as they are": lambda rows: None,
    "scores that are whole numbers": lambda rows: [row.update(score=round(10 * row["score"])) for row in rows],
    "categories that are not listed": lambda rows: [row.update(category_id=90) for row in rows[::3]],
    "boxes with more digits than bits": lambda rows: [row.update(bbox=[v * 1.1 for v in row["bbox"]]) for row in rows],
    "one": lambda rows: rows.__delitem__(slice(1, None)),
}


@pytest.mark.parametrize("results", ODD_RESULTS)
@pytest.mark.parametrize("truths", ODD_TRUTHS)
def test_what_pycocotools_scores_is_scored_alike(tmp_path, truths, results, capsys):
    content, paths = instances(), (tmp_path / "instances.json", tmp_path / "predictions.json")
    write_results(detections(content["annotations"]), paths[1])
    ODD_TRUTHS[truths](content)
    rows = json.loads(paths[1].read_text())
    if truths == "text ids":
        for row in rows:
            row["image_id"] = f"img{row['image_id']}"
    listed = {row["id"] for row in content["images"]}
    rows = [row for row in rows if row["image_id"] in listed]
    ODD_RESULTS[results](rows)
    paths[0].write_text(json.dumps(content))
    paths[1].write_text(json.dumps(rows))

    official = COCO(str(paths[0]))
    evaluation = COCOeval(official, official.loadRes(str(paths[1])), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    truth = read_truths(paths[0])
    found, note = read_results(paths[1], truth.image_ids, truth.category_ids, truth.stems)
    ours = evaluate(truth.truths, found, truth.image_ids.numbers, truth.category_ids.numbers)
    numbers = [-1 if value is None else value for value in ours.numbers.values()]
    np.testing.assert_allclose(numbers, evaluation.stats, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.precision, evaluation.eval["precision"], rtol=0, atol=1e-12)
    assert ("left out: no category 90" in note) == (results == "categories that are not listed")
    assert len(truth.categories) == len(content["categories"])


def test_missing_and_broken_files_are_named(files, monkeypatch, capsys, tmp_path):
    assert "nowhere.json: no such file" in said(monkeypatch, capsys, files[0], tmp_path / "nowhere.json")
    files[1].write_text("")
    assert f"{files[1]} is not JSON: it is empty" in said(monkeypatch, capsys, *files)
    files[1].write_bytes(b"\x1f\x8b\x08packed")
    assert f"{files[1]} is packed (gzip): unpack it first" in said(monkeypatch, capsys, *files)
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
