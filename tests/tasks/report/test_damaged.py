"""Records that somebody changed, or that a full disk cut short: the page says what it leaves out, compare refuses."""

import json
import sys

import pytest

from tasks.common.errors import UserError
from tasks.compare.__main__ import main
from tasks.report.__main__ import main as report_main
from tasks.report.collect import collect
from tasks.report.write import note, write_report
from tests.tasks.report.runs import write_run

EVIL = "</script><img src=x onerror=alert(1)>"
BOX = [1, 1, 9, 9, 0, 0.6, 0]
PICTURE = {"name": "a", "width": 8, "height": 8, "truth": [], "files": {"image": "p0.jpg"}}
CLASSES = [{"name": "a", "colour": [200, 0, 0]}]


def pictures(**entries):
    return json.dumps({"type": "boxes", "classes": CLASSES, "pictures": [PICTURE | entries]})


CURVES, PICTURES, LABELS = (f"report/detect/{name}.json" for name in ("curves", "pictures", "labels"))
RUN = "report/run.json"
DAMAGED = [  # file, content, what is said of it
    (CURVES, '{"charts": [], "best": [["all classes", 0.25', "curves.json cannot be read"),
    (CURVES, '{"best": [["all", "0.25", 0.5, 0.5, 0.5]]}', "best[0][1] is '0.25', not a finite number"),
    (CURVES, '{"charts": {"title": "x"}}', "charts is {'title': 'x'}, not a list"),
    (
        CURVES,
        '{"charts": [{"title": "", "x": "", "y": "", "marks": [], "lines": [{"name": "", "width": 1, "values": []}]}]}',
        "a line of '' has no 101 values",
    ),
    (CURVES, '{"confusion": {"rows": ["a"], "columns": ["a"], "counts": [[1, 2]]}}', "1 × 1 classes"),
    (CURVES, '{"confusion": {"rows": ["a"], "columns": ["a"], "sparse": [[0, 7, 1]], "totals": [1]}}', "1 × 1 classes"),
    (PICTURES, "[]", "has no JSON object"),
    (PICTURES, '{"type": "toString", "pictures": []}', "its type is 'toString', none of boxes, "),
    (PICTURES, '{"type": "boxes", "pictures": []}', "classes is missing, not a list"),
    (PICTURES, pictures(found=[BOX[:5]]), "pictures[0].found[0] is [1, 1, 9, 9, 0], not a list of 7"),
    (PICTURES, pictures(width="8"), "pictures[0].width is '8', not a number above 0"),
    (PICTURES, pictures(files={}), "'a' names no file of its image"),
    (PICTURES, pictures(files={"image": "text.png"}), "text.png, which has no PNG image"),
    (LABELS, '{"unit": "boxes", "classes": ["a"], "counts": {"train": [1, 2]}}', "has not 1 counts"),
    (
        LABELS,
        '{"unit": "b", "classes": [], "counts": {}, "sizes": {"edges": [1, 2], "counts": [1]}}',
        "one count for each edge",
    ),
    (RUN, '{"state": 7}', "state is 7, not a text"),
    (RUN, '{"costs": "none"}', "it is 'none', not an object"),
    (RUN, '{"costs": {"detect": {"params": "5M", "multiply_adds": 1}}}', "detect.params is '5M'"),
    (RUN, json.dumps({"epoch": EVIL}), f"epoch is '{EVIL}', not a finite number"),
    ("network.json", '{"detect": 5}', "detect is 5, not an object"),
    ("training.json", '{"seconds": "long"}', "seconds is 'long'"),
    ("gate.json", "{}", "has no list of objects"),
    ("doctor.json", '{"findings": ["x"]}', "findings[0] is 'x', not an object"),
]


@pytest.mark.parametrize(("file", "content", "said"), DAMAGED)
def test_a_damaged_record_is_named(tmp_path, file, content, said):
    folder = write_run(tmp_path / "run", 0, 0.5)
    (folder / "report" / "detect" / "text.png").write_text("no picture")
    whole = collect(folder, strict=False)
    assert whole["damaged"] == []
    (folder / file).write_text(content)
    with pytest.raises(UserError) as refused:
        collect(folder)
    assert str(folder / file) in str(refused.value) and said in str(refused.value)
    assert "\n" not in str(refused.value)
    (line,) = collect(folder, strict=False)["damaged"]
    assert file in line and said in line and str(folder) not in line


def test_the_page_shows_the_rest(tmp_path, chromium):
    folder = write_run(tmp_path / "run", 0, 0.5)
    for file, content, _ in DAMAGED:
        (folder / file).write_text(content)
    (folder / "report" / "run.json").write_text(json.dumps({"epoch": EVIL}))
    chromium.open(write_report(folder))
    lines = chromium.texts("#damaged li")
    assert {line.split()[0] for line in lines} == {file for file, _, _ in DAMAGED}
    assert (
        any(EVIL in line for line in lines) and chromium.run("return document.querySelectorAll('main img').length") == 0
    )
    assert chromium.run("return document.querySelector('.big b').textContent") == "0.5000"
    assert chromium.complaints() == []


def test_a_fault_in_one_part_of_the_page_leaves_the_others(tmp_path, chromium):
    chromium.open(write_report(write_run(tmp_path / "run", 0, 0.5)))
    script = "document.body.append(guarded('x', 'Curves', () => { throw new Error('broken') })); return x.textContent"
    assert chromium.run(script) == "CurvesThis part cannot be drawn: broken"


def test_compare_says_one_line(tmp_path, monkeypatch, capsys):
    runs = [write_run(tmp_path / str(seed), seed, 0.5) for seed in (0, 1)]
    (runs[1] / "report" / "detect" / "curves.json").write_text('{"best": 5}')
    monkeypatch.setattr(sys, "argv", ["tasks.compare", *map(str, runs), "--output", str(tmp_path / "page")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    file = runs[1] / "report" / "detect" / "curves.json"
    assert capsys.readouterr().err == f"error: {file} is damaged: best is 5, not a list\n"
    assert not (tmp_path / "page").exists()


def test_the_command_names_what_it_leaves_out(tmp_path, monkeypatch, capsys):
    folder = write_run(tmp_path / "run", 0, 0.5)
    (folder / "training.json").write_text('{"seconds": "long"}')
    monkeypatch.setattr(sys, "argv", ["tasks.report", str(folder)])
    report_main()
    first, second = capsys.readouterr().out.splitlines()
    assert str(folder / "report.html") in first
    assert second == "left out  training.json is damaged: seconds is 'long', not a finite number"


def test_a_cut_run_json_does_not_stop_later_notes(tmp_path):
    folder = write_run(tmp_path / "run", 0, 0.5)
    (folder / "report" / "run.json").write_text('{"state": "tra')
    note(folder, {"state": "finished"})
    assert json.loads((folder / "report" / "run.json").read_text()) == {"state": "finished"}
