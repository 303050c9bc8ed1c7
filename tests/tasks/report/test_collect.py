"""What a page shows of a run's folder: curves, scores, and refusals of folders that are no run's."""

import json
from pathlib import Path

import pytest

from tasks.common.errors import UserError
from tasks.report.collect import collect
from tasks.report.history import POINTS, read_history
from tasks.report.page import as_json
from tasks.report.reading import Parts
from tasks.report.scores import score_tables
from tasks.report.write import write_report


def test_curves_are_over_epochs(tmp_path):
    rows = ["epoch,step,train/loss,val/mIoU", "0,1,4.0,", "0,3,2.0,", "0,3,,0.5", "1,5,nan,", "1,7,1.0,", "1,7,,0.75"]
    (tmp_path / "metrics.csv").write_text("\n".join([*rows, "broken,row", "1,9"]))
    history = read_history(tmp_path / "metrics.csv")
    assert history["epochs"] == 2
    assert history["curves"]["train/loss"] == {"x": [0.5, 1.0, 1.5, 2.0], "y": [4.0, 2.0, None, 1.0]}
    assert history["curves"]["val/mIoU"] == {"x": [1.0, 2.0], "y": [0.5, 0.75]}


def test_rows_that_no_training_writes_are_left_out(tmp_path):
    rows = [f"-1,0,5.0\n0,{10**400},5.0\n0,-7,5.0\n{10**400},0,5.0\n0,0,1{'0' * 400}\n0,1,3.0"]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,step,train/loss", *rows]))
    history = read_history(tmp_path / "metrics.csv")
    assert history == {"epochs": 1, "curves": {"train/loss": {"x": [0.5, 1.0], "y": [None, 3.0]}}}
    (tmp_path / "classes.csv").write_text(f"class,images\na,1{'0' * 400}\n")
    (table,) = score_tables({"top1": 1.0}, ["classify"], tmp_path, Parts(tmp_path, strict=True))
    assert table["rows"] == [["a", "1" + "0" * 400]]


def test_long_curves_are_thinned_by_means(tmp_path):
    rows = [f"{step // 1000},{step},{step % 2}" for step in range(3 * POINTS)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,step,train/loss", *rows]))
    curve = read_history(tmp_path / "metrics.csv")["curves"]["train/loss"]
    assert len(curve["x"]) == POINTS
    assert curve["y"][:2] == [0.333333, 0.666667], "of 0, 1, 0 and of 1, 0, 1"
    assert curve["x"][-1] == pytest.approx(3 * POINTS / 1000)


def test_classes_may_have_any_name(tmp_path):
    metrics = {"mIoU": 0.5, "iou/a/b": 0.25, "iou/AP": None, "boundary_F1/a/b": 1.0, "images": 3, "seconds": 1.5}
    (table,) = score_tables(metrics, ["segment"], tmp_path, Parts(tmp_path, strict=True))
    assert table["scores"] == [["mIoU", 0.5]]
    assert table["columns"] == [["iou", "score"], ["boundary_F1", "score"]]
    assert table["rows"] == [["a/b", 0.25, 1.0], ["AP", None, None]]


def test_each_head_has_its_scores(tmp_path):
    metrics = {"segment/mIoU": 0.5, "segment/iou/AP/x": 0.25, "detect/mAP": 0.125, "detect/AP/car": 0.125, "images": 3}
    segment, detect = score_tables(metrics, ["segment", "detect"], tmp_path, Parts(tmp_path, strict=True))
    assert (segment["scores"], segment["rows"]) == ([["mIoU", 0.5]], [["AP/x", 0.25]])
    assert (detect["scores"], detect["rows"]) == ([["mAP", 0.125]], [["car", 0.125]])


def test_counts_of_classes_come_from_the_tables_beside(tmp_path):
    (tmp_path / "errors.csv").write_text("class,right,missed\nall,1,0\nall,5,7\n")
    (table,) = score_tables({"mAP": 1.0, "AP/all": 1.0}, ["detect"], tmp_path, Parts(tmp_path, strict=True))
    assert table["columns"] == [["AP", "score"], ["right", "count"], ["missed", "count"]]
    assert table["rows"] == [["all", 1.0, 1, 0]], "a class called all is not the last row, the sum of all"


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000])
def test_broken_files_are_named(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(UserError, match=r"metrics\.json"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match=r"it has no metrics\.csv.*name a run in it: .*0"):
        collect(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        collect(tmp_path / "nowhere")


def test_configurations_that_execute_something_are_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("a: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(UserError, match=r"config\.yaml cannot be read"):
        collect(tmp_path)


def test_pictures_are_only_those_beside_their_record(tmp_path):
    folder = tmp_path / "report" / "detect"
    folder.mkdir(parents=True)
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "network.json").write_text(json.dumps({"detect": {"params": 1, "multiply_adds": 1}}))
    record = folder / "pictures.json"
    (tmp_path / "x.jpg").write_bytes(b"")
    for name in ("../../x.jpg", "../../config.yaml", "/etc/hostname", "a.svg", ["a.jpg"], "none.jpg"):
        picture = {"name": "a", "width": 1, "height": 1, "truth": [], "files": {"image": name}}
        record.write_text(json.dumps({"type": "boxes", "classes": [], "pictures": [picture]}))
        with pytest.raises(UserError, match=r"pictures\.json names"):
            collect(tmp_path)


def test_no_text_leaves_the_data():
    text = as_json({"</script><script>alert(1)</script>": ["<!--", "\u2028", "\ud800", float("nan"), Path("x")]})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == {"</script><script>alert(1)</script>": ["<!--", "\u2028", "?", None, "x"]}
