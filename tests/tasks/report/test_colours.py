"""A class has one colour on a page, and a legend shows what is drawn."""

import json

import pytest

from tasks.report.write import write_report
from tests.tasks.report.runs import write_run

NAMES, COLOURS = ("a", "b"), ([200, 0, 0], [0, 0, 90])


@pytest.fixture
def folder(tmp_path):
    folder = write_run(tmp_path / "run", 0, 0.5)
    records = folder / "report" / "detect"
    known = json.loads((records / "pictures.json").read_text())
    known["classes"] = [{"name": name, "colour": rgb} for name, rgb in zip(NAMES, COLOURS, strict=True)]
    (records / "pictures.json").write_text(json.dumps(known))
    lines = [{"name": name, "width": 1.5, "values": [0.5] * 101} for name in NAMES]
    lines.insert(0, {"name": "mean", "width": 2.75, "values": [0.5] * 101})
    chart = {"title": "F1 over the score", "x": "score", "y": "F1", "lines": lines, "marks": []}
    matrix = {"rows": list(NAMES), "columns": list(NAMES), "note": "", "counts": [[1, 2], [3, 4]]}
    best = [["a", 0.1, 0.2, 0.3, 0.4], ["b", 0.1, 0.2, 0.3, 0.4]]
    (records / "curves.json").write_text(json.dumps({"charts": [chart], "confusion": matrix, "best": best}))
    counts = {"unit": "boxes", "classes": list(NAMES), "counts": {"train": [1, 2]}}
    (records / "labels.json").write_text(json.dumps(counts))
    metrics = {"mAP": 0.5, **{f"AP/{name}": 0.5 for name in NAMES}, "images": 2}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "metrics.csv").write_text("epoch,step,train/loss,val/AP/a,val/AP/b\n0,0,2.0,0.1,0.1\n0,1,1.5,0.1,0.2\n")
    return folder


DRAWN = """return new Promise(done => { const look = () => document.querySelectorAll('.plot').length ===
  document.querySelectorAll('.uplot').length ? done(true) : requestAnimationFrame(look); look(); })"""
STROKES = """const lines = [...document.querySelectorAll('.plot')].find(e => e.dataset.title === arguments[0])
  .querySelectorAll('.u-series:not(:first-child)');
return Object.fromEntries([...lines].map(e => [e.querySelector('.u-label').textContent,
  e.querySelector('.u-marker').style.borderColor]))"""


def show(chromium, page, scheme="light"):
    """Open a page, and wait for its charts, which are drawn when their size is known."""
    chromium.scheme(scheme)
    chromium.open(page)
    assert chromium.run(DRAWN)


def check_lines(chromium, a, b):
    """Two classes have these colours in the charts of their scores."""
    drawn = chromium.run(STROKES, "F1 over the score")
    assert (drawn["a"], drawn["b"]) == (a, b)
    assert chromium.run(STROKES, "Validation scores of classes") == {"AP/a": a, "AP/b": b}


def test_a_class_has_one_colour(folder, chromium):
    show(chromium, write_report(folder))
    red, blue = "rgb(200, 0, 0)", "rgb(0, 0, 90)"
    check_lines(chromium, red, blue)
    swatches = "return [...document.querySelectorAll(arguments[0])].map(e => e.style.background)"
    for place in ("#scores", "#predictions .free, #predictions details", "#training-data", ".matrix tbody"):
        assert chromium.run(swatches, f"{place} .swatch")[:2] == [red, blue], place
    assert chromium.run(swatches, ".chips .swatch")[:1] == [red], "of the only class with boxes"
    show(chromium, folder / "report.html", "dark")
    drawn = chromium.run(STROKES, "F1 over the score")
    assert drawn["a"] == red
    light = drawn["b"]
    red_part, green, blue_part = map(int, light[4:-1].split(","))
    assert red_part == green < blue_part and blue_part > 90, "dark blue on dark is lighter there, and as blue"
    assert chromium.complaints() == []


def test_classes_without_colours_have_one_ink_each(folder, chromium):
    records = folder / "report" / "detect" / "pictures.json"
    known = json.loads(records.read_text())
    known["classes"] = [{"name": name} for name in reversed(NAMES)]
    records.write_text(json.dumps(known))
    show(chromium, write_report(folder))
    first, second = "rgb(20, 87, 200)", "rgb(194, 65, 12)"
    check_lines(chromium, second, first)
    swatches = "return [...document.querySelectorAll('#scores .swatch')].map(e => getComputedStyle(e).backgroundColor)"
    assert chromium.run(swatches) == [second, first], "of a and b"


def test_many_hidden_curves_are_folded(folder, chromium):
    names = ["val/mAP", *(f"val/AR_{number}" for number in range(8))]
    rows = [",".join(["0", str(step), *["0.5"] * len(names)]) for step in range(3)]
    (folder / "metrics.csv").write_text("\n".join([",".join(["epoch", "step", *names]), *rows]))
    show(chromium, write_report(folder))
    shown = (
        "return [...document.querySelectorAll('#curves .u-series:not(:first-child)')]"
        ".filter(e => e.checkVisibility()).map(e => e.querySelector('.u-label').textContent)"
    )
    assert chromium.run(shown) == ["mAP"]
    assert chromium.run("return document.querySelector('#curves .plot > .small').textContent") == "8 more curves"
    chromium.run("document.querySelector('#curves .plot > .small').click()")
    assert len(chromium.run(shown)) == 9
    chromium.run("document.querySelectorAll('#curves .u-series')[3].querySelector('th').click()")
    chromium.run("document.querySelector('#curves .plot > .small').click()")
    assert chromium.run(shown) == ["mAP", "AR_1"], "what was switched on stays"
    assert chromium.run("return document.querySelector('#curves .plot > .small').textContent") == "7 more curves"
    assert chromium.complaints() == []
