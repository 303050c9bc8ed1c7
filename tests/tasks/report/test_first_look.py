"""What a newcomer stumbled over on a run's page: numbers that did not fit together, and what a phone did not show."""

import json
import shlex

import pytest

from tasks.report.write import note, write_report
from tests.chromium import DESKTOP, PHONE
from tests.tasks.report.runs import write_run


@pytest.fixture
def run(tmp_path):
    """A detector's folder: F1 is best at 0.25, images were chosen at 0.3; a false alarm at the photo's right edge."""
    folder = write_run(tmp_path / "run", 0, 0.5)
    path = folder / "report" / "detect" / "pictures.json"
    record = json.loads(path.read_text())
    for picture in record["pictures"]:
        picture["found"] = [[1, 1, 9, 9, 0, 0.6, 0], [58, 26, 64, 32, 0, 0.28, -1]]
    path.write_text(json.dumps(record))
    return folder


def opened(chromium, folder, size=DESKTOP):
    chromium.resize(size)
    chromium.open(write_report(folder))
    chromium.settle()


def test_images_are_shown_at_the_score_that_chose_them(run, chromium):
    opened(chromium, run)
    assert chromium.texts("#pictures .threshold output") == ["0.300"]
    assert {each.split("F1 ")[1][:4] for each in chromium.texts("#pictures figcaption")} == {"1.00"}
    chromium.run("[...document.querySelectorAll('#pictures button')].find(e => /best F1/.test(e.textContent)).click()")
    assert chromium.texts("#pictures .threshold output") == ["0.250"]
    assert {each.split("F1 ")[1][:4] for each in chromium.texts("#pictures figcaption")} == {"0.67"}
    inside = chromium.run(
        "return [...document.querySelectorAll('#pictures svg text')].map((text) => { const box = text.getBBox();"
        "return box.x >= -1 && box.x + box.width <= 65 && box.y + box.height <= 34 })"
    )
    assert len(inside) == 4 and all(inside), "names of boxes at the edge are not cut"
    assert chromium.complaints() == []


def test_a_weak_detectors_images_are_shown_where_something_is_found(run, chromium):
    path = run / "report" / "detect" / "pictures.json"
    path.write_text(path.read_text().replace("0.6, 0]", "0.29, 0]"))
    opened(chromium, run)
    assert chromium.texts("#pictures .threshold output") == ["0.250"]


def test_false_alarms_are_no_shares_of_the_truth(run, chromium):
    path = run / "report" / "detect" / "curves.json"
    names = ["a", "background"]
    matrix = {"rows": names, "columns": names, "counts": [[6, 2], [40, 0]], "background": True}
    path.write_text(json.dumps({"charts": [], "confusion": matrix}))
    opened(chromium, run)
    assert chromium.texts(".matrix tbody td") == ["75%", "25%", "40", ""]
    assert chromium.run("return document.querySelectorAll('.matrix .stray .wrong').length") == 0
    mistakes = chromium.texts("[aria-label=mistakes] td")
    assert mistakes == ["background", "a", "40", "–", "a", "background", "2", "25%"]


def test_a_stopped_run_shows_its_best_score_large_and_one_point_as_a_number(run, chromium):
    (run / "metrics.json").unlink()
    note(run, {"state": "interrupted", "why": "Ctrl-C"})
    opened(chromium, run)
    assert chromium.texts(".big") == ["0.2000mAP, the best, after epoch 2"]
    (run / "metrics.csv").write_text("epoch,step,train/loss,val/mAP,val/AR1\n0,0,2.0,,\n0,1,1.5,0.1,0.3\n")
    opened(chromium, run)
    assert chromium.texts("#curves [data-title='Validation scores'] td") == ["mAP", "0.1", "AR1", "0.3"]
    assert chromium.run("return document.querySelectorAll('#curves .chart').length") == 1, "the loss"


def test_a_phone_shows_that_there_is_more_and_breaks_no_word(run, chromium):
    words = ["dataset.root=a/folder/with/a/name", "backbone=mobilenet_v3_small", "hydra.job.chdir=null"]
    (run / ".hydra" / "overrides.yaml").write_text(json.dumps(words))
    opened(chromium, run, PHONE)
    lines = "return [...document.querySelectorAll('.command span')].map((each) => each.getBoundingClientRect().height)"
    assert len({round(height) for height in chromium.run(lines)}) == 1, "each word is on one line"
    marked = "return getComputedStyle(document.querySelector('.on')).display !== 'none'"
    assert chromium.run(marked)
    chromium.run("document.querySelector('.links').scrollLeft = 9999")
    chromium.settle()
    assert not chromium.run(marked), "nothing is left to the right"
    chromium.resize(DESKTOP)
    chromium.settle()
    assert not chromium.run(marked)


def test_a_caption_without_a_judgement_begins_at_the_left(run, chromium):
    (run / "report" / "detect" / "pictures.json").rename(run / "report" / "detect" / "augmented.json")
    path = run / "report" / "detect" / "augmented.json"
    record = json.loads(path.read_text()) | {"type": "maps"}
    record["classes"] = [{"name": "a", "colour": [200, 0, 0]}]
    for picture in record["pictures"]:
        picture["files"]["truth"] = picture["files"]["image"]
        del picture["found"], picture["truth"]
        picture["kind"] = ""
    path.write_text(json.dumps(record))
    opened(chromium, run, PHONE)
    begins = chromium.run(
        "return [...document.querySelectorAll('.sheet figcaption')].map((each) =>"
        "each.querySelector('.name').getBoundingClientRect().left - each.getBoundingClientRect().left)"
    )
    assert len(begins) == 2 and max(begins) < 13, begins
    chromium.resize(DESKTOP)


def test_an_exports_page_has_the_commands_that_use_its_file(chromium, tmp_path):
    name = "a 'model'.onnx"
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").touch()
    hydra = {"job": {"name": "detect"}, "overrides": {"hydra": ["hydra.run.dir=out/cells"]}}
    files = {"gate.json": [], "model.json": {"file": name, "precision": "fp32", "outputs": "raw"}}
    files |= {".hydra/overrides.yaml": ["mode=export"], ".hydra/hydra.yaml": {"hydra": hydra}}
    for file, content in files.items():
        (tmp_path / file).write_text(json.dumps(content))
    (tmp_path / name).write_bytes(b"12345")
    opened(chromium, tmp_path)
    assert chromium.texts("#exported .command code") == [
        "python -m tasks.page out/cells/page",
        f"python -m tasks.detect mode=predict model={shlex.quote(f'out/cells/{name}')} input=photos".replace(
            "'\"'\"'", "'\\''"
        ),
    ]
    assert chromium.run("return document.querySelector('#exported a').getAttribute('href')") == "page/"
    facts = dict(zip(chromium.texts("#exported dt"), chromium.texts("#exported dd"), strict=True))
    assert (facts["file"], facts["precision"], facts["outputs"]) == (f"{name}, 5 bytes", "fp32", "raw")
